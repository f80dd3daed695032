#include "server/parent/config.h"

#include "base/codec.h"
#include "server/blocked.h"
#include "server/parent/config_check.h"
#include "server/parent/config_profile.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX  64
#define SECTIONS_MAX 16
#define TEXT_MAX     (1u << 20)

/* What the callbacks of libconfuse, which know only their cfg_t, write to. One configuration is read at a time. */
static struct buf *reading_messages;
static const char *reading_path;

static void PRINTF(2, 0) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[600];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	buf_add_fmt(reading_messages, "%s:%d: %s\n", cfg && cfg->filename ? cfg->filename : reading_path, cfg ? cfg->line : 0, text);
}

static void free_cfg(cfg_t *cfg)
{
	cfg_free(cfg);
}
DEFINE_CLEANUP(cfg_t *, free_cfg);

/* Called by libconfuse after each value, while it still knows the line. */
static int validate(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *section = strcmp(cfg_name(cfg), "root") == 0 ? "" : cfg_name(cfg);
	struct err e = { 0 };

	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *value = cfg_opt_getnstr(opt, i);
		if (value && config_check(section, cfg_opt_name(opt), value, &e) != ERR_OK) {
			cfg_error(cfg, "%s%s%s = \"%s\": %s", section, *section ? "." : "", cfg_opt_name(opt), value, e.detail);
			return -1;
		}
	}
	return 0;
}

static bool is_list(const struct settings_row *row)
{
	return row->kind == SETTINGS_LIST || row->kind == SETTINGS_FILES;
}

/* An option's entry for libconfuse. Numbers are read as text too: so each bad value gets our own message. */
static cfg_opt_t option_of(const struct settings_row *row)
{
	cfg_opt_t list = CFG_STR_LIST(row->option, NULL, CFGF_NONE), single = CFG_STR(row->option, row->fallback, CFGF_NONE);

	/* libconfuse parses a list's default from text that it takes as writable, but copies before it writes. */
	memcpy(&list.def.parsed, &row->fallback, sizeof list.def.parsed);
	return is_list(row) ? list : single;
}

static size_t options_of(const char *section, cfg_opt_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < settings_rows_n; i++)
		if (strcmp(settings_rows[i].section, section) == 0)
			out[n++] = option_of(&settings_rows[i]);
	return n;
}

/* With a NUL behind it: some are names of files. */
static struct bytes copy_str(struct arena *a, const char *s)
{
	return arena_fmt(a, "%s", s ? s : "");
}

/* A relative folder is meant from where the configuration lies. */
static struct bytes absolute(struct arena *a, const char *file, const char *value)
{
	const char *slash = strrchr(file, '/');

	if (value[0] == '/' || !slash)
		return copy_str(a, value);
	return arena_fmt(a, "%.*s/%s", (int)(slash - file), file, value);
}

static enum err_code read_text(const char *path, struct buf *out, struct buf *messages, struct err *e)
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

#define FILE_MAX 16384 /* of one whose contents a process is given */

static bool names_files(const struct settings_row *row)
{
	return row->kind == SETTINGS_FILES || strcmp(row->option, "blocked-keys") == 0;
}

/* The files' contents in the place of their names: the parent alone reads them, each process gets what concerns it. */
static enum err_code read_files(struct arena *a, struct settings_list *list, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		CLEANUP(buf_free_p) struct buf text = buf_new(FILE_MAX);
		CLEANUP(buf_free_p) struct buf why = buf_new(1024);
		const char *path = arena_str(a, list->v[i]);
		if (!path)
			FAIL(e, NOMEM, "no memory for the configuration");
		if (read_text(path, &text, &why, NULL) != ERR_OK)
			FAIL(e, CONFIG, "%.*s", why.len ? (int)why.len - 1 : 0, (const char *)why.ptr);
		list->v[i] = arena_copy(a, buf_bytes(&text));
		if (!list->v[i].ptr)
			FAIL(e, NOMEM, "no memory for the configuration");
	}
	return ERR_OK;
}

static enum err_code take_value(struct arena *a, const char *file, cfg_t *cfg, const struct settings_row *row, void *at, struct err *e)
{
	struct settings_list list = { NULL, cfg_size(cfg, row->option) };
	const char *value = is_list(row) ? NULL : cfg_getstr(cfg, row->option);

