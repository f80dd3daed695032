#include "agent/web_config_impl.h"

#include "os/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *web_main_file(enum web_server server)
{
	static const char *const files[WEB_SERVERS][3] = {
		[WEB_NGINX] = { "/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf" },
		[WEB_APACHE] = { "/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf" },
		[WEB_HAPROXY] = { "/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg", NULL },
	};

	for (size_t i = 0; i < 3 && files[server][i]; i++)
		if (access(files[server][i], R_OK) == 0)
			return files[server][i];
	return NULL;
}

/* --- files on disk --- */

static size_t disk_find(void *ctx, struct arena *a, const char *pattern, const char **paths, size_t max)
{
	glob_t g = { .gl_pathc = 0 };
	size_t n = 0;

	(void)ctx;
	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc && n < max; i++)
			if ((paths[n] = arena_str(a, bytes_str(g.gl_pathv[i]))) != NULL)
				n++;
	globfree(&g);
	return n;
}

static bool disk_load(void *ctx, struct arena *a, const char *path, size_t max, struct bytes *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(max);

	(void)ctx;
	if (file_read(AT_FDCWD, path, max, &text, NULL) != ERR_OK)
		return false;
	*ret = arena_copy(a, buf_bytes(&text));
	return ret->ptr != NULL;
}

const struct web_files web_files_disk = { disk_find, disk_load, NULL };

/* --- nginx -T --- */

struct dumped {
	const char *path;
	struct bytes text;
};
struct dump {
	struct dumped v[WEB_FILES_MAX];
	size_t n;
};

#define HEADER "# configuration file "

static size_t dump_find(void *ctx, struct arena *a, const char *pattern, const char **paths, size_t max)
{
	const struct dump *d = ctx;
	size_t n = 0;

	(void)a;
	for (size_t i = 0; i < d->n && n < max; i++)
		if (fnmatch(pattern, d->v[i].path, FNM_PATHNAME | FNM_PERIOD) == 0)
			paths[n++] = d->v[i].path;
	return n;
}

static bool dump_load(void *ctx, struct arena *a, const char *path, size_t max, struct bytes *ret)
{
	const struct dump *d = ctx;

	(void)a;
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->v[i].path, path) == 0 && d->v[i].text.len <= max) {
			*ret = d->v[i].text;
			return true;
		}
	return false;
}

bool web_files_dump(struct arena *a, struct bytes text, struct web_files *ret, const char **ret_main)
{
	struct dump *d = arena_new_obj(a, struct dump);
	struct bytes line, rest = text;

	while (d && bytes_split(rest, '\n', &line, &text)) {
		if (bytes_starts_with(line, BYTES_LIT(HEADER)) && bytes_ends_with(line, BYTES_LIT(":")) && d->n < WEB_FILES_MAX) {
			d->v[d->n].path = arena_str(a, bytes_slice(line, sizeof HEADER - 1, line.len - 1));
			d->v[d->n].text = (struct bytes){ text.ptr, 0 };
			if (!d->v[d->n++].path)
				return false;
		} else if (d->n > 0) {
			struct dumped *last = &d->v[d->n - 1];
			last->text.len = (size_t)(text.ptr - last->text.ptr);
		}
		rest = text;
	}
	if (!d || d->n == 0)
		return false;
	*ret = (struct web_files){ dump_find, dump_load, d };
	*ret_main = d->v[0].path;
	return true;
}

/* --- what is found --- */

const char *web_copy(struct web_reader *r, struct bytes text)
{
	const char *s = arena_str(r->arena, text);

	r->no_memory = r->no_memory || !s;
	return s ? s : "";
}

const char *web_path(struct web_reader *r, const char *base, const char *path)
{
	if (path[0] == '/' || !*base)
		return path;
	const char *s = (const char *)arena_fmt(r->arena, "%s/%s", base, path).ptr;
	r->no_memory = r->no_memory || !s;
	return s ? s : path;
}

/* Room for one more: twice as much where there is none. */
static void *grow(struct web_reader *r, void *v, size_t n, size_t *room, size_t size, size_t max)
{
	if (n < *room)
		return v;
	size_t wanted = *room ? *room * 2 : 8;
	void *anew = n < max ? arena_array(r->arena, wanted, size) : NULL;
	if (!anew) {
		r->out->whole = false;
		r->no_memory = r->no_memory || n < max;
		return NULL;
	}
	if (n > 0)
		memcpy(anew, v, n * size);
	*room = wanted;
	return anew;
}

