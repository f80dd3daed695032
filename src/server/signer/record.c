#include "server/signer/record.h"

#include "base/codec.h"

#include <string.h>

#define SEGMENT_MAGIC   "CHNCYLOG"
#define SEGMENT_VERSION 1
#define SEGMENT_LABEL   "chancery log segment"
#define LENGTH_SIZE     4
#define CHECKED_FROM    8 /* the checksum covers the length and everything from here on */
#define REASON_MAX      512
#define PROFILE_MAX     256

const char *log_type_name(unsigned type)
{
	switch (type) {
#define X(code, number, name) \
	case number:          \
		return name;
#include "server/signer/log_type.def"
#undef X
	}
	return NULL;
}

void segment_head_write(const struct segment_head *h, struct buf *out)
{
	size_t at = out->len;

	wire_put_fixed(out, BYTES_LIT(SEGMENT_MAGIC));
	wire_put_u32(out, SEGMENT_VERSION);
	wire_put_fixed(out, BYTES_ARRAY(h->instance));
	wire_put_u32(out, h->number);
	wire_put_u64(out, h->first_sequence);
	wire_put_u64(out, (uint64_t)h->created_ms);
	wire_put_fixed(out, BYTES_ARRAY(h->previous));
	wire_put_fixed(out, BYTES_ARRAY(h->salt));
	wire_put_u32(out, 0); /* reserved */
	if (buf_ok(out))
		wire_put_u32(out, crc32c(0, bytes_slice(buf_bytes(out), at, out->len)));
}

static void copy_fixed(struct wire *w, uint8_t *out, size_t n)
{
	struct bytes v = wire_fixed(w, n);

	if (v.len == n)
		memcpy(out, v.ptr, n);
}

enum err_code segment_head_read(struct bytes in, struct segment_head *ret, struct err *e)
{
	struct wire w = wire_of(in);
	struct segment_head h = { 0 };

	bool magic = bytes_eq_str(wire_fixed(&w, sizeof SEGMENT_MAGIC - 1), SEGMENT_MAGIC);
	uint32_t version = wire_u32(&w);
	copy_fixed(&w, h.instance, sizeof h.instance);
	h.number = wire_u32(&w);
	h.first_sequence = wire_u64(&w);
	h.created_ms = (int64_t)wire_u64(&w);
	copy_fixed(&w, h.previous, sizeof h.previous);
	copy_fixed(&w, h.salt, sizeof h.salt);
	uint32_t reserved = wire_u32(&w);
	uint32_t crc = wire_u32(&w);
	TRY(wire_end(&w, "a log segment's head", e));
	if (!magic || version != SEGMENT_VERSION || reserved != 0)
		FAIL(e, MALFORMED, "not a log segment of version %d", SEGMENT_VERSION);
	if (crc != crc32c(0, bytes_slice(in, 0, in.len - sizeof crc)))
		FAIL(e, MALFORMED, "the head of a log segment has a wrong checksum");
	*ret = h;
	return ERR_OK;
}

void chain_of_head(struct bytes head, uint8_t out[SHA256_SIZE])
{
	struct bytes parts[2] = { BYTES_LIT(SEGMENT_LABEL), head };

	sha256(parts, 2, out);
}

