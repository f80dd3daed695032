/* The log's opening: closed segments by their indexes, the last one record by record. */
#include "server/signer/log_recover.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum err_code log_last_segment(int dir, uint32_t *ret, struct err *e)
{
	int copy = seam->openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	uint32_t last = 0;

	if (!d) {
		if (copy >= 0)
			close(copy);
		FAIL(e, IO, "cannot read the log's folder");
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		uint32_t number = 0;
		char name[SEGMENT_NAME_SIZE];
		for (const char *p = entry->d_name; *p >= '0' && *p <= '9' && p < entry->d_name + 8; p++)
			number = number * 10 + (uint32_t)(*p - '0');
		segment_name(number, "seg", name);
		if (strcmp(name, entry->d_name) == 0 && number > last)
			last = number;
	}
	closedir(d);
	*ret = last;
	return ERR_OK;
}

static enum err_code index_visit(void *ctx, uint64_t at, const struct record *r, struct err *e)
{
	const struct log_entry *entry;

	return log_index_take(ctx, at, r, &entry, e);
}

static enum err_code tell_found(const struct log_open_request *q, const struct log_index *x, struct err *e)
{
	for (size_t i = 0; i < log_index_count(x); i++)
		TRY(q->found(q->ctx, log_index_entry(x, i), e));
	return ERR_OK;
}

static enum err_code read_event(struct segment *g, const struct log_event *v, struct record *ret, struct err *e)
{
	if (v->type == LOG_REVOKE) {
		*ret = (struct record){ .type = v->type, .time_ms = v->time_ms, .body = BYTES_ARRAY(v->revocation) };
		return ERR_OK;
	}
	TRY(segment_record(g, v->offset, ret, e));
	errno = 0;
	if (ret->type != v->type || ret->time_ms != v->time_ms)
		FAIL(
		    e, IO, "segment %u of the log has another record at offset %" PRIu64 " than its index says", g->head.number, v->offset);
	return ERR_OK;
}

/* Each event of a segment: revocations from the index, others are read again where it says that they are. Nothing else in a closed segment is read. */
static enum err_code tell_events(const struct log_open_request *q, struct segment *g, const struct log_index *x, struct err *e)
{
	struct record r;

	for (size_t i = 0; i < log_index_event_count(x); i++) {
		TRY(read_event(g, log_index_event(x, i), &r, e));
		TRY(q->recall(q->ctx, &r, e));
	}
	return ERR_OK;
}

/* Makes a closed segment's index again, from all of its records. */
static enum err_code rebuild(
    struct log *l, struct segment *g, const struct chain *before, struct log_index *x, struct log_snapshot *ret, struct err *e)
{
	struct chain c = *before;
	struct segment_end end;

	g->ahead = SEGMENT_AHEAD_ALL;
	TRY(segment_replay(g, false, &c, index_visit, x, &end, e));
	errno = 0;
	if (x->n_open > 0)
		FAIL(e, IO, "segment %u of the log was closed with an intent that has no result", x->segment);
	*ret = (struct log_snapshot){ .segment = x->segment, .end = end.end, .last = end.last, .chain = c };
	event(EVENT_WARNING, "log.index.rebuilt", EVENT_STR("log", "the index of a closed segment was missing or damaged"));
	return log_index_write(l->dir, l->instance, x, ret, e);
}

/* The snapshot is believed when it fits its segment's size and head; the next segment's head must fit it in turn. */
static bool snapshot_fits(const struct segment *g, const struct chain *before, const struct log_snapshot *s)
{
	return s->end == g->size && g->head.first_sequence == before->sequence + 1 && s->chain.sequence >= before->sequence &&
	       s->chain.time_ms >= before->time_ms && s->last < s->end &&
	       (g->head.number == 1 || memcmp(g->head.previous, before->value, sizeof before->value) == 0);
}

static enum err_code closed_segment(struct log *l, const struct log_open_request *q, struct segment *g, struct log_index *x, struct err *e)
{
	struct chain *before = &l->durable.chain;
	struct log_snapshot s;

	enum err_code rc = log_index_read(l->dir, l->instance, q->since_ms, &s, x, e);
	if (rc == ERR_OK && !snapshot_fits(g, before, &s))
		rc = ERR_MALFORMED;
	if (rc == ERR_NOT_FOUND || rc == ERR_MALFORMED) {
		log_index_free(x);
		log_index_init(x, g->head.number);
		rc = rebuild(l, g, before, x, &s, e);
	}
	TRY(rc);
	TRY(tell_found(q, x, e));
	TRY(tell_events(q, g, x, e));
	TRY(log_note_closed(l, s.chain.time_ms, e));
	l->counts.bytes += s.end;
	l->durable = (struct log_position){ .segment = s.segment, .offset = s.last, .chain = s.chain };
	return ERR_OK;
}

static enum err_code open_closed(struct log *l, const struct log_open_request *q, uint32_t number, struct err *e)
{
	struct segment g;
	struct log_index x;

	TRY(segment_open(l->dir, number, O_RDONLY, l->instance, SEGMENT_AHEAD_ONE, &g, e));
	log_index_init(&x, number);
	enum err_code rc = closed_segment(l, q, &g, &x, e);
	log_index_free(&x);
	segment_close(&g);
	return rc;
}

