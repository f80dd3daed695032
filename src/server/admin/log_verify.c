#include "server/admin/log_verify.h"

#include "os/file.h"
#include "server/admin/place.h"
#include "server/signer/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A log that is being written can look torn in its middle, for the moment of one write. */
#define TRIES 3

struct verify {
	const struct log_watch *watch;
	struct log_summary *summary;
	struct buf checkpoint_bytes; /* empty: there is none */
	struct checkpoint checkpoint;
	struct key *log_key;
	bool from_outside; /* the checkpoint is one that somebody kept elsewhere */
};

/* GENESIS names the key that checkpoints are signed with. */
static enum err_code take_genesis(struct verify *v, const struct record *r, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct bytes instance = wire_fixed(&w, INSTANCE_SIZE);

	(void)wire_u32(&w);
	(void)wire_bytes(&w, RECORD_SIZE_MAX);
	(void)wire_bytes(&w, RECORD_SIZE_MAX);
	struct bytes spki = wire_bytes(&w, RECORD_SIZE_MAX);
	errno = 0;
	if (w.failed)
		FAIL(e, IO, "record %" PRIu64 ": the log's first record is not one", r->sequence);
	key_free(v->log_key);
	v->log_key = NULL;
	TRY(key_from_spki(spki, &v->log_key, e));
	if (v->checkpoint_bytes.len == 0)
		return ERR_OK;
	errno = 0;
	if (checkpoint_read(v->log_key, instance.ptr, buf_bytes(&v->checkpoint_bytes), &v->checkpoint, NULL) != ERR_OK)
		FAIL(e, IO, "%s",
		    v->from_outside ? "the checkpoint is not of this log: the key that the log's first record names has not signed it"
				    : "the signer's file \"checkpoint\" is damaged, or the log's first record is another CA's");
	v->summary->checkpoint.sequence = v->checkpoint.at.chain.sequence;
	v->summary->checkpoint.made_ms = v->checkpoint.made_ms;
	return ERR_OK;
}

static enum err_code visit(void *ctx, const struct record *r, struct err *e)
{
	struct verify *v = ctx;
	struct log_summary *s = v->summary;

	if (r->type == LOG_GENESIS)
		TRY(take_genesis(v, r, e));
	errno = 0;
	if (r->sequence == s->checkpoint.sequence && memcmp(r->chain, v->checkpoint.at.chain.value, sizeof r->chain) != 0)
		FAIL(e, IO, "record %" PRIu64 " (%s) is not the one that the checkpoint has seen: up to there the log was written anew",
		    r->sequence, log_type_name(r->type));
	s->records = r->sequence;
	s->of_type[r->type]++;
	if (s->first_ms == 0)
		s->first_ms = r->time_ms;
	s->last_ms = r->time_ms;
	memcpy(s->chain, r->chain, sizeof s->chain);
	return v->watch ? v->watch->visit(v->watch->ctx, r, e) : ERR_OK;
}

static enum err_code walk(struct verify *v, int folder, struct err *e)
{
	bool running = v->summary->running;

	*v->summary = (struct log_summary){ .running = running };
	if (v->watch)
		v->watch->begin(v->watch->ctx);
	TRY(signer_log_walk(folder, visit, v, &v->summary->end, e));
	errno = 0;
	if (v->summary->checkpoint.sequence > v->summary->records)
		FAIL(e, IO,
		    "the log is shorter than its checkpoint: it ends with record %" PRIu64 " in segment %" PRIu32
		    ", the checkpoint has seen record %" PRIu64,
		    v->summary->records, v->summary->end.segments, v->summary->checkpoint.sequence);
	return ERR_OK;
}

static enum err_code read_checkpoint(struct verify *v, const struct place *signer, const char *path, struct err *e)
{
	v->from_outside = path != NULL;
	if (path)
		return file_read(AT_FDCWD, path, CHECKPOINT_MAX, &v->checkpoint_bytes, e);
	enum err_code rc = file_read(signer->fd, "checkpoint", CHECKPOINT_MAX, &v->checkpoint_bytes, e);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc; /* none was due yet */
}

/* A checkpoint from elsewhere is read as who calls; the log as its owner. */
static enum err_code verify(struct verify *v, struct place *signer, const struct settings *s, const char *path, struct err *e)
{
	enum err_code rc = ERR_IO;

	TRY(place_open(s, PROCESS_SIGNER, signer, e));
	TRY(place_busy(signer, &v->summary->running, e));
	if (path)
		TRY(read_checkpoint(v, signer, path, e));
	TRY(place_become(signer, e));
	for (int i = 0; rc == ERR_IO && i < (v->summary->running ? TRIES : 1); i++) {
		if (!path) {
			buf_reset(&v->checkpoint_bytes);
			TRY(read_checkpoint(v, signer, NULL, e)); /* before the log, which then is the newer one */
		}
		rc = walk(v, signer->fd, e);
	}
	return rc;
}

enum err_code log_verify(
    const struct settings *s, const char *checkpoint, const struct log_watch *w, struct log_summary *ret, struct err *e)
{
	struct verify v = { .watch = w, .summary = ret, .checkpoint_bytes = buf_new(CHECKPOINT_MAX) };
	struct place signer = { .fd = -1 };

	memset(ret, 0, sizeof *ret);
	enum err_code rc = verify(&v, &signer, s, checkpoint, e);
	place_close(&signer);
	buf_free(&v.checkpoint_bytes);
	key_free(v.log_key);
	return rc;
}
