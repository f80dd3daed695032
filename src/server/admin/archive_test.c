#include "base/seam.h"
#include "base/test_support.h"
#include "server/admin/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASS BYTES_LIT("correct horse battery")

static int temporary(void)
{
	char path[] = "/tmp/chancery-archive-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void put_file(struct archive_out *o, const char *path, size_t size, uint8_t digest[SHA256_SIZE])
{
	struct tar_entry t = { .size = size, .mode = 0600, .time_s = 1700000000, .owner = "front" };
	static uint8_t part[10000];

	memset(part, 'p', sizeof part);
	(void)snprintf(t.path, sizeof t.path, "%s", path);
	assert_int_equal(archive_begin(o, &t, NULL), ERR_OK);
	for (size_t n; size > 0; size -= n) {
		n = size < sizeof part ? size : sizeof part;
		assert_int_equal(archive_add(o, (struct bytes){ part, n }, NULL), ERR_OK);
	}
	assert_int_equal(archive_end(o, digest, NULL), ERR_OK);
}

static const size_t sizes[] = { 0, 1, 511, 512, 513, 65536 - 512, 65536, 200000 };
#define FILES (sizeof sizes / sizeof *sizes)

static int make(struct bytes passphrase, uint8_t digests[FILES][SHA256_SIZE])
{
	CLEANUP(archive_out_free_p) struct archive_out *o = NULL;
	int fd = temporary();
	char path[32];

	assert_int_equal(archive_out_new(fd, passphrase, &o, NULL), ERR_OK);
	for (size_t i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof path, "folder/file-%zu", i);
		put_file(o, path, sizes[i], digests[i]);
	}
	assert_int_equal(archive_finish(o, NULL), ERR_OK);
	return fd;
}

/* Reads everything; how the end comes. */
static enum err_code read_all(int fd, struct bytes passphrase, size_t *ret_files, struct err *e)
{
	CLEANUP(archive_in_free_p) struct archive_in *i = NULL;
	struct tar_entry t;
	struct bytes part;

	*ret_files = 0;
	TRY(archive_in_new(fd, passphrase, &i, e));
	for (;;) {
		TRY(archive_next(i, &t, e));
		do
			TRY(archive_read(i, &part, e));
		while (part.len > 0);
		++*ret_files;
	}
}

static void files_come_back(void **state)
{
	const struct bytes passphrases[] = { BYTES_LIT(""), PASS };
	uint8_t digests[FILES][SHA256_SIZE], digest[SHA256_SIZE];
	struct tar_entry t;
	struct bytes part;

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		CLEANUP(archive_in_free_p) struct archive_in *i = NULL;
		CLEANUP(sha256_run_free_p) struct sha256_run *run = sha256_run_new();
		CLEANUP(close_p) int fd = make(passphrases[p], digests);
		char begin[11];
		assert_int_equal(pread(fd, begin, sizeof begin, 0), sizeof begin);
		assert_int_equal(memcmp(begin, "CHNCYSEALED", sizeof begin) == 0, p == 1);
		assert_int_equal(archive_in_new(fd, PASS, &i, NULL), ERR_OK);
		for (size_t k = 0; k < FILES; k++) {
			assert_int_equal(archive_next(i, &t, NULL), ERR_OK);
			assert_true(bytes_starts_with(bytes_str(t.path), BYTES_LIT("folder/file-")));
			assert_int_equal(t.size, sizes[k]);
			assert_int_equal(t.mode, 0600);
			assert_int_equal(t.time_s, 1700000000);
			assert_string_equal(t.owner, "front");
			do {
				assert_int_equal(archive_read(i, &part, NULL), ERR_OK);
				sha256_run_add(run, part);
			} while (part.len > 0);
			sha256_run_end(run, digest);
			assert_memory_equal(digest, digests[k], sizeof digest);
		}
		assert_int_equal(archive_next(i, &t, NULL), ERR_NOT_FOUND);
	}
}

/* The plain form is what other programs call tar. */
static void tar_reads_it(void **state)
{
	uint8_t digests[FILES][SHA256_SIZE];
	CLEANUP(close_p) int fd = make(BYTES_LIT(""), digests);
	char command[200];

	(void)state;
	(void)snprintf(command, sizeof command, "tar -tvf /proc/%d/fd/%d | grep -q 'front/front *200000 .*chancery-backup/folder/file-7$'",
	    (int)getpid(), fd);
	assert_int_equal(system(command), 0);
}

static void whatever_is_cut_off_is_refused(void **state)
{
	const struct bytes passphrases[] = { BYTES_LIT(""), PASS };
	uint8_t digests[FILES][SHA256_SIZE];
	struct stat s;
	size_t n;

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		CLEANUP(close_p) int fd = make(passphrases[p], digests);
		assert_int_equal(fstat(fd, &s), 0);
		for (off_t end = s.st_size - 1; end > 0; end /= 3) {
			assert_int_equal(ftruncate(fd, end), 0);
			enum err_code rc = read_all(fd, PASS, &n, NULL);
			assert_true(rc == ERR_MALFORMED || rc == ERR_UNAUTHORIZED);
		}
	}
}

