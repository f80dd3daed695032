/* Gathers what the log has of one certificate. What is looked at then is in evidence_check.c. */
#include "server/admin/evidence_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct evidence_row evidence_rows[EVIDENCE__MAX] = {
#define X(code, name, text) { (name), (text) },
#include "server/admin/evidence_rule.def"
#undef X
};

static void begin(void *ctx)
{
	struct gathering *g = ctx;

	arena_reset(g->a);
	*g = (struct gathering){ .a = g->a, .wanted = g->wanted };
}

static enum err_code keep(struct gathering *g, const struct record *r, struct record *ret, struct err *e)
{
	*ret = *r;
	ret->body = arena_copy(g->a, r->body);
	if (!ret->body.ptr)
		FAIL(e, NOMEM, "no memory for a record of %zu bytes", r->body.len);
	return ERR_OK;
}

/* Whether the record is of the wanted serial number, which nearly all bodies have at a place of their own. */
static enum err_code read_serial(const struct record *r, uint8_t out[SERIAL_SIZE], struct err *e)
{
	union {
		struct intent intent;
		struct result result;
		struct voided voided;
		struct revocation revocation;
	} v;

	switch (r->type) {
	case LOG_INTENT:
	case LOG_TLS_INTENT:
	case LOG_OCSP_INTENT:
		TRY(intent_read(r, &v.intent, e));
		memcpy(out, v.intent.serial, SERIAL_SIZE);
		break;
	case LOG_RESULT:
		TRY(result_read(r, &v.result, e));
		memcpy(out, v.result.serial, SERIAL_SIZE);
		break;
	case LOG_VOID:
		TRY(void_read(r, &v.voided, e));
		memcpy(out, v.voided.serial, SERIAL_SIZE);
		break;
	default:
		TRY(revocation_read(r, &v.revocation, e));
		memcpy(out, v.revocation.serial, SERIAL_SIZE);
	}
	return ERR_OK;
}

static struct record *place_of(struct gathering *g, unsigned type)
{
	switch (type) {
	case LOG_INTENT:
	case LOG_TLS_INTENT:
	case LOG_OCSP_INTENT:
		return &g->intent;
	case LOG_RESULT:
		return &g->result;
	case LOG_VOID:
		return &g->voided;
	default:
		return g->revoked.sequence ? NULL : &g->revoked; /* a second one only names another reason */
	}
}

static enum err_code add_issuer(struct gathering *g, struct bytes name, struct bytes pem, struct err *e)
{
	if (g->n_issuers == EVIDENCE_ISSUERS_MAX)
		return ERR_OK;
	struct known_issuer *i = &g->issuers[g->n_issuers++];
	i->name = arena_copy(g->a, name);
	i->pem = arena_copy(g->a, pem);
	if (!i->name.ptr || !i->pem.ptr)
		FAIL(e, NOMEM, "no memory for an issuer");
	return ERR_OK;
}

static enum err_code take_genesis(struct gathering *g, const struct record *r, struct err *e)
{
	struct wire w = wire_of(r->body);

	(void)wire_fixed(&w, INSTANCE_SIZE);
	(void)wire_u32(&w);
	(void)wire_bytes(&w, RECORD_SIZE_MAX);
	return add_issuer(g, BYTES_LIT("main"), wire_bytes(&w, RECORD_SIZE_MAX), e);
}

static enum err_code take_issuer(struct gathering *g, const struct record *r, struct err *e)
{
	struct issuer_event v;

	TRY(issuer_event_read(r, &v, e));
	return add_issuer(g, v.name, v.issuer_pem, e);
}

/* An account that the certificate's order may be of had this key before. */
static enum err_code take_rollover(struct gathering *g, const struct record *r, struct err *e)
{
	struct account_event v;

	TRY(account_event_read(r, &v, e));
	if (g->intent.sequence || g->n_rollovers == EVIDENCE_ROLLOVERS_MAX)
		return ERR_OK;
	return keep(g, r, &g->rollovers[g->n_rollovers++], e);
}

static enum err_code visit(void *ctx, const struct record *r, struct err *e)
{
	struct gathering *g = ctx;
	uint8_t serial[SERIAL_SIZE];

