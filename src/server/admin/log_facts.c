#include "server/admin/log_facts.h"

#include "base/json.h"
#include "jose/jws.h"
#include "server/admin/logged.h"
#include "server/signer/log_index.h"
#include "server/signer/record_event.h"
#include "server/signer/signer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_EACH 2000 /* records of one transaction */

/* An intent that waits for its result. */
struct waiting {
	uint8_t serial[SERIAL_SIZE];
	struct buf body; /* empty: not of a client */
	uint8_t type;
	bool used;
};

struct reading {
	struct log_facts *facts;
	struct arena *arena;
	struct waiting waiting[OPEN_INTENTS_MAX];
	uint64_t in_transaction;
};

/* --- intents --- */

static enum err_code begin_waiting(struct reading *w, const struct record *r, const uint8_t serial[SERIAL_SIZE], bool client, struct err *e)
{
	for (size_t i = 0; i < OPEN_INTENTS_MAX; i++) {
		struct waiting *v = &w->waiting[i];
		if (v->used)
			continue;
		memcpy(v->serial, serial, SERIAL_SIZE);
		buf_reset(&v->body);
		if (client)
			buf_add(&v->body, r->body);
		v->type = r->type;
		v->used = true;
		if (!buf_ok(&v->body))
			FAIL(e, NOMEM, "no memory for an intent");
		return ERR_OK;
	}
	FAIL(e, IO, "record %" PRIu64 ": too many intents wait for their results", r->sequence);
}

/* NULL: a serial that no client's intent has announced. */
static struct waiting *end_waiting(struct reading *w, const uint8_t serial[SERIAL_SIZE])
{
	for (size_t i = 0; i < OPEN_INTENTS_MAX; i++)
		if (w->waiting[i].used && memcmp(w->waiting[i].serial, serial, SERIAL_SIZE) == 0) {
			w->waiting[i].used = false;
			return &w->waiting[i];
		}
	return NULL;
}

static enum err_code take_intent(struct reading *w, const struct record *r, struct err *e)
{
	struct intent i;

	TRY(intent_read(r, &i, e));
	return begin_waiting(w, r, i.serial, !i.tls, e);
}

/* --- certificates --- */

static enum err_code put_issued(struct reading *w, struct logged *v, struct err *e)
{
	struct mirror_issued put = { .certificate = v->certificate,
		.order = v->order,
		.authz = v->authz,
		.fits = ca_chain_fits,
		.issuer_key_id = v->issuer_key_id };

	if (v->certificate.not_after_s < w->facts->kept_s)
		return ERR_OK;
	put.certificate.chain = ca_chains_find(w->facts->chains, v->issuer_key_id);
	TRY(mirror_put_account(w->facts->mirror, &v->account, e));
	return mirror_put_issued(w->facts->mirror, &put, w->facts->kept_s, e);
}

static enum err_code tell_issued(struct reading *w, const struct logged *v, int64_t time_ms, struct err *e)
{
	struct mirror_certificate c = { .certificate = v->certificate,
		.fits = ca_chain_fits,
		.issuer_key_id = v->issuer_key_id,
		.new_order = v->order.new_order,
		.replaced = v->replaces ? v->replaced : NULL };

	return mirror_certificate(w->facts->mirror, &c, time_ms, e);
}

static enum err_code take_result(struct reading *w, const struct record *r, struct err *e)
{
	struct result result;
	struct intent intent;
	struct logged v;

	TRY(result_read(r, &result, e));
	struct waiting *i = end_waiting(w, result.serial);
	if (!i || i->body.len == 0)
		return w->facts->put ? ERR_OK : mirror_own(w->facts->mirror, result.serial, r->time_ms, e);
	struct record announced = { .type = i->type, .body = buf_bytes(&i->body) };
	TRY(intent_read(&announced, &intent, e));
	TRY(logged_read(w->arena, &intent, result.certificate, w->facts->order_lifetime_s, &v, e));
	return w->facts->put ? put_issued(w, &v, e) : tell_issued(w, &v, r->time_ms, e);
}

static enum err_code take_void(struct reading *w, const struct record *r, struct err *e)
{
	struct voided v;

	TRY(void_read(r, &v, e));
	(void)end_waiting(w, v.serial);
	return w->facts->put ? ERR_OK : mirror_void(w->facts->mirror, v.serial, r->time_ms, e);
}

static enum err_code take_revocation(struct reading *w, const struct record *r, struct err *e)
{
	struct revocation v;

	TRY(revocation_read(r, &v, e));
	struct mirror_revocation m = { .serial = v.serial, .revoked_s = v.time_s, .reason = v.reason };
	return w->facts->put ? ERR_OK : mirror_revoked(w->facts->mirror, &m, r->time_ms, e);
}

/* --- accounts --- */

/* The canonical form of a JWK that a client has written. */
static enum err_code canonical(struct arena *a, struct bytes jwk, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(JWK_SIZE_MAX);
	CLEANUP(key_free_p) struct key *k = NULL;

	TRY(jwk_parse(a, jwk, &k, e));
	jwk_write(k, &out);
	*ret = arena_copy(a, buf_bytes(&out));
	if (!buf_ok(&out) || !ret->ptr)
		FAIL(e, NOMEM, "no memory for a key");
	return ERR_OK;
}

