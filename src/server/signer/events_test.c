/* Events of the log: every start recalls each of them, in their order, whatever became of indexes and tails; and certificates are found by
 * their serials in the whole log. */
#include "os/file.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS_MAX = 64 };

/* Types and bodies, as they were added or recalled. */
struct story {
	struct world *w;
	struct {
		uint8_t type;
		struct bytes body;
	} v[EVENTS_MAX];
	size_t n;
	struct issued issued[EVENTS_MAX];
	size_t n_issued;
};

static void tell(struct story *t, uint8_t type, struct bytes body)
{
	assert_true(t->n < EVENTS_MAX);
	t->v[t->n].type = type;
	t->v[t->n++].body = arena_copy(t->w->a, body);
}

static enum err_code hear(void *ctx, const struct record *r, struct err *e)
{
	(void)e;
	tell(ctx, r->type, r->body);
	return ERR_OK;
}

static enum err_code pass_over(void *ctx, const struct log_entry *n, struct err *e)
{
	(void)ctx, (void)n, (void)e;
	return ERR_OK;
}

/* Opens the log of a world that is closed, and nothing else of it. */
static enum err_code open_alone(struct world *w, struct story *t, struct log **ret, struct err *e)
{
	CLEANUP(close_p) int dir = openat(w->dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct log_open_request q = { .instance = w->identity.instance,
		.segment_size = SEGMENT_SIZE_MIN,
		.since_ms = INT64_MAX,
		.found = pass_over,
		.recall = hear,
		.ctx = t };

	*t = (struct story){ .w = w };
	TRY(log_open(dir, &q, ret, e));
	log_close(*ret);
	*ret = NULL;
	return ERR_OK;
}

static void recall(struct world *w, struct story *t)
{
	struct log *l = NULL;
	struct err e = { 0 };

	assert_code(open_alone(w, t, &l, &e), ERR_OK, &e);
}

static void assert_same_story(const struct story *got, const struct story *want)
{
	assert_int_equal(got->n, want->n);
	for (size_t i = 0; i < want->n; i++) {
		assert_int_equal(got->v[i].type, want->v[i].type);
		assert_true(bytes_eq(got->v[i].body, want->v[i].body));
	}
}

static struct bytes eab_body(struct world *w, uint32_t uid)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);
	struct eab_event v = { .kid = BYTES_LIT("kid"), .action = EAB_MADE, .uid = uid, .detail = BYTES_LIT("a detail of some length") };

	eab_event_write(&v, &out);
	return arena_copy(w->a, buf_bytes(&out));
}

static enum err_code add(struct world *w, struct story *t, uint32_t uid, struct err *e)
{
	struct bytes body = eab_body(w, uid);

	TRY(signer_add_event(w->s, LOG_EAB, body, e));
	tell(t, LOG_EAB, body);
	return ERR_OK;
}

/* Events between certificates, over several segments; ten of them in one millisecond. */
static void make_story(struct world *w, struct story *t)
{
	struct err e = { 0 };

	*t = (struct story){ .w = w };
	w->settings.segment_size = SEGMENT_SIZE_MIN;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (uint32_t i = 0; i < 30; i++) {
		struct recipe r = recipe_simple(w);
		assert_code(add(w, t, i, &e), ERR_OK, &e);
		t->issued[t->n_issued++] = must_issue(w, &r);
		if (i < 10 || i > 20)
			test_seam.wall_ms += 1000;
	}
	assert_true(signer_counts(w->s).log_segments > 8);
}

static void recalls_every_event_in_order(void **state)
{
	struct world *w = *state;
	struct story told, heard;
	struct err e = { 0 };
	char name[32];

	make_story(w, &told);
	uint64_t segments = signer_counts(w->s).log_segments;
	world_close(w);
	recall(w, &heard);
	assert_same_story(&heard, &told);
	/* Without indexes, and with such as another version has written, it is the same; and then there are indexes again. */
	for (uint64_t i = 1; i < segments; i++) {
		snprintf(name, sizeof name, "log/%08u.idx", (unsigned)i);
		int fd = open(world_path(w, name), O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, "\0\0\0\1", 4, 8), 4);
		close(fd);
		if (i % 2)
			assert_int_equal(unlink(world_path(w, name)), 0);
	}
	recall(w, &heard);
	assert_same_story(&heard, &told);
	assert_int_equal(access(world_path(w, "log/00000001.idx"), R_OK), 0);
	recall(w, &heard);
	assert_same_story(&heard, &told);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
}

