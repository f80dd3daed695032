#include "cli/cmd_client_revoke.h"

#include "agent/ca_call.h"
#include "agent/key_file.h"
#include "base/json.h"
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
	return rc;
}

struct work {
	const struct cli *c;
	struct crew crew;
	struct frame frame;
	struct issue_report report;
	struct outcome outcome;
};

static enum err_code run(struct work *w, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(CERTIFICATE_MAX);
	const struct keys_wish own = { .slot = "certificate", .use = KEYS_CERTIFICATE, .may = SIGN_MAY_REVOKE };
	const char *key = cli_value(w->c, "key", NULL);
	enum chancery_reason reason;
	struct bytes spki = BYTES_NONE;
	struct ca_wish ca;

	TRY(read_reason(w->c, &reason, e));
	TRY(frame_read(&w->c->given, a, &w->frame, e));
	w->report.server = w->frame.server;
	TRY(ca_wish_read(&w->c->given, &w->frame, &ca, e));
	TRY(read_certificate(&w->frame, w->c->arguments[0], &pem, e));
	if (key)
		TRY(key_file_open(&w->crew, a, key, &own, &spki, e));
	else
		TRY(key_file_account(&w->crew, a, w->frame.account_key, SIGN_MAY_REVOKE, &ca.account, e));
	TRY(confirm(w->c, "A certificate that is revoked stays so. Revoke it?", e));
	return ca_revoke(&w->crew, a, &ca, buf_bytes(&pem), reason, spki, &w->outcome, e);
}

int cmd_client_revoke(struct cli *c)
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
	printf(w.report.json ? "{\"result\":\"revoked\"}\n" : "Revoked. Those who look at revocation lists or OCSP see it soon.\n");
	return EXIT_DONE;
}
