#include "server/front/finalize.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "base/json.h"
#include "jose/jwk.h"
#include "pki/csr.h"
#include "server/front/charges.h"
#include "server/front/objects.h"
#include "server/front/offer.h"
#include "server/front/recheck.h"
#include "server/front/renewal.h"

#include <string.h>

#define ISSUE_MS       10000
#define PROCESSING_MAX 256

struct finalize_body {
	struct bytes csr;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct finalize_body, csr, "csr", JSON_STRING, true, BASE64URL_LEN(CSR_SIZE_MAX)),
};

/* The names of the CSR must be those of the order, no more and no fewer (RFC 8555 §7.4). Both are sorted and without duplicates. */
static enum err_code check_names(struct arena *a, const struct store_order *order, const struct csr *csr, struct err *e)
{
	struct san *ordered = arena_array(a, order->n_identifiers, sizeof *ordered);

	if (!ordered)
		FAIL(e, NOMEM, "no memory for names");
	for (size_t i = 0; i < order->n_identifiers; i++)
		TRY(identifier_san(a, &order->identifiers[i], &ordered[i], e));
	size_t n = san_sort(ordered, order->n_identifiers);
	bool same = n == csr->n_names;
	for (size_t i = 0; same && i < n; i++)
		same = san_cmp(&ordered[i], &csr->names[i]) == 0;
	if (!same)
		FAIL(e, BAD_CSR, "the names in the CSR are not those of the order: it must have exactly the order's identifiers");
	return ERR_OK;
}

/* A key that signs requests signs nothing else (RFC 8555 §11.1: an account's key is no certificate's). */
static enum err_code check_no_account_key(struct front *f, struct arena *a, const struct key *k, struct err *e)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct store_account account;

	jwk_thumbprint(k, thumbprint);
	enum err_code rc = store_find_account(f->store, a, thumbprint, &account, e);
	if (rc == ERR_OK || rc == ERR_CONFLICT)
		FAIL(e, BAD_CSR, "the CSR's key is or was an account's: a certificate needs a key of its own (RFC 8555 section 11.1)");
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code check_key(struct acme_request *r, const struct store_order *order, const struct csr *csr, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	const struct profile *p;

	TRY(csr_key(csr, &k, e));
	if (profile_find(r->front->settings, order->profile, &p, NULL) == ERR_OK) /* else it is the signer's to say what it lacks */
		TRY(profile_allows_key(p, k, e));
	if (blocks_has_key(r->front->blocks, k))
		FAIL(e, BAD_CSR, "this CA's operator has blocked the CSR's key: make a new one");
	return check_no_account_key(r->front, r->http->arena, k, e);
}

/* What can be said without asking anybody. The signature on it is the signer's to verify, which believes nobody. */
static enum err_code check_csr(struct acme_request *r, const struct store_order *order, struct err *e)
{
	struct finalize_body body = { 0 };
	struct bytes der;
	struct csr csr;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, 1, &body, e));
	if (base64url_decode(r->http->arena, body.csr, &der, NULL) != ERR_OK)
		FAIL(e, BAD_CSR, "\"csr\" is not the base64url form of a DER request (RFC 8555 section 7.4)");
	TRY(csr_parse(r->http->arena, der, &csr, e));
	TRY(check_names(r->http->arena, order, &csr, e));
	return check_key(r, order, &csr, e);
}

static enum err_code gather_evidence(
    struct front *f, struct arena *a, const struct store_order *order, struct bytes finalize, struct buf *out, struct err *e)
{
	CLEANUP(buf_free_p) struct buf jwk = buf_new(JWK_SIZE_MAX);
	struct issue i = { .finalize = finalize, .new_order = order->new_order };
	CLEANUP(key_free_p) struct key *key = NULL;

	TRY(keys_find(f->keys, f->store, a, order->account, &key, e));
	jwk_write(key, &jwk);
	i.account_jwk = buf_bytes(&jwk);
	i.receipts = arena_array(a, order->n_identifiers * 2, sizeof *i.receipts);
	if (!i.receipts || !buf_ok(&jwk))
		FAIL(e, NOMEM, "no memory for receipts");
	for (size_t k = 0; k < order->n_identifiers; k++) {
		struct store_authz authz;
		TRY(store_get_authz(f->store, a, order->authz[k], &authz, e));
		if (authz.state != AUTHZ_VALID)
			FAIL(e, ORDER_NOT_READY, "an authorization of the order is %s", authz_state_name(authz.state));
		i.receipts[i.n_receipts++] = authz.control;
		if (authz.caa.len > 0) /* an address has none */
			i.receipts[i.n_receipts++] = authz.caa;
	}
	issue_write(&i, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for the evidence");
	return ERR_OK;
}

enum err_code finalize_order(struct front *f, struct arena *a, struct store_order *order, struct bytes finalize, struct err *e)
{
	CLEANUP(buf_free_p) struct buf evidence = buf_new(CHANNEL_BODY_MAX);
	struct store_certificate c = { 0 };
	struct message answer;
	struct issued issued;