	switch (row->kind) {
	case SETTINGS_STRING:
		*(struct bytes *)at = strstr(row->option, "-folder") ? absolute(a, file, value) : copy_str(a, value);
		return ERR_OK;
	case SETTINGS_UINT:
		*(uint64_t *)at = strtoull(value, NULL, 10);
		return ERR_OK;
	case SETTINGS_BOOL:
		*(bool *)at = strcmp(value, "true") == 0;
		return ERR_OK;
	case SETTINGS_RATE:
		return config_rate(value, at, e);
	case SETTINGS_SECONDS:
		return config_seconds(value, at, e);
	case SETTINGS_LIST:
	case SETTINGS_FILES:
		list.v = arena_array(a, list.n + 1, sizeof *list.v);
		if (!list.v)
			FAIL(e, NOMEM, "no memory for the configuration");
		for (size_t i = 0; i < list.n; i++)
			list.v[i] = names_files(row) ? absolute(a, file, cfg_getnstr(cfg, row->option, (unsigned)i))
						     : copy_str(a, cfg_getnstr(cfg, row->option, (unsigned)i));
		if (row->kind == SETTINGS_FILES)
			TRY(read_files(a, &list, e));
		*(struct settings_list *)at = list;
		return ERR_OK;
	}
	return ERR_OK;
}

/* Blocked keys are read by the processes themselves; here only to say at once, and with the line, what is wrong. */
enum err_code config_check_files(const struct settings *s, struct err *e)
{
	const struct settings_list *files = &s->blocked_keys;
	CLEANUP(blocklist_free_p) struct blocklist *list = NULL;

	if (files->n > BLOCKED_FILES_MAX)
		FAIL(e, CONFIG, "policy.blocked-keys: %zu files, at most %d are allowed", files->n, BLOCKED_FILES_MAX);
	TRY(blocklist_new(&list, e));
	for (size_t i = 0; i < files->n; i++) {
		const char *path = (const char *)files->v[i].ptr;
		CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			FAIL(e, CONFIG, "policy.blocked-keys: %s: %s", path, strerror(errno));
		TRY(blocklist_add(list, fd, path, e));
	}
	return ERR_OK;
}

static enum err_code take_settings(struct arena *a, const char *file, cfg_t *cfg, struct settings *ret, struct err *e)
{
	struct settings s = { 0 };

	for (size_t i = 0; i < settings_rows_n; i++) {
		const struct settings_row *row = &settings_rows[i];
		cfg_t *section = *row->section ? cfg_getsec(cfg, row->section) : cfg;
		TRY(take_value(a, file, section, row, (char *)&s + row->offset, e));
	}
	TRY(config_profiles(a, cfg, &s, e));
	TRY(config_incidents(a, cfg, &s, e));
	if (s.crl_interval >= s.crl_lifetime)
		FAIL(e, CONFIG,
		    "signer.crl-interval must be less than signer.crl-lifetime: the next revocation list must be there before one ends");
	*ret = s;
	return ERR_OK;
}

/* What is allowed where libconfuse says "no such option": it knows the line, we know the options. */
static void list_options(struct buf *messages)
{
	const char *section = NULL;

	buf_add_str(messages, "options that are allowed:");
	for (size_t i = 0; i < settings_rows_n; i++) {
		if (!section || strcmp(section, settings_rows[i].section) != 0) {
			section = settings_rows[i].section;
			buf_add_fmt(messages, "\n  %s:", *section ? section : "top level");
		}
		buf_add_fmt(messages, " %s", settings_rows[i].option);
	}
	buf_add_str(messages, "\n  profile \"NAME\":");
	for (size_t i = 0; i < profile_rows_n; i++)
		buf_add_fmt(messages, " %s", profile_rows[i].option);
	buf_add_str(messages, "\n  incident \"NAME\":");
	for (size_t i = 0; i < incident_rows_n; i++)
		buf_add_fmt(messages, " %s", incident_rows[i].option);
	buf_add_str(messages, "\n");
}

