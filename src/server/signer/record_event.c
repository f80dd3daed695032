#include "server/signer/record_event.h"

#include <string.h>

static void get_fixed(struct wire *w, uint8_t *out, size_t n)
{
	struct bytes v = wire_fixed(w, n);

	if (v.len == n)
		memcpy(out, v.ptr, n);
}

/* A field that older records end without. */
static void get_if_there(struct wire *w, uint8_t *out, size_t n)
{
	if (w->rest.len > 0)
		get_fixed(w, out, n);
}

void revocation_write(const struct revocation *v, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(v->serial));
	wire_put_u8(out, v->reason);
	wire_put_u64(out, (uint64_t)v->time_s);
	wire_put_u8(out, v->by);
	wire_put_u64(out, (uint64_t)v->not_after_s);
	wire_put_fixed(out, BYTES_ARRAY(v->spki_digest));
	wire_put_bytes(out, v->evidence);
	wire_put_fixed(out, BYTES_ARRAY(v->issuer));
}

enum err_code revocation_read(const struct record *r, struct revocation *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct revocation v = { 0 };

	get_fixed(&w, v.serial, sizeof v.serial);
	v.reason = wire_u8(&w);
	v.time_s = (int64_t)wire_u64(&w);
	v.by = wire_u8(&w);
	v.not_after_s = (int64_t)wire_u64(&w);
	get_fixed(&w, v.spki_digest, sizeof v.spki_digest);
	v.evidence = wire_bytes(&w, CHANNEL_BODY_MAX);
	get_if_there(&w, v.issuer, sizeof v.issuer);
	TRY(wire_end(&w, "a revocation", e));
	if (v.by < REVOKED_BY_KEY || v.by > REVOKED_BY_OPERATOR)
		FAIL(e, MALFORMED, "a revocation by nobody that is known: %u", v.by);
	*ret = v;
	return ERR_OK;
}

void account_event_write(enum log_type type, const struct account_event *v, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(v->account));
	if (type == LOG_BIND)
		wire_put_bytes(out, v->kid);
	else
		wire_put_fixed(out, BYTES_ARRAY(v->thumbprint));
	if (type == LOG_ROLLOVER)
		wire_put_fixed(out, BYTES_ARRAY(v->new_thumbprint));
	wire_put_bytes(out, v->evidence);
}

enum err_code account_event_read(const struct record *r, struct account_event *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct account_event v = { 0 };

	get_fixed(&w, v.account, sizeof v.account);
	if (r->type == LOG_BIND)
		v.kid = wire_bytes(&w, EVENT_KID_MAX);
	else
		get_fixed(&w, v.thumbprint, sizeof v.thumbprint);
	if (r->type == LOG_ROLLOVER)
		get_fixed(&w, v.new_thumbprint, sizeof v.new_thumbprint);
	v.evidence = wire_bytes(&w, CHANNEL_BODY_MAX);
	TRY(wire_end(&w, "an account's event", e));
	*ret = v;
	return ERR_OK;
}

void crl_made_write(const struct crl_made *v, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(v->issuer));
	wire_put_u64(out, v->number);
	wire_put_u64(out, (uint64_t)v->this_update_s);
	wire_put_u64(out, (uint64_t)v->next_update_s);
	wire_put_fixed(out, BYTES_ARRAY(v->digest));
	wire_put_u8(out, v->shard);
}

enum err_code crl_made_read(const struct record *r, struct crl_made *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct crl_made v = { 0 };

	get_fixed(&w, v.issuer, sizeof v.issuer);
	v.number = wire_u64(&w);
	v.this_update_s = (int64_t)wire_u64(&w);
	v.next_update_s = (int64_t)wire_u64(&w);
	get_fixed(&w, v.digest, sizeof v.digest);
	get_if_there(&w, &v.shard, sizeof v.shard);
	TRY(wire_end(&w, "a revocation list's record", e));
	*ret = v;
	return ERR_OK;
}

void eab_event_write(const struct eab_event *v, struct buf *out)
{
	wire_put_bytes(out, v->kid);
	wire_put_u8(out, v->action);
	wire_put_u32(out, v->uid);
	wire_put_bytes(out, v->detail);
}