	TRY(gather_evidence(f, a, order, finalize, &evidence, e));
	TRY(peer_call(f->signer, a, MESSAGE_ISSUE, buf_bytes(&evidence), ISSUE_MS, &answer, e));
	TRY(issued_answer(&answer, &issued, e));
	memcpy(c.serial, issued.serial.ptr, sizeof c.serial);
	memcpy(c.order, order->id, sizeof c.order);
	memcpy(c.account, order->account, sizeof c.account);
	c.not_before_s = issued.not_before_s;
	c.not_after_s = issued.not_after_s;
	c.der = issued.certificate;
	c.chain = issued.chain;
	TRY(store_end_finalize(f->store, order->id, finalize, &c, e));
	atomic_fetch_add(&f->issued, 1);
	order->state = ORDER_VALID;
	memcpy(order->serial, c.serial, sizeof order->serial);
	return ERR_OK;
}

static bool signer_unreachable(enum err_code rc)
{
	return rc == ERR_CLOSED || rc == ERR_TIMEOUT || rc == ERR_BUSY;
}

/* A refusal ends the order when asking again cannot help; what the client can mend (its CSR) leaves it ready. So does the signer's
 * word that another CSR was certified (UNAUTHORIZED): that finalize is about to be stored, and must find the order as it was. */
static void keep_refusal(struct front *f, const struct store_order *order, const struct err *why)
{
	CLEANUP(buf_free_p) struct buf problem = buf_new(8192);
	struct err e = { 0 };

	problem_json(why, &problem);
	bool retry =
	    !err_is_peers(why->code) || why->code == ERR_BAD_CSR || why->code == ERR_BAD_PUBLIC_KEY || why->code == ERR_UNAUTHORIZED;
	enum err_code rc = buf_ok(&problem) ? store_fail_finalize(f->store, order->id, retry, buf_bytes(&problem), &e)
					    : err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "no memory for an order's error");
	if (rc != ERR_OK && rc != ERR_CONFLICT) {
		event_error(EVENT_ERROR, "finalize.not_stored", &e);
		atomic_store(&f->finalize_later, true); /* it may be in processing still */
	}
}

static enum err_code check_state(const struct store_order *order, int64_t now_s, struct err *e)
{
	switch (order_state_now(order, now_s)) {
	case ORDER_PENDING:
		FAIL(e, ORDER_NOT_READY, "the order is pending: its authorizations are not all valid yet");
	case ORDER_INVALID:
		FAIL(e, ORDER_NOT_READY, "the order is invalid or past its time: make a new one");
	case ORDER_READY:
	case ORDER_PROCESSING:
	case ORDER_VALID:
	case ORDER__MAX:
		break;
	}
	return ERR_OK;
}

/* RFC 8555 §7.4 wants orderNotReady for every finalize of an order that is not ready. The one that was taken may be sent again, as
 * its answer may have been lost; another CSR must not look as if it had been certified. */
static enum err_code check_same_csr(struct acme_request *r, const struct store_order *order, struct err *e)
{
	struct finalize_body body = { 0 }, taken = { 0 };
	struct jws jws;

	if (order->finalize.len == 0) /* refused meanwhile: the order tells why */
		return ERR_OK;
	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, 1, &body, e));
	TRY(jws_parse(r->http->arena, order->finalize, JWS_NONCE_REQUIRED, &jws, e));
	TRY(json_read(r->http->arena, jws.payload, "the payload that was taken", body_fields, 1, &taken, e));
	if (!bytes_eq(body.csr, taken.csr))
		FAIL(e, ORDER_NOT_READY, "the order is %s with another CSR: make a new order", order_state_name(order->state));
	return ERR_OK;
}

/* The usual end is `valid` in this very answer; a signer that is away or has no room leaves the order in processing. It is driven on when the
 * signer is back, also after a restart, and every few seconds while one waits. */
static enum err_code finalize_ready(struct acme_request *r, struct store_order *order, struct reply *ret, struct err *e)
{
	struct front *f = r->front;
	struct arena *a = r->http->arena;
	bool exempt = renewal_is_due(f, a, order);

