/* What a start makes of a log: torn tails cut, open intents voided, damage named and refused, segments and indexes, checkpoints. */
#include "os/file.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEGMENT_1 "log/00000001.seg"

/* A file of the folder in memory, to be changed and put back. */
static struct bytes slurp(struct world *w, const char *file)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(64u << 20);
	struct err e = { 0 };

	assert_code(file_read(w->dir, file, b.max, &b, &e), ERR_OK, &e);
	return arena_copy(w->a, buf_bytes(&b));
}

static void put_file(struct world *w, const char *file, struct bytes content)
{
	int fd = open(world_path(w, file), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.ptr, content.len), (ssize_t)content.len);
	close(fd);
}

/* Where each record of a segment begins, and behind the last one its end. */
struct places {
	uint64_t at[64];
	size_t n;
};

static enum err_code note_place(void *ctx, uint64_t at, const struct record *r, struct err *e)
{
	struct places *p = ctx;

	(void)e;
	assert_true(p->n + 1 < 64);
	p->at[p->n++] = at;
	p->at[p->n] = at + r->size;
	return ERR_OK;
}

static struct places find_places(struct world *w)
{
	int dir = open(world_path(w, "log"), O_RDONLY | O_DIRECTORY);
	struct segment_end end;
	struct places p = { 0 };
	struct chain c = { 0 };
	struct segment g;
	struct err e = { 0 };

	assert_code(segment_open(dir, 1, O_RDONLY, w->identity.instance, SEGMENT_AHEAD_ALL, &g, &e), ERR_OK, &e);
	assert_code(segment_replay(&g, true, &c, note_place, &p, &end, &e), ERR_OK, &e);
	segment_close(&g);
	close(dir);
	return p;
}

/* --- torn tails --- */

/* The last record, a RESULT, torn at every byte: what is left is cut, its intent is void, and the order may be had anew. */
static void cuts_a_torn_tail_at_every_byte(void **state)
{
	struct world *w = *state;
	struct recipe before = recipe_simple(w), r = recipe_simple(w);
	struct err e = { 0 };

	struct bytes first = must_issue(w, &before).certificate;
	(void)must_issue(w, &r);
	world_close(w);
	struct places p = find_places(w);
	struct bytes whole = bytes_slice(slurp(w, SEGMENT_1), 0, p.at[p.n]);
	for (uint64_t at = p.at[p.n - 1]; at < p.at[p.n]; at++) {
		put_file(w, SEGMENT_1, whole);
		world_tear(w, SEGMENT_1, at);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
		assert_int_equal(signer_counts(w->s).voided, 1);
		struct census c = log_census(w, r.order);
		assert_int_equal(c.n[LOG_RESULT], 1);
		assert_int_equal(c.n[LOG_VOID], 1);
		/* Up to three bytes of a length are zero: nothing is seen to be torn. */
		assert_int_equal(c.n[LOG_NOTE], at > p.at[p.n - 1] + 2);
		world_close(w);
	}
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).voided, 0);
	(void)must_issue(w, &r);
	assert_true(bytes_eq(must_issue(w, &before).certificate, first));
	assert_int_equal(log_census(w, r.order).certificates_of_order, 1);
}

/* Intents of a round without any result: each one's serial is void, and no certificate was made. */
static void voids_intents_without_result(void **state)
{
	struct world *w = *state;
	struct signer_request q[3] = { { 0 } };
	struct recipe r[3];
	struct err e = { 0 };

	for (size_t i = 0; i < 3; i++) {
		r[i] = recipe_simple(w);
		q[i].body = recipe_body(w, &r[i]);
	}
	assert_code(signer_round(w->s, w->round, q, 3, &e), ERR_OK, &e);
	world_close(w);
	struct places p = find_places(w); /* genesis, three intents, three results */
	assert_int_equal(p.n, 7);
	put_file(w, SEGMENT_1, bytes_slice(slurp(w, SEGMENT_1), 0, p.at[4]));
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).voided, 3);
	struct census c = log_census(w, r[1].order);
	assert_int_equal(c.n[LOG_VOID], 3);
	uint8_t voided[SERIAL_SIZE];
	memcpy(voided, c.serial, sizeof voided);
	for (size_t i = 0; i < 3; i++)
		(void)must_issue(w, &r[i]);
	c = log_census(w, r[1].order);
	assert_int_equal(c.certificates_of_order, 1);
	assert_int_not_equal(memcmp(voided, c.serial, sizeof voided), 0);
}

