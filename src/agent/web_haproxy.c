/* HAProxy: a line is a keyword with its words; sections begin with a keyword of their own. */
#include "agent/web_config_impl.h"

#include <string.h>

struct scope {
	size_t site; /* 1 + the index of the frontend; 0: another section */
	bool global;
	const char *certificate_base, *key_base;
	const char *list_base; /* for a list of certificates being read */
};

void *web_haproxy_begin(struct web_reader *r)
{
	struct scope *s = arena_new_obj(r->arena, struct scope);

	if (s)
		s->certificate_base = s->key_base = "";
	return s;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* --- names --- */

/* Whether the word fetches the name that was asked for: hdr(host), req.hdr(host), hdr_dom(host), ssl_fc_sni, req.ssl_sni, ... */
static bool is_host(const char *word)
{
	static const char *const words[] = { "hdr(host", "req.hdr(host", "hdr(Host", "req.hdr(Host", "hdr_dom(host", "hdr_beg(host",
		"ssl_fc_sni", "req.ssl_sni", "req_ssl_sni" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (begins(word, words[i]))
			return true;
	return false;
}

/* `acl NAME hdr(host) -i a.example b.example`, and the same in { } behind if. */
static void take_names(struct web_reader *r, struct web_site *site, const char **words, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (!is_host(words[i]))
			continue;
		for (i++; i < n && strcmp(words[i], "}") != 0 && strcmp(words[i], "||") != 0; i++) {
			if (strcmp(words[i], "-m") == 0 || strcmp(words[i], "-f") == 0)
				i++; /* a file of names is not read */
			else if (words[i][0] != '-')
				web_name_add(r, site, words[i]);
		}
	}
}

/* --- listeners and certificates --- */

/* "10.0.0.1:443,:::443", each with ipv4@ or the like before it. */
static void take_addresses(struct web_reader *r, struct web_site *site, const char *text, bool tls)
{
	struct bytes rest = bytes_str(text), one, tail;

	for (bool more = true; more;) {
		more = bytes_split(rest, ',', &one, &tail);
		if (!more)
			one = rest;
		rest = more ? tail : rest;
		const char *address = web_copy(r, one), *at = strchr(address, '@');
		struct web_listen l;
		if (address[0] == '/' || begins(address, "unix@") || begins(address, "abns@") || begins(address, "fd@") ||
		    begins(address, "quic"))
			continue;
		if (web_listen_parse(r, at ? at + 1 : address, 0, &l)) {
			l.tls = tls;
			web_listen_add(r, site, l);
		} else {
			r->out->whole = false;
		}
	}
}

/* A crt-list: each line a file, then options in [ ], then names. */
static void read_list(struct web_reader *r, const char *path, struct bytes text, void *scope)
{
	const char *words[WEB_LINE_WORDS];
	struct scope *s = scope;
	struct bytes line;
	unsigned number = 0;

	(void)path;
	while (!r->no_memory && web_line(r, &text, &number, &line))
		if (web_line_words(r, line, '#', words) > 0)
			web_file_add(r, &r->out->sites[s->site - 1].certificates, s->certificate_base, words[0]);
}

static void take_bind(struct web_reader *r, struct scope *s, const char **words, size_t n)
{
	bool tls = false;

	for (size_t i = 2; i < n; i++)
		tls = tls || strcmp(words[i], "ssl") == 0;
	take_addresses(r, &r->out->sites[s->site - 1], words[1], tls);
	for (size_t i = 2; i + 1 < n; i++) {
		if (strcmp(words[i], "crt") == 0)
			web_file_add(r, &r->out->sites[s->site - 1].certificates, s->certificate_base, words[i + 1]);
		if (strcmp(words[i], "crt-list") == 0)
			web_include(r, words[i + 1], false, read_list, s);
	}
}

/* --- sections --- */

static bool begin_section(struct web_reader *r, struct scope *s, const char **words, const char *path, unsigned line)
{
	static const char *const others[] = { "defaults", "backend", "peers", "resolvers", "mailers", "userlist", "program", "cache",
		"ring", "http-errors", "fcgi-app", "log-forward", "crt-store", "acme", "traces" };
	bool site = strcmp(words[0], "frontend") == 0 || strcmp(words[0], "listen") == 0, other = false;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		other = other || strcmp(words[0], others[i]) == 0;
	if (!site && !other && strcmp(words[0], "global") != 0)
		return false;
	s->global = !site && !other;
	s->site = site && web_site_add(r, path, line) ? r->out->n : 0;
	return true;
}

static void take_global(struct web_reader *r, struct scope *s, const char **words, size_t n)
{
	if (strcmp(words[0], "master-worker") == 0)
		r->out->master_worker = true;
	if (n < 2)
		return;
	if (strcmp(words[0], "crt-base") == 0)
		s->certificate_base = words[1];
	if (strcmp(words[0], "key-base") == 0)
		s->key_base = words[1];
	if (strcmp(words[0], "pidfile") == 0)
		r->out->pid_file = words[1];
}

void web_haproxy_read(struct web_reader *r, const char *path, struct bytes text, void *scope)
{
	const char *words[WEB_LINE_WORDS];
	struct scope *s = scope;
	struct bytes line;
	unsigned number = 0;

	while (!r->no_memory && web_line(r, &text, &number, &line)) {
		size_t n = web_line_words(r, line, '#', words);
		if (n == 0 || begin_section(r, s, words, path, number))
			continue;
		if (s->global)
			take_global(r, s, words, n);
		if (!s->site || n < 2)
			continue;
		if (strcmp(words[0], "bind") == 0)
			take_bind(r, s, words, n);
		else if (strcmp(words[0], "acl") == 0 || strcmp(words[0], "use_backend") == 0 || begins(words[0], "http-request") ||
			 strcmp(words[0], "redirect") == 0)
			take_names(r, &r->out->sites[s->site - 1], words, n);
	}
}
