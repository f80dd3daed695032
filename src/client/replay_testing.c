#include "client/replay_testing.h"

#include "base/clock.h"
#include "base/seam.h"
#include "client/chain.h"
#include "client/chain_testing.h"
#include "client/client_impl.h"
#include "client/fibered_testing.h"
#include "crypto/digest.h"
#include "jose/jws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVER      "https://ca.test"
#define HEADERS_MAX 16
#define NAMES_MAX   8

static const char *const results[] = { "ok", "usage", "nomem", "system", "callback", "network", "protocol", "refused", "validation",
	"timeout" };
static const char *const faults[] = { "caller", "machine", "network", "server", "name" };

/* Keys are made once. */
static struct chancery_key *account_key, *leaf_key;
static struct key *ca_key;

/* One scenario while it is played. */
struct replay {
	struct arena *a;
	struct script_player p;
	int64_t monotonic_ms, wall_ms;
	struct chancery_client *client;
	const char *names[NAMES_MAX];
	size_t n_names;
	/* What the CA knows */
	unsigned nonces;
	char nonce[32]; /* the one that is good; "": none */
	char account_url[256];
	struct chancery_certificate *certificate;
	enum chancery_result rc;
};

static struct replay *played; /* for the clock, which knows no context */

static int64_t played_wall_ms(void)
{
	return played->wall_ms;
}

static int64_t played_monotonic_ms(void)
{
	return played->monotonic_ms;
}

static void pass_ms(struct replay *r, int64_t ms)
{
	r->monotonic_ms += ms;
	r->wall_ms += ms;
}

/* --- the scenario's lines --- */

/* What is behind the keyword of the line that is next, when it is that. */
static const char *next(const struct replay *r, const char *keyword)
{
	return script_next(&r->p, keyword);
}

/* The first difference is the one that is told. Whatever the engine wants from then on fails. */
PRINTF(3, 4) static enum err_code differs(struct replay *r, struct err *e, const char *fmt, ...)
{
	char what[700];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	script_differs(&r->p, "%s", what);
	return err_set(e, ERR_BUG, __FILE__, __LINE__, "%s", r->p.fault);
}

/* What happens of itself, before the engine goes on: jumps of the wall clock. */
static void events(struct replay *r)
{
	for (const char *by; (by = next(r, "clock")) != NULL; r->p.at++)
		r->wall_ms += strtol(by, NULL, 10) * 1000;
}

/* --- requests --- */

/* As a CA would: signed by the account's key for this URL, with the nonce that is good and the account that is known. */
static enum err_code check_signed(
    struct replay *r, struct arena *a, const struct http_client_request *q, const char *payload, struct err *e)
{
	bool first = strcmp(q->url, SERVER "/new-account") == 0;
	struct err why = { 0 };
	struct jws j;

	if (jws_parse(a, q->body, JWS_NONCE_REQUIRED, &j, &why) != ERR_OK || jws_verify(&j, account_key->key, &why) != ERR_OK)
		return differs(r, e, "a request that is not signed as ACME has it: %s", why.detail);
	if (!bytes_eq_str(j.url, q->url))
		return differs(r, e, "a request to %s that says %.*s", q->url, BYTES_FMT(j.url));
	if (!r->nonce[0] || !bytes_eq_str(j.nonce, r->nonce))
		return differs(r, e, "the nonce %.*s, where \"%s\" is good", BYTES_FMT(j.nonce), r->nonce);
	r->nonce[0] = 0;
	if (first ? j.jwk.ptr == NULL : !bytes_eq_str(j.kid, r->account_url))
		return differs(r, e, "the key identifier %.*s, where the account is \"%s\"", BYTES_FMT(j.kid), r->account_url);
	if (!script_matches(payload, j.payload))
		return differs(r, e, "the payload %.*s", BYTES_FMT(j.payload));
	return ERR_OK;
}

/* "> POST-as-GET /order/1", "> POST /order/1/finalize {...}" */
static enum err_code check_request(struct replay *r, struct arena *a, const struct http_client_request *q, struct err *e)
{
	static const char *const methods[] = { [HTTP_CLIENT_GET] = "GET", [HTTP_CLIENT_HEAD] = "HEAD", [HTTP_CLIENT_POST] = "POST" };
	char method[16], url[512];
	int n = 0;
	const char *due = next(r, ">");

	if (!due || sscanf(due, "%15s %*s%n", method, &n) != 1 || n == 0)
		return differs(r, e, "the engine asks %s", q->url);
	const char *path = due + strlen(method) + 1, *payload = due[n] ? due + n + 1 : "";
	bool is_get = strcmp(method, "POST-as-GET") == 0;
	(void)snprintf(url, sizeof url, SERVER "%.*s", (int)(due + n - path), path);
	if (strcmp(is_get ? "POST" : method, methods[q->method]) != 0 || strcmp(url, q->url) != 0 ||
	    (strcmp(method, "POST") == 0 && !*payload))
		return differs(r, e, "the engine asks %s %s", methods[q->method], q->url);
	if (q->method == HTTP_CLIENT_POST)
		TRY(check_signed(r, a, q, payload, e));
	r->p.at++;
	return ERR_OK;
}