/* A batch of which only later pages reached the disk is torn, not damaged: no batch came after it. */
static void a_batch_may_be_torn_in_its_middle(void **state)
{
	struct world *w = *state;
	struct signer_request q[3] = { { 0 } };
	struct err e = { 0 };

	for (size_t i = 0; i < 3; i++) {
		struct recipe r = recipe_simple(w);
		q[i].body = recipe_body(w, &r);
	}
	assert_code(signer_round(w->s, w->round, q, 3, &e), ERR_OK, &e);
	world_close(w);
	struct places p = find_places(w);
	struct bytes whole = bytes_slice(slurp(w, SEGMENT_1), 0, p.at[7]);
	uint8_t *torn = arena_alloc(w->a, whole.len);
	memcpy(torn, whole.ptr, whole.len);
	memset(torn + p.at[4], 0, (size_t)(p.at[5] - p.at[4])); /* the first result is missing, two are there */
	put_file(w, SEGMENT_1, (struct bytes){ torn, whole.len });
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct census c = log_census(w, NULL);
	assert_int_equal(c.n[LOG_RESULT], 0);
	assert_int_equal(c.n[LOG_VOID], 3);
	assert_int_equal(c.n[LOG_NOTE], 1);
}

/* --- damage --- */

static void assert_damage_named(const struct err *e, unsigned segment, uint64_t at)
{
	char want[64];

	snprintf(want, sizeof want, "segment %u of the log is damaged at offset %llu", segment, (unsigned long long)at);
	if (!strstr(e->detail, want))
		fail_msg("\"%s\" does not say \"%s\"", e->detail, want);
}

static void refuses_a_changed_byte(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	for (int i = 0; i < 3; i++) {
		struct recipe r = recipe_simple(w);
		(void)must_issue(w, &r);
	}
	world_close(w);
	struct places p = find_places(w);
	struct bytes whole = bytes_slice(slurp(w, SEGMENT_1), 0, p.at[p.n]);
	uint8_t *copy = arena_alloc(w->a, whole.len);
	/* All but the last batch: that one could not be told from a torn write. */
	for (size_t k = 0; k + 1 < p.n; k++)
		for (uint64_t at = p.at[k]; at < p.at[k + 1]; at += at < p.at[k] + RECORD_HEAD_SIZE ? 1 : 97) {
			memcpy(copy, whole.ptr, whole.len);
			copy[at] ^= (uint8_t)(1u << (at % 8));
			put_file(w, SEGMENT_1, (struct bytes){ copy, whole.len });
			assert_code(world_reopen(w, &e), ERR_IO, &e);
			assert_damage_named(&e, 1, p.at[k]);
			assert_code(signer_log_walk(w->dir, NULL, NULL, NULL, &e), ERR_IO, &e);
			assert_damage_named(&e, 1, p.at[k]);
		}
	for (uint64_t at = 0; at < SEGMENT_HEAD_SIZE; at++) {
		memcpy(copy, whole.ptr, whole.len);
		copy[at] ^= 1;
		put_file(w, SEGMENT_1, (struct bytes){ copy, whole.len });
		assert_code(world_reopen(w, &e), ERR_IO, &e);
		assert_damage_named(&e, 1, 0);
	}
	put_file(w, SEGMENT_1, whole);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
}

/* A record taken out, or two exchanged, with all checksums right: the chain tells. */
static void refuses_a_log_with_a_record_taken_out(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	for (int i = 0; i < 3; i++) {
		struct recipe r = recipe_simple(w);
		(void)must_issue(w, &r);
	}
	world_close(w);
	struct places p = find_places(w);
	struct bytes whole = bytes_slice(slurp(w, SEGMENT_1), 0, p.at[p.n]);
	struct bytes without = arena_fmt(w->a, "%*s", (int)whole.len, "");
	uint8_t *copy = arena_alloc(w->a, without.len);
	size_t cut = (size_t)(p.at[3] - p.at[1]); /* the first intent and its result */
	memcpy(copy, whole.ptr, (size_t)p.at[1]);
	memcpy(copy + p.at[1], whole.ptr + p.at[3], whole.len - (size_t)p.at[3]);
	put_file(w, SEGMENT_1, (struct bytes){ copy, whole.len - cut });
	assert_code(world_reopen(w, &e), ERR_IO, &e);
	assert_damage_named(&e, 1, p.at[1]);
}

/* --- segments --- */

enum { MANY = 24 };

