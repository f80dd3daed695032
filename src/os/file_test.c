#include "os/file.h"

#include "base/seam.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- a seam that writes down what is done, and fails the N-th of it --- */

static char done[512];  /* "open-dir open-new write fsync rename fsync-dir " */
static int fail_number; /* counts down; 0: none fails any more */
static int fail_error;
static size_t write_most; /* of one write */
static unsigned interruptions;
static struct stat synced_dir;

static bool fails(const char *what)
{
	strncat(done, what, sizeof done - strlen(done) - 1);
	strncat(done, " ", sizeof done - strlen(done) - 1);
	if (fail_number == 0 || --fail_number > 0)
		return false;
	errno = fail_error;
	return true;
}

static bool is_dir(int fd, struct stat *s)
{
	return fstat(fd, s) == 0 && S_ISDIR(s->st_mode);
}

static int openat_seen(int dir, const char *path, int flags, mode_t mode)
{
	const char *what = flags & O_DIRECTORY ? "open-dir" : flags & O_CREAT ? "open-new" : "open";

	return fails(what) ? -1 : openat(dir, path, flags, mode);
}

static ssize_t write_seen(int fd, const void *p, size_t n)
{
	if (interruptions > 0 && interruptions--) {
		errno = EINTR;
		return -1;
	}
	return fails("write") ? -1 : write(fd, p, n < write_most ? n : write_most);
}

static ssize_t pread_seen(int fd, void *p, size_t n, off_t at)
{
	if (interruptions > 0 && interruptions--) {
		errno = EINTR;
		return -1;
	}
	return fails("pread") ? -1 : pread(fd, p, n, at);
}

static int fsync_seen(int fd)
{
	struct stat s;
	bool dir = is_dir(fd, &s);

	if (dir)
		synced_dir = s;
	return fails(dir ? "fsync-dir" : "fsync") ? -1 : fsync(fd);
}

static int renameat_seen(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails("rename") ? -1 : renameat(from_dir, from, to_dir, to);
}

static struct seam seen;
static char folder[32];
static int dir;

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/chancery-file-XXXXXX");
	if (!mkdtemp(folder) || (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	seen = seam_libc;
	seen.openat = openat_seen;
	seen.write = write_seen;
	seen.pread = pread_seen;
	seen.fsync = fsync_seen;
	seen.renameat = renameat_seen;
	seam = &seen;
	done[0] = 0;
	fail_number = 0;
	fail_error = EIO;
	write_most = SIZE_MAX;
	interruptions = 0;
	return 0;
}

static int clear_folder(void **state)
{
	char command[64];

	(void)state;
	seam = &seam_libc;
	close(dir);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void expect_content(const char *path, const char *want)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(1000);
	const struct seam *before = seam;

	seam = &seam_libc;
	assert_int_equal(file_read(dir, path, 1000, &b, NULL), ERR_OK);
	assert_true(bytes_eq_str(buf_bytes(&b), want));
	seam = before;
}

static unsigned names_in_folder(void)
{
	unsigned n = 0;
	DIR *d = opendir(folder);

	assert_non_null(d);
	for (const struct dirent *ent; (ent = readdir(d));)
		n += ent->d_name[0] != '.';
	closedir(d);
	return n;
}

/* --- writing --- */

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("new"), NULL), ERR_OK);
	assert_string_equal(done, "open-dir open-new write fsync rename fsync-dir ");
	expect_content("f", "new");
	done[0] = 0;
	assert_int_equal(file_create(dir, "g", 0600, BYTES_LIT("new"), NULL), ERR_OK);
	assert_string_equal(done, "open-dir open-new write fsync fsync-dir ");
	expect_content("g", "new");
	assert_int_equal(names_in_folder(), 2);
}

static void test_the_right_folder_is_synced(void **state)
{
	struct stat sub, top;

	(void)state;
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(fstatat(dir, "sub", &sub, 0), 0);
	assert_int_equal(fstat(dir, &top), 0);
	assert_int_equal(file_write(dir, "sub/f", 0600, BYTES_LIT("x"), NULL), ERR_OK);
	assert_int_equal(synced_dir.st_ino, sub.st_ino);
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("x"), NULL), ERR_OK);
	assert_int_equal(synced_dir.st_ino, top.st_ino);
	char path[64];
	snprintf(path, sizeof path, "%s/sub/g", folder);
	assert_int_equal(file_create(AT_FDCWD, path, 0600, BYTES_LIT("x"), NULL), ERR_OK);
	assert_int_equal(synced_dir.st_ino, sub.st_ino);
	assert_int_equal(file_sync_dir(dir, NULL), ERR_OK);
	assert_int_equal(synced_dir.st_ino, top.st_ino);
}

/* Whatever fails, the name has the old content or the new one, whole; a draft never stays. Only when the folder's own fsync
 * fails is the new content there although we say that it may not last. */
