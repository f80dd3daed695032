#include "server/signer/test_revoke.h"

#include "base/codec.h"
#include "server/signer/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct revoke_recipe revoke_by_account(struct world *w, struct bytes certificate)
{
	return (struct revoke_recipe){ .key = w->account,
		.account = w->account,
		.certificate = certificate,
		.reason = -1,
		.base = BASE,
		.path = "/acme/revoke-cert",
		.kid_suffix = "" };
}

struct revoke_recipe revoke_by_key(struct world *w, struct bytes certificate, struct key *k)
{
	struct revoke_recipe r = revoke_by_account(w, certificate);

	r.key = k;
	r.account = NULL;
	return r;
}

struct revoke_recipe revoke_by_names(struct world *w, struct bytes certificate, const char *const *names)
{
	struct revoke_recipe r = revoke_by_account(w, certificate);
	struct key *account = w->account;

	r.key = r.account = w->account = w->other; /* whose receipts they are */
	r.proof = recipe_new(w, names);
	w->account = account;
	r.with_receipts = true;
	return r;
}

static struct bytes make_payload(struct world *w, const struct revoke_recipe *r)
{
	char *text = arena_alloc(w->a, BASE64URL_LEN(r->certificate.len) + 1);

	if (r->payload)
		return bytes_str(r->payload);
	base64url_encode(r->certificate, text);
	if (r->reason < 0)
		return arena_fmt(w->a, "{\"certificate\":\"%s\"}", text);
	return arena_fmt(w->a, "{\"certificate\":\"%s\",\"reason\":%d}", text, r->reason);
}

struct bytes revoke_body(struct world *w, const struct revoke_recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct bytes receipts[2 * RECIPE_NAMES];
	struct revoke v = { .receipts = receipts };
	char url[256];

	snprintf(url, sizeof url, "%s%s", r->base, r->path);
	struct bytes kid = r->account ? kid_of(w, BASE, r->account, r->kid_suffix) : BYTES_NONE;
	struct bytes jwk = r->account ? BYTES_NONE : jwk_of(w, r->key);
	v.request = make_jws(w, r->key, url, kid, jwk, !r->no_nonce, make_payload(w, r), r->break_signature);
	v.jwk = (r->account && !r->no_jwk) || r->also_jwk ? jwk_of(w, r->account ? r->account : w->account) : BYTES_LIT("");
	if (r->with_receipts)
		v.n_receipts = recipe_receipts(w, &r->proof, receipts);
	revoke_write(&v, &out);
	assert_true(buf_ok(&out));
	return arena_copy(w->a, buf_bytes(&out));
}

enum err_code try_revoke(struct world *w, const struct revoke_recipe *r, struct revoked *ret, struct err *e)
{
	struct bytes answer;

	TRY(ask_signer(w, REQUEST_REVOKE, revoke_body(w, r), &answer, e));
	return revoked_read(answer, ret, e);
}

struct revoked must_revoke(struct world *w, const struct revoke_recipe *r)
{
	struct revoked v = { 0 };
	struct err e = { 0 };

	assert_code(try_revoke(w, r, &v, &e), ERR_OK, &e);
	return v;
}

struct bytes fetch_list(struct world *w)
{
	CLEANUP(buf_free_p) struct buf whole = buf_new(CRL_SIZE_MAX), get = buf_new(64), out = buf_new(CHANNEL_BODY_MAX);
	struct crl_part part = { 0 };
	struct crl_new n;
	struct err e = { 0 };

	assert_true(newest_list(w->s, &n));
	do {
		struct crl_get g = { .number = n.number, .offset = whole.len };
		memcpy(g.issuer, n.issuer, sizeof g.issuer);
		buf_reset(&get);
		buf_reset(&out);
		crl_get_write(&g, &get);
		assert_code(signer_crl_part(w->s, buf_bytes(&get), &out, &e), ERR_OK, &e);
		assert_code(crl_part_read(buf_bytes(&out), &part, &e), ERR_OK, &e);
		assert_true(part.number == n.number && part.size == n.size && part.offset == whole.len && part.part.len > 0);
		buf_add(&whole, part.part);
	} while (whole.len < part.size);
	assert_int_equal(whole.len, n.size);
	return arena_copy(w->a, buf_bytes(&whole));
}

struct bytes must_make_list(struct world *w)
{
	CLEANUP(issuer_free_p) struct issuer *issuer = NULL;
	struct wire chain = wire_of(signer_issuer(w->s, 0).chain);
	struct err e = { 0 };
	bool made = false;
	struct crl c;

	w->s->issuers[0].shards[0].again_ms = w->s->lists_again_ms = 0; /* the pause between two */
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	assert_true(made);
	struct bytes der = fetch_list(w);
	assert_code(issuer_new(wire_bytes(&chain, CERT_SIZE_MAX), NULL, &issuer, &e), ERR_OK, &e);
	assert_code(crl_parse(der, &c, &e), ERR_OK, &e);
	assert_code(crl_verify(&c, issuer, &e), ERR_OK, &e);
	return der;
}

bool list_has(struct bytes der, struct bytes serial, int64_t *ret_time_s, uint8_t *ret_reason)
{
	struct err e = { 0 };
	struct crl_view v;
	struct crl c;

	assert_code(crl_parse(der, &c, &e), ERR_OK, &e);
	for (struct bytes rest = c.entries; crl_next(&rest, &v);)
		if (bytes_eq(v.serial, serial)) {
			if (ret_time_s)
				*ret_time_s = v.time_s;
			if (ret_reason)
				*ret_reason = v.reason;
			return true;
		}
	return false;
}

enum err_code make_lists(struct signer *s, bool *ret_made, struct err *e)
{
	struct crl_new made[SIGNER_LISTS_A_TURN];
	size_t n = 0;

	enum err_code rc = signer_crl(s, made, &n, e);
	*ret_made = n > 0;
	return rc;
}

bool newest_list(const struct signer *s, struct crl_new *ret)
{
	*ret = (struct crl_new){ 0 };
	return signer_crl_list(s, ret, 1) == 1;
}
