#include "agent/ca_list.h"

#include "os/file.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_FILE "cas.conf"

enum kind { TEXT, TEXTS, KNOWN, NUMBER };
static const struct member {
	const char *name;
	size_t offset;
	enum kind kind;
} members[] = {
#define X(name, member, kind, doc) { name, offsetof(struct ca, member), kind },
#include "agent/ca.def"
#undef X
};
#define MEMBERS (sizeof members / sizeof *members)

bool ca_name_is_good(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");

	return n > 0 && !name[n] && n < CA_NAME_MAX && *name != '.' && *name != '_';
}

const struct ca *ca_list_find(const struct ca_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].name, name) == 0)
			return &list->v[i];
	return NULL;
}

const char *ca_list_names(const struct ca_list *list, struct arena *a)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(8192);

	for (size_t i = 0; i < list->n; i++)
		buf_add_fmt(&out, "%s%s", i == 0 ? "" : i + 1 == list->n ? " and " : ", ", list->v[i].name);
	const char *text = buf_ok(&out) ? arena_str(a, buf_bytes(&out)) : NULL;
	return text ? text : "";
}

/* --- values --- */

static enum err_code check_value(const char *name, const char *value, struct err *e)
{
	errno = 0;
	if (strcmp(name, "directory") == 0 && strncmp(value, "https://", 8) != 0)
		FAIL(e, CONFIG, "directory \"%.100s\": an https URL is allowed", value);
	if (strcmp(name, "eab") == 0 && strcmp(value, "none") != 0 && strcmp(value, "required") != 0)
		FAIL(e, CONFIG, "eab \"%.100s\": none and required are allowed", value);
	for (const char *p = value; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			FAIL(e, CONFIG, "%s: quotation marks, backslashes and control characters are not allowed", name);
	return ERR_OK;
}

enum err_code ca_set(struct arena *a, struct ca *c, const char *name, const char *value, struct err *e)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		void *at = (char *)c + members[i].offset;
		if (strcmp(members[i].name, name) != 0)
			continue;
		TRY(check_value(name, value, e));
		const char *copy = arena_str(a, bytes_str(value));
		if (!copy)
			FAIL(e, NOMEM, "no memory for a CA");
		switch (members[i].kind) {
		case TEXT:
			*(const char **)at = copy;
			return ERR_OK;
		case TEXTS:
			if (((struct ca_texts *)at)->n == CA_TEXTS_MAX)
				FAIL(e, CONFIG, "%s: more than %d", name, CA_TEXTS_MAX);
			((struct ca_texts *)at)->v[((struct ca_texts *)at)->n++] = copy;
			return ERR_OK;
		case KNOWN:
			if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
				FAIL(e, CONFIG, "%s \"%.100s\": true and false are allowed", name, value);
			*(enum ca_known *)at = *value == 't' ? CA_YES : CA_NO;
			return ERR_OK;
		case NUMBER:
			*(unsigned *)at = (unsigned)strtoul(value, NULL, 10);
			if (*(unsigned *)at == 0 || strspn(value, "0123456789") != strlen(value) || strlen(value) > 4)
				FAIL(e, CONFIG, "%s \"%.100s\": a number from 1 to 9999 is allowed", name, value);
			return ERR_OK;
		}
	}
	FAIL(e, CONFIG, "a CA has no \"%.60s\"", name);
}

/* --- reading --- */

static int validate(cfg_t *cfg, cfg_opt_t *opt)
{
	struct ca scratch = { .name = NULL };
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct err e = { 0 };

	for (unsigned i = 0; a && i < cfg_opt_size(opt); i++) {
		const char *value = cfg_opt_getnstr(opt, i);
		if (value && ca_set(a, &scratch, cfg_opt_name(opt), value, &e) != ERR_OK) {
			cfg_error(cfg, "authority \"%s\": %s", cfg_title(cfg), e.detail);
			return -1;
		}
	}
	return 0;
}

void ca_section_prepare(cfg_t *cfg)
{
	char path[64];

	for (size_t i = 0; i < MEMBERS; i++) {
		(void)snprintf(path, sizeof path, "authority|%s", members[i].name);
		cfg_set_validate_func(cfg, path, validate);
	}
}

cfg_opt_t ca_section(void)
{
	static cfg_opt_t options[MEMBERS + 1];
	const cfg_opt_t end = CFG_END();

	for (size_t i = 0; i < MEMBERS; i++) {
		const cfg_opt_t list = CFG_STR_LIST(members[i].name, "{}", CFGF_NODEFAULT),
				single = CFG_STR(members[i].name, NULL, CFGF_NONE);
		options[i] = members[i].kind == TEXTS ? list : single;
	}
	options[MEMBERS] = end;
	const cfg_opt_t section = CFG_SEC("authority", options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	return section;
}

static enum err_code take_one(struct arena *a, cfg_t *section, struct ca *c, struct err *e)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		unsigned n = cfg_size(section, members[i].name);
		if (members[i].kind == TEXTS && n > 0)
			((struct ca_texts *)(void *)((char *)c + members[i].offset))->n = 0; /* in the place of what was there */
		for (unsigned k = 0; k < n; k++) {
			const char *value = cfg_getnstr(section, members[i].name, k);
			if (value)
				TRY(ca_set(a, c, members[i].name, value, e));
		}
	}
	return ERR_OK;
}

