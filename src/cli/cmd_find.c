#include "cli/cmd_find.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/ca_config.h"
#include "cli/moment.h"
#include "cli/serial_arg.h"
#include "pki/crl.h"
#include "server/parent/config_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define PER_QUESTION  500
#define NAMES_SHOWN   3

#define NAME_OPTION                                                                                                                  \
	{                                                                                                                            \
		"name", "RULE", false, "With a name like example.org, .example.org (every name below), or an address of 10.0.0.0/8." \
	}
#define LIMIT_OPTION                                                                                                       \
	{                                                                                                                  \
		"limit", "NUMBER", false, "How many at most (default: 100); 0: all that there are, however long it takes." \
	}
#define JSON_OPTION                                            \
	{                                                      \
		"json", NULL, false, "Prints one JSON object." \
	}

static const struct given_option certificates_options[] = {
	CONFIG_OPTION,
	NAME_OPTION,
	{ "account", "ID|URL", false, "Of this account." },
	{ "issuer", "NAME", false, "Signed by this issuer." },
	{ "key-type", "TYPE", false, "With a key of this type: ecdsa-p256, ecdsa-p384, rsa, ml-dsa-44, ml-dsa-65 or ml-dsa-87." },
	{ "method", "TYPE", false, "Where control of a name was shown by this challenge type." },
	{ "validated-since", "TIME", false,
	    "Where control of a name was shown from this time on: 2026-11-25T08:00:00Z, or how long ago, like 7d." },
	{ "validated-until", "TIME", false, "The same, before this time." },
	{ "issued-since", "TIME", false, "Issued from this time on." },
	{ "issued-until", "TIME", false, "Issued before this time." },
	{ "expires-within", "TIME", false, "Ending from now on until then, like 30d." },
	{ "expired", NULL, false, "That have ended." },
	{ "revoked", NULL, false, "That are revoked." },
	{ "valid", NULL, false, "That have not ended and are not revoked." },
	LIMIT_OPTION,
	JSON_OPTION,
};
static const struct given_option orders_options[] = {
	CONFIG_OPTION,
	NAME_OPTION,
	{ "account", "ID|URL", false, "Of this account." },
	{ "state", "STATE", false, "In this state: pending, ready, processing, valid or invalid." },
	{ "issued-since", "TIME", false, "Made from this time on: 2026-11-25T08:00:00Z, or how long ago, like 7d." },
	{ "issued-until", "TIME", false, "Made before this time." },
	LIMIT_OPTION,
	JSON_OPTION,
};
static const struct given_option accounts_options[] = {
	CONFIG_OPTION,
	{ "contact", "TEXT", false, "With this in a contact." },
	{ "kid", "KID", false, "Bound by this external account key." },
	{ "state", "STATE", false, "In this state: valid or deactivated." },
	{ "issued-since", "TIME", false, "Made from this time on: 2026-11-25T08:00:00Z, or how long ago, like 7d." },
	{ "issued-until", "TIME", false, "Made before this time." },
	LIMIT_OPTION,
	JSON_OPTION,
};

/* What is asked for, one object after the other. */
struct finding {
	const struct cli *c;
	const char *what; /* "certificates": the command and the member of the answer */
	struct settings settings;
	struct arena *a, *page;
	struct bytes serial, account; /* ptr NULL: not one alone */
	uint64_t limit, n;
	bool json;
	void (*print)(struct finding *f, struct bytes object);
};

/* --- the question --- */

static void put_text(const struct finding *f, struct json_out *w, const char *option, const char *member)
{
	const char *value = cli_value(f->c, option, NULL);

	if (value)
		json_put_member_str(w, member, value);
}

static enum err_code put_moment(const struct finding *f, struct json_out *w, const char *option, const char *member, struct err *e)
{
	int64_t time_s;

	TRY(moment_option(f->c, option, -1, &time_s, e));
	if (time_s >= 0)
		json_put_member_uint(w, member, (uint64_t)time_s);
	return ERR_OK;
}

