/* The client's part: signed requests, CSRs, and what becomes of genuine receipts. */
#include "attack.h"

#include "base/clock.h"
#include "base/codec.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "pki/csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes copy_of(struct arena *a, struct bytes in)
{
	struct bytes copy = arena_copy(a, in);

	if (!copy.ptr)
		abort();
	return copy;
}

struct bytes account_url_of(struct attacker *w, unsigned account)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	jwk_thumbprint(w->account[account], thumbprint);
	return account_url(w->a, w->child.settings.base_url, thumbprint);
}

static enum err_code sign_with(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	return key_sign(*(const struct key **)ctx, SIG_FORM_JOSE, message, sig, ret_len, e);
}

static struct bytes make_jws(struct attacker *w, const struct recipe *r, struct bytes url, struct bytes payload)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	const struct key *k = r->signer;
	struct jws_header h = {
		.alg = key_sig_alg(k), .nonce = BYTES_LIT("oFvnlFP1wIhRlYS2jTaXbA"), .url = url, .kid = account_url_of(w, r->account)
	};
	struct err e = { 0 };

	need(w, jws_write(&h, payload, sign_with, &k, &out, &e), "signing a request", &e);
	return copy_of(w->a, buf_bytes(&out));
}

static struct bytes jws_member(struct bytes jws, const char *name)
{
	char key[32];
	int n = snprintf(key, sizeof key, "\"%s\":\"", name);
	const uint8_t *at = memmem(jws.ptr, jws.len, key, (size_t)n);

	if (!at)
		abort();
	size_t from = (size_t)(at - jws.ptr) + (size_t)n;
	const uint8_t *end = memchr(jws.ptr + from, '"', jws.len - from);
	return bytes_slice(jws, from, (size_t)(end - jws.ptr));
}

struct bytes jws_mix(struct attacker *w, struct bytes header_of, struct bytes payload_of, struct bytes signature_of)
{
	return arena_fmt(w->a, "{\"protected\":\"%.*s\",\"payload\":\"%.*s\",\"signature\":\"%.*s\"}",
	    BYTES_FMT(jws_member(header_of, "protected")), BYTES_FMT(jws_member(payload_of, "payload")),
	    BYTES_FMT(jws_member(signature_of, "signature")));
}

static struct bytes new_order_payload(struct attacker *w, const struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(8192);

	buf_add_str(&out, "{\"identifiers\":[");
	for (size_t i = 0; r->names[i]; i++)
		buf_add_fmt(&out, "%s{\"type\":\"dns\",\"value\":\"%s\"}", i ? "," : "", r->names[i]);
	buf_add_str(&out, "]");
	if (r->profile)
		buf_add_fmt(&out, ",\"profile\":\"%s\"", r->profile);
	if (r->not_before)
		buf_add_fmt(&out, ",\"notBefore\":\"%s\"", r->not_before);
	if (r->not_after)
		buf_add_fmt(&out, ",\"notAfter\":\"%s\"", r->not_after);
	buf_add_str(&out, "}");
	return copy_of(w->a, buf_bytes(&out));
}

static struct bytes make_csr(struct attacker *w, const struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CSR_SIZE_MAX);
	struct san v[CASE_NAMES];
	struct err e = { 0 };
	size_t n = 0;

	for (; n < CASE_NAMES && r->csr_names[n]; n++)
		v[n] = (struct san){ .type = SAN_DNS, .value = bytes_str(r->csr_names[n]) };
	n = san_sort(v, n);
	need(w, csr_write(r->csr_key, v, n, &out, &e), "writing a CSR", &e);
	if (r->spoil_csr)
		out.ptr[out.len - 1] ^= 1;
	return copy_of(w->a, buf_bytes(&out));
}

struct recipe recipe_of(const struct attacker *w, unsigned proof)
{
	const struct proof *p = &w->proofs[proof];
	struct recipe r = { .account = p->account,
		.jwk_of = p->account,
		.signer = w->account[p->account],
		.csr_key = w->leaf,
		.names = { p->name },
		.csr_names = { p->name },
		.order_ms = clock_wall_ms(),
		.receipts = { p->control, p->caa },
		.n_receipts = 2 };

