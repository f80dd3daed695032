#include "client/storage.h"

#include "base/seam.h"
#include "base/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a seam that fails the n-th of the operations that change something --- */

static struct seam broken;
static int operations, fail_at;

static bool fails(void)
{
	if (++operations != fail_at)
		return false;
	errno = EIO;
	return true;
}

static int broken_openat(int dir, const char *path, int flags, mode_t mode)
{
	return (flags & O_CREAT) && fails() ? -1 : seam_libc.openat(dir, path, flags, mode);
}

static ssize_t broken_write(int fd, const void *p, size_t n)
{
	return fails() ? -1 : seam_libc.write(fd, p, n);
}

static int broken_fsync(int fd)
{
	return fails() ? -1 : seam_libc.fsync(fd);
}

static int broken_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails() ? -1 : seam_libc.renameat(from_dir, from, to_dir, to);
}

static void break_at(int n)
{
	broken = seam_libc;
	broken.openat = broken_openat;
	broken.write = broken_write;
	broken.fsync = broken_fsync;
	broken.renameat = broken_renameat;
	operations = 0;
	fail_at = n;
	seam = &broken;
}

/* --- fixture --- */

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/chancery-storage-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	pid_t pid = fork();
	int status = 0;

	(void)state;
	seam = &seam_libc;
	(void)snprintf(command, sizeof command, "%s", folder);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static struct storage *must_open(void)
{
	struct storage *s = NULL;
	struct err e = { 0 };

	if (storage_open(folder, "example.org", &s, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return s;
}

static const char *const files[] = { STORAGE_PRIVKEY, STORAGE_CERT, STORAGE_CHAIN, STORAGE_FULLCHAIN, STORAGE_META };
enum { FILES = sizeof files / sizeof *files };

/* The key is written by another process, so straight into its file. */
static enum err_code put_key(struct storage *s, const char *id, const char *text, struct err *e)
{
	CLEANUP(close_p) int fd = -1;

	TRY(storage_open_file(s, id, STORAGE_PRIVKEY, true, &fd, e));
	return seam->write(fd, text, strlen(text)) == (ssize_t)strlen(text) && seam->fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* A generation whose five files all say the same. */
static enum err_code put(struct storage *s, const char *text, struct err *e)
{
	char id[STORAGE_ID_SIZE];

	TRY(storage_draft(s, id, e));
	TRY(put_key(s, id, text, e));
	for (int f = 1; f < FILES; f++)
		TRY(storage_put_file(s, id, files[f], 0644, bytes_str(text), e));
	return storage_switch(s, id, e);
}

/* All that a reader sees through `live` is of one generation. */
static void assert_live(struct storage *s, const char *text)
{
	for (int f = 0; f < FILES; f++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(1024);
		assert_int_equal(storage_read(s, files[f], &out, NULL), ERR_OK);
		assert_true(bytes_eq_str(buf_bytes(&out), text));
	}
}

static void writing_and_reading(void **state)
{
	CLEANUP(storage_free_p) struct storage *s = must_open();
	struct err e = { 0 };
	struct stat st;
	char path[256];

	(void)state;
	CLEANUP(buf_free_p) struct buf none = buf_new(16);
	assert_int_equal(storage_read(s, STORAGE_CERT, &none, &e), ERR_NOT_FOUND);
	assert_int_equal(put(s, "one", &e), ERR_OK);
	assert_live(s, "one");
	assert_int_equal(put(s, "two", &e), ERR_OK);
	assert_live(s, "two");
	(void)snprintf(path, sizeof path, "%s/live", storage_path(s));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	(void)snprintf(path, sizeof path, "%s/live/privkey.pem", storage_path(s));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Whatever operation fails, the reader sees the old or the new generation, whole. */
static void every_failure_leaves_one_whole_generation(void **state)
{
	struct storage *s = must_open();
	struct err e = { 0 };
	int n = 0;
	enum err_code rc = ERR_IO;

	(void)state;
	assert_int_equal(put(s, "old", &e), ERR_OK);
	for (n = 1; rc != ERR_OK && n < 200; n++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(1024);
		break_at(n);
		rc = put(s, "new", &e);
		seam = &seam_libc;
		assert_int_equal(storage_read(s, STORAGE_CERT, &out, NULL), ERR_OK);
		bool is_new = bytes_eq_str(buf_bytes(&out), "new");
		assert_true(rc != ERR_OK || is_new);
		assert_live(s, is_new ? "new" : "old");
		if (is_new && rc != ERR_OK)
			assert_int_equal(put(s, "old", &e), ERR_OK); /* again from the start */
	}
	assert_int_equal(rc, ERR_OK);
	assert_true(n > 15); /* there was something to fail */
	storage_free(s);
}

/* The way back after a deployment, and forth again. */
static void switching_back_and_forth(void **state)
{
	CLEANUP(storage_free_p) struct storage *s = must_open();
	char first[STORAGE_ID_SIZE], second[STORAGE_ID_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(storage_live(s, first, &e), ERR_NOT_FOUND);
	assert_int_equal(put(s, "one", &e), ERR_OK);
	assert_int_equal(storage_live(s, first, &e), ERR_OK);
	assert_int_equal(put(s, "two", &e), ERR_OK);
	assert_int_equal(storage_live(s, second, &e), ERR_OK);
	assert_int_equal(storage_switch(s, first, &e), ERR_OK);
	assert_live(s, "one");
	assert_int_equal(storage_switch(s, second, &e), ERR_OK);
	assert_live(s, "two");
}

static void a_storage_that_cannot_be_written_is_told_at_once(void **state)
{
	struct storage *s = NULL;
	struct err e = { 0 };

	(void)state;
	break_at(2); /* the first opens the lock, the second the trial file */
	assert_int_equal(storage_open(folder, "example.org", &s, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "cannot be written to"));
	assert_null(s);
	break_at(1);
	assert_int_equal(storage_open(folder, "example.org", &s, &e), ERR_CONFIG);
	seam = &seam_libc;
	assert_int_equal(storage_open("/proc/none", "example.org", &s, &e), ERR_CONFIG);
	assert_null(s);
}

static void two_runs_do_not_race(void **state)
{
	struct storage *s = must_open(), *other = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(storage_open(folder, "example.org", &other, &e), ERR_BUSY);
	assert_non_null(strstr(e.detail, "another run is busy with"));
	assert_null(other);
	/* Another name is another matter. */
	assert_int_equal(storage_open(folder, "example.net", &other, &e), ERR_OK);
	storage_free(other);
	storage_free(s);
	storage_free(must_open());
}

static int count_generations(struct storage *s)
{
	char path[256];
	int n = 0;
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/generations", storage_path(s));
	assert_int_equal(stat(path, &st), 0);
	n = (int)st.st_nlink - 2; /* each folder in it links back */
	return n;
}

static int64_t later(void)
{
	static int64_t now_ms = 1795507200000;

	return now_ms += 1000;
}

static void old_generations_go(void **state)
{
	CLEANUP(storage_free_p) struct storage *s = must_open();
	struct err e = { 0 };
	char text[16];

	(void)state;
	broken = seam_libc;
	broken.wall_ms = later;
	seam = &broken;
	for (int i = 0; i < 6; i++) {
		(void)snprintf(text, sizeof text, "%d", i);
		assert_int_equal(put(s, text, &e), ERR_OK);
		storage_prune(s, NULL);
		assert_int_equal(count_generations(s), i < STORAGE_KEPT ? i + 1 : STORAGE_KEPT);
		assert_live(s, text);
	}
}

/* The live one is kept however old its name is: somebody may have put the link back to it. */
static void the_live_generation_stays(void **state)
{
	CLEANUP(storage_free_p) struct storage *s = must_open();
	struct err e = { 0 };
	char first[256], path[256];

	(void)state;
	broken = seam_libc;
	broken.wall_ms = later;
	seam = &broken;
	(void)snprintf(path, sizeof path, "%s/live", storage_path(s));
	assert_int_equal(put(s, "first", &e), ERR_OK);
	ssize_t n = readlink(path, first, sizeof first - 1);
	assert_true(n > 0);
	first[n] = 0;
	for (int i = 0; i < 5; i++)
		assert_int_equal(put(s, "more", &e), ERR_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(first, path), 0);
	storage_prune(s, NULL);
	assert_live(s, "first");
	assert_int_equal(count_generations(s), STORAGE_KEPT + 1);
}

/* What a run that was stopped has left is found by the next one, and goes with the next pruning. */
static void a_draft_is_found_again(void **state)
{
	CLEANUP(storage_free_p) struct storage *s = must_open();
	CLEANUP(buf_free_p) struct buf out = buf_new(64);
	char id[STORAGE_ID_SIZE], found[STORAGE_ID_SIZE], live[STORAGE_ID_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(storage_find_draft(s, found, &e), ERR_NOT_FOUND);
	assert_int_equal(put(s, "live", &e), ERR_OK);
	assert_int_equal(storage_draft(s, id, &e), ERR_OK);
	assert_int_equal(put_key(s, id, "key", &e), ERR_OK);
	assert_int_equal(storage_find_draft(s, found, &e), ERR_NOT_FOUND); /* no order yet */
	assert_int_equal(storage_put_file(s, id, STORAGE_ORDER, 0600, BYTES_LIT("order"), &e), ERR_OK);
	assert_int_equal(storage_find_draft(s, found, &e), ERR_OK);
	assert_string_equal(found, id);
	assert_int_equal(put_key(s, id, "another", &e), ERR_CONFLICT);
	assert_int_equal(storage_read_file(s, id, STORAGE_ORDER, &out, &e), ERR_OK);
	assert_true(bytes_eq_str(buf_bytes(&out), "order"));
	assert_live(s, "live");
	storage_prune(s, id);
	assert_int_equal(storage_find_draft(s, found, &e), ERR_OK);
	storage_prune(s, NULL);
	assert_int_equal(storage_find_draft(s, found, &e), ERR_NOT_FOUND);
	assert_int_equal(storage_live(s, live, &e), ERR_OK);
	storage_drop_draft(s, live); /* it is none */
	assert_live(s, "live");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(switching_back_and_forth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writing_and_reading, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failure_leaves_one_whole_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_storage_that_cannot_be_written_is_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_runs_do_not_race, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_generations_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_live_generation_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_draft_is_found_again, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