/* The size of segment 1's data, which is all of the log. */
static off_t data_end(struct world *w)
{
	CLEANUP(close_p) int dir = openat(w->dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct segment_end end;
	struct chain c = { 0 };
	struct segment g;
	struct err e = { 0 };

	assert_code(segment_open(dir, 1, O_RDONLY, w->identity.instance, SEGMENT_AHEAD_ALL, &g, &e), ERR_OK, &e);
	assert_code(segment_replay(&g, true, &c, NULL, NULL, &end, &e), ERR_OK, &e);
	segment_close(&g);
	return (off_t)end.end;
}

/* An event that was never answered for is gone as a whole, or there as a whole. */
static void a_torn_event_never_was(void **state)
{
	struct world *w = *state;
	struct story told = { .w = w }, heard;
	struct err e = { 0 };
	char whole[80];

	assert_code(add(w, &told, 1, &e), ERR_OK, &e);
	world_close(w);
	off_t from = data_end(w);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(add(w, &told, 2, &e), ERR_OK, &e);
	world_close(w);
	off_t to = data_end(w);
	told.n = 1;
	snprintf(whole, sizeof whole, "%s.whole", w->folder);
	copy_folder(w->folder, whole);
	for (off_t at = from; at < to; at++) {
		remove_folder(world_path(w, "log"));
		copy_folder(whole, w->folder);
		world_tear(w, "log/00000001.seg", (uint64_t)at);
		recall(w, &heard);
		assert_same_story(&heard, &told);
		recall(w, &heard);
		assert_same_story(&heard, &told);
	}
	remove_folder(whole);
}

/* Every operation of the disk failing in turn, in a signer that is about to begin a new segment: what was acknowledged is recalled, and what was
 * not is there as a whole or not at all. */
static void an_acknowledged_event_is_kept(void **state)
{
	struct world *w = *state;
	struct story told = { .w = w }, heard;
	struct err e = { 0 };
	char base[80];
	bool failed = true;

	for (uint32_t i = 0; i < 40; i++)
		assert_code(add(w, &told, i, &e), ERR_OK, &e);
	w->settings.segment_size = SEGMENT_SIZE_MIN;
	world_close(w);
	snprintf(base, sizeof base, "%s.base", w->folder);
	copy_folder(w->folder, base);
	for (uint64_t n = 1; failed; n++) {
		remove_folder(world_path(w, "log"));
		copy_folder(base, w->folder);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
		test_seam_reset();
		test_seam.fail_at = n;
		test_seam.tear = n % 2;
		told.n = 40;
		enum err_code rc = add(w, &told, 40, &e);
		failed = test_seam.failed;
		test_seam_reset();
		assert_int_equal(rc, failed ? ERR_IO : ERR_OK);
		if (failed)
			assert_code(signer_add_event(w->s, LOG_EAB, eab_body(w, 1), &e), ERR_IO, &e);
		world_close(w);
		recall(w, &heard);
		if (failed && heard.n == 41)
			tell(&told, LOG_EAB, eab_body(w, 40));
		assert_same_story(&heard, &told);
	}
	remove_folder(base);
}

/* A start reads them and nothing else of a closed segment: so it must see damage there. */
static void names_a_damaged_event(void **state)
{
	struct world *w = *state;
	struct story told, heard;
	struct log *l = NULL;
	struct err e = { 0 };
	uint8_t byte;

	make_story(w, &told);
	world_close(w);
	/* The first record behind the head of segment 2 may be an intent; an event's body has its text. */
	CLEANUP(buf_free_p) struct buf segment = buf_new(1u << 20);
	assert_code(file_read(w->dir, "log/00000002.seg", segment.max, &segment, &e), ERR_OK, &e);
	uint8_t *at = memmem(segment.ptr, segment.len, "a detail", 8);
	assert_non_null(at);
	CLEANUP(close_p) int fd = open(world_path(w, "log/00000002.seg"), O_RDWR);
	byte = *at ^ 1;
	assert_int_equal(pwrite(fd, &byte, 1, at - segment.ptr), 1);
	assert_code(open_alone(w, &heard, &l, &e), ERR_IO, &e);
	assert_non_null(strstr(e.detail, "segment 2 of the log is damaged at offset"));
	assert_code(world_reopen(w, &e), ERR_IO, &e);
}

static void assert_found(struct world *w, const struct issued *i)
{
	struct log_entry n;
	struct record r;
	struct result v;
	struct intent t;
	struct err e = { 0 };

	assert_code(log_find(w->s->log, i->serial.ptr, &n, &e), ERR_OK, &e);
	assert_code(log_read(w->s->log, w->a, n.segment, n.offset, &r, &e), ERR_OK, &e);
	assert_code(result_read(&r, &v, &e), ERR_OK, &e);
	assert_true(bytes_eq(v.certificate, i->certificate));
	assert_code(log_read(w->s->log, w->a, n.segment, n.intent, &r, &e), ERR_OK, &e);
	assert_code(intent_read(&r, &t, &e), ERR_OK, &e);
	assert_memory_equal(t.serial, i->serial.ptr, SERIAL_SIZE);
}

static void finds_certificates_by_serial(void **state)
{
	struct world *w = *state;
	struct log_entry n;
	struct story told;
	struct err e = { 0 };

	make_story(w, &told);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < told.n_issued; i++) {
			uint8_t other[SERIAL_SIZE];
			assert_found(w, &told.issued[i]);
			for (size_t at = 0; at < SERIAL_SIZE; at++) {
				memcpy(other, told.issued[i].serial.ptr, sizeof other);
				other[at] ^= 0x10;
				assert_code(log_find(w->s->log, other, &n, &e), ERR_NOT_FOUND, &e);
			}
		}
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
}

/* A start keeps the certificate of each ISSUER record: a ceremony leaves the log at what a start can take. */
static void logs_no_more_issuers_than_a_start_takes(void **state)
{
	struct world *w = *state;
	struct signer_issuer_files f = {
		.name = BYTES_LIT("again"), .issuer_pem = buf_bytes(&w->issuer_pem), .root_pem = buf_bytes(&w->root_pem)
	};
	struct err e = { 0 };

	world_close(w);
	for (size_t i = 0; i < ISSUERS_LOGGED_MAX; i++)
		assert_code(signer_log_issuer(w->dir, &w->settings, &f, 0, &e), ERR_OK, &e);
	assert_code(signer_log_issuer(w->dir, &w->settings, &f, 0, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "knows 256 issuers"));
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(w->s->logged.n, ISSUERS_LOGGED_MAX);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(recalls_every_event_in_order),
		WORLD(a_torn_event_never_was),
		WORLD(an_acknowledged_event_is_kept),
		WORLD(names_a_damaged_event),
		WORLD(finds_certificates_by_serial),
		WORLD(logs_no_more_issuers_than_a_start_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
