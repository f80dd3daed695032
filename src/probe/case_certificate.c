/* Finalization (RFC 8555 §7.4) and what is downloaded (§7.4.2). */
#include "base/clock.h"
#include "base/codec.h"
#include "crypto/key.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "probe/list.h"

#include <string.h>

#define CHAIN_MAX 8

/* --- finalize --- */

/* A ready order is finalized with a CSR by a new key for the names; judged. */
static enum err_code finalize_with(struct probe *p, const struct order_of *o, const struct key *k, const char *const *names, size_t n,
    struct http_client_answer *ret, struct err *e)
{
	const char *payload;

	TRY(csr_payload(p, k, names, n, &payload, e));
	return probe_ask(p, &ASK(.judged = true, .url = o->finalize, .as = o->owner, .payload = payload), ret, e);
}

static enum err_code finalized(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	struct key *k;

	TRY(make_ready(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &k, e));
	TRY(finalize_with(p, o, k, (const char *const[]){ probe_name(p, 0) }, 1, &x, e));
	TRY(want_status(&x, 200, e));
	if (c->type)
		return want_value(&x, c->type, o->url, e);
	return want_kind(p, &x, c->arg, c->value, e);
}

/* What is wrong with the CSR is in the row: `arg`. */
static enum err_code wrong_names(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *names[2] = { probe_name(p, 0), "probe-not-ordered.example" };
	struct order_of *o;
	struct key *k;

	TRY(make_ready(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &k, e));
	bool more = strcmp(c->arg, "more") == 0, none = strcmp(c->arg, "none") == 0;
	TRY(finalize_with(p, o, k, more || none ? names : names + 1, more ? 2 : none ? 0 : 1, &x, e));
	return want_problem(p, &x, 0, c->type, e);
}

static enum err_code account_key(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;

	(void)c;
	TRY(make_ready(p, &o, e));
	TRY(finalize_with(p, o, o->owner->key, (const char *const[]){ probe_name(p, 0) }, 1, &x, e));
	return want_problem(p, &x, 0, "badCSR", e);
}

/* A CSR whose signature does not hold. */
static enum err_code forged(struct probe *p, const struct probe_case *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(CSR_SIZE_MAX), text = buf_new(65536);
	const struct san name = { SAN_DNS, bytes_str(probe_name(p, 0)) };
	struct http_client_answer x;
	struct order_of *o;
	struct key *k;

	(void)c;
	TRY(make_ready(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &k, e));
	TRY(csr_write(k, &name, 1, &der, e));
	der.ptr[der.len - 1] ^= 1;
	buf_add_str(&text, "{\"csr\":\"");
	base64url_add(&text, buf_bytes(&der));
	buf_add_str(&text, "\"}");
	buf_add_u8(&text, 0);
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->finalize, .as = o->owner, .payload = (const char *)text.ptr), &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

/* The row's payload to a ready order. */
static enum err_code bad_payload(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;

	TRY(make_ready(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->finalize, .as = o->owner, .payload = c->payload), &x, e));
	return want_problem(p, &x, 0, c->type, e);
}

static enum err_code twice(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	struct key *k;

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &k, e));
	TRY(finalize_with(p, o, k, (const char *const[]){ probe_name(p, 0) }, 1, &x, e));
	return want_problem(p, &x, 403, "orderNotReady", e);
}

/* A CSR that was refused leaves the order ready: it can be finalized with a better one. */
static enum err_code again(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;

	(void)c;
	TRY(make_ready(p, &o, e));
	TRY(probe_ask(p, &ASK(.url = o->finalize, .as = o->owner, .payload = "{\"csr\":\"AAAA\"}"), &x, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->url, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, "status", "ready", e);
}

/* --- the certificate --- */

struct chain_of {
	struct bytes der[CHAIN_MAX];
	struct cert cert[CHAIN_MAX];
	size_t n;
};

static enum err_code download(struct probe *p, const struct order_of **ret_order, struct http_client_answer *ret, struct err *e)
{
	TRY(probe_issued(p, ret_order, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = (*ret_order)->certificate, .as = (*ret_order)->owner), ret, e));
	return want_status(ret, 200, e);
}

static enum err_code read_chain(struct probe *p, struct bytes pem, struct chain_of *ret, struct err *e)
{
	struct err why = { 0 };

	ret->n = 0;
	while (ret->n < CHAIN_MAX && pem_next(probe_arena(p), &pem, "CERTIFICATE", &ret->der[ret->n], NULL) == ERR_OK) {
		if (cert_parse(probe_arena(p), ret->der[ret->n], &ret->cert[ret->n], &why) != ERR_OK)
			FAIL(e, CONFIRM, "certificate %zu of the chain cannot be read: %.200s", ret->n + 1, why.detail);
		ret->n++;
	}
	if (ret->n == 0)
		FAIL(e, CONFIRM, "what was downloaded has no certificate in PEM");
	return ERR_OK;
}

