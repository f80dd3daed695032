#include "cli/cmd_issue.h"

#include "acme/identifier.h"
#include "agent/dns_update.h"
#include "agent/hook.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/client_frame.h"
#include "cli/issue_report.h"
#include "cli/saved_options.h"
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

#define NAMES_MAX    100
#define KEY_FILE_MAX 16384

const struct cli_option issue_options[] = {
	FRAME_OPTIONS,
	FRAME_ACCOUNT_OPTIONS,
	{ "profile", "NAME", false, "The CA's profile (default: the CA's own choice); its directory lists which there are." },
	{ "preferred-chain", "NAME", false,
	    "Where the CA offers several chains: the one whose topmost certificate was issued by this common name (default: the CA's first)." },
	{ "key-type", "TYPE", false,
	    "Of the certificate's key: ecdsa-p256 (default), ecdsa-p384 or rsa (2048 bits). Every certificate gets a new key." },
	{ "challenge", "TYPE", true,
	    "How control of the names is shown: http-01 (default), dns-01 (default with --dns-update or --hook) or tls-alpn-01; given more than once, the first that the "
	    "CA offers for a name." },
	{ "dns-update", "SERVER", false,
	    "Solves dns-01 by dynamic updates (RFC 2136) of the zone's primary name server: HOST, HOST:PORT or [ADDRESS]:PORT." },
	{ "tsig-key", "FILE", false,
	    "Signs the updates by the key in FILE, as tsig-keygen writes it; open to its owner alone. Without it the server takes them by address." },
	{ "hook", "PROGRAM", false,
	    "Solves the challenges of these types, as far as its dialect knows them. It is run for each name without a shell; one that fails is a failure." },
	{ "hook-dialect", "NAME", false,
	    "How the hook is asked: certbot (default), dehydrated, lego, lego-raw, uacme or mod_md, so that programs written for these clients work as they "
	    "are." },
	{ "hook-clean-up", "PROGRAM", false, "Of certbot's dialect: takes the answer away again. The other dialects ask the hook itself." },
	{ "hook-timeout", "SECONDS", false, "After so long a hook is ended (default: 300)." },
	{ "webroot", "DIR", false,
	    "Answers http-01 by files that the web server at the names shows from DIR. Without it: by a listener of its own." },
	{ "stateless", NULL, false,
	    "The names' web servers answer http-01 by themselves: chancery account snippet prints what they need for that, once." },
	{ "http-port", "PORT", false, "The port of the own listener for http-01 (default: 80, where the CA looks)." },
	{ "http-address", "ADDRESS", false, "The address of the own listener for http-01 (default: all)." },
	{ "tls-port", "PORT", false, "The port of the own listener for tls-alpn-01 (default: 443, where the CA looks)." },
	{ "tls-address", "ADDRESS", false, "The address of the own listener for tls-alpn-01 (default: all)." },
	{ "force", NULL, false, "Gets a new certificate even when more than a third of the present one's life is left." },
	{ "json", NULL, false, "Prints one JSON object instead of progress." },
};
const size_t n_issue_options = sizeof issue_options / sizeof *issue_options;

/* What the command line says, read and checked. */
struct wish {
	struct arena *arena;
	const char *names[NAMES_MAX]; /* the first as given, which names the folder; lower case; no duplicates */
	struct san sans[NAMES_MAX];
	size_t n_names;
	struct client_frame frame;
	enum chancery_key_type key_type;
	uint16_t http_port, tls_port;
	struct hook_wish hook;  /* program NULL: none */
	const char *dns_server; /* NULL: none */
	bool force, again;      /* again: a renewal, which asks the CA whether it is due */
};

/* --- the command line --- */

