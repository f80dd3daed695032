#include "server/messages.h"

#include "base/clock.h"
#include "base/codec.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "server/identity.h"
#include "server/settings.h"

#include <string.h>

enum {
	ANSWERS_TO_NONE = 0,
	ANSWERS_TO_ANY = ANSWERS_ANY,
#define X(code, from, to, body, credits, answers, fd) ANSWERS_TO_##code = MESSAGE_##code + 1,
#include "server/messages.def"
#undef X
};

const struct message_rule message_rules[MESSAGE__MAX] = {
#define X(code, sender, receiver, body, credit, answer, fd) \
	[MESSAGE_##code] = { .name = #code,                 \
		.from = PROCESS_##sender,                   \
		.to = PROCESS_##receiver,                   \
		.body_max = (body),                         \
		.credits = (credit),                        \
		.answers = ANSWERS_TO_##answer,             \
		.carries_fd = (fd) },
#include "server/messages.def"
#undef X
};

const struct process_row process_rows[PROCESS__MAX] = {
	[PROCESS_PARENT] = { .name = "parent" },
#define X(code, called, program, letter, may_connect, may_write) \
	[PROCESS_##code] = { .name = (called),                   \
		.executable = (program),                         \
		.reader = SETTINGS_READER_##letter,              \
		.network = (may_connect),                        \
		.writable = (may_write),                         \
		.folder = MESSAGE_FOLDER_##code,                 \
		.settings = MESSAGE_SETTINGS_##code,             \
		.stop = MESSAGE_STOP_##code,                     \
		.peer = MESSAGE_PEER_##code,                     \
		.ready = MESSAGE_##code##_READY,                 \
		.failed = MESSAGE_##code##_FAILED },
#include "server/processes.def"
#undef X
};

enum message_type blocklist_message(enum process p)
{
	if (p == PROCESS_FRONT)
		return MESSAGE_BLOCKLIST_FRONT;
	return p == PROCESS_SIGNER ? MESSAGE_BLOCKLIST_SIGNER : MESSAGE__MAX;
}

const char *process_name(enum process p)
{
	return (unsigned)p < PROCESS__MAX ? process_rows[p].name : "unknown";
}

enum err_code server_channel_new(int fd, enum process self, enum process peer, struct channel **ret, struct err *e)
{
	return channel_new(fd, (uint8_t)self, (uint8_t)peer, message_rules, MESSAGE__MAX, ret, e);
}

void validate_write(const struct validate *v, struct buf *out)
{
	wire_put_u8(out, (uint8_t)v->method);
	wire_put_u8(out, (uint8_t)v->identifier.type);
	wire_put_u8(out, v->identifier.wildcard);
	wire_put_bytes(out, v->identifier.value);
	wire_put_bytes(out, v->token);
	wire_put_bytes(out, v->account_url);
	wire_put_fixed(out, BYTES_ARRAY(v->thumbprint));
}

enum err_code validate_read(struct bytes body, struct validate *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct validate v = { 0 };
	unsigned method = wire_u8(&w), type = wire_u8(&w), wildcard = wire_u8(&w);

	v.identifier.value = wire_bytes(&w, DNS_NAME_MAX);
	v.token = wire_bytes(&w, TOKEN_LEN);
	v.account_url = wire_bytes(&w, 1024);
	struct bytes thumbprint = wire_fixed(&w, sizeof v.thumbprint);
	TRY(wire_end(&w, "VALIDATE", e));
	if (method >= CHALLENGE_TYPE__MAX || type >= IDENTIFIER__MAX || wildcard > 1)
		FAIL(e, MALFORMED, "VALIDATE: method %u, identifier type %u, wildcard %u", method, type, wildcard);
	v.method = (enum challenge_type)method;
	v.identifier.type = (enum identifier_type)type;
	v.identifier.wildcard = wildcard == 1;
	memcpy(v.thumbprint, thumbprint.ptr, sizeof v.thumbprint);
	*ret = v;
	return ERR_OK;
}

/* Errors cross by name, so that a number's meaning never depends on the build. */
static enum err_code code_from_name(struct bytes name)
{
	if (name.len == 0)
		return ERR_OK;
	for (unsigned c = ERR_OK + 1; c < ERR__MAX; c++)
		if (bytes_eq_str(name, err_name((enum err_code)c)))
			return (enum err_code)c;
	return ERR_SERVER_INTERNAL;
}

void problem_write(enum err_code code, struct bytes detail, struct buf *out)
{
	wire_put_bytes(out, code == ERR_OK ? BYTES_LIT("") : bytes_str(err_name(code)));
	wire_put_bytes(out, detail);
}

static enum err_code problem_get(struct wire *w, struct bytes *ret_detail)
{
	enum err_code code = code_from_name(wire_bytes(w, 64));

	*ret_detail = wire_bytes(w, 2048);
	return code;
}

enum err_code problem_read(struct bytes body, enum err_code *ret_code, struct bytes *ret_detail, struct err *e)
{
	struct wire w = wire_of(body);
	struct bytes detail;
	enum err_code code = problem_get(&w, &detail);

	TRY(wire_end(&w, "a refusal", e));
	if (code == ERR_OK)
		FAIL(e, MALFORMED, "a refusal without a code");
	*ret_code = code;
	*ret_detail = detail;
	return ERR_OK;
}

void validated_write(const struct validated *v, struct buf *out)
{
	wire_put_bytes(out, v->control);
	wire_put_bytes(out, v->caa);
	problem_write(v->code, v->detail, out);
}

enum err_code validated_read(struct bytes body, struct validated *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct validated v;

	v.control = wire_bytes(&w, 4096);
	v.caa = wire_bytes(&w, 4096);
	v.code = problem_get(&w, &v.detail);
	TRY(wire_end(&w, "VALIDATED", e));
	if ((v.code == ERR_OK) != (v.control.len > 0 || v.caa.len > 0))
		FAIL(e, MALFORMED, "VALIDATED: neither receipts nor a problem");
	*ret = v;
	return ERR_OK;
}

void issue_write(const struct issue *i, struct buf *out)
{
	wire_put_bytes(out, i->finalize);
	wire_put_bytes(out, i->new_order);
	wire_put_bytes(out, i->account_jwk);
	wire_put_u16(out, (uint16_t)i->n_receipts);
	for (size_t k = 0; k < i->n_receipts; k++)
		wire_put_bytes(out, i->receipts[k]);
}

static enum err_code read_receipts(struct arena *a, struct wire *w, const char *what, struct bytes **ret, size_t *ret_n, struct err *e)
{
	size_t n = wire_u16(w);

	if (n > ISSUE_RECEIPTS_MAX)
		FAIL(e, MALFORMED, "%s: %zu receipts, at most %d", what, n, ISSUE_RECEIPTS_MAX);
	struct bytes *v = arena_array(a, n + 1, sizeof *v);
	if (!v)
		FAIL(e, NOMEM, "no memory for receipts");
	for (size_t k = 0; k < n; k++)
		v[k] = wire_bytes(w, 4096);
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}

enum err_code issue_read(struct arena *a, struct bytes body, struct issue *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct issue i = { 0 };

	i.finalize = wire_bytes(&w, 65536);
	i.new_order = wire_bytes(&w, 65536);
	i.account_jwk = wire_bytes(&w, 4096);
	TRY(read_receipts(a, &w, "ISSUE", &i.receipts, &i.n_receipts, e));
	TRY(wire_end(&w, "ISSUE", e));
	*ret = i;
	return ERR_OK;
}

void issued_write(const struct issued *i, struct buf *out)
{
	wire_put_bytes(out, i->serial);
	wire_put_bytes(out, i->certificate);
	wire_put_bytes(out, i->chain);
	wire_put_u64(out, (uint64_t)i->not_before_s);
	wire_put_u64(out, (uint64_t)i->not_after_s);
}

enum err_code issued_read(struct bytes body, struct issued *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct issued i;

	i.serial = wire_bytes(&w, 20);
	i.certificate = wire_bytes(&w, 16384);
	i.chain = wire_bytes(&w, 16384);
	i.not_before_s = (int64_t)wire_u64(&w);
	i.not_after_s = (int64_t)wire_u64(&w);
	TRY(wire_end(&w, "ISSUED", e));
	if (i.serial.len != 16 || i.certificate.len == 0)
		FAIL(e, MALFORMED, "ISSUED: no certificate");
	*ret = i;
	return ERR_OK;
}

enum err_code answer_check(const struct message *answer, struct err *e)
{
	enum err_code code;
	struct bytes detail;

	if (answer->type != MESSAGE_REFUSED)
		return ERR_OK;
	TRY(problem_read(answer->body, &code, &detail, e));
	return err_set(e, code, __FILE__, __LINE__, "%.*s", BYTES_FMT(detail));
}

enum err_code issued_answer(const struct message *answer, struct issued *ret, struct err *e)
{
	TRY(answer_check(answer, e));
	return issued_read(answer->body, ret, e);
}

void account_evidence_write(const struct account_evidence *v, struct buf *out)
{
	wire_put_bytes(out, v->request);
	wire_put_bytes(out, v->jwk);
}

enum err_code account_evidence_read(struct bytes body, struct account_evidence *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct account_evidence v;

	v.request = wire_bytes(&w, 65536);
	v.jwk = wire_bytes(&w, 4096);
	TRY(wire_end(&w, "an account's request", e));
	*ret = v;
	return ERR_OK;
}

void revoke_write(const struct revoke *r, struct buf *out)
{
	wire_put_bytes(out, r->request);
	wire_put_bytes(out, r->jwk);
	wire_put_u16(out, (uint16_t)r->n_receipts);
	for (size_t k = 0; k < r->n_receipts; k++)
		wire_put_bytes(out, r->receipts[k]);
}

enum err_code revoke_read(struct arena *a, struct bytes body, struct revoke *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct revoke r = { 0 };

	r.request = wire_bytes(&w, 65536);
	r.jwk = wire_bytes(&w, 4096);
	TRY(read_receipts(a, &w, "REVOKE", &r.receipts, &r.n_receipts, e));
	TRY(wire_end(&w, "REVOKE", e));
	*ret = r;
	return ERR_OK;
}

void revoked_write(const struct revoked *r, struct buf *out)
{
	wire_put_u64(out, (uint64_t)r->time_s);
	wire_put_u8(out, r->reason);
}

enum err_code revoked_read(struct bytes body, struct revoked *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct revoked r;

	r.time_s = (int64_t)wire_u64(&w);
	r.reason = wire_u8(&w);
	TRY(wire_end(&w, "REVOKE_OK", e));
	*ret = r;
	return ERR_OK;
}

void hello_ok_write(const struct hello_ok *h, struct buf *out)
{
	wire_put_fixed(out, (struct bytes){ h->instance, INSTANCE_SIZE });
	wire_put_u8(out, (uint8_t)h->n_issuers);
	for (size_t i = 0; i < h->n_issuers; i++) {
		wire_put_bytes(out, h->issuers[i].name);
		wire_put_bytes(out, h->issuers[i].chain);
		wire_put_bytes(out, h->issuers[i].root);
	}
}

enum err_code hello_ok_read(struct bytes body, struct hello_ok *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct hello_ok h = { .instance = wire_fixed(&w, INSTANCE_SIZE).ptr, .n_issuers = wire_u8(&w) };

	if (h.n_issuers > ISSUERS_MAX)
		FAIL(e, MALFORMED, "HELLO_OK names %zu issuers, at most %d are allowed", h.n_issuers, ISSUERS_MAX);
	for (size_t i = 0; i < h.n_issuers; i++) {
		h.issuers[i].name = wire_bytes(&w, ISSUER_NAME_MAX);
		h.issuers[i].chain = wire_bytes(&w, CHAIN_SIZE_MAX);
		h.issuers[i].root = wire_bytes(&w, ROOT_SIZE_MAX);
	}
	TRY(wire_end(&w, "HELLO_OK", e));
	*ret = h;
	return ERR_OK;
}

static void read_issuer(struct wire *w, uint8_t out[ISSUER_KEY_SIZE])
{
	struct bytes id = wire_fixed(w, ISSUER_KEY_SIZE);

	if (id.len == ISSUER_KEY_SIZE)
		memcpy(out, id.ptr, ISSUER_KEY_SIZE);
}

void sign_write(const struct sign *v, struct buf *out)
{
	wire_put_bytes(out, v->uri);
	wire_put_u8(out, v->type);
	wire_put_bytes(out, v->digest);
}

enum err_code sign_read(struct bytes body, struct sign *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct sign v = { .uri = wire_bytes(&w, SIGN_URI_MAX) };

	v.type = wire_u8(&w);
	v.digest = wire_bytes(&w, SHA384_SIZE);
	TRY(wire_end(&w, "SIGN", e));
	if (v.type >= KEY__MAX || sig_alg_digest_size(key_type_sig_alg((enum key_type)v.type)) == 0)
		FAIL(e, MALFORMED, "SIGN for a key of the type %u", v.type);
	if (v.digest.len != sig_alg_digest_size(key_type_sig_alg((enum key_type)v.type)))
		FAIL(e, MALFORMED, "SIGN with a digest of %zu bytes", v.digest.len);
	*ret = v;
	return ERR_OK;
}

void limits_reset_write(const struct limits_reset *v, struct buf *out)
{
	wire_put_bytes(out, bytes_str(v->limit));
	wire_put_bytes(out, bytes_str(v->key));
}

enum err_code limits_reset_read(struct bytes body, struct limits_reset *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct bytes limit = wire_bytes(&w, LIMIT_NAME_MAX), key = wire_bytes(&w, LIMIT_KEY_MAX);

	TRY(wire_end(&w, "LIMITS_RESET", e));
	if (memchr(limit.ptr, 0, limit.len) || memchr(key.ptr, 0, key.len))
		FAIL(e, MALFORMED, "LIMITS_RESET with a NUL");
	*ret = (struct limits_reset){ .limit = "" };
	memcpy(ret->limit, limit.ptr, limit.len);
	memcpy(ret->key, key.ptr, key.len);
	return ERR_OK;
}

void revoked_new_write(const struct revoked_new *v, size_t n, struct buf *out)
{
	wire_put_u16(out, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_fixed(out, BYTES_ARRAY(v[i].serial));
		wire_put_u64(out, (uint64_t)v[i].time_s);
		wire_put_u8(out, v[i].reason);
	}
}

enum err_code revoked_new_read(struct bytes body, struct revoked_new *v, size_t *ret_n, struct err *e)
{
	struct wire w = wire_of(body);
	size_t n = wire_u16(&w);

	if (n > REVOKED_NEW_MAX)
		FAIL(e, MALFORMED, "REVOKED_NEW names %zu certificates, at most %d are allowed", n, REVOKED_NEW_MAX);
	for (size_t i = 0; i < n; i++) {
		struct bytes serial = wire_fixed(&w, sizeof v[i].serial);
		if (serial.len != sizeof v[i].serial)
			break;
		memcpy(v[i].serial, serial.ptr, sizeof v[i].serial);
		v[i].time_s = (int64_t)wire_u64(&w);
		v[i].reason = wire_u8(&w);
	}
	TRY(wire_end(&w, "REVOKED_NEW", e));
	*ret_n = n;
	return ERR_OK;
}

void crl_new_write(const struct crl_new *v, size_t n, struct buf *out)
{
	wire_put_u16(out, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_fixed(out, BYTES_ARRAY(v[i].issuer));
		wire_put_u8(out, v[i].shard);
		wire_put_u64(out, v[i].number);
		wire_put_u64(out, v[i].size);
	}
}

enum err_code crl_new_read(struct bytes body, struct crl_new *v, size_t *ret_n, struct err *e)
{
	struct wire w = wire_of(body);
	size_t n = wire_u16(&w);

	if (n > CRL_NEW_MAX)
		FAIL(e, MALFORMED, "CRL_NEW names %zu lists, at most %d are allowed", n, CRL_NEW_MAX);
	for (size_t i = 0; i < n; i++) {
		read_issuer(&w, v[i].issuer);
		v[i].shard = wire_u8(&w);
		v[i].number = wire_u64(&w);
		v[i].size = wire_u64(&w);
	}
	TRY(wire_end(&w, "CRL_NEW", e));
	*ret_n = n;
	return ERR_OK;
}

void crl_get_write(const struct crl_get *c, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(c->issuer));
	wire_put_u8(out, c->shard);
	wire_put_u64(out, c->number);
	wire_put_u64(out, c->offset);
}

