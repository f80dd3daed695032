/* Revocation on a client's word (RFC 8555 §7.6). Three may ask for it: whoever has the certificate's key, the account that it was issued to,
 * and an account that has shown control of all its names. The request is judged here, as the client has signed it. */
#include "server/signer/revoke.h"

#include "base/codec.h"
#include "base/json.h"

#include <errno.h>
#include <string.h>

#define REVOKE_PATH "/acme/revoke-cert"

struct revoke_payload {
	struct bytes certificate;
	struct json_uint reason;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct revoke_payload, certificate, "certificate", JSON_STRING, true, BASE64URL_LEN(CERT_SIZE_MAX)),
	JSON_FIELD(struct revoke_payload, reason, "reason", JSON_UINT, false, 0),
};

/* A request on the way to its judgement. */
struct asked {
	struct revoke message;
	struct jws jws;
	struct bytes der;
	struct cert certificate;
	uint8_t reason;
	enum revoked_by by;
};

/* Whatever costs no arithmetic and no look into the log. */
static enum err_code read_request(const struct signer *s, struct arena *a, struct bytes body, struct asked *q, struct err *e)
{
	struct revoke_payload p = { 0 };
	struct bytes base = s->settings.base_url;

	TRY(revoke_read(a, body, &q->message, e));
	TRY(jws_parse(a, q->message.request, JWS_NONCE_REQUIRED, &q->jws, e));
	if (!bytes_starts_with(q->jws.url, base) || !bytes_eq_str(bytes_slice(q->jws.url, base.len, q->jws.url.len), REVOKE_PATH))
		FAIL(e, UNAUTHORIZED, "the request's url is not this CA's revokeCert URL");
	TRY(json_read(a, q->jws.payload, "the revokeCert payload", fields, sizeof fields / sizeof *fields, &p, e));
	TRY(base64url_decode(a, p.certificate, &q->der, e));
	TRY(cert_parse(a, q->der, &q->certificate, e));
	TRY(crl_reason_check(p.reason.value, e)); /* none given is unspecified (RFC 5280 §5.3.1) */
	q->reason = (uint8_t)p.reason.value;
	return ERR_OK;
}

/* One of ours is in the log with all its bytes: its signature need not be looked at. A certificate that only looks like ours, by name,
 * serial or key, is not. */
static enum err_code find_certificate(struct signer *s, struct arena *a, const struct asked *q, struct log_entry *ret, struct err *e)
{
	const struct cert *c = &q->certificate;
	struct log_entry n;
	struct record r;
	struct result v;

	if (c->serial.len != SERIAL_SIZE)
		FAIL(e, NOT_FOUND, "this CA has not issued this certificate: its serial numbers have %d bytes", SERIAL_SIZE);
	enum err_code rc = log_find(s->log, c->serial.ptr, &n, e);
	errno = 0;
	if (rc == ERR_NOT_FOUND)
		FAIL(e, NOT_FOUND, "this CA has not issued a certificate of this serial number");
	TRY(rc);
	TRY(log_read(s->log, a, n.segment, n.offset, &r, e));
	TRY(result_read(&r, &v, e));
	errno = 0;
	if (!bytes_eq(v.certificate, q->der))
		FAIL(e, NOT_FOUND, "this CA has issued another certificate of this serial number: send its very bytes");
	if (!issuers_find(s, c->authority_key_id))
		FAIL(e, NOT_FOUND, "the certificate was signed by an issuer for which this CA makes no revocation lists");
	*ret = n;
	return ERR_OK;
}

/* The certificate's own key. */
static enum err_code check_key(struct arena *a, struct asked *q, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	if (q->message.jwk.len > 0)
		FAIL(e, CONFIRM, "an account's key was given with a request by the certificate's own");
	TRY(jwk_parse(a, q->jws.jwk, &k, e));
	if (!bytes_eq(key_spki(k), q->certificate.spki))
		FAIL(e, UNAUTHORIZED, "the key that has signed is not the certificate's");
	TRY(jws_verify(&q->jws, k, e));
	q->by = REVOKED_BY_KEY;
	return ERR_OK;
}

/* How long any profile lets control of a name count. */
static uint32_t authz_lifetime_s(const struct signer *s)
{
	uint32_t most = 0;

	for (size_t i = 0; i < s->settings.n_profiles; i++)
		if (s->settings.profiles[i].authz_lifetime_s > most)
			most = s->settings.profiles[i].authz_lifetime_s;
	return most;
}

