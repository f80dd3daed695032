#include "server/signer/log_index.h"

#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define INDEX_MAGIC      "CHNCYIDX"
#define INDEX_VERSION    3
#define INDEX_HEAD_SIZE  104 /* without its digest */
#define INDEX_ENTRY_SIZE (1 + ORDER_ID_SIZE + SERIAL_SIZE + SHA256_SIZE + 24)
#define INDEX_EVENT_SIZE (1 + 16 + REVOCATION_SIZE)
#define ENTRIES_MAX      (1u << 22) /* of one segment; also of its events */
#define KIND_ORDER       1
#define KIND_TLS         2
#define KIND_OCSP        3

void log_index_init(struct log_index *x, uint32_t segment)
{
	x->segment = segment;
	x->entries = buf_new(ENTRIES_MAX * sizeof(struct log_entry));
	x->events = buf_new(ENTRIES_MAX * sizeof(struct log_event));
	x->n_open = 0;
}

void log_index_free(struct log_index *x)
{
	buf_free(&x->entries);
	buf_free(&x->events);
}

size_t log_index_count(const struct log_index *x)
{
	return x->entries.len / sizeof(struct log_entry);
}

const struct log_entry *log_index_entry(const struct log_index *x, size_t i)
{
	return (const struct log_entry *)(const void *)(x->entries.ptr + i * sizeof(struct log_entry));
}

size_t log_index_event_count(const struct log_index *x)
{
	return x->events.len / sizeof(struct log_event);
}

const struct log_event *log_index_event(const struct log_index *x, size_t i)
{
	return (const struct log_event *)(const void *)(x->events.ptr + i * sizeof(struct log_event));
}

const struct log_entry *log_index_find(const struct log_index *x, const uint8_t serial[SERIAL_SIZE])
{
	int64_t time_ms = serial_time_ms(serial);
	size_t from = 0, to = log_index_count(x);

	while (from < to) {
		size_t i = from + (to - from) / 2;
		if (log_index_entry(x, i)->time_ms < time_ms)
			from = i + 1;
		else
			to = i;
	}
	for (size_t i = from; i < log_index_count(x) && log_index_entry(x, i)->time_ms == time_ms; i++)
		if (memcmp(log_index_entry(x, i)->serial, serial, SERIAL_SIZE) == 0)
			return log_index_entry(x, i);
	return NULL;
}

static enum err_code add_entry(struct log_index *x, const struct log_entry *n, struct err *e)
{
	buf_add(&x->entries, (struct bytes){ (const uint8_t *)n, sizeof *n });
	if (!buf_ok(&x->entries))
		FAIL(e, NOMEM, "no memory for the index of log segment %u", x->segment);
	return ERR_OK;
}

static enum err_code add_event(struct log_index *x, const struct log_event *v, struct err *e)
{
	buf_add(&x->events, (struct bytes){ (const uint8_t *)v, sizeof *v });
	if (!buf_ok(&x->events))
		FAIL(e, NOMEM, "no memory for the events of log segment %u", x->segment);
	return ERR_OK;
}

/* A revocation without its evidence. */
static enum err_code shorten(const struct record *r, uint8_t out[REVOCATION_SIZE], struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(REVOCATION_SIZE);
	struct revocation v;

	TRY(revocation_read(r, &v, e));
	v.evidence = BYTES_LIT("");
	revocation_write(&v, &body);
	if (!buf_ok(&body) || body.len != REVOCATION_SIZE)
		FAIL(e, NOMEM, "no memory for a revocation");
	memcpy(out, body.ptr, REVOCATION_SIZE);
	return ERR_OK;
}

static enum err_code take_event(struct log_index *x, uint64_t at, const struct record *r, struct err *e)
{
	struct log_event v = { .type = r->type, .time_ms = r->time_ms, .offset = at };

	TRY(event_check(r, e));
	if (r->type == LOG_REVOKE)
		TRY(shorten(r, v.revocation, e));
	return add_event(x, &v, e);
}

static enum err_code take_intent(struct log_index *x, uint64_t at, const struct record *r, struct err *e)
{
	struct intent i;

