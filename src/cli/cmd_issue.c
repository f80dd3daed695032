#include "cli/cmd_issue.h"

#include "agent/dns_update.h"
#include "agent/hook.h"
#include "agent/saved.h"
#include "agent/wish.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/client_frame.h"
#include "cli/issue_report.h"
#include "client/chain.h"
#include "client/storage.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 16384

const struct given_option issue_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/wish.def"
#undef X
	FOLDER_OPTION,
	{ "force", NULL, false, "Gets a new certificate even when more than a third of the present one's life is left." },
	{ "json", NULL, false, "Prints one JSON object instead of progress." },
};
const size_t n_issue_options = sizeof issue_options / sizeof *issue_options;

/* One run. */
struct task {
	const struct cli *c;
	struct wish wish;
	bool force, again; /* again: a renewal, which asks the CA whether it is due */
};

/* --- what is there --- */

struct meta {
	struct json_strings names;
};
static const struct json_field meta_fields[] = { JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, WISH_NAMES_MAX) };

static bool same_names(const struct wish *w, const struct json_strings *names)
{
	size_t found = 0;

	for (size_t i = 0; i < names->n; i++)
		for (size_t k = 0; k < w->n_names; k++)
			found += bytes_eq_str(names->v[i], w->names[k]);
	return names->n == w->n_names && found == w->n_names;
}

/* Whether the live generation is whole, for these names, and not yet in the last third of its life. */
static bool is_good(const struct wish *w, struct storage *s, struct chain *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX), pem = buf_new(STORAGE_FILE_MAX);
	CLEANUP(buf_free_p) struct buf secret = buf_new_secret(KEY_FILE_MAX);
	CLEANUP(key_free_p) struct key *key = NULL;
	int64_t now_s = clock_wall_ms() / 1000;
	struct meta m = { 0 };

	if (storage_read(s, STORAGE_META, &text, NULL) != ERR_OK || storage_read(s, STORAGE_FULLCHAIN, &pem, NULL) != ERR_OK ||
	    storage_read(s, STORAGE_PRIVKEY, &secret, NULL) != ERR_OK)
		return false;
	if (json_read(w->arena, buf_bytes(&text), "meta.json", meta_fields, 1, &m, NULL) != ERR_OK || !same_names(w, &m.names))
		return false;
	if (key_private_from_pem(buf_bytes(&secret), &key, NULL) != ERR_OK)
		return false;
	if (chain_check(w->arena, buf_bytes(&pem), key_spki(key), w->sans, w->n_names, now_s, ret, NULL) != ERR_OK)
		return false;
	return ret->not_after_s - now_s > (ret->not_after_s - ret->not_before_s) / 3;
}

/* --- the issuance --- */

static void write_meta(const struct wish *w, const struct chancery_certificate *cert, struct buf *out)
{
	struct json_out j = json_out_to(out);
	char text[RFC3339_SIZE];

	json_put_object(&j);
	json_put_key(&j, "names");
	json_put_array(&j);
	for (size_t i = 0; i < w->n_names; i++)
		json_put_string(&j, bytes_str(w->names[i]));
	json_end_array(&j);
	json_put_member_str(&j, "server", w->frame.server);
	json_put_member_str(&j, "account", chancery_certificate_account_url(cert));
	json_put_member_str(&j, "order", chancery_certificate_order_url(cert));
	json_put_member_str(&j, "certificate", chancery_certificate_url(cert));
	rfc3339_format(chancery_certificate_not_before(cert), text);
	json_put_member_str(&j, "not_before", text);
	rfc3339_format(chancery_certificate_not_after(cert), text);
	json_put_member_str(&j, "not_after", text);
	json_put_member_str(&j, "by", "chancery " CHANCERY_VERSION);
	json_end_object(&j);
	buf_add_u8(out, '\n');
}

static enum err_code put(
    const struct wish *w, struct storage *s, const struct chancery_key *key, const struct chancery_certificate *cert, struct err *e)
{
	CLEANUP(buf_free_p) struct buf meta = buf_new(65536);
	struct bytes content[STORAGE_FILES];
	size_t len;
	char *pem;

	write_meta(w, cert, &meta);
	if (!buf_ok(&meta) || chancery_key_to_pem(key, &pem, &len) != CHANCERY_OK)
		FAIL(e, NOMEM, "no memory to store the certificate");
	content[STORAGE_PRIVKEY] = (struct bytes){ (const uint8_t *)pem, len };
	content[STORAGE_CERT] = bytes_str(chancery_certificate_leaf(cert, NULL));
	content[STORAGE_CHAIN] = bytes_str(chancery_certificate_chain(cert, NULL));
	content[STORAGE_FULLCHAIN] = bytes_str(chancery_certificate_fullchain(cert, NULL));
	content[STORAGE_META] = buf_bytes(&meta);
	enum err_code rc = storage_put(s, content, NULL, e);
	chancery_secret_free(pem, len);
	if (rc == ERR_OK)
		storage_prune(s);
	return rc;
}

