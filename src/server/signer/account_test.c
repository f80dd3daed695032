/* Accounts as the signer sees them: whose key is whose, after rollovers, deactivations and bindings, and whatever a front that is wholly taken
 * over may say about it. */
#include "base/codec.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_CHANGE_URL  BASE "/acme/key-change"
#define NEW_ACCOUNT_URL BASE "/acme/new-account"

/* A good request; a test changes a field and sees what comes of it. Keys and texts that are NULL are as they should be. */
struct ask {
	enum request_kind kind;
	struct key *first, *present; /* the account's */
	struct key *fresh;           /* ROLLOVER's new key */
	struct key *signer;          /* of the (outer) request */
	struct key *inner_signer, *old_key;
	struct bytes jwk; /* that the front gives */
	const char *url, *inner_url, *payload, *kid, *inner_account;
	bool spoil, spoil_inner, no_nonce, inner_nonce, by_jwk;
	/* BIND */
	struct bytes eab_kid, secret;
	enum mac_alg alg;
	struct key *bound_key; /* in the binding's payload */
	bool spoil_mac;
};

static struct bytes envelope(struct world *w, struct bytes request, struct bytes jwk)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct account_evidence v = { .request = request, .jwk = jwk };

	account_evidence_write(&v, &out);
	return arena_copy(w->a, buf_bytes(&out));
}

static struct bytes rollover_payload(struct world *w, const struct ask *q)
{
	struct key *inner = q->inner_signer ? q->inner_signer : q->fresh;
	struct bytes account = q->inner_account ? bytes_str(q->inner_account) : kid_of(w, BASE, q->first, "");
	struct bytes payload = arena_fmt(
	    w->a, "{\"account\":\"%.*s\",\"oldKey\":%.*s}", BYTES_FMT(account), BYTES_FMT(jwk_of(w, q->old_key ? q->old_key : q->present)));

	return make_jws(w, inner, q->inner_url ? q->inner_url : KEY_CHANGE_URL, BYTES_NONE, jwk_of(w, q->fresh), q->inner_nonce, payload,
	    q->spoil_inner);
}

static struct bytes bind_payload(struct world *w, const struct ask *q)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(16384);
	struct err e = { 0 };

	assert_code(eab_write(q->alg, q->eab_kid, bytes_str(q->inner_url ? q->inner_url : NEW_ACCOUNT_URL),
			q->bound_key ? q->bound_key : q->present, q->secret, &out, &e),
	    ERR_OK, &e);
	if (q->spoil_mac) {
		uint8_t *at = out.ptr + out.len - 8;
		*at = *at == 'A' ? 'B' : 'A';
	}
	return arena_fmt(w->a, "{\"externalAccountBinding\":%.*s}", BYTES_FMT(buf_bytes(&out)));
}

static struct bytes body_of(struct world *w, const struct ask *q)
{
	struct key *signer = q->signer ? q->signer : q->present;
	struct bytes kid = q->kid ? bytes_str(q->kid) : kid_of(w, BASE, q->first, ""), payload = bytes_str(q->payload);
	const char *url = q->url;
	bool by_jwk = q->kind == REQUEST_BIND ? !q->by_jwk : q->by_jwk;

	if (q->kind == REQUEST_ROLLOVER) {
		url = url ? url : KEY_CHANGE_URL;
		payload = q->payload ? payload : rollover_payload(w, q);
	} else if (q->kind == REQUEST_DEACTIVATE) {
		url = url ? url : arena_str(w->a, kid_of(w, BASE, q->first, ""));
		payload = q->payload ? payload : BYTES_LIT("{\"status\":\"deactivated\"}");
	} else {
		url = url ? url : NEW_ACCOUNT_URL;
		payload = q->payload ? payload : bind_payload(w, q);
	}
	struct bytes request = make_jws(
	    w, signer, url, by_jwk ? BYTES_NONE : kid, by_jwk ? jwk_of(w, q->present) : BYTES_NONE, !q->no_nonce, payload, q->spoil);
	if (q->kind == REQUEST_BIND)
		return envelope(w, request, BYTES_LIT(""));
	return envelope(w, request, q->jwk.ptr ? q->jwk : jwk_of(w, q->present));
}

static void accepted(struct world *w, struct ask q, uint64_t records, struct bytes *ret)
{
	struct err e = { 0 };
	uint64_t before = signer_counts(w->s).log_records;

	assert_code(ask_signer(w, q.kind, body_of(w, &q), ret, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).log_records, before + records);
}