/* How long ahead. */
static enum err_code put_expiry(const struct finding *f, struct json_out *w, struct err *e)
{
	const char *within = cli_value(f->c, "expires-within", NULL);
	uint64_t now_s = (uint64_t)clock_wall_ms() / 1000, ahead_s;

	errno = 0;
	if (within && config_seconds(within, &ahead_s, NULL) != ERR_OK)
		FAIL(e, CONFIG, "--expires-within is a time like 30d or 12h, not \"%.60s\"", within);
	if (within || cli_flag(f->c, "valid"))
		json_put_member_uint(w, "expiresAfter", now_s);
	if (within)
		json_put_member_uint(w, "expiresBefore", now_s + ahead_s);
	else if (cli_flag(f->c, "expired"))
		json_put_member_uint(w, "expiresBefore", now_s);
	if (cli_flag(f->c, "revoked") || cli_flag(f->c, "valid"))
		json_put_member_bool(w, "revoked", cli_flag(f->c, "revoked"));
	return ERR_OK;
}

static enum err_code put_question(const struct finding *f, const char *next, struct json_out *w, struct err *e)
{
	static const struct {
		const char *option, *member;
	} texts[] = { { "name", "name" }, { "issuer", "issuer" }, { "key-type", "keyType" }, { "method", "method" }, { "state", "state" },
		{ "contact", "contact" }, { "kid", "kid" } };
	static const struct {
		const char *option, *member;
	} moments[] = { { "issued-since", "issuedSince" }, { "issued-until", "issuedUntil" }, { "validated-since", "validatedSince" },
		{ "validated-until", "validatedUntil" } };
	uint64_t left = f->limit ? f->limit - f->n : PER_QUESTION;

	json_put_object(w);
	json_put_member_str(w, "command", f->what);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		put_text(f, w, texts[i].option, texts[i].member);
	for (size_t i = 0; i < sizeof moments / sizeof *moments; i++)
		TRY(put_moment(f, w, moments[i].option, moments[i].member, e));
	TRY(put_expiry(f, w, e));
	if (f->serial.ptr)
		json_put_member(w, "serial", f->serial);
	if (f->account.ptr)
		json_put_member(w, "account", f->account);
	if (next)
		json_put_member_str(w, "before", next);
	json_put_member_uint(w, "limit", left < PER_QUESTION ? left : PER_QUESTION);
	json_end_object(w);
	return ERR_OK;
}

/* --- the answer --- */

struct answer {
	struct bytes certificates, orders, accounts, next;
};
static const struct json_field answer_fields[] = {
	JSON_FIELD(struct answer, certificates, "certificates", JSON_ARRAY, false, 0),
	JSON_FIELD(struct answer, orders, "orders", JSON_ARRAY, false, 0),
	JSON_FIELD(struct answer, accounts, "accounts", JSON_ARRAY, false, 0),
	JSON_FIELD(struct answer, next, "next", JSON_STRING, false, 128),
};

static enum err_code take_page(struct finding *f, struct bytes text, char next[129], struct err *e)
{
	struct bytes *v;
	struct answer r;
	size_t n;

	TRY(json_read(f->page, text, "the answer", answer_fields, sizeof answer_fields / sizeof *answer_fields, &r, e));
	struct bytes array = r.certificates.ptr ? r.certificates : r.orders.ptr ? r.orders : r.accounts;
	errno = 0;
	if (!array.ptr)
		FAIL(e, BUG, "an answer without %s", f->what);
	TRY(json_elements(f->page, array, PER_QUESTION, &v, &n, e));
	for (size_t i = 0; i < n; i++) {
		if (f->json)
			printf("%s\n  %.*s", f->n ? "," : "", BYTES_FMT(v[i]));
		else
			f->print(f, v[i]);
		f->n++;
	}
	(void)snprintf(next, 129, "%.*s", BYTES_FMT(r.next));
	return ERR_OK;
}

static enum err_code go_through(struct finding *f, bool *ret_more, struct err *e)
{
	CLEANUP(buf_free_p) struct buf request = buf_new(ASK_LINE_MAX), answer = buf_new(ASK_ANSWER_MAX);
	char next[129] = "";

