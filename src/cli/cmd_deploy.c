#include "cli/cmd_deploy.h"

#include "agent/deploy_job.h"
#include "agent/saved.h"
#include "base/json.h"
#include "cli/cmd_issue.h"
#include "cli/deployment.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATES_MAX 10000

const struct given_option deploy_options[] = {
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_deploy_options = sizeof deploy_options / sizeof *deploy_options;

enum outcome { DEPLOYED, NOTHING, FAILED };

/* One certificate: its names and options as they were saved. */
struct subject {
	struct arena *arena;
	const char *folder, *name;
	struct given given;
	struct wish wish;
};

static enum err_code read_subject(struct subject *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	const char **names = NULL;
	char path[4096];
	size_t n = 0;

	s->given = (struct given){ .options = issue_options, .n_options = n_issue_options };
	if (snprintf(path, sizeof path, "%s/%s/" SAVED_FILE, s->folder, s->name) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", s->folder);
	TRY(file_read(AT_FDCWD, path, SAVED_SIZE_MAX, &text, e));
	TRY(saved_read(s->arena, buf_bytes(&text), &s->given, &names, &n, e));
	TRY(given_add(&s->given, &(struct given_one){ .option = given_option(&s->given, BYTES_LIT("folder")), .value = s->folder }, e));
	return wish_read(s->arena, &s->given, names, n, &s->wish, e);
}

static enum outcome deploy_one(struct subject *s, struct crew *crew, struct deploy_job *j, bool json, struct err *e)
{
	CLEANUP(storage_free_p) struct storage *storage = NULL;
	struct err after = { 0 };

	enum err_code rc = read_subject(s, e);
	if (rc != ERR_OK)
		return FAILED;
	if (!deploy_is_wanted(&s->wish.deploy))
		return NOTHING;
	if (storage_open(s->folder, s->name, &storage, e) != ERR_OK)
		return FAILED;
	deploy_begin(j, &s->wish, crew, storage);
	j->tell = json ? NULL : deployment_tell;
	rc = deploy_before(j, e);
	if (rc == ERR_OK && !deploy_pending_take(j))
		j->previous = NULL; /* what is live stays */
	if (rc == ERR_OK)
		rc = deploy_certificate(j, e);
	if (deploy_after(j, rc != ERR_OK, &after) != ERR_OK && rc == ERR_OK) {
		*e = after;
		return FAILED;
	}
	return rc == ERR_OK ? DEPLOYED : FAILED;
}

/* --- all of them --- */

static void put_one(const struct subject *s, const struct deploy_job *j, enum outcome o, const struct err *e, struct json_out *w)
{
	static const char *const results[] = { "deployed", "nothing-to-do", "failed" };

	json_put_object(w);
	json_put_member_str(w, "name", s->name);
	json_put_member_str(w, "result", results[o]);
	deploy_put(j, w);
	if (o == FAILED) {
		json_put_key(w, "error");
		json_put_object(w);
		json_put_member_str(w, "message", e->detail);
		json_end_object(w);
	}
	json_end_object(w);
}

static enum outcome run_one(struct cli *c, struct crew *crew, const char *folder, const char *name, struct json_out *w)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	struct subject *s = a ? arena_new_obj(a, struct subject) : NULL;
	struct deploy_job *j = a ? arena_new_obj(a, struct deploy_job) : NULL;
	struct err e = { 0 };

	if (!s || !j)
		return FAILED;
	s->arena = a;
	s->folder = folder;
	s->name = name;
	if (!w)
		printf("%s\n", name);
	fflush(stdout);
	enum outcome o = deploy_one(s, crew, j, w != NULL, &e);
	if (w)
		put_one(s, j, o, &e, w);
	else if (o == NOTHING)
		printf("  Nothing to do: it was issued without anything to deploy it to (chancery issue --deploy ...).\n");
	else if (o == DEPLOYED)
		printf("  Deployed.\n");
	if (o == FAILED && !w) {
		fflush(stdout);
		fprintf(stderr, "%s: %s: %s\n", c->program->name, name, e.detail);
	}
	return o;
}

static bool is_certificate(const char *folder, const char *name)
{
	char path[4096];

	return name[0] != '.' && name[0] != '_' && snprintf(path, sizeof path, "%s/%s/live", folder, name) < (int)sizeof path &&
	       access(path, F_OK) == 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all certificates of the folder, or those that were given. */
static enum err_code find(struct cli *c, struct arena *a, const char *folder, const char ***ret, size_t *ret_n, struct err *e)
{
	const char **v = arena_array(a, CERTIFICATES_MAX, sizeof *v);
	DIR *d = c->n_arguments == 0 ? opendir(folder) : NULL;
	size_t n = 0;

	errno = 0;
	for (size_t i = 0; v && i < c->n_arguments; i++) {
		if (!is_certificate(folder, c->arguments[i]))
			FAIL(e, CONFIG, "there is no certificate %.100s in %.200s: chancery status lists them", c->arguments[i], folder);
		v[n++] = c->arguments[i];
	}
	for (const struct dirent *entry = v && d ? readdir(d) : NULL; entry && n < CERTIFICATES_MAX; entry = readdir(d))
		if (is_certificate(folder, entry->d_name) && (v[n] = arena_str(a, bytes_str(entry->d_name))) != NULL)
			n++;
	if (d)
		closedir(d);
	if (!v)
		FAIL(e, NOMEM, "no memory for the folder's list");
	qsort(v, n, sizeof *v, by_text);
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}

static int run_all(struct cli *c, const char *folder, const char **names, size_t n)
{
	CLEANUP(crew_close) struct crew crew = { .net = NULL };
	CLEANUP(buf_free_p) struct buf text = buf_new(32u << 20);
	struct json_out w = json_out_to(&text);
	bool json = cli_flag(c, "json"), failed = false, done = false;

	json_put_object(&w);
	json_put_key(&w, "certificates");
	json_put_array(&w);
	for (size_t i = 0; i < n; i++) {
		enum outcome o = run_one(c, &crew, folder, names[i], json ? &w : NULL);
		failed = failed || o == FAILED;
		done = done || o == DEPLOYED;
	}
	json_end_array(&w);
	json_end_object(&w);
	if (json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	else if (n == 0)
		printf("There are no certificates in %s.\n", folder);
	return failed ? EXIT_FAILED : done ? EXIT_DONE : EXIT_NOTHING_TO_DO;
}

int cmd_deploy(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(1u << 17, 8u << 20);
	const char *folder, **names;
	struct err e = { 0 };
	size_t n;

	if (!a)
		return EXIT_FAILED;
	if (frame_folder(&c->given, a, &folder, &e) != ERR_OK || find(c, a, folder, &names, &n, &e) != ERR_OK)
		return cli_fail(c, &e);
	return run_all(c, folder, names, n);
}