static void refused(struct world *w, struct ask q, enum err_code code)
{
	struct err e = { 0 };
	uint64_t records = signer_counts(w->s).log_records, counted = signer_counts(w->s).refused[code];

	assert_code(ask_signer(w, q.kind, body_of(w, &q), NULL, &e), code, &e);
	assert_true(strlen(e.detail) > 10);
	assert_int_equal(signer_counts(w->s).log_records, records);
	assert_int_equal(signer_counts(w->s).refused[code], counted + 1);
}

static struct ask rollover(struct world *w, struct key *first, struct key *present, struct key *fresh)
{
	(void)w;
	return (struct ask){ .kind = REQUEST_ROLLOVER, .first = first, .present = present, .fresh = fresh };
}

static struct ask deactivation(struct key *first, struct key *present)
{
	return (struct ask){ .kind = REQUEST_DEACTIVATE, .first = first, .present = present };
}

/* The account of the first key by its present one: receipts for the key that it had. */
static struct recipe order_of(struct world *w, struct key *first, struct key *present, struct key *validated)
{
	struct recipe r = recipe_simple(w);

	r.first = first;
	r.account = r.jwk = present;
	for (size_t i = 0; i < r.n_receipts; i++) {
		r.receipts[i].account_url = kid_of(w, BASE, first, "");
		jwk_thumbprint(validated, r.receipts[i].thumbprint);
	}
	return r;
}

static void not_issued(struct world *w, struct recipe r, enum err_code code)
{
	struct err e = { 0 };

	assert_code(issue(w, &r, NULL, &e), code, &e);
}

static void issued(struct world *w, struct recipe r)
{
	(void)must_issue(w, &r);
}

static void reopen(struct world *w)
{
	struct err e = { 0 };

	assert_code(world_reopen(w, &e), ERR_OK, &e);
}

/* --- rollover (RFC 8555 §7.3.5) --- */

static void check_rolled(struct world *w)
{
	issued(w, order_of(w, w->account, w->other, w->account));
	issued(w, order_of(w, w->account, w->other, w->other));
	not_issued(w, order_of(w, w->account, w->account, w->account), ERR_UNAUTHORIZED);
	not_issued(w, order_of(w, w->other, w->other, w->other), ERR_UNAUTHORIZED); /* under an account's name of its own */
	not_issued(w, order_of(w, w->account, w->other, w->leaf2), ERR_CONFIRM);    /* a receipt for a key that never was the account's */
}

static void the_new_key_speaks_and_the_old_one_does_not(void **state)
{
	struct world *w = *state;
	struct bytes answer;
	uint8_t id[THUMBPRINT_SIZE];

	issued(w, order_of(w, w->account, w->account, w->account));
	accepted(w, rollover(w, w->account, w->account, w->other), 1, &answer);
	jwk_thumbprint(w->account, id);
	assert_true(bytes_eq(answer, BYTES_ARRAY(id)));
	check_rolled(w);
	reopen(w);
	check_rolled(w);
	assert_int_equal(signer_counts(w->s).rollovers, 1);
}

/* The front may lose our answer: it asks again, also after a start, and gets the same. Nobody else gets anything by it. */
static void the_same_rollover_again_changes_nothing(void **state)
{
	struct world *w = *state;
	struct bytes one, two;
	struct ask q = rollover(w, w->account, w->account, w->other);

	accepted(w, q, 1, &one);
	accepted(w, q, 0, &two);
	assert_true(bytes_eq(one, two));
	reopen(w);
	accepted(w, q, 0, &two);
	assert_true(bytes_eq(one, two));
	accepted(w, rollover(w, w->account, w->other, w->leaf2), 1, NULL);
	refused(w, q, ERR_UNAUTHORIZED); /* it is no longer how things stand */
	issued(w, order_of(w, w->account, w->leaf2, w->account));
}

static void no_key_becomes_two_accounts(void **state)
{
	struct world *w = *state;

	accepted(w, rollover(w, w->account, w->account, w->other), 1, NULL);
	refused(w, rollover(w, w->account, w->other, w->account), ERR_CONFLICT);     /* back */
	refused(w, rollover(w, w->leaf2, w->leaf2, w->account), ERR_CONFLICT);       /* another account's old key */
	refused(w, rollover(w, w->leaf2, w->leaf2, w->other), ERR_CONFLICT);         /* another account's key */
	refused(w, rollover(w, w->leaf2, w->leaf2, w->leaf2), ERR_CONFLICT);         /* its own */
	refused(w, rollover(w, w->account, w->account, w->leaf2), ERR_UNAUTHORIZED); /* by a key that is over */
	refused(w, rollover(w, w->leaf2, w->leaf2, w->issuer), ERR_BAD_PUBLIC_KEY);
	refused(w, rollover(w, w->leaf2, w->leaf2, w->root), ERR_BAD_PUBLIC_KEY);
}

