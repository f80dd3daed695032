/* bench_revoked [REVOKED [SHARDS]]: what revocation costs a signer that has many revoked certificates: its start with their log, all lists, and
 * then one revocation after the other, each with its list. CPU time, and the heap before and after. Ends with 1 when the heap has grown. */
#include "base/codec.h"
#include "server/signer/revoke.h"
#include "server/signer/test_revoke.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#define EVIDENCE 700 /* bytes of a client's request, about */
#define SINGLES  200
#define GROWN    (1u << 20)

static double cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd; /* the large ones are mapped */
}

static void need(enum err_code rc, const struct err *e)
{
	if (rc == ERR_OK)
		return;
	fprintf(stderr, "bench_revoked: %s: %s\n", err_name(rc), e->detail);
	exit(2);
}

static void revoke_one(struct world *w, uint8_t shard)
{
	static const uint8_t evidence[EVIDENCE];
	struct revocation v = { .reason = CRL_SUPERSEDED,
		.time_s = test_seam.wall_ms / 1000,
		.by = REVOKED_BY_ACCOUNT,
		.not_after_s = test_seam.wall_ms / 1000 + 86400 * 47,
		.evidence = BYTES_ARRAY(evidence) };
	CLEANUP(buf_free_p) struct buf body = buf_new(4096);
	struct err e = { 0 };

	serial_make(test_seam.wall_ms, shard, v.serial);
	memcpy(v.issuer, w->s->issuers[0].issuer->key_id.ptr, sizeof v.issuer);
	revocation_write(&v, &body);
	need(event_append(w->s, LOG_REVOKE, buf_bytes(&body), test_seam.wall_ms, &e), &e);
}

/* Every list that is due, without the pauses that a running signer makes. */
static size_t make_all(struct world *w)
{
	struct crl_new made[SIGNER_LISTS_A_TURN];
	struct err e = { 0 };
	size_t n = 0, all = 0;

	do {
		w->s->lists_again_ms = 0;
		for (size_t k = 0; k < SHARDS_MAX; k++)
			w->s->issuers[0].shards[k].again_ms = 0;
		need(signer_crl(w->s, made, &n, &e), &e);
		all += n;
	} while (n > 0);
	return all;
}

static void start_with(struct world *w, size_t revoked, unsigned shards)
{
	struct err e = { 0 };

	world_new(w);
	w->settings.crl_shards = shards;
	need(signer_settings(w->s, &w->settings, &e), &e);
	for (size_t i = 0; i < revoked; i++) {
		revoke_one(w, (uint8_t)(i % shards));
		if (i % 64 == 0) {
			need(log_commit(w->s->log, &e), &e);
			need(log_rotate(w->s->log, test_seam.wall_ms, &e), &e);
		}
	}
	need(log_commit(w->s->log, &e), &e);
	test_seam.wall_ms += 1000;
}

/* Returns whether the heap stayed as it was. */
static bool measure(size_t revoked, unsigned shards)
{
	struct world w;
	struct err e = { 0 };
	size_t bytes = 0;

	start_with(&w, revoked, shards);
	double begun = cpu_ms();
	need(world_reopen(&w, &e), &e);
	need(signer_settings(w.s, &w.settings, &e), &e);
	double started = cpu_ms();
	size_t lists = make_all(&w);
	double made = cpu_ms();
	for (int i = 0; i < 2; i++) { /* the lists before these are kept for a while: twice, for all of them to be there */
		for (unsigned k = 0; k < shards; k++)
			revoke_one(&w, (uint8_t)k);
		need(log_commit(w.s->log, &e), &e);
		(void)make_all(&w);
	}
	for (size_t k = 0; k < SHARDS_MAX; k++)
		bytes += w.s->issuers[0].shards[k].newest.der.len;
	size_t before = heap();
	double ready = cpu_ms();
	for (unsigned i = 0; i < SINGLES; i++) {
		test_seam.wall_ms += 1000;
		revoke_one(&w, (uint8_t)(i % shards));
		need(log_commit(w.s->log, &e), &e);
		if (make_all(&w) != 1) {
			fprintf(stderr, "bench_revoked: a revocation made another number of lists than one\n");
			exit(2);
		}
	}
	double each = (cpu_ms() - ready) / SINGLES;
	size_t after = heap();
	printf("%10zu %7u %9.0f ms %9.0f ms %6zu %8.1f MiB %10.2f ms %8.1f MiB %8.1f MiB\n", revoked, shards, started - begun, made - started, lists,
	    (double)bytes / 1048576, each, (double)before / 1048576, (double)after / 1048576);
	world_free(&w);
	return after < before + GROWN;
}

int main(int argc, char **argv)
{
	size_t revoked = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	unsigned shards = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 256;

	if (revoked < 1 || revoked > REVOKED_MAX / 2 || shards < 1 || shards > SHARDS_MAX) {
		fprintf(stderr, "bench_revoked [REVOKED (to %u) [SHARDS (to %d)]]\n", REVOKED_MAX / 2, SHARDS_MAX);
		return 2;
	}
	printf("%10s %7s %12s %12s %6s %12s %13s %12s %12s\n", "revoked", "shards", "start", "all lists", "lists", "their size", "one more", "heap", "after 200");
	bool flat = measure(1000, shards);
	flat = measure(revoked, shards) && flat;
	return flat ? 0 : 1;
}
