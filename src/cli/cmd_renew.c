#include "cli/cmd_renew.h"

#include "agent/saved.h"
#include "base/clock.h"
#include "base/json.h"
#include "agent/frame.h"
#include "cli/cmd_issue.h"
#include "client/chain.h"
#include "client/storage.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATES_MAX 10000
#define DAY_S            86400

const struct given_option renew_options[] = {
	FOLDER_OPTION,
	{ "force", NULL, false, "Renews also what is not due." },
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_renew_options = sizeof renew_options / sizeof *renew_options;
const struct given_option list_options[] = {
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_list_options = sizeof list_options / sizeof *list_options;

/* --- what there is --- */

struct names {
	char **v;
	size_t n;
};

static void names_free(struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->v[i]);
	free(n->v);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether the folder's entry is wanted: one of those that are named, or no name is given. */
static bool is_named(const struct cli *c, const char *name)
{
	for (size_t i = 0; i < c->n_arguments; i++)
		if (strcmp(c->arguments[i], name) == 0)
			return true;
	return c->n_arguments == 0;
}

static bool has(const char *folder, const char *name, const char *file)
{
	char path[4096];

	return snprintf(path, sizeof path, "%s/%s/%s", folder, name, file) < (int)sizeof path && access(path, F_OK) == 0;
}

static enum err_code find(const struct cli *c, const char *folder, struct names *ret, struct err *e)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;
	bool memory = true;

	if (!d && errno != ENOENT)
		FAIL(e, CONFIG, "%.200s: %s", folder, strerror(errno));
	while (d && memory && (entry = readdir(d)) != NULL && ret->n < CERTIFICATES_MAX) {
		if (entry->d_name[0] == '.' || !is_named(c, entry->d_name) || !has(folder, entry->d_name, "live"))
			continue;
		char **v = realloc(ret->v, (ret->n + 1) * sizeof *v);
		memory = v != NULL;
		if (!v)
			continue;
		ret->v = v;
		memory = (ret->v[ret->n] = strdup(entry->d_name)) != NULL;
		ret->n += memory;
	}
	if (d)
		closedir(d);
	if (!memory)
		FAIL(e, NOMEM, "no memory for the folder's list");
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof *ret->v, by_text);
	for (size_t i = 0; i < c->n_arguments; i++)
		if (!has(folder, c->arguments[i], "live"))
			FAIL(e, CONFIG, "there is no certificate %.100s in %.200s: chancery status lists them", c->arguments[i], folder);
	return ERR_OK;
}

static enum err_code read_file(const char *folder, const char *name, const char *file, size_t max, struct buf *out, struct err *e)
{
	char path[4096];

	if (snprintf(path, sizeof path, "%s/%s/%s", folder, name, file) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", folder);
	return file_read(AT_FDCWD, path, max, out, e);
}

/* --- renew --- */

static int renew_one(struct cli *c, struct crew *crew, const char *folder, const char *name, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	struct given given = { .options = issue_options, .n_options = n_issue_options };
	struct issue_run what = { .given = &given, .force = cli_flag(c, "force"), .again = true, .json = cli_flag(c, "json") };
	const char **names = NULL;
	struct err why = { 0 };

	enum err_code rc = a ? read_file(folder, name, SAVED_FILE, SAVED_SIZE_MAX, &text, &why) : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = saved_read(a, buf_bytes(&text), &given, &names, &what.n_names, &why);
	if (rc == ERR_OK)
		rc = given_add(&given, &(struct given_one){ .option = given_option(&given, BYTES_LIT("folder")), .value = folder }, &why);
	if (rc != ERR_OK) {
		(void)err_set(
		    e, rc, __FILE__, __LINE__, "%.100s/" SAVED_FILE ": %.300s: issue it anew, and it is written", name, why.detail);
		return EXIT_FAILED;
	}
	what.names = names;
	return issue_run(crew, &what);
}

static int renew_all(struct cli *c, const char *folder, const struct names *names)
{
	CLEANUP(crew_close) struct crew crew = { .net = NULL };
	int worst = EXIT_NOTHING_TO_DO;
	bool json = cli_flag(c, "json"), failed = false;

	if (json)
		printf("{\"certificates\":[\n");
	for (size_t i = 0; i < names->n; i++) {
		struct err e = { 0 };
		if (json)
			printf("%s", i ? "," : "");
		else
			printf("%s\n", names->v[i]);
		fflush(stdout);
		int code = renew_one(c, &crew, folder, names->v[i], &e);
		if (*e.detail && json)
			printf(
			    "{\"result\":\"failed\",\"names\":[],\"error\":{\"message\":\"its options.json cannot be used\",\"fault\":\"caller\"}}\n");
		if (*e.detail)
			fprintf(stderr, "chancery: %s\n", e.detail);
		failed = failed || code == EXIT_FAILED;
		worst = code == EXIT_DONE ? EXIT_DONE : worst;
	}
	if (json)
		printf("]}\n");
	else if (names->n == 0)
		printf("There are no certificates in %s.\n", folder);
	return failed ? EXIT_FAILED : worst;
}

static enum err_code open_all(struct cli *c, struct arena *a, const char **ret_folder, struct names *ret, struct err *e)
{
	if (!a)
		FAIL(e, NOMEM, "no memory");
	TRY(frame_folder(&c->given, a, ret_folder, e));
	return find(c, *ret_folder, ret, e);
}

int cmd_renew(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	CLEANUP(names_free) struct names names = { NULL, 0 };
	const char *folder;
	struct err e = { 0 };

	return open_all(c, a, &folder, &names, &e) == ERR_OK ? renew_all(c, folder, &names) : cli_fail(c, &e);
}

/* --- list --- */

struct meta {
	struct json_strings names;
	struct bytes server, not_before, not_after;
};
static const struct json_field meta_fields[] = {
	JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, 100),
	JSON_FIELD(struct meta, server, "server", JSON_STRING, true, 2048),
	JSON_FIELD(struct meta, not_before, "not_before", JSON_STRING, true, 64),
	JSON_FIELD(struct meta, not_after, "not_after", JSON_STRING, true, 64),
};

