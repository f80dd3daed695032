#include "agent/inventory.h"

#include "agent/saved.h"
#include "agent/wish.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS_MAX 10000

struct reading {
	const struct config *config;
	struct arena *arena;
	const char *const *only;
	size_t n_only;
	const struct given *options;
	struct inventory *inventory;
};

static bool is_wanted(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->n_only; i++)
		if (strcmp(r->only[i], name) == 0)
			return true;
	return r->n_only == 0;
}

static bool has(const struct reading *r, const char *name, const char *file)
{
	char path[4096];

	return snprintf(path, sizeof path, "%s/%s/%s", r->config->folder, name, file) < (int)sizeof path && access(path, F_OK) == 0;
}

static enum err_code add(struct reading *r, const char *name, struct inventory_item **ret, struct err *e)
{
	struct inventory *v = r->inventory;
	struct given *g = arena_new_obj(r->arena, struct given);
	const char *copy = arena_str(r->arena, bytes_str(name));

	errno = 0;
	if (v->n == ITEMS_MAX || !g || !copy)
		FAIL(e, NOMEM, "no memory for the list of certificates");
	g->options = r->options->options;
	g->n_options = r->options->n_options;
	v->v[v->n] = (struct inventory_item){ .name = copy, .given = g, .live = has(r, name, "live") };
	*ret = &v->v[v->n++];
	return ERR_OK;
}

static enum err_code add_configured(struct reading *r, struct err *e)
{
	for (size_t i = 0; i < r->config->n_certs; i++) {
		const struct config_cert *c = &r->config->certs[i];
		struct inventory_item *item;
		if (!is_wanted(r, c->name))
			continue;
		TRY(add(r, c->name, &item, e));
		item->configured = true;
		item->names = c->names;
		item->n_names = c->n_names;
		TRY(config_merge(r->config, c, item->given, e));
	}
	return ERR_OK;
}

static enum err_code read_saved(struct reading *r, struct inventory_item *item, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	char path[4096];

	errno = 0;
	if (snprintf(path, sizeof path, "%s/%s/" SAVED_FILE, r->config->folder, item->name) >= (int)sizeof path)
		FAIL(e, CONFIG, "its path is too long");
	TRY(file_read(AT_FDCWD, path, SAVED_SIZE_MAX, &text, e));
	TRY(saved_read(r->arena, buf_bytes(&text), item->given, &item->names, &item->n_names, e));
	return config_merge(r->config, NULL, item->given, e);
}

static enum err_code add_saved(struct reading *r, const char *name, struct err *e)
{
	struct inventory_item *item;
	struct err why = { 0 };

	TRY(add(r, name, &item, e));
	item->unmanaged = !has(r, name, SAVED_FILE);
	if (item->unmanaged || read_saved(r, item, &why) == ERR_OK)
		return ERR_OK;
	item->wrong =
	    (const char *)arena_fmt(r->arena, "%.100s/" SAVED_FILE ": %.300s: issue it anew, and it is written", name, why.detail).ptr;
	errno = 0;
	if (!item->wrong)
		FAIL(e, NOMEM, "no memory for the list of certificates");
	return ERR_OK;
}

static enum err_code add_folder(struct reading *r, struct err *e)
{
	DIR *d = opendir(r->config->folder);
	enum err_code rc = ERR_OK;

	if (!d && errno != ENOENT)
		FAIL(e, CONFIG, "%.200s: %s", r->config->folder, strerror(errno));
	for (const struct dirent *entry = d ? readdir(d) : NULL; rc == ERR_OK && entry; entry = readdir(d))
		if (wish_name_is_good(entry->d_name) && is_wanted(r, entry->d_name) && has(r, entry->d_name, "live") &&
		    !config_cert_find(r->config, entry->d_name))
			rc = add_saved(r, entry->d_name, e);
	if (d)
		(void)closedir(d);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct inventory_item *)a)->name, ((const struct inventory_item *)b)->name);
}

enum err_code inventory_read(const struct config *c, struct arena *a, const char *const *only, size_t n_only, const struct given *options,
    struct inventory *ret, struct err *e)
{
	struct reading r = { c, a, only, n_only, options, ret };

	*ret = (struct inventory){ .v = arena_array(a, ITEMS_MAX, sizeof *ret->v) };
	errno = 0;
	if (!ret->v)
		FAIL(e, NOMEM, "no memory for the list of certificates");
	TRY(add_configured(&r, e));
	TRY(add_folder(&r, e));
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof *ret->v, by_name);
	errno = 0;
	for (size_t i = 0; i < n_only; i++) {
		bool found = false;
		for (size_t k = 0; k < ret->n && !found; k++)
			found = strcmp(ret->v[k].name, only[i]) == 0;
		if (!found)
			FAIL(e, CONFIG, "there is no certificate %.100s in %.200s: chancery status lists them", only[i], c->folder);
	}
	return ERR_OK;
}