/* --- answers --- */

/* A chain for the engine's names and key, below a root of this name. */
static struct bytes make_chain(struct replay *r, struct arena *a, const char *root)
{
	const struct chain_testing t = { a, r->wall_ms / 1000 };
	struct bytes der[2];
	struct san names[NAMES_MAX];

	der[1] = chain_testing_ca(&t, "Issuer", root, ca_key, ca_key);
	for (size_t i = 0; i < r->n_names; i++)
		names[i] = (struct san){ SAN_DNS, bytes_str(r->names[i]) };
	der[0] = chain_testing_leaf(&t, der[1], ca_key, names, san_sort(names, r->n_names), leaf_key->key, t.now_s + 86400);
	return chain_testing_pem(&t, der, 2);
}

static struct bytes body(struct replay *r, struct arena *a)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(65536);

	for (const char *text; (text = next(r, "|")) != NULL; r->p.at++) {
		const char *root = script_after(text, "@chain");
		if (root)
			buf_add(&b, make_chain(r, a, root));
		else
			buf_add_fmt(&b, "%s\n", text);
	}
	assert_true(buf_ok(&b));
	return arena_copy(a, buf_bytes(&b));
}

/* Its fields have room for HEADERS_MAX; name in lower case. */
static void put_header(struct http_client_answer *to, struct bytes name, struct bytes value)
{
	struct bytes *member = http_client_answer_member(to, name);

	if (member)
		*member = value;
	assert_in_range(to->n_fields, 0, HEADERS_MAX - 1);
	to->fields[to->n_fields++] = (struct http_client_field){ name, value };
}

static void put_headers(struct replay *r, struct arena *a, struct http_client_answer *to)
{
	struct bytes name, value;

	for (const char *text; (text = next(r, "<")) != NULL && bytes_split(bytes_str(text), ':', &name, &value); r->p.at++)
		put_header(to, bytes_str(arena_str(a, name)), bytes_str(arena_str(a, bytes_slice(value, 1, value.len))));
}

/* "< 200", "< 200 after 5", "< 200 without-nonce", then headers and the body; every answer to what is signed has a nonce, and that to HEAD. */
static enum err_code give_answer(
    struct replay *r, struct arena *a, const struct http_client_request *q, const char *status, struct http_client_answer *ret)
{
	struct http_client_answer x = { .status = (int)strtol(status, NULL, 10) };
	const char *after = strstr(status, "after ");

	pass_ms(r, after ? script_ms(after + 6) : 0);
	x.fields = arena_array(a, HEADERS_MAX, sizeof *x.fields);
	if (q->method != HTTP_CLIENT_GET && !strstr(status, "without-nonce")) {
		(void)snprintf(r->nonce, sizeof r->nonce, "nonce-%u", ++r->nonces);
		put_header(&x, BYTES_LIT("replay-nonce"), bytes_str(arena_str(a, bytes_str(r->nonce))));
	}
	r->p.at++;
	put_headers(r, a, &x);
	x.body = body(r, a);
	if (strcmp(q->url, SERVER "/new-account") == 0 && x.location.ptr)
		(void)snprintf(r->account_url, sizeof r->account_url, "%.*s", BYTES_FMT(x.location));
	*ret = x;
	return ERR_OK;
}

static enum err_code exchange(
    void *ctx, struct arena *a, const struct http_client_request *q, struct http_client_answer *ret, struct err *e)
{
	struct replay *r = ctx;

	TRY(check_request(r, a, q, e));
	const char *status = next(r, "<");
	if (!status)
		return differs(r, e, "no answer follows");
	enum err_code rc = ERR_OK;
	if (strcmp(status, "lost") == 0) {
		r->p.at++;
		rc = err_set(e, ERR_CONNECTION, __FILE__, __LINE__, "connection reset");
	} else if (strcmp(status, "silence") == 0) {
		r->p.at++;
		pass_ms(r, q->timeout_ms);
		rc = err_set(e, ERR_TIMEOUT, __FILE__, __LINE__, "no answer");
	} else {
		rc = give_answer(r, a, q, status, ret);
	}
	events(r);
	return rc;
}

/* --- waits and callbacks --- */

static enum err_code wait_until(void *ctx, int64_t until_ms, struct err *e)
{
	struct replay *r = ctx;
	int64_t due = until_ms - r->monotonic_ms;
	const char *woken = next(r, "woken"), *expected = next(r, "wait");

