#include "server/signer/log.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"
#include "server/signer/log_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_MAX (32u << 20)

bool log_poisoned(const struct log *l)
{
	return l->poisoned;
}

void log_poison(struct log *l)
{
	l->poisoned = true;
}

struct log_position log_position(const struct log *l)
{
	return l->durable;
}

struct log_counts log_counts(const struct log *l)
{
	struct log_counts c = l->counts;

	c.bytes += l->end;
	c.segments = l->segment;
	return c;
}

enum err_code log_write_at(struct log *l, struct bytes in, uint64_t at, struct err *e)
{
	while (in.len > 0) {
		ssize_t n = seam->pwrite(l->fd, in.ptr, in.len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			l->poisoned = true;
			FAIL(e, IO, "cannot write segment %u of the log: %s", l->segment, strerror(errno));
		}
		in = bytes_slice(in, (size_t)n, in.len);
		at += (uint64_t)n;
	}
	return ERR_OK;
}

/* Zeros ahead of the data, so that a later sync has only data to write: measured 143 us where a growing file takes 270-330 and
 * one grown by fallocate(2), whose blocks must still be marked as written, 200-400. A zero length word ends the data. */
static enum err_code reserve(struct log *l, size_t n, struct err *e)
{
	static const uint8_t zeros[1 << 18];

	if (l->end + n <= l->allocated)
		return ERR_OK;
	uint64_t ahead = l->segment_size / 16;
	ahead = ahead < PREALLOCATE_MIN ? PREALLOCATE_MIN : ahead > PREALLOCATE_MAX ? PREALLOCATE_MAX : ahead;
	uint64_t want = l->end + n + ahead;
	while (l->allocated < want) {
		uint64_t left = want - l->allocated;
		size_t step = left < sizeof zeros ? (size_t)left : sizeof zeros;
		TRY(log_write_at(l, (struct bytes){ zeros, step }, l->allocated, e));
		l->allocated += step;
	}
	return ERR_OK;
}

enum err_code log_sync(struct log *l, struct err *e)
{
	if (seam->fdatasync(l->fd) != 0) {
		l->poisoned = true;
		FAIL(e, IO, "cannot make segment %u of the log durable: %s", l->segment, strerror(errno));
	}
	l->counts.syncs++;
	return ERR_OK;
}

struct buf *log_begin(struct log *l)
{
	l->record_at = record_begin(&l->batch);
	return &l->batch;
}

/* What is written goes into the index by the same way as what a start reads. */
static enum err_code take(struct log *l, uint64_t at, enum log_type type, struct err *e)
{
	struct bytes whole = bytes_slice(buf_bytes(&l->batch), l->record_at, l->batch.len);
	struct record r = { .sequence = l->staged.chain.sequence,
		.time_ms = l->staged.chain.time_ms,
		.type = (uint8_t)type,
		.body = bytes_slice(whole, RECORD_HEAD_SIZE, whole.len),
		.size = whole.len };
	const struct log_entry *entry;

	return log_index_take(&l->index, at, &r, &entry, e);
}

enum err_code log_end(struct log *l, enum log_type type, int64_t time_ms, uint64_t *ret_offset, struct err *e)
{
	uint64_t at = l->end + l->record_at;

	errno = 0;
	if (l->poisoned)
		FAIL(e, IO, "the log has failed before: only a new start may go on");
	record_end(&l->batch, l->record_at, type, l->in_batch, time_ms, l->salt_crc, &l->staged.chain);
	if (!buf_ok(&l->batch) || l->batch.len - l->record_at > RECORD_SIZE_MAX || l->in_batch == UINT16_MAX) {
		l->poisoned = true;
		FAIL(e, NOMEM, "no memory for a batch of the log");
	}
	enum err_code rc = take(l, at, type, e);
	if (rc != ERR_OK) {
		l->poisoned = true;
		return rc;
	}
	l->in_batch++;
	l->staged.segment = l->segment;
	l->staged.offset = at;
	if (ret_offset)
		*ret_offset = at;
	return ERR_OK;
}

uint64_t log_staged_sequence(const struct log *l)
{
	return l->staged.chain.sequence;
}