	do {
		struct json_out w = json_out_to(&request);
		buf_reset(&request);
		buf_reset(&answer);
		arena_reset(f->page);
		TRY(put_question(f, *next ? next : NULL, &w, e));
		TRY(ask_front(&f->settings, f->page, &request, &answer, e));
		TRY(take_page(f, buf_bytes(&answer), next, e));
	} while (*next && (!f->limit || f->n < f->limit));
	*ret_more = *next != 0;
	return ERR_OK;
}

/* --- tables --- */

struct row {
	struct bytes serial, id, account, state, issuer, key_type, profile, url, kid;
	struct json_uint not_after, revoked, reason, created, expires;
	struct json_strings names, contacts;
};
static const struct json_field row_fields[] = {
	JSON_FIELD(struct row, serial, "serial", JSON_STRING, false, 0),
	JSON_FIELD(struct row, id, "id", JSON_STRING, false, 0),
	JSON_FIELD(struct row, account, "account", JSON_STRING, false, 0),
	JSON_FIELD(struct row, state, "state", JSON_STRING, false, 0),
	JSON_FIELD(struct row, issuer, "issuer", JSON_STRING, false, 0),
	JSON_FIELD(struct row, key_type, "keyType", JSON_STRING, false, 0),
	JSON_FIELD(struct row, profile, "profile", JSON_STRING, false, 0),
	JSON_FIELD(struct row, kid, "kid", JSON_STRING, false, 0),
	JSON_FIELD(struct row, not_after, "notAfter", JSON_UINT, false, 0),
	JSON_FIELD(struct row, revoked, "revoked", JSON_UINT, false, 0),
	JSON_FIELD(struct row, reason, "reason", JSON_UINT, false, 0),
	JSON_FIELD(struct row, created, "created", JSON_UINT, false, 0),
	JSON_FIELD(struct row, expires, "expires", JSON_UINT, false, 0),
	JSON_FIELD(struct row, names, "names", JSON_STRINGS, false, 0),
	JSON_FIELD(struct row, contacts, "contacts", JSON_STRINGS, false, 0),
};

static bool read_row(struct finding *f, struct bytes object, struct row *r)
{
	return json_read(f->page, object, "a row", row_fields, sizeof row_fields / sizeof *row_fields, r, NULL) == ERR_OK;
}

static void print_list(const struct json_strings *v)
{
	for (size_t i = 0; i < v->n && i < NAMES_SHOWN; i++)
		printf("%s%.*s", i ? ", " : "", BYTES_FMT(v->v[i]));
	if (v->n > NAMES_SHOWN)
		printf(" and %zu more", v->n - NAMES_SHOWN);
	printf("\n");
}

static void print_certificate(struct finding *f, struct bytes object)
{
	struct row r;
	char end[MOMENT_SIZE];
	const char *status;

	if (!read_row(f, object, &r))
		return;
	if (f->n == 0)
		printf("%-32s  %-20s  %-20s  %-10s  NAMES\n", "SERIAL", "ENDS", "STATUS", "ISSUER");
	moment_text((int64_t)r.not_after.value, end);
	status = r.revoked.set                                         ? crl_reason_name(r.reason.value)
		 : (int64_t)r.not_after.value < clock_wall_ms() / 1000 ? "expired"
								       : "valid";
	printf("%.*s  %s  %-20s  %-10.*s  ", BYTES_FMT(r.serial), end, status ? status : "revoked", BYTES_FMT(r.issuer));
	print_list(&r.names);
}

static void print_order(struct finding *f, struct bytes object)
{
	struct row r;
	char made[MOMENT_SIZE];

	if (!read_row(f, object, &r))
		return;
	if (f->n == 0)
		printf("%-40s  %-20s  %-10s  %-12s  NAMES\n", "ORDER", "MADE", "STATE", "PROFILE");
	moment_text((int64_t)r.created.value, made);
	printf("%.*s  %s  %-10.*s  %-12.*s  ", BYTES_FMT(r.id), made, BYTES_FMT(r.state), BYTES_FMT(r.profile));
	print_list(&r.names);
}