static void fill_segments(struct world *w, struct recipe *r, struct bytes *certificates)
{
	w->settings.segment_size = SEGMENT_SIZE_MIN;
	struct err e = { 0 };
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (size_t i = 0; i < MANY; i++) {
		r[i] = recipe_simple(w);
		certificates[i] = must_issue(w, &r[i]).certificate;
		test_seam.wall_ms += 1000;
	}
	assert_true(signer_counts(w->s).log_segments > 8);
}

static void all_are_there(struct world *w, struct recipe *r, const struct bytes *certificates)
{
	for (size_t i = 0; i < MANY; i++)
		assert_true(bytes_eq(must_issue(w, &r[i]).certificate, certificates[i]));
}

static void rotates_segments(void **state)
{
	static struct recipe r[MANY];
	static struct bytes certificates[MANY];
	struct world *w = *state;
	struct err e = { 0 };

	fill_segments(w, r, certificates);
	all_are_there(w, r, certificates);
	struct signer_counts c = signer_counts(w->s);
	test_seam_reset();
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	all_are_there(w, r, certificates);
	assert_int_equal(signer_counts(w->s).log_segments, c.log_segments);
	assert_int_equal(signer_counts(w->s).log_records, c.log_records);
	assert_int_equal(signer_counts(w->s).log_bytes, c.log_bytes);
	assert_int_equal(log_census(w, NULL).n[LOG_RESULT], MANY);
}

static void makes_lost_indexes_again(void **state)
{
	static struct recipe r[MANY];
	static struct bytes certificates[MANY];
	struct world *w = *state;
	struct err e = { 0 };

	fill_segments(w, r, certificates);
	world_close(w);
	struct bytes good = slurp(w, "log/00000003.idx");
	uint8_t *bad = arena_alloc(w->a, good.len);
	assert_int_equal(unlink(world_path(w, "log/00000002.idx")), 0);
	put_file(w, "log/00000004.idx", good);                               /* another segment's */
	put_file(w, "log/00000005.idx", bytes_slice(good, 0, good.len / 2)); /* cut */
	for (size_t at = 0; at < good.len; at += 13) {
		memcpy(bad, good.ptr, good.len);
		bad[at] ^= 0x40;
		put_file(w, "log/00000003.idx", (struct bytes){ bad, good.len });
		assert_code(world_reopen(w, &e), ERR_OK, &e);
		assert_true(bytes_eq(slurp(w, "log/00000003.idx"), good));
	}
	all_are_there(w, r, certificates);
}

static void names_damage_in_a_closed_segment(void **state)
{
	static struct recipe r[MANY];
	static struct bytes certificates[MANY];
	struct world *w = *state;
	struct err e = { 0 };

	fill_segments(w, r, certificates);
	world_close(w);
	struct bytes good = slurp(w, "log/00000002.seg");
	uint8_t *bad = arena_alloc(w->a, good.len);
	memcpy(bad, good.ptr, good.len);
	bad[SEGMENT_HEAD_SIZE + RECORD_HEAD_SIZE + 10] ^= 1;
	put_file(w, "log/00000002.seg", (struct bytes){ bad, good.len });
	/* With its index a closed segment is not read at the start; whoever reads it sees the damage. */
	assert_code(signer_log_walk(w->dir, NULL, NULL, NULL, &e), ERR_IO, &e);
	assert_damage_named(&e, 2, SEGMENT_HEAD_SIZE);
	assert_int_equal(unlink(world_path(w, "log/00000002.idx")), 0);
	assert_code(world_reopen(w, &e), ERR_IO, &e);
	assert_damage_named(&e, 2, SEGMENT_HEAD_SIZE);
	/* A closed segment has no torn tail: what is missing was durable. */
	put_file(w, "log/00000002.seg", bytes_slice(good, 0, good.len - 1));
	assert_code(world_reopen(w, &e), ERR_IO, &e);
	assert_int_equal(unlink(world_path(w, "log/00000002.seg")), 0);
	assert_code(world_reopen(w, &e), ERR_NOT_FOUND, &e);
}

/* The last segments gone: no checkpoint file yet, but the index of what is now the last one is no harm either. */
static void a_stale_index_of_the_open_segment_is_no_harm(void **state)
{
	static struct recipe r[MANY];
	static struct bytes certificates[MANY];
	struct world *w = *state;
	struct err e = { 0 };
	char name[32];

	fill_segments(w, r, certificates);
	uint32_t last = (uint32_t)signer_counts(w->s).log_segments;
	world_close(w);
	snprintf(name, sizeof name, "log/%08u.seg", last);
	assert_int_equal(unlink(world_path(w, name)), 0);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct recipe more = recipe_simple(w);
	(void)must_issue(w, &more);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	(void)must_issue(w, &more);
	assert_int_equal(log_census(w, more.order).certificates_of_order, 1);
}