static enum err_code download_chain(struct probe *p, const struct order_of **ret_order, struct chain_of *ret, struct err *e)
{
	struct http_client_answer x;

	TRY(download(p, ret_order, &x, e));
	return read_chain(p, x.body, ret, e);
}

static enum err_code content_type(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;

	TRY(probe_issued(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->certificate, .as = o->owner, .accept = c->arg), &x, e));
	TRY(want_status(&x, 200, e));
	struct bytes kind = x.content_type, parameters;
	(void)bytes_split(kind, ';', &kind, &parameters);
	if (!kind.ptr || !bytes_eq_str(kind, "application/pem-certificate-chain"))
		FAIL(e, CONFIRM, "the content type is %.*s", BYTES_FMT(x.content_type));
	return ERR_OK;
}

/* RFC 8555 §9.1: PEM blocks and nothing else; erratum 5983: no empty lines between them. */
static enum err_code pem_alone(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	struct bytes line, rest;
	bool inside = false;

	(void)c;
	TRY(download(p, &o, &x, e));
	rest = x.body;
	while (rest.len) {
		if (!bytes_split(rest, '\n', &line, &rest)) {
			line = rest;
			rest = BYTES_LIT("");
		}
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (bytes_eq_str(line, "-----BEGIN CERTIFICATE-----"))
			inside = true;
		else if (!inside)
			FAIL(e, CONFIRM, "there is more than PEM certificates: \"%.*s\"", (int)(line.len < 80 ? line.len : 80),
			    (const char *)line.ptr);
		else if (bytes_eq_str(line, "-----END CERTIFICATE-----"))
			inside = false;
	}
	if (inside)
		FAIL(e, CONFIRM, "a certificate has no end");
	return ERR_OK;
}

static enum err_code leaf_first(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct chain_of chain;

	(void)c;
	TRY(download_chain(p, &o, &chain, e));
	if (!bytes_eq(chain.cert[0].spki, key_spki(o->key)))
		FAIL(e, CONFIRM, "the first certificate is not for the CSR's key");
	return ERR_OK;
}

static enum err_code names(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct chain_of chain;

	(void)c;
	TRY(download_chain(p, &o, &chain, e));
	const struct cert *leaf = &chain.cert[0];
	if (leaf->n_names != 1 || leaf->names[0].type != SAN_DNS || !bytes_eq_str(leaf->names[0].value, probe_name(p, 0)))
		FAIL(e, CONFIRM, "the first certificate is not for exactly the names of the order: it has %zu", leaf->n_names);
	return ERR_OK;
}

static enum err_code not_ca(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct chain_of chain;

	(void)c;
	TRY(download_chain(p, &o, &chain, e));
	if (chain.cert[0].is_ca)
		FAIL(e, CONFIRM, "the first certificate is a CA's");
	return ERR_OK;
}

static enum err_code holds_now(struct probe *p, const struct probe_case *c, struct err *e)
{
	int64_t now_s = clock_wall_ms() / 1000;
	const struct order_of *o;
	struct chain_of chain;

	(void)c;
	TRY(download_chain(p, &o, &chain, e));
	if (bytes_eq(chain.der[0], o->leaf) && chain.cert[0].not_before_s <= now_s && now_s <= chain.cert[0].not_after_s)
		return ERR_OK;
	FAIL(e, CONFIRM, "the certificate is not the one that was issued, or does not hold now");
}

static enum err_code chain_order(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct chain_of chain;

	(void)c;
	TRY(download_chain(p, &o, &chain, e));
	if (chain.n < 2)
		FAIL(e, NOT_FOUND, "the chain has one certificate alone");
	for (size_t i = 0; i + 1 < chain.n; i++) {
		CLEANUP(key_free_p) struct key *k = NULL;
		TRY(key_from_spki(chain.cert[i + 1].spki, &k, e));
		if (key_verify_x509(k, chain.cert[i].alg, chain.cert[i].tbs, chain.cert[i].signature, NULL) != ERR_OK)
			FAIL(e, CONFIRM, "certificate %zu of the chain is not signed by the next one", i + 1);
	}
	return ERR_OK;
}

/* Other chains, where there are any. */
static enum err_code alternate(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x, y;
	struct chain_of chain;
	const char *url;

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(probe_ask(p, &ASK(.url = o->certificate, .as = o->owner), &x, e));
	if (!has_link(p, &x, "alternate", &url))
		FAIL(e, NOT_FOUND, "the server offers no other chain");
	TRY(probe_ask(p, &ASK(.judged = true, .url = url, .as = o->owner), &y, e));
	TRY(want_status(&y, 200, e));
	TRY(read_chain(p, y.body, &chain, e));
	if (!bytes_eq(chain.der[0], o->leaf))
		FAIL(e, CONFIRM, "the other chain begins with another certificate");
	return ERR_OK;
}