enum err_code ca_list_take(struct arena *a, cfg_t *cfg, const char *source, struct ca_list *list, struct err *e)
{
	for (unsigned i = 0; i < cfg_size(cfg, "authority"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "authority", i);
		const char *name = cfg_title(section);
		size_t at = 0;
		errno = 0;
		if (!ca_name_is_good(name))
			FAIL(e, CONFIG, "%s: authority \"%.60s\": a name is of letters, digits and \"-._\"", source, name);
		while (at < list->n && strcmp(list->v[at].name, name) != 0)
			at++;
		if (at == CA_LIST_MAX)
			FAIL(e, CONFIG, "%s: more than %d CAs", source, CA_LIST_MAX);
		struct ca c = at < list->n ? list->v[at] : (struct ca){ .name = arena_str(a, bytes_str(name)) };
		c.source = source;
		TRY(take_one(a, section, &c, e));
		if (!c.name || !c.directory)
			FAIL(e, CONFIG, "%s: authority \"%.60s\" has no directory: an https URL", source, name);
		list->v[at] = c;
		list->n += at == list->n;
	}
	return ERR_OK;
}

static enum err_code read_file(struct arena *a, const char *path, struct ca_list *list, struct buf *messages, struct err *e)
{
	CLEANUP(conf_free_p) cfg_t *cfg = NULL;
	const cfg_opt_t end = CFG_END();
	cfg_opt_t top[] = { ca_section(), end };
	const char *source = arena_str(a, bytes_str(path));

	if (!source)
		FAIL(e, NOMEM, "no memory for CAs");
	enum err_code rc = conf_parse(path, top, ca_section_prepare, messages, &cfg, e);
	if (rc != ERR_OK && conf_unknown_option(messages)) {
		buf_add_str(messages, "options that are allowed: authority \"NAME\":");
		for (size_t i = 0; i < MEMBERS; i++)
			buf_add_fmt(messages, " %s", members[i].name);
		buf_add_str(messages, "\n");
	}
	TRY(rc);
	return ca_list_take(a, cfg, source, list, e);
}

enum err_code ca_list_read_own(struct arena *a, const char *folder, struct ca_list *ret, struct buf *messages, struct err *e)
{
	char path[PATH_MAX];

	*ret = (struct ca_list){ .n = 0 };
	if (snprintf(path, sizeof path, "%s/" OWN_FILE, folder) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", folder);
	return access(path, F_OK) == 0 ? read_file(a, path, ret, messages, e) : ERR_OK;
}

enum err_code ca_list_read(struct arena *a, const char *folder, struct ca_list *ret, struct buf *messages, struct err *e)
{
	char path[PATH_MAX];
	struct ca_list *list = ret;

	*list = (struct ca_list){ .n = 0 };
	if (process_find_data("cas.conf", CHANCERY_DATA, path))
		TRY(read_file(a, path, list, messages, e));
	size_t shipped = list->n;
	if (snprintf(path, sizeof path, "%s/" OWN_FILE, folder) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", folder);
	if (access(path, F_OK) == 0)
		TRY(read_file(a, path, list, messages, e));
	for (size_t i = 0; i < list->n; i++)
		list->v[i].own = i >= shipped || strcmp(list->v[i].source, path) == 0;
	return ERR_OK;
}

/* --- writing --- */

static void write_texts(const char *name, const struct ca_texts *t, struct buf *out)
{
	if (t->n == 0)
		return;
	buf_add_fmt(out, "\t%s = {", name);
	for (size_t i = 0; i < t->n; i++)
		buf_add_fmt(out, "%s\"%s\"", i ? ", " : "", t->v[i]);
	buf_add_str(out, "}\n");
}

static void write_one(const struct ca *c, struct buf *out)
{
	buf_add_fmt(out, "\nauthority \"%s\" {\n", c->name);
	for (size_t i = 0; i < MEMBERS; i++) {
		const void *at = (const char *)c + members[i].offset;
		switch (members[i].kind) {
		case TEXT:
			if (*(const char *const *)at)
				buf_add_fmt(out, "\t%s = \"%s\"\n", members[i].name, *(const char *const *)at);
			break;
		case TEXTS:
			write_texts(members[i].name, at, out);
			break;
		case KNOWN:
			if (*(const enum ca_known *)at != CA_NOT_KNOWN)
				buf_add_fmt(
				    out, "\t%s = \"%s\"\n", members[i].name, *(const enum ca_known *)at == CA_YES ? "true" : "false");
			break;
		case NUMBER:
			if (*(const unsigned *)at)
				buf_add_fmt(out, "\t%s = \"%u\"\n", members[i].name, *(const unsigned *)at);
			break;
		}
	}
	buf_add_str(out, "}\n");
}

enum err_code ca_list_write_own(const char *folder, const struct ca_list *list, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	char path[PATH_MAX];

	TRY(file_make_folder(folder, 0755, e));
	buf_add_str(&out, "# Written by `chancery ca add` and `chancery ca remove`.\n");
	for (size_t i = 0; i < list->n; i++)
		write_one(&list->v[i], &out);
	if (!buf_ok(&out) || snprintf(path, sizeof path, "%s/" OWN_FILE, folder) >= (int)sizeof path)
		FAIL(e, NOMEM, "no room for the CAs");
	return file_write(AT_FDCWD, path, 0644, buf_bytes(&out), e);
}
