#include "agent/config.h"

#include "agent/frame.h"
#include "agent/wish.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 96

/* --- what a file may say --- */

struct own_row {
	const char *name;
	bool list;
	const char *doc;
};
static const struct own_row top_rows[] = {
#define X(name, list, doc) { name, list, doc },
#include "agent/config_top.def"
#undef X
};
static const struct own_row alert_rows[] = {
#define X(name, list, doc) { name, list, doc },
#include "agent/config_alert.def"
#undef X
};
#define TOP_ROWS   (sizeof top_rows / sizeof *top_rows)
#define ALERT_ROWS (sizeof alert_rows / sizeof *alert_rows)

static cfg_opt_t entry(const char *name, bool list)
{
	const cfg_opt_t many = CFG_STR_LIST(name, "{}", CFGF_NODEFAULT), one = CFG_STR(name, NULL, CFGF_NONE);

	return list ? many : one;
}

static size_t put_wishes(cfg_opt_t *out)
{
	for (size_t i = 0; i < n_wish_options; i++)
		out[i] = entry(wish_options[i].name, wish_options[i].repeats);
	return n_wish_options;
}

static int check_flag(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (!value || strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		return 0;
	cfg_error(cfg, "%s = \"%s\": true and false are allowed", cfg_opt_name(opt), value);
	return -1;
}

/* Where a section ends is where what is wrong with it as a whole is told: libconfuse knows no other line of it. */
static struct {
	const char *title;
	int line;
} ends[CONFIG_CERTS_MAX];
static size_t n_ends;

static int note_end(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

	if (n_ends == CONFIG_CERTS_MAX) {
		cfg_error(cfg, "more than %d certificates", CONFIG_CERTS_MAX);
		return -1;
	}
	ends[n_ends].title = cfg_title(section);
	ends[n_ends++].line = cfg->line;
	return 0;
}

static int end_of(const char *title)
{
	for (size_t i = 0; i < n_ends; i++)
		if (ends[i].title == title)
			return ends[i].line;
	return 0;
}

static void prepare(cfg_t *cfg)
{
	char path[96];

	n_ends = 0;
	ca_section_prepare(cfg);
	cfg_set_validate_func(cfg, "certificate", note_end);
	for (size_t i = 0; i < n_wish_options; i++) {
		if (wish_options[i].value)
			continue;
		cfg_set_validate_func(cfg, wish_options[i].name, check_flag);
		(void)snprintf(path, sizeof path, "certificate|%s", wish_options[i].name);
		cfg_set_validate_func(cfg, path, check_flag);
	}
}

static void list_options(struct buf *messages)
{
	buf_add_str(messages, "options that are allowed:\n  top level:");
	for (size_t i = 0; i < TOP_ROWS; i++)
		buf_add_fmt(messages, " %s", top_rows[i].name);
	buf_add_str(messages, "\n  alert:");
	for (size_t i = 0; i < ALERT_ROWS; i++)
		buf_add_fmt(messages, " %s", alert_rows[i].name);
	buf_add_str(messages, "\n  top level and certificate \"NAME\": names");
	for (size_t i = 0; i < n_wish_options; i++)
		buf_add_fmt(messages, " %s", wish_options[i].name);
	buf_add_str(messages, "\n");
}

/* --- what it says --- */

struct reading {
	struct arena *arena;
	const char *path;
	struct config *config;
	struct buf *messages;
	bool wrong;
};

static void PRINTF(3, 4) complain(struct reading *r, int line, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (line > 0)
		buf_add_fmt(r->messages, "%s:%d: %s\n", r->path, line, text);
	else
		buf_add_fmt(r->messages, "%s: %s\n", r->path, text);
	r->wrong = true;
}

static const char *copy(struct reading *r, const char *value)
{
	const char *text = value ? arena_str(r->arena, bytes_str(value)) : NULL;

	r->wrong = r->wrong || (value && !text);
	return text;
}

/* The values of a section, or of the top level; a flag that is false is one that is not given. */
static enum err_code take_wishes(struct reading *r, cfg_t *cfg, int line, struct given *g, struct err *e)
{
	*g = (struct given){ .options = wish_options, .n_options = n_wish_options };
	for (size_t i = 0; i < n_wish_options; i++) {
		const struct given_option *o = &wish_options[i];
		for (unsigned k = 0; k < cfg_size(cfg, o->name); k++) {
			const char *value = cfg_getnstr(cfg, o->name, k);
			if (!value || (!o->value && strcmp(value, "true") != 0))
				continue;
			TRY(given_add(g,
			    &(struct given_one){ .option = o, .value = o->value ? copy(r, value) : "", .file = r->path, .line = line }, e));
		}
	}
	return ERR_OK;
}

/* Whether the section says something of the option, if only that it is false. */
static bool says(cfg_t *cfg, const char *name)
{
	return cfg_size(cfg, name) > 0 && cfg_getnstr(cfg, name, 0) != NULL;
}

static enum err_code take_names(struct reading *r, cfg_t *cfg, struct config_cert *c, struct err *e)
{
	unsigned n = cfg_size(cfg, "names");

	c->names = arena_array(r->arena, n ? n : 1, sizeof *c->names);
	if (!c->names)
		FAIL(e, NOMEM, "no memory for the configuration");
	for (unsigned i = 0; i < n; i++)
		c->names[i] = copy(r, cfg_getnstr(cfg, "names", i));
	if (n == 0)
		c->names[0] = c->name; /* called like its only name */
	c->n_names = n ? n : 1;
	return ERR_OK;
}

static enum err_code take_cert(struct reading *r, cfg_t *section, struct config_cert *c, struct err *e)
{
	const struct given *defaults = &r->config->defaults;
	int line = end_of(cfg_title(section));

	c->name = copy(r, cfg_title(section));
	if (!c->name)
		FAIL(e, NOMEM, "no memory for the configuration");
	if (!wish_name_is_good(c->name))
		complain(r, line,
		    "certificate \"%.100s\": the name becomes a folder's: letters, digits and \"-._\" are allowed, and none of \"._\" first",
		    c->name);
	TRY(take_names(r, section, c, e));
	TRY(take_wishes(r, section, line, &c->given, e));
	for (size_t i = 0; i < defaults->n; i++)
		if (!says(section, defaults->v[i].option->name))
			TRY(given_add(&c->given, &defaults->v[i], e));
	return ERR_OK;
}

static enum err_code take_certs(struct reading *r, cfg_t *cfg, struct err *e)
{
	unsigned n = cfg_size(cfg, "certificate");
	struct config *c = r->config;

	c->certs = arena_array(r->arena, n ? n : 1, sizeof *c->certs);
	if (!c->certs)
		FAIL(e, NOMEM, "no memory for the configuration");
	for (c->n_certs = 0; c->n_certs < n; c->n_certs++)
		TRY(take_cert(r, cfg_getnsec(cfg, "certificate", (unsigned)c->n_certs), &c->certs[c->n_certs], e));
	return ERR_OK;
}

static void take_alert(struct reading *r, cfg_t *cfg)
{
	static const unsigned usual[] = { 30, 14, 7, 3, 1 };
	struct config_alert *a = &r->config->alert;
	unsigned n = cfg_size(cfg, "days");

	a->mail = copy(r, cfg_getstr(cfg, "mail"));
	a->sendmail = copy(r, cfg_getstr(cfg, "sendmail"));
	a->webhook = copy(r, cfg_getstr(cfg, "webhook"));
	a->webhook_ca_file = copy(r, cfg_getstr(cfg, "webhook-ca-file"));
	a->command = copy(r, cfg_getstr(cfg, "command"));
	for (unsigned i = 0; i < n && a->n_days < sizeof a->days / sizeof *a->days; i++) {
		const char *text = cfg_getnstr(cfg, "days", i);
		unsigned long v = strtoul(text, NULL, 10);
		if (v < 1 || v > 365 || strspn(text, "0123456789") != strlen(text))
			complain(r, 0, "alert: days \"%.20s\": numbers from 1 to 365 are allowed", text);
		a->days[a->n_days++] = (unsigned)v;
	}
	if (n == 0) {
		memcpy(a->days, usual, sizeof usual);
		a->n_days = sizeof usual / sizeof *usual;
	}
}

static enum err_code take_all(struct reading *r, cfg_t *cfg, struct err *e)
{
	struct config *c = r->config;

	c->users.net = copy(r, cfg_getstr(cfg, "user-net"));
	c->users.keys = copy(r, cfg_getstr(cfg, "user-keys"));
	c->metrics_file = copy(r, cfg_getstr(cfg, "metrics-file"));
	take_alert(r, cfg_getsec(cfg, "alert"));
	TRY(take_wishes(r, cfg, 0, &c->defaults, e));
	return take_certs(r, cfg, e);
}

/* Each certificate as a whole; all that is wrong is told at once. */
static void check_certs(struct reading *r)
{
	for (size_t i = 0; i < r->config->n_certs; i++) {
		CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
		struct config_cert *c = &r->config->certs[i];
		struct err e = { 0 };
		struct wish w;
		int line = c->given.n > 0 ? c->given.v[0].line : 0;
		if (a && wish_read(a, r->config, &c->given, c->name, c->names, c->n_names, &w, &e) != ERR_OK)
			complain(r, line, "certificate \"%.100s\": %s", c->name, e.detail);
	}
}

/* --- where it is --- */

const char *config_path(const struct given *g, struct arena *a)
{
	const char *given = given_value(g, "config", NULL), *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (given)
		return (const char *)arena_fmt(a, "%s", given).ptr;
	if (geteuid() == 0)
		return CONFIG_ROOT_FILE;
	if (base && *base == '/')
		return (const char *)arena_fmt(a, "%s/chancery/chancery.conf", base).ptr;
	return home && *home == '/' ? (const char *)arena_fmt(a, "%s/.config/chancery/chancery.conf", home).ptr : NULL;
}

static enum err_code parse(struct reading *r, cfg_t **ret, struct err *e)
{
	static cfg_opt_t top[OPTIONS_MAX], cert[OPTIONS_MAX], alert[ALERT_ROWS + 1];
	const cfg_opt_t end = CFG_END(), certs = CFG_SEC("certificate", cert, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
			alerts = CFG_SEC("alert", alert, CFGF_NONE), include = CFG_FUNC("include", cfg_include);
	size_t n = put_wishes(top), k = put_wishes(cert);

	for (size_t i = 0; i < TOP_ROWS; i++)
		top[n++] = entry(top_rows[i].name, top_rows[i].list);
	for (size_t i = 0; i < ALERT_ROWS; i++)
		alert[i] = entry(alert_rows[i].name, alert_rows[i].list);
	alert[ALERT_ROWS] = end;
	cert[k++] = entry("names", true);
	cert[k] = end;
	top[n++] = ca_section();
	top[n++] = certs;
	top[n++] = alerts;
	top[n++] = include;
	top[n] = end;
	enum err_code rc = conf_parse(r->path, top, prepare, r->messages, ret, e);
	if (rc != ERR_OK && conf_unknown_option(r->messages))
		list_options(r->messages);
	return rc;
}

static enum err_code read_file(struct reading *r, const struct given *g, struct err *e)
{
	CLEANUP(conf_free_p) cfg_t *cfg = NULL;
	struct config *c = r->config;

	TRY(parse(r, &cfg, e));
	const char *folder = copy(r, cfg_getstr(cfg, "folder"));
	if (folder && !given_value(g, "folder", NULL))
		c->folder = folder;
	TRY(ca_list_read(r->arena, c->folder, &c->cas, r->messages, e));
	TRY(ca_list_take(r->arena, cfg, r->path, &c->cas, e));
	TRY(take_all(r, cfg, e));
	check_certs(r);
	errno = 0;
	if (r->wrong)
		FAIL(e, CONFIG, "the configuration is wrong");
	return ERR_OK;
}

enum err_code config_load(const struct given *g, struct arena *a, struct config *ret, struct buf *messages, struct err *e)
{
	struct reading r = { .arena = a, .config = ret, .messages = messages };
	struct err why = { 0 };

	*ret = (struct config){ .defaults = { .options = wish_options, .n_options = n_wish_options } };
	TRY(frame_folder(g, a, &ret->folder, e));
	ret->path = config_path(g, a);
	/* One that is named has to be there. */
	if (ret->path && !given_flag(g, "config") && access(ret->path, F_OK) != 0)
		ret->path = NULL;
	r.path = ret->path;
	enum err_code rc = ret->path ? read_file(&r, g, &why) : ca_list_read(a, ret->folder, &ret->cas, messages, &why);
	if (rc == ERR_OK)
		return ERR_OK;
	if (messages->len == 0)
		buf_add_fmt(messages, "%s\n", why.detail);
	if (e)
		*e = why;
	return rc;
}

const struct config_cert *config_cert_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_certs; i++)
		if (strcmp(c->certs[i].name, name) == 0)
			return &c->certs[i];
	return NULL;
}

enum err_code config_merge(const struct config *c, const struct config_cert *cert, struct given *g, struct err *e)
{
	const struct given *from = cert ? &cert->given : &c->defaults;
	size_t own = g->n;

	for (size_t i = 0; i < from->n; i++) {
		bool said = false;
		for (size_t k = 0; k < own && !said; k++)
			said = strcmp(g->v[k].option->name, from->v[i].option->name) == 0;
		if (!said)
			TRY(given_add(g, &from->v[i], e));
	}
	return ERR_OK;
}
