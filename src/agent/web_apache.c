/* Apache: a line is a directive; <VirtualHost ...> has them until </VirtualHost>. */
#include "agent/web_config_impl.h"

#include <string.h>
#include <strings.h>

#define DEFINES_MAX 256

struct scope {
	size_t site; /* 1 + the index of the virtual host; 0: outside */
	size_t main; /* of what stands outside of them, made when something does */
	const char *root;
	struct {
		const char *name, *value;
	} defines[DEFINES_MAX];
	size_t n_defines;
	bool skipping; /* in a <Macro>, which is no configuration yet */
};

void *web_apache_begin(struct web_reader *r)
{
	struct scope *s = arena_new_obj(r->arena, struct scope);

	if (s)
		s->root = r->folder;
	return s;
}

/* --- variables --- */

static const char *value_of(const struct scope *s, struct bytes name)
{
	for (size_t i = s->n_defines; i > 0; i--)
		if (bytes_eq_str(name, s->defines[i - 1].name))
			return s->defines[i - 1].value;
	return NULL;
}

/* ${NAME} as far as Define says; the rest stays, with its $. */
static const char *expand(struct web_reader *r, const struct scope *s, const char *text)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(8192);

	if (!strstr(text, "${"))
		return text;
	while (*text) {
		const char *close = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
		const char *value = close ? value_of(s, (struct bytes){ (const uint8_t *)text + 2, (size_t)(close - text) - 2 }) : NULL;
		if (value)
			buf_add_str(&out, value);
		else
			buf_add_u8(&out, (uint8_t)*text);
		text = value ? close + 1 : text + 1;
	}
	return web_copy(r, buf_bytes(&out));
}

/* --- directives --- */

static struct web_site *site_of(struct web_reader *r, struct scope *s, const char *path, unsigned line)
{
	if (s->site)
		return &r->out->sites[s->site - 1];
	if (!s->main)
		s->main = web_site_add(r, path, line) ? r->out->n : 0;
	return s->main ? &r->out->sites[s->main - 1] : NULL;
}

/* "[https://]name[:port]" */
static void take_server_name(struct web_reader *r, struct web_site *site, const char *text)
{
	const char *host = strstr(text, "://") ? strstr(text, "://") + 3 : text, *colon = strchr(host, ':');
	size_t n = colon && strchr(colon + 1, ':') == NULL ? (size_t)(colon - host) : strlen(host);

	web_name_add(r, site, web_copy(r, (struct bytes){ (const uint8_t *)host, n }));
}

static void take_define(struct web_reader *r, struct scope *s, const char **words, size_t n)
{
	if (n < 2 || s->n_defines == DEFINES_MAX)
		return;
	s->defines[s->n_defines].name = words[1];
	s->defines[s->n_defines++].value = n > 2 ? expand(r, s, words[2]) : "";
}

static void take_include(struct web_reader *r, struct scope *s, const char *pattern, bool optional)
{
	const char *path = web_path(r, s->root, expand(r, s, pattern));
	size_t n = strlen(path);

	if (strchr(path, '$')) {
		r->out->whole = false;
		return;
	}
	/* A folder is all that is in it. */
	if (n > 0 && path[n - 1] == '/')
		path = web_copy(r, arena_fmt(r->arena, "%s*", path));
	web_include(r, path, optional || strpbrk(path, "*?["), web_apache_read, s);
}

/* One that says something of a site. */
static void take_of_site(struct web_reader *r, struct scope *s, const char **words, size_t n, const char *path, unsigned line)
{
	static const char *const known[] = { "ServerName", "ServerAlias", "DocumentRoot", "SSLEngine", "SSLCertificateFile",
		"SSLCertificateKeyFile", "Listen" };
	size_t which = 0;
	struct web_listen l;

	while (which < sizeof known / sizeof *known && strcasecmp(words[0], known[which]) != 0)
		which++;
	struct web_site *site = which < sizeof known / sizeof *known ? site_of(r, s, path, line) : NULL;
	if (!site)
		return;
	const char *value = expand(r, s, words[1]);
	if (which == 0)
		take_server_name(r, site, value);
	for (size_t i = 1; which == 1 && i < n; i++)
		web_name_add(r, site, expand(r, s, words[i]));
	if (which == 2)
		site->root = value;
	if (which == 3)
		site->tls = strcasecmp(value, "on") == 0 || strcasecmp(value, "optional") == 0;
	if (which == 4)
		web_file_add(r, &site->certificates, s->root, value);
	if (which == 5)
		web_file_add(r, &site->keys, s->root, value);
	if (which == 6 && web_listen_parse(r, value, 80, &l)) {
		l.tls = n > 2 ? strcasecmp(words[2], "https") == 0 : l.port == 443;
		web_listen_add(r, site, l);
	}
}