static void what_follows_the_end_is_refused(void **state)
{
	uint8_t digests[FILES][SHA256_SIZE];
	CLEANUP(close_p) int fd = make(BYTES_LIT(""), digests);
	size_t n;

	(void)state;
	assert_int_equal(read_all(fd, PASS, &n, NULL), ERR_NOT_FOUND);
	assert_int_equal(n, FILES);
	assert_int_equal(pwrite(fd, "x", 1, lseek(fd, 0, SEEK_END)), 1);
	assert_int_equal(read_all(fd, PASS, &n, NULL), ERR_MALFORMED);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "/etc/passwd", "a/../b", "..", ".hidden", "a/.hidden", "a//b", "a/", "", "a b", "a\nb",
		"a\\b" };
	struct err e = { 0 };
	uint8_t digest[SHA256_SIZE];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		CLEANUP(archive_out_free_p) struct archive_out *o = NULL;
		CLEANUP(close_p) int fd = temporary();
		assert_int_equal(archive_out_new(fd, BYTES_LIT(""), &o, NULL), ERR_OK);
		put_file(o, names[i], 3, digest);
		assert_int_equal(archive_finish(o, NULL), ERR_OK);
		assert_int_equal(read_all(fd, BYTES_LIT(""), &n, &e), ERR_MALFORMED);
		assert_int_equal(n, 0);
	}
}

static void sizes_over_8_gib_have_a_form(void **state)
{
	static const uint64_t large[] = { 0, 8589934591, 8589934592, 1ull << 40, INT64_MAX };
	struct tar_entry t = { .path = "chancery-backup/a", .mode = 0400, .owner = "signer" }, read;
	uint8_t block[TAR_BLOCK];

	(void)state;
	for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
		t.size = large[i];
		tar_head_write(&t, block);
		assert_int_equal(tar_head_read(block, &read, NULL), ERR_OK);
		assert_int_equal(read.size, large[i]);
		block[130] ^= 1;
		assert_int_equal(tar_head_read(block, &read, NULL), ERR_MALFORMED);
	}
}

static unsigned countdown; /* to the operation that fails; 0: none does */

static bool fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	errno = EIO;
	return true;
}

static ssize_t failing_write(int fd, const void *p, size_t n)
{
	return fails() ? -1 : write(fd, p, n < 60000 ? n : 60000); /* short ones too */
}

static ssize_t failing_pread(int fd, void *p, size_t n, off_t at)
{
	return fails() ? -1 : pread(fd, p, n < 60000 ? n : 60000, at);
}

static enum err_code write_all(int fd, struct bytes passphrase, struct err *e)
{
	CLEANUP(archive_out_free_p) struct archive_out *o = NULL;
	struct tar_entry t = { .path = "a", .size = 100000, .mode = 0600, .owner = "signer" };
	static uint8_t part[50000];
	uint8_t digest[SHA256_SIZE];

	TRY(archive_out_new(fd, passphrase, &o, e));
	TRY(archive_begin(o, &t, e));
	for (int i = 0; i < 2; i++)
		TRY(archive_add(o, BYTES_ARRAY(part), e));
	TRY(archive_end(o, digest, e));
	return archive_finish(o, e);
}

/* Whichever operation fails, it is told, and no half archive passes for a whole one. */
static void each_failing_operation_is_told(void **state)
{
	const struct bytes passphrases[] = { BYTES_LIT(""), PASS };
	struct seam failing = seam_libc;
	struct err e = { 0 };
	size_t n;

	(void)state;
	failing.write = failing_write;
	failing.pread = failing_pread;
	seam = &failing;
	for (size_t p = 0; p < 2; p++) {
		CLEANUP(close_p) int whole = temporary();
		enum err_code rc = ERR_IO;
		for (unsigned nth = 1; rc != ERR_OK; nth++) {
			CLEANUP(close_p) int fd = temporary();
			countdown = nth;
			rc = write_all(fd, passphrases[p], &e);
			assert_true(rc == ERR_OK || rc == ERR_IO);
			bool failed = countdown == 0;
			countdown = 0;
			assert_int_equal(rc == ERR_IO, failed);
			if (failed)
				assert_int_not_equal(read_all(fd, PASS, &n, NULL), ERR_NOT_FOUND);
		}
		assert_int_equal(write_all(whole, passphrases[p], &e), ERR_OK);
		for (unsigned nth = 1; rc != ERR_NOT_FOUND; nth++) {
			countdown = nth;
			rc = read_all(whole, PASS, &n, &e);
			assert_int_equal(rc, countdown == 0 ? ERR_IO : ERR_NOT_FOUND);
		}
		countdown = 0;
	}
	seam = &seam_libc;
}

static void a_passphrase_is_asked_for(void **state)
{
	uint8_t digests[FILES][SHA256_SIZE];
	CLEANUP(close_p) int fd = make(PASS, digests);
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(read_all(fd, BYTES_LIT(""), &n, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "--passphrase-file"));
	assert_int_equal(read_all(fd, BYTES_LIT("another passphrase"), &n, &e), ERR_UNAUTHORIZED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_back),
		cmocka_unit_test(tar_reads_it),
		cmocka_unit_test(whatever_is_cut_off_is_refused),
		cmocka_unit_test(what_follows_the_end_is_refused),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(sizes_over_8_gib_have_a_form),
		cmocka_unit_test(each_failing_operation_is_told),
		cmocka_unit_test(a_passphrase_is_asked_for),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
