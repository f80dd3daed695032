/* What the readers of the three servers' configurations share. */
#ifndef CHANCERY_AGENT_WEB_CONFIG_IMPL_H
#define CHANCERY_AGENT_WEB_CONFIG_IMPL_H

#include "agent/web_config.h"

struct web_reader {
	struct arena *arena;
	const struct web_files *files;
	struct web_config *out;
	const char *folder; /* what relative paths are below of */
	size_t n_files, text_left;
	unsigned depth;
	bool no_memory;
};

/* One file, read by its server's own function. */
typedef void web_read_fn(struct web_reader *r, const char *path, struct bytes text, void *scope);
/* Reads every file of the pattern, which may be relative; what cannot be read is noted in `whole`. optional: nothing is fine. */
void web_include(struct web_reader *r, const char *pattern, bool optional, web_read_fn *fn, void *scope);

const char *web_copy(struct web_reader *r, struct bytes text);
/* Below the folder where it is relative. */
const char *web_path(struct web_reader *r, const char *base, const char *path);
struct web_site *web_site_add(struct web_reader *r, const char *file, unsigned line); /* NULL: too many, or no memory */
void web_string_add(struct web_reader *r, struct web_strings *to, const char *text);
/* Lower case; only when it looks like a name (or address) that a certificate could have. */
void web_name_add(struct web_reader *r, struct web_site *s, const char *name);
void web_listen_add(struct web_reader *r, struct web_site *s, struct web_listen l);
/* "80", "*:80", "[::]:80", "10.0.0.1:80", ":80", "name:80"; false: it is none of these. No port: the fallback. */
bool web_listen_parse(struct web_reader *r, const char *text, uint16_t fallback, struct web_listen *ret);
/* A file of a site; what depends on variables makes the configuration less than whole. */
void web_file_add(struct web_reader *r, struct web_strings *to, const char *base, const char *path);

web_read_fn web_nginx_read, web_apache_read, web_haproxy_read;
/* Called once before, for the scope, and once after the main file. */
void *web_nginx_begin(struct web_reader *r);
void *web_apache_begin(struct web_reader *r);
void web_apache_end(struct web_reader *r, void *scope);
void *web_haproxy_begin(struct web_reader *r);

/* A line in words, for Apache and HAProxy: blanks separate, quotes ('..' and "..") keep together, \ takes the next character as it is; comment: the
 * character that begins one, outside quotes. Returns how many; they are the arena's. */
#define WEB_LINE_WORDS 128
size_t web_line_words(struct web_reader *r, struct bytes line, char comment, const char *words[WEB_LINE_WORDS]);
/* The next line, with those that a \ at the end joins to it; false: there is none. */
bool web_line(struct web_reader *r, struct bytes *text, unsigned *number, struct bytes *ret);

#endif
