#include "agent/web_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct found {
	struct web_name *v;
	size_t n;
	bool whole;
};

static struct web_name *row_of(struct found *f, const char *name, enum web_server server)
{
	for (size_t i = f->n; i-- > 0;)
		if (f->v[i].server == server && strcmp(f->v[i].name, name) == 0)
			return &f->v[i];
	if (f->n == WEB_NAMES_MAX) {
		f->whole = false;
		return NULL;
	}
	f->v[f->n] = (struct web_name){ .name = name, .server = server };
	return &f->v[f->n++];
}

static void take_site(struct found *f, const struct web_config *c, const struct web_site *s)
{
	bool plain = false, tls = false;

	for (size_t i = 0; i < s->n_listens; i++) {
		plain = plain || !s->listens[i].tls;
		tls = tls || s->listens[i].tls;
	}
	for (size_t i = 0; i < s->names.n; i++) {
		struct web_name *row = row_of(f, s->names.v[i], c->server);
		if (!row)
			return;
		if (!row->file) {
			row->file = s->file;
			row->line = s->line;
		}
		if (s->root && (!row->root || (plain && !row->plain)))
			row->root = s->root;
		if (!row->certificate && s->certificates.n > 0)
			row->certificate = s->certificates.v[0];
		row->plain = row->plain || plain;
		row->tls = row->tls || tls;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct web_name *x = a, *y = b;
	int n = strcmp(x->name, y->name);

	return n ? n : (int)x->server - (int)y->server;
}

enum err_code web_host_names(
    struct arena *a, const char *const main_files[WEB_SERVERS], struct web_name **ret, size_t *ret_n, bool *ret_whole, struct err *e)
{
	struct found f = { .v = arena_array(a, WEB_NAMES_MAX, sizeof *f.v), .whole = true };

	errno = 0;
	if (!f.v)
		FAIL(e, NOMEM, "no memory for the names of this host");
	for (unsigned s = 0; s < WEB_SERVERS; s++) {
		const char *file = main_files && main_files[s] ? main_files[s] : web_main_file((enum web_server)s);
		struct web_config c;
		if (!file)
			continue;
		enum err_code rc = web_config_read(a, (enum web_server)s, file, &web_files_disk, &c, e);
		if (rc == ERR_NOMEM)
			return rc;
		f.whole = f.whole && rc == ERR_OK && c.whole;
		for (size_t i = 0; rc == ERR_OK && i < c.n; i++)
			take_site(&f, &c, &c.sites[i]);
	}
	qsort(f.v, f.n, sizeof *f.v, by_name);
	*ret = f.v;
	*ret_n = f.n;
	*ret_whole = f.whole;
	return ERR_OK;
}