struct web_site *web_site_add(struct web_reader *r, const char *file, unsigned line)
{
	struct web_config *c = r->out;
	struct web_site *v = grow(r, c->sites, c->n, &c->room, sizeof *v, WEB_SITES_MAX);

	if (!v)
		return NULL;
	c->sites = v;
	v[c->n] = (struct web_site){ .file = file, .line = line };
	return &v[c->n++];
}

void web_string_add(struct web_reader *r, struct web_strings *to, const char *text)
{
	for (size_t i = 0; i < to->n; i++)
		if (strcmp(to->v[i], text) == 0)
			return;
	const char **v = grow(r, to->v, to->n, &to->room, sizeof *v, WEB_WORDS_MAX);
	if (!v)
		return;
	to->v = v;
	v[to->n++] = text;
}

void web_name_add(struct web_reader *r, struct web_site *s, const char *name)
{
	char *lower = arena_str(r->arena, bytes_str(name));
	bool good = strncmp(name, "*.", 2) == 0 ? strchr(name + 2, '*') == NULL : strchr(name, '*') == NULL;

	if (!lower) {
		r->no_memory = true;
		return;
	}
	for (char *p = lower; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		good = good && (isalnum((unsigned char)*p) || strchr("-.:*_", *p));
	}
	/* "_" and "localhost" are no names for a CA. */
	if (good && strpbrk(lower, ".:") && lower[0] != '.' && strlen(lower) <= 255)
		web_string_add(r, &s->names, lower);
}

void web_listen_add(struct web_reader *r, struct web_site *s, struct web_listen l)
{
	for (size_t i = 0; i < s->n_listens; i++)
		if (s->listens[i].port == l.port && strcmp(s->listens[i].address, l.address) == 0) {
			s->listens[i].tls = s->listens[i].tls || l.tls;
			return;
		}
	struct web_listen *v = grow(r, s->listens, s->n_listens, &s->listens_room, sizeof *v, WEB_WORDS_MAX);
	if (!v)
		return;
	s->listens = v;
	v[s->n_listens++] = l;
}

static bool parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || (*end && *end != '-') || n == 0 || n > 65535) /* HAProxy's ranges: the first */
		return false;
	*ret = (uint16_t)n;
	return true;
}

bool web_listen_parse(struct web_reader *r, const char *text, uint16_t fallback, struct web_listen *ret)
{
	struct web_listen l = { .address = "", .port = fallback };
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	struct bytes host = bytes_str(text);

	if (parse_port(text, &l.port) && !strpbrk(text, ".:")) {
		*ret = l;
		return true;
	}
	if (strchr(text, '/') || strchr(text, '$') || !*text)
		return false;
	if (colon && (!bracket || colon > bracket)) {
		if (!parse_port(colon + 1, &l.port))
			return false;
		host.len = (size_t)(colon - text);
	}
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = bytes_slice(host, 1, host.len - 1);
	if (host.len == 0 || bytes_eq_str(host, "*") || bytes_eq_str(host, "0.0.0.0") || bytes_eq_str(host, "::") ||
	    bytes_eq_str(host, "_default_"))
		host.len = 0;
	l.address = web_copy(r, host);
	*ret = l;
	return l.port != 0;
}

void web_file_add(struct web_reader *r, struct web_strings *to, const char *base, const char *path)
{
	if (!*path || strncmp(path, "data:", 5) == 0 || strncmp(path, "engine:", 7) == 0)
		return;
	path = web_path(r, base, path);
	if (strchr(path, '$') || strstr(path, "%["))
		r->out->whole = false;
	else
		web_string_add(r, to, path);
}

/* --- files that include files --- */

void web_include(struct web_reader *r, const char *pattern, bool optional, web_read_fn *fn, void *scope)
{
	const char *paths[WEB_FILES_MAX];
	struct bytes text;

	if (r->depth >= WEB_DEPTH_MAX || r->n_files >= WEB_FILES_MAX) {
		r->out->whole = false;
		return;
	}
	size_t n = r->files->find(r->files->ctx, r->arena, web_path(r, r->folder, pattern), paths, WEB_FILES_MAX);
	if (n == 0 && !optional)
		r->out->whole = false;
	r->depth++;
	for (size_t i = 0; i < n && !r->no_memory; i++) {
		if (r->n_files == WEB_FILES_MAX || !r->files->load(r->files->ctx, r->arena, paths[i], r->text_left, &text)) {
			r->out->whole = false;
			continue;
		}
		r->n_files++;
		r->text_left -= text.len;
		fn(r, paths[i], text, scope);
	}
	r->depth--;
}

