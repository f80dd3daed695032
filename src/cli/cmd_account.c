#include "cli/cmd_account.h"

#include "base/json.h"
#include "cli/client_frame.h"
#include "cli/confirm.h"
#include "cli/issue_report.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct given_option account_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/account.def"
#include "agent/frame.def"
#undef X
	FOLDER_OPTION,
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_account_options = sizeof account_options / sizeof *account_options;

struct work {
	const struct cli *c;
	struct frame frame;
	struct issue_report report;
	struct chancery_key *key;
	struct chancery_client *client;
	const char *url, *done;
};

/* What failed at the CA is in the client's error; that is told by ERR_CRYPTO without a detail of its own. */
static enum err_code at_ca(enum chancery_result rc, struct err *e)
{
	return rc == CHANCERY_OK ? ERR_OK : err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "%s", "");
}

static enum err_code open_with(struct work *w, struct chancery_key *key, struct err *e)
{
	const char *url = "";

	chancery_client_free(w->client);
	w->client = NULL;
	TRY(client_frame_client(w->c, &w->frame, key, &w->client, e));
	TRY(at_ca(chancery_client_open_account(w->client, &url), e));
	w->url = arena_str(w->frame.arena, bytes_str(url));
	if (!w->url)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

static enum err_code show(struct work *w, struct err *e)
{
	w->done = "";
	return open_with(w, w->key, e);
}

static enum err_code update(struct work *w, struct err *e)
{
	w->done = cli_nth(w->c, "contact", 0) ? "The CA has the contacts." : "The CA has no contacts any more.";
	TRY(open_with(w, w->key, e));
	return at_ca(chancery_client_update_account(w->client), e);
}

static enum err_code deactivate(struct work *w, struct err *e)
{
	w->done = "The account is over. Its certificates stay valid.";
	TRY(confirm(w->c, "An account that is deactivated is never opened again. Deactivate it?", e));
	TRY(open_with(w, w->key, e));
	return at_ca(chancery_client_deactivate_account(w->client), e);
}

/* --- another key --- */

/* The next key is on the disk before the CA hears of it, so that a crash loses no account: FILE.new. */
static enum err_code next_key(const char *path, struct chancery_key **ret, struct err *e)
{
	struct chancery_key *key;
	char *pem;
	size_t len;

	enum err_code rc = client_frame_key(path, ret, e);
	if (rc != ERR_NOT_FOUND)
		return rc;
	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) != CHANCERY_OK || chancery_key_to_pem(key, &pem, &len) != CHANCERY_OK)
		FAIL(e, CRYPTO, "cannot make an account key");
	rc = file_create(AT_FDCWD, path, 0600, (struct bytes){ (const uint8_t *)pem, len }, e);
	chancery_secret_free(pem, len);
	if (rc == ERR_OK)
		*ret = key;
	else
		chancery_key_free(key);
	return rc;
}

static enum err_code put_in_place(const struct work *w, const char *path, struct err *e)
{
	if (rename(path, w->frame.account_key) != 0)
		FAIL(e, IO, "the account's key is now in %.250s, which cannot be renamed to %.250s: %s", path, w->frame.account_key,
		    strerror(errno));
	return ERR_OK;
}

static enum err_code rollover(struct work *w, struct err *e)
{
	CLEANUP(chancery_key_free_p) struct chancery_key *next = NULL;
	const char *path = (const char *)arena_fmt(w->frame.arena, "%s.new", w->frame.account_key).ptr;
	struct err why = { 0 };

	w->done = "The account has a new key; the old one is of no use any more.";
	if (!path)
		FAIL(e, NOMEM, "no memory");
	bool earlier = access(path, F_OK) == 0;
	TRY(next_key(path, &next, e));
	if (open_with(w, w->key, &why) == ERR_OK) {
		TRY(at_ca(chancery_client_change_account_key(w->client, next), e));
		return put_in_place(w, path, e);
	}
	/* An earlier run may have ended between the CA and the disk. */
	if (earlier && open_with(w, next, &why) == ERR_OK)
		return put_in_place(w, path, e);
	*e = why;
	return why.code;
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

static enum err_code snippet(struct work *w, struct err *e)
{
	const char *server = w->c->n_arguments > 1 ? w->c->arguments[1] : "";
	char thumbprint[CHANCERY_THUMBPRINT_SIZE];

	chancery_key_thumbprint(w->key, thumbprint);
	for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++) {
		if (strcmp(snippets[i].server, server) != 0)
			continue;
		w->done = (const char *)arena_fmt(w->frame.arena, "%s%s%s", snippets[i].before, thumbprint, snippets[i].behind).ptr;
		if (!w->done)
			FAIL(e, NOMEM, "no memory");
		return ERR_OK;
	}
	FAIL(e, CONFIG, "account snippet WEB-SERVER: nginx, apache and haproxy are known");
}

static const struct {
	const char *name;
	enum err_code (*run)(struct work *w, struct err *e);
} verbs[] = { { "show", show }, { "update", update }, { "rollover", rollover }, { "deactivate", deactivate }, { "snippet", snippet } };

static enum err_code run(struct work *w, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(verbs[i].name, w->c->arguments[0]) != 0)
			continue;
		TRY(frame_read(&w->c->given, a, &w->frame, e));
		w->report.server = w->frame.server;
		TRY(client_frame_account_key(&w->frame, false, &w->key, e));
		return verbs[i].run(w, e);
	}
	FAIL(e, CONFIG, "account %s: show, update, rollover, deactivate and snippet are known", w->c->arguments[0]);
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
	json_put_member_str(&j, "server", w->frame.server);
	if (w->url)
		json_put_member_str(&j, "account", w->url);
	else
		json_put_member_str(&j, "snippet", w->done);
	json_put_member_str(&j, "key", w->frame.account_key);
	json_end_object(&j);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
}

int cmd_account(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct work w = { .c = c, .report = { .json = cli_flag(c, "json") } };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = run(&w, a, &e);
	if (rc == ERR_OK)
		tell(&w);
	else if (rc == ERR_CRYPTO && !*e.detail)
		report_failed(&w.report, chancery_client_error(w.client));
	else
		report_failed_here(&w.report, &e);
	chancery_client_free(w.client);
	chancery_key_free(w.key);
	return rc == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}
