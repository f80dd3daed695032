#include "cli/cmd_account.h"

#include "agent/account.h"
#include "agent/frame.h"
#include "agent/key_file.h"
#include "agent/snippet.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/confirm.h"
#include "cli/issue_report.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct given_option account_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/account.def"
#include "agent/frame.def"
#undef X
	CONFIG_OPTION,
	FOLDER_OPTION,
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

struct work {
	const struct cli *c;
	struct crew crew;
	struct arena *arena;
	struct config config;
	struct given given; /* with the configuration's defaults */
	struct ca_wish ca;
	struct issue_report report;
	struct outcome outcome;
	const char *url, *done;
	bool listed; /* all is told */
	size_t n_listed;
};

/* The account by the key in its file, and what is done to it there; what the CA says is in w->outcome. */
static enum err_code at_ca(struct work *w, const char *verb, unsigned may, struct bytes next, struct err *e)
{
	TRY(account_settle(&w->crew, w->arena, &w->ca, NULL, &w->outcome, e));
	if (w->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, may, &w->ca.account, e));
	return ca_account(&w->crew, w->arena, &w->ca, verb, next, &w->url, &w->outcome, e);
}

static enum err_code show(struct work *w, struct err *e)
{
	w->done = "";
	return at_ca(w, "recover", 0, BYTES_NONE, e);
}

/* The account of a key that came from elsewhere, or from a backup: found by the key, and none is made. */
static enum err_code recover(struct work *w, struct err *e)
{
	w->done = "The CA has an account of this key.";
	return at_ca(w, "recover", 0, BYTES_NONE, e);
}

static enum err_code update(struct work *w, struct err *e)
{
	w->done = cli_nth(w->c, "contact", 0) ? "The CA has the contacts." : "The CA has no contacts any more.";
	return at_ca(w, "update", SIGN_MAY_UPDATE, BYTES_NONE, e);
}

static enum err_code deactivate(struct work *w, struct err *e)
{
	w->done = "The account is over. Its certificates stay valid.";
	TRY(confirm(w->c, "An account that is deactivated is never opened again. Deactivate it?", e));
	return at_ca(w, "deactivate", SIGN_MAY_DEACTIVATE, BYTES_NONE, e);
}

/* --- another key --- */

/* The next key is on the disk before the CA hears of it, so that a crash loses no account. One that an earlier run has brought as far as the CA is taken, and that is all. */
static enum err_code rollover(struct work *w, struct err *e)
{
	const char *path = account_next_path(&w->ca, w->arena);
	const struct keys_wish key = { .slot = "next-account", .use = KEYS_ACCOUNT, .may = SIGN_MAY_ROLL_OVER, .type = KEY_EC_P256 };
	struct bytes next;

	w->done = "The account has a new key; the old one is of no use any more.";
	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	TRY(account_settle(&w->crew, w->arena, &w->ca, &w->url, &w->outcome, e));
	if (w->url || w->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, SIGN_MAY_ROLL_OVER, &w->ca.account, e));
	TRY(key_file_need(&w->crew, w->arena, path, &key, &next, e));
	TRY(ca_account(&w->crew, w->arena, &w->ca, "rollover", next, &w->url, &w->outcome, e));
	if (w->outcome.result == CHANCERY_OK)
		return account_take_next(&w->ca, path, e);
	/* Else every run would ask whose it is. Any other refusal may come from what another run does at this moment: the key stays. */
	if (w->outcome.http_status == 501)
		(void)unlink(path);
	return ERR_OK;
}

/* --- a web server that answers by itself --- */

static enum err_code snippet(struct work *w, struct err *e)
{
	const char *server = w->c->n_arguments > 1 ? w->c->arguments[1] : "";
	char thumbprint[CHANCERY_THUMBPRINT_SIZE];

	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, 0, &w->ca.account, e));
	TRY(snippet_thumbprint(w->ca.account, thumbprint, e));
	return snippet_of(w->arena, server, thumbprint, &w->done, e);
}

static const struct {
	const char *name;
	enum err_code (*run)(struct work *w, struct err *e);
} verbs[] = { { "show", show }, { "recover", recover }, { "update", update }, { "rollover", rollover }, { "deactivate", deactivate },
	{ "snippet", snippet } };

/* --- those that there are --- */

static void list_one(struct work *w, struct json_out *j, const char *ca, const char *server, const char *key)
{
	if (!w->report.json)
		printf("%-20s  %s\n", ca, key);
	json_put_object(j);
	json_put_member_str(j, "ca", ca);
	if (server)
		json_put_member_str(j, "server", server);
	json_put_member_str(j, "key", key);
	json_end_object(j);
	w->n_listed++;
}

