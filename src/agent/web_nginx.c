/* nginx: directives end with ; or have a block. */
#include "agent/web_config_impl.h"

#include <ctype.h>
#include <string.h>

#define WORDS_MAX 512

/* What blocks inherit: of http and server blocks. */
struct scope {
	struct scope *above;
	enum { OUTSIDE, SERVER, LOCATION, OTHER } kind;
	size_t site; /* 1 + its index: the array of sites may move. 0: none */
	const char *root;
	struct web_strings certificates, keys;
	bool tls;
};
struct text {
	const uint8_t *p, *end;
	unsigned line;
	const char *path;
};

void *web_nginx_begin(struct web_reader *r)
{
	return arena_new_obj(r->arena, struct scope);
}

/* --- words --- */

static void skip_blank(struct text *t)
{
	while (t->p < t->end && (isspace(*t->p) || *t->p == '#' || !*t->p)) {
		if (*t->p == '#')
			while (t->p < t->end && *t->p != '\n')
				t->p++;
		else
			t->line += *t->p++ == '\n';
	}
}

static const char *take_word(struct web_reader *r, struct text *t)
{
	const uint8_t *begin = t->p;
	CLEANUP(buf_free_p) struct buf word = buf_new(8192);
	uint8_t quote = *begin == '"' || *begin == '\'' ? *t->p++ : 0;

	for (; t->p < t->end && (quote ? *t->p != quote : !isspace(*t->p) && !strchr(";{}", *t->p)); t->p++) {
		/* ${name} is a variable, no block. */
		if (!quote && *t->p == '$' && t->p + 1 < t->end && t->p[1] == '{')
			while (t->p < t->end && *t->p != '}' && *t->p != '\n')
				buf_add_u8(&word, *t->p++);
		if (t->p < t->end && *t->p == '\\' && t->p + 1 < t->end)
			t->p++;
		if (t->p < t->end) {
			t->line += *t->p == '\n';
			buf_add_u8(&word, *t->p);
		}
		if (t->p == t->end)
			break;
	}
	if (quote && t->p < t->end)
		t->p++;
	if (t->p == begin)
		t->p++;
	if (!buf_ok(&word))
		r->out->whole = false;
	return web_copy(r, buf_bytes(&word));
}

/* Words up to ; { } or the end, which is returned (0: the end) and passed. */
static char take_directive(struct web_reader *r, struct text *t, const char *words[WORDS_MAX], size_t *ret_n)
{
	*ret_n = 0;
	for (;;) {
		skip_blank(t);
		if (t->p == t->end)
			return 0;
		if (strchr(";{}", *t->p))
			return (char)*t->p++;
		const char *word = take_word(r, t);
		if (*ret_n < WORDS_MAX)
			words[(*ret_n)++] = word;
		else
			r->out->whole = false;
	}
}

/* A block in another language: braces are all that is known of it. */
static void skip_block(struct text *t)
{
	for (unsigned depth = 1; t->p < t->end && depth > 0; t->p++) {
		depth += *t->p == '{';
		depth -= *t->p == '}';
		t->line += *t->p == '\n';
	}
}

/* --- directives --- */

static struct web_site *site_of(struct web_reader *r, const struct scope *s)
{
	return s->site ? &r->out->sites[s->site - 1] : NULL;
}

static void take_names(struct web_reader *r, struct web_site *site, const char **words, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (words[i][0] == '.' && words[i][1]) { /* ".example.org" is example.org and *.example.org */
			web_name_add(r, site, words[i] + 1);
			web_name_add(r, site, web_copy(r, arena_fmt(r->arena, "*%s", words[i])));
		} else if (words[i][0] != '~') {
			web_name_add(r, site, words[i]);
		}
	}
}

static void take_listen(struct web_reader *r, struct web_site *site, const char **words, size_t n)
{
	struct web_listen l;

	if (n < 2 || strncmp(words[1], "unix:", 5) == 0)
		return;
	if (!web_listen_parse(r, words[1], 80, &l)) {
		r->out->whole = false;
		return;
	}
	for (size_t i = 2; i < n; i++)
		l.tls = l.tls || strcmp(words[i], "ssl") == 0 || strcmp(words[i], "quic") == 0;
	/* HTTP/3 has no TCP to look at. */
	for (size_t i = 2; i < n; i++)
		if (strcmp(words[i], "quic") == 0)
			return;
	web_listen_add(r, site, l);
}