/* --- checkpoints --- */

static struct bytes checkpoint(struct world *w)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);
	struct err e = { 0 };

	assert_code(signer_checkpoint(w->s, &out, &e), ERR_OK, &e);
	return arena_copy(w->a, buf_bytes(&out));
}

static void a_shorter_log_stops_the_start(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w), more = recipe_simple(w);
	struct err e = { 0 };

	(void)must_issue(w, &r);
	struct bytes early = checkpoint(w);
	world_close(w);
	struct bytes log = slurp(w, SEGMENT_1), file = slurp(w, FILE_CHECKPOINT);
	assert_true(bytes_eq(file, early));
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	(void)must_issue(w, &more);
	struct bytes late = checkpoint(w);
	assert_code(signer_compare(w->s, early, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, late, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, BYTES_LIT(""), &e), ERR_OK, &e);
	world_close(w);

	/* The log of before, the folder's checkpoint of now: */
	put_file(w, SEGMENT_1, log);
	assert_code(world_reopen(w, &e), ERR_IO, &e);
	assert_non_null(strstr(e.detail, "shorter than its checkpoint"));
	/* all of the folder of before, as from a backup: only the store's checkpoint tells. */
	put_file(w, FILE_CHECKPOINT, file);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, early, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, late, &e), ERR_IO, &e);
	/* The same length with another content: */
	(void)must_issue(w, &more);
	assert_code(signer_compare(w->s, late, &e), ERR_IO, &e);
	assert_non_null(strstr(e.detail, "differs"));
}

static void ignores_foreign_checkpoints(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	struct bytes mine = checkpoint(w);
	uint8_t *bad = arena_alloc(w->a, mine.len);
	for (size_t at = 0; at < mine.len; at++) {
		memcpy(bad, mine.ptr, mine.len);
		bad[at] ^= 1;
		assert_code(signer_compare(w->s, (struct bytes){ bad, mine.len }, &e), ERR_OK, &e);
	}
	assert_code(signer_compare(w->s, BYTES_LIT("x"), &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).checkpoints_ignored, mine.len + 1);
	/* In our own folder there is no excuse for one. */
	put_file(w, FILE_CHECKPOINT, (struct bytes){ bad, mine.len });
	assert_code(world_reopen(w, &e), ERR_IO, &e);
}

static void checkpoints_reach_back_over_segments(void **state)
{
	static struct recipe r[MANY];
	static struct bytes certificates[MANY];
	struct world *w = *state;
	struct err e = { 0 };

	struct bytes first = checkpoint(w);
	fill_segments(w, r, certificates);
	struct bytes last = checkpoint(w);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, first, &e), ERR_OK, &e);
	assert_code(signer_compare(w->s, last, &e), ERR_OK, &e);
}

/* --- the folder --- */

static void create_never_overwrites(void **state)
{
	struct world *w = *state;
	struct signer_init i = { .identity = &w->identity,
		.root_pem = buf_bytes(&w->root_pem),
		.issuer_pem = buf_bytes(&w->issuer_pem),
		.issuer_key_pem = buf_bytes(&w->issuer_key_pem) };
	struct err e = { 0 };

	struct bytes key = slurp(w, FILE_LOG_KEY);
	assert_code(signer_create(w->dir, &i, &w->settings, &e), ERR_CONFLICT, &e);
	assert_int_equal(unlink(world_path(w, "identity")), 0);
	assert_code(signer_create(w->dir, &i, &w->settings, &e), ERR_CONFLICT, &e);
	assert_true(bytes_eq(slurp(w, FILE_LOG_KEY), key));
}

static void create_checks_what_belongs_together(void **state)
{
	struct world *w = *state;
	struct signer_init good = { .identity = &w->identity,
		.root_pem = buf_bytes(&w->root_pem),
		.issuer_pem = buf_bytes(&w->issuer_pem),
		.issuer_key_pem = buf_bytes(&w->issuer_key_pem) },
			   bad;
	CLEANUP(buf_free_p) struct buf other = buf_new_secret(8192);
	struct err e = { 0 };

	assert_code(key_private_to_pem(w->other, &other, &e), ERR_OK, &e);
	bad = good, bad.issuer_key_pem = buf_bytes(&other);
	assert_code(signer_create(w->dir, &bad, &w->settings, &e), ERR_CONFIG, &e);
	bad = good, bad.root_pem = good.issuer_pem;
	assert_code(signer_create(w->dir, &bad, &w->settings, &e), ERR_CONFIG, &e);
	bad = good, bad.issuer_pem = BYTES_LIT("nothing");
	assert_code(signer_create(w->dir, &bad, &w->settings, &e), ERR_CONFIG, &e);
	bad = good, bad.root_pem = BYTES_LIT("nothing");
	assert_code(signer_create(w->dir, &bad, &w->settings, &e), ERR_CONFIG, &e);
}

