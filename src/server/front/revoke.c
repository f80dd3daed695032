#include "base/codec.h"
#include "base/json.h"
#include "jose/jwk.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "server/front/objects.h"

#include <string.h>

#define REVOKE_MS 10000

struct revoke_body {
	struct bytes certificate;
	struct json_uint reason;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct revoke_body, certificate, "certificate", JSON_STRING, true, BASE64URL_LEN(CERT_SIZE_MAX)),
	JSON_FIELD(struct revoke_body, reason, "reason", JSON_UINT, false, 0),
};

/* The certificate that the request brings, if this CA has given it to somebody. */
static enum err_code read_request(struct acme_request *r, struct store_certificate *ret, struct cert *ret_parts, struct err *e)
{
	struct revoke_body body = { 0 };
	struct store_certificate c;
	struct bytes der;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, 2, &body, e));
	if (base64url_decode(r->http->arena, body.certificate, &der, NULL) != ERR_OK)
		FAIL(e, MALFORMED, "\"certificate\" is not the base64url form of a DER certificate (RFC 8555 section 7.6)");
	TRY(cert_parse(r->http->arena, der, ret_parts, e));
	TRY(crl_reason_check(body.reason.value, e));
	if (ret_parts->serial.len != STORE_SERIAL)
		FAIL(e, NOT_FOUND, "this CA has not issued this certificate");
	enum err_code rc = store_get_certificate(r->front->store, r->http->arena, ret_parts->serial.ptr, &c, e);
	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && !bytes_eq(c.der, der)))
		FAIL(e, NOT_FOUND, "this CA has not issued this certificate");
	TRY(rc);
	*ret = c;
	return ERR_OK;
}

static enum err_code names_of(struct arena *a, const struct cert *c, struct identifier **ret, struct err *e)
{
	struct identifier *v = arena_array(a, c->n_names + 1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for identifiers");
	for (size_t i = 0; i < c->n_names; i++)
		TRY(identifier_from_san(a, &c->names[i], &v[i], e));
	*ret = v;
	return ERR_OK;
}

/* Of an account that is not the certificate's: what shows that it controls all the names now (RFC 8555 §7.6). Without an authorization
 * for one of them there is nothing to show, and the signer says so. */
static enum err_code add_receipts(struct acme_request *r, const struct cert *c, struct revoke *ret, struct err *e)
{
	struct store_reuse reuse = { .account = r->account, .until_s = r->now_ms / 1000, .challenges = UINT32_MAX };
	uint8_t(*ids)[STORE_AUTHZ_ID] = arena_array(r->http->arena, c->n_names + 1, sizeof *ids);
	bool *found = arena_array(r->http->arena, c->n_names + 1, sizeof *found);
	struct identifier *names = NULL;

	ret->receipts = arena_array(r->http->arena, c->n_names + 1, sizeof *ret->receipts);
	if (!ids || !found || !ret->receipts)
		FAIL(e, NOMEM, "no memory for receipts");
	TRY(names_of(r->http->arena, c, &names, e));
	TRY(store_find_valid(r->front->store, &reuse, names, c->n_names, found, ids, e));
	for (size_t i = 0; i < c->n_names; i++) {
		struct store_authz authz;
		if (!found[i])
			continue;
		TRY(store_get_authz(r->front->store, r->http->arena, ids[i], &authz, e));
		ret->receipts[ret->n_receipts++] = authz.control;
	}
	return ERR_OK;
}

/* Whoever the request says that it is by, with what supports it. */
static enum err_code add_account(
    struct acme_request *r, const struct store_certificate *c, const struct cert *parts, struct revoke *ret, struct err *e)
{
	struct store_account account;

	ret->jwk = BYTES_LIT("");
	if (r->jws.jwk.ptr) {
		/* Anybody can sign by some key: such requests do not get as far as the signer. */
		if (!bytes_eq(key_spki(r->key), parts->spki))
			FAIL(e, UNAUTHORIZED, "the key that signed this request is not the certificate's");
		return ERR_OK;
	}
	TRY(store_get_account(r->front->store, r->http->arena, r->account, &account, e));
	ret->jwk = account.jwk;
	return memcmp(c->account, r->account, sizeof c->account) == 0 ? ERR_OK : add_receipts(r, parts, ret, e);
}

/* RFC 8555 §7.6. The signer decides, by the request itself; here stands what the database knows. */
enum err_code revoke_cert(struct acme_request *r, struct reply *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct revoke evidence = { .request = r->http->body };
	struct store_certificate c;
	struct cert parts;
	struct message answer;
	struct revoked revoked;

	TRY(read_request(r, &c, &parts, e));
	TRY(add_account(r, &c, &parts, &evidence, e));
	revoke_write(&evidence, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for the evidence");
	TRY(peer_call(r->front->signer, r->http->arena, MESSAGE_REVOKE, buf_bytes(&body), REVOKE_MS, &answer, e));
	TRY(answer_check(&answer, e));
	TRY(revoked_read(answer.body, &revoked, e));
	TRY(store_revoke_certificate(r->front->store, c.serial, revoked.time_s, revoked.reason, e));
	ret->http.status = 200;
	return ERR_OK;
}
