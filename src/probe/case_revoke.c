/* Revocation (RFC 8555 §7.6). */
#include "base/codec.h"
#include "probe/list.h"

/* The payload for a certificate; reason -1: none. */
static enum err_code revoke_payload(struct probe *p, struct bytes leaf, int reason, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);

	buf_add_str(&text, "{\"certificate\":\"");
	base64url_add(&text, leaf);
	buf_add_str(&text, "\"");
	if (reason >= 0)
		buf_add_fmt(&text, ",\"reason\":%d", reason);
	buf_add_str(&text, "}");
	*ret = buf_ok(&text) ? arena_str(probe_arena(p), buf_bytes(&text)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a certificate");
	return ERR_OK;
}

static enum err_code revoke(
    struct probe *p, const struct actor *as, enum by by, const char *payload, bool judged, struct http_client_answer *ret, struct err *e)
{
	return probe_ask(p, &ASK(.judged = judged, .url = probe_url(p, URL_REVOKE_CERT), .as = as, .by = by, .payload = payload), ret, e);
}

/* A new certificate is revoked, with the reason `status`. */
static enum err_code by_account(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *payload;
	struct order_of *o;

	TRY(make_issued(p, &o, e));
	TRY(revoke_payload(p, o->leaf, c->status, &payload, e));
	TRY(revoke(p, o->owner, BY_KID, payload, true, &x, e));
	return want_status(&x, 200, e);
}

static enum err_code by_key(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *payload;
	struct order_of *o;

	(void)c;
	TRY(make_issued(p, &o, e));
	TRY(revoke_payload(p, o->leaf, -1, &payload, e));
	TRY(revoke(p, &(struct actor){ .key = o->key }, BY_JWK, payload, true, &x, e));
	return want_status(&x, 200, e);
}

/* Another account that holds valid authorizations for all of its names. */
static enum err_code by_authorized(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o, *proof;
	const char *payload;

	(void)c;
	TRY(make_issued(p, &o, e));
	TRY(make_ready(p, &proof, e));
	TRY(revoke_payload(p, o->leaf, -1, &payload, e));
	TRY(revoke(p, proof->owner, BY_KID, payload, true, &x, e));
	return want_status(&x, 200, e);
}

static enum err_code twice(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *payload;
	struct order_of *o;

	(void)c;
	TRY(make_issued(p, &o, e));
	TRY(revoke_payload(p, o->leaf, -1, &payload, e));
	TRY(revoke(p, o->owner, BY_KID, payload, false, &x, e));
	if (x.status != 200)
		FAIL(e, CONFIG, "the certificate could not be revoked: %d", x.status);
	TRY(revoke(p, o->owner, BY_KID, payload, true, &x, e));
	return want_problem(p, &x, 0, "alreadyRevoked", e);
}

/* With the reason `status`, which nobody may give. */
static enum err_code bad_reason(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *payload;

	TRY(probe_issued(p, &o, e));
	TRY(revoke_payload(p, o->leaf, c->status, &payload, e));
	TRY(revoke(p, o->owner, BY_KID, payload, true, &x, e));
	return want_problem(p, &x, 0, c->type, e);
}

static enum err_code stranger(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const struct actor *other;
	const char *payload;

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(probe_other(p, &other, e));
	TRY(revoke_payload(p, o->leaf, -1, &payload, e));
	TRY(revoke(p, other, BY_KID, payload, true, &x, e));
	return want_problem(p, &x, 403, "unauthorized", e);
}

static enum err_code another_key(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *payload;
	struct actor who = { 0 };

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &who.key, e));
	TRY(revoke_payload(p, o->leaf, -1, &payload, e));
	TRY(revoke(p, &who, BY_JWK, payload, true, &x, e));
	return want_problem(p, &x, 403, "unauthorized", e);
}

/* A certificate of this CA, but for one bit of its signature. */
static enum err_code not_issued(struct probe *p, const struct probe_case *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(65536);
	const struct order_of *o;
	struct http_client_answer x;
	const char *payload;

	(void)c;
	TRY(probe_issued(p, &o, e));
	buf_add(&der, o->leaf);
	if (!buf_ok(&der))
		FAIL(e, NOMEM, "no memory for a certificate");
	der.ptr[der.len - 1] ^= 1;
	TRY(revoke_payload(p, buf_bytes(&der), -1, &payload, e));
	TRY(revoke(p, o->owner, BY_KID, payload, true, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

#define SEC                               "RFC 8555 §7.6"
#define REVOKE(id, level, must, run, ...) CASE("revoke-cert/" id, SEC, level, must, run, __VA_ARGS__, .needs = NEED_REVOKE)

static const struct probe_case rows[] = {
	CASE("directory/revoke-cert", "RFC 8555 §7.1.1", MUST, "A server that revokes has revokeCert, an https URL.", case_directory_member,
	    M_LOSE("revokeCert"), .arg = "revokeCert", .value = "url", .needs = NEED_REVOKE),
	REVOKE(
	    "by-account", MUST, "The account that a certificate was issued to revokes it: 200.", by_account, M_STATUS(403), .status = -1),
	REVOKE("by-key", MUST, "The certificate's own key revokes it: 200.", by_key, M_STATUS(403)),
	REVOKE("by-authorized", MUST, "An account that is authorized for all names revokes it: 200.", by_authorized, M_STATUS(403)),
	REVOKE("reason-compromise", SHOULD, "The reason keyCompromise (1) is taken.", by_account, M_STATUS(400), .status = 1),
	REVOKE("reason-superseded", SHOULD, "The reason superseded (4) is taken.", by_account, M_STATUS(400), .status = 4),
	REVOKE("twice", MUST, "What is revoked already is refused with alreadyRevoked.", twice, M_TYPE("malformed")),
	REVOKE("reason-unused", MUST, "The reason 7, which RFC 5280 leaves out, is refused with badRevocationReason.", bad_reason,
	    M_TYPE("malformed"), .status = 7, .type = "badRevocationReason"),
	REVOKE("reason-unknown", MUST, "A reason that is none is refused with badRevocationReason.", bad_reason, M_STATUS(200),
	    .status = 99, .type = "badRevocationReason"),
	REVOKE("stranger", MUST, "An account without authorizations is refused with 403 and unauthorized.", stranger, M_TYPE("malformed")),
	REVOKE("another-key", MUST, "A key that is neither the certificate's nor an account's is refused with 403 and unauthorized.",
	    another_key, M_STATUS(200)),
	REVOKE("not-issued", MUST, "A certificate that this CA did not issue is refused.", not_issued, M_STATUS(200)),
	REVOKE("no-certificate", MUST, "A request without a certificate is refused as malformed.", case_problem, M_STATUS(200),
	    .on = ON_REVOKE_CERT, .payload = "{}", .type = "malformed"),
	REVOKE("garbage", MUST, "A certificate that is none is refused.", case_problem, M_STATUS(200), .on = ON_REVOKE_CERT,
	    .payload = "{\"certificate\":\"AAECAwQF\"}"),
};
CASE_TABLE(revoke_cases, rows);