/* A file that was removed takes what is written without a word, and all of it is gone when we are. */
static enum err_code check_place(struct log *l, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat ours, there;

	segment_name(l->segment, "seg", name);
	if (fstat(l->fd, &ours) == 0 && fstatat(l->dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == there.st_ino &&
	    ours.st_dev == there.st_dev)
		return ERR_OK;
	l->poisoned = true;
	FAIL(e, IO, "segment %u of the log was removed or replaced while it was written", l->segment);
}

enum err_code log_commit(struct log *l, struct err *e)
{
	errno = 0;
	if (l->poisoned)
		FAIL(e, IO, "the log has failed before: only a new start may go on");
	if (l->in_batch == 0)
		return ERR_OK;
	TRY(reserve(l, l->batch.len, e));
	TRY(log_write_at(l, buf_bytes(&l->batch), l->end, e));
	TRY(log_sync(l, e));
	TRY(check_place(l, e));
	l->end += l->batch.len;
	l->durable = l->staged;
	l->in_batch = 0;
	buf_reset(&l->batch);
	return ERR_OK;
}

enum err_code log_make_segment(int dir, struct segment_head *h, struct err *e)
{
	uint8_t place[SEGMENT_HEAD_SIZE];
	CLEANUP(buf_free_p) struct buf out = buf_new(sizeof place);
	char name[SEGMENT_NAME_SIZE];

	random_bytes(h->salt, sizeof h->salt);
	segment_head_write(h, &out);
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for a segment of the log");
	segment_name(h->number, "seg", name);
	return file_create(dir, name, 0600, buf_bytes(&out), e);
}

enum err_code log_make(int dir, const uint8_t instance[INSTANCE_SIZE], struct err *e)
{
	struct segment_head h = { .number = 1, .first_sequence = 1, .created_ms = clock_wall_ms() };

	memcpy(h.instance, instance, sizeof h.instance);
	return log_make_segment(dir, &h, e);
}

/* The new segment becomes the one that is written. */
static enum err_code enter_segment(struct log *l, uint32_t number, struct err *e)
{
	struct segment g;

	TRY(segment_open(l->dir, number, O_RDWR, l->instance, SEGMENT_AHEAD_ONE, &g, e));
	if (l->fd >= 0)
		close(l->fd);
	l->fd = g.fd;
	g.fd = -1;
	l->counts.bytes += l->end;
	l->segment = number;
	l->salt_crc = g.salt_crc;
	l->end = l->allocated = SEGMENT_HEAD_SIZE;
	memcpy(l->staged.chain.value, g.head_chain, sizeof g.head_chain);
	log_index_free(&l->index);
	log_index_init(&l->index, number);
	segment_close(&g);
	return ERR_OK;
}

enum err_code log_note_closed(struct log *l, int64_t time_ms, struct err *e)
{
	buf_add(&l->closed_ms, (struct bytes){ (const uint8_t *)&time_ms, sizeof time_ms });
	if (!buf_ok(&l->closed_ms))
		FAIL(e, NOMEM, "no memory for the log's segments");
	return ERR_OK;
}

/* In this order, so that whatever a crash leaves is a whole log: the old segment cut to its data, its index, then the new one. */
static enum err_code rotate(struct log *l, int64_t now_ms, struct err *e)
{
	struct log_snapshot s = { .segment = l->segment, .end = l->end, .last = l->durable.offset, .chain = l->durable.chain };
	struct segment_head h = { .number = l->segment + 1, .first_sequence = l->durable.chain.sequence + 1, .created_ms = now_ms };

	memcpy(h.instance, l->instance, sizeof h.instance);
	memcpy(h.previous, l->durable.chain.value, sizeof h.previous);
	if (seam->ftruncate(l->fd, (off_t)l->end) != 0 || seam->fsync(l->fd) != 0)
		FAIL(e, IO, "cannot close segment %u of the log: %s", l->segment, strerror(errno));
	TRY(log_index_write(l->dir, l->instance, &l->index, &s, e));
	TRY(log_make_segment(l->dir, &h, e));
	TRY(log_note_closed(l, s.chain.time_ms, e));
	return enter_segment(l, h.number, e);
}

void log_set_segment_size(struct log *l, uint64_t size)
{
	l->segment_size = size;
}

enum err_code log_rotate(struct log *l, int64_t now_ms, struct err *e)
{
	errno = 0;
	if (l->poisoned)
		FAIL(e, IO, "the log has failed before: only a new start may go on");
	if (l->end < l->segment_size || l->in_batch > 0 || l->index.n_open > 0 || l->durable.segment != l->segment)
		return ERR_OK;
	enum err_code rc = rotate(l, now_ms, e);
	if (rc != ERR_OK)
		l->poisoned = true;
	return rc;
}

enum err_code log_read(struct log *l, struct arena *a, uint32_t segment, uint64_t offset, struct record *ret, struct err *e)
{
	struct segment g;
	struct record r;

	TRY(segment_open(l->dir, segment, O_RDONLY, l->instance, SEGMENT_AHEAD_ONE, &g, e));
	enum err_code rc = segment_record(&g, offset, &r, e);
	if (rc == ERR_OK) {
		r.body = arena_copy(a, r.body);
		if (!r.body.ptr)
			rc = err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for a record of the log");
	}
	segment_close(&g);
	if (rc == ERR_OK)
		*ret = r;
	return rc;
}

static int64_t closed_ms(const struct log *l, size_t i)
{
	int64_t v;

	memcpy(&v, l->closed_ms.ptr + i * sizeof v, sizeof v);
	return v;
}

/* The closed segments that have records of that time are neighbours: mostly it is one, which ends at or after it. */
static enum err_code find_closed(struct log *l, const uint8_t serial[SERIAL_SIZE], struct log_entry *ret, struct err *e)
{
	int64_t time_ms = serial_time_ms(serial);
	size_t from = 0, n = l->closed_ms.len / sizeof(int64_t), to = n;

	while (from < to) {
		size_t i = from + (to - from) / 2;
		if (closed_ms(l, i) < time_ms)
			from = i + 1;
		else
			to = i;
	}
	for (size_t i = from; i < n && (i == from || closed_ms(l, i - 1) == time_ms); i++) {
		enum err_code rc = log_index_look_up(l->dir, l->instance, (uint32_t)i + 1, serial, ret, e);
		if (rc != ERR_NOT_FOUND)
			return rc;
	}
	FAIL(e, NOT_FOUND, "the log has no certificate of this serial number");
}

enum err_code log_find(struct log *l, const uint8_t serial[SERIAL_SIZE], struct log_entry *ret, struct err *e)
{
	const struct log_entry *n = log_index_find(&l->index, serial);

	if (!n)
		return find_closed(l, serial, ret, e);
	*ret = *n;
	return ERR_OK;
}

void log_close(struct log *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	buf_free(&l->batch);
	buf_free(&l->closed_ms);
	log_index_free(&l->index);
	free(l);
}

struct log *log_new(int dir, const struct log_open_request *q)
{
	struct log *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->dir = dir;
	l->fd = -1;
	memcpy(l->instance, q->instance, sizeof l->instance);
	l->segment_size = q->segment_size;
	l->batch = buf_new(BATCH_MAX);
	l->closed_ms = buf_new(SEGMENTS_MAX * sizeof(int64_t));
	log_index_init(&l->index, 0);
	return l;
}