static enum err_code read_key_type(const struct cli *c, enum chancery_key_type *ret, struct err *e)
{
	static const struct {
		const char *name;
		enum chancery_key_type type;
	} types[] = {
		{ "ecdsa-p256", CHANCERY_KEY_ECDSA_P256 },
		{ "ecdsa-p384", CHANCERY_KEY_ECDSA_P384 },
		{ "rsa", CHANCERY_KEY_RSA_2048 },
	};
	const char *name = cli_value(c, "key-type", "ecdsa-p256");

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0) {
			*ret = types[i].type;
			return ERR_OK;
		}
	FAIL(e, CONFIG, "--key-type %s: ecdsa-p256, ecdsa-p384 and rsa are allowed", name);
}

static enum err_code read_names(const struct cli *c, struct wish *w, struct err *e)
{
	struct err why = { 0 };

	for (size_t i = 0; i < c->n_arguments; i++) {
		struct identifier id;
		struct san san;
		bool known = false;
		if (identifier_parse(w->arena, BYTES_LIT("ip"), bytes_str(c->arguments[i]), &id, NULL) != ERR_OK &&
		    identifier_parse(w->arena, BYTES_LIT("dns"), bytes_str(c->arguments[i]), &id, &why) != ERR_OK)
			FAIL(e, CONFIG, "\"%.100s\": %.200s", c->arguments[i], why.detail);
		TRY(identifier_san(w->arena, &id, &san, e));
		const char *name = arena_str(w->arena, identifier_display(w->arena, &id));
		if (!name)
			FAIL(e, NOMEM, "no memory");
		for (size_t k = 0; k < w->n_names; k++)
			known = known || strcmp(w->names[k], name) == 0;
		if (!known) {
			w->sans[w->n_names] = san;
			w->names[w->n_names++] = name;
		}
	}
	return ERR_OK;
}

/* The name of the certificate's folder: no star, as shells expand it, and no colon, which separates paths. */
static enum err_code folder_name(const struct wish *w, const char **ret, struct err *e)
{
	char *name = arena_alloc(w->arena, strlen(w->names[0]) + 1);

	if (!name)
		FAIL(e, NOMEM, "no memory");
	memcpy(name, w->names[0], strlen(w->names[0]) + 1);
	for (char *p = name; *p; p++)
		*p = *p == '*' ? '_' : *p == ':' ? '-' : *p;
	*ret = name;
	return ERR_OK;
}

/* What a type is solved by: the hook, where its dialect knows it. */
static bool is_hooked(const struct wish *w, const char *type)
{
	return w->hook.program && hook_dialect_solves(w->hook.dialect, type);
}

static enum err_code check_challenges(const struct cli *c, const struct wish *w, struct err *e)
{
	const char *type;
	enum challenge_type t;

	for (size_t i = 0; (type = cli_nth(c, "challenge", i)) != NULL; i++) {
		if (!challenge_type_from_name(bytes_str(type), &t))
			FAIL(e, CONFIG, "--challenge %s: http-01, dns-01 and tls-alpn-01 are allowed", type);
		if (t == CHALLENGE_TYPE_DNS_01 && !w->dns_server && !is_hooked(w, type))
			FAIL(e, CONFIG, "dns-01 needs what changes the DNS: --dns-update SERVER or --hook PROGRAM");
	}
	return ERR_OK;
}

static enum err_code read_hook(const struct cli *c, struct wish *w, struct err *e)
{
	const char *dialect = cli_value(c, "hook-dialect", "certbot");
	unsigned long timeout;

