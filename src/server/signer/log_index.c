#include "server/signer/log_index.h"

#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INDEX_MAGIC      "CHNCYIDX"
#define INDEX_VERSION    1
#define INDEX_HEAD_SIZE  100 /* without its digest */
#define INDEX_ENTRY_SIZE (1 + ORDER_ID_SIZE + SERIAL_SIZE + SHA256_SIZE + 16)
#define ENTRIES_MAX      (1u << 22) /* of one segment */
#define KIND_ORDER       1
#define KIND_TLS         2

void log_index_init(struct log_index *x, uint32_t segment)
{
	x->segment = segment;
	x->entries = buf_new(ENTRIES_MAX * sizeof(struct log_entry));
	x->n_open = 0;
}

void log_index_free(struct log_index *x)
{
	buf_free(&x->entries);
}

size_t log_index_count(const struct log_index *x)
{
	return x->entries.len / sizeof(struct log_entry);
}

const struct log_entry *log_index_entry(const struct log_index *x, size_t i)
{
	return (const struct log_entry *)(const void *)(x->entries.ptr + i * sizeof(struct log_entry));
}

static enum err_code add_entry(struct log_index *x, const struct log_entry *n, struct err *e)
{
	buf_add(&x->entries, (struct bytes){ (const uint8_t *)n, sizeof *n });
	if (!buf_ok(&x->entries))
		FAIL(e, NOMEM, "no memory for the index of log segment %u", x->segment);
	return ERR_OK;
}

static enum err_code take_intent(struct log_index *x, const struct record *r, struct err *e)
{
	struct intent i;

	TRY(intent_read(r, &i, e));
	errno = 0;
	if (x->n_open == OPEN_INTENTS_MAX)
		FAIL(e, IO, "record %llu: more than %d intents without result", (unsigned long long)r->sequence, OPEN_INTENTS_MAX);
	struct open_intent *o = &x->open[x->n_open++];
	o->tls = i.tls;
	memcpy(o->order, i.order, sizeof o->order);
	memcpy(o->serial, i.serial, sizeof o->serial);
	memcpy(o->csr_digest, i.csr_digest, sizeof o->csr_digest);
	memcpy(o->tbs_digest, i.tbs_digest, sizeof o->tbs_digest);
	return ERR_OK;
}

/* Takes the open intent with this serial out of the list; order is kept, so that VOIDs come in the order of their intents. */
static enum err_code close_intent(
    struct log_index *x, const uint8_t serial[SERIAL_SIZE], uint64_t sequence, struct open_intent *ret, struct err *e)
{
	for (size_t i = 0; i < x->n_open; i++)
		if (memcmp(x->open[i].serial, serial, SERIAL_SIZE) == 0) {
			*ret = x->open[i];
			memmove(&x->open[i], &x->open[i + 1], (--x->n_open - i) * sizeof *x->open);
			return ERR_OK;
		}
	errno = 0;
	FAIL(e, IO, "record %llu: a result without its intent", (unsigned long long)sequence);
}

static enum err_code take_result(struct log_index *x, uint64_t at, const struct record *r, struct err *e)
{
	struct result v;
	struct open_intent o;

	TRY(result_read(r, &v, e));
	TRY(close_intent(x, v.serial, r->sequence, &o, e));
	struct log_entry n = { .tls = o.tls, .time_ms = r->time_ms, .segment = x->segment, .offset = at };
	memcpy(n.order, o.order, sizeof n.order);
	memcpy(n.serial, o.serial, sizeof n.serial);
	memcpy(n.csr_digest, o.csr_digest, sizeof n.csr_digest);
	return add_entry(x, &n, e);
}

enum err_code log_index_take(struct log_index *x, uint64_t at, const struct record *r, const struct log_entry **ret_entry, struct err *e)
{
	struct voided v;
	struct open_intent o;