	if (r->p.fault[0])
		return differs(r, e, "over");
	if (!woken && (!expected || script_ms(expected) != due))
		return differs(r, e, "the engine waits %lld.%03lld s", (long long)(due / 1000), (long long)(due % 1000));
	pass_ms(r, woken ? script_ms(woken) : due);
	r->p.at++;
	events(r);
	return ERR_OK;
}

static enum err_code call(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e)
{
	struct replay *r = ctx;

	(void)until_ms;
	*ret = c->f(c->arg);
	return r->p.fault[0] ? differs(r, e, "over") : ERR_OK;
}

/* A line of words that has to be next; whether it is, with `more` behind it or without. */
static bool expect(struct replay *r, const char *words, const char *more)
{
	char longer[512];

	(void)snprintf(longer, sizeof longer, "%s %s", words, more);
	bool has_more = strcmp(script_line(&r->p), longer) == 0;
	if (!has_more && strcmp(script_line(&r->p), words) != 0)
		(void)differs(r, NULL, "the engine calls: %s", words);
	r->p.at++;
	events(r);
	return has_more;
}

static int deploy(void *ctx, const struct chancery_challenge *c)
{
	char words[400];

	(void)snprintf(words, sizeof words, "deploy %s %s%s", c->type, c->wildcard ? "*." : "", c->name);
	return expect(ctx, words, "fails") ? 1 : 0;
}

static int deploy_nothing(void *ctx, const struct chancery_challenge *c)
{
	(void)deploy(ctx, c);
	return CHANCERY_DECLINE;
}

static void clean_up(void *ctx, const struct chancery_challenge *c)
{
	char words[400];

	(void)snprintf(words, sizeof words, "clean-up %s %s%s%s", c->type, c->wildcard ? "*." : "", c->name, c->valid ? " valid" : "");
	(void)expect(ctx, words, "");
}

/* --- settings --- */

static void set_names(struct replay *r, const char *v)
{
	char name[256];

	for (int n = 0; r->n_names < NAMES_MAX && sscanf(v, "%255s%n", name, &n) == 1; v += n)
		r->names[r->n_names++] = arena_str(r->a, bytes_str(name));
}

static void set_solver(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_solver(r->client, v, deploy, clean_up, r), CHANCERY_OK);
}

static void set_decliner(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_solver(r->client, v, deploy_nothing, clean_up, r), CHANCERY_OK);
}

static void set_timeout(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_timeout(r->client, (uint32_t)strtoul(v, NULL, 10)), CHANCERY_OK);
}

static void set_resume(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_resume(r->client, v), CHANCERY_OK);
}

static void set_chain(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_preferred_chain(r->client, v), CHANCERY_OK);
}

static void set_terms(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_terms_agreed(r->client, strcmp(v, "agreed") == 0), CHANCERY_OK);
}

static void set_account(struct replay *r, const char *v)
{
	assert_int_equal(chancery_client_set_only_existing(r->client, strcmp(v, "existing") == 0), CHANCERY_OK);
}

static const struct {
	const char *keyword;
	void (*set)(struct replay *r, const char *v);
} settings[] = { { "names", set_names }, { "solve", set_solver }, { "decline", set_decliner }, { "timeout", set_timeout },
	{ "resume", set_resume }, { "prefer-chain", set_chain }, { "terms", set_terms }, { "account", set_account } };

static void read_settings(struct replay *r)
{
	for (bool found = true; found; r->p.at += found) {
		found = false;
		for (size_t i = 0; !found && i < sizeof settings / sizeof *settings; i++) {
			const char *v = next(r, settings[i].keyword);
			found = v != NULL;
			if (found)
				settings[i].set(r, v);
		}
	}
}

/* --- the outcome --- */

static void check_line(struct replay *r, const struct chancery_error *x, bool *typed, bool *retry)
{
	char text[700];
	const char *v;

	if ((v = next(r, "fault")) && strcmp(v, faults[chancery_error_fault(x)]) != 0)
		(void)differs(r, NULL, "it is the fault of the %s", faults[chancery_error_fault(x)]);
	if ((v = next(r, "type")) && (*typed = true) && strcmp(v, chancery_error_type(x)) != 0)
		(void)differs(r, NULL, "its type is \"%s\"", chancery_error_type(x));
	if ((v = next(r, "status")) && strtol(v, NULL, 10) != chancery_error_http_status(x))
		(void)differs(r, NULL, "its HTTP status is %d", chancery_error_http_status(x));
	if ((v = next(r, "retry-after")) && (*retry = true) && strtoul(v, NULL, 10) != chancery_error_retry_after(x))
		(void)differs(r, NULL, "it may be tried again after %u s", chancery_error_retry_after(x));
	if ((v = next(r, "message")) && !strstr(chancery_error_message(x), v))
		(void)differs(r, NULL, "its message is \"%s\"", chancery_error_message(x));
	if ((v = next(r, "sub"))) {
		for (size_t i = 0; i < chancery_error_sub_count(x); i++) {
			(void)snprintf(text, sizeof text, "%s %s %s", chancery_error_sub_name(x, i), chancery_error_sub_type(x, i),
			    chancery_error_sub_detail(x, i));
			if (strcmp(text, v) == 0)
				return;
		}
		(void)differs(r, NULL, "no such one of its %zu subproblems", chancery_error_sub_count(x));
	}
	if ((v = next(r, "after")) && script_ms(v) != r->monotonic_ms)
		(void)differs(r, NULL, "it took %lld ms", (long long)r->monotonic_ms);
	if ((v = next(r, "certificate")) && (!r->certificate || strcmp(v, chancery_certificate_url(r->certificate)) != 0))
		(void)differs(
		    r, NULL, "the certificate is that at %s", r->certificate ? chancery_certificate_url(r->certificate) : "no place");
}