	switch (r->type) {
	case LOG_GENESIS:
		return take_genesis(g, r, e);
	case LOG_ISSUER:
		return take_issuer(g, r, e);
	case LOG_ROLLOVER:
		return take_rollover(g, r, e);
	case LOG_INTENT:
	case LOG_TLS_INTENT:
	case LOG_OCSP_INTENT:
	case LOG_RESULT:
	case LOG_VOID:
	case LOG_REVOKE:
		break;
	default:
		return ERR_OK;
	}
	TRY(read_serial(r, serial, e));
	struct record *to = memcmp(serial, g->wanted, SERIAL_SIZE) == 0 ? place_of(g, r->type) : NULL;
	return to ? keep(g, r, to, e) : ERR_OK;
}

/* The records, taken apart. */
static enum err_code read_records(struct gathering *g, struct evidence *v, struct err *e)
{
	struct result result;
	struct voided voided;

	TRY(intent_read(&g->intent, &v->intent, e));
	v->intent_record = g->intent.sequence;
	v->intent_ms = g->intent.time_ms;
	v->void_reason = v->certificate = BYTES_LIT("");
	if (g->result.sequence) {
		TRY(result_read(&g->result, &result, e));
		v->result_record = g->result.sequence;
		v->result_ms = g->result.time_ms;
		v->certificate = result.certificate;
		TRY(cert_parse(g->a, v->certificate, &v->cert, e));
	}
	if (g->voided.sequence) {
		TRY(void_read(&g->voided, &voided, e));
		v->void_record = g->voided.sequence;
		v->void_reason = voided.reason;
	}
	if (g->revoked.sequence) {
		TRY(revocation_read(&g->revoked, &v->revocation, e));
		v->revocation_record = g->revoked.sequence;
		v->revoked = true;
	}
	return ERR_OK;
}

/* A request that cannot be read is left out: the check that wants it says so. */
static enum err_code read_request(struct arena *a, struct evidence *v, struct err *e)
{
	TRY(issue_read(a, v->intent.evidence, &v->issue, e));
	if (jws_parse(a, v->issue.finalize, JWS_NONCE_REQUIRED, &v->finalize, NULL) != ERR_OK)
		v->finalize = (struct jws){ .url = BYTES_NONE };
	if (jws_parse(a, v->issue.new_order, JWS_NONCE_REQUIRED, &v->new_order, NULL) != ERR_OK)
		v->new_order = (struct jws){ .url = BYTES_NONE };
	v->receipts = arena_array(a, v->issue.n_receipts + 1, sizeof *v->receipts);
	if (!v->receipts)
		FAIL(e, NOMEM, "no memory for receipts");
	for (size_t i = 0; i < v->issue.n_receipts; i++)
		if (receipt_look(v->issue.receipts[i], &v->receipts[v->n_receipts], NULL) == ERR_OK)
			v->n_receipts++;
	return ERR_OK;
}

static enum err_code find(struct gathering *g, const struct settings *s, struct evidence *v, struct err *e)
{
	struct log_watch watch = { begin, visit, g };

	TRY(log_verify(s, NULL, &watch, &v->log, e));
	errno = 0;
	if (!g->intent.sequence)
		FAIL(e, NOT_FOUND, "the log has no certificate of this serial number");
	TRY(read_records(g, v, e));
	if (!v->intent.tls)
		TRY(read_request(g->a, v, e));
	return evidence_check(g, s, v, e);
}

enum err_code evidence_find(
    struct arena *a, const struct settings *s, const uint8_t serial[SERIAL_SIZE], struct evidence *ret, struct err *e)
{
	struct gathering *g = malloc(sizeof *g);
	struct evidence v = { .revoked = false };

	errno = 0;
	if (!g)
		FAIL(e, NOMEM, "no memory to look for a certificate");
	*g = (struct gathering){ .a = a, .wanted = serial };
	memcpy(v.serial, serial, sizeof v.serial);
	enum err_code rc = find(g, s, &v, e);
	free(g);
	if (rc == ERR_OK)
		*ret = v;
	return rc;
}

size_t evidence_failed(const struct evidence *v)
{
	size_t n = 0;

	for (size_t i = 0; i < EVIDENCE__MAX; i++)
		n += v->checks[i].outcome == EVIDENCE_FAILS;
	return n;
}
