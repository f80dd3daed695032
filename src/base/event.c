#include "base/event.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static event_sink *sink;
static void *sink_ctx;
static enum event_level sink_least;

void event_set_sink(event_sink *s, void *ctx, enum event_level least)
{
	sink = s;
	sink_ctx = ctx;
	sink_least = least;
}

void event_raise(enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	if (sink && level >= sink_least)
		sink(sink_ctx, level, name, fields, n_fields);
}

void event_error(enum event_level level, const char *name, const struct err *e)
{
	char place[96], sys[16];

	(void)snprintf(place, sizeof place, "%s:%d", e->file ? e->file : "?", e->line);
	(void)snprintf(sys, sizeof sys, "%d", e->sys);
	event(level, name, EVENT_STR("code", err_name(e->code)), EVENT_STR("detail", e->detail), EVENT_STR("errno", sys), EVENT_STR("at", place));
}

static const char *level_name(enum event_level level)
{
	static const char *const names[] = { "debug", "info", "notice", "warning", "error" };

	return (unsigned)level < sizeof names / sizeof *names ? names[level] : "?";
}

/* A string in double quotes; what could break the line or a terminal is escaped, so that nobody can forge a log line. */
static void put_quoted(struct buf *b, struct bytes v)
{
	buf_add_u8(b, '"');
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.ptr[i];
		if (c == '"' || c == '\\')
			buf_add_fmt(b, "\\%c", c);
		else if (c < ' ' || c == 127)
			buf_add_fmt(b, "\\u%04x", c);
		else
			buf_add_u8(b, c);
	}
	buf_add_u8(b, '"');
}

static bool is_plain(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] <= ' ' || v.ptr[i] >= 127 || v.ptr[i] == '"' || v.ptr[i] == '=' || v.ptr[i] == '\\')
			return false;
	return v.len > 0;
}

static void put_time(struct buf *b)
{
	int64_t now_ms = clock_wall_ms();
	char text[RFC3339_SIZE];

	rfc3339_format(now_ms / 1000, text);
	buf_add_fmt(b, "%.19s.%03dZ", text, (int)(now_ms % 1000));
}

static void put_text(struct buf *b, const struct event_lines *lines, enum event_level level, const char *name, const struct event_field *fields, size_t n)
{
	put_time(b);
	buf_add_fmt(b, " %s %s %s", level_name(level), lines->process, name);
	for (size_t i = 0; i < n; i++) {
		buf_add_fmt(b, " %s=", fields[i].key);
		if (is_plain(fields[i].value))
			buf_add(b, fields[i].value);
		else
			put_quoted(b, fields[i].value);
	}
}

static void put_json(struct buf *b, const struct event_lines *lines, enum event_level level, const char *name, const struct event_field *fields, size_t n)
{
	buf_add_str(b, "{\"time\":\"");
	put_time(b);
	buf_add_fmt(b, "\",\"level\":\"%s\",\"process\":\"%s\",\"event\":\"%s\"", level_name(level), lines->process, name);
	for (size_t i = 0; i < n; i++) {
		buf_add_fmt(b, ",\"%s\":", fields[i].key);
		put_quoted(b, fields[i].value);
	}
	buf_add_u8(b, '}');
}

void event_lines_sink(void *ctx, enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	const struct event_lines *lines = ctx;
	struct buf b = buf_new(LINE_MAX_BYTES);

	if (lines->json)
		put_json(&b, lines, level, name, fields, n_fields);
	else
		put_text(&b, lines, level, name, fields, n_fields);
	buf_add_u8(&b, '\n');
	if (b.failed && b.len && b.len < b.cap) { /* an event that is too long is cut, but stays one line */
		b.failed = false;
		b.ptr[b.len - 1] = '\n';
	}
	if (write(lines->fd, b.ptr, b.len) < 0)
		b.failed = true; /* nowhere to tell that there is nowhere to tell it */
	buf_free(&b);
}
