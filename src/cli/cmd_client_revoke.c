#include "cli/cmd_client_revoke.h"

#include "agent/account.h"
#include "agent/frame.h"
#include "agent/inventory.h"
#include "agent/key_file.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/confirm.h"
#include "cli/issue_report.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CERTIFICATE_MAX (512 * 1024)

static const struct given_option client_revoke_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/frame.def"
#undef X
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "reason", "REASON", false, "unspecified (default), keyCompromise, affiliationChanged, superseded or cessationOfOperation." },
	{ "key", "FILE", false,
	    "The certificate's own private key in PEM, which says it instead of the account: for one that other accounts have got." },
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

static enum err_code read_reason(const struct cli *c, enum chancery_reason *ret, struct err *e)
{
	static const struct {
		const char *name;
		enum chancery_reason reason;
	} reasons[] = { { "unspecified", CHANCERY_UNSPECIFIED }, { "keyCompromise", CHANCERY_KEY_COMPROMISE },
		{ "affiliationChanged", CHANCERY_AFFILIATION_CHANGED }, { "superseded", CHANCERY_SUPERSEDED },
		{ "cessationOfOperation", CHANCERY_CESSATION_OF_OPERATION } };
	const char *name = cli_value(c, "reason", "unspecified");

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (strcmp(reasons[i].name, name) == 0) {
			*ret = reasons[i].reason;
			return ERR_OK;
		}
	FAIL(e, CONFIG, "--reason %.40s: unspecified, keyCompromise, affiliationChanged, superseded and cessationOfOperation are allowed",
	    name);
}

struct work {
	const struct cli *c;
	struct arena *arena;
	struct crew crew;
	struct config config;
	struct given given; /* with what is known of the certificate, and defaults */
	struct ca_wish ca;
	struct issue_report report;
	struct outcome outcome;
};

/* Of a certificate of ours, the CA that it is from, among those that are wanted for it. */
static enum err_code choose_ca(struct work *w, const char *path, struct err *e)
{
	static const struct json_field fields[] = { { "server", JSON_STRING, true, 0, 2048 } };
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct ca_wish v[CA_WISHES_MAX];
	struct bytes server;
	size_t n;

	TRY(ca_wishes_read(&w->given, &w->config, w->arena, v, &n, e));
	w->ca = v[0];
	if (!path || file_read(AT_FDCWD, path, text.max, &text, NULL) != ERR_OK ||
	    json_read(w->arena, buf_bytes(&text), "meta.json", fields, 1, &server, NULL) != ERR_OK)
		return ERR_OK;
	for (size_t i = 0; i < n; i++)
		if (bytes_eq_str(server, v[i].directory))
			w->ca = v[i];
	return ERR_OK;
}

/* The name of a certificate of ours: what is wanted of it says which CA and account. */
static enum err_code read_ours(struct work *w, const char *name, struct buf *out, struct err *e)
{
	const struct given table = { .options = client_revoke_options,
		.n_options = sizeof client_revoke_options / sizeof *client_revoke_options };
	const char *path = (const char *)arena_fmt(w->arena, "%s/%s/live/cert.pem", w->config.folder, name).ptr;
	struct inventory one;

	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	TRY(file_read(AT_FDCWD, path, CERTIFICATE_MAX, out, e));
	TRY(inventory_read(&w->config, w->arena, &name, 1, &table, &one, e));
	bool names_one = given_flag(&w->given, "ca") || given_flag(&w->given, "server");
	for (size_t i = 0; i < one.v[0].given->n; i++) {
		const struct given_one *v = &one.v[0].given->v[i];
		bool is_ca = strcmp(v->option->name, "ca") == 0 || strcmp(v->option->name, "server") == 0;
		if (!(names_one && is_ca) && (v->option->repeats || !given_flag(&w->given, v->option->name)))
			TRY(given_add(&w->given, v, e));
	}
	return choose_ca(w, (const char *)arena_fmt(w->arena, "%s/%s/live/meta.json", w->config.folder, name).ptr, e);
}

/* A file, or the name of a certificate in our folder. */
static enum err_code read_certificate(struct work *w, const char *what, struct buf *out, struct err *e)
{
	enum err_code rc = file_read(AT_FDCWD, what, CERTIFICATE_MAX, out, e);

	if ((rc == ERR_NOT_FOUND || rc == ERR_IO) && !strchr(what, '/'))
		return read_ours(w, what, out, e);
	TRY(rc);
	TRY(config_merge(&w->config, NULL, &w->given, e));
	return choose_ca(w, NULL, e);
}

/* By the certificate's own key, or by the account's; nothing is asked when *out of the work is not CHANCERY_OK. */
static enum err_code open_key(struct work *w, const char *key, struct bytes *ret_spki, struct err *e)
{
	const struct keys_wish own = { .slot = "certificate", .use = KEYS_CERTIFICATE, .may = SIGN_MAY_REVOKE };

	if (key)
		return key_file_open(&w->crew, w->arena, key, &own, ret_spki, e);
	TRY(account_settle(&w->crew, w->arena, &w->ca, NULL, &w->outcome, e));
	if (w->outcome.result != CHANCERY_OK)
		return ERR_OK;
	return key_file_account(&w->crew, w->arena, w->ca.account_key, SIGN_MAY_REVOKE, &w->ca.account, e);
}

static enum err_code run(struct work *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(CERTIFICATE_MAX);
	const char *key = cli_value(w->c, "key", NULL);
	enum chancery_reason reason;
	struct bytes spki = BYTES_NONE;

	w->given = w->c->given;
	TRY(read_reason(w->c, &reason, e));
	TRY(client_config(&w->c->given, w->arena, &w->config, e));
	w->crew.users = w->config.users;
	TRY(read_certificate(w, w->c->arguments[0], &pem, e));
	w->report.server = w->ca.directory;
	TRY(open_key(w, key, &spki, e));
	if (w->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(confirm(w->c, "A certificate that is revoked stays so. Revoke it?", e));
	return ca_revoke(&w->crew, w->arena, &w->ca, buf_bytes(&pem), reason, spki, &w->outcome, e);
}

static int cmd_client_revoke(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 64u << 20);
	struct work w = { .c = c, .arena = a, .report = { .json = cli_flag(c, "json") } };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = run(&w, &e);
	crew_close(&w.crew);
	if (rc != ERR_OK)
		return report_failed_here(&w.report, &e);
	if (w.outcome.result != CHANCERY_OK)
		return report_failed(&w.report, &w.outcome);
	printf(w.report.json ? "{\"result\":\"revoked\"}\n" : "Revoked. Those who look at revocation lists or OCSP see it soon.\n");
	return EXIT_DONE;
}

const struct cli_command client_revoke_command = { "revoke", "NAME|FILE",
	"Has the CA revoke a certificate: one of the folder by its name, or the one in FILE (PEM).", CLI_OPTIONS(client_revoke_options), 1,
	1, cmd_client_revoke };