	*ret_entry = NULL;
	switch ((enum log_type)r->type) {
	case LOG_INTENT:
	case LOG_TLS_INTENT:
		return take_intent(x, r, e);
	case LOG_RESULT:
		TRY(take_result(x, at, r, e));
		*ret_entry = log_index_entry(x, log_index_count(x) - 1);
		return ERR_OK;
	case LOG_VOID:
		TRY(void_read(r, &v, e));
		return close_intent(x, v.serial, r->sequence, &o, e);
	case LOG_GENESIS:
	case LOG_NOTE:
		return ERR_OK;
	}
	FAIL(e, IO, "record %llu: unknown type %u", (unsigned long long)r->sequence, r->type);
}

static int compare(const void *va, const void *vb)
{
	const struct log_entry *a = va, *b = vb;

	if (a->tls != b->tls)
		return a->tls ? 1 : -1;
	int c = memcmp(a->order, b->order, sizeof a->order);
	return c ? c : memcmp(a->serial, b->serial, sizeof a->serial);
}

static void put_head(const uint8_t *instance, size_t n, const struct log_snapshot *s, struct buf *out)
{
	wire_put_fixed(out, BYTES_LIT(INDEX_MAGIC));
	wire_put_u32(out, INDEX_VERSION);
	wire_put_fixed(out, (struct bytes){ instance, INSTANCE_SIZE });
	wire_put_u32(out, s->segment);
	wire_put_u64(out, s->end);
	wire_put_u64(out, s->last);
	wire_put_u64(out, s->chain.sequence);
	wire_put_u64(out, (uint64_t)s->chain.time_ms);
	wire_put_fixed(out, BYTES_ARRAY(s->chain.value));
	wire_put_u32(out, (uint32_t)n);
}

static void put_entry(const struct log_entry *n, struct buf *out)
{
	wire_put_u8(out, n->tls ? KIND_TLS : KIND_ORDER);
	wire_put_fixed(out, BYTES_ARRAY(n->order));
	wire_put_fixed(out, BYTES_ARRAY(n->serial));
	wire_put_fixed(out, BYTES_ARRAY(n->csr_digest));
	wire_put_u64(out, (uint64_t)n->time_ms);
	wire_put_u64(out, n->offset);
}

/* The digest of everything in `out` from `from` on. */
static void put_digest(struct buf *out, size_t from)
{
	uint8_t digest[SHA256_SIZE];

	if (!buf_ok(out))
		return;
	sha256_one(bytes_slice(buf_bytes(out), from, out->len), digest);
	wire_put_fixed(out, BYTES_ARRAY(digest));
}

enum err_code log_index_write(int dir, const uint8_t *instance, struct log_index *x, const struct log_snapshot *s, struct err *e)
{
	size_t n = log_index_count(x), size = INDEX_HEAD_SIZE + n * INDEX_ENTRY_SIZE + 2 * SHA256_SIZE;
	CLEANUP(buf_free_p) struct buf out = buf_new(size);
	char name[SEGMENT_NAME_SIZE];

	if (n > 0)
		qsort(x->entries.ptr, n, sizeof(struct log_entry), compare);
	put_head(instance, n, s, &out);
	put_digest(&out, 0);
	size_t from = out.len;
	for (size_t i = 0; i < n; i++)
		put_entry(log_index_entry(x, i), &out);
	put_digest(&out, from);
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for the index of log segment %u", s->segment);
	segment_name(s->segment, "idx", name);
	return file_write(dir, name, 0600, buf_bytes(&out), e);
}

static void get_fixed(struct wire *w, uint8_t *out, size_t n)
{
	struct bytes v = wire_fixed(w, n);

	if (v.len == n)
		memcpy(out, v.ptr, n);
}

/* Whether the bytes end with the digest of what is before it; then *body is that. */
static bool check_digest(struct bytes in, struct bytes *body)
{
	uint8_t digest[SHA256_SIZE];

	if (in.len < SHA256_SIZE)
		return false;
	*body = bytes_slice(in, 0, in.len - SHA256_SIZE);
	sha256_one(*body, digest);
	return memcmp(digest, in.ptr + body->len, sizeof digest) == 0;
}

static enum err_code get_head(
    struct bytes in, const uint8_t *instance, uint32_t segment, struct log_snapshot *ret, size_t *ret_n, struct err *e)
{
	struct bytes body;

