#include "cli/cmd_eab.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/ask.h"
#include "cli/ca_config.h"
#include "server/parent/config_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX  256
#define PAGES_MAX 64

static const struct given_option eab_options[] = {
	CONFIG_OPTION,
	{ "label", "TEXT", false, "add: what the key is called in the list." },
	{ "expires", "TIME", false, "add: how long accounts can be bound by it, like 30d or 12h (default: without end)." },
	{ "uses", "NUMBER", false, "add: how many accounts can be bound by it (default: any number)." },
	{ "name", "RULE", true,
	    "add: what its accounts may have certified: example.org, .example.org (every name below), a pattern like web-*.example.org, or a "
	    "range of addresses like 10.0.0.0/8 (default: everything that the policy allows)." },
	{ "profile", "NAME", true, "add: a profile that its accounts may use (default: all)." },
	{ "alg", "ALG", false, "add: the strongest MAC that it is long enough for: HS256 (default), HS384 or HS512." },
	{ "json", NULL, false, "Prints what the signer answers, one JSON object." },
};

struct key {
	struct bytes kid, label, state, key, alg;
	struct json_uint created, expires, revoked, uses, uses_max, last_used;
	struct json_strings names, profiles;
};
static const struct json_field key_fields[] = {
	JSON_FIELD(struct key, kid, "kid", JSON_STRING, true, 64),
	JSON_FIELD(struct key, label, "label", JSON_STRING, true, 0),
	JSON_FIELD(struct key, state, "state", JSON_STRING, true, 0),
	JSON_FIELD(struct key, key, "key", JSON_STRING, false, 0),
	JSON_FIELD(struct key, alg, "alg", JSON_STRING, false, 0),
	JSON_FIELD(struct key, created, "created", JSON_UINT, false, 0),
	JSON_FIELD(struct key, expires, "expires", JSON_UINT, false, 0),
	JSON_FIELD(struct key, revoked, "revoked", JSON_UINT, false, 0),
	JSON_FIELD(struct key, uses, "uses", JSON_UINT, true, 0),
	JSON_FIELD(struct key, uses_max, "usesMax", JSON_UINT, false, 0),
	JSON_FIELD(struct key, last_used, "lastUsed", JSON_UINT, false, 0),
	JSON_FIELD(struct key, names, "names", JSON_STRINGS, false, 0),
	JSON_FIELD(struct key, profiles, "profiles", JSON_STRINGS, false, 0),
};
struct list {
	struct bytes keys;
	struct json_bool more;
};
static const struct json_field list_fields[] = {
	JSON_FIELD(struct list, keys, "keys", JSON_ARRAY, true, 0),
	JSON_FIELD(struct list, more, "more", JSON_BOOL, true, 0),
};
#define FIELDS(f) (f), sizeof(f) / sizeof *(f)

static enum err_code read_key(struct arena *a, struct bytes json, struct key *ret, struct err *e)
{
	*ret = (struct key){ .kid = BYTES_NONE };
	return json_read(a, json, "a key", FIELDS(key_fields), ret, e);
}

/* --- add --- */

static enum err_code put_number(const struct cli *c, const char *option, struct json_out *w, struct err *e)
{
	const char *text = cli_value(c, option, NULL);
	char *end;

	if (!text)
		return ERR_OK;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || *end || *text == '-' || v == 0 || v > 1000000000)
		FAIL(e, CONFIG, "--%s is a number from 1 to 1000000000, not \"%s\"", option, text);
	json_put_member_uint(w, option, v);
	return ERR_OK;
}

static enum err_code put_lifetime(const struct cli *c, struct json_out *w, struct err *e)
{
	const char *text = cli_value(c, "expires", NULL);
	struct err why = { 0 };
	uint64_t seconds;

	if (!text)
		return ERR_OK;
	if (config_seconds(text, &seconds, &why) != ERR_OK)
		FAIL(e, CONFIG, "--expires: %s", why.detail);
	json_put_member_uint(w, "lifetime", seconds);
	return ERR_OK;
}

static void put_strings(const struct cli *c, const char *option, const char *member, struct json_out *w)
{
	const char *value;

	if (!cli_nth(c, option, 0))
		return;
	json_put_key(w, member);
	json_put_array(w);
	for (size_t i = 0; (value = cli_nth(c, option, i)); i++)
		json_put_string(w, bytes_str(value));
	json_end_array(w);
}

static enum err_code put_add(const struct cli *c, struct json_out *w, struct err *e)
{
	const char *label = cli_value(c, "label", NULL), *alg = cli_value(c, "alg", NULL);