/* For its renewal. */
static enum err_code put_options(const struct cli *c, const struct storage *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	char path[4096];

	saved_write(&c->given, c->arguments, c->n_arguments, &text);
	if (!buf_ok(&text) || snprintf(path, sizeof path, "%s/" SAVED_FILE, storage_path(s)) >= (int)sizeof path)
		FAIL(e, NOMEM, "no room for the options");
	return file_write(AT_FDCWD, path, 0600, buf_bytes(&text), e);
}

DEFINE_CLEANUP(struct chancery_certificate *, chancery_certificate_free);

/* What solves challenges beside the library; closed by solvers_close(). */
struct solvers {
	struct hook *hook;
	struct dns_updater *updater; /* NULL: none */
	struct tsig_key key;
};

static void solvers_close(struct solvers *v)
{
	hook_free(v->hook);
	dns_updater_free(v->updater);
	tsig_key_free(&v->key);
}

static enum err_code solvers_open(const struct cli *c, const struct wish *w, struct solvers *ret, struct err *e)
{
	const char *key = cli_value(c, "tsig-key", NULL);

	TRY(hook_new(&w->hook, &ret->hook, e));
	if (!w->dns_server)
		return ERR_OK;
	if (key)
		TRY(tsig_key_read(key, &ret->key, e));
	return dns_updater_new(w->dns_server, key ? &ret->key : NULL, &ret->updater, e);
}

/* "" when nothing failed. */
static const char *solvers_failure(const struct solvers *v)
{
	return v->updater && *dns_updater_failure(v->updater) ? dns_updater_failure(v->updater) : hook_failure(v->hook);
}

static enum chancery_result set_way(
    const struct cli *c, const struct wish *w, struct chancery_client *client, struct solvers *v, const char *type)
{
	if (v->updater && strcmp(type, "dns-01") == 0)
		return chancery_client_set_solver(client, type, dns_updater_deploy, dns_updater_clean_up, v->updater);
	if (wish_is_hooked(w, type))
		return chancery_client_set_solver(client, type, hook_deploy, hook_clean_up, v->hook);
	if (strcmp(type, "tls-alpn-01") == 0)
		return chancery_client_use_tls_listener(client, cli_value(c, "tls-address", NULL), w->tls_port);
	if (cli_flag(c, "stateless"))
		return chancery_client_use_stateless(client);
	if (cli_flag(c, "webroot"))
		return chancery_client_use_webroot(client, cli_value(c, "webroot", NULL));
	return chancery_client_use_listener(client, cli_value(c, "http-address", NULL), w->http_port);
}

static enum chancery_result set_ways(const struct cli *c, const struct wish *w, struct chancery_client *client, struct solvers *v)
{
	enum chancery_result rc = CHANCERY_OK;
	const char *type;

	if (!cli_nth(c, "challenge", 0))
		return set_way(c, w, client, v, w->hook.program || w->dns_server ? "dns-01" : "http-01");
	for (size_t i = 0; rc == CHANCERY_OK && (type = cli_nth(c, "challenge", i)) != NULL; i++)
		rc = set_way(c, w, client, v, type);
	return rc;
}

/* What this certificate is to be like. */
static enum chancery_result set_wishes(const struct cli *c, struct chancery_client *client, const char *replaces)
{
	enum chancery_result rc = chancery_client_set_profile(client, cli_value(c, "profile", NULL));

	if (rc == CHANCERY_OK)
		rc = chancery_client_set_preferred_chain(client, cli_value(c, "preferred-chain", NULL));
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_replaces(client, replaces);
	return rc;
}

static enum chancery_result set_up(const struct cli *c, const struct wish *w, struct chancery_client *client, struct solvers *v,
    const char *replaces, struct issue_report *r)
{
	enum chancery_result rc = chancery_client_set_progress(client, report_progress, r);

	if (rc == CHANCERY_OK)
		rc = set_wishes(c, client, replaces);
	return rc == CHANCERY_OK ? set_ways(c, w, client, v) : rc;
}

static enum err_code say(struct issue_report *r, struct storage *s, struct arena *a, struct err *e)
{
	r->live = (const char *)arena_fmt(a, "%s/live", storage_path(s)).ptr;
	if (!r->live)
		FAIL(e, NOMEM, "no memory");
	return ERR_OK;
}

