/* OCSP answers: for each issuer a key of its own that lives in this process's memory alone, certified through the log like everything that the
 * issuer signs. What an answer says, the log says; the front only asks. */
#include "server/signer/lists.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/ocsp_message.h"

#include <errno.h>
#include <string.h>

#define RESPONDER_S   (14 * 86400)
#define BACKDATE_S    3600
#define RENEW_EARLY_S 86400         /* before the longest answer would be cut short */
#define AGAIN_MS      INT64_C(1000) /* after a first failure; twice as long after each further one */
#define AGAIN_MOST_MS INT64_C(60000)

void responder_free(struct responder *r)
{
	key_free(r->key);
	buf_free(&r->certificate);
	*r = (struct responder){ 0 };
}

static enum err_code add_intent(
    struct signer *s, const struct ca_issuer *i, const struct responder_request *r, struct bytes tbs, int64_t now_ms, struct err *e)
{
	struct intent v = { .tls = true, .ocsp = true, .profile = BYTES_LIT(""), .evidence = r->spki };

	memcpy(v.serial, r->serial, sizeof v.serial);
	memcpy(v.issuer, i->issuer->key_id.ptr, sizeof v.issuer);
	sha256_one(r->spki, v.csr_digest);
	sha256_one(tbs, v.tbs_digest);
	intent_write(&v, log_begin(s->log));
	TRY(log_end(s->log, LOG_OCSP_INTENT, now_ms, NULL, e));
	return log_commit(s->log, e);
}

static enum err_code add_void(
    struct signer *s, const struct ca_issuer *i, const uint8_t *serial, enum err_code code, int64_t now_ms, struct err *e)
{
	struct voided v = { .reason = bytes_str(err_name(code)) };

	memcpy(v.serial, serial, sizeof v.serial);
	memcpy(v.issuer, i->issuer->key_id.ptr, sizeof v.issuer);
	buf_reset(&s->event);
	void_write(&v, &s->event);
	TRY(event_append(s, LOG_VOID, buf_bytes(&s->event), now_ms, e));
	s->counts.voided++;
	return log_commit(s->log, e);
}

/* Intent durable -> sign -> result durable, as every certificate (log.md, L1). A key that does not sign leaves a void serial. */
static enum err_code certify(
    struct signer *s, const struct ca_issuer *i, const struct responder_request *r, int64_t now_ms, struct buf *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf tbs = buf_new(CERT_SIZE_MAX);
	struct result v = { .certificate = BYTES_NONE };
	struct err why = { 0 };

	cert_write_responder_tbs(i->issuer, r, &tbs);
	if (!buf_ok(&tbs))
		FAIL(e, NOMEM, "no memory for a certificate");
	TRY(lint_responder_tbs(buf_bytes(&tbs), i->issuer, r, e));
	TRY(add_intent(s, i, r, buf_bytes(&tbs), now_ms, e));
	enum err_code rc = cert_sign(i->issuer->key, buf_bytes(&tbs), ret, &why);
	if (rc != ERR_OK) {
		TRY(add_void(s, i, r->serial, rc, now_ms, e));
		*e = why;
		return rc;
	}
	memcpy(v.serial, r->serial, sizeof v.serial);
	v.certificate = buf_bytes(ret);
	result_write(&v, log_begin(s->log));
	TRY(log_end(s->log, LOG_RESULT, now_ms, NULL, e));
	return log_commit(s->log, e);
}

static enum err_code make_responder(struct signer *s, struct ca_issuer *i, int64_t now_ms, struct responder *ret, struct err *e)
{
	uint8_t serial[SERIAL_SIZE];
	int64_t now_s = now_ms / 1000;