static void take_file(struct web_reader *r, struct web_strings *to, const char *path)
{
	web_file_add(r, to, r->folder, path);
}

static void take(struct web_reader *r, struct scope *s, const char **words, size_t n)
{
	struct web_site *site = site_of(r, s);
	const char *name = words[0];

	if (n < 2)
		return;
	if (strcmp(name, "include") == 0) {
		bool pattern = strpbrk(words[1], "*?[") != NULL;
		web_include(r, words[1], pattern, web_nginx_read, s);
	} else if (strcmp(name, "pid") == 0 && !s->above) {
		r->out->pid_file = web_path(r, r->folder, words[1]);
	} else if (strcmp(name, "root") == 0 && s->kind != LOCATION) {
		s->root = words[1];
	} else if (strcmp(name, "root") == 0 && site && !site->root) {
		site->root = words[1];
	} else if (s->kind == LOCATION) {
		return;
	} else if (strcmp(name, "ssl_certificate") == 0) {
		take_file(r, &s->certificates, words[1]);
	} else if (strcmp(name, "ssl_certificate_key") == 0) {
		take_file(r, &s->keys, words[1]);
	} else if (strcmp(name, "ssl") == 0) {
		s->tls = strcmp(words[1], "on") == 0;
	} else if (site && strcmp(name, "server_name") == 0) {
		take_names(r, site, words, n);
	} else if (site && strcmp(name, "listen") == 0) {
		take_listen(r, site, words, n);
	}
}

/* What a server block did not say itself it has from above. */
static void end_server(struct web_reader *r, const struct scope *s)
{
	struct web_site *site = site_of(r, s);

	if (!site)
		return;
	site->root = s->root ? s->root : site->root; /* before that of its location / */
	site->tls = s->tls;
	for (const struct scope *from = s; from; from = from->above) {
		site->root = site->root ? site->root : from->root;
		if (site->certificates.n == 0)
			site->certificates = from->certificates;
		if (site->keys.n == 0)
			site->keys = from->keys;
	}
	if (site->n_listens == 0)
		web_listen_add(r, site, (struct web_listen){ .address = "", .port = 80 });
	for (size_t i = 0; s->tls && i < site->n_listens; i++)
		site->listens[i].tls = true;
}

static void read_block(struct web_reader *r, struct text *t, struct scope *s);

static void begin_block(struct web_reader *r, struct text *t, struct scope *s, const char **words, size_t n, unsigned line)
{
	struct scope inner = { .above = s, .site = s->site, .kind = OTHER };

	if (n > 0 && strlen(words[0]) > 13 && strstr(words[0], "_by_lua_block")) {
		skip_block(t);
		return;
	}
	/* A server of an upstream has no block; one in a location does not exist. */
	if (n > 0 && strcmp(words[0], "server") == 0 && !s->site) {
		inner.kind = SERVER;
		inner.site = web_site_add(r, t->path, line) ? r->out->n : 0;
	} else if (n > 0 && s->site) {
		inner.kind = LOCATION;
		/* A root of one path only says nothing of the site. */
		if (strcmp(words[0], "location") != 0 || n != 2 || strcmp(words[1], "/") != 0)
			inner.site = 0;
	}
	read_block(r, t, &inner);
	if (inner.kind == SERVER)
		end_server(r, &inner);
}

static void read_block(struct web_reader *r, struct text *t, struct scope *s)
{
	const char *words[WORDS_MAX];
	size_t n;

	if (++r->depth > WEB_DEPTH_MAX) {
		r->out->whole = false;
		t->p = t->end;
	}
	while (t->p < t->end && !r->no_memory) {
		skip_blank(t);
		unsigned line = t->line;
		char end = take_directive(r, t, words, &n);
		if (end == '{')
			begin_block(r, t, s, words, n, line);
		else if (n > 0)
			take(r, s, words, n);
		if (end == '}')
			break;
	}
	r->depth--;
}

void web_nginx_read(struct web_reader *r, const char *path, struct bytes text, void *scope)
{
	struct text t = { .p = text.ptr, .end = text.ptr + text.len, .line = 1, .path = path };

	/* A } too many ends no file. */
	while (t.p < t.end && !r->no_memory && r->depth < WEB_DEPTH_MAX)
		read_block(r, &t, scope);
}