	if (!check_digest(in, &body))
		FAIL(e, MALFORMED, "the index of log segment %u is damaged", segment);
	struct wire w = wire_of(body);
	struct log_snapshot s = { 0 };
	bool good = bytes_eq_str(wire_fixed(&w, sizeof INDEX_MAGIC - 1), INDEX_MAGIC);
	good = wire_u32(&w) == INDEX_VERSION && good;
	good = bytes_eq(wire_fixed(&w, INSTANCE_SIZE), (struct bytes){ instance, INSTANCE_SIZE }) && good;
	s.segment = wire_u32(&w);
	s.end = wire_u64(&w);
	s.last = wire_u64(&w);
	s.chain.sequence = wire_u64(&w);
	s.chain.time_ms = (int64_t)wire_u64(&w);
	get_fixed(&w, s.chain.value, sizeof s.chain.value);
	*ret_n = wire_u32(&w);
	TRY(wire_end(&w, "the index of a log segment", e));
	if (!good || s.segment != segment || *ret_n > ENTRIES_MAX)
		FAIL(e, MALFORMED, "the index of log segment %u is another's", segment);
	*ret = s;
	return ERR_OK;
}

static enum err_code get_entries(struct bytes in, size_t n, struct log_index *x, struct err *e)
{
	struct bytes body;

	if (!check_digest(in, &body) || body.len != n * INDEX_ENTRY_SIZE)
		FAIL(e, MALFORMED, "the index of log segment %u is damaged", x->segment);
	struct wire w = wire_of(body);
	for (size_t i = 0; i < n; i++) {
		struct log_entry v = { .segment = x->segment };
		v.tls = wire_u8(&w) == KIND_TLS;
		get_fixed(&w, v.order, sizeof v.order);
		get_fixed(&w, v.serial, sizeof v.serial);
		get_fixed(&w, v.csr_digest, sizeof v.csr_digest);
		v.time_ms = (int64_t)wire_u64(&w);
		v.offset = wire_u64(&w);
		TRY(add_entry(x, &v, e));
	}
	return wire_end(&w, "the index of a log segment", e);
}

/* The first bytes alone: a start looks at the snapshots of all closed segments, but only at the newest ones' entries. */
static enum err_code read_front(int dir, const char *name, uint8_t *out, size_t n, struct err *e)
{
	CLEANUP(close_p) int fd = seam->openat(dir, name, O_RDONLY | O_CLOEXEC, 0);
	size_t have = 0;

	if (fd < 0 && errno == ENOENT)
		FAIL(e, NOT_FOUND, "there is no %s", name);
	if (fd < 0)
		FAIL(e, IO, "cannot open %s", name);
	while (have < n) {
		ssize_t got = seam->pread(fd, out + have, n - have, (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			FAIL(e, IO, "cannot read %s", name);
		if (got == 0)
			FAIL(e, MALFORMED, "%s is too short", name);
		have += (size_t)got;
	}
	return ERR_OK;
}

enum err_code log_index_read(
    int dir, const uint8_t *instance, uint32_t segment, struct log_snapshot *ret, struct log_index *x, struct err *e)
{
	uint8_t head[INDEX_HEAD_SIZE + SHA256_SIZE];
	char name[SEGMENT_NAME_SIZE];
	struct log_snapshot s;
	size_t n = 0;

	segment_name(segment, "idx", name);
	TRY(read_front(dir, name, head, sizeof head, e));
	TRY(get_head(BYTES_ARRAY(head), instance, segment, &s, &n, e));
	if (x) {
		size_t size = sizeof head + n * INDEX_ENTRY_SIZE + SHA256_SIZE;
		CLEANUP(buf_free_p) struct buf whole = buf_new(size);
		TRY(file_read(dir, name, size, &whole, e));
		if (whole.len != size || memcmp(whole.ptr, head, sizeof head) != 0)
			FAIL(e, MALFORMED, "the index of log segment %u is damaged", segment);
		TRY(get_entries(bytes_slice(buf_bytes(&whole), sizeof head, size), n, x, e));
	}
	*ret = s;
	return ERR_OK;
}