	TRY(keyholder_ready(s, i, e));
	TRY(signer_place_check(s, e));
	TRY(signer_space_check(s, e));
	TRY(key_generate(KEY_EC_P256, 0, &ret->key, e));
	serial_make(now_ms, signer_shard(s), serial);
	struct responder_request r = {
		.serial = serial, .spki = key_spki(ret->key), .not_before_s = now_s - BACKDATE_S, .not_after_s = now_s + RESPONDER_S
	};
	if (r.not_after_s > i->issuer->not_after_s)
		r.not_after_s = i->issuer->not_after_s;
	ret->certificate = buf_new(CERT_SIZE_MAX);
	ret->not_after_s = r.not_after_s;
	return certify(s, i, &r, now_ms, &ret->certificate, e);
}

/* Made at the first question after a start, and anew well before its end. */
static bool is_good(const struct signer *s, const struct ca_issuer *i, int64_t now_s)
{
	const struct responder *r = &i->responder;
	int64_t needed_s = now_s + (int64_t)s->settings.ocsp_lifetime + RENEW_EARLY_S;

	return r->key && (needed_s <= r->not_after_s || r->not_after_s == i->issuer->not_after_s);
}

static enum err_code renew_responder(struct signer *s, struct ca_issuer *i, int64_t now_ms, struct err *e)
{
	struct responder fresh = { .key = NULL };

	struct responder *r = &i->responder;
	if (clock_monotonic_ms() < r->again_ms)
		FAIL(e, BUSY, "issuer \"%s\" could not certify a key for OCSP a moment ago", i->name);
	enum err_code rc = make_responder(s, i, now_ms, &fresh, e);
	if (rc != ERR_OK) {
		responder_free(&fresh);
		r->pause_ms = r->pause_ms == 0 ? AGAIN_MS : 2 * r->pause_ms;
		if (r->pause_ms > AGAIN_MOST_MS)
			r->pause_ms = AGAIN_MOST_MS;
		r->again_ms = clock_monotonic_ms() + r->pause_ms;
		return rc;
	}
	responder_free(&i->responder);
	i->responder = fresh;
	event(EVENT_INFO, "ocsp.responder", EVENT_STR("issuer", i->name));
	return ERR_OK;
}

/* One that is there still serves where a new one cannot be had, as long as what it signs lasts long enough. */
static enum err_code need_responder(struct signer *s, struct ca_issuer *i, int64_t now_ms, struct err *e)
{
	int64_t answered_s = now_ms / 1000 + OCSP_LIFETIME_MIN_S;

	errno = 0;
	if (i->issuer->not_after_s < answered_s)
		FAIL(e, BUSY, "issuer \"%s\" ends before an OCSP answer would", i->name);
	if (is_good(s, i, now_ms / 1000))
		return ERR_OK;
	enum err_code rc = renew_responder(s, i, now_ms, e);
	if (rc == ERR_OK || log_poisoned(s->log) || !i->responder.key || i->responder.not_after_s < answered_s)
		return rc;
	return ERR_OK;
}

/* `good` is what has its RESULT in the log, carries this issuer's signature and has not ended: of ended ones nobody keeps whether they were
 * revoked. */
static enum err_code look_up(struct signer *s, struct arena *a, const struct ca_issuer *i, const uint8_t serial[SERIAL_SIZE], int64_t now_s,
    enum ocsp_status *ret, struct err *e)
{
	struct log_entry n;
	struct record r;
	struct result v;
	struct cert c;

	*ret = OCSP_UNKNOWN;
	enum err_code rc = log_find(s->log, serial, &n, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	TRY(log_read(s->log, a, n.segment, n.offset, &r, e));
	errno = 0;
	if (r.type != LOG_RESULT)
		FAIL(e, IO, "segment %u of the log has no result where its index says", n.segment);
	TRY(result_read(&r, &v, e));
	TRY(cert_parse(a, v.certificate, &c, e));
	if (memcmp(v.serial, serial, SERIAL_SIZE) != 0 || !bytes_eq(c.serial, (struct bytes){ serial, SERIAL_SIZE }) ||
	    !bytes_eq(c.authority_key_id, i->issuer->key_id) || c.not_after_s < now_s ||
	    key_verify(i->issuer->key, SIG_FORM_X509, c.tbs, c.signature, NULL) != ERR_OK)
		return ERR_OK;
	*ret = OCSP_GOOD;
	return ERR_OK;
}

static enum err_code decide(
    struct signer *s, struct arena *a, const struct ca_issuer *i, int64_t now_s, struct ocsp_single *v, struct err *e)
{
	const uint8_t *serial = v->id.serial.ptr;

