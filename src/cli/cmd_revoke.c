#include "cli/cmd_revoke.h"

#include "base/codec.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/ca_config.h"
#include "cli/confirm.h"
#include "cli/key_arg.h"
#include "cli/moment.h"
#include "cli/serial_arg.h"
#include "pki/crl.h"
#include "server/admin/issuers.h"
#include "server/admin/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 200 /* serial numbers of one request: they and the rest have room in its line */
#define SHOWN   20  /* of a selection, for people */

static const struct given_option revoke_options[] = {
	CONFIG_OPTION,
	{ "reason", "REASON", false,
	    "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn (needed, but for --dry-run). keyCompromise "
	    "closes the key for good." },
	{ "detail", "TEXT", false, "Why, for the log." },
	{ "account", "ID|URL", false, "All certificates of this account." },
	{ "name", "RULE", false,
	    "All with a name like example.org, .example.org (every name below), web-*.example.org, or an address of 10.0.0.0/8." },
	{ "key", "FILE|DIGEST", false, "All of this key: a file in PEM, or the SHA-256 of the SubjectPublicKeyInfo." },
	{ "issuer", "NAME", false, "All that this issuer has signed." },
	{ "profile", "NAME", false, "All by this profile." },
	{ "method", "TYPE", true, "All where control of a name was shown by this challenge type." },
	{ "issued-since", "TIME", false, "All from this time on: 2026-11-25T08:00:00Z, or how long ago, like 7d." },
	{ "issued-until", "TIME", false, "All before this time." },
	{ "validated-since", "TIME", false, "All where control of a name was shown from this time on." },
	{ "validated-until", "TIME", false, "The same, before this time." },
	{ "dry-run", NULL, false, "Tells which ones, and does nothing." },
	YES_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

static const char *const query_options[] = { "account", "name", "key", "issuer", "profile", "method", "issued-since", "issued-until",
	"validated-since", "validated-until" };

struct work {
	const struct cli *c;
	struct arena *a;
	struct settings settings;
	struct selected *v;
	size_t n;
	const char **outcomes; /* of each; NULL: it was not asked for */
	bool by_query;
};

/* --- which ones --- */

static bool has_query(const struct cli *c)
{
	for (size_t i = 0; i < sizeof query_options / sizeof *query_options; i++)
		if (cli_value(c, query_options[i], NULL))
			return true;
	return false;
}

static enum err_code take_serials(struct work *w, struct err *e)
{
	w->n = w->c->n_arguments;
	w->v = calloc(w->n + 1, sizeof *w->v);
	if (!w->v)
		FAIL(e, NOMEM, "no memory");
	for (size_t i = 0; i < w->n; i++)
		TRY(serial_argument(w->c->arguments[i], w->v[i].serial, e));
	return ERR_OK;
}

static enum err_code find_issuer(struct work *w, const char *name, uint8_t out[ISSUER_KEY_SIZE], struct err *e)
{
	struct issuer_seen seen[ISSUERS_MAX];
	struct cert c;
	size_t n;

	TRY(issuers_seen(&w->settings, w->a, seen, &n, e));
	for (size_t i = 0; i < n; i++)
		if (strcmp(seen[i].name, name) == 0) {
			TRY(cert_parse(w->a, seen[i].certificate, &c, e));
			memcpy(out, c.subject_key_id.ptr, ISSUER_KEY_SIZE);
			return ERR_OK;
		}
	errno = 0;
	FAIL(e, CONFIG, "there is no issuer \"%.40s\": chancery-ca issuer list tells which there are", name);
}

/* What the query's pointers point to. */
struct query_values {
	uint8_t account[32], issuer[ISSUER_KEY_SIZE], key[SHA256_SIZE];
};

static enum err_code read_account(const struct cli *c, struct query_values *v, struct select_query *q, struct err *e)
{
	const char *text = cli_value(c, "account", NULL), *slash = text ? strrchr(text, '/') : NULL;

	if (!text)
		return ERR_OK;
	errno = 0;
	if (base64url_decode_fixed(bytes_str(slash ? slash + 1 : text), v->account, sizeof v->account, NULL) != ERR_OK)
		FAIL(e, CONFIG, "--account is an account's URL, or its last part");
	q->account = v->account;
	return ERR_OK;
}

static enum err_code read_methods(const struct cli *c, struct select_query *q, struct err *e)
{
	enum challenge_type type;
	const char *name;

	for (size_t i = 0; (name = cli_nth(c, "method", i)); i++) {
		errno = 0;
		if (!challenge_type_from_name(bytes_str(name), &type))
			FAIL(e, CONFIG, "--method is http-01, dns-01 or tls-alpn-01, not \"%.40s\"", name);
		q->methods |= UINT32_C(1) << type;
	}
	return ERR_OK;
}

static enum err_code read_query(struct work *w, struct query_values *v, struct select_query *q, struct err *e)
{
	const struct cli *c = w->c;
	const char *name = cli_value(c, "name", NULL), *profile = cli_value(c, "profile", NULL);

	TRY(read_account(c, v, q, e));
	TRY(read_methods(c, q, e));
	if (cli_value(c, "key", NULL)) {
		TRY(key_argument(cli_value(c, "key", NULL), v->key, e));
		q->key_digest = v->key;
	}
	if (cli_value(c, "issuer", NULL)) {
		TRY(find_issuer(w, cli_value(c, "issuer", NULL), v->issuer, e));
		q->issuer = v->issuer;
	}
	q->name = name ? bytes_str(name) : BYTES_NONE;
	q->profile = profile ? bytes_str(profile) : BYTES_NONE;
	TRY(moment_option(c, "issued-since", 0, &q->issued_since_s, e));
	TRY(moment_option(c, "issued-until", INT64_MAX / 1000, &q->issued_until_s, e));
	TRY(moment_option(c, "validated-since", 0, &q->validated_since_s, e));
	return moment_option(c, "validated-until", INT64_MAX / 1000, &q->validated_until_s, e);
}

static enum err_code write_all(int fd, const void *p, size_t n, struct err *e)
{
	for (size_t at = 0; at < n;) {
		ssize_t done = write(fd, (const uint8_t *)p + at, n - at);
		if (done < 0)
			FAIL(e, IO, "cannot keep what was found");
		at += (size_t)done;
	}
	return ERR_OK;
}

/* In a process of its own, as it becomes the signer's user, who may not ask the signer anything. */
static enum err_code select_into(struct work *w, int fd, struct err *e)
{
	struct query_values values;
	struct select_query q = SELECT_ANY_TIME;
	struct selection found;

	TRY(read_query(w, &values, &q, e));
	TRY(select_certificates(&w->settings, &q, &found, e));
	enum err_code rc = write_all(fd, found.v, found.n * sizeof *found.v, e);
	selection_free(&found);
	return rc;
}

static enum err_code take_selection(struct work *w, int fd, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END);

	w->n = size > 0 ? (size_t)size / sizeof *w->v : 0;
	w->v = calloc(w->n + 1, sizeof *w->v);
	if (!w->v)
		FAIL(e, NOMEM, "no memory for what was found");
	for (size_t at = 0; at < w->n * sizeof *w->v;) {
		ssize_t n = pread(fd, (uint8_t *)w->v + at, w->n * sizeof *w->v - at, (off_t)at);
		if (n <= 0)
			FAIL(e, IO, "cannot read what was found");
		at += (size_t)n;
	}
	return ERR_OK;
}