struct binding_payload {
	struct bytes binding;
};
static const struct json_field binding_fields[] = {
	JSON_FIELD(struct binding_payload, binding, "externalAccountBinding", JSON_OBJECT, true, 0),
};

/* The key that the account has by this request, and with BIND its binding as the client sent it. */
static enum err_code read_request(
    struct arena *a, enum log_type type, const struct account_evidence *v, struct store_account *ret, struct err *e)
{
	struct binding_payload p = { BYTES_NONE };
	struct jws outer, inner;

	if (type == LOG_DEACTIVATE) {
		ret->jwk = v->jwk;
		return ERR_OK;
	}
	TRY(jws_parse(a, v->request, JWS_NONCE_REQUIRED, &outer, e));
	if (type == LOG_ROLLOVER) {
		TRY(jws_parse(a, outer.payload, JWS_NONCE_FORBIDDEN, &inner, e));
		return canonical(a, inner.jwk, &ret->jwk, e);
	}
	TRY(json_read(a, outer.payload, "the account", binding_fields, 1, &p, e));
	ret->eab = p.binding;
	return canonical(a, outer.jwk, &ret->jwk, e);
}

static enum err_code put_account(struct reading *w, const struct record *r, const struct account_event *v, struct err *e)
{
	struct store_account account = { .state = ACCOUNT_VALID, .created_s = r->time_ms / 1000 };
	struct account_evidence given;

	memcpy(account.id, v->account, sizeof account.id);
	TRY(account_evidence_read(v->evidence, &given, e));
	TRY(read_request(w->arena, (enum log_type)r->type, &given, &account, e));
	return mirror_put_account(w->facts->mirror, &account, e);
}

static enum err_code take_account(struct reading *w, const struct record *r, struct err *e)
{
	struct mirror *m = w->facts->mirror;
	struct account_event v;

	TRY(account_event_read(r, &v, e));
	if (w->facts->put)
		return put_account(w, r, &v, e);
	if (r->type == LOG_ROLLOVER)
		return mirror_rollover(m, v.account, v.thumbprint, v.new_thumbprint, r->time_ms, e);
	if (r->type == LOG_DEACTIVATE)
		return mirror_deactivated(m, v.account, r->time_ms, e);
	return mirror_bound(m, v.account, v.kid, r->time_ms, e);
}

/* --- the rest --- */

static enum err_code take_genesis(struct reading *w, const struct record *r, struct err *e)
{
	struct wire f = wire_of(r->body);

	(void)wire_fixed(&f, INSTANCE_SIZE);
	(void)wire_u32(&f);
	(void)wire_bytes(&f, RECORD_SIZE_MAX); /* the root */
	struct bytes chain = wire_bytes(&f, RECORD_SIZE_MAX);
	return f.failed ? ERR_OK : ca_chains_add(w->facts->chains, chain, e);
}

static enum err_code take_issuer(struct reading *w, const struct record *r, struct err *e)
{
	struct issuer_event v;

	TRY(issuer_event_read(r, &v, e));
	return ca_chains_add(w->facts->chains, v.issuer_pem, e);
}

typedef enum err_code take(struct reading *w, const struct record *r, struct err *e);
/* Types without an entry say nothing that the database has. */
static take *const takes[256] = {
	[LOG_GENESIS] = take_genesis,
	[LOG_INTENT] = take_intent,
	[LOG_TLS_INTENT] = take_intent,
	[LOG_OCSP_INTENT] = take_intent,
	[LOG_RESULT] = take_result,
	[LOG_VOID] = take_void,
	[LOG_REVOKE] = take_revocation,
	[LOG_ROLLOVER] = take_account,
	[LOG_DEACTIVATE] = take_account,
	[LOG_BIND] = take_account,
	[LOG_ISSUER] = take_issuer,
};

static enum err_code visit(void *ctx, const struct record *r, struct err *e)
{
	struct reading *w = ctx;
	struct err why = { 0 };

	w->facts->records = r->sequence;
	arena_reset(w->arena);
	if (w->facts->put && ++w->in_transaction > COMMIT_EACH) {
		TRY(mirror_commit(w->facts->mirror, e));
		TRY(mirror_begin(w->facts->mirror, e));
		w->in_transaction = 0;
	}
	if (!takes[r->type])
		return ERR_OK;
	enum err_code rc = takes[r->type](w, r, &why);
	if (rc == ERR_OK)
		return rc;
	errno = why.sys;
	return err_set(
	    e, rc, __FILE__, __LINE__, "record %" PRIu64 " of the log (%s): %s", r->sequence, log_type_name(r->type), why.detail);
}

enum err_code log_facts_tell(int signer_folder, struct log_facts *f, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct reading *w = calloc(1, sizeof *w);

	errno = 0;
	if (!a || !w) {
		free(w);
		FAIL(e, NOMEM, "no memory to read the log");
	}
	w->facts = f;
	w->arena = a;
	for (size_t i = 0; i < OPEN_INTENTS_MAX; i++)
		w->waiting[i].body = buf_new(RECORD_SIZE_MAX);
	enum err_code rc = signer_log_walk(signer_folder, visit, w, NULL, e);
	for (size_t i = 0; i < OPEN_INTENTS_MAX; i++)
		buf_free(&w->waiting[i].body);
	free(w);
	return rc;
}
