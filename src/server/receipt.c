#include "server/receipt.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <string.h>

/* The MAC's input begins with a label of its own, so that no other message under the same key can be taken for a receipt. */
#define RECEIPT_LABEL   "chancery receipt"
#define RECEIPT_VERSION 1
#define TOKEN_LABEL     "chancery token"
#define TOKEN_RAW       32
#define TOKEN_MAC       16
#define SKEW_MS         5000

static void write_body(const struct receipt *r, struct buf *out)
{
	wire_put_bytes(out, BYTES_LIT(RECEIPT_LABEL));
	wire_put_u8(out, RECEIPT_VERSION);
	wire_put_u32(out, r->key_id);
	wire_put_fixed(out, BYTES_ARRAY(r->instance));
	wire_put_bytes(out, r->perspective);
	wire_put_fixed(out, BYTES_ARRAY(r->id));
	wire_put_u8(out, (uint8_t)r->kind);
	wire_put_u8(out, (uint8_t)r->identifier.type);
	wire_put_bytes(out, r->identifier.value);
	wire_put_u8(out, (uint8_t)r->scope);
	wire_put_bytes(out, r->account_url);
	wire_put_fixed(out, BYTES_ARRAY(r->thumbprint));
	wire_put_u8(out, (uint8_t)r->dnssec);
	wire_put_u64(out, (uint64_t)r->time_ms);
	wire_put_bytes(out, bytes_str(challenge_type_name(r->method)));
	if (r->kind == RECEIPT_CONTROL) {
		wire_put_bytes(out, r->domain);
		wire_put_bytes(out, r->token);
		wire_put_u8(out, r->relaxed_address);
		wire_put_fixed(out, BYTES_ARRAY(r->seen));
	} else {
		wire_put_bytes(out, r->issuer_domain);
		wire_put_bytes(out, r->node);
		wire_put_fixed(out, BYTES_ARRAY(r->rrset));
		wire_put_u32(out, r->ttl_s);
		wire_put_u8(out, (uint8_t)r->outcome);
	}
}

void receipt_write(const struct receipt *r, struct bytes key, struct buf *out)
{
	uint8_t mac[SHA256_SIZE];
	size_t from = out->len;

	write_body(r, out);
	if (!buf_ok(out))
		return;
	struct bytes body = { out->ptr + from, out->len - from };
	hmac_sha256(key, &body, 1, mac);
	wire_put_fixed(out, BYTES_ARRAY(mac));
}

static void copy_fixed(struct wire *w, uint8_t *out, size_t n)
{
	struct bytes v = wire_fixed(w, n);

	if (v.len == n)
		memcpy(out, v.ptr, n);
}

/* Values outside their enumerations make the reader fail like a short read does. */
static unsigned ranged(struct wire *w, unsigned least, unsigned most)
{
	unsigned v = wire_u8(w);

	if (v < least || v > most)
		w->failed = true;
	return v;
}

static void read_control(struct wire *w, struct receipt *r)
{
	r->domain = wire_bytes(w, DNS_NAME_MAX);
	r->token = wire_bytes(w, 64);
	r->relaxed_address = ranged(w, 0, 1) == 1;
	copy_fixed(w, r->seen, sizeof r->seen);
}

static void read_caa(struct wire *w, struct receipt *r)
{
	r->issuer_domain = wire_bytes(w, DNS_NAME_MAX);
	r->node = wire_bytes(w, DNS_NAME_MAX);
	copy_fixed(w, r->rrset, sizeof r->rrset);
	r->ttl_s = wire_u32(w);
	r->outcome = (enum caa_outcome)ranged(w, CAA_NO_RECORDS, CAA_PERMITTED);
}

static enum err_code check_size(struct bytes in, struct err *e)
{
	if (in.len <= SHA256_SIZE || in.len > RECEIPT_SIZE_MAX)
		FAIL(e, MALFORMED, "a receipt of %zu bytes", in.len);
	return ERR_OK;
}

enum err_code receipt_read(struct bytes in, struct bytes key, struct receipt *ret, struct err *e)
{
	uint8_t mac[SHA256_SIZE];