static void take(struct web_reader *r, struct scope *s, const char **words, size_t n, const char *path, unsigned line)
{
	if (n < 2)
		return;
	if (strcasecmp(words[0], "Include") == 0)
		take_include(r, s, words[1], false);
	else if (strcasecmp(words[0], "IncludeOptional") == 0)
		take_include(r, s, words[1], true);
	else if (strcasecmp(words[0], "Define") == 0)
		take_define(r, s, words, n);
	else if (strcasecmp(words[0], "ServerRoot") == 0)
		s->root = expand(r, s, words[1]);
	else if (strcasecmp(words[0], "PidFile") == 0)
		r->out->pid_file = web_path(r, s->root, expand(r, s, words[1]));
	else if (strcasecmp(words[0], "Use") == 0)
		r->out->whole = false; /* a macro's virtual hosts are not seen */
	else
		take_of_site(r, s, words, n, path, line);
}

/* --- sections --- */

static void begin_host(struct web_reader *r, struct scope *s, const char **words, size_t n, const char *path, unsigned line)
{
	struct web_site *site = web_site_add(r, path, line);
	struct web_listen l;

	s->site = site ? r->out->n : 0;
	for (size_t i = 1; site && i < n; i++) {
		char *word = arena_str(r->arena, bytes_str(expand(r, s, words[i])));
		size_t len = word ? strlen(word) : 0;
		if (len > 0 && word[len - 1] == '>')
			word[len - 1] = 0;
		/* Without a port: where the server listens, which is looked up at the end. */
		if (word && *word && web_listen_parse(r, word, 0, &l))
			web_listen_add(r, site, l);
	}
}

static void section(struct web_reader *r, struct scope *s, const char **words, size_t n, const char *path, unsigned line)
{
	if (strcasecmp(words[0], "<VirtualHost") == 0 && !s->skipping)
		begin_host(r, s, words, n, path, line);
	else if (strcasecmp(words[0], "</VirtualHost>") == 0)
		s->site = 0;
	else if (strcasecmp(words[0], "<Macro") == 0)
		s->skipping = true;
	else if (strcasecmp(words[0], "</Macro>") == 0)
		s->skipping = false;
}

void web_apache_read(struct web_reader *r, const char *path, struct bytes text, void *scope)
{
	const char *words[WEB_LINE_WORDS];
	struct scope *s = scope;
	struct bytes line;
	unsigned number = 0;

	while (!r->no_memory && web_line(r, &text, &number, &line)) {
		size_t at = 0;
		while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
			at++;
		if (at == line.len || line.ptr[at] == '#') /* a # elsewhere is no comment */
			continue;
		size_t n = web_line_words(r, line, 0, words);
		if (n > 0 && words[0][0] == '<')
			section(r, s, words, n, path, number);
		else if (n > 0 && !s->skipping)
			take(r, s, words, n, path, number);
	}
}

/* Virtual hosts without ports are at those of Listen; what has TLS is what says so, or has a certificate. */
void web_apache_end(struct web_reader *r, void *scope)
{
	const struct scope *s = scope;

	for (size_t i = 0; i < r->out->n; i++) {
		struct web_site *site = &r->out->sites[i];
		const struct web_site *outside = s->main ? &r->out->sites[s->main - 1] : NULL;
		bool anywhere = site->n_listens == 0 && outside && site != outside;
		for (size_t k = 0; anywhere && k < outside->n_listens; k++)
			web_listen_add(r, site, outside->listens[k]);
		for (size_t k = 0; site != outside && k < site->n_listens; k++)
			site->listens[k].tls = site->tls || site->certificates.n > 0;
	}
}