static void print_account(struct finding *f, struct bytes object)
{
	struct row r;
	char made[MOMENT_SIZE];

	if (!read_row(f, object, &r))
		return;
	if (f->n == 0)
		printf("%-43s  %-20s  %-11s  %-20s  CONTACTS\n", "ACCOUNT", "MADE", "STATE", "BOUND BY");
	moment_text((int64_t)r.created.value, made);
	printf("%.*s  %s  %-11.*s  %-20.*s  ", BYTES_FMT(r.id), made, BYTES_FMT(r.state), BYTES_FMT(r.kid));
	print_list(&r.contacts);
}

/* --- commands --- */

static enum err_code read_limit(struct finding *f, struct err *e)
{
	const char *text = cli_value(f->c, "limit", NULL);
	char *end;

	f->limit = LIMIT_DEFAULT;
	if (!text)
		return ERR_OK;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || *end || *text == '-' || end == text || v > 100000000)
		FAIL(e, CONFIG, "--limit is a number up to 100000000, not \"%.40s\"", text);
	f->limit = v;
	return ERR_OK;
}

static enum err_code read_words(struct finding *f, struct err *e)
{
	const char *one = f->c->n_arguments ? f->c->arguments[0] : NULL, *account = cli_value(f->c, "account", NULL);
	char hex[HEX_LEN(SERIAL_SIZE) + 1];
	uint8_t serial[SERIAL_SIZE];

	if (one && strcmp(f->what, "certificates") == 0) {
		TRY(serial_argument(one, serial, e));
		hex_encode(BYTES_ARRAY(serial), hex);
		f->serial = arena_copy(f->a, bytes_str(hex));
	} else if (one) {
		account = one;
	}
	const char *slash = account ? strrchr(account, '/') : NULL;
	f->account = account ? bytes_str(slash ? slash + 1 : account) : BYTES_NONE;
	return read_limit(f, e);
}

static enum err_code find(struct finding *f, struct err *e)
{
	bool more = false;

	if (!f->a || !f->page)
		FAIL(e, NOMEM, "no memory");
	TRY(ca_config_read(f->c, f->a, &f->settings, e));
	TRY(read_words(f, e));
	f->json = cli_flag(f->c, "json");
	if (f->json)
		printf("{\"%s\": [", f->what);
	enum err_code rc = go_through(f, &more, e);
	if (f->json && rc == ERR_OK)
		printf("%s], \"more\": %s}\n", f->n ? "\n" : "", more ? "true" : "false");
	else if (rc == ERR_OK && f->n == 0)
		printf("There are no such %s.\n", f->what);
	else if (rc == ERR_OK)
		printf("%llu %s%s\n", (unsigned long long)f->n, f->what, more ? "; there may be more: --limit 0 has all" : "");
	return rc;
}

static int run(struct cli *c, const char *what, void (*print)(struct finding *f, struct bytes object))
{
	struct finding f = { .c = c, .what = what, .a = arena_new(16384, 1u << 20), .page = arena_new(65536, 16u << 20), .print = print };
	struct err e = { 0 };

	enum err_code rc = find(&f, &e);
	arena_free(f.a);
	arena_free(f.page);
	return rc == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

static int cmd_certificates(struct cli *c)
{
	return run(c, "certificates", print_certificate);
}

static int cmd_orders(struct cli *c)
{
	return run(c, "orders", print_order);
}

static int cmd_accounts(struct cli *c)
{
	return run(c, "accounts", print_account);
}

const struct cli_command certificates_command = { "certificates", "[SERIAL|FILE]",
	"Certificates, the newest first: the one that is named, or those that the options tell; what several say must all be true. The server must run.",
	CLI_OPTIONS(certificates_options), 0, 1, cmd_certificates };

const struct cli_command orders_command = { "orders", "",
	"Orders, the newest first, all or those that the options tell. The server must run.", CLI_OPTIONS(orders_options), 0, 0,
	cmd_orders };

const struct cli_command accounts_command = { "accounts", "[ID|URL]",
	"Accounts: the one that is named, all, or those that the options tell. The server must run.", CLI_OPTIONS(accounts_options), 0, 1,
	cmd_accounts };