static void test_write_fails_at_each_step(void **state)
{
	int n = 1;

	(void)state;
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("old"), NULL), ERR_OK);
	for (;; n++) {
		struct err e = { 0 };
		done[0] = 0;
		fail_number = n;
		fail_error = n % 2 ? EIO : ENOSPC;
		enum err_code rc = file_write(dir, "f", 0600, BYTES_LIT("new"), &e);
		if (rc == ERR_OK)
			break;
		assert_int_equal(rc, ERR_IO);
		assert_int_equal(e.sys, fail_error);
		bool renamed = strstr(done, "fsync-dir") != NULL;
		expect_content("f", renamed ? "new" : "old");
		assert_int_equal(names_in_folder(), 1);
	}
	assert_int_equal(n, 7);
	expect_content("f", "new");
}

static void test_create_fails_at_each_step(void **state)
{
	int n = 1;

	(void)state;
	for (;; n++) {
		done[0] = 0;
		fail_number = n;
		enum err_code rc = file_create(dir, "f", 0600, BYTES_LIT("new"), NULL);
		if (rc == ERR_OK)
			break;
		assert_int_equal(rc, ERR_IO);
		bool there = strstr(done, "fsync-dir") != NULL;
		assert_int_equal(names_in_folder(), there);
		if (there)
			assert_int_equal(unlinkat(dir, "f", 0), 0);
	}
	assert_int_equal(n, 6);
	expect_content("f", "new");
}

static void test_create_keeps_what_is_there(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(file_create(dir, "f", 0400, BYTES_LIT("old"), NULL), ERR_OK);
	assert_int_equal(file_create(dir, "f", 0400, BYTES_LIT("new"), &e), ERR_CONFLICT);
	assert_int_equal(e.code, ERR_CONFLICT);
	expect_content("f", "old");
	assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
	assert_int_equal(file_create(dir, "link", 0600, BYTES_LIT("new"), NULL), ERR_CONFLICT);
	assert_int_equal(faccessat(dir, "nowhere", F_OK, 0), -1);
	assert_int_equal(names_in_folder(), 2);
}

static int other_was_first(int at, const char *path, int flags, mode_t mode)
{
	int fd = openat(at, path, flags, mode);

	if (flags & O_CREAT)
		close(openat(dir, "f", O_WRONLY | O_CREAT | O_EXCL, 0600));
	return fd;
}

/* Another process makes the file between our look and our link. */
static void test_create_is_not_a_look(void **state)
{
	(void)state;
	seen.openat = other_was_first;
	assert_int_equal(file_create(dir, "f", 0600, BYTES_LIT("ours"), NULL), ERR_CONFLICT);
	expect_content("f", "");
	assert_int_equal(names_in_folder(), 1);
}

static void test_modes(void **state)
{
	const mode_t modes[] = { 0400, 0444, 0600, 0640, 0644 };
	mode_t mask = umask(0);
	struct stat s;

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(file_write(dir, "f", modes[i], BYTES_LIT("x"), NULL), ERR_OK);
		assert_int_equal(fstatat(dir, "f", &s, 0), 0);
		assert_int_equal(s.st_mode & 07777, modes[i]);
	}
	umask(mask);
}

static void test_a_link_is_replaced_not_followed(void **state)
{
	struct stat s;

	(void)state;
	assert_int_equal(file_write(dir, "target", 0600, BYTES_LIT("old"), NULL), ERR_OK);
	assert_int_equal(symlinkat("target", dir, "f"), 0);
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("new"), NULL), ERR_OK);
	assert_int_equal(fstatat(dir, "f", &s, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(s.st_mode));
	expect_content("target", "old");
}

static void test_short_and_interrupted_writes(void **state)
{
	(void)state;
	write_most = 3;
	interruptions = 5;
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("eleven byte"), NULL), ERR_OK);
	assert_string_equal(done, "open-dir open-new write write write write fsync rename fsync-dir ");
	expect_content("f", "eleven byte");
	write_most = 0; /* a device that takes nothing and says nothing */
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("new"), NULL), ERR_IO);
	expect_content("f", "eleven byte");
	write_most = SIZE_MAX;
	assert_int_equal(file_write(dir, "f", 0600, BYTES_NONE, NULL), ERR_OK);
	expect_content("f", "");
}

static void test_paths_that_cannot_be(void **state)
{
	static char path[5000];

	(void)state;
	memset(path, 'a', sizeof path - 1);
	assert_int_equal(file_write(dir, path, 0600, BYTES_LIT("x"), NULL), ERR_IO);
	path[300] = 0;
	assert_int_equal(file_write(dir, path, 0600, BYTES_LIT("x"), NULL), ERR_IO);
	assert_int_equal(file_write(dir, "no/such/folder", 0600, BYTES_LIT("x"), NULL), ERR_IO);
	assert_int_equal(file_create(dir, "no/such/folder", 0600, BYTES_LIT("x"), NULL), ERR_IO);
	assert_int_equal(file_write_all(-1, BYTES_LIT("x"), NULL), ERR_IO);
	assert_int_equal(file_sync_dir(-1, NULL), ERR_IO);
	assert_int_equal(names_in_folder(), 0);
}