	TRY(intent_read(r, &i, e));
	errno = 0;
	if (x->n_open == OPEN_INTENTS_MAX)
		FAIL(e, IO, "record %llu: more than %d intents without result", (unsigned long long)r->sequence, OPEN_INTENTS_MAX);
	struct open_intent *o = &x->open[x->n_open++];
	o->tls = i.tls;
	o->ocsp = i.ocsp;
	o->offset = at;
	memcpy(o->order, i.order, sizeof o->order);
	memcpy(o->serial, i.serial, sizeof o->serial);
	memcpy(o->csr_digest, i.csr_digest, sizeof o->csr_digest);
	memcpy(o->tbs_digest, i.tbs_digest, sizeof o->tbs_digest);
	memcpy(o->issuer, i.issuer, sizeof o->issuer);
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
	struct log_entry n = {
		.tls = o.tls, .ocsp = o.ocsp, .time_ms = r->time_ms, .segment = x->segment, .offset = at, .intent = o.offset
	};
	memcpy(n.order, o.order, sizeof n.order);
	memcpy(n.serial, o.serial, sizeof n.serial);
	memcpy(n.csr_digest, o.csr_digest, sizeof n.csr_digest);
	return add_entry(x, &n, e);
}

enum err_code log_index_take(struct log_index *x, uint64_t at, const struct record *r, const struct log_entry **ret_entry, struct err *e)
{
	struct audit audit;
	struct voided v;
	struct open_intent o;

	*ret_entry = NULL;
	switch ((enum log_type)r->type) {
	case LOG_INTENT:
	case LOG_TLS_INTENT:
	case LOG_OCSP_INTENT:
		return take_intent(x, at, r, e);
	case LOG_RESULT:
		TRY(take_result(x, at, r, e));
		*ret_entry = log_index_entry(x, log_index_count(x) - 1);
		return ERR_OK;
	case LOG_VOID:
		TRY(void_read(r, &v, e));
		TRY(close_intent(x, v.serial, r->sequence, &o, e));
		return take_event(x, at, r, e);
	case LOG_REVOKE:
	case LOG_ROLLOVER:
	case LOG_DEACTIVATE:
	case LOG_BIND:
	case LOG_CRL:
	case LOG_EAB:
	case LOG_ISSUER:
	case LOG_BLOCK:
		return take_event(x, at, r, e);
	case LOG_AUDIT:
		return audit_read(r, &audit, e);
	case LOG_GENESIS:
	case LOG_NOTE:
		return ERR_OK;
	}
	FAIL(e, IO, "record %llu: unknown type %u", (unsigned long long)r->sequence, r->type);
}

static void put_head(const uint8_t *instance, const struct log_index *x, const struct log_snapshot *s, struct buf *out)
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
	wire_put_u32(out, (uint32_t)log_index_event_count(x));
	wire_put_u32(out, (uint32_t)log_index_count(x));
}

static void put_event(const struct log_event *v, struct buf *out)
{
	wire_put_u8(out, v->type);
	wire_put_u64(out, (uint64_t)v->time_ms);
	wire_put_u64(out, v->offset);
	wire_put_fixed(out, BYTES_ARRAY(v->revocation));
}