/* The child tells its own errors; then CLOSED, and nothing more is to be said. */
static enum err_code run_query(struct work *w, struct err *e)
{
	CLEANUP(close_p) int fd = memfd_create("selected", MFD_CLOEXEC);
	int status = -1;

	if (fd < 0)
		FAIL(e, NOMEM, "no memory for what is found");
	pid_t pid = fork();
	if (pid < 0)
		FAIL(e, NOMEM, "cannot start a process");
	if (pid == 0) {
		enum err_code rc = select_into(w, fd, e);
		_exit(rc == ERR_OK ? EXIT_DONE : cli_fail(w->c, e));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	errno = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DONE)
		FAIL(e, CLOSED, "the search has failed");
	return take_selection(w, fd, e);
}

/* --- telling --- */

static void print_selection(const struct work *w)
{
	char issued[MOMENT_SIZE], serial[HEX_LEN(SERIAL_SIZE) + 1];

	if (w->n > 0)
		printf("%-32s  %-20s  NAMES\n", "SERIAL", "ISSUED");
	for (size_t i = 0; i < w->n && i < SHOWN; i++) {
		const struct selected *v = &w->v[i];
		hex_encode(BYTES_ARRAY(v->serial), serial);
		moment_text(v->issued_s, issued);
		printf("%s  %s  %s", serial, issued, v->name);
		if (v->n_names > 1)
			printf(" and %u more", (unsigned)v->n_names - 1);
		printf("\n");
	}
	if (w->n > SHOWN)
		printf("... and %zu more; --json has them all\n", w->n - SHOWN);
	printf("%zu certificate%s\n", w->n, w->n == 1 ? "" : "s");
}