/* --- reading --- */

static enum err_code read_at_most(const char *path, size_t max, size_t room, struct err *e)
{
	CLEANUP(buf_free_p) struct buf b = buf_new_secret(room);
	enum err_code rc = file_read(dir, path, max, &b, e);

	assert_true(rc != ERR_OK || b.len <= max);
	return rc;
}

static void test_read_sizes(void **state)
{
	static uint8_t content[40000];
	CLEANUP(buf_free_p) struct buf b = buf_new(sizeof content);

	(void)state;
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (uint8_t)(i * 7 / 3);
	assert_int_equal(file_write(dir, "f", 0600, BYTES_ARRAY(content), NULL), ERR_OK);
	assert_int_equal(file_read(dir, "f", sizeof content, &b, NULL), ERR_OK);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_ARRAY(content)));
	assert_int_equal(read_at_most("f", sizeof content - 1, 100000, NULL), ERR_TOO_LARGE);
	assert_int_equal(read_at_most("f", 0, 100000, NULL), ERR_TOO_LARGE);
	assert_int_equal(read_at_most("f", 100000, 1000, NULL), ERR_NOMEM);
	assert_int_equal(file_write(dir, "empty", 0600, BYTES_NONE, NULL), ERR_OK);
	assert_int_equal(read_at_most("empty", 0, 0, NULL), ERR_OK);
	buf_reset(&b);
	interruptions = 4;
	assert_int_equal(file_read(dir, "f", sizeof content, &b, NULL), ERR_OK);
	assert_int_equal(b.len, sizeof content);
}

static void test_read_errors(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(read_at_most("nothing", 10, 10, &e), ERR_NOT_FOUND);
	assert_non_null(strstr(e.detail, "nothing"));
	assert_int_equal(read_at_most(".", 10, 10, NULL), ERR_IO);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(read_at_most("fifo", 10, 10, NULL), ERR_IO); /* and does not wait for a writer */
	assert_int_equal(file_write(dir, "f", 0600, BYTES_LIT("x"), NULL), ERR_OK);
	for (int n = 1; n <= 3; n++) { /* open, pread, pread at the end */
		fail_number = n;
		fail_error = EACCES;
		assert_int_equal(read_at_most("f", 10, 10, &e), ERR_IO);
		assert_int_equal(e.sys, EACCES);
	}
	assert_int_equal(read_at_most("f", 10, 10, NULL), ERR_OK);
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of what a killed writer leaves; `old`: for longer than any writer needs. */
static void leave(const char *name, bool old)
{
	struct timespec t[2];

	assert_int_equal(file_write(dir, name, 0600, BYTES_LIT("x"), NULL), ERR_OK);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t[1]), 0);
	t[1].tv_sec -= old ? 3700 : 60;
	t[0] = t[1];
	assert_int_equal(utimensat(dir, name, t, 0), 0);
}

static void test_what_killed_writers_left_is_cleared(void **state)
{
	static const char *const others[] = { "f.tmp", ".0123456789abcdef.tmp", "f.0123456789abcde.tmp", "f.0123456789abcdef.tmp2",
		"f.0123456789ABCDEF.tmp", "f0123456789abcdef.tmp", "f" };

	(void)state;
	leave("f.0123456789abcdef.tmp", true);
	leave("state.json.aaaaaaaaaaaaaaaa.tmp", true);
	leave("f.00000000000000ff.tmp", false);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		leave(others[i], true);
	assert_int_equal(mkdirat(dir, "d.0123456789abcdef.tmp", 0700), 0);
	file_clear_drafts(dir, ".");
	assert_false(is_there("f.0123456789abcdef.tmp"));
	assert_false(is_there("state.json.aaaaaaaaaaaaaaaa.tmp"));
	assert_true(is_there("f.00000000000000ff.tmp")); /* somebody may be at it */
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_true(is_there(others[i]));
	assert_true(is_there("d.0123456789abcdef.tmp"));
	assert_int_equal(unlinkat(dir, "d.0123456789abcdef.tmp", AT_REMOVEDIR), 0);
	file_clear_drafts(dir, "none");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, clear_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_order),
		IN_FOLDER(test_the_right_folder_is_synced),
		IN_FOLDER(test_write_fails_at_each_step),
		IN_FOLDER(test_create_fails_at_each_step),
		IN_FOLDER(test_create_keeps_what_is_there),
		IN_FOLDER(test_create_is_not_a_look),
		IN_FOLDER(test_modes),
		IN_FOLDER(test_a_link_is_replaced_not_followed),
		IN_FOLDER(test_short_and_interrupted_writes),
		IN_FOLDER(test_paths_that_cannot_be),
		IN_FOLDER(test_read_sizes),
		IN_FOLDER(test_read_errors),
		IN_FOLDER(test_what_killed_writers_left_is_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