/* One client's rollovers are not without end: they are kept for good. */
static void an_account_has_so_many_keys_in_its_life(void **state)
{
	struct world *w = *state;
	uint8_t id[THUMBPRINT_SIZE], other[THUMBPRINT_SIZE];

	jwk_thumbprint(w->account, id);
	jwk_thumbprint(w->other, other);
	for (uint32_t i = 0; i < ACCOUNT_KEYS_MAX - 2; i++) {
		uint8_t thumbprint[THUMBPRINT_SIZE] = { (uint8_t)i, (uint8_t)(i >> 8) };
		assert_int_equal(accounts_reserve(w->s->accounts, 1, NULL), ERR_OK);
		if (i == ACCOUNT_KEYS_MAX - 3)
			memcpy(thumbprint, other, sizeof thumbprint);
		accounts_roll(w->s->accounts, id, thumbprint);
	}
	accepted(w, rollover(w, w->account, w->other, w->leaf2), 1, NULL);
	refused(w, rollover(w, w->account, w->leaf2, w->leaf), ERR_RATE_LIMITED);
}

/* A front that has neither key, or only one of the two, rolls nothing over. */
static void forged_rollovers_are_refused(void **state)
{
	struct world *w = *state;
	struct key *a = w->account, *b = w->other, *c = w->leaf2;
	const struct ask good = rollover(w, a, a, b);
#define BUT(...) ((struct ask){ .kind = REQUEST_ROLLOVER, .first = a, .present = a, .fresh = b, __VA_ARGS__ })
	const struct {
		struct ask q;
		enum err_code code;
	} cases[] = {
		{ BUT(.spoil = true), ERR_UNAUTHORIZED },
		{ BUT(.signer = b), ERR_UNAUTHORIZED },
		{ BUT(.signer = c), ERR_UNAUTHORIZED },
		{ BUT(.spoil_inner = true), ERR_UNAUTHORIZED },
		{ BUT(.inner_signer = a), ERR_UNAUTHORIZED },
		{ BUT(.inner_signer = c), ERR_UNAUTHORIZED },
		{ BUT(.no_nonce = true), ERR_MALFORMED },
		{ BUT(.inner_nonce = true), ERR_MALFORMED },
		{ BUT(.by_jwk = true), ERR_UNAUTHORIZED },
		{ BUT(.url = BASE "/acme/new-account"), ERR_UNAUTHORIZED },
		{ BUT(.url = BASE ".evil/acme/key-change"), ERR_UNAUTHORIZED },
		{ BUT(.inner_url = BASE "/acme/key-chang"), ERR_MALFORMED },
		{ BUT(.inner_account = BASE "/acme/acct/x"), ERR_MALFORMED },
		{ BUT(.kid = BASE "/acme/acct/x"), ERR_UNAUTHORIZED },
		{ BUT(.old_key = c), ERR_MALFORMED },
		{ BUT(.jwk = jwk_of(w, b)), ERR_UNAUTHORIZED },
		{ BUT(.jwk = arena_fmt(w->a, " %.*s", BYTES_FMT(jwk_of(w, a)))), ERR_CONFIRM },
		{ BUT(.jwk = BYTES_LIT("{}")), ERR_MALFORMED },
		{ BUT(.payload = "{}"), ERR_MALFORMED },
		{ BUT(.payload = ""), ERR_MALFORMED },
	};
#undef BUT

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(w, cases[i].q, cases[i].code);
	issued(w, order_of(w, a, a, a));
	accepted(w, good, 1, NULL);
}

/* An order that was made before the rollover, with a wish: its newOrder is signed by the key of then. */
static void orders_from_before_the_rollover_go_on(void **state)
{
	struct world *w = *state;
	struct recipe r = order_of(w, w->account, w->other, w->account), foreign = order_of(w, w->account, w->other, w->account);

	r.profile = foreign.profile = "short";
	r.order_key = w->account;
	foreign.order_key = w->leaf2;
	accepted(w, rollover(w, w->account, w->account, w->other), 1, NULL);
	not_issued(w, foreign, ERR_UNAUTHORIZED);
	issued(w, r);
	reopen(w);
	r = order_of(w, w->account, w->other, w->account);
	r.profile = "short";
	r.order_key = w->account;
	issued(w, r);
}