/* Gets it and stores it. Failures are reported here; returns the exit code. */
static int issue(const struct cli *c, const struct wish *w, struct storage *s, struct issue_report *r)
{
	CLEANUP(solvers_close) struct solvers v = { .hook = NULL };
	CLEANUP(chancery_client_free_p) struct chancery_client *client = NULL;
	CLEANUP(buf_free_p) struct buf present = buf_new(STORAGE_FILE_MAX);
	CLEANUP(chancery_key_free_p) struct chancery_key *account = NULL, *key = NULL;
	CLEANUP(chancery_certificate_free_p) struct chancery_certificate *cert = NULL;
	struct err e = { 0 };

	enum err_code rc = client_frame_account_key(&w->frame, true, &account, &e);
	if (rc == ERR_OK && chancery_key_generate(w->key_type, &key) != CHANCERY_OK)
		rc = err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "cannot make a key: no memory");
	if (rc == ERR_OK)
		rc = solvers_open(c, w, &v, &e);
	if (rc == ERR_OK)
		rc = client_frame_client(c, &w->frame, account, &client, &e);
	if (rc != ERR_OK) {
		report_failed_here(r, &e);
		return EXIT_FAILED;
	}
	/* What it takes the place of. */
	bool renews = storage_read(s, STORAGE_CERT, &present, NULL) == ERR_OK;
	buf_add_u8(&present, 0);
	report_catch_signals();
	if (set_up(c, w, client, &v, renews ? (const char *)present.ptr : NULL, r) != CHANCERY_OK ||
	    chancery_client_issue(client, w->names, w->n_names, key, &cert) != CHANCERY_OK) {
		r->solver_failure = solvers_failure(&v);
		report_failed(r, chancery_client_error(client));
		return EXIT_FAILED;
	}
	if (put(w, s, key, cert, &e) != ERR_OK || put_options(c, s, &e) != ERR_OK) {
		report_failed_here(r, &e);
		return EXIT_FAILED;
	}
	r->not_before_s = chancery_certificate_not_before(cert);
	r->not_after_s = chancery_certificate_not_after(cert);
	r->account_url = chancery_certificate_account_url(cert);
	r->order_url = chancery_certificate_order_url(cert);
	r->certificate_url = chancery_certificate_url(cert);
	report_issued(r);
	return EXIT_DONE;
}

/* A point in the window that is this certificate's own, so that not all come at once: by its bytes, the same at each run. */
static int64_t point_in(const struct chancery_renewal *r, const struct chain *present)
{
	uint8_t digest[SHA256_SIZE];

	sha256_one(present->fullchain, digest);
	uint64_t n = (uint64_t)digest[0] << 24 | (uint64_t)digest[1] << 16 | (uint64_t)digest[2] << 8 | digest[3];
	return r->start + (int64_t)(n * (uint64_t)(r->end - r->start) >> 32);
}

/* RFC 9773; a CA that says nothing, or cannot be asked, wants nothing. */
static bool ca_wants_it(const struct cli *c, const struct wish *w, const struct chain *present, const struct issue_report *r)
{
	CLEANUP(chancery_client_free_p) struct chancery_client *client = NULL;
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	struct chancery_renewal renewal;

	buf_add(&pem, present->fullchain);
	buf_add_u8(&pem, 0);
	if (!buf_ok(&pem) || client_frame_client(c, &w->frame, NULL, &client, NULL) != ERR_OK ||
	    chancery_client_renewal(client, (const char *)pem.ptr, &renewal) != CHANCERY_OK)
		return false;
	if (point_in(&renewal, present) > clock_wall_ms() / 1000)
		return false;
	if (!r->json)
		printf("  The CA asks for a renewal now%s%s.\n", *renewal.explanation ? ": " : "", renewal.explanation);
	return true;
}

static int run(struct task *t, struct issue_report *r)
{
	CLEANUP(storage_free_p) struct storage *s = NULL;
	struct wish *w = &t->wish;
	struct chain present;
	struct err e = { 0 };

	enum err_code rc = wish_read(w->arena, &t->c->given, t->c->arguments, t->c->n_arguments, w, &e);
	r->names = w->names;
	r->n_names = w->n_names;
	r->server = w->frame.server;
	if (rc == ERR_OK)
		rc = storage_open(w->frame.folder, w->name, &s, &e);
	if (rc == ERR_OK)
		rc = say(r, s, w->arena, &e);
	if (rc != ERR_OK) {
		report_failed_here(r, &e);
		return EXIT_FAILED;
	}
	if (!t->force && is_good(w, s, &present) && !(t->again && ca_wants_it(t->c, w, &present, r))) {
		r->not_before_s = present.not_before_s;
		r->not_after_s = present.not_after_s;
		report_nothing_to_do(r);
		return EXIT_NOTHING_TO_DO;
	}
	return issue(t->c, w, s, r);
}

int cmd_issue(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct issue_report r = { .json = cli_flag(c, "json") };
	struct task t = { .c = c, .wish = { .arena = a }, .force = cli_flag(c, "force") };

	if (!a)
		return EXIT_FAILED;
	return run(&t, &r);
}

int issue_again(struct cli *as, struct arena *a, bool force, bool json)
{
	struct issue_report r = { .json = json };
	struct task t = { .c = as, .wish = { .arena = a }, .force = force, .again = true };

	return run(&t, &r);
}