/* *ret_keys: where the CAs of the list have theirs, as many as there are CAs. */
static enum err_code list_known(struct work *w, struct json_out *j, const char ***ret_keys, struct err *e)
{
	const char **keys = arena_array(w->arena, w->config.cas.n + 1, sizeof *keys);

	if (!keys)
		FAIL(e, NOMEM, "no memory");
	for (size_t i = 0; i < w->config.cas.n; i++) {
		struct ca_wish wish;
		TRY(ca_wish_of_entry(&w->given, &w->config, w->arena, &w->config.cas.v[i], &wish, e));
		keys[i] = wish.account_key;
		if (access(wish.account_key, F_OK) == 0)
			list_one(w, j, wish.name, wish.directory, wish.account_key);
	}
	*ret_keys = keys;
	return ERR_OK;
}

static bool is_among(const char *key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

/* Those with CAs that were named by their URL: of them the host is known, by the key's file. */
static enum err_code list_others(struct work *w, struct json_out *j, const char *const *keys, struct err *e)
{
	const char *path = ca_wish_account_folder(w->config.folder, w->arena);
	struct dirent **v;
	int n;

	if (!path)
		FAIL(e, NOMEM, "no memory");
	n = scandir(path, &v, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		int len = (int)strlen(v[i]->d_name) - (int)strlen(".pem");
		const char *key = (const char *)arena_fmt(w->arena, "%s/%s", path, v[i]->d_name).ptr;
		if (key && len > 0 && strcmp(v[i]->d_name + len, ".pem") == 0 && !is_among(key, keys, w->config.cas.n)) {
			v[i]->d_name[len] = 0;
			list_one(w, j, v[i]->d_name, NULL, key);
		}
		free(v[i]);
	}
	if (n >= 0)
		free(v);
	return ERR_OK;
}

/* Nobody is asked. */
static enum err_code list(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out j = json_out_to(&text);
	const char **keys;

	json_put_object(&j);
	json_put_member_str(&j, "result", "done");
	json_put_key(&j, "accounts");
	json_put_array(&j);
	TRY(list_known(w, &j, &keys, e));
	TRY(list_others(w, &j, keys, e));
	json_end_array(&j);
	json_end_object(&j);
	w->listed = true;
	if (w->report.json)
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	else if (w->n_listed == 0)
		printf("There is no account yet.\n");
	return ERR_OK;
}

static enum err_code run(struct work *w, struct arena *a, struct err *e)
{
	w->arena = a;
	w->given = w->c->given;
	if (strcmp(w->c->arguments[0], "list") == 0) {
		TRY(client_config(&w->c->given, a, &w->config, e));
		return list(w, e);
	}
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, w->c->arguments[0]) != 0)
			continue;
		TRY(client_config(&w->c->given, a, &w->config, e));
		TRY(config_merge(&w->config, NULL, &w->given, e));
		TRY(ca_wish_read(&w->given, &w->config, a, &w->ca, e));
		w->crew.users = w->config.users;
		w->report.server = w->ca.directory;
		return verbs[i].run(w, e);
	}
	FAIL(e, CONFIG, "account %s: list, show, recover, update, rollover, deactivate and snippet are known", w->c->arguments[0]);
}

static void tell(const struct work *w)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct json_out j = json_out_to(&text);

	if (!w->report.json) {
		if (w->url)
			printf("%s\n", w->url);
		printf("%s%s", w->done, *w->done && w->url ? "\n" : "");
		return;
	}
	json_put_object(&j);
	json_put_member_str(&j, "result", "done");
	json_put_member_str(&j, "server", w->ca.directory);
	if (w->url)
		json_put_member_str(&j, "account", w->url);
	else
		json_put_member_str(&j, "snippet", w->done);
	json_put_member_str(&j, "key", w->ca.account_key);
	json_end_object(&j);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
}

static int cmd_account(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	struct work w = { .c = c, .report = { .json = cli_flag(c, "json") } };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = run(&w, a, &e);
	crew_close(&w.crew);
	if (rc != ERR_OK)
		return report_failed_here(&w.report, &e);
	if (w.outcome.result != CHANCERY_OK)
		return report_failed(&w.report, &w.outcome);
	if (!w.listed)
		tell(&w);
	return EXIT_DONE;
}

const struct cli_command account_command = { "account", "list | show | recover | update | rollover | deactivate | snippet WEB-SERVER",
	"The account at a CA: lists those that there are, shows its URL, finds that of a key from elsewhere (recover: --account-key), tells the CA the contacts that are given (none: forgets them), gives it a new key, or ends it; prints what a web server (nginx, apache, haproxy) needs "
	"to answer http-01 by itself (issue --stateless).",
	CLI_OPTIONS(account_options), 1, 2, cmd_account };