static void put_one(const struct work *w, size_t i, struct json_out *j)
{
	const struct selected *v = &w->v[i];
	char serial[HEX_LEN(SERIAL_SIZE) + 1], account[BASE64URL_LEN(32) + 1];

	hex_encode(BYTES_ARRAY(v->serial), serial);
	json_put_object(j);
	json_put_member_str(j, "serial", serial);
	json_put_member_str(j, "outcome", w->outcomes[i] ? w->outcomes[i] : "selected");
	if (w->by_query) {
		base64url_encode(BYTES_ARRAY(v->account), account);
		json_put_member_str(j, "account", account);
		json_put_member_uint(j, "issued", (uint64_t)v->issued_s);
		json_put_member_uint(j, "notAfter", (uint64_t)v->not_after_s);
		json_put_member_str(j, "name", v->name);
		json_put_member_uint(j, "names", v->n_names);
	}
	json_end_object(j);
}

static size_t count(const struct work *w, const char *outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->outcomes[i] && strcmp(w->outcomes[i], outcome) == 0;
	return n;
}

static void print_json(const struct work *w, bool dry)
{
	printf("{\"dryRun\":%s,\"selected\":%zu,\"revoked\":%zu,\"certificates\":[", dry ? "true" : "false", w->n, count(w, "revoked"));
	for (size_t i = 0; i < w->n; i++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(4096);
		struct json_out j = json_out_to(&out);
		put_one(w, i, &j);
		printf("%s\n  %.*s", i ? "," : "", BYTES_FMT(buf_bytes(&out)));
	}
	printf("%s]}\n", w->n ? "\n" : "");
}

static void print_outcome(const struct work *w)
{
	static const struct {
		const char *outcome, *text;
	} others[] = {
		{ "already", "revoked already" },
		{ "expired", "expired: nobody takes them any more" },
		{ "unknown", "not of this CA" },
		{ "no-list", "of an issuer that makes no lists any more" },
	};

	printf("Revoked: %zu. The lists that say so are made within seconds.\n", count(w, "revoked"));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (count(w, others[i].outcome) > 0)
			printf("%zu: %s.\n", count(w, others[i].outcome), others[i].text);
}

/* --- doing --- */

struct done {
	struct bytes certificates;
};
static const struct json_field done_fields[] = { JSON_FIELD(struct done, certificates, "certificates", JSON_ARRAY, true, 0) };
struct one_done {
	struct bytes outcome;
};
static const struct json_field one_done_fields[] = { JSON_FIELD(struct one_done, outcome, "outcome", JSON_STRING, true, 32) };

static enum err_code take_answer(struct work *w, struct bytes answer, size_t from, size_t n, struct err *e)
{
	struct bytes *elements;
	struct done d;
	size_t got;

	TRY(json_read(w->a, answer, "the signer's answer", done_fields, 1, &d, e));
	TRY(json_elements(w->a, d.certificates, AT_ONCE, &elements, &got, e));
	errno = 0;
	if (got != n)
		FAIL(e, BUG, "the signer has answered for %zu certificates of %zu", got, n);
	for (size_t i = 0; i < n; i++) {
		struct one_done one;
		TRY(json_read(w->a, elements[i], "a certificate", one_done_fields, 1, &one, e));
		w->outcomes[from + i] = arena_str(w->a, one.outcome);
	}
	return ERR_OK;
}