static void an_account_s_key_goes_into_no_certificate(void **state)
{
	struct world *w = *state;
	struct recipe r = order_of(w, w->account, w->other, w->account);

	accepted(w, rollover(w, w->account, w->account, w->other), 1, NULL);
	r.csr_key = w->account;
	not_issued(w, r, ERR_BAD_CSR);
	r = order_of(w, w->leaf2, w->leaf2, w->leaf2);
	r.csr_key = w->other;
	not_issued(w, r, ERR_BAD_CSR);
}

/* --- deactivation (§7.3.6) --- */

static void a_deactivated_account_gets_nothing(void **state)
{
	struct world *w = *state;

	accepted(w, rollover(w, w->account, w->account, w->other), 1, NULL);
	refused(w, deactivation(w->account, w->account), ERR_UNAUTHORIZED);
	accepted(w, deactivation(w->account, w->other), 1, NULL);
	accepted(w, deactivation(w->account, w->other), 0, NULL);
	for (int again = 0; again < 2; again++) {
		not_issued(w, order_of(w, w->account, w->other, w->other), ERR_UNAUTHORIZED);
		not_issued(w, order_of(w, w->account, w->account, w->account), ERR_UNAUTHORIZED);
		refused(w, rollover(w, w->account, w->other, w->leaf2), ERR_UNAUTHORIZED);
		refused(w, rollover(w, w->leaf2, w->leaf2, w->other), ERR_CONFLICT);
		issued(w, order_of(w, w->leaf2, w->leaf2, w->leaf2));
		reopen(w);
	}
	assert_int_equal(signer_counts(w->s).deactivated, 1);
}

static void forged_deactivations_are_refused(void **state)
{
	struct world *w = *state;
	struct key *a = w->account, *b = w->other;
#define BUT(...) ((struct ask){ .kind = REQUEST_DEACTIVATE, .first = a, .present = a, __VA_ARGS__ })
	const struct {
		struct ask q;
		enum err_code code;
	} cases[] = {
		{ BUT(.spoil = true), ERR_UNAUTHORIZED },
		{ BUT(.signer = b), ERR_UNAUTHORIZED },
		{ BUT(.no_nonce = true), ERR_MALFORMED },
		{ BUT(.by_jwk = true), ERR_UNAUTHORIZED },
		{ BUT(.url = BASE "/acme/new-account"), ERR_UNAUTHORIZED },
		{ BUT(.kid = BASE "/acme/acct/x"), ERR_UNAUTHORIZED },
		{ BUT(.payload = ""), ERR_MALFORMED },
		{ BUT(.payload = "{}"), ERR_MALFORMED },
		{ BUT(.payload = "{\"status\":\"valid\"}"), ERR_MALFORMED },
		{ BUT(.jwk = jwk_of(w, b)), ERR_UNAUTHORIZED },
	};
#undef BUT

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(w, cases[i].q, cases[i].code);
	issued(w, order_of(w, a, a, a));
}

/* What is deactivated in a round gets nothing in it, wherever its order stands in the batch. */
static void a_deactivation_comes_before_the_issuances_of_its_round(void **state)
{
	struct world *w = *state;
	struct recipe r = order_of(w, w->account, w->account, w->account);
	struct ask q = deactivation(w->account, w->account);
	struct signer_request v[] = { { .kind = REQUEST_ISSUE, .body = recipe_body(w, &r) },
		{ .kind = REQUEST_DEACTIVATE, .body = body_of(w, &q) } };
	struct err e = { 0 };

	assert_code(signer_round(w->s, w->round, v, 2, &e), ERR_OK, &e);
	assert_int_equal(v[0].code, ERR_UNAUTHORIZED);
	assert_int_equal(v[1].code, ERR_OK);
}

/* --- external accounts (§7.3.4) --- */

struct made {
	struct bytes kid, key;
};
static const struct json_field made_fields[] = {
	JSON_FIELD(struct made, kid, "kid", JSON_STRING, true, 0),
	JSON_FIELD(struct made, key, "key", JSON_STRING, true, 0),
};

static struct bytes operate(struct world *w, const char *line)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1u << 20);
	struct err e = { 0 };

	assert_code(signer_operate(w->s, bytes_str(line), 1234, &out, &e), ERR_OK, &e);
	assert_code(json_check(buf_bytes(&out), &e), ERR_OK, &e);
	return arena_copy(w->a, buf_bytes(&out));
}