struct row {
	const char *name;
	struct meta meta;
	int64_t not_before_s, not_after_s, due_s;
	const char *state; /* "good", "due", "expired" */
};

static enum err_code read_row(struct arena *a, const char *folder, const char *name, struct row *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX);
	struct row r = { .name = name };
	int64_t now_s = clock_wall_ms() / 1000;

	TRY(read_file(folder, name, "live/meta.json", STORAGE_FILE_MAX, &text, e));
	struct bytes kept = arena_copy(a, buf_bytes(&text));
	TRY(json_read(a, kept, "meta.json", meta_fields, sizeof meta_fields / sizeof *meta_fields, &r.meta, e));
	TRY(rfc3339_parse(r.meta.not_before, &r.not_before_s, e));
	TRY(rfc3339_parse(r.meta.not_after, &r.not_after_s, e));
	r.due_s = r.not_after_s - (r.not_after_s - r.not_before_s) / 3;
	r.state = now_s > r.not_after_s ? "expired" : now_s >= r.due_s ? "due" : "good";
	*ret = r;
	return ERR_OK;
}

static void put_row(struct json_out *w, const struct row *r)
{
	char due[RFC3339_SIZE];

	rfc3339_format(r->due_s, due);
	json_put_object(w);
	json_put_member_str(w, "name", r->name);
	json_put_key(w, "names");
	json_put_array(w);
	for (size_t i = 0; i < r->meta.names.n; i++)
		json_put_string(w, r->meta.names.v[i]);
	json_end_array(w);
	json_put_member(w, "server", r->meta.server);
	json_put_member(w, "not_before", r->meta.not_before);
	json_put_member(w, "not_after", r->meta.not_after);
	json_put_member_str(w, "due", due);
	json_put_member_str(w, "state", r->state);
	json_end_object(w);
}

static void print_row(const struct row *r)
{
	char due[RFC3339_SIZE];
	int64_t days = (r->not_after_s - clock_wall_ms() / 1000) / DAY_S;

	rfc3339_format(r->due_s, due);
	printf("%-32s  %-7s  %.10s (%lld day%s)  %.10s  %.*s", r->name, r->state, (const char *)r->meta.not_after.ptr, (long long)days,
	    days == 1 ? "" : "s", due, BYTES_FMT(r->meta.names.v[0]));
	if (r->meta.names.n > 1)
		printf(" and %zu more", r->meta.names.n - 1);
	printf("\n");
}

int cmd_list(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new(32u << 20);
	CLEANUP(names_free) struct names names = { NULL, 0 };
	struct json_out w = json_out_to(&text);
	bool json = cli_flag(c, "json"), wrong = false;
	const char *folder;
	struct err e = { 0 };

	if (open_all(c, a, &folder, &names, &e) != ERR_OK)
		return cli_fail(c, &e);
	json_put_object(&w);
	json_put_key(&w, "certificates");
	json_put_array(&w);
	if (!json && names.n > 0)
		printf("%-32s  %-7s  %-20s  %-10s  %s\n", "CERTIFICATE", "STATE", "ENDS", "DUE", "NAMES");
	for (size_t i = 0; i < names.n; i++) {
		struct row r;
		if (read_row(a, folder, names.v[i], &r, &e) != ERR_OK) {
			fprintf(stderr, "chancery: %s: %s\n", names.v[i], e.detail);
			wrong = true;
			continue;
		}
		wrong = wrong || strcmp(r.state, "expired") == 0;
		if (json)
			put_row(&w, &r);
		else
			print_row(&r);
	}
	json_end_array(&w);
	json_end_object(&w);
	if (json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	else if (names.n == 0)
		printf("There are no certificates in %s.\n", folder);
	return wrong ? EXIT_FAILED : EXIT_DONE;
}