static enum err_code revoke_some(struct work *w, size_t from, size_t n, struct err *e)
{
	CLEANUP(buf_free_p) struct buf request = buf_new(ASK_LINE_MAX), answer = buf_new(ASK_ANSWER_MAX);
	const char *detail = cli_value(w->c, "detail", NULL);
	struct json_out j = json_out_to(&request);
	char serial[HEX_LEN(SERIAL_SIZE) + 1];

	json_put_object(&j);
	json_put_member_str(&j, "command", "revoke");
	json_put_member_str(&j, "reason", cli_value(w->c, "reason", ""));
	if (detail)
		json_put_member_str(&j, "detail", detail);
	json_put_key(&j, "serials");
	json_put_array(&j);
	for (size_t i = from; i < from + n; i++) {
		hex_encode(BYTES_ARRAY(w->v[i].serial), serial);
		json_put_string(&j, bytes_str(serial));
	}
	json_end_array(&j);
	json_end_object(&j);
	TRY(ask_signer(&w->settings, w->a, &request, &answer, e));
	return take_answer(w, buf_bytes(&answer), from, n, e);
}

static enum err_code revoke_all(struct work *w, struct err *e)
{
	char question[160];

	if (w->by_query || w->n > 1) {
		(void)snprintf(question, sizeof question, "Revoke %s %zu certificate%s as %s?", w->n == 1 ? "this" : "these", w->n,
		    w->n == 1 ? "" : "s", cli_value(w->c, "reason", ""));
		TRY(confirm(w->c, question, e));
	}
	for (size_t at = 0; at < w->n; at += AT_ONCE)
		TRY(revoke_some(w, at, w->n - at < AT_ONCE ? w->n - at : AT_ONCE, e));
	return ERR_OK;
}

static enum err_code check_words(struct work *w, struct err *e)
{
	const struct cli *c = w->c;

	errno = 0;
	w->by_query = has_query(c);
	if (w->by_query && c->n_arguments > 0)
		FAIL(e, CONFIG, "either serial numbers, or options that say which ones: not both");
	if (!w->by_query && c->n_arguments == 0)
		FAIL(e, CONFIG,
		    "which ones? Name serial numbers or files, or use --account, --name, --key, --issuer, --profile, --method or a time");
	if (!cli_value(c, "reason", NULL) && !cli_flag(c, "dry-run"))
		FAIL(e, CONFIG, "--reason is needed: the lists tell it to everybody");
	return ERR_OK;
}

static enum err_code run(struct work *w, struct err *e)
{
	bool dry = cli_flag(w->c, "dry-run"), json = cli_flag(w->c, "json");

	TRY(check_words(w, e));
	TRY(ca_config_read(w->c, w->a, &w->settings, e));
	TRY(w->by_query ? run_query(w, e) : take_serials(w, e));
	w->outcomes = calloc(w->n + 1, sizeof *w->outcomes);
	if (!w->outcomes)
		FAIL(e, NOMEM, "no memory");
	if (w->by_query && !json)
		print_selection(w);
	if (!dry && w->n > 0)
		TRY(revoke_all(w, e));
	if (json)
		print_json(w, dry);
	else if (!dry && w->n > 0)
		print_outcome(w);
	return ERR_OK;
}

static int cmd_revoke(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 512u << 20);
	struct work w = { .c = c, .a = a };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = run(&w, &e);
	int code = rc == ERR_OK ? EXIT_DONE : rc == ERR_CLOSED && w.by_query && !w.v ? EXIT_FAILED : cli_fail(c, &e);
	if (rc == ERR_OK && w.outcomes && count(&w, "unknown") + count(&w, "no-list") > 0)
		code = EXIT_FAILED;
	free(w.v);
	free(w.outcomes);
	return code;
}

const struct cli_command revoke_command = { "revoke", "[SERIAL|FILE...]",
	"Revokes certificates: those that are named, or all that the options tell, which are looked for in the signer's log (as root or the files' owner). What "
	"several options say must all be true. More than one is asked about first. The server must run.",
	CLI_OPTIONS(revoke_options), 0, 64, cmd_revoke };
