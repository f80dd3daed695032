/* Sections that are written for a person. */
#include "agent/config.h"
#include "agent/saved.h"
#include "agent/wish.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LEN_MAX (1u << 20)

static void put_string(struct buf *out, const char *value)
{
	buf_add_str(out, "\"");
	for (const char *p = value; *p; p++)
		buf_add_fmt(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	buf_add_str(out, "\"");
}

/* All values of an option that repeats stand in one list, where its first is. */
static void put_option(const struct given *g, size_t at, struct buf *out)
{
	const struct given_option *o = g->v[at].option;

	if (g->v[at].value != given_nth(g, o->name, 0))
		return;
	buf_add_fmt(out, "\t%s = ", o->name);
	if (!o->value)
		buf_add_str(out, "\"true\"");
	if (o->value && o->repeats)
		buf_add_str(out, "{");
	for (size_t i = 0, n = 0; o->value && i < g->n; i++) {
		if (g->v[i].option != o)
			continue;
		char *absolute = saved_absolute(o, g->v[i].value);
		buf_add_str(out, n++ ? ", " : "");
		put_string(out, absolute ? absolute : g->v[i].value);
		free(absolute);
	}
	buf_add_str(out, o->value && o->repeats ? "}\n" : "\n");
}

static bool is_wish(const char *name)
{
	for (size_t i = 0; i < n_wish_options; i++)
		if (strcmp(wish_options[i].name, name) == 0)
			return true;
	return false;
}

void config_write_section(const char *name, const char *const *names, size_t n_names, const struct given *g, struct buf *out)
{
	buf_add_str(out, "certificate ");
	put_string(out, name);
	buf_add_str(out, " {\n");
	if (n_names != 1 || strcmp(names[0], name) != 0) {
		buf_add_str(out, "\tnames = {");
		for (size_t i = 0; i < n_names; i++) {
			buf_add_str(out, i ? ", " : "");
			put_string(out, names[i]);
		}
		buf_add_str(out, "}\n");
	}
	for (size_t i = 0; i < g->n; i++)
		if (is_wish(g->v[i].option->name) && !g->v[i].file)
			put_option(g, i, out);
	buf_add_str(out, "}\n");
}

static enum err_code check(const char *path, const char *name, bool with, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	CLEANUP(buf_free_p) struct buf messages = buf_new(65536);
	const struct given_option option = { "config", "FILE", false, "" };
	struct given g = { .options = &option, .n_options = 1 };
	struct config config;
	struct err why = { 0 };

	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory for the configuration");
	TRY(given_add(&g, &(struct given_one){ .option = &option, .value = path }, e));
	enum err_code rc = config_load(&g, a, &config, &messages, &why);
	while (messages.len > 0 && messages.ptr[messages.len - 1] == '\n')
		messages.len--;
	errno = 0;
	if (rc != ERR_OK)
		FAIL(e, CONFIG, "%.*s", (int)(messages.len < 280 ? messages.len : 280),
		    messages.ptr ? (const char *)messages.ptr : why.detail);
	if (!with && config_cert_find(&config, name))
		FAIL(e, CONFLICT, "%.150s has a certificate \"%.100s\" already: change it there", path, name);
	return ERR_OK;
}

enum err_code config_add_section(const char *path, const char *folder, const char *name, struct bytes section, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(FILE_LEN_MAX);
	char draft[4096];
	mode_t mode = 0644;
	struct stat st;

	errno = 0;
	if (snprintf(draft, sizeof draft, "%s.new", path) >= (int)sizeof draft)
		FAIL(e, CONFIG, "%.200s: its path is too long", path);
	if (stat(path, &st) == 0) {
		mode = st.st_mode & 0777;
		TRY(check(path, name, false, e));
		TRY(file_read(AT_FDCWD, path, FILE_LEN_MAX, &text, e));
		if (text.len > 0)
			buf_add_str(&text, text.ptr[text.len - 1] == '\n' ? "\n" : "\n\n");
	} else {
		TRY(file_make_folder_of(path, e));
		buf_add_str(
		    &text, "# What chancery does here; see chancery.conf(5). `chancery check-config` tells what is wrong with it.\n\n");
		if (folder) {
			buf_add_str(&text, "folder = ");
			put_string(&text, folder);
			buf_add_str(&text, "\n\n");
		}
	}
	buf_add(&text, section);
	errno = 0;
	if (!buf_ok(&text))
		FAIL(e, TOO_LARGE, "%.200s would be larger than a megabyte", path);
	TRY(file_write(AT_FDCWD, draft, mode, buf_bytes(&text), e));
	enum err_code rc = check(draft, name, true, e);
	if (rc == ERR_OK && rename(draft, path) != 0)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%.200s: %s", path, strerror(errno));
	if (rc != ERR_OK)
		(void)unlink(draft);
	return rc;
}