static bool has(struct bytes text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* A binding of w->account by a new key, made with these members of the request. */
static struct ask binding(struct world *w, const char *members)
{
	struct ask q = { .kind = REQUEST_BIND, .first = w->account, .present = w->account, .alg = MAC_HS256 };
	struct bytes line = arena_fmt(w->a, "{\"command\":\"eab-add\"%s}", members);
	struct made m = { .kid = BYTES_NONE };
	struct err e = { 0 };

	struct bytes answer = operate(w, (const char *)line.ptr);
	assert_code(json_read(w->a, answer, "the answer", made_fields, 2, &m, &e), ERR_OK, &e);
	q.eab_kid = m.kid;
	assert_code(base64url_decode(w->a, m.key, &q.secret, &e), ERR_OK, &e);
	return q;
}

static void require_eab(struct world *w, const char *how)
{
	struct err e = { 0 };

	w->settings.external_accounts = bytes_str(how);
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
}

static struct recipe order_for(struct world *w, struct key *account, const char *name)
{
	const char *const names[] = { name, NULL };
	struct recipe r = recipe_new(w, names);

	r.account = r.jwk = account;
	for (size_t i = 0; i < r.n_receipts; i++) {
		r.receipts[i].account_url = kid_of(w, BASE, account, "");
		jwk_thumbprint(account, r.receipts[i].thumbprint);
	}
	return r;
}

static void only_bound_accounts_get_certificates_where_it_is_required(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, "");
	struct bytes answer;

	require_eab(w, "required");
	not_issued(w, order_for(w, w->account, "example.org"), ERR_EXTERNAL_ACCOUNT_REQUIRED);
	accepted(w, q, 1, &answer);
	struct wire wire = wire_of(answer);
	assert_true(bytes_eq(wire_bytes(&wire, 256), q.eab_kid));
	for (int again = 0; again < 2; again++) {
		issued(w, order_for(w, w->account, "example.org"));
		not_issued(w, order_for(w, w->other, "example.org"), ERR_EXTERNAL_ACCOUNT_REQUIRED);
		reopen(w);
	}
	require_eab(w, "optional");
	issued(w, order_for(w, w->other, "example.org"));
}

static void the_binding_s_scope_holds(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"names\":[\".example.org\"],\"profiles\":[\"tls-server\"]");

	require_eab(w, "optional");
	accepted(w, q, 1, NULL);
	for (int again = 0; again < 2; again++) {
		issued(w, order_for(w, w->account, "www.example.org"));
		not_issued(w, order_for(w, w->account, "example.com"), ERR_REJECTED_IDENTIFIER);
		struct recipe r = order_for(w, w->account, "www.example.org");
		r.profile = "short";
		not_issued(w, r, ERR_UNAUTHORIZED);
		reopen(w);
	}
	require_eab(w, "off");
	issued(w, order_for(w, w->account, "example.com"));
}

/* A scope follows the account to its next key. */
static void a_rollover_keeps_the_binding(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"names\":[\".example.org\"]");

	require_eab(w, "required");
	accepted(w, q, 1, NULL);
	accepted(w, rollover(w, w->account, w->account, w->other), 1, NULL);
	struct recipe r = order_of(w, w->account, w->other, w->account);
	not_issued(w, r, ERR_REJECTED_IDENTIFIER); /* example.org itself */
	reopen(w);
	r = order_of(w, w->account, w->other, w->account);
	not_issued(w, r, ERR_REJECTED_IDENTIFIER);
}

static void uses_are_counted_once_for_an_account(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"uses\":2"), second = q, third = q;

	second.first = second.present = w->other;
	third.first = third.present = w->leaf2;
	accepted(w, q, 1, NULL);
	accepted(w, q, 0, NULL);
	reopen(w);
	accepted(w, q, 0, NULL);
	accepted(w, second, 1, NULL);
	refused(w, third, ERR_UNAUTHORIZED);
	accepted(w, q, 0, NULL);
	assert_true(has(operate(w, "{\"command\":\"eab-list\"}"), "\"uses\":2,\"usesMax\":2"));
	reopen(w);
	refused(w, third, ERR_UNAUTHORIZED);
	assert_true(has(operate(w, "{\"command\":\"eab-list\"}"), "\"state\":\"used up\""));
	require_eab(w, "required");
	issued(w, order_for(w, w->other, "example.org"));
}