size_t record_begin(struct buf *b)
{
	size_t at = b->len;

	(void)buf_extend(b, RECORD_HEAD_SIZE);
	return at;
}

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t get_be(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* The head's places; the order of the fields is log.md's. */
enum { AT_LENGTH = 0, AT_CRC = 4, AT_SEQUENCE = 8, AT_TIME = 16, AT_TYPE = 24, AT_POSITION = 25, AT_CHAIN = 27 };

/* SHA-256 over the previous value, the head without checksum and chain, and the body. */
static void next_chain(const uint8_t previous[SHA256_SIZE], const uint8_t *head, struct bytes body, uint8_t out[SHA256_SIZE])
{
	struct bytes parts[4] = { { previous, SHA256_SIZE }, { head, LENGTH_SIZE }, { head + AT_SEQUENCE, AT_CHAIN - AT_SEQUENCE }, body };

	sha256(parts, 4, out);
}

static uint32_t record_crc(uint32_t salt_crc, const uint8_t *record, size_t size)
{
	uint32_t crc = crc32c(salt_crc, (struct bytes){ record, LENGTH_SIZE });

	return crc32c(crc, (struct bytes){ record + CHECKED_FROM, size - CHECKED_FROM });
}

void record_end(struct buf *b, size_t at, enum log_type type, uint16_t position, int64_t time_ms, uint32_t salt_crc, struct chain *c)
{
	if (!buf_ok(b))
		return;
	uint8_t *p = b->ptr + at;
	size_t size = b->len - at;
	struct bytes body = { p + RECORD_HEAD_SIZE, size - RECORD_HEAD_SIZE };

	put_be(p + AT_LENGTH, size - CHECKED_FROM, 4);
	put_be(p + AT_SEQUENCE, ++c->sequence, 8);
	put_be(p + AT_TIME, (uint64_t)time_ms, 8);
	p[AT_TYPE] = (uint8_t)type;
	put_be(p + AT_POSITION, position, 2);
	next_chain(c->value, p, body, c->value);
	memcpy(p + AT_CHAIN, c->value, SHA256_SIZE);
	put_be(p + AT_CRC, record_crc(salt_crc, p, size), 4);
	c->time_ms = time_ms;
}

size_t record_size(struct bytes head)
{
	if (head.len < RECORD_HEAD_SIZE)
		return 0;
	uint64_t size = get_be(head.ptr + AT_LENGTH, 4) + CHECKED_FROM;
	if (size < RECORD_HEAD_SIZE || size > RECORD_SIZE_MAX || !log_type_name(head.ptr[AT_TYPE]))
		return 0;
	return (size_t)size;
}

bool record_parse(struct bytes in, uint32_t salt_crc, struct record *ret)
{
	size_t size = record_size(in);

	if (size == 0 || in.len < size || get_be(in.ptr + AT_CRC, 4) != record_crc(salt_crc, in.ptr, size))
		return false;
	*ret = (struct record){
		.sequence = get_be(in.ptr + AT_SEQUENCE, 8),
		.time_ms = (int64_t)get_be(in.ptr + AT_TIME, 8),
		.type = in.ptr[AT_TYPE],
		.position = (uint16_t)get_be(in.ptr + AT_POSITION, 2),
		.body = bytes_slice(in, RECORD_HEAD_SIZE, size),
		.size = size,
	};
	memcpy(ret->chain, in.ptr + AT_CHAIN, SHA256_SIZE);
	return true;
}

enum err_code record_follow(const struct record *r, struct chain *c, struct err *e)
{
	uint8_t head[AT_CHAIN], value[SHA256_SIZE];

	put_be(head + AT_LENGTH, r->size - CHECKED_FROM, 4);
	put_be(head + AT_SEQUENCE, r->sequence, 8);
	put_be(head + AT_TIME, (uint64_t)r->time_ms, 8);
	head[AT_TYPE] = r->type;
	put_be(head + AT_POSITION, r->position, 2);
	next_chain(c->value, head, r->body, value);
	if (r->sequence != c->sequence + 1)
		FAIL(e, IO, "record %llu stands where %llu is due", (unsigned long long)r->sequence, (unsigned long long)c->sequence + 1);
	if (memcmp(value, r->chain, sizeof value) != 0)
		FAIL(e, IO, "record %llu does not continue the chain", (unsigned long long)r->sequence);
	if (r->time_ms < c->time_ms)
		FAIL(e, IO, "record %llu is older than the one before it", (unsigned long long)r->sequence);
	c->sequence = r->sequence;
	c->time_ms = r->time_ms;
	memcpy(c->value, value, sizeof value);
	return ERR_OK;
}

#define SERIAL_VERSION 2
#define SERIAL_SHARD   7 /* where it is */

void serial_make(int64_t now_ms, uint8_t shard, uint8_t out[SERIAL_SIZE])
{
	out[0] = SERIAL_VERSION;
	put_be(out + 1, (uint64_t)now_ms, 6);
	out[SERIAL_SHARD] = shard;
	random_bytes(out + SERIAL_SHARD + 1, SERIAL_SIZE - SERIAL_SHARD - 1);
}

uint8_t serial_shard(const uint8_t serial[SERIAL_SIZE])
{
	return serial[0] == SERIAL_VERSION ? serial[SERIAL_SHARD] : 0;
}

int64_t serial_time_ms(const uint8_t serial[SERIAL_SIZE])
{
	return (int64_t)get_be(serial + 1, 6);
}

void intent_write(const struct intent *i, struct buf *out)
{
	if (!i->tls)
		wire_put_fixed(out, BYTES_ARRAY(i->order));
	wire_put_fixed(out, BYTES_ARRAY(i->serial));
	wire_put_fixed(out, BYTES_ARRAY(i->csr_digest));
	if (!i->tls)
		wire_put_fixed(out, BYTES_ARRAY(i->thumbprint));
	wire_put_bytes(out, i->profile);
	wire_put_fixed(out, BYTES_ARRAY(i->tbs_digest));
	wire_put_bytes(out, i->evidence);
	wire_put_fixed(out, BYTES_ARRAY(i->issuer));
}

/* A field that older records end without. */
static void copy_if_there(struct wire *w, uint8_t *out, size_t n)
{
	if (w->rest.len > 0)
		copy_fixed(w, out, n);
}

enum err_code intent_read(const struct record *r, struct intent *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct intent i = { .tls = r->type != LOG_INTENT, .ocsp = r->type == LOG_OCSP_INTENT };

	if (!i.tls)
		copy_fixed(&w, i.order, sizeof i.order);
	copy_fixed(&w, i.serial, sizeof i.serial);
	copy_fixed(&w, i.csr_digest, sizeof i.csr_digest);
	if (!i.tls)
		copy_fixed(&w, i.thumbprint, sizeof i.thumbprint);
	i.profile = wire_bytes(&w, PROFILE_MAX);
	copy_fixed(&w, i.tbs_digest, sizeof i.tbs_digest);
	i.evidence = wire_bytes(&w, CHANNEL_BODY_MAX);
	copy_if_there(&w, i.issuer, sizeof i.issuer);
	TRY(wire_end(&w, "an intent", e));
	*ret = i;
	return ERR_OK;
}

void result_write(const struct result *r, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(r->serial));
	wire_put_bytes(out, r->certificate);
}