/* Who has issued the last certificate of the chain that came. */
static void check_top(struct replay *r)
{
	struct chain c = { .leaf_len = 0 };
	size_t len;
	const char *pem = r->certificate ? chancery_certificate_fullchain(r->certificate, &len) : "";
	const char *due = next(r, "chain");

	if (due &&
	    (chain_check(r->a, bytes_str(pem), key_spki(leaf_key->key), NULL, 0, 0, &c, NULL) != ERR_OK || strcmp(due, c.top_issuer) != 0))
		(void)differs(r, NULL, "the chain ends below \"%s\"", c.top_issuer);
}

static void check_outcome(struct replay *r, enum chancery_result rc)
{
	static const char *const known[] = { "fault", "type", "status", "retry-after", "message", "sub", "after", "certificate", "chain" };
	const struct chancery_error *x = chancery_client_error(r->client);
	bool typed = false, retry = false;
	const char *due;

	if (!(due = next(r, "result")) || strcmp(due, results[rc]) != 0)
		(void)differs(r, NULL, "it ends with %s (%s)", results[rc], chancery_error_message(x));
	for (r->p.at++; r->p.at < r->p.script->n && !r->p.fault[0]; r->p.at++) {
		bool is_known = false;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			is_known = is_known || next(r, known[i]);
		if (!is_known)
			(void)differs(r, NULL, "nothing is known of such a line");
		check_line(r, x, &typed, &retry);
		check_top(r);
	}
	/* What is not told is not there. */
	if (!typed && *chancery_error_type(x))
		(void)differs(r, NULL, "it has the type %s", chancery_error_type(x));
	if (!retry && chancery_error_retry_after(x))
		(void)differs(r, NULL, "it may be tried again after %u s", chancery_error_retry_after(x));
}

/* --- a whole scenario --- */

static void issue(void *arg, const struct session_io *io)
{
	struct replay *r = arg;

	r->client->io = io;
	r->rc = chancery_client_issue(r->client, r->names, r->n_names, leaf_key, &r->certificate);
}

static void play(struct replay *r, enum replay_place place)
{
	const struct session_io io = { .ctx = r, .exchange = exchange, .wait = wait_until, .call = call };
	struct seam seam_played = seam_libc;

	seam_played.wall_ms = played_wall_ms;
	seam_played.monotonic_ms = played_monotonic_ms;
	played = r;
	r->wall_ms = INT64_C(1795593600000); /* Wed, 25 Nov 2026 08:00:00 GMT */
	r->client = chancery_client_new(SERVER "/directory");
	assert_int_equal(chancery_client_set_account_key(r->client, account_key), CHANCERY_OK);
	read_settings(r);
	seam = &seam_played;
	if (place == REPLAY_STRAIGHT)
		issue(r, &io);
	else
		assert_true(fibered(&io, issue, r) > 1);
	seam = &seam_libc;
	if (!r->p.fault[0])
		check_outcome(r, r->rc);
	chancery_certificate_free(r->certificate);
	chancery_client_free(r->client);
}

const char *replay_play(struct arena *a, const struct script *s, enum replay_place place)
{
	struct replay r = { .a = a, .p = { .script = s } };

	play(&r, place);
	return r.p.fault[0] ? arena_str(a, bytes_str(r.p.fault)) : NULL;
}

int replay_set_up(void **state)
{
	(void)state;
	crypto_init();
	return chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &account_key) == CHANCERY_OK &&
		       chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &leaf_key) == CHANCERY_OK &&
		       key_generate(KEY_EC_P256, 0, &ca_key, NULL) == ERR_OK
		   ? 0
		   : -1;
}

int replay_tear_down(void **state)
{
	(void)state;
	chancery_key_free(account_key);
	chancery_key_free(leaf_key);
	key_free(ca_key);
	return 0;
}