/* Two accounts in one round, one use left: the second one finds it taken. */
static void the_last_use_is_one_in_a_round_too(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"uses\":1"), second = q;

	second.first = second.present = w->other;
	struct signer_request v[] = { { .kind = REQUEST_BIND, .body = body_of(w, &q) },
		{ .kind = REQUEST_BIND, .body = body_of(w, &second) } };
	struct err e = { 0 };
	assert_code(signer_round(w->s, w->round, v, 2, &e), ERR_OK, &e);
	assert_int_equal(v[0].code, ERR_OK);
	assert_int_equal(v[1].code, ERR_UNAUTHORIZED);
}

static void expiry_and_revocation_hold(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"lifetime\":60"), later = q;

	require_eab(w, "required");
	later.first = later.present = w->other;
	accepted(w, q, 1, NULL);
	test_seam.wall_ms += 60000;
	refused(w, later, ERR_UNAUTHORIZED);
	issued(w, order_for(w, w->account, "example.org")); /* bound is bound */
	struct bytes line = arena_fmt(w->a, "{\"command\":\"eab-revoke\",\"kid\":\"%.*s\"}", BYTES_FMT(q.eab_kid));
	uint64_t records = signer_counts(w->s).log_records;
	assert_true(has(operate(w, (const char *)line.ptr), "\"state\":\"revoked\""));
	assert_true(has(operate(w, (const char *)line.ptr), "\"state\":\"revoked\""));
	assert_int_equal(signer_counts(w->s).log_records, records + 1);
	for (int again = 0; again < 2; again++) {
		not_issued(w, order_for(w, w->account, "example.org"), ERR_UNAUTHORIZED);
		refused(w, later, ERR_UNAUTHORIZED);
		reopen(w);
	}
}

/* The operator may have a key expire at once: also after a start, and by an old copy of the file, it binds nothing. */
static void a_key_expires_when_the_operator_says_so(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"lifetime\":86400"), later = q;
	struct bytes line = arena_fmt(w->a, "{\"command\":\"eab-expire\",\"kid\":\"%.*s\"}", BYTES_FMT(q.eab_kid));

	require_eab(w, "required");
	later.first = later.present = w->other;
	accepted(w, q, 1, NULL);
	uint64_t records = signer_counts(w->s).log_records;
	assert_true(has(operate(w, (const char *)line.ptr), "\"state\":\"expired\""));
	assert_true(has(operate(w, (const char *)line.ptr), "\"state\":\"expired\""));
	assert_int_equal(signer_counts(w->s).log_records, records + 1);
	for (int again = 0; again < 2; again++) {
		refused(w, later, ERR_UNAUTHORIZED);
		issued(w, order_for(w, w->account, "example.org"));
		reopen(w);
	}
}

static void an_account_has_one_binding(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ""), another = binding(w, "");

	accepted(w, q, 1, NULL);
	refused(w, another, ERR_UNAUTHORIZED);
	accepted(w, deactivation(w->account, w->account), 1, NULL);
	refused(w, q, ERR_UNAUTHORIZED);
}

