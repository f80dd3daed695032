#include "server/parent/config.h"

#include "base/codec.h"
#include "conf/conf.h"
#include "server/blocked.h"
#include "server/parent/config_check.h"
#include "server/parent/config_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX  64
#define SECTIONS_MAX 16

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
		if (conf_read_text(path, &text, &why, NULL) != ERR_OK)
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

	CLEANUP(conf_free_p) cfg_t *cfg = NULL;
	enum err_code rc = conf_parse(path, top, set_validators, messages, &cfg, e);
	if (rc != ERR_OK && conf_unknown_option(messages))
		list_options(messages);
	TRY(rc);
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