enum err_code eab_event_read(const struct record *r, struct eab_event *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct eab_event v = { 0 };

	v.kid = wire_bytes(&w, EVENT_KID_MAX);
	v.action = wire_u8(&w);
	v.uid = wire_u32(&w);
	v.detail = wire_bytes(&w, EAB_DETAIL_MAX);
	TRY(wire_end(&w, "an external account key's event", e));
	*ret = v;
	return ERR_OK;
}

void audit_write(const struct audit *v, struct buf *out)
{
	wire_put_u32(out, v->uid);
	wire_put_bytes(out, v->action);
	wire_put_bytes(out, v->detail);
}

enum err_code audit_read(const struct record *r, struct audit *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct audit v = { 0 };

	v.uid = wire_u32(&w);
	v.action = wire_bytes(&w, AUDIT_ACTION_MAX);
	v.detail = wire_bytes(&w, AUDIT_DETAIL_MAX);
	TRY(wire_end(&w, "an operator's action", e));
	if (v.action.len == 0)
		FAIL(e, MALFORMED, "an operator's action without a name");
	*ret = v;
	return ERR_OK;
}

void issuer_event_write(const struct issuer_event *v, struct buf *out)
{
	wire_put_bytes(out, v->name);
	wire_put_bytes(out, v->issuer_pem);
	wire_put_bytes(out, v->root_pem);
	wire_put_u32(out, v->uid);
}

enum err_code issuer_event_read(const struct record *r, struct issuer_event *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct issuer_event v = { 0 };

	v.name = wire_bytes(&w, ISSUER_NAME_MAX);
	v.issuer_pem = wire_bytes(&w, ISSUER_PEM_MAX);
	v.root_pem = wire_bytes(&w, ISSUER_PEM_MAX);
	v.uid = wire_u32(&w);
	TRY(wire_end(&w, "an issuer's record", e));
	*ret = v;
	return ERR_OK;
}

void block_event_write(const struct block_event *v, struct buf *out)
{
	wire_put_u8(out, v->on ? 1 : 2);
	wire_put_u8(out, (uint8_t)v->block.kind);
	wire_put_bytes(out, v->block.value);
	wire_put_bytes(out, v->block.reason);
	wire_put_u32(out, v->block.uid);
}

enum err_code block_event_read(const struct record *r, struct block_event *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct block_event v = { 0 };

	uint8_t on = wire_u8(&w);
	v.on = on == 1;
	v.block.kind = (enum block_kind)wire_u8(&w);
	v.block.value = wire_bytes(&w, BLOCK_VALUE_MAX);
	v.block.reason = wire_bytes(&w, BLOCK_REASON_MAX);
	v.block.uid = wire_u32(&w);
	v.block.since_ms = r->time_ms;
	TRY(wire_end(&w, "a block's record", e));
	if (on < 1 || on > 2 || v.block.kind < BLOCK_KEY || v.block.kind >= BLOCK__MAX || v.block.value.len == 0)
		FAIL(e, MALFORMED, "a record that blocks nothing that is known");
	*ret = v;
	return ERR_OK;
}

/* A VOID is one too: its serial stands revoked. */
bool log_type_is_event(unsigned type)
{
	return type == LOG_VOID || (type >= LOG_REVOKE && type <= LOG_ISSUER) || type == LOG_BLOCK;
}

enum err_code event_check(const struct record *r, struct err *e)
{
	struct account_event account;
	struct revocation revocation;
	struct crl_made crl;
	struct eab_event eab;
	struct issuer_event issuer;
	struct block_event block;
	struct voided voided;

	switch (r->type) {
	case LOG_VOID:
		return void_read(r, &voided, e);
	case LOG_REVOKE:
		return revocation_read(r, &revocation, e);
	case LOG_ROLLOVER:
	case LOG_DEACTIVATE:
	case LOG_BIND:
		return account_event_read(r, &account, e);
	case LOG_CRL:
		return crl_made_read(r, &crl, e);
	case LOG_EAB:
		return eab_event_read(r, &eab, e);
	case LOG_ISSUER:
		return issuer_event_read(r, &issuer, e);
	case LOG_BLOCK:
		return block_event_read(r, &block, e);
	}
	FAIL(e, MALFORMED, "record %llu is no event", (unsigned long long)r->sequence);
}