#define FIN  "RFC 8555 §7.4"
#define CERT "RFC 8555 §7.4.2"
#define PEM  "RFC 8555 §9.1"

static const struct probe_case rows[] = {
	CASE("finalize/status-200", FIN, MUST, "A good CSR is answered by 200 and the order.", finalized, M_STATUS(201), .arg = "status",
	    .value = "processing|valid"),
	CASE("finalize/order", FIN, MUST, "The answer to a good CSR is the order.", finalized, M_LOSE("authorizations"),
	    .arg = "authorizations", .value = "urls"),
	CASE("finalize/location", FIN, SHOULD, "The answer to a good CSR has the order's URL in Location.", finalized, M_DROP("location"),
	    .type = "location"),
	CASE("finalize/not-ready", FIN, MUST, "An order that is not ready is refused with 403 and orderNotReady.", case_problem,
	    M_TYPE("malformed"), .on = ON_FINALIZE, .status = 403, .type = "orderNotReady"),
	CASE("finalize/twice", FIN, MUST, "An order that is valid is refused with 403 and orderNotReady.", twice, M_STATUS(200)),
	CASE("finalize/other-name", FIN, MUST, "A CSR for another name is refused.", wrong_names, M_STATUS(200), .arg = "other"),
	CASE("finalize/more-names", FIN, MUST, "A CSR for more names is refused.", wrong_names, M_STATUS(200), .arg = "more"),
	CASE("finalize/no-names", FIN, MUST, "A CSR without names is refused.", wrong_names, M_STATUS(200), .arg = "none"),
	CASE("finalize/bad-csr", FIN, SHOULD, "A CSR whose names are not the order's is refused with badCSR.", wrong_names,
	    M_TYPE("malformed"), .arg = "other", .type = "badCSR"),
	CASE("finalize/account-key", "RFC 8555 §11.1", SHOULD, "A CSR for the account's own key is refused with badCSR.", account_key,
	    M_STATUS(200)),
	CASE("finalize/forged", FIN, MUST, "A CSR whose signature does not hold is refused.", forged, M_STATUS(200)),
	CASE("finalize/no-csr", FIN, MUST, "A request without a CSR is refused.", bad_payload, M_STATUS(200), .payload = "{}"),
	CASE("finalize/csr-number", FIN, MUST, "A CSR that is no string is refused.", bad_payload, M_STATUS(200), .payload = "{\"csr\":7}"),
	CASE("finalize/csr-garbage", FIN, MUST, "A CSR that is none is refused.", bad_payload, M_STATUS(200),
	    .payload = "{\"csr\":\"AAECAwQF\"}"),
	CASE("finalize/csr-padding", "RFC 8555 §6.1", MUST, "A CSR in base64 with padding is refused.", bad_payload, M_STATUS(200),
	    .payload = "{\"csr\":\"AAECAw==\"}"),
	CASE("finalize/again", FIN, SHOULD, "A CSR that was refused leaves the order ready for another.", again,
	    M_JSON("status", "\"invalid\"")),

	CASE("certificate/get-200", CERT, MUST, "A certificate is had by POST-as-GET, with 200.", case_status, M_STATUS(404),
	    .on = ON_CERTIFICATE, .status = 200),
	CASE("certificate/type", CERT, MUST, "Without a wish the type is application/pem-certificate-chain.", content_type,
	    M_SET("content-type", "application/pkix-cert")),
	CASE("certificate/type-wished", CERT, MUST, "application/pem-certificate-chain is given to whoever accepts it.", content_type,
	    M_SET("content-type", "application/x-pem-file"), .arg = "application/pem-certificate-chain"),
	CASE("certificate/pem-alone", PEM, MUST, "There is nothing but certificates in PEM, and no empty line.", pem_alone,
	    M_BODY("Here it is:\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
	CASE("certificate/leaf-first", PEM, MUST, "The first certificate is the one for the CSR's key.", leaf_first, M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/names", CERT, MUST, "The certificate has the order's names and no others.", names, M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/not-a-ca", FIN, MUST, "The certificate is not a CA's.", not_ca, M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/same", CERT, MUST, "The certificate stays the same, and holds now.", holds_now, M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/chain", PEM, SHOULD, "Each certificate is signed by the next.", chain_order, M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/readable", PEM, MUST, "Every certificate can be read.", leaf_first, M_OP(MUTANT_PEM_SPOIL)),
	CASE("certificate/alternate", CERT, MUST, "A chain that is linked as \"alternate\" is for the same certificate.", alternate,
	    M_OP(MUTANT_PEM_SWAP)),
	CASE("certificate/payload", "RFC 8555 §6.3", MUST, "A payload where none belongs is refused as malformed.", case_problem,
	    M_STATUS(200), .on = ON_CERTIFICATE, .payload = "{}"),
};
CASE_TABLE(certificate_cases, rows);