	TRY(charge_certificate(f, a, order, exempt, r->now_ms, e));
	enum err_code rc = finalize_order(f, a, order, r->http->body, e);
	if (signer_unreachable(rc)) {
		enum err_code stored = store_begin_finalize(f->store, order->id, r->http->body, e);
		atomic_store(&f->finalize_later, true);
		if (stored != ERR_OK) /* else it is given back by whoever drives the order on, when no certificate comes */
			refund_certificate(f, a, order, exempt, r->now_ms);
		if (stored != ERR_OK && stored != ERR_CONFLICT)
			return stored;
		TRY(store_get_order(f->store, a, order->id, order, e));
		rc = check_same_csr(r, order, e);
	} else if (rc == ERR_CONFLICT) { /* another finalize of this moment was faster, and was charged */
		refund_certificate(f, a, order, exempt, r->now_ms);
		TRY(store_get_order(f->store, a, order->id, order, e));
		rc = check_same_csr(r, order, e);
	} else if (rc != ERR_OK) {
		refund_certificate(f, a, order, exempt, r->now_ms);
		keep_refusal(f, order, e);
	}
	TRY(rc);
	reply_order(r, order, ret);
	return ERR_OK;
}

static recheck_done rechecked;

/* caa_known: CAA was looked at again a moment ago. */
static enum err_code finalize(struct acme_request *r, bool caa_known, struct reply *ret, struct err *e)
{
	struct store_order order;

	TRY(load_order(r, &order, e));
	TRY(check_state(&order, r->now_ms / 1000, e));
	if (order.state != ORDER_READY) {
		TRY(check_same_csr(r, &order, e));
		reply_order(r, &order, ret);
		return ERR_OK;
	}
	TRY(check_csr(r, &order, e));
	if (!caa_known && recheck_is_due(&order, r->now_ms)) {
		TRY(recheck_begin(r, &order, rechecked, e));
		ret->parked = true;
		return ERR_OK;
	}
	return finalize_ready(r, &order, ret, e);
}

/* Where CAA forbids a name by now, no other CSR helps: the order ends. An answer that could not be had may come later. */
static enum err_code end_recheck(struct acme_request *r, const struct err *why, struct reply *ret, struct err *e)
{
	struct store_order order;

	if (why->code == ERR_OK)
		return finalize(r, true, ret, e);
	if (why->code == ERR_CAA && load_order(r, &order, e) == ERR_OK)
		keep_refusal(r->front, &order, why);
	*e = *why;
	return why->code;
}

static void rechecked(struct acme_request *r, const struct err *why)
{
	struct reply reply = { .body = buf_new(131072) };
	struct err e = { 0 };

	if (end_recheck(r, why, &reply, &e) == ERR_OK)
		front_answer(r->front, r->http, &reply, true);
	else
		front_answer_error(r->front, r->http, &e, &reply.more);
	buf_free(&reply.body);
}

/* RFC 8555 §7.4. */
enum err_code post_finalize(struct acme_request *r, struct reply *ret, struct err *e)
{
	return finalize(r, false, ret, e);
}

static void drive_on(struct front *f, struct arena *a, const uint8_t *id)
{
	struct store_order order = { .state = ORDER_PENDING };
	struct err e = { 0 };

	enum err_code rc = store_get_order(f->store, a, id, &order, &e);
	if (rc == ERR_OK && order.state == ORDER_PROCESSING)
		rc = finalize_order(f, a, &order, order.finalize, &e);
	if (rc == ERR_OK || rc == ERR_CONFLICT)
		return; /* done, or done by another */
	if (signer_unreachable(rc) || rc == ERR_STORE) {
		atomic_store(&f->finalize_later, true); /* its disk, or ours, has no room now */
		return;
	}
	event_error(EVENT_WARNING, "finalize.refused", &e);
	if (order.state == ORDER_PROCESSING)
		refund_certificate(f, a, &order, renewal_is_due(f, a, &order), clock_wall_ms());
	keep_refusal(f, &order, &e);
}

/* The first of them, as many as a page takes. */
static enum err_code drive_page(struct front *f, size_t *ret_n, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20), *one = arena_new(65536, 4u << 20);
	uint8_t(*ids)[STORE_ORDER_ID];

	if (!a || !one)
		FAIL(e, NOMEM, "no memory to finish orders");
	TRY(store_list_processing(f->store, a, PROCESSING_MAX, &ids, ret_n, e));
	for (size_t i = 0; i < *ret_n; i++) {
		drive_on(f, one, ids[i]);
		arena_reset(one);
	}
	return ERR_OK;
}

/* Page by page, until one is not full or has what must wait: finalize_later has then been set again (tests/model/issuance.pml). */
void finalize_processing(void *front)
{
	struct front *f = front;
	struct err e = { 0 };
	size_t n = 0;

	do {
		atomic_store(&f->finalize_later, false);
		if (drive_page(f, &n, &e) != ERR_OK) {
			event_error(EVENT_ERROR, "finalize.processing_not_listed", &e);
			atomic_store(&f->finalize_later, true);
			return;
		}
	} while (n == PROCESSING_MAX && !atomic_load(&f->finalize_later));
}