static void set_validators(cfg_t *cfg)
{
	char path[128];

	for (size_t i = 0; i < settings_rows_n; i++) {
		(void)snprintf(
		    path, sizeof path, "%s%s%s", settings_rows[i].section, *settings_rows[i].section ? "|" : "", settings_rows[i].option);
		cfg_set_validate_func(cfg, path, validate);
	}
	for (size_t i = 0; i < incident_rows_n; i++) {
		(void)snprintf(path, sizeof path, "incident|%s", incident_rows[i].option);
		cfg_set_validate_func(cfg, path, validate);
	}
	for (size_t i = 0; i < profile_rows_n; i++) {
		(void)snprintf(path, sizeof path, "profile|%s", profile_rows[i].option);
		cfg_set_validate_func(cfg, path, validate);
	}
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

/* Whether a row before this one is of the same section. */
static bool section_known(const char *name, size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (strcmp(settings_rows[i].section, name) == 0)
			return true;
	return false;
}

enum err_code config_read(struct arena *a, const char *path, struct settings *ret, struct buf *messages, struct err *e)
{
	static cfg_opt_t options[SECTIONS_MAX][OPTIONS_MAX], profile[OPTIONS_MAX], incident[OPTIONS_MAX], top[OPTIONS_MAX];
	const cfg_opt_t end = CFG_END(), include = CFG_FUNC("include", cfg_include),
			profiles = CFG_SEC("profile", profile, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
			incidents = CFG_SEC("incident", incident, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	size_t n = options_of("", top);

	for (size_t i = 0, k = 0; i < settings_rows_n; i++) {
		const char *name = settings_rows[i].section;
		if (!*name || section_known(name, i))
			continue;
		if (k == SECTIONS_MAX || n + 4 > OPTIONS_MAX)
			FAIL(e, BUG, "more sections than there is room for");
		options[k][options_of(name, options[k])] = end;
		const cfg_opt_t section = CFG_SEC((char *)(uintptr_t)name, options[k++], CFGF_NONE);
		top[n++] = section;
	}
	for (size_t i = 0; i < profile_rows_n; i++) {
		/* No defaults here: they may be a ready profile's (config_profile.c). */
		const cfg_opt_t list = CFG_STR_LIST(profile_rows[i].option, "{}", CFGF_NODEFAULT),
				single = CFG_STR(profile_rows[i].option, NULL, CFGF_NONE);
		profile[i] = is_list(&profile_rows[i]) ? list : single;
	}
	profile[profile_rows_n] = end;
	for (size_t i = 0; i < incident_rows_n; i++)
		incident[i] = option_of(&incident_rows[i]);
	incident[incident_rows_n] = end;
	top[n++] = profiles;
	top[n++] = incidents;
	top[n++] = include;
	top[n] = end;

	CLEANUP(buf_free_p) struct buf text = buf_new(TEXT_MAX);
	reading_messages = messages;
	reading_path = path;
	CLEANUP(free_cfg_p) cfg_t *cfg = cfg_init(top, CFGF_NONE);
	if (!cfg)
		FAIL(e, NOMEM, "no memory for the configuration");
	cfg_set_error_function(cfg, on_error);
	set_validators(cfg);
	TRY(read_text(path, &text, messages, e));
	TRY(prepare_text(&text, path, messages, e));
	free(cfg->filename);
	cfg->filename = strdup(path);
	FILE *f = fmemopen(text.ptr, text.len, "re");
	int rc = f ? cfg_parse_fp(cfg, f) : CFG_PARSE_ERROR;
	if (f)
		(void)fclose(f);
	if (rc != CFG_SUCCESS) {
		if (memmem(buf_bytes(messages).ptr, messages->len, "no such option", 14))
			list_options(messages);
		FAIL(e, CONFIG, "the configuration is wrong");
	}
	return take_settings(a, path, cfg, ret, e);
}

static const struct config_value *value_of(const struct config_value *values, size_t n, const struct settings_row *row)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(values[i].section, row->section) == 0 && strcmp(values[i].option, row->option) == 0)
			return &values[i];
	return NULL;
}

/* A documentation string as comment lines of a readable width. */
static void write_comment(const char *doc, const char *indent, struct buf *out)
{
	size_t column = 0;

	buf_add_fmt(out, "%s#", indent);
	for (const char *p = doc; *p;) {
		size_t n = strcspn(p, " ");
		if (column + n > 90) {
			buf_add_fmt(out, "\n%s#", indent);
			column = 0;
		}
		buf_add_u8(out, ' ');
		buf_add(out, (struct bytes){ (const uint8_t *)p, n });
		column += n + 1;
		p += n + (p[n] == ' ');
	}
	buf_add_u8(out, '\n');
}

static void write_row(const struct settings_row *row, const struct config_value *value, struct buf *out)
{
	const char *indent = *row->section ? "\t" : "";

	write_comment(row->doc, indent, out);
	if (value)
		buf_add_fmt(out, "%s%s = %.*s\n\n", indent, row->option, BYTES_FMT(value->text));
	else if (is_list(row))
		buf_add_fmt(out, "%s#%s = %s\n\n", indent, row->option, row->fallback);
	else
		buf_add_fmt(out, "%s#%s = \"%s\"\n\n", indent, row->option, row->fallback);
}

void config_write(const struct config_value *values, size_t n, struct buf *out)
{
	const char *section = "";

	buf_add_str(out, "# chancery-ca's configuration. A line that begins with '#' shows the default. See chancery-ca.conf(5);\n"
			 "# `chancery-ca check-config` tells what is wrong with it.\n\n");
	for (size_t i = 0; i < settings_rows_n; i++) {
		const struct settings_row *row = &settings_rows[i];
		if (strcmp(section, row->section) != 0) {
			buf_add_fmt(out, "%s%s {\n", *section ? "}\n\n" : "", row->section);
			section = row->section;
		}
		write_row(row, value_of(values, n, row), out);
	}
	buf_add_str(out,
	    "}\n\n# What kinds of certificates are issued; the first is the one that nobody has to ask for. These are ready ones: a line here\n"
	    "# takes the place of what they say.\n"
	    "profile \"tls-server\" {\n");
	for (size_t i = 0; i < profile_rows_n; i++)
		write_row(&profile_rows[i], NULL, out);
	buf_add_str(out, "}\n\nprofile \"short-lived\" {\n}\n\nprofile \"classic\" {\n}\n");
}