	v->status = OCSP_UNKNOWN;
	if (v->id.serial.len != SERIAL_SIZE)
		return ERR_OK;
	const struct revoked_entry *n = entries_find(&i->shards[serial_shard(serial)].entries, serial);
	if (!n)
		return look_up(s, a, i, serial, now_s, &v->status, e);
	v->status = OCSP_REVOKED;
	v->revoked_s = n->time_s;
	v->reason = n->reason;
	return ERR_OK;
}

/* One responder speaks for one issuer. */
static enum err_code find_issuer(struct signer *s, const struct ocsp_request *r, struct ca_issuer **ret, struct err *e)
{
	struct ca_issuer *found = NULL;

	for (size_t i = 0; !found && i < s->n_issuers; i++)
		if (ocsp_id_is_of(&r->ids[0], s->issuers[i].issuer))
			found = &s->issuers[i];
	for (size_t k = 1; found && k < r->n_ids; k++)
		if (!ocsp_id_is_of(&r->ids[k], found->issuer))
			found = NULL;
	errno = 0;
	if (!found)
		FAIL(e, UNAUTHORIZED, "the certificates are not all of one issuer of this CA");
	*ret = found;
	return ERR_OK;
}

static enum err_code answer(struct signer *s, struct bytes body, struct buf *out, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	CLEANUP(buf_free_p) struct buf response = buf_new(OCSP_RESPONSE_SIZE_MAX);
	struct ocsp_single singles[OCSP_IDS_MAX] = { 0 };
	int64_t now_ms = clock_wall_ms(), now_s = now_ms / 1000;
	struct ocsp_request r;
	struct ca_issuer *i;

	if (!a)
		FAIL(e, NOMEM, "no memory for an OCSP answer");
	TRY(ocsp_ask_read(body, &r, e));
	TRY(find_issuer(s, &r, &i, e));
	TRY(signer_clock_check(s, now_ms, e));
	TRY(need_responder(s, i, now_ms, e));
	for (size_t k = 0; k < r.n_ids; k++) {
		singles[k].id = r.ids[k];
		TRY(decide(s, a, i, now_s, &singles[k], e));
	}
	struct ocsp_responder by = { i->issuer, i->responder.key, buf_bytes(&i->responder.certificate), i->responder.not_after_s };
	struct ocsp_answer v = { .singles = singles,
		.n_singles = r.n_ids,
		.produced_s = now_s,
		.this_update_s = now_s,
		.next_update_s = now_s + (int64_t)s->settings.ocsp_lifetime,
		.nonce = r.nonce };
	if (v.next_update_s > by.not_after_s)
		v.next_update_s = by.not_after_s;
	TRY(ocsp_sign(&by, &v, &response, e));
	struct ocsp_done d = { .this_update_s = v.this_update_s, .next_update_s = v.next_update_s, .response = buf_bytes(&response) };
	memcpy(d.issuer, i->issuer->key_id.ptr, sizeof d.issuer);
	ocsp_done_write(&d, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for an OCSP answer");
	return ERR_OK;
}

enum err_code signer_ocsp(struct signer *s, struct bytes body, struct buf *out, struct err *ret_why, struct err *e)
{
	errno = 0;
	enum err_code rc = answer(s, body, out, ret_why);
	if (rc != ERR_OK && log_poisoned(s->log)) {
		*e = *ret_why;
		return rc;
	}
	ret_why->code = rc;
	if (rc == ERR_OK)
		s->counts.ocsp++;
	return ERR_OK;
}