enum err_code crl_get_read(struct bytes body, struct crl_get *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct crl_get c = { 0 };

	read_issuer(&w, c.issuer);
	c.shard = wire_u8(&w);
	c.number = wire_u64(&w);
	c.offset = wire_u64(&w);
	TRY(wire_end(&w, "CRL_GET", e));
	*ret = c;
	return ERR_OK;
}

void crl_part_write(const struct crl_part *c, struct buf *out)
{
	wire_put_u64(out, c->number);
	wire_put_u64(out, c->size);
	wire_put_u64(out, c->offset);
	wire_put_bytes(out, c->part);
}

enum err_code crl_part_read(struct bytes body, struct crl_part *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct crl_part c;

	c.number = wire_u64(&w);
	c.size = wire_u64(&w);
	c.offset = wire_u64(&w);
	c.part = wire_bytes(&w, CRL_PART_MAX);
	TRY(wire_end(&w, "CRL_PART", e));
	*ret = c;
	return ERR_OK;
}

#define ORDER_DIGEST_SIZE 16

static void new_order_digest(struct bytes new_order, uint8_t *out)
{
	uint8_t whole[SHA256_SIZE];

	sha256_one(new_order, whole);
	memcpy(out, whole, ORDER_DIGEST_SIZE);
}