static void refuses_keys_that_others_may_read(void **state)
{
	static const char *const names[] = { ("issuers/main/" FILE_ISSUER_KEY), FILE_LOG_KEY, "identity" };
	struct world *w = *state;
	struct err e = { 0 };
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(stat(world_path(w, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0400);
		assert_int_equal(chmod(world_path(w, names[i]), 0440), 0);
		assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
		assert_non_null(strstr(e.detail, basename(names[i])));
		assert_int_equal(chmod(world_path(w, names[i]), 0600), 0);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
}

/* As the first version laid it out. */
static void make_old_layout(struct world *w)
{
	static const char *const names[][2] = { { "issuers/main/" FILE_ROOT, FILE_ROOT }, { "issuers/main/" FILE_ISSUER, FILE_ISSUER },
		{ "issuers/main/" FILE_ISSUER_KEY, "issuer.key" } };

	world_close(w);
	for (size_t i = 0; i < 3; i++) {
		char *from = strdup(world_path(w, names[i][0]));
		assert_int_equal(rename(from, world_path(w, names[i][1])), 0);
		free(from);
	}
	assert_int_equal(rmdir(world_path(w, "issuers/main")), 0);
	assert_int_equal(rmdir(world_path(w, "issuers")), 0);
}

static void takes_over_a_folder_with_one_issuer(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	struct issued before = must_issue(w, &r);
	make_old_layout(w);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(access(world_path(w, FILE_ISSUER), F_OK), -1);
	assert_int_equal(signer_issuers(w->s), 1);
	assert_true(bytes_eq_str(signer_issuer(w->s, 0).name, ISSUER_FIRST));
	assert_true(bytes_eq(must_issue(w, &r).certificate, before.certificate));
	/* Half done by a crash. */
	make_old_layout(w);
	assert_int_equal(mkdir(world_path(w, "issuers.moving"), 0700), 0);
	assert_int_equal(mkdir(world_path(w, "issuers.moving/main"), 0700), 0);
	char *key = strdup(world_path(w, "issuer.key"));
	assert_int_equal(rename(key, world_path(w, "issuers.moving/main/" FILE_ISSUER_KEY)), 0);
	free(key);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
}

static void refuses_a_folder_without_issuers(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_close(w);
	assert_int_equal(mkdir(world_path(w, "issuers/Not a name"), 0700), 0);
	assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "Not a name"));
	assert_int_equal(rmdir(world_path(w, "issuers/Not a name")), 0);
	char *was = strdup(world_path(w, "issuers/main"));
	assert_int_equal(rename(was, world_path(w, "elsewhere")), 0);
	assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "no issuer"));
	free(was);
}

static void refuses_another_cas_log(void **state)
{
	struct world *w = *state, other;
	struct err e = { 0 };

	world_close(w);
	world_new(&other);
	struct bytes theirs = arena_copy(w->a, slurp(&other, SEGMENT_1));
	world_free(&other);
	test_seam_install();
	put_file(w, SEGMENT_1, theirs);
	assert_code(world_reopen(w, &e), ERR_IO, &e);
	assert_non_null(strstr(e.detail, "another CA"));
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(cuts_a_torn_tail_at_every_byte),
		WORLD(voids_intents_without_result),
		WORLD(a_batch_may_be_torn_in_its_middle),
		WORLD(refuses_a_changed_byte),
		WORLD(refuses_a_log_with_a_record_taken_out),
		WORLD(rotates_segments),
		WORLD(makes_lost_indexes_again),
		WORLD(names_damage_in_a_closed_segment),
		WORLD(a_stale_index_of_the_open_segment_is_no_harm),
		WORLD(a_shorter_log_stops_the_start),
		WORLD(ignores_foreign_checkpoints),
		WORLD(checkpoints_reach_back_over_segments),
		WORLD(create_never_overwrites),
		WORLD(create_checks_what_belongs_together),
		WORLD(refuses_keys_that_others_may_read),
		WORLD(refuses_another_cas_log),
		WORLD(takes_over_a_folder_with_one_issuer),
		WORLD(refuses_a_folder_without_issuers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