	json_put_object(w);
	json_put_member_str(w, "command", "eab-add");
	if (label)
		json_put_member_str(w, "label", label);
	if (alg)
		json_put_member_str(w, "alg", alg);
	TRY(put_lifetime(c, w, e));
	TRY(put_number(c, "uses", w, e));
	put_strings(c, "name", "names", w);
	put_strings(c, "profile", "profiles", w);
	json_end_object(w);
	return ERR_OK;
}

static void tell_off(const struct settings *s)
{
	if (bytes_eq_str(s->external_accounts, "off"))
		fprintf(stderr, "chancery-ca: note: external-accounts is off in the configuration, so the key is not asked for\n");
}

static void print_new(const struct settings *s, const struct key *k)
{
	printf("kid: %.*s\nkey: %.*s\n\nThe key is shown this once. With certbot:\n"
	       "  certbot register --server %.*s/directory --eab-kid %.*s --eab-hmac-key %.*s",
	    BYTES_FMT(k->kid), BYTES_FMT(k->key), BYTES_FMT(s->base_url), BYTES_FMT(k->kid), BYTES_FMT(k->key));
	if (!bytes_eq_str(k->alg, "HS256"))
		printf(" --eab-hmac-alg %.*s", BYTES_FMT(k->alg));
	printf("\n");
}

static enum err_code run_add(const struct cli *c, const struct settings *s, struct arena *a, struct err *e)
{
	CLEANUP(buf_free_p) struct buf request = buf_new(16384), answer = buf_new_secret(ASK_ANSWER_MAX);
	struct json_out w = json_out_to(&request);
	struct key k;

	TRY(put_add(c, &w, e));
	TRY(ask_signer(s, a, &request, &answer, e));
	tell_off(s);
	if (cli_flag(c, "json")) {
		printf("%.*s", BYTES_FMT(buf_bytes(&answer)));
		return ERR_OK;
	}
	TRY(read_key(a, buf_bytes(&answer), &k, e));
	print_new(s, &k);
	return ERR_OK;
}

/* --- list --- */

static const char *date(const struct json_uint *at, char out[RFC3339_SIZE])
{
	if (!at->set)
		return "-";
	rfc3339_format((int64_t)at->value, out);
	return out;
}

static void print_strings(const char *what, const struct json_strings *v)
{
	if (v->n == 0)
		return;
	printf("    %s", what);
	for (size_t i = 0; i < v->n; i++)
		printf(" %.*s", BYTES_FMT(v->v[i]));
	printf("\n");
}

static void print_key(const struct key *k)
{
	char uses[32], expires[RFC3339_SIZE], used[RFC3339_SIZE];

	if (k->uses_max.set)
		(void)snprintf(uses, sizeof uses, "%llu/%llu", (unsigned long long)k->uses.value, (unsigned long long)k->uses_max.value);
	else
		(void)snprintf(uses, sizeof uses, "%llu", (unsigned long long)k->uses.value);
	printf("%-20.*s  %-8.*s  %9s  %-20s  %-20s  %.*s\n", BYTES_FMT(k->kid), BYTES_FMT(k->state), uses, date(&k->last_used, used),
	    date(&k->expires, expires), BYTES_FMT(k->label));
	print_strings("names:", &k->names);
	print_strings("profiles:", &k->profiles);
}

static enum err_code print_page(struct arena *a, struct bytes keys, bool json, bool first, struct bytes *ret_last, struct err *e)
{
	struct bytes *v;
	size_t n;
	struct key k = { .kid = BYTES_NONE };

	TRY(json_elements(a, keys, PAGE_MAX, &v, &n, e));
	for (size_t i = 0; i < n; i++) {
		TRY(read_key(a, v[i], &k, e));
		if (json)
			printf("%s%.*s", first && i == 0 ? "" : ",", BYTES_FMT(v[i]));
		else
			print_key(&k);
	}
	*ret_last = k.kid;
	return ERR_OK;
}

/* One page of the list: the keys behind the last one that was shown. */
static enum err_code ask_page(const struct settings *s, struct arena *a, struct bytes after, struct list *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf request = buf_new(16384), answer = buf_new(ASK_ANSWER_MAX);
	struct json_out w = json_out_to(&request);

	json_put_object(&w);
	json_put_member_str(&w, "command", "eab-list");
	if (after.ptr)
		json_put_member(&w, "after", after);
	json_end_object(&w);
	TRY(ask_signer(s, a, &request, &answer, e));
	struct bytes text = arena_copy(a, buf_bytes(&answer));
	if (!text.ptr)
		FAIL(e, NOMEM, "no memory for the list");
	*ret = (struct list){ .keys = BYTES_NONE };
	return json_read(a, text, "the list", FIELDS(list_fields), ret, e);
}

