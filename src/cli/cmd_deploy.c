#include "cli/cmd_deploy.h"

#include "agent/deploy_job.h"
#include "agent/frame.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/deployment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES_MAX 10000

static const struct given_option deploy_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

enum outcome { DEPLOYED, NOTHING, FAILED };

/* One certificate, and what is wanted of it. */
struct subject {
	struct arena *arena;
	const struct config *config;
	const struct inventory_item *item;
	struct wish wish;
};

static enum err_code read_subject(struct subject *s, struct err *e)
{
	const struct inventory_item *i = s->item;

	errno = 0;
	if (i->wrong)
		FAIL(e, CONFIG, "%s", i->wrong);
	return wish_read(s->arena, s->config, i->given, i->name, i->names, i->n_names, &s->wish, e);
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
	if (storage_open(s->config->folder, s->item->name, &storage, e) != ERR_OK)
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
	json_put_member_str(w, "name", s->item->name);
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

static enum outcome run_one(
    struct cli *c, struct crew *crew, const struct config *config, const struct inventory_item *item, struct json_out *w)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	struct subject *s = a ? arena_new_obj(a, struct subject) : NULL;
	struct deploy_job *j = a ? arena_new_obj(a, struct deploy_job) : NULL;
	struct err e = { 0 };

	if (!s || !j)
		return FAILED;
	s->arena = a;
	s->config = config;
	s->item = item;
	if (!w)
		printf("%s\n", item->name);
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
		fprintf(stderr, "%s: %s: %s\n", c->program->name, item->name, e.detail);
	}
	return o;
}

static int run_all(struct cli *c, const struct config *config, const struct inventory *all)
{
	CLEANUP(crew_close) struct crew crew = { .users = config->users };
	CLEANUP(buf_free_p) struct buf text = buf_new(32u << 20);
	struct json_out w = json_out_to(&text);
	bool json = cli_flag(c, "json"), failed = false, done = false;

	json_put_object(&w);
	json_put_key(&w, "certificates");
	json_put_array(&w);
	for (size_t i = 0; i < all->n; i++) {
		if (!all->v[i].live || all->v[i].unmanaged)
			continue;
		enum outcome o = run_one(c, &crew, config, &all->v[i], json ? &w : NULL);
		failed = failed || o == FAILED;
		done = done || o == DEPLOYED;
	}
	json_end_array(&w);
	json_end_object(&w);
	if (json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	else if (all->n == 0)
		printf("There are no certificates in %s.\n", config->folder);
	return failed ? EXIT_FAILED : done ? EXIT_DONE : EXIT_NOTHING_TO_DO;
}

static int cmd_deploy(struct cli *c)
{
	return issue_with_inventory(c, run_all);
}

const struct cli_command deploy_command = { "deploy", "[NAME...]",
	"Puts the certificates of the folder, or those that are named, to use again, the way that they were issued (--deploy): tested, reloaded, looked at "
	"from outside. A newer one that an earlier deployment had put back is tried again. Exit code 1: none is to be deployed.",
	CLI_OPTIONS(deploy_options), 0, 100, cmd_deploy };