enum err_code web_config_read(
    struct arena *a, enum web_server server, const char *main_file, const struct web_files *files, struct web_config *ret, struct err *e)
{
	static const struct {
		void *(*begin)(struct web_reader *r);
		web_read_fn *read;
		void (*end)(struct web_reader *r, void *scope);
	} readers[WEB_SERVERS] = {
		[WEB_NGINX] = { web_nginx_begin, web_nginx_read, NULL },
		[WEB_APACHE] = { web_apache_begin, web_apache_read, web_apache_end },
		[WEB_HAPROXY] = { web_haproxy_begin, web_haproxy_read, NULL },
	};
	const char *slash = strrchr(main_file, '/');
	struct web_config c = { .server = server, .main_file = arena_str(a, bytes_str(main_file)), .whole = true };
	struct web_reader r = { .arena = a, .files = files, .out = &c, .text_left = WEB_TEXT_MAX };
	struct bytes text;

	errno = 0;
	r.folder = slash ? web_copy(&r, (struct bytes){ (const uint8_t *)main_file, (size_t)(slash - main_file) }) : ".";
	if (!files->load(files->ctx, a, main_file, r.text_left, &text))
		FAIL(e, NOT_FOUND, "%.200s cannot be read", main_file);
	r.text_left -= text.len;
	void *scope = readers[server].begin(&r);
	if (scope)
		readers[server].read(&r, c.main_file ? c.main_file : "", text, scope);
	if (scope && readers[server].end)
		readers[server].end(&r, scope);
	if (r.no_memory || !scope || !c.main_file)
		FAIL(e, NOMEM, "%.200s: no memory for all of it", main_file);
	*ret = c;
	return ERR_OK;
}

/* --- lines --- */

bool web_line(struct web_reader *r, struct bytes *text, unsigned *number, struct bytes *ret)
{
	struct bytes line, rest;
	CLEANUP(buf_free_p) struct buf joined = buf_new(65536);

	if (text->len == 0)
		return false;
	for (;;) {
		bool more = bytes_split(*text, '\n', &line, &rest);
		if (!more) {
			line = *text;
			rest = bytes_slice(*text, text->len, text->len);
		}
		(*number)++;
		*text = rest;
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		bool goes_on = line.len && line.ptr[line.len - 1] == '\\' && rest.len;
		if (!goes_on && joined.len == 0) {
			*ret = line;
			return true;
		}
		if (goes_on)
			line.len--;
		buf_add(&joined, line);
		buf_add_u8(&joined, ' ');
		if (!goes_on)
			break;
	}
	if (!buf_ok(&joined))
		r->out->whole = false;
	*ret = arena_copy(r->arena, buf_bytes(&joined));
	r->no_memory = r->no_memory || !ret->ptr;
	return ret->ptr != NULL;
}

/* One word from p on; where it ends. */
static const uint8_t *line_word(const uint8_t *p, const uint8_t *end, char comment, char *out)
{
	uint8_t quote = 0;

	for (; p < end && (quote || (!isspace(*p) && *p)); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (!quote && comment && *p == (uint8_t)comment)
			break;
		else if (*p == '\\' && p + 1 < end && quote != '\'')
			*out++ = (char)*++p;
		else
			*out++ = (char)*p;
	}
	*out = 0;
	return p;
}

size_t web_line_words(struct web_reader *r, struct bytes line, char comment, const char *words[WEB_LINE_WORDS])
{
	const uint8_t *p = line.ptr, *end = line.ptr + line.len;
	size_t n = 0;

	while (p < end) {
		if (isspace(*p) || !*p) {
			p++;
			continue;
		}
		if (comment && *p == (uint8_t)comment)
			break;
		char *word = arena_alloc(r->arena, (size_t)(end - p) + 1);
		r->no_memory = r->no_memory || !word;
		if (!word || n == WEB_LINE_WORDS) {
			r->out->whole = false;
			break;
		}
		p = line_word(p, end, comment, word);
		words[n++] = word;
	}
	return n;
}
