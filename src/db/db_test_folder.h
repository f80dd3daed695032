/* For tests: a folder of their own, gone with all that is in it at the end. */
#ifndef CHANCERY_DB_DB_TEST_FOLDER_H
#define CHANCERY_DB_DB_TEST_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEST_FOLDER_SIZE 64

static inline void test_folder_make(char path[TEST_FOLDER_SIZE])
{
	snprintf(path, TEST_FOLDER_SIZE, "/tmp/chancery-store-XXXXXX");
	if (!mkdtemp(path))
		abort();
}

/* Removes the files in it, and the folder itself when `all`. */
static inline void test_folder_clear(const char *path, int all)
{
	DIR *d = opendir(path);
	char name[TEST_FOLDER_SIZE + 280];

	for (struct dirent *f; d && (f = readdir(d));) {
		snprintf(name, sizeof name, "%s/%s", path, f->d_name);
		unlink(name); /* fails for . and .., as it should */
	}
	if (d)
		closedir(d);
	if (all)
		rmdir(path);
}

#endif