/* A front without the secret binds nothing, and the client's own words are in its request. */
static void forged_bindings_are_refused(void **state)
{
	struct world *w = *state;
	static const uint8_t guess[32] = { 1 };
	struct ask good = binding(w, ""), q;
	struct ask strong = binding(w, ",\"alg\":\"HS512\"");
	struct ask other = binding(w, "");
#define TRY_WITH(c, ...)                \
	do {                            \
		q = good;               \
		__VA_ARGS__;            \
		refused(w, q, ERR_##c); \
	} while (0)

	TRY_WITH(UNAUTHORIZED, q.spoil_mac = true);
	TRY_WITH(UNAUTHORIZED, q.secret = BYTES_ARRAY(guess));
	TRY_WITH(UNAUTHORIZED, q.secret = other.secret);
	TRY_WITH(UNAUTHORIZED, q.eab_kid = other.eab_kid);
	TRY_WITH(UNAUTHORIZED, q.eab_kid = BYTES_LIT("00000000000000000000"));
	TRY_WITH(UNAUTHORIZED, q.eab_kid = BYTES_LIT("x"));
	TRY_WITH(BAD_SIGNATURE_ALGORITHM, q.alg = MAC_HS512, q.secret = strong.secret);
	TRY_WITH(MALFORMED, q.bound_key = w->other);
	TRY_WITH(MALFORMED, q.inner_url = BASE "/acme/new-order");
	TRY_WITH(UNAUTHORIZED, q.url = BASE "/acme/new-order", q.inner_url = q.url);
	TRY_WITH(UNAUTHORIZED, q.spoil = true);
	TRY_WITH(UNAUTHORIZED, q.signer = w->other);
	TRY_WITH(MALFORMED, q.by_jwk = true);
	TRY_WITH(MALFORMED, q.no_nonce = true);
	TRY_WITH(EXTERNAL_ACCOUNT_REQUIRED, q.payload = "{}");
	TRY_WITH(MALFORMED, q.payload = "{\"externalAccountBinding\":{}}");
	TRY_WITH(MALFORMED, q.payload = "{\"externalAccountBinding\":null}");
	TRY_WITH(BAD_PUBLIC_KEY, q.first = q.present = w->issuer);
	accepted(w, good, 1, NULL);
	strong.alg = MAC_HS512;
	strong.first = strong.present = w->other;
	accepted(w, strong, 1, NULL);
	assert_int_equal(signer_counts(w->s).bound, 2);
}

/* --- what operators ask --- */

static void operators_get_sentences_for_what_is_wrong(void **state)
{
	struct world *w = *state;
	static const char *const lines[] = { "", "{}", "nonsense", "{\"command\":\"stop\"}", "{\"command\":\"eab-add\",\"alg\":\"ES256\"}",
		"{\"command\":\"eab-add\",\"profiles\":[\"nope\"]}", "{\"command\":\"eab-add\",\"names\":[\"not a name\"]}",
		"{\"command\":\"eab-revoke\"}", "{\"command\":\"eab-revoke\",\"kid\":\"x\"}",
		"{\"command\":\"eab-list\",\"after\":\"x\"}" };
	uint64_t records = signer_counts(w->s).log_records;

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_true(has(operate(w, lines[i]), "{\"error\":\""));
	assert_int_equal(signer_counts(w->s).log_records, records);
}

static void the_list_comes_in_pages_and_without_secrets(void **state)
{
	struct world *w = *state;
	struct bytes page = BYTES_NONE, last = BYTES_NONE;
	char line[128] = "{\"command\":\"eab-list\"}";
	size_t n = 0;

	for (int i = 0; i < 300; i++)
		last = binding(w, "").eab_kid;
	for (int i = 0; i < 3; i++) {
		page = operate(w, line);
		assert_false(has(page, "\"key\":"));
		for (const uint8_t *p = page.ptr; (p = memmem(p, page.len - (size_t)(p - page.ptr), "\"kid\":\"", 7)); p += 7) {
			n++;
			snprintf(line, sizeof line, "{\"command\":\"eab-list\",\"after\":\"%.20s\"}", (const char *)p + 7);
		}
		if (has(page, "\"more\":false"))
			break;
	}
	assert_int_equal(n, 300);
	assert_true(has(page, (const char *)arena_str(w->a, last)));
}

static enum err_code look_for(void *ctx, const struct record *r, struct err *e)
{
	const struct ask *q = ctx;
	struct eab_event v;
	char text[BASE64URL_LEN(EAB_SECRET_MAX) + 1];

	base64url_encode(q->secret, text);
	assert_null(memmem(r->body.ptr, r->body.len, text, strlen(text)));
	assert_null(memmem(r->body.ptr, r->body.len, q->secret.ptr, q->secret.len));
	if (r->type == LOG_EAB) {
		TRY(eab_event_read(r, &v, e));
		assert_int_equal(v.uid, 1234);
		assert_true(has(v.detail, "\"label\":\"someone\""));
	}
	return ERR_OK;
}

static void the_log_says_who_made_a_key_and_never_the_key(void **state)
{
	struct world *w = *state;
	struct ask q = binding(w, ",\"label\":\"someone\"");
	struct err e = { 0 };

	accepted(w, q, 1, NULL);
	assert_code(signer_log_walk(w->dir, look_for, &q, NULL, &e), ERR_OK, &e);
}

/* A record of its kind, and no more, once the disk has failed at each operation in turn and the front has asked again. */
static void done_once(struct world *w, struct ask q, enum log_type type)
{
	for (uint64_t n = 1;; n++) {
		struct err e = { 0 };
		test_seam.ops = 0;
		test_seam.failed = false;
		test_seam.fail_at = n;
		enum err_code rc = ask_signer(w, q.kind, body_of(w, &q), NULL, &e);
		test_seam.fail_at = 0;
		if (!test_seam.failed) {
			assert_code(rc, ERR_OK, &e);
			break;
		}
		assert_int_not_equal(rc, ERR_OK);
		assert_true(n < 50);
		reopen(w);
	}
	accepted(w, q, 0, NULL);
	assert_int_equal(log_census(w, NULL).n[type], 1);
}

static void a_failing_disk_leaves_it_done_or_not_done(void **state)
{
	struct world *w = *state;

	done_once(w, binding(w, ",\"uses\":1"), LOG_BIND);
	done_once(w, rollover(w, w->account, w->account, w->other), LOG_ROLLOVER);
	issued(w, order_of(w, w->account, w->other, w->account));
	done_once(w, deactivation(w->account, w->other), LOG_DEACTIVATE);
	reopen(w);
	not_issued(w, order_of(w, w->account, w->other, w->account), ERR_UNAUTHORIZED);
	struct signer_counts c = signer_counts(w->s);
	assert_true(c.bound == 1 && c.rollovers == 1 && c.deactivated == 1);
}

/* What an operator asked for has happened or has not; a key that was not answered is one that nobody knows. */
static void a_failing_disk_leaves_keys_whole(void **state)
{
	struct world *w = *state;
	struct ask kept = binding(w, ""), made;

	for (uint64_t n = 1;; n++) {
		CLEANUP(buf_free_p) struct buf out = buf_new(65536);
		struct err e = { 0 };
		test_seam.ops = 0;
		test_seam.failed = false;
		test_seam.fail_at = n;
		enum err_code rc = signer_operate(w->s, BYTES_LIT("{\"command\":\"eab-add\"}"), 0, &out, &e);
		test_seam.fail_at = 0;
		if (!test_seam.failed) {
			assert_code(rc, ERR_OK, &e);
			break;
		}
		if (rc == ERR_OK)
			assert_true(has(buf_bytes(&out), "{\"error\":"));
		assert_true(n < 50);
		reopen(w);
	}
	made = binding(w, "");
	accepted(w, kept, 1, NULL);
	made.first = made.present = w->other;
	accepted(w, made, 1, NULL);
}

/* Every byte of a good request, changed and cut: nothing comes of it. */
static void never_by_a_mangled_message(struct world *w, struct ask q)
{
	struct bytes body = body_of(w, &q);
	uint8_t *copy = malloc(body.len);
	uint64_t records = signer_counts(w->s).log_records;

	assert_non_null(copy);
	for (size_t at = 0; at < body.len; at++) {
		struct err e = { 0 };
		memcpy(copy, body.ptr, body.len);
		copy[at] ^= (uint8_t)(1u << (at % 8));
		if (ask_signer(w, q.kind, (struct bytes){ copy, body.len }, NULL, &e) == ERR_OK)
			fail_msg("a request that was changed at byte %zu", at);
		if (ask_signer(w, q.kind, bytes_slice(body, 0, at), NULL, &e) == ERR_OK)
			fail_msg("a request that was cut at byte %zu", at);
	}
	free(copy);
	assert_int_equal(signer_counts(w->s).log_records, records);
	accepted(w, q, 1, NULL);
}

static void survives_mangled_messages(void **state)
{
	struct world *w = *state;

	never_by_a_mangled_message(w, binding(w, ""));
	never_by_a_mangled_message(w, rollover(w, w->account, w->account, w->other));
	never_by_a_mangled_message(w, deactivation(w->account, w->other));
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(the_new_key_speaks_and_the_old_one_does_not),
		WORLD(the_same_rollover_again_changes_nothing),
		WORLD(no_key_becomes_two_accounts),
		WORLD(an_account_has_so_many_keys_in_its_life),
		WORLD(forged_rollovers_are_refused),
		WORLD(orders_from_before_the_rollover_go_on),
		WORLD(an_account_s_key_goes_into_no_certificate),
		WORLD(a_deactivated_account_gets_nothing),
		WORLD(forged_deactivations_are_refused),
		WORLD(a_deactivation_comes_before_the_issuances_of_its_round),
		WORLD(only_bound_accounts_get_certificates_where_it_is_required),
		WORLD(the_binding_s_scope_holds),
		WORLD(a_rollover_keeps_the_binding),
		WORLD(uses_are_counted_once_for_an_account),
		WORLD(the_last_use_is_one_in_a_round_too),
		WORLD(expiry_and_revocation_hold),
		WORLD(a_key_expires_when_the_operator_says_so),
		WORLD(an_account_has_one_binding),
		WORLD(forged_bindings_are_refused),
		WORLD(operators_get_sentences_for_what_is_wrong),
		WORLD(the_list_comes_in_pages_and_without_secrets),
		WORLD(the_log_says_who_made_a_key_and_never_the_key),
		WORLD(a_failing_disk_leaves_it_done_or_not_done),
		WORLD(a_failing_disk_leaves_keys_whole),
		WORLD(survives_mangled_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
