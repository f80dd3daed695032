/* What the log's records say, one function for each type. */
#include "server/admin/log_verify.h"

#include "base/codec.h"
#include "pki/crl.h"
#include "server/signer/record_event.h"

#include <inttypes.h>

struct telling {
	struct arena *a;
	const struct record *r;
	struct log_fact *v;
	size_t n;
	bool failed;
};

static void put(struct telling *t, const char *name, struct bytes value)
{
	t->failed = t->failed || !value.ptr;
	t->v[t->n++] = (struct log_fact){ name, value };
}

static void put_uint(struct telling *t, const char *name, uint64_t value)
{
	put(t, name, arena_fmt(t->a, "%" PRIu64, value));
}

static void put_hex(struct telling *t, const char *name, struct bytes value)
{
	char *text = arena_array(t->a, HEX_LEN(value.len) + 1, 1);

	if (text)
		hex_encode(value, text);
	put(t, name, text ? bytes_str(text) : BYTES_NONE);
}

static void put_base64url(struct telling *t, const char *name, struct bytes value)
{
	char *text = arena_array(t->a, BASE64URL_LEN(value.len) + 1, 1);

	if (text)
		base64url_encode(value, text);
	put(t, name, text ? bytes_str(text) : BYTES_NONE);
}

static enum err_code tell_intent(struct telling *t, struct err *e)
{
	struct intent i;

	TRY(intent_read(t->r, &i, e));
	put_hex(t, "serial", BYTES_ARRAY(i.serial));
	put(t, "profile", i.profile);
	if (i.tls)
		return ERR_OK;
	put_base64url(t, "account", BYTES_ARRAY(i.thumbprint));
	put_base64url(t, "order", BYTES_ARRAY(i.order));
	return ERR_OK;
}

static enum err_code tell_result(struct telling *t, struct err *e)
{
	struct result v;

	TRY(result_read(t->r, &v, e));
	put_hex(t, "serial", BYTES_ARRAY(v.serial));
	return ERR_OK;
}

static enum err_code tell_void(struct telling *t, struct err *e)
{
	struct voided v;

	TRY(void_read(t->r, &v, e));
	put_hex(t, "serial", BYTES_ARRAY(v.serial));
	put(t, "reason", v.reason);
	return ERR_OK;
}

static const char *const revokers[] = { NULL, "key", "account", "names", "operator" };

static enum err_code tell_revoke(struct telling *t, struct err *e)
{
	struct revocation v;

	TRY(revocation_read(t->r, &v, e));
	const char *reason = crl_reason_name(v.reason);
	put_hex(t, "serial", BYTES_ARRAY(v.serial));
	put(t, "reason", reason ? bytes_str(reason) : BYTES_LIT("unspecified"));
	put(t, "by", bytes_str(revokers[v.by]));
	if (v.by == REVOKED_BY_OPERATOR)
		put(t, "detail", v.evidence); /* {"uid":0,"detail":"..."} */
	return ERR_OK;
}

static enum err_code tell_account(struct telling *t, struct err *e)
{
	struct account_event v;

	TRY(account_event_read(t->r, &v, e));
	put_base64url(t, "account", BYTES_ARRAY(v.account));
	if (t->r->type == LOG_ROLLOVER)
		put_base64url(t, "key", BYTES_ARRAY(v.new_thumbprint));
	if (t->r->type == LOG_BIND)
		put(t, "kid", v.kid);
	return ERR_OK;
}

static enum err_code tell_crl(struct telling *t, struct err *e)
{
	struct crl_made v;

	TRY(crl_made_read(t->r, &v, e));
	put_hex(t, "issuer", BYTES_ARRAY(v.issuer));
	put_uint(t, "number", v.number);
	put_uint(t, "shard", v.shard);
	return ERR_OK;
}

static const char *const eab_actions[] = { [EAB_MADE] = "made", [EAB_REVOKED] = "revoked", [EAB_EXPIRED] = "expired" };

static enum err_code tell_eab(struct telling *t, struct err *e)
{
	struct eab_event v;

	TRY(eab_event_read(t->r, &v, e));
	put(t, "kid", v.kid);
	put(t, "action", bytes_str(eab_actions[v.action]));
	put_uint(t, "uid", v.uid);
	return ERR_OK;
}

static enum err_code tell_issuer(struct telling *t, struct err *e)
{
	struct issuer_event v;

	TRY(issuer_event_read(t->r, &v, e));
	put(t, "name", v.name);
	put_uint(t, "uid", v.uid);
	return ERR_OK;
}

static enum err_code tell_audit(struct telling *t, struct err *e)
{
	struct audit v;

	TRY(audit_read(t->r, &v, e));
	put(t, "action", v.action);
	put(t, "detail", v.detail);
	put_uint(t, "uid", v.uid);
	return ERR_OK;
}

static enum err_code tell_block(struct telling *t, struct err *e)
{
	struct block_event v;

	TRY(block_event_read(t->r, &v, e));
	put(t, "action", v.on ? BYTES_LIT("block") : BYTES_LIT("unblock"));
	put(t, "what", bytes_str(block_kind_name(v.block.kind)));
	put(t, "value", v.block.value);
	put(t, "reason", v.block.reason);
	put_uint(t, "uid", v.block.uid);
	return ERR_OK;
}

static const struct {
	enum err_code (*tell)(struct telling *t, struct err *e);
	bool by_operator;
} tellers[256] = {
	[LOG_INTENT] = { tell_intent, false },
	[LOG_TLS_INTENT] = { tell_intent, false },
	[LOG_OCSP_INTENT] = { tell_intent, false },
	[LOG_RESULT] = { tell_result, false },
	[LOG_VOID] = { tell_void, false },
	[LOG_REVOKE] = { tell_revoke, false },
	[LOG_ROLLOVER] = { tell_account, false },
	[LOG_DEACTIVATE] = { tell_account, false },
	[LOG_BIND] = { tell_account, false },
	[LOG_CRL] = { tell_crl, false },
	[LOG_EAB] = { tell_eab, true },
	[LOG_ISSUER] = { tell_issuer, true },
	[LOG_BLOCK] = { tell_block, true },
	[LOG_AUDIT] = { tell_audit, true },
};

bool log_type_by_operator(unsigned type)
{
	return type < 256 && tellers[type].by_operator;
}

enum err_code log_tell(struct arena *a, const struct record *r, struct log_fact v[LOG_FACTS_MAX], size_t *ret_n, struct err *e)
{
	struct telling t = { .a = a, .r = r, .v = v };

	*ret_n = 0;
	if (!tellers[r->type].tell)
		return ERR_OK;
	TRY(tellers[r->type].tell(&t, e));
	if (t.failed)
		FAIL(e, NOMEM, "no memory for a record");
	*ret_n = t.n;
	return ERR_OK;
}
