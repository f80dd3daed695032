#include "cli/cmd_client_revoke.h"

#include "base/json.h"
#include "cli/client_frame.h"
#include "cli/confirm.h"
#include "cli/issue_report.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CERTIFICATE_MAX (512 * 1024)

const struct given_option client_revoke_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/frame.def"
#undef X
	FOLDER_OPTION,
	{ "reason", "REASON", false, "unspecified (default), keyCompromise, affiliationChanged, superseded or cessationOfOperation." },
	{ "key", "FILE", false,
	    "The certificate's own private key in PEM, which says it instead of the account: for one that other accounts have got." },
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};
const size_t n_client_revoke_options = sizeof client_revoke_options / sizeof *client_revoke_options;

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

/* A file, or the name of a certificate in our folder. */
static enum err_code read_certificate(const struct frame *f, const char *what, struct buf *out, struct err *e)
{
	enum err_code rc = file_read(AT_FDCWD, what, CERTIFICATE_MAX, out, e);

	if (rc == ERR_NOT_FOUND && !strchr(what, '/')) {
		const char *path = (const char *)arena_fmt(f->arena, "%s/%s/live/cert.pem", f->folder, what).ptr;
		rc = path ? file_read(AT_FDCWD, path, CERTIFICATE_MAX, out, e) : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory");
	}
	TRY(rc);
	buf_add_u8(out, 0);
	return ERR_OK;
}

struct work {
	const struct cli *c;
	struct frame frame;
	struct issue_report report;
	struct chancery_client *client;
	struct chancery_key *account, *key;
};

/* ERR_CRYPTO without a detail: the client's error tells. */
static enum err_code run(struct work *w, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(CERTIFICATE_MAX + 1);
	const char *key = cli_value(w->c, "key", NULL);
	enum chancery_reason reason;

	TRY(read_reason(w->c, &reason, e));
	TRY(frame_read(&w->c->given, a, &w->frame, e));
	w->report.server = w->frame.server;
	TRY(read_certificate(&w->frame, w->c->arguments[0], &pem, e));
	if (key)
		TRY(client_frame_key(key, &w->key, e));
	else
		TRY(client_frame_account_key(&w->frame, false, &w->account, e));
	TRY(confirm(w->c, "A certificate that is revoked stays so. Revoke it?", e));
	TRY(client_frame_client(w->c, &w->frame, w->account, &w->client, e));
	if (chancery_client_revoke(w->client, (const char *)pem.ptr, reason, w->key) != CHANCERY_OK)
		return err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "%s", "");
	return ERR_OK;
}

int cmd_client_revoke(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct work w = { .c = c, .report = { .json = cli_flag(c, "json") } };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = run(&w, a, &e);
	if (rc == ERR_OK)
		printf(w.report.json ? "{\"result\":\"revoked\"}\n" : "Revoked. Those who look at revocation lists or OCSP see it soon.\n");
	else if (rc == ERR_CRYPTO && !*e.detail)
		report_failed(&w.report, chancery_client_error(w.client));
	else
		report_failed_here(&w.report, &e);
	chancery_client_free(w.client);
	chancery_key_free(w.account);
	chancery_key_free(w.key);
	return rc == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}