void order_id_make(int64_t now_ms, struct bytes new_order, uint8_t out[ORDER_ID_SIZE])
{
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * i));
	random_bytes(out + 6, 8);
	new_order_digest(new_order, out + 14);
}

int64_t order_id_time_ms(const uint8_t id[ORDER_ID_SIZE])
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id[i];
	return ms;
}

bool order_id_names(const uint8_t id[ORDER_ID_SIZE], struct bytes new_order)
{
	uint8_t digest[ORDER_DIGEST_SIZE];

	new_order_digest(new_order, digest);
	return memcmp(id + 14, digest, sizeof digest) == 0;
}

struct bytes account_url(struct arena *a, struct bytes base, const uint8_t thumbprint[32])
{
	char id[BASE64URL_LEN(32) + 1];

	base64url_encode((struct bytes){ thumbprint, 32 }, id);
	return arena_fmt(a, "%.*s" ACCOUNT_PATH "%s", BYTES_FMT(base), id);
}

struct bytes crl_url(struct arena *a, struct bytes base, const uint8_t issuer[ISSUER_KEY_SIZE], uint8_t shard)
{
	char hex[HEX_LEN(ISSUER_KEY_SIZE) + 1];

	if (base.len == 0)
		return BYTES_LIT("");
	hex_encode((struct bytes){ issuer, ISSUER_KEY_SIZE }, hex);
	if (shard == 0)
		return arena_fmt(a, "%.*s" CRL_PATH "%s" CRL_SUFFIX, BYTES_FMT(base), hex);
	return arena_fmt(a, "%.*s" CRL_PATH "%s-%u" CRL_SUFFIX, BYTES_FMT(base), hex, (unsigned)shard);
}

