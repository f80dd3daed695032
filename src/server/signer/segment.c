#include "server/signer/segment.h"

#include "base/seam.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_SIZE SEGMENT_AHEAD_ALL
_Static_assert(RECORD_SIZE_MAX < WINDOW_SIZE, "a record fits the window");

void segment_name(uint32_t number, const char *suffix, char out[SEGMENT_NAME_SIZE])
{
	snprintf(out, SEGMENT_NAME_SIZE, "%08" PRIu32 ".%s", number % 100000000, suffix);
}

/* Fills the window from `at` on, with n bytes and as much more as is read ahead. */
static enum err_code fill_window(struct segment *g, uint64_t at, size_t n, struct err *e)
{
	size_t want = n > g->ahead ? n : g->ahead, have = 0;

	buf_reset(&g->window);
	uint8_t *p = buf_extend(&g->window, want);

	if (!p)
		FAIL(e, NOMEM, "no memory to read the log");
	while (have < want) {
		ssize_t got = seam->pread(g->fd, p + have, want - have, (off_t)(at + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			FAIL(e, IO, "cannot read segment %u of the log: %s", g->head.number, strerror(errno));
		if (got == 0)
			break;
		have += (size_t)got;
	}
	g->window.len = have;
	g->window_ends = have < want;
	g->window_at = at;
	return ERR_OK;
}

enum err_code segment_view(struct segment *g, uint64_t at, size_t n, struct bytes *ret, struct err *e)
{
	bool inside = at >= g->window_at && at + n <= g->window_at + g->window.len;

	/* The window's end may be the file's: what is short then stays short. */
	if (!inside && !(at >= g->window_at && at < g->window_at + g->window.len && g->window_ends))
		TRY(fill_window(g, at, n, e));
	*ret = bytes_slice(buf_bytes(&g->window), (size_t)(at - g->window_at), (size_t)(at - g->window_at) + n);
	return ERR_OK;
}

void segment_forget(struct segment *g)
{
	buf_reset(&g->window);
}

static enum err_code read_head(struct segment *g, uint32_t number, const uint8_t *instance, struct err *e)
{
	struct bytes head;
	struct stat st;

	g->head.number = number; /* for messages until it is read */
	if (fstat(g->fd, &st) != 0)
		FAIL(e, IO, "cannot look at segment %u of the log: %s", number, strerror(errno));
	g->size = (uint64_t)st.st_size;
	TRY(segment_view(g, 0, SEGMENT_HEAD_SIZE, &head, e));
	struct segment_head h;
	if (segment_head_read(head, &h, NULL) != ERR_OK) {
		errno = 0;
		FAIL(e, IO, "segment %u of the log is damaged at offset 0: it has no good head", number);
	}
	errno = 0;
	if (h.number != number)
		FAIL(e, IO, "segment %u of the log says that it is segment %u", number, h.number);
	if (instance && memcmp(instance, h.instance, sizeof h.instance) != 0)
		FAIL(e, IO, "segment %u of the log belongs to another CA", number);
	g->head = h;
	chain_of_head(head, g->head_chain);
	g->salt_crc = crc32c(0, BYTES_ARRAY(h.salt));
	return ERR_OK;
}

enum err_code segment_open(int dir, uint32_t number, int flags, const uint8_t *instance, size_t ahead, struct segment *ret, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment g = { .window = buf_new(WINDOW_SIZE), .ahead = ahead };

	segment_name(number, "seg", name);
	g.fd = seam->openat(dir, name, flags | O_CLOEXEC, 0);
	if (g.fd < 0 && errno == ENOENT)
		FAIL(e, NOT_FOUND, "the log has no segment %u: put it back from the newest backup, see chancery-ca(8), BACKUP", number);
	if (g.fd < 0)
		FAIL(e, IO, "cannot open segment %u of the log: %s", number, strerror(errno));
	enum err_code rc = read_head(&g, number, instance, e);
	if (rc != ERR_OK) {
		segment_close(&g);
		return rc;
	}
	*ret = g;
	return ERR_OK;
}

void segment_close(struct segment *g)
{
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
	buf_free(&g->window);
}

/* The record at `at`, if a good one is there: r->size 0 else. */
static enum err_code try_record(struct segment *g, uint64_t at, struct record *r, struct err *e)
{
	struct bytes in;

	r->size = 0;
	TRY(segment_view(g, at, RECORD_HEAD_SIZE, &in, e));
	size_t size = record_size(in);
	if (size == 0)
		return ERR_OK;
	TRY(segment_view(g, at, size, &in, e));
	if (!record_parse(in, g->salt_crc, r))
		r->size = 0;
	return ERR_OK;
}

enum err_code segment_record(struct segment *g, uint64_t at, struct record *ret, struct err *e)
{
	struct record r;

	TRY(try_record(g, at, &r, e));
	errno = 0;
	if (r.size == 0)
		FAIL(e, IO, "segment %u of the log is damaged at offset %" PRIu64, g->head.number, at);
	*ret = r;
	return ERR_OK;
}

/* Where the last byte that is not zero lies behind `at`: its offset + 1, or `at` when there is none. */
static enum err_code data_end(struct segment *g, uint64_t at, uint64_t *ret, struct err *e)
{
	uint64_t end = at;

	for (uint64_t from = at; from < g->size;) {
		struct bytes v;
		TRY(segment_view(g, from, 65536, &v, e));
		if (v.len == 0)
			break;
		for (size_t i = v.len; i-- > 0;)
			if (v.ptr[i] != 0) {
				end = from + i + 1;
				break;
			}
		from += v.len;
	}
	*ret = end;
	return ERR_OK;
}

/* A record that was written after `sequence` was durable: its batch began later. Such a one behind a bad record means damage, not
 * a torn write: a batch is only written when the one before it is durable. */
static bool is_later(const struct record *r, uint64_t sequence)
{
	return r->sequence > sequence && r->sequence - sequence < UINT32_MAX && r->sequence - r->position > sequence;
}

/* Tells a torn tail from damage: is there any later good record between `at` and `end`, at whatever byte? */
static enum err_code look_for_later(struct segment *g, uint64_t at, uint64_t end, uint64_t sequence, struct err *e)
{
	struct record r;

	for (uint64_t from = at + 1; from + RECORD_HEAD_SIZE <= end; from++) {
		TRY(try_record(g, from, &r, e));
		errno = 0;
		if (r.size > 0 && is_later(&r, sequence))
			FAIL(e, IO,
			    "segment %u of the log is damaged at offset %" PRIu64 ": record %" PRIu64 " is bad, yet record %" PRIu64
			    " follows at offset %" PRIu64,
			    g->head.number, at, sequence, r.sequence, from);
	}
	return ERR_OK;
}

static enum err_code judge_tail(struct segment *g, bool open, uint64_t sequence, struct segment_end *end, struct err *e)
{
	uint64_t data;

	TRY(data_end(g, end->end, &data, e));
	errno = 0;
	if (!open && g->size != end->end)
		FAIL(e, IO, "segment %u of the log is damaged at offset %" PRIu64 ": record %" PRIu64 " is bad", g->head.number, end->end,
		    sequence);
	if (data > end->end)
		TRY(look_for_later(g, end->end, data, sequence, e));
	end->torn = data - end->end;
	return ERR_OK;
}

/* Names the place in what went wrong there. */
static enum err_code follow(const struct segment *g, uint64_t at, const struct record *r, struct chain *c, struct err *e)
{
	struct err inner = { 0 };

	errno = 0;
	if (record_follow(r, c, &inner) != ERR_OK)
		FAIL(e, IO, "segment %u of the log is damaged at offset %" PRIu64 ": %s", g->head.number, at, inner.detail);
	return ERR_OK;
}

enum err_code segment_replay(
    struct segment *g, bool open, struct chain *c, segment_visit *visit, void *ctx, struct segment_end *ret, struct err *e)
{
	struct segment_end end = { .end = SEGMENT_HEAD_SIZE };
	bool first = g->head.number == 1;

	errno = 0;
	if (g->head.first_sequence != c->sequence + 1 || (!first && memcmp(g->head.previous, c->value, sizeof c->value) != 0))
		FAIL(e, IO, "segment %u of the log does not continue segment %u", g->head.number, g->head.number - 1);
	memcpy(c->value, g->head_chain, sizeof c->value);
	for (;;) {
		struct record r;
		TRY(try_record(g, end.end, &r, e));
		if (r.size == 0)
			break;
		TRY(follow(g, end.end, &r, c, e));
		if (visit)
			TRY(visit(ctx, end.end, &r, e));
		end.last = end.end;
		if (r.position == 0)
			end.batch = end.end;
		end.end += r.size;
	}
	TRY(judge_tail(g, open, c->sequence + 1, &end, e));
	*ret = end;
	return ERR_OK;
}
