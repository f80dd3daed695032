#include "cli/cmd_account.h"

#include "agent/ca_call.h"
#include "agent/frame.h"
#include "agent/key_file.h"
#include "base/codec.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/confirm.h"
#include "cli/issue_report.h"
#include "jose/jwk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct given_option account_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/account.def"
#include "agent/frame.def"
#undef X
	CONFIG_OPTION,
	FOLDER_OPTION,
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_account_options = sizeof account_options / sizeof *account_options;

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
	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, may, &w->ca.account, e));
	return ca_account(&w->crew, w->arena, &w->ca, verb, next, &w->url, &w->outcome, e);
}

static enum err_code show(struct work *w, struct err *e)
{
	w->done = "";
	return at_ca(w, "show", 0, BYTES_NONE, e);
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

static enum err_code put_in_place(const struct work *w, const char *path, struct err *e)
{
	if (rename(path, w->ca.account_key) != 0)
		FAIL(e, IO, "the account's key is now in %.250s, which cannot be renamed to %.250s: %s", path, w->ca.account_key,
		    strerror(errno));
	return ERR_OK;
}

/* An earlier run may have ended between the CA and the disk: then the key that was prepared opens the account. */
static enum err_code was_changed(struct work *w, const char *path, struct err *e)
{
	struct outcome first = w->outcome;

	TRY(key_file_account(&w->crew, w->arena, path, 0, &w->ca.account, e));
	TRY(ca_account(&w->crew, w->arena, &w->ca, "show", BYTES_NONE, &w->url, &w->outcome, e));
	if (w->outcome.result == CHANCERY_OK)
		return put_in_place(w, path, e);
	w->outcome = first;
	return ERR_OK;
}

/* The next key is on the disk before the CA hears of it, so that a crash loses no account: FILE.new. */
static enum err_code rollover(struct work *w, struct err *e)
{
	const char *path = (const char *)arena_fmt(w->arena, "%s.new", w->ca.account_key).ptr;
	const struct keys_wish key = { .slot = "next-account", .use = KEYS_ACCOUNT, .may = SIGN_MAY_ROLL_OVER, .type = KEY_EC_P256 };
	struct bytes next;

	w->done = "The account has a new key; the old one is of no use any more.";
	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	bool earlier = access(path, F_OK) == 0;
	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, SIGN_MAY_ROLL_OVER, &w->ca.account, e));
	TRY(key_file_need(&w->crew, w->arena, path, &key, &next, e));
	TRY(ca_account(&w->crew, w->arena, &w->ca, "rollover", next, &w->url, &w->outcome, e));
	if (w->outcome.result == CHANCERY_OK)
		return put_in_place(w, path, e);
	return earlier ? was_changed(w, path, e) : ERR_OK;
}

/* --- a web server that answers by itself --- */

/* What stands before and behind the thumbprint. */
static const struct {
	const char *server, *before, *behind;
} snippets[] = {
	{ "nginx",
	    "# In each server block of port 80.\n"
	    "location ~ \"^/\\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$\" {\n"
	    "\tdefault_type application/octet-stream;\n"
	    "\treturn 200 \"$1.",
	    "\";\n}\n" },
	{ "apache",
	    "# In each virtual host of port 80; needs mod_rewrite.\n"
	    "RewriteEngine on\n"
	    "RewriteRule \"^/\\.well-known/acme-challenge/[-_a-zA-Z0-9]+$\" \"-\" [L,R=200]\n"
	    "<LocationMatch \"^/\\.well-known/acme-challenge/(?<token>[-_a-zA-Z0-9]+)$\">\n"
	    "\tErrorDocument 200 \"%{env:MATCH_TOKEN}.",
	    "\"\n</LocationMatch>\n" },
	{ "haproxy",
	    "# In each frontend of port 80.\n"
	    "http-request return status 200 content-type application/octet-stream lf-string \"%[path,field(-1,/)].",
	    "\" if { path -m reg ^/\\.well-known/acme-challenge/[-_a-zA-Z0-9]+$ }\n" },
};

static enum err_code account_thumbprint(struct bytes spki, char ret[CHANCERY_THUMBPRINT_SIZE], struct err *e)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	uint8_t thumbprint[THUMBPRINT_SIZE];

	TRY(key_from_spki(spki, &key, e));
	jwk_thumbprint(key, thumbprint);
	base64url_encode(BYTES_ARRAY(thumbprint), ret);
	return ERR_OK;
}

static enum err_code snippet(struct work *w, struct err *e)
{
	const char *server = w->c->n_arguments > 1 ? w->c->arguments[1] : "";
	char thumbprint[CHANCERY_THUMBPRINT_SIZE];

	TRY(key_file_account(&w->crew, w->arena, w->ca.account_key, 0, &w->ca.account, e));
	TRY(account_thumbprint(w->ca.account, thumbprint, e));
	for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++) {
		if (strcmp(snippets[i].server, server) != 0)
			continue;
		w->done = (const char *)arena_fmt(w->arena, "%s%s%s", snippets[i].before, thumbprint, snippets[i].behind).ptr;
		if (!w->done)
			FAIL(e, NOMEM, "no memory");
		return ERR_OK;
	}
	FAIL(e, CONFIG, "account snippet WEB-SERVER: nginx, apache and haproxy are known");
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

int cmd_account(struct cli *c)
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