static void put_entry(const struct log_entry *n, struct buf *out)
{
	wire_put_u8(out, n->ocsp ? KIND_OCSP : n->tls ? KIND_TLS : KIND_ORDER);
	wire_put_fixed(out, BYTES_ARRAY(n->order));
	wire_put_fixed(out, BYTES_ARRAY(n->serial));
	wire_put_fixed(out, BYTES_ARRAY(n->csr_digest));
	wire_put_u64(out, (uint64_t)n->time_ms);
	wire_put_u64(out, n->offset);
	wire_put_u64(out, n->intent);
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

/* Where the parts of the file begin: head, events, certificates, each with its digest. */
static uint64_t events_at(void)
{
	return INDEX_HEAD_SIZE + SHA256_SIZE;
}

static uint64_t entries_at(size_t n_events)
{
	return events_at() + n_events * INDEX_EVENT_SIZE + SHA256_SIZE;
}

static uint64_t index_size(size_t n_events, size_t n)
{
	return entries_at(n_events) + n * INDEX_ENTRY_SIZE + SHA256_SIZE;
}

enum err_code log_index_write(int dir, const uint8_t *instance, const struct log_index *x, const struct log_snapshot *s, struct err *e)
{
	size_t n = log_index_count(x), n_events = log_index_event_count(x);
	CLEANUP(buf_free_p) struct buf out = buf_new(index_size(n_events, n));
	char name[SEGMENT_NAME_SIZE];

	put_head(instance, x, s, &out);
	put_digest(&out, 0);
	for (size_t i = 0; i < n_events; i++)
		put_event(log_index_event(x, i), &out);
	put_digest(&out, events_at());
	for (size_t i = 0; i < n; i++)
		put_entry(log_index_entry(x, i), &out);
	put_digest(&out, entries_at(n_events));
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for the index of log segment %u", s->segment);
	segment_name(s->segment, "idx", name);
	return file_write(dir, name, 0600, buf_bytes(&out), e);
}

/* An index file that is being read: its head has been looked at. */
struct index_file {
	int fd;
	char name[SEGMENT_NAME_SIZE];
	struct log_snapshot snapshot;
	size_t n_events, n;
};

static void index_close_p(struct index_file *f)
{
	close_p(&f->fd);
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

static enum err_code get_head(struct bytes in, const uint8_t *instance, uint32_t segment, struct index_file *f, struct err *e)
{
	struct log_snapshot s = { 0 };
	struct bytes body;

	if (!check_digest(in, &body))
		FAIL(e, MALFORMED, "the index of log segment %u is damaged", segment);
	struct wire w = wire_of(body);
	bool good = bytes_eq_str(wire_fixed(&w, sizeof INDEX_MAGIC - 1), INDEX_MAGIC);
	good = wire_u32(&w) == INDEX_VERSION && good;
	good = bytes_eq(wire_fixed(&w, INSTANCE_SIZE), (struct bytes){ instance, INSTANCE_SIZE }) && good;
	s.segment = wire_u32(&w);
	s.end = wire_u64(&w);
	s.last = wire_u64(&w);
	s.chain.sequence = wire_u64(&w);
	s.chain.time_ms = (int64_t)wire_u64(&w);
	get_fixed(&w, s.chain.value, sizeof s.chain.value);
	f->n_events = wire_u32(&w);
	f->n = wire_u32(&w);
	TRY(wire_end(&w, "the index of a log segment", e));
	if (!good || s.segment != segment || f->n > ENTRIES_MAX || f->n_events > ENTRIES_MAX)
		FAIL(e, MALFORMED, "the index of log segment %u is another's", segment);
	f->snapshot = s;
	return ERR_OK;
}

static enum err_code read_at(const struct index_file *f, uint64_t at, uint8_t *out, size_t n, struct err *e)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = seam->pread(f->fd, out + have, n - have, (off_t)(at + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			FAIL(e, IO, "cannot read %s", f->name);
		if (got == 0)
			FAIL(e, MALFORMED, "%s is too short", f->name);
		have += (size_t)got;
	}
	return ERR_OK;
}

/* What an older build has written is MALFORMED, and made again. */
static enum err_code open_index(int dir, const uint8_t *instance, uint32_t segment, struct index_file *f, struct err *e)
{
	uint8_t head[INDEX_HEAD_SIZE + SHA256_SIZE];

	segment_name(segment, "idx", f->name);
	f->fd = seam->openat(dir, f->name, O_RDONLY | O_CLOEXEC, 0);
	if (f->fd < 0 && errno == ENOENT)
		FAIL(e, NOT_FOUND, "there is no %s", f->name);
	if (f->fd < 0)
		FAIL(e, IO, "cannot open %s", f->name);
	TRY(read_at(f, 0, head, sizeof head, e));
	return get_head(BYTES_ARRAY(head), instance, segment, f, e);
}

/* A part of the file with its digest, which is looked at. *ret is a view into the buffer. */
static enum err_code read_part(const struct index_file *f, uint64_t at, size_t n, struct buf *out, struct bytes *ret, struct err *e)
{
	uint8_t *p = buf_extend(out, n + SHA256_SIZE);

	if (!p)
		FAIL(e, NOMEM, "no memory for %s", f->name);
	TRY(read_at(f, at, p, n + SHA256_SIZE, e));
	if (!check_digest(buf_bytes(out), ret))
		FAIL(e, MALFORMED, "%s is damaged", f->name);
	return ERR_OK;
}

static enum err_code get_events(const struct index_file *f, struct log_index *x, struct err *e)
{
	CLEANUP(buf_free_p) struct buf part = buf_new(f->n_events * INDEX_EVENT_SIZE + SHA256_SIZE);
	struct bytes body;

	TRY(read_part(f, events_at(), f->n_events * INDEX_EVENT_SIZE, &part, &body, e));
	struct wire w = wire_of(body);
	for (size_t i = 0; i < f->n_events; i++) {
		struct log_event v = { .type = wire_u8(&w) };
		v.time_ms = (int64_t)wire_u64(&w);
		v.offset = wire_u64(&w);
		get_fixed(&w, v.revocation, sizeof v.revocation);
		TRY(add_event(x, &v, e));
	}
	return wire_end(&w, "the index of a log segment", e);
}

static struct log_entry get_entry(struct wire *w, uint32_t segment)
{
	uint8_t kind = wire_u8(w);
	struct log_entry v = { .segment = segment, .tls = kind != KIND_ORDER, .ocsp = kind == KIND_OCSP };

	get_fixed(w, v.order, sizeof v.order);
	get_fixed(w, v.serial, sizeof v.serial);
	get_fixed(w, v.csr_digest, sizeof v.csr_digest);
	v.time_ms = (int64_t)wire_u64(w);
	v.offset = wire_u64(w);
	v.intent = wire_u64(w);
	return v;
}

static enum err_code get_entries(const struct index_file *f, struct log_index *x, struct err *e)
{
	CLEANUP(buf_free_p) struct buf part = buf_new(f->n * INDEX_ENTRY_SIZE + SHA256_SIZE);
	struct bytes body;

	TRY(read_part(f, entries_at(f->n_events), f->n * INDEX_ENTRY_SIZE, &part, &body, e));
	struct wire w = wire_of(body);
	for (size_t i = 0; i < f->n; i++) {
		struct log_entry v = get_entry(&w, x->segment);
		TRY(add_entry(x, &v, e));
	}
	return wire_end(&w, "the index of a log segment", e);
}

enum err_code log_index_read(
    int dir, const uint8_t *instance, int64_t since_ms, struct log_snapshot *ret, struct log_index *x, struct err *e)
{
	CLEANUP(index_close_p) struct index_file f = { .fd = -1 };

	TRY(open_index(dir, instance, x->segment, &f, e));
	TRY(get_events(&f, x, e));
	if (f.snapshot.chain.time_ms >= since_ms)
		TRY(get_entries(&f, x, e));
	*ret = f.snapshot;
	return ERR_OK;
}

static enum err_code entry_at(const struct index_file *f, size_t i, struct log_entry *ret, struct err *e)
{
	uint8_t in[INDEX_ENTRY_SIZE];

	TRY(read_at(f, entries_at(f->n_events) + i * INDEX_ENTRY_SIZE, in, sizeof in, e));
	struct wire w = wire_of(BYTES_ARRAY(in));
	*ret = get_entry(&w, f->snapshot.segment);
	return ERR_OK;
}

/* The first certificate that is not older than time_ms; f->n: there is none. */
static enum err_code lower_bound(const struct index_file *f, int64_t time_ms, size_t *ret, struct err *e)
{
	size_t from = 0, to = f->n;
	struct log_entry v;

	while (from < to) {
		size_t i = from + (to - from) / 2;
		TRY(entry_at(f, i, &v, e));
		if (v.time_ms < time_ms)
			from = i + 1;
		else
			to = i;
	}
	*ret = from;
	return ERR_OK;
}

enum err_code log_index_look_up(
    int dir, const uint8_t *instance, uint32_t segment, const uint8_t serial[SERIAL_SIZE], struct log_entry *ret, struct err *e)
{
	CLEANUP(index_close_p) struct index_file f = { .fd = -1 };
	int64_t time_ms = serial_time_ms(serial);
	struct log_entry v = { .time_ms = time_ms };
	size_t i;

	TRY(open_index(dir, instance, segment, &f, e));
	TRY(lower_bound(&f, time_ms, &i, e));
	for (; i < f.n && v.time_ms == time_ms; i++) {
		TRY(entry_at(&f, i, &v, e));
		if (memcmp(v.serial, serial, SERIAL_SIZE) == 0) {
			*ret = v;
			return ERR_OK;
		}
	}
	FAIL(e, NOT_FOUND, "log segment %u has no certificate of this serial number", segment);
}