enum err_code result_read(const struct record *r, struct result *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct result v = { 0 };

	copy_fixed(&w, v.serial, sizeof v.serial);
	v.certificate = wire_bytes(&w, CERT_SIZE_MAX);
	TRY(wire_end(&w, "a result", e));
	*ret = v;
	return ERR_OK;
}

void void_write(const struct voided *v, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(v->serial));
	wire_put_fixed(out, BYTES_ARRAY(v->order));
	wire_put_bytes(out, v->reason);
	wire_put_fixed(out, BYTES_ARRAY(v->issuer));
}

enum err_code void_read(const struct record *r, struct voided *ret, struct err *e)
{
	struct wire w = wire_of(r->body);
	struct voided v = { 0 };

	copy_fixed(&w, v.serial, sizeof v.serial);
	copy_fixed(&w, v.order, sizeof v.order);
	v.reason = wire_bytes(&w, REASON_MAX);
	copy_if_there(&w, v.issuer, sizeof v.issuer);
	TRY(wire_end(&w, "a void", e));
	*ret = v;
	return ERR_OK;
}

void note_write(uint32_t segment, uint64_t at, uint64_t bytes, struct buf *out)
{
	wire_put_u32(out, segment);
	wire_put_u64(out, at);
	wire_put_u64(out, bytes);
}