	TRY(check_size(in, e));
	struct bytes body = bytes_slice(in, 0, in.len - SHA256_SIZE);
	hmac_sha256(key, &body, 1, mac);
	if (!crypto_equal(BYTES_ARRAY(mac), bytes_slice(in, body.len, in.len)))
		FAIL(e, UNAUTHORIZED, "a receipt that the validator did not make");
	return receipt_look(in, ret, e);
}

enum err_code receipt_look(struct bytes in, struct receipt *ret, struct err *e)
{
	struct receipt r = { 0 };

	TRY(check_size(in, e));
	struct wire w = wire_of(bytes_slice(in, 0, in.len - SHA256_SIZE));
	if (!bytes_eq_str(wire_bytes(&w, sizeof RECEIPT_LABEL), RECEIPT_LABEL) || wire_u8(&w) != RECEIPT_VERSION)
		FAIL(e, MALFORMED, "not a receipt of version %d", RECEIPT_VERSION);
	r.key_id = wire_u32(&w);
	copy_fixed(&w, r.instance, sizeof r.instance);
	r.perspective = wire_bytes(&w, 64);
	copy_fixed(&w, r.id, sizeof r.id);
	r.kind = (enum receipt_kind)ranged(&w, RECEIPT_CONTROL, RECEIPT_CAA);
	r.identifier.type = (enum identifier_type)ranged(&w, 0, IDENTIFIER__MAX - 1);
	r.identifier.value = wire_bytes(&w, DNS_NAME_MAX);
	r.scope = (enum receipt_scope)ranged(&w, SCOPE_EXACT, SCOPE_WILDCARD);
	r.account_url = wire_bytes(&w, 1024);
	copy_fixed(&w, r.thumbprint, sizeof r.thumbprint);
	r.dnssec = (enum dnssec_status)ranged(&w, DNSSEC_OFF, DNSSEC_SECURE);
	r.time_ms = (int64_t)wire_u64(&w);
	if (!challenge_type_from_name(wire_bytes(&w, 64), &r.method))
		w.failed = true;
	if (r.kind == RECEIPT_CONTROL)
		read_control(&w, &r);
	else
		read_caa(&w, &r);
	TRY(wire_end(&w, "a receipt", e));
	*ret = r;
	return ERR_OK;
}

static void token_mac(struct bytes key, const uint8_t *head, uint8_t out[TOKEN_MAC])
{
	uint8_t mac[SHA256_SIZE];
	struct bytes parts[2] = { BYTES_LIT(TOKEN_LABEL), { head, TOKEN_RAW - TOKEN_MAC } };

	hmac_sha256(key, parts, 2, mac);
	memcpy(out, mac, TOKEN_MAC);
}

void token_mint(struct bytes key, int64_t now_ms, char out[44])
{
	uint8_t raw[TOKEN_RAW];

	for (int i = 0; i < 6; i++)
		raw[i] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * i));
	random_bytes(raw + 6, 10);
	token_mac(key, raw, raw + TOKEN_RAW - TOKEN_MAC);
	base64url_encode(BYTES_ARRAY(raw), out);
}

enum err_code token_check(struct bytes key, int64_t now_ms, struct bytes token, struct err *e)
{
	uint8_t raw[TOKEN_RAW], mac[TOKEN_MAC];
	int64_t time_ms = 0;

	if (base64url_decode_fixed(token, raw, sizeof raw, NULL) != ERR_OK)
		FAIL(e, UNAUTHORIZED, "the token is not one that the validator minted");
	token_mac(key, raw, mac);
	if (!crypto_equal(BYTES_ARRAY(mac), (struct bytes){ raw + TOKEN_RAW - TOKEN_MAC, TOKEN_MAC }))
		FAIL(e, UNAUTHORIZED, "the token is not one that the validator minted");
	for (int i = 0; i < 6; i++)
		time_ms = time_ms << 8 | raw[i];
	if (time_ms > now_ms + SKEW_MS || now_ms - time_ms > TOKEN_AGE_MAX_MS)
		FAIL(e, UNAUTHORIZED, "the token is older than seven days");
	return ERR_OK;
}