struct bytes ca_issuers_url(struct arena *a, struct bytes base, const uint8_t issuer[ISSUER_KEY_SIZE])
{
	char hex[HEX_LEN(ISSUER_KEY_SIZE) + 1];

	if (base.len == 0)
		return BYTES_LIT("");
	hex_encode((struct bytes){ issuer, ISSUER_KEY_SIZE }, hex);
	return arena_fmt(a, "%.*s" CA_PATH "%s" CA_SUFFIX, BYTES_FMT(base), hex);
}

struct bytes ocsp_url(struct arena *a, struct bytes base)
{
	return base.len == 0 ? BYTES_LIT("") : arena_fmt(a, "%.*s" OCSP_PATH, BYTES_FMT(base));
}

/* 1 to 255 in decimal, as crl_url() writes it. */
static bool shard_read(struct bytes text, uint8_t *ret)
{
	unsigned v = 0;

	if (text.len < 1 || text.len > 3 || text.ptr[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		v = v * 10 + (unsigned)(text.ptr[i] - '0');
	}
	*ret = (uint8_t)v;
	return v < SHARDS_MAX;
}

bool crl_path_read(struct bytes path, uint8_t ret_issuer[ISSUER_KEY_SIZE], uint8_t *ret_shard)
{
	struct bytes prefix = BYTES_LIT(CRL_PATH), suffix = BYTES_LIT(CRL_SUFFIX);
	size_t key_end = prefix.len + HEX_LEN(ISSUER_KEY_SIZE);
	char written[HEX_LEN(ISSUER_KEY_SIZE) + 1];

	if (path.len < key_end + suffix.len || !bytes_starts_with(path, prefix) || !bytes_ends_with(path, suffix))
		return false;
	struct bytes key = bytes_slice(path, prefix.len, key_end);
	if (hex_decode(key, ret_issuer, ISSUER_KEY_SIZE, NULL) != ERR_OK)
		return false;
	hex_encode((struct bytes){ ret_issuer, ISSUER_KEY_SIZE }, written);
	if (!bytes_eq_str(key, written)) /* a list has one path: upper case is another */
		return false;
	struct bytes shard = bytes_slice(path, key_end, path.len - suffix.len);
	*ret_shard = 0;
	return shard.len == 0 || (shard.ptr[0] == '-' && shard_read(bytes_slice(shard, 1, shard.len), ret_shard));
}

enum err_code finalize_url_read(struct bytes base, struct bytes url, uint8_t ret_order[ORDER_ID_SIZE], struct err *e)
{
	struct bytes prefix = BYTES_LIT(ORDER_PATH), suffix = BYTES_LIT(FINALIZE_SUFFIX);

	if (!bytes_starts_with(url, base) || !bytes_starts_with(bytes_slice(url, base.len, url.len), prefix) ||
	    url.len != base.len + prefix.len + ORDER_ID_LEN + suffix.len || !bytes_ends_with(url, suffix))
		FAIL(e, UNAUTHORIZED, "the request's url is not the finalize URL of an order of this CA");
	size_t at = base.len + prefix.len;
	uint8_t id[ORDER_ID_SIZE];
	if (base64url_decode_fixed(bytes_slice(url, at, at + ORDER_ID_LEN), id, sizeof id, NULL) != ERR_OK)
		FAIL(e, UNAUTHORIZED, "the request's url names no order");
	memcpy(ret_order, id, sizeof id);
	return ERR_OK;
}