	return r;
}

void recipe_build(struct attacker *w, struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);
	struct bytes base = r->base ? bytes_str(r->base) : w->child.settings.base_url;
	char id[ORDER_ID_LEN + 1];

	if (!r->same_order) {
		r->new_order = make_jws(w, r, arena_fmt(w->a, "%.*s/acme/new-order", BYTES_FMT(base)), new_order_payload(w, r));
		if (r->spoil_new_order) {
			struct recipe other = *r;
			other.signer = w->stranger;
			struct bytes by_stranger =
			    make_jws(w, &other, arena_fmt(w->a, "%.*s/acme/new-order", BYTES_FMT(base)), new_order_payload(w, r));
			r->new_order = jws_mix(w, r->new_order, r->new_order, by_stranger);
		}
		order_id_make(r->order_ms, r->new_order, r->order);
	}
	base64url_encode(BYTES_ARRAY(r->order), id);
	r->csr = make_csr(w, r);
	char *text = arena_alloc(w->a, BASE64URL_LEN(r->csr.len) + 1);
	if (!text)
		abort();
	base64url_encode(r->csr, text);
	r->finalize = make_jws(
	    w, r, arena_fmt(w->a, "%.*s" ORDER_PATH "%s" FINALIZE_SUFFIX, BYTES_FMT(base), id), arena_fmt(w->a, "{\"csr\":\"%s\"}", text));
	jwk_write(w->account[r->jwk_of], &jwk);
	r->jwk = copy_of(w->a, buf_bytes(&jwk));
}

struct bytes recipe_body(struct attacker *w, const struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct bytes receipts[CASE_RECEIPTS];
	struct issue i = {
		.finalize = r->finalize, .new_order = r->new_order, .account_jwk = r->jwk, .receipts = receipts, .n_receipts = r->n_receipts
	};

	memcpy(receipts, r->receipts, sizeof receipts);
	issue_write(&i, &out);
	return copy_of(w->a, buf_bytes(&out));
}

struct receipt receipt_of(struct attacker *w, struct bytes genuine)
{
	struct receipt r;
	struct err e = { 0 };

	need(w, receipt_read(genuine, BYTES_ARRAY(w->identity.receipt_key), &r, &e), "reading a genuine receipt", &e);
	return r;
}

struct bytes receipt_seal(struct attacker *w, const struct receipt *r, const uint8_t key[RECEIPT_KEY_SIZE])
{
	CLEANUP(buf_free_p) struct buf out = buf_new(RECEIPT_SIZE_MAX);

	receipt_write(r, (struct bytes){ key, RECEIPT_KEY_SIZE }, &out);
	return copy_of(w->a, buf_bytes(&out));
}

enum err_code ask_issue(struct attacker *w, struct bytes body, struct issued *ret, struct err *e)
{
	struct message m;
	enum err_code code;
	struct bytes detail;

	if (!link_ask(w, &w->signer, MESSAGE_ISSUE, body, &m))
		FAIL(e, TIMEOUT, "the signer does not answer");
	if (m.type == MESSAGE_REFUSED) {
		TRY(problem_read(m.body, &code, &detail, e));
		return err_set(e, code, __FILE__, __LINE__, "%.*s", BYTES_FMT(detail));
	}
	TRY(issued_read(m.body, ret, e));
	ret->serial = copy_of(w->kept, ret->serial);
	ret->certificate = copy_of(w->kept, ret->certificate);
	return ERR_OK;
}

void honest_issuance(struct attacker *w, const char *name, unsigned proof)
{
	struct recipe r = recipe_of(w, proof);
	struct issued i = { 0 };
	struct err e = { 0 };

	arena_reset(w->a);
	recipe_build(w, &r);
	struct bytes body = recipe_body(w, &r);
	enum err_code rc = ask_issue(w, body, &i, &e);
	report(w, name, rc == ERR_OK, "%s: %s", err_name(rc), e.detail);
	if (rc != ERR_OK)
		return;
	w->honest++;
	w->issued_body = copy_of(w->kept, body);
	w->issued_certificate = i.certificate;
}
