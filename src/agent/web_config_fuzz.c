/* Whatever a configuration says: bounded, and what is found is what it promises to be. The input: a letter for the server, the main file, and behind a NUL the
 * text that every include finds. */
#include "agent/web_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct bytes main, included;
	int left; /* loads: each may be as long as the input */
};

static size_t find(void *ctx, struct arena *a, const char *pattern, const char **paths, size_t max)
{
	const struct input *in = ctx;

	(void)a;
	(void)pattern;
	if (max == 0 || !in->included.ptr)
		return 0;
	paths[0] = "/conf/included";
	return 1;
}

static bool load(void *ctx, struct arena *a, const char *path, size_t max, struct bytes *ret)
{
	struct input *in = ctx;

	(void)a;
	*ret = strcmp(path, "/conf/main") == 0 ? in->main : in->included;
	return in->left-- > 0 && ret->len <= max;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct web_config *c)
{
	require(c->n <= WEB_SITES_MAX);
	for (size_t i = 0; i < c->n; i++) {
		const struct web_site *s = &c->sites[i];
		require(s->file && s->names.n <= WEB_WORDS_MAX && s->n_listens <= WEB_WORDS_MAX && s->certificates.n <= WEB_WORDS_MAX);
		for (size_t k = 0; k < s->names.n; k++)
			require(*s->names.v[k] && strlen(s->names.v[k]) <= 255 && !strpbrk(s->names.v[k], " /$\n\033"));
		for (size_t k = 0; k < s->n_listens; k++)
			require(s->listens[k].port != 0 && s->listens[k].address);
		for (size_t k = 0; k < s->certificates.n; k++)
			require(*s->certificates.v[k] && !strchr(s->certificates.v[k], '$'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	struct input in = { .left = 12 };
	struct web_files files = { find, load, &in };
	struct web_config c;
	const char *first;

	if (size == 0 || size > 16384)
		return 0;
	in.main = (struct bytes){ data + 1, size - 1 };
	const uint8_t *nul = memchr(data + 1, 0, size - 1);
	if (nul) {
		in.main.len = (size_t)(nul - data) - 1;
		in.included = (struct bytes){ nul + 1, size - in.main.len - 2 };
	}
	enum web_server server = data[0] == 'a' ? WEB_APACHE : data[0] == 'h' ? WEB_HAPROXY : WEB_NGINX;
	if (web_config_read(a, server, "/conf/main", &files, &c, NULL) == ERR_OK)
		check(&c);
	if (data[0] == 'd' && web_files_dump(a, in.main, &files, &first) &&
	    web_config_read(a, WEB_NGINX, first, &files, &c, NULL) == ERR_OK)
		check(&c);
	return 0;
}
