/* Runs a fuzz target without libFuzzer: every file of the corpus folder given, then a number of mutations of them (none for
 * tools/coverage.sh) from a fixed seed, so that each ordinary test run (also under sanitizers) exercises each parser. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 4096
#define SIZE_MAX_   65536
#define MUTATIONS   4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *entries[ENTRIES_MAX];
static size_t sizes[ENTRIES_MAX], n_entries;
static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void load(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *ent;

	if (!d) {
		fprintf(stderr, "no corpus at %s\n", folder);
		exit(1);
	}
	while ((ent = readdir(d)) && n_entries < ENTRIES_MAX) {
		char path[4096];
		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, ent->d_name);
		FILE *f = fopen(path, "rb");
		uint8_t *p = malloc(SIZE_MAX_);
		if (!f || !p)
			exit(1);
		sizes[n_entries] = fread(p, 1, SIZE_MAX_, f);
		entries[n_entries++] = p;
		fclose(f);
	}
	closedir(d);
}

static void run(const uint8_t *p, size_t n)
{
	/* An exact copy, so that the address sanitizer sees a read past the end. */
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		exit(1);
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void mutate(void)
{
	static uint8_t work[SIZE_MAX_];
	size_t i = next_random() % n_entries, n = sizes[i];

	memcpy(work, entries[i], n);
	for (unsigned k = 1 + (unsigned)(next_random() % 4); k > 0 && n > 0; k--) {
		size_t at = next_random() % n;
		switch (next_random() % 4) {
		case 0:
			work[at] = (uint8_t)next_random();
			break;
		case 1:
			work[at] = (uint8_t)(work[at] ^ (1u << (next_random() % 8)));
			break;
		case 2:
			n = at;
			break;
		default:
			memmove(work + at, work + at + 1, n - at - 1);
			n--;
			break;
		}
	}
	run(work, n);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER [MUTATIONS]\n", argv[0]);
		return 2;
	}
	unsigned mutations = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : MUTATIONS;
	load(argv[1]);
	if (n_entries == 0) {
		fprintf(stderr, "the corpus at %s is empty\n", argv[1]);
		return 1;
	}
	for (size_t i = 0; i < n_entries; i++)
		run(entries[i], sizes[i]);
	for (unsigned m = 0; m < mutations; m++)
		mutate();
	printf("%zu corpus files and %u mutations\n", n_entries, mutations);
	for (size_t i = 0; i < n_entries; i++)
		free(entries[i]);
	return 0;
}
