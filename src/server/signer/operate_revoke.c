/* Revocation on an operator's word: no request of a client, but a name of the certificate and a reason. */
#include "server/signer/operate.h"
#include "server/signer/revoke.h"

#include "base/clock.h"
#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct revoking {
	struct signer *s;
	struct arena *a;
	uint8_t reason;
	int64_t now_ms;
	struct bytes evidence; /* who, and the operator's words */
	size_t done;
};

enum outcome { REVOKED, ALREADY, EXPIRED, UNKNOWN, NO_LIST };
static const char *const outcomes[] = {
	[REVOKED] = "revoked", [ALREADY] = "already", [EXPIRED] = "expired", [UNKNOWN] = "unknown", [NO_LIST] = "no-list"
};

static bool reason_from_name(struct bytes name, uint8_t *ret)
{
	for (unsigned i = 0; i < 16; i++)
		if (crl_reason_name(i) && bytes_eq_str(name, crl_reason_name(i))) {
			*ret = (uint8_t)i;
			return true;
		}
	return false;
}

static enum err_code unknown_reason(struct err *e)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(256);

	for (unsigned i = 0; i < 16; i++)
		if (crl_reason_name(i))
			buf_add_fmt(&names, "%s%s", names.len ? ", " : "", crl_reason_name(i));
	FAIL(e, CONFIG, "a reason is one of %.*s", BYTES_FMT(buf_bytes(&names)));
}

/* Certificate and SubjectPublicKeyInfo of a serial number of ours. */
static enum err_code find(struct revoking *k, const uint8_t serial[SERIAL_SIZE], struct cert *ret, enum outcome *ret_outcome, struct err *e)
{
	struct log_entry n;
	struct record r;
	struct result v;

	*ret_outcome = UNKNOWN;
	enum err_code rc = log_find(k->s->log, serial, &n, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	TRY(log_read(k->s->log, k->a, n.segment, n.offset, &r, e));
	TRY(result_read(&r, &v, e));
	TRY(cert_parse(k->a, v.certificate, ret, e));
	*ret_outcome = revoked_find(k->s, serial)                          ? ALREADY
		       : ret->not_after_s < k->now_ms / 1000               ? EXPIRED
		       : issuers_find(k->s, ret->authority_key_id) == NULL ? NO_LIST
									   : REVOKED;
	return ERR_OK;
}

/* Into the batch in the making. */
static enum err_code revoke_one(struct revoking *k, const uint8_t serial[SERIAL_SIZE], enum outcome *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(4096);
	struct revocation v = { .reason = k->reason, .time_s = k->now_ms / 1000, .by = REVOKED_BY_OPERATOR, .evidence = k->evidence };
	struct cert c;

	TRY(find(k, serial, &c, ret, e));
	if (*ret != REVOKED)
		return ERR_OK;
	v.not_after_s = c.not_after_s;
	memcpy(v.serial, serial, sizeof v.serial);
	memcpy(v.issuer, c.authority_key_id.ptr, sizeof v.issuer);
	sha256_one(c.spki, v.spki_digest);
	revocation_write(&v, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	TRY(event_append(k->s, LOG_REVOKE, buf_bytes(&body), k->now_ms, e));
	k->done++;
	return ERR_OK;
}

static enum err_code revoke_all(
    struct revoking *k, const uint8_t (*serials)[SERIAL_SIZE], const struct bytes *texts, size_t n, struct json_out *w, struct err *e)
{
	json_put_key(w, "certificates");
	json_put_array(w);
	for (size_t i = 0; i < n; i++) {
		enum outcome outcome = UNKNOWN;
		enum err_code rc = revoke_one(k, serials[i], &outcome, e);
		if (rc != ERR_OK) {
			if (k->done > 0)
				log_poison(k->s->log); /* the state is ahead of a batch that will not be */
			return rc;
		}
		json_put_object(w);
		json_put_member(w, "serial", texts[i]);
		json_put_member_str(w, "outcome", outcomes[outcome]);
		json_end_object(w);
	}
	json_end_array(w);
	return k->done > 0 ? log_commit(k->s->log, e) : ERR_OK;
}

static enum err_code check_ready(struct revoking *k, struct err *e)
{
	TRY(signer_place_check(k->s, e));
	TRY(signer_clock_check(k->s, k->now_ms, e));
	if (signer_space_check(k->s, NULL) == ERR_OK)
		TRY(log_rotate(k->s->log, k->now_ms, e));
	errno = 0;
	if (k->s->n_revoked + REVOKE_AT_ONCE > REVOKED_MAX)
		FAIL(e, BUSY, "the table of revoked certificates is full: it holds %u", REVOKED_MAX);
	return revoked_check_room(k->s, e);
}

/* What the log keeps beside the serial number: {"uid":0,"detail":"..."} */
static enum err_code write_evidence(struct arena *a, const struct operator_request *r, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2048);
	struct json_out w = json_out_to(&out);

	json_put_object(&w);
	json_put_member_uint(&w, "uid", r->uid);
	json_put_member(&w, "detail", r->detail.ptr ? bytes_slice(r->detail, 0, 1024) : BYTES_LIT(""));
	json_end_object(&w);
	*ret = buf_ok(&out) ? arena_copy(a, buf_bytes(&out)) : BYTES_NONE;
	if (!ret->ptr)
		FAIL(e, NOMEM, "no memory for a revocation");
	return ERR_OK;
}

enum err_code operate_revoke(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	struct revoking k = { .s = s, .a = a, .now_ms = clock_wall_ms() };
	uint8_t(*serials)[SERIAL_SIZE] = arena_array(a, r->serials.n + 1, SERIAL_SIZE);
	char count[16], who[16];

	errno = 0;
	if (!serials)
		FAIL(e, NOMEM, "no memory for serial numbers");
	if (!r->reason.ptr || !reason_from_name(r->reason, &k.reason))
		return unknown_reason(e);
	if (r->serials.n == 0)
		FAIL(e, CONFIG, "serials are 1 to %d serial numbers", REVOKE_AT_ONCE);
	for (size_t i = 0; i < r->serials.n; i++)
		if (hex_decode(r->serials.v[i], serials[i], SERIAL_SIZE, NULL) != ERR_OK)
			FAIL(e, CONFIG, "a serial number has %zu lower-case hexadecimal digits", (size_t)HEX_LEN(SERIAL_SIZE));
	TRY(write_evidence(a, r, &k.evidence, e));
	TRY(check_ready(&k, e));
	TRY(revoke_all(&k, (const uint8_t(*)[SERIAL_SIZE])serials, r->serials.v, r->serials.n, w, e));
	(void)snprintf(count, sizeof count, "%zu", k.done);
	(void)snprintf(who, sizeof who, "%u", (unsigned)r->uid);
	event(EVENT_NOTICE, "operator.revoked", EVENT_STR("certificates", count), { "reason", r->reason }, EVENT_STR("uid", who));
	json_put_member_uint(w, "revoked", k.done);
	return ERR_OK;
}
