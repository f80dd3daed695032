#include "cli/cmd_renew.h"

#include "agent/inventory.h"
#include "base/clock.h"
#include "base/json.h"
#include "agent/frame.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/issue_report.h"
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
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "force", NULL, false, "Renews also what is not due." },
	{ "dry-run", NULL, false, "Gets each as it would, and throws it away: nothing is stored, switched or deployed." },
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_renew_options = sizeof renew_options / sizeof *renew_options;
const struct given_option list_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_list_options = sizeof list_options / sizeof *list_options;

static enum err_code read_file(const char *folder, const char *name, const char *file, size_t max, struct buf *out, struct err *e)
{
	char path[4096];

	if (snprintf(path, sizeof path, "%s/%s/%s", folder, name, file) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", folder);
	return file_read(AT_FDCWD, path, max, out, e);
}

/* --- renew --- */

static int renew_one(struct cli *c, struct crew *crew, const struct config *config, const struct inventory_item *item)
{
	struct issue_run what = { .given = item->given,
		.name = item->name,
		.names = item->names,
		.n_names = item->n_names,
		.force = cli_flag(c, "force"),
		.again = true,
		.rehearsal = cli_flag(c, "dry-run"),
		.tests = cli_flag(c, "dry-run"),
		.json = cli_flag(c, "json") };
	struct issue_report r = { .json = what.json };
	struct err e = { 0 };

	if (!item->wrong)
		return issue_run(crew, config, &what);
	(void)err_set(&e, ERR_CONFIG, __FILE__, __LINE__, "%s", item->wrong);
	if (what.json)
		fprintf(stderr, "chancery: %s\n", item->wrong);
	return report_failed_here(&r, &e);
}

static int renew_all(struct cli *c, const struct config *config, const struct inventory *all)
{
	CLEANUP(crew_close) struct crew crew = { .users = config->users };
	int worst = EXIT_NOTHING_TO_DO;
	bool json = cli_flag(c, "json"), failed = false;

	if (json)
		printf("{\"certificates\":[\n");
	for (size_t i = 0, told = 0; i < all->n; i++) {
		if (all->v[i].unmanaged)
			continue;
		if (json)
			printf("%s", told++ ? "," : "");
		else
			printf("%s\n", all->v[i].name);
		fflush(stdout);
		int code = renew_one(c, &crew, config, &all->v[i]);
		failed = failed || code == EXIT_FAILED;
		worst = code == EXIT_DONE ? EXIT_DONE : worst;
	}
	if (json)
		printf("]}\n");
	else if (all->n == 0)
		printf("There are no certificates in %s.\n", config->folder);
	return failed ? EXIT_FAILED : worst;
}

int cmd_renew(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	const struct given table = { .options = issue_options, .n_options = n_issue_options };
	struct config config;
	struct inventory all;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	if (client_config(&c->given, a, &config, &e) != ERR_OK ||
	    inventory_read(&config, a, c->arguments, c->n_arguments, &table, &all, &e) != ERR_OK)
		return cli_fail(c, &e);
	return renew_all(c, &config, &all);
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
	const struct given table = { .options = issue_options, .n_options = n_issue_options };
	struct inventory all;
	struct config config;
	struct json_out w = json_out_to(&text);
	bool json = cli_flag(c, "json"), wrong = false;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	if (client_config(&c->given, a, &config, &e) != ERR_OK ||
	    inventory_read(&config, a, c->arguments, c->n_arguments, &table, &all, &e) != ERR_OK)
		return cli_fail(c, &e);
	json_put_object(&w);
	json_put_key(&w, "certificates");
	json_put_array(&w);
	if (!json && all.n > 0)
		printf("%-32s  %-7s  %-20s  %-10s  %s\n", "CERTIFICATE", "STATE", "ENDS", "DUE", "NAMES");
	for (size_t i = 0; i < all.n; i++) {
		struct row r;
		if (read_row(a, config.folder, all.v[i].name, &r, &e) != ERR_OK) {
			fprintf(stderr, "chancery: %s: %s\n", all.v[i].name, e.detail);
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
	else if (all.n == 0)
		printf("There are no certificates in %s.\n", config.folder);
	return wrong ? EXIT_FAILED : EXIT_DONE;
}