static enum err_code check_names(
    struct signer *s, struct arena *a, int64_t now_ms, const struct account_evidence_key *account, struct asked *q, struct err *e)
{
	struct profile any = { .authz_lifetime_s = authz_lifetime_s(s), .challenges = UINT32_MAX };
	struct evidence v = { .account_url = account->url, .profile = &any };
	struct csr names = { .names = q->certificate.names, .n_names = q->certificate.n_names };

	memcpy(v.account_id, account->id, sizeof v.account_id);
	memcpy(v.thumbprint, account->thumbprint, sizeof v.thumbprint);
	names.n_names = san_sort(names.names, names.n_names);
	if (names.n_names == 0)
		FAIL(e, BUG, "a certificate of ours without names");
	TRY(receipts_check_control(s, a, q->message.receipts, q->message.n_receipts, &v, &names, now_ms, e));
	if (q->reason == CRL_KEY_COMPROMISE)
		FAIL(e, BAD_REVOCATION_REASON,
		    "an account that the certificate was not issued to cannot know of its key: sign the request with the certificate's key, "
		    "or give the reason 5 (cessationOfOperation)");
	/* What this shows is that the names have changed hands, whatever the reason given: it is what relying parties are told. */
	q->reason = CRL_CESSATION_OF_OPERATION;
	q->by = REVOKED_BY_NAMES;
	return ERR_OK;
}

static enum err_code check_account(
    struct signer *s, struct arena *a, int64_t now_ms, const struct log_entry *n, struct asked *q, struct err *e)
{
	struct account_evidence_key account;
	struct record r;
	struct intent i;

	if (q->message.jwk.len == 0)
		FAIL(e, CONFIRM, "no key was given for the account whose request this is");
	TRY(account_read(s, a, q->message.jwk, &account, e));
	if (!bytes_eq(q->jws.kid, account.url))
		FAIL(e, UNAUTHORIZED, "the revokeCert request is not by the account whose key was given");
	TRY(jws_verify(&q->jws, account.key, e));
	TRY(log_read(s->log, a, n->segment, n->intent, &r, e));
	TRY(intent_read(&r, &i, e));
	errno = 0;
	if (i.tls || memcmp(i.thumbprint, account.id, sizeof i.thumbprint) != 0)
		return check_names(s, a, now_ms, &account, q, e);
	q->by = REVOKED_BY_ACCOUNT;
	return ERR_OK;
}

/* Once is enough; only that its key was compromised may be said later on, by whoever has that key: it closes the key for good. */
static enum err_code check_again(struct signer *s, const struct asked *q, int64_t *time_s, struct err *e)
{
	const struct revoked_entry *was = revoked_find(s, q->certificate.serial.ptr);

	if (!was)
		return ERR_OK;
	if (was->reason == CRL_KEY_COMPROMISE || q->reason != CRL_KEY_COMPROMISE || q->by != REVOKED_BY_KEY) {
		revoked_tell(
		    s, was->serial, was->time_s, was->reason); /* whoever asks again may have lost an answer, and the database with it */
		FAIL(e, ALREADY_REVOKED, "the certificate is revoked already (%s)", crl_reason_name(was->reason));
	}
	*time_s = was->time_s;
	return ERR_OK;
}

static enum err_code write_answer(struct arena *a, const struct revocation *v, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(64);
	struct revoked answer = { .time_s = v->time_s, .reason = v->reason };

	revoked_write(&answer, &out);
	*ret = buf_ok(&out) ? arena_copy(a, buf_bytes(&out)) : BYTES_NONE;
	if (!ret->ptr)
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}

enum err_code revoke_prepare(
    struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event, struct bytes *ret_answer, struct err *e)
{
	struct asked q = { 0 };
	struct log_entry n;
	int64_t time_s = now_ms / 1000;

	errno = 0;
	TRY(read_request(s, a, body, &q, e));
	TRY(find_certificate(s, a, &q, &n, e));
	if (q.jws.jwk.ptr)
		TRY(check_key(a, &q, e));
	else
		TRY(check_account(s, a, now_ms, &n, &q, e));
	TRY(check_again(s, &q, &time_s, e));
	if (q.certificate.not_after_s < now_ms / 1000)
		FAIL(e, UNAUTHORIZED, "the certificate has expired: nobody takes it any more, and it need not be revoked");
	struct revocation v = {
		.reason = q.reason, .time_s = time_s, .by = (uint8_t)q.by, .not_after_s = q.certificate.not_after_s, .evidence = body
	};
	memcpy(v.serial, q.certificate.serial.ptr, sizeof v.serial);
	sha256_one(q.certificate.spki, v.spki_digest);
	memcpy(v.issuer, q.certificate.authority_key_id.ptr, sizeof v.issuer);
	TRY(revoked_check_room(s, e));
	revocation_write(&v, event);
	return write_answer(a, &v, ret_answer, e);
}