static enum err_code run_list(const struct cli *c, const struct settings *s, struct arena *a, struct err *e)
{
	bool json = cli_flag(c, "json");
	struct bytes last = BYTES_NONE;
	struct list l = { .more.value = true };

	if (json)
		printf("{\"keys\":[");
	else
		printf("%-20s  %-8s  %9s  %-20s  %-20s  %s\n", "KID", "STATE", "USES", "LAST USE", "EXPIRES", "LABEL");
	for (size_t i = 0; l.more.value && i < PAGES_MAX; i++) {
		TRY(ask_page(s, a, last, &l, e));
		TRY(print_page(a, l.keys, json, i == 0, &last, e));
	}
	if (json)
		printf("]}\n");
	return ERR_OK;
}

/* --- expire, revoke --- */

static enum err_code end_key(
    const struct cli *c, const struct settings *s, struct arena *a, const char *command, const char *sentence, struct err *e)
{
	CLEANUP(buf_free_p) struct buf request = buf_new(16384), answer = buf_new(ASK_ANSWER_MAX);
	struct json_out w = json_out_to(&request);
	struct key k;

	json_put_object(&w);
	json_put_member_str(&w, "command", command);
	json_put_member_str(&w, "kid", c->arguments[1]);
	json_end_object(&w);
	TRY(ask_signer(s, a, &request, &answer, e));
	if (cli_flag(c, "json")) {
		printf("%.*s", BYTES_FMT(buf_bytes(&answer)));
		return ERR_OK;
	}
	TRY(read_key(a, buf_bytes(&answer), &k, e));
	printf("%.*s %s (accounts that it has bound: %llu)\n", BYTES_FMT(k.kid), sentence, (unsigned long long)k.uses.value);
	return ERR_OK;
}

static enum err_code run_expire(const struct cli *c, const struct settings *s, struct arena *a, struct err *e)
{
	return end_key(c, s, a, "eab-expire", "binds no more accounts; those that it has bound go on", e);
}

static enum err_code run_revoke(const struct cli *c, const struct settings *s, struct arena *a, struct err *e)
{
	return end_key(c, s, a, "eab-revoke", "is revoked: its accounts get no more certificates, and it binds no others", e);
}

/* --- the command line --- */

static const struct verb {
	const char *name;
	size_t arguments; /* with the verb itself */
	enum err_code (*run)(const struct cli *c, const struct settings *s, struct arena *a, struct err *e);
} verbs[] = {
	{ "add", 1, run_add },
	{ "list", 1, run_list },
	{ "expire", 2, run_expire },
	{ "revoke", 2, run_revoke },
};

/* Options that belong to add alone say so in their help. */
static enum err_code check_options(const struct cli *c, const struct verb *v, struct err *e)
{
	for (size_t i = 0; v->run != run_add && i < c->given.n; i++)
		if (strncmp(c->given.v[i].option->doc, "add:", 4) == 0)
			FAIL(e, CONFIG, "eab %s has no option --%s", v->name, c->given.v[i].option->name);
	return ERR_OK;
}

static enum err_code run(struct cli *c, struct arena *a, struct err *e)
{
	const struct verb *v = NULL;
	struct settings s;

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(c->arguments[0], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v)
		FAIL(e, CONFIG, "eab add, eab list, eab expire KID or eab revoke KID, not \"%s\"", c->arguments[0]);
	if (c->n_arguments != v->arguments)
		FAIL(e, CONFIG, v->arguments > 1 ? "eab %s needs a KID" : "eab %s takes no argument", v->name);
	TRY(check_options(c, v, e));
	TRY(ca_config_read(c, a, &s, e));
	return v->run(c, &s, a, e);
}

static int cmd_eab(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	struct err e = { 0 };

	return run(c, a, &e) == ERR_OK ? EXIT_DONE : cli_fail(c, &e);
}

const struct cli_command eab_command = { "eab", "add | list | expire KID | revoke KID",
	"External account keys: makes one (add; it can be seen this once), lists them, has one bind no more accounts (expire), or ends it with what its accounts may (revoke). The server must run.",
	CLI_OPTIONS(eab_options), 1, 2, cmd_eab };
