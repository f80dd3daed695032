#include "dns/packet.h"

#include "base/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LEN 12
#define FLAG_TC    0x0200
#define CLASS_IN   1
#define NAME_WIRE  255
#define NAME_TEXT  (NAME_WIRE * 4 + 1)
#define CNAMES_MAX 16

struct reader {
	struct bytes packet;
	size_t at;
	bool failed;
};

struct record {
	char owner[NAME_TEXT];
	unsigned type, class;
	uint32_t ttl_s;
	struct bytes rdata;
	size_t rdata_at;
};

static uint32_t take(struct reader *r, size_t n)
{
	struct wire w = wire_of(bytes_slice(r->packet, r->at, r->at + n));

	r->failed = r->failed || w.rest.len < n;
	r->at += n;
	return n == 2 ? wire_u16(&w) : wire_u32(&w);
}

static size_t put_label(struct bytes label, char *out, size_t n)
{
	static const char digits[] = "0123456789";

	if (n > 0)
		out[n++] = '.';
	for (size_t i = 0; i < label.len; i++) {
		uint8_t c = label.ptr[i];
		if (c >= 'A' && c <= 'Z') {
			out[n++] = (char)(c + 32);
		} else if (c > ' ' && c < 0x7f && c != '.' && c != '\\') {
			out[n++] = (char)c;
		} else { /* RFC 1035 §5.1 */
			out[n++] = '\\';
			out[n++] = digits[c / 100];
			out[n++] = digits[c / 10 % 10];
			out[n++] = digits[c % 10];
		}
	}
	return n;
}

/* A name in presentation form. A pointer leads only to before the piece that holds it (RFC 1035 §4.1.4: "a prior occurrence"),
 * so there is an end to them. */
static void read_name(struct reader *r, char out[NAME_TEXT])
{
	size_t at = r->at, piece = r->at, n = 0, wire = 0;
	bool jumped = false;

	for (;;) {
		if (at >= r->packet.len)
			break;
		uint8_t len = r->packet.ptr[at];
		if (len >= 0xc0) {
			if (at + 2 > r->packet.len)
				break;
			size_t to = (size_t)(len & 0x3f) << 8 | r->packet.ptr[at + 1];
			r->at = jumped ? r->at : at + 2;
			jumped = true;
			if (to >= piece)
				break;
			at = piece = to;
			continue;
		}
		wire += 1 + (size_t)len;
		if (len > 63 || wire > NAME_WIRE || at + 1 + len > r->packet.len)
			break;
		at += 1 + (size_t)len;
		if (len == 0) {
			r->at = jumped ? r->at : at;
			out[n] = 0;
			return;
		}
		n = put_label(bytes_slice(r->packet, at - len, at), out, n);
	}
	r->failed = true;
	out[0] = 0;
}

static void read_record(struct reader *r, struct record *out)
{
	read_name(r, out->owner);
	out->type = take(r, 2);
	out->class = take(r, 2);
	out->ttl_s = take(r, 4);
	size_t len = take(r, 2);
	out->rdata_at = r->at;
	out->rdata = bytes_slice(r->packet, r->at, r->at + len);
	r->failed = r->failed || out->rdata.len != len;
	r->at += len;
}

/* The answers to the end of one name: its records of the type, and where a CNAME leads. */
struct found {
	struct bytes *records;
	size_t n;
	uint32_t ttl_s;
	bool alias;
	char target[NAME_TEXT];
};

static enum err_code keep(struct arena *a, const struct record *record, struct found *f, struct err *e)
{
	if (f->n == PACKET_RECORDS_MAX)
		FAIL(e, MALFORMED, "more than %d records", PACKET_RECORDS_MAX);
	f->records[f->n] = arena_copy(a, record->rdata);
	if (!f->records[f->n++].ptr)
		FAIL(e, NOMEM, "no memory for a DNS answer");
	return ERR_OK;
}

static enum err_code scan(
    struct arena *a, struct reader answers, unsigned count, const char *name, unsigned type, struct found *f, struct err *e)
{
	struct record record;

	f->alias = false;
	for (unsigned i = 0; i < count && !answers.failed; i++) {
		read_record(&answers, &record);
		if (answers.failed || strcmp(record.owner, name) != 0 || record.class != CLASS_IN ||
		    (record.type != type && record.type != DNS_TYPE_CNAME))
			continue;
		f->ttl_s = f->ttl_s == 0 || record.ttl_s < f->ttl_s ? record.ttl_s : f->ttl_s;
		if (record.type == type) {
			TRY(keep(a, &record, f, e));
		} else {
			struct reader target = { .packet = answers.packet, .at = record.rdata_at };
			read_name(&target, f->target);
			answers.failed = target.failed;
			f->alias = true;
		}
	}
	if (answers.failed)
		FAIL(e, MALFORMED, "a DNS answer that is cut");
	return ERR_OK;
}

static enum err_code follow(
    struct arena *a, struct reader answers, unsigned count, const char *name, unsigned type, struct found *f, struct err *e)
{
	char current[NAME_TEXT];

	(void)snprintf(current, sizeof current, "%s", name);
	for (unsigned i = 0; i <= CNAMES_MAX; i++) {
		TRY(scan(a, answers, count, current, type, f, e));
		if (f->n > 0 || !f->alias)
			return ERR_OK;
		(void)snprintf(current, sizeof current, "%s", f->target);
	}
	FAIL(e, MALFORMED, "more than %d CNAMEs one after the other", CNAMES_MAX);
}

enum err_code packet_read(struct arena *a, struct bytes packet, struct bytes name, unsigned type, struct packet_answer *ret, struct err *e)
{
	struct reader r = { .packet = packet };
	struct found f = { .target = "" };
	char text[NAME_TEXT];

	errno = 0;
	if (packet.len < HEADER_LEN || name.len >= sizeof text)
		FAIL(e, MALFORMED, "a DNS message of %zu bytes", packet.len);
	memcpy(text, name.ptr, name.len);
	text[name.len] = 0;
	r.at = 2;
	unsigned flags = take(&r, 2), questions = take(&r, 2), count = take(&r, 2);
	if (flags & FLAG_TC)
		FAIL(e, MALFORMED, "a truncated DNS answer");
	r.at = HEADER_LEN;
	for (unsigned i = 0; i < questions && !r.failed; i++) {
		char ignored[NAME_TEXT];
		read_name(&r, ignored);
		(void)take(&r, 4);
	}
	f.records = arena_array(a, PACKET_RECORDS_MAX, sizeof *f.records);
	if (!f.records)
		FAIL(e, NOMEM, "no memory for a DNS answer");
	TRY(follow(a, r, count, text, type, &f, e));
	struct bytes canonical = arena_copy(a, bytes_str(f.target));
	if (!canonical.ptr)
		FAIL(e, NOMEM, "no memory for a DNS answer");
	*ret = (struct packet_answer){
		.rcode = flags & 0xf, .records = f.records, .n_records = f.n, .ttl_s = f.ttl_s, .canonical = canonical
	};
	return ERR_OK;
}
