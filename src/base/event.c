#include "base/event.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES  4096 /* PIPE_BUF: up to it, a write(2) to a pipe is whole (pipe(7)) */
#define VALUE_MAX_BYTES 1024 /* more of one value is cut off */
#define END_BYTES       32   /* kept back for `truncated` and the newline */

static event_sink *sink;
static void *sink_ctx;
static enum event_level sink_least;

void event_set_sink(event_sink *s, void *ctx, enum event_level least)
{
	sink = s;
	sink_ctx = ctx;
	sink_least = least;
}

static _Thread_local uint64_t request_now;

void event_set_request(uint64_t request)
{
	request_now = request;
}

uint64_t event_request(void)
{
	return request_now;
}

void event_request_text(uint64_t request, char out[EVENT_REQUEST_LEN + 1])
{
	(void)snprintf(out, EVENT_REQUEST_LEN + 1, "%016" PRIx64, request);
}

void event_raise(enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	if (sink && level >= sink_least)
		sink(sink_ctx, level, name, fields, n_fields);
}

bool event_admit(struct event_limit *l, uint64_t *ret_left_out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int64_t second = clock_monotonic_ms() / 1000;

	*ret_left_out = 0;
	pthread_mutex_lock(&lock);
	if (second != l->second) {
		*ret_left_out = l->left_out;
		*l = (struct event_limit){ .second = second };
	}
	bool admitted = l->n < EVENT_LIMIT_A_SECOND;
	l->n += admitted;
	l->left_out += !admitted;
	pthread_mutex_unlock(&lock);
	return admitted;
}

void event_left_out(const char *name, uint64_t n)
{
	char count[24];

	if (n == 0)
		return;
	(void)snprintf(count, sizeof count, "%" PRIu64, n);
	event(EVENT_WARNING, "events.left_out", EVENT_STR("event", name), EVENT_STR("count", count));
}

void event_error(enum event_level level, const char *name, const struct err *e)
{
	char place[96], sys[16];

	(void)snprintf(place, sizeof place, "%s:%d", e->file ? e->file : "?", e->line);
	(void)snprintf(sys, sizeof sys, "%d", e->sys);
	event(level, name, EVENT_STR("code", err_name(e->code)), EVENT_STR("detail", e->detail), EVENT_STR("errno", sys),
	    EVENT_STR("at", place));
}

static const char *level_name(enum event_level level)
{
	static const char *const names[] = { "debug", "info", "notice", "warning", "error" };

	return (unsigned)level < sizeof names / sizeof *names ? names[level] : "?";
}

static void put_time(struct buf *b)
{
	int64_t now_ms = clock_wall_ms();
	char text[RFC3339_SIZE];

	rfc3339_format(now_ms / 1000, text);
	buf_add_fmt(b, "%.19s.%03uZ", text, (unsigned)(now_ms % 1000) % 1000u);
}

/* One character of a quoted value; returns how many bytes it took. */
static size_t put_character(struct buf *b, const uint8_t *p, const uint8_t *end)
{
	uint32_t c = 0;
	size_t n = utf8_get(p, end, &c);

	if (n == 0)
		buf_add_fmt(b, "\\x%02x", *p);
	else if (c == '"' || c == '\\')
		buf_add_fmt(b, "\\%c", (int)c);
	else if (c == '\n' || c == '\r' || c == '\t')
		buf_add_str(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
	else if (utf8_is_printable(c))
		buf_add(b, (struct bytes){ p, n });
	else
		buf_add_fmt(b, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	return n ? n : 1;
}

/* Whether a value needs no quotes: printable ASCII without what logfmt gives a meaning. */
static bool is_plain(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] <= ' ' || v.ptr[i] >= 127 || v.ptr[i] == '"' || v.ptr[i] == '=' || v.ptr[i] == '\\')
			return false;
	return v.len > 0;
}

static void put_text_value(struct buf *b, struct bytes v)
{
	if (is_plain(v)) {
		buf_add(b, v);
		return;
	}
	buf_add_u8(b, '"');
	for (size_t i = 0; i < v.len;)
		i += put_character(b, v.ptr + i, v.ptr + v.len);
	buf_add_u8(b, '"');
}

/* The part of a value that is logged, without half a character at its end. */
static struct bytes clip(struct bytes v)
{
	size_t n = VALUE_MAX_BYTES;

	if (v.len <= n)
		return v;
	while (n > VALUE_MAX_BYTES - 3 && (v.ptr[n] & 0xc0) == 0x80)
		n--;
	return bytes_slice(v, 0, n);
}

/* Takes back a field that did not fit whole; false then. */
static bool keep(struct buf *b, size_t before)
{
	if (b->failed)
		b->len = before;
	return !b->failed;
}

static void put_text(
    struct buf *b, const struct event_lines *lines, enum event_level level, const char *name, const struct event_field *fields, size_t n)
{
	put_time(b);
	buf_add_fmt(b, " %s %s %s", level_name(level), lines->process, name);
	if (request_now)
		buf_add_fmt(b, " request=%016" PRIx64, request_now);
	for (size_t i = 0; i < n; i++) {
		size_t before = b->len;
		buf_add_fmt(b, " %s=", fields[i].key);
		put_text_value(b, clip(fields[i].value));
		if (!keep(b, before))
			break;
	}
	b->max = LINE_MAX_BYTES - 1;
	if (b->failed) {
		b->failed = false;
		buf_add_str(b, " truncated=true");
	}
}

static void put_json(
    struct buf *b, const struct event_lines *lines, enum event_level level, const char *name, const struct event_field *fields, size_t n)
{
	struct json_out w = json_out_to(b);

	json_put_object(&w);
	json_put_key(&w, "time");
	buf_add_u8(b, '"');
	put_time(b);
	buf_add_u8(b, '"');
	w.comma = true;
	json_put_member_str(&w, "level", level_name(level));
	json_put_member_str(&w, "process", lines->process);
	json_put_member_str(&w, "event", name);
	if (request_now) {
		char text[EVENT_REQUEST_LEN + 1];
		event_request_text(request_now, text);
		json_put_member_str(&w, "request", text);
	}
	for (size_t i = 0; i < n; i++) {
		size_t before = b->len;
		json_put_member(&w, fields[i].key, clip(fields[i].value));
		if (!keep(b, before))
			break;
	}
	b->max = LINE_MAX_BYTES - 1;
	if (b->failed) {
		b->failed = false;
		json_put_member_bool(&w, "truncated", true);
	}
	json_end_object(&w);
}

void event_lines_sink(void *ctx, enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	const struct event_lines *lines = ctx;
	/* On the stack: an event may tell that there is no memory. The mark of a cut line and the newline have room kept back. */
	uint8_t room[LINE_MAX_BYTES];
	struct buf b = { .ptr = room, .cap = sizeof room, .max = sizeof room - END_BYTES };

	if (lines->json)
		put_json(&b, lines, level, name, fields, n_fields);
	else
		put_text(&b, lines, level, name, fields, n_fields);
	room[b.len++] = '\n';
	/* One write a line, so that the lines of several processes do not mix; and where it fails there is nowhere to say so. */
	ssize_t written = write(lines->fd, room, b.len);
	(void)written;
}
