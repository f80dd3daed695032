/* Reads the whole log as anybody with its files can: every checksum, every link of the chain, every certificate against the intent
 * that announced it. Trusts no index. */
#include "server/signer/log_recover.h"

#include "base/seam.h"
#include "server/signer/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct walk {
	signer_log_visit *visit;
	void *ctx;
	struct arena *a;
	struct log_index x;
	struct log_walked end;
};

/* Signed was what the intent said. */
static enum err_code check_result(struct walk *w, const struct record *r, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct result v;
	struct cert c;

	arena_reset(w->a);
	TRY(result_read(r, &v, e));
	TRY(cert_parse(w->a, v.certificate, &c, e));
	sha256_one(c.tbs, digest);
	errno = 0;
	for (size_t i = 0; i < w->x.n_open; i++)
		if (memcmp(w->x.open[i].serial, v.serial, SERIAL_SIZE) == 0 && memcmp(w->x.open[i].tbs_digest, digest, sizeof digest) == 0)
			return ERR_OK;
	FAIL(e, IO, "record %llu: the certificate is not what its intent announced", (unsigned long long)r->sequence);
}

static enum err_code walk_record(void *ctx, uint64_t at, const struct record *r, struct err *e)
{
	struct walk *w = ctx;
	const struct log_entry *entry;

	if (r->type == LOG_RESULT)
		TRY(check_result(w, r, e));
	TRY(log_index_take(&w->x, at, r, &entry, e));
	return w->visit ? w->visit(w->ctx, r, e) : ERR_OK;
}

static enum err_code walk_segment(struct walk *w, int dir, uint32_t number, uint32_t last, struct chain *c, struct err *e)
{
	struct segment g;
	struct segment_end end;

	TRY(segment_open(dir, number, O_RDONLY, number == 1 ? NULL : w->end.instance, SEGMENT_AHEAD_ALL, &g, e));
	memcpy(w->end.instance, g.head.instance, INSTANCE_SIZE);
	log_index_free(&w->x);
	log_index_init(&w->x, number);
	enum err_code rc = segment_replay(&g, number == last, c, walk_record, w, &end, e);
	segment_close(&g);
	w->end.segments = number;
	w->end.bytes += rc == ERR_OK ? end.end : 0;
	w->end.torn = rc == ERR_OK ? end.torn : 0;
	errno = 0;
	if (rc == ERR_OK && number < last && w->x.n_open > 0)
		FAIL(e, IO, "segment %u of the log was closed with an intent that has no result", number);
	return rc;
}

enum err_code signer_log_walk(int dir, signer_log_visit *visit, void *ctx, struct log_walked *ret, struct err *e)
{
	CLEANUP(close_p) int log_dir = seam->openat(dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct walk w = { .visit = visit, .ctx = ctx, .a = a };
	struct chain c = { 0 };
	uint32_t last;
	enum err_code rc = ERR_OK;

	if (log_dir < 0)
		FAIL(e, IO, "the signer's folder \"%s\" cannot be opened (%s)", FOLDER_LOG, strerror(errno));
	if (!a)
		FAIL(e, NOMEM, "no memory to read the log");
	TRY(log_last_segment(log_dir, &last, e));
	errno = 0;
	if (last == 0)
		FAIL(e, IO, "the log has no segment");
	log_index_init(&w.x, 0);
	for (uint32_t number = 1; rc == ERR_OK && number <= last; number++)
		rc = walk_segment(&w, log_dir, number, last, &c, e);
	log_index_free(&w.x);
	if (rc == ERR_OK && ret)
		*ret = w.end;
	return rc;
}