	if (!cli_flag(c, "hook") && (cli_flag(c, "hook-dialect") || cli_flag(c, "hook-clean-up") || cli_flag(c, "hook-timeout")))
		FAIL(e, CONFIG, "--hook-dialect, --hook-clean-up and --hook-timeout say how a hook is run: name it by --hook PROGRAM");
	if (!hook_dialect_from_name(dialect, &w->hook.dialect))
		FAIL(e, CONFIG, "--hook-dialect %s: certbot, dehydrated, lego, lego-raw, uacme and mod_md are known", dialect);
	if (cli_flag(c, "hook-clean-up") && w->hook.dialect != HOOK_CERTBOT)
		FAIL(e, CONFIG, "--hook-clean-up is of certbot's dialect: the hook itself is asked to clean up in the others");
	w->dns_server = cli_value(c, "dns-update", NULL);
	if (!w->dns_server && cli_flag(c, "tsig-key"))
		FAIL(e, CONFIG, "--tsig-key signs updates: say of which server by --dns-update SERVER");
	if (w->dns_server && cli_flag(c, "hook") && hook_dialect_solves(w->hook.dialect, "dns-01") &&
	    !hook_dialect_solves(w->hook.dialect, "http-01"))
		FAIL(e, CONFIG, "--dns-update and a hook of this dialect both solve dns-01: take one");
	TRY(cli_number(c, "hook-timeout", "300", 86400, &timeout, e));
	w->hook.program = cli_value(c, "hook", NULL);
	w->hook.clean_up = cli_value(c, "hook-clean-up", NULL);
	w->hook.names = w->names;
	w->hook.n_names = w->n_names;
	w->hook.timeout_s = (uint32_t)timeout;
	return ERR_OK;
}

static enum err_code read_wish(const struct cli *c, struct wish *w, struct err *e)
{
	unsigned long port, tls_port;

	TRY(client_frame_read(c, w->arena, &w->frame, e));
	if ((cli_flag(c, "webroot") || cli_flag(c, "stateless")) && (cli_flag(c, "http-port") || cli_flag(c, "http-address")))
		FAIL(e, CONFIG, "--webroot and --stateless let a web server answer, so --http-port and --http-address say nothing");
	if (cli_flag(c, "webroot") && cli_flag(c, "stateless"))
		FAIL(e, CONFIG, "--webroot and --stateless are two ways for one thing: take one");
	TRY(read_names(c, w, e));
	TRY(read_key_type(c, &w->key_type, e));
	TRY(read_hook(c, w, e));
	TRY(check_challenges(c, w, e));
	TRY(cli_number(c, "http-port", "80", 65535, &port, e));
	TRY(cli_number(c, "tls-port", "443", 65535, &tls_port, e));
	w->http_port = (uint16_t)port;
	w->tls_port = (uint16_t)tls_port;
	return ERR_OK;
}

/* --- what is there --- */

struct meta {
	struct json_strings names;
};
static const struct json_field meta_fields[] = { JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, NAMES_MAX) };

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

	saved_write(c, &text);
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
	if (is_hooked(w, type))
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

static int run(const struct cli *c, struct wish *w, struct issue_report *r)
{
	CLEANUP(storage_free_p) struct storage *s = NULL;
	const char *folder = NULL;
	struct chain present;
	struct err e = { 0 };

	enum err_code rc = read_wish(c, w, &e);
	r->names = w->names;
	r->n_names = w->n_names;
	r->server = w->frame.server;
	if (rc == ERR_OK)
		rc = folder_name(w, &folder, &e);
	if (rc == ERR_OK)
		rc = storage_open(w->frame.folder, folder, &s, &e);
	if (rc == ERR_OK)
		rc = say(r, s, w->arena, &e);
	if (rc != ERR_OK) {
		report_failed_here(r, &e);
		return EXIT_FAILED;
	}
	if (!w->force && is_good(w, s, &present) && !(w->again && ca_wants_it(c, w, &present, r))) {
		r->not_before_s = present.not_before_s;
		r->not_after_s = present.not_after_s;
		report_nothing_to_do(r);
		return EXIT_NOTHING_TO_DO;
	}
	return issue(c, w, s, r);
}

int cmd_issue(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct issue_report r = { .json = cli_flag(c, "json") };
	struct wish w = { .arena = a, .force = cli_flag(c, "force") };

	if (!a)
		return EXIT_FAILED;
	return run(c, &w, &r);
}

const struct cli_command *issue_command(const struct cli_program *p)
{
	for (size_t i = 0; i < p->n_commands; i++)
		if (p->commands[i].run == cmd_issue)
			return &p->commands[i];
	return NULL;
}

int issue_again(struct cli *as, struct arena *a, bool force, bool json)
{
	struct issue_report r = { .json = json };
	struct wish w = { .arena = a, .force = force, .again = true };

	return run(as, &w, &r);
}