/* What is cut here was never answered for: a reply leaves only after the sync that made its batch whole. */
static enum err_code cut_tail(struct log *l, const struct segment_end *end, struct err *e)
{
	if (seam->ftruncate(l->fd, (off_t)end->end) != 0 || seam->fsync(l->fd) != 0)
		FAIL(e, IO, "cannot cut the torn tail of segment %u of the log: %s", l->segment, strerror(errno));
	l->allocated = end->end;
	event(EVENT_WARNING, "log.tail.cut", EVENT_STR("log", "a torn tail was cut"));
	return ERR_OK;
}

/* The last batch was read back, which does not mean that it is durable: the process may have died between write and sync, or the
 * sync have failed, after which the kernel counts the pages as clean. So it is written once more. */
static enum err_code settle(struct log *l, struct segment *g, const struct segment_end *end, struct err *e)
{
	struct bytes v;

	for (uint64_t at = end->batch; end->batch > 0 && at < end->end; at += v.len) {
		size_t n = end->end - at < 65536 ? (size_t)(end->end - at) : 65536;
		TRY(segment_view(g, at, n, &v, e));
		if (v.len == 0)
			FAIL(e, IO, "segment %u of the log has become shorter", l->segment);
		TRY(log_write_at(l, v, at, e));
	}
	if (seam->fsync(l->fd) != 0)
		FAIL(e, IO, "cannot make segment %u of the log durable: %s", l->segment, strerror(errno));
	return ERR_OK;
}

static enum err_code add_voids(struct log *l, int64_t now_ms, struct err *e)
{
	/* log_end() takes each void's intent off the list. */
	while (l->index.n_open > 0) {
		struct voided v = { .reason = BYTES_LIT("the signer stopped before the result was durable") };
		memcpy(v.serial, l->index.open[0].serial, sizeof v.serial);
		memcpy(v.order, l->index.open[0].order, sizeof v.order);
		memcpy(v.issuer, l->index.open[0].issuer, sizeof v.issuer);
		void_write(&v, log_begin(l));
		TRY(log_end(l, LOG_VOID, now_ms, NULL, e));
		l->counts.voided++;
	}
	return ERR_OK;
}

static enum err_code repair(struct log *l, struct segment *g, const struct segment_end *end, struct err *e)
{
	int64_t now_ms = clock_wall_ms();

	errno = 0;
	if (now_ms < l->durable.chain.time_ms)
		FAIL(e, CONFIG, "the clock stands %" PRId64 " s before the log's last record: set it right first",
		    (l->durable.chain.time_ms - now_ms + 999) / 1000);
	if (end->torn > 0)
		TRY(cut_tail(l, end, e));
	TRY(settle(l, g, end, e));
	l->staged = l->durable;
	/* A new segment's chain goes on from its head, a checkpoint's from the record before it. */
	if (end->last == 0)
		memcpy(l->staged.chain.value, g->head_chain, sizeof g->head_chain);
	if (end->torn > 0) {
		note_write(l->segment, end->end, end->torn, log_begin(l));
		TRY(log_end(l, LOG_NOTE, now_ms, NULL, e));
	}
	TRY(add_voids(l, now_ms, e));
	return log_commit(l, e);
}

static enum err_code recover_last(struct log *l, const struct log_open_request *q, struct segment *g, struct err *e)
{
	struct chain c = l->durable.chain;
	struct segment_end end;

	l->segment = g->head.number;
	l->salt_crc = g->salt_crc;
	log_index_init(&l->index, l->segment);
	TRY(segment_replay(g, true, &c, index_visit, &l->index, &end, e));
	l->fd = fcntl(g->fd, F_DUPFD_CLOEXEC, 0);
	if (l->fd < 0)
		FAIL(e, IO, "no descriptor for segment %u of the log", l->segment);
	l->end = end.end;
	l->allocated = g->size > end.end ? g->size : end.end;
	if (end.last > 0)
		l->durable = (struct log_position){ .segment = l->segment, .offset = end.last, .chain = c };
	TRY(tell_found(q, &l->index, e));
	TRY(repair(l, g, &end, e));
	segment_forget(g); /* there may be VOIDs now where the window saw a torn tail */
	return tell_events(q, g, &l->index, e);
}

static enum err_code open_last(struct log *l, const struct log_open_request *q, uint32_t number, struct err *e)
{
	struct segment g;

	TRY(segment_open(l->dir, number, O_RDWR, l->instance, SEGMENT_AHEAD_ALL, &g, e));
	enum err_code rc = recover_last(l, q, &g, e);
	segment_close(&g);
	return rc;
}

enum err_code log_open(int dir, const struct log_open_request *q, struct log **ret, struct err *e)
{
	CLEANUP(log_close_p) struct log *l = log_new(dir, q);
	uint32_t last;

	if (!l)
		FAIL(e, NOMEM, "no memory for the log");
	TRY(log_last_segment(dir, &last, e));
	errno = 0;
	if (last == 0)
		FAIL(e, NOT_FOUND,
		    "the log has no segment: put it back from the newest backup, see chancery-ca(8), BACKUP; in a new CA, init was "
		    "interrupted");
	for (uint32_t number = 1; number < last; number++)
		TRY(open_closed(l, q, number, e));
	TRY(open_last(l, q, last, e));
	*ret = TAKE(l);
	return ERR_OK;
}
