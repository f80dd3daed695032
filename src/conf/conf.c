#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (1u << 20)

/* What the callbacks of libconfuse, which know only their cfg_t, write to. One configuration is read at a time. */
static struct buf *reading_messages;
static const char *reading_path;

static void PRINTF(2, 0) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[600];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	buf_add_fmt(reading_messages, "%s:%d: %s\n", cfg && cfg->filename ? cfg->filename : reading_path, cfg ? cfg->line : 0, text);
}

void conf_free(cfg_t *cfg)
{
	cfg_free(cfg);
}

enum err_code conf_read_text(const char *path, struct buf *out, struct buf *messages, struct err *e)
{
	FILE *f = fopen(path, "re");
	bool done = false;

	errno = f ? 0 : errno;
	while (f && !done) {
		uint8_t part[4096];
		size_t n = fread(part, 1, sizeof part, f);
		buf_add(out, (struct bytes){ part, n });
		done = n < sizeof part;
	}
	int error = !buf_ok(out) ? EFBIG : errno;
	if (f)
		(void)fclose(f);
	if (error) {
		buf_add_fmt(messages, "%s: %s\n", path, strerror(error));
		FAIL(e, CONFIG, "the configuration cannot be read");
	}
	buf_add_u8(out, '\n'); /* a stream over no bytes cannot be opened */
	return ERR_OK;
}

/* Where the comment that begins at p[at] ends; `at` when none begins there, behind n when it is never closed. */
static size_t comment_end(const uint8_t *p, size_t at, size_t n)
{
	/* What a word may hold ("https://...") begins no comment within it. */
	bool begins = at == 0 || memchr(" \t\n={}()+,\"'", p[at - 1], 13);
	bool block = begins && n - at >= 2 && p[at] == '/' && p[at + 1] == '*';
	size_t i = at;

	if (block) {
		const uint8_t *end = memmem(p + at + 2, n - at - 2, "*/", 2);
		return end ? (size_t)(end - p) + 2 : n + 1;
	}
	if (p[at] == '#' || (begins && n - at >= 2 && p[at] == '/' && p[at + 1] == '/'))
		while (i < n && p[i] != '\n')
			i++;
	return i;
}

/* Where the text stands that is neither comment nor quoted. */
struct scan {
	unsigned line, depth, opened; /* opened: the line of the outermost brace that is open */
	uint8_t quote;
};

static void scan_byte(struct scan *c, uint8_t b)
{
	c->line += b == '\n';
	if (c->quote) {
		c->quote = b == c->quote ? 0 : c->quote;
		return;
	}
	if (b == '"' || b == '\'')
		c->quote = b;
	if (b == '{' && c->depth++ == 0)
		c->opened = c->line;
	if (b == '}' && c->depth > 0)
		c->depth--;
}

/* libconfuse 3.3 counts three lines for a comment of one, so that every message behind it would name a wrong line: it gets the
 * text with spaces in the comments' place. And it takes a file that ends within a section or a comment for a good one. */
static enum err_code prepare_text(struct buf *text, const char *path, struct buf *messages, struct err *e)
{
	struct scan c = { .line = 1 };
	uint8_t *p = text->ptr;

	for (size_t i = 0; i < text->len; i++) {
		size_t end = c.quote ? i : comment_end(p, i, text->len);
		if (end > text->len) {
			buf_add_fmt(messages, "%s:%u: the comment that begins here is never closed: \"*/\" is missing\n", path, c.line);
			FAIL(e, CONFIG, "the configuration is wrong");
		}
		for (; i < end; i++)
			if (p[i] == '\n')
				c.line++;
			else
				p[i] = ' ';
		if (c.quote && p[i] == '\\' && i + 1 < text->len)
			c.line += p[++i] == '\n';
		else if (i < text->len)
			scan_byte(&c, p[i]);
	}
	if (c.depth == 0 || c.quote) /* an open quote is libconfuse's to refuse */
		return ERR_OK;
	buf_add_fmt(messages, "%s:%u: the brace that is opened here is never closed: \"}\" is missing\n", path, c.opened);
	FAIL(e, CONFIG, "the configuration is wrong");
}

enum err_code conf_parse(
    const char *path, cfg_opt_t *options, void (*prepare)(cfg_t *cfg), struct buf *messages, cfg_t **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(TEXT_MAX);

	reading_messages = messages;
	reading_path = path;
	CLEANUP(conf_free_p) cfg_t *cfg = cfg_init(options, CFGF_NONE);
	if (!cfg)
		FAIL(e, NOMEM, "no memory for the configuration");
	cfg_set_error_function(cfg, on_error);
	if (prepare)
		prepare(cfg);
	TRY(conf_read_text(path, &text, messages, e));
	TRY(prepare_text(&text, path, messages, e));
	free(cfg->filename);
	cfg->filename = strdup(path);
	FILE *f = fmemopen(text.ptr, text.len, "re");
	int rc = f ? cfg_parse_fp(cfg, f) : CFG_PARSE_ERROR;
	if (f)
		(void)fclose(f);
	if (rc != CFG_SUCCESS)
		FAIL(e, CONFIG, "the configuration is wrong");
	*ret = TAKE(cfg);
	return ERR_OK;
}

bool conf_unknown_option(const struct buf *messages)
{
	return messages->len > 0 && memmem(messages->ptr, messages->len, "no such option", 14) != NULL;
}
