#include "server/validator/replay_testing.h"

#include "base/wire.h"
#include "dns/packet.h"
#include "dns/resolver_config.h"
#include "http/tls_probe.h"
#include "pki/der.h"
#include "server/validator/fetch.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>

#include <cmocka.h>

#define MESSAGE_MAX 65535
#define BODY_MAX    (FETCH_BODY_MAX + 1024)

struct replay_world *replay_world;

static struct script_player *script(void)
{
	return &replay_world->p;
}

/* --- words --- */

static struct bytes exchange_words(struct bytes text, bool telling)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(BODY_MAX);
	const size_t n = sizeof replay_world->words / sizeof *replay_world->words;

	while (text.len > 0) {
		size_t i = 0;
		while (i < n && !bytes_starts_with(text, telling ? replay_world->words[i].is : replay_world->words[i].means))
			i++;
		if (i < n) {
			const struct replay_words *w = &replay_world->words[i];
			buf_add(&out, telling ? w->means : w->is);
			text = bytes_slice(text, telling ? w->is.len : w->means.len, text.len);
		} else {
			buf_add_u8(&out, *text.ptr);
			text = bytes_slice(text, 1, text.len);
		}
	}
	assert_true(buf_ok(&out));
	return arena_copy(replay_world->a, buf_bytes(&out));
}

const char *replay_told(const char *text)
{
	return arena_str(replay_world->a, exchange_words(bytes_str(text), true));
}

struct bytes replay_meant(const char *text)
{
	return exchange_words(bytes_str(text), false);
}

/* Takes " after SECONDS" from the end of a line; in milliseconds. */
static int64_t take_after(char *text)
{
	char *at = strstr(text, "after ");
	int64_t ms = 0;

	if (at) {
		ms = script_ms(at + 6);
		assert_true(ms >= 0);
		while (at > text && at[-1] == ' ')
			at--;
		*at = 0;
	}
	return ms;
}

/* What is behind the keyword of the next line, which is passed; what may be written to. NULL: it is another line. */
static char *take_line(const char *keyword)
{
	const char *text = script_next(script(), keyword);

	if (!text || script()->fault[0])
		return NULL;
	script()->at++;
	return arena_str(replay_world->a, bytes_str(text));
}

/* --- the loop, in the place of libevent's --- */

struct event {
	event_callback_fn f;
	void *ctx;
	int64_t due_ms; /* INT64_MAX: not waited for */
	unsigned turn;  /* of those that are due at the same time the first comes first */
	struct event *next;
};
static struct event *events;
static unsigned turns, questions;

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what, event_callback_fn f, void *ctx)
{
	struct event *e = calloc(1, sizeof *e);

	(void)base;
	(void)fd;
	(void)what;
	assert_non_null(e);
	*e = (struct event){ .f = f, .ctx = ctx, .due_ms = INT64_MAX, .next = events };
	events = e;
	return e;
}

static void wait_ms(struct event *e, int64_t ms)
{
	e->due_ms = replay_world->now_ms + ms;
	e->turn = turns++;
}

int event_add(struct event *e, const struct timeval *tv)
{
	wait_ms(e, (int64_t)tv->tv_sec * 1000 + tv->tv_usec / 1000);
	return 0;
}

void event_active(struct event *e, int what, short n)
{
	(void)what;
	(void)n;
	wait_ms(e, 0);
}

void event_free(struct event *e)
{
	struct event **at = &events;

	while (*at && *at != e)
		at = &(*at)->next;
	assert_non_null(*at);
	*at = e->next;
	free(e);
}

static struct event *event_in(int64_t ms, event_callback_fn f, void *ctx)
{
	struct event *e = event_new(NULL, -1, 0, f, ctx);

	if (ms >= 0)
		wait_ms(e, ms);
	return e;
}

bool replay_step(void)
{
	struct event *first = NULL;

	for (struct event *e = events; e; e = e->next)
		if (e->due_ms != INT64_MAX &&
		    (!first || e->due_ms < first->due_ms || (e->due_ms == first->due_ms && e->turn < first->turn)))
			first = e;
	if (!first)
		return false;
	replay_world->now_ms = first->due_ms;
	first->due_ms = INT64_MAX;
	first->f(-1, EV_TIMEOUT, first->ctx);
	return true;
}

unsigned replay_left(void)
{
	unsigned n = questions;

	for (const struct event *e = events; e; e = e->next)
		n++;
	return n;
}

/* --- name servers, in the place of libunbound --- */

struct question {
	void *ctx;
	ub_event_callback_type done;
	int id, rcode, security;
	struct bytes packet; /* ptr NULL: no answer */
	char *why_bogus;
	struct event *at;
	struct question *next;
};
static struct question *asked;

static const struct {
	const char *name;
	int type;
} types[] = { { "A", DNS_TYPE_A }, { "AAAA", DNS_TYPE_AAAA }, { "CNAME", DNS_TYPE_CNAME }, { "TXT", DNS_TYPE_TXT },
	{ "CAA", DNS_TYPE_CAA } };
#define TYPES (sizeof types / sizeof *types)

static void put_name(struct buf *out, const char *name)
{
	for (size_t n; *name; name += n + (name[n] == '.')) {
		n = strcspn(name, ".");
		buf_add_u8(out, (uint8_t)n);
		buf_add(out, (struct bytes){ (const uint8_t *)name, n });
	}
	buf_add_u8(out, 0);
}

/* Strings of at most 255 bytes, one after the other (RFC 1035 section 3.3.14). */
static void put_txt(struct buf *out, struct bytes text)
{
	do {
		struct bytes part = bytes_slice(text, 0, text.len < 255 ? text.len : 255);
		buf_add_u8(out, (uint8_t)part.len);
		buf_add(out, part);
		text = bytes_slice(text, part.len, text.len);
	} while (text.len > 0);
}

/* "0 issue ca.example; x=y" */
static void put_caa(struct buf *out, const char *data)
{
	char tag[64];
	unsigned flags;
	int n = 0;

	assert_int_equal(sscanf(data, "%u %63s %n", &flags, tag, &n), 2);
	buf_add_u8(out, (uint8_t)flags);
	buf_add_u8(out, (uint8_t)strlen(tag));
	buf_add_str(out, tag);
	buf_add(out, replay_meant(data + n));
}

static void put_rdata(struct buf *out, int type, const char *data)
{
	uint8_t address[16];

	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		assert_int_equal(inet_pton(type == DNS_TYPE_A ? AF_INET : AF_INET6, data, address), 1);
		buf_add(out, (struct bytes){ address, type == DNS_TYPE_A ? 4 : 16 });
		return;
	case DNS_TYPE_CNAME:
		put_name(out, data);
		return;
	case DNS_TYPE_TXT:
		put_txt(out, replay_meant(data));
		return;
	default:
		put_caa(out, data);
	}
}

/* "OWNER [CLASS] TTL TYPE DATA" */
static void put_record(struct buf *out, const char *text)
{
	CLEANUP(buf_free_p) struct buf rdata = buf_new(MESSAGE_MAX);
	char owner[256], type[16], class[8] = "IN";
	unsigned ttl;
	int n = 0;
	size_t t = 0;

	if (sscanf(text, "%255s %u %15s %n", owner, &ttl, type, &n) != 3 &&
	    sscanf(text, "%255s %7s %u %15s %n", owner, class, &ttl, type, &n) != 4)
		fail_msg("\"%s\" is no record", text);
	while (t < TYPES && strcmp(types[t].name, type) != 0)
		t++;
	assert_in_range(t, 0, TYPES - 1);
	put_rdata(&rdata, types[t].type, text + n);
	put_name(out, owner);
	wire_put_u16(out, (uint16_t)types[t].type);
	wire_put_u16(out, strcmp(class, "IN") == 0 ? 1 : 3);
	wire_put_u32(out, ttl);
	wire_put_u16(out, (uint16_t)rdata.len);
	buf_add(out, buf_bytes(&rdata));
}

/* Lines "| RECORD" and "| COUNT times RECORD". */
static unsigned put_records(struct buf *out)
{
	unsigned n = 0, times;
	char *text;
	int at;

	while ((text = take_line("|")) != NULL) {
		at = 0;
		if (sscanf(text, "%u times %n", &times, &at) != 1 || at == 0)
			times = 1;
		for (unsigned i = 0; i < times; i++, n++)
			put_record(out, text + at);
	}
	return n;
}

static struct bytes read_message(const char *name, int type, unsigned flags)
{
	CLEANUP(buf_free_p) struct buf records = buf_new(MESSAGE_MAX), out = buf_new(MESSAGE_MAX);
	unsigned n = put_records(&records);

	wire_put_u16(&out, 7);
	wire_put_u16(&out, (uint16_t)(0x8180 | flags));
	wire_put_u16(&out, 1);
	wire_put_u16(&out, (uint16_t)n);
	wire_put_u32(&out, 0);
	put_name(&out, name);
	wire_put_u16(&out, (uint16_t)type);
	wire_put_u16(&out, 1);
	buf_add(&out, buf_bytes(&records));
	assert_true(buf_ok(&out));
	return arena_copy(replay_world->a, buf_bytes(&out));
}

static void on_answer(evutil_socket_t fd, short what, void *ctx)
{
	struct question *q = ctx;
	struct question **at = &asked;

	(void)fd;
	(void)what;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	event_free(q->at);
	questions--;
	q->done(q->ctx, q->rcode, (void *)(uintptr_t)q->packet.ptr, (int)q->packet.len, q->security, q->why_bogus, 0);
}

/* "= NOERROR [secure] [after S]", "= NXDOMAIN", "= TRUNCATED", "= SERVFAIL", "= BOGUS why", "= silence", then records. How long it takes; -1: for ever. */
static int64_t read_answer(struct question *q, const char *name, int type)
{
	char *text = take_line("="), *rest;

	if (!text) {
		script_differs(script(), "no answer follows");
		return -1;
	}
	int64_t after_ms = take_after(text);
	if (strcmp(text, "silence") == 0)
		return -1;
	rest = text + strcspn(text, " ");
	if (*rest)
		*rest++ = 0;
	q->security = strcmp(rest, "secure") == 0 ? 2 : 0;
	if (strcmp(text, "SERVFAIL") == 0 || strcmp(text, "REFUSED") == 0) {
		q->rcode = strcmp(text, "SERVFAIL") == 0 ? 2 : 5;
	} else if (strcmp(text, "BOGUS") == 0) {
		q->rcode = 2;
		q->security = 1;
		q->why_bogus = rest;
	} else {
		q->packet = read_message(name, type, strcmp(text, "NXDOMAIN") == 0 ? 3 : strcmp(text, "TRUNCATED") == 0 ? 0x200 : 0);
	}
	return after_ms;
}

int ub_resolve_event(struct ub_ctx *ctx, const char *name, int rrtype, int rrclass, void *mydata, ub_event_callback_type callback, int *id)
{
	static int ids;
	struct question *q = arena_new_obj(replay_world->a, struct question);
	size_t t = 0;

	(void)ctx;
	assert_int_equal(rrclass, 1);
	while (t < TYPES && types[t].type != rrtype)
		t++;
	script_expect(script(), "? %s %s", types[t].name, name);
	*q = (struct question){ .ctx = mydata, .done = callback, .id = ++ids, .packet = BYTES_NONE, .next = asked };
	q->at = event_in(read_answer(q, name, rrtype), on_answer, q);
	asked = q;
	questions++;
	*id = q->id;
	return 0;
}

int ub_cancel(struct ub_ctx *ctx, int id)
{
	(void)ctx;
	for (struct question **at = &asked; *at; at = &(*at)->next)
		if ((*at)->id == id) {
			event_free((*at)->at);
			*at = (*at)->next;
			questions--;
			return 0;
		}
	return UB_NOID;
}

struct ub_ctx *ub_ctx_create_event(struct event_base *base)
{
	(void)base;
	return calloc(1, 1);
}

void ub_ctx_delete(struct ub_ctx *ctx)
{
	free(ctx);
}

const char *ub_strerror(int err)
{
	(void)err;
	return "played";
}

enum err_code resolver_configure(struct ub_ctx *ctx, const struct resolver_config *c, bool fresh, bool *ret_validating, struct err *e)
{
	(void)ctx;
	(void)c;
	(void)fresh;
	(void)e;
	*ret_validating = replay_world->dnssec;
	return ERR_OK;
}

/* --- web servers, in the place of fetch.c --- */

struct fetch {
	fetch_done *done;
	void *ctx;
	struct fetch_answer answer;
	enum fetch_phase phase;
	struct event *at;
};

static void on_fetched(evutil_socket_t fd, short what, void *ctx)
{
	struct fetch *t = ctx;
	fetch_done *done = t->done;

	(void)fd;
	(void)what;
	event_free(t->at);
	done(t->ctx, &t->answer);
}

static struct bytes read_body(bool *ret_more)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2 * BODY_MAX);
	const char *text;

	while ((text = take_line("|")) != NULL) {
		const char *fill = script_after(text, "@bytes");
		for (unsigned long n = fill ? strtoul(fill, NULL, 10) : 0; n > 0; n--)
			buf_add_u8(&out, 'x');
		if (!fill) {
			buf_add(&out, replay_meant(text));
			buf_add_str(&out, "\r\n");
		}
	}
	assert_true(buf_ok(&out));
	*ret_more = out.len > FETCH_BODY_MAX;
	return arena_copy(replay_world->a, bytes_slice(buf_bytes(&out), 0, out.len < FETCH_BODY_MAX ? out.len : FETCH_BODY_MAX));
}

/* "404 Not Found", then "< location: URL" and the body. */
static void read_response(struct fetch_answer *a, const char *text)
{
	const char *v;
	char *end;

	a->status = (unsigned)strtoul(text, &end, 10);
	if (a->status < 100 || a->status > 999)
		script_differs(script(), "\"%s\" is no answer", text);
	a->reason = bytes_str(*end ? end + 1 : end);
	while ((v = take_line("< location:")) != NULL) {
		struct bytes location = replay_meant(v);
		a->locations_differ = a->location.ptr && !bytes_eq(a->location, location);
		a->location = location;
	}
	a->body = read_body(&a->more);
}

/* "silence connecting", "not-connected WHY", "tls WHY", "broken WHY", or a response; each with "after S" or without. -1: for ever. */
static int64_t read_fetched(struct fetch *t)
{
	static const char *const phases[] = { [FETCH_CONNECTING] = "silence connecting",
		[FETCH_IN_HANDSHAKE] = "silence handshake",
		[FETCH_WAITING] = "silence waiting",
		[FETCH_READING] = "silence reading" };
	static const struct {
		const char *keyword;
		enum fetch_end end;
	} failures[] = { { "not-connected", FETCH_NOT_CONNECTED }, { "tls", FETCH_TLS }, { "broken", FETCH_BROKEN } };
	char *text = take_line("<");

	if (!text) {
		script_differs(script(), "no answer follows");
		return -1;
	}
	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
		if (strcmp(phases[i], text) == 0) {
			t->phase = (enum fetch_phase)i;
			return -1;
		}
	int64_t after_ms = take_after(text);
	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
		if (script_after(text, failures[i].keyword)) {
			t->answer = (struct fetch_answer){ .end = failures[i].end, .why = script_after(text, failures[i].keyword) };
			return after_ms;
		}
	t->answer = (struct fetch_answer){ .end = FETCH_ANSWERED, .location = BYTES_NONE };
	read_response(&t->answer, text);
	return after_ms;
}

static const char *seconds(int64_t ms)
{
	const char *text = (const char *)arena_fmt(replay_world->a, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000)).ptr;
	char *short_one = arena_str(replay_world->a, bytes_str(text)), *end = short_one + strlen(short_one);

	while (end[-1] == '0')
		*--end = 0;
	if (end[-1] == '.')
		end[-1] = 0;
	return short_one;
}

enum err_code fetch_start(struct fetcher *f, const struct fetch_request *r, fetch_done *done, void *ctx, struct fetch **ret, struct err *e)
{
	struct fetch *t = arena_new_obj(replay_world->a, struct fetch);
	char address[IP_ADDRESS_TEXT_SIZE];

	(void)f;
	(void)e;
	script_expect(script(), "> GET %s at %s port %u within %s", replay_told(r->url), ip_address_text(&r->address, address), r->port,
	    seconds(r->connect_ms));
	*t = (struct fetch){ .done = done, .ctx = ctx };
	t->at = event_in(read_fetched(t), on_fetched, t);
	*ret = t;
	return ERR_OK;
}

void fetch_cancel(struct fetch *t)
{
	if (t)
		event_free(t->at);
}

enum fetch_phase fetch_phase(const struct fetch *t)
{
	return t->phase;
}

/* --- TLS servers, in the place of tls_probe.c --- */

struct tls_probe {
	tls_probe_done *done;
	void *ctx;
	struct tls_probe_answer answer;
	bool connected;
	struct event *at;
};

static void on_probed(evutil_socket_t fd, short what, void *ctx)
{
	struct tls_probe *t = ctx;
	tls_probe_done *done = t->done;

	(void)fd;
	(void)what;
	event_free(t->at);
	done(t->ctx, &t->answer);
}

static void put_extension(struct buf *out, const char *oid, bool critical, struct bytes value)
{
	struct der_mark m = der_open(out, DER_SEQUENCE);

	der_put_oid(out, oid);
	if (critical)
		der_put_bool(out, true);
	der_put(out, DER_OCTET_STRING, value);
	der_close(out, m);
}

/* What RFC 8737 section 3 wants of a certificate; what else is in one says nothing. */
static struct bytes make_certificate(const char *name, struct bytes digest)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(8192), names = buf_new(1024), id = buf_new(1024);
	struct der_mark n = der_open(&names, DER_SEQUENCE), m[4];

	der_put(&names, DER_CONTEXT(2), bytes_str(name));
	der_close(&names, n);
	der_put(&id, DER_OCTET_STRING, digest);
	m[0] = der_open(&out, DER_SEQUENCE);
	m[1] = der_open(&out, DER_SEQUENCE);
	der_put_hex(&out, "a003020102020101300a06082a8648ce3d0403023000300030003000");
	m[2] = der_open(&out, DER_CONTEXT_CONSTRUCTED(3));
	m[3] = der_open(&out, DER_SEQUENCE);
	put_extension(&out, "551d11", false, buf_bytes(&names));
	put_extension(&out, "2b0601050507011f", true, buf_bytes(&id));
	for (size_t i = 4; i-- > 1;)
		der_close(&out, m[i]);
	der_put_hex(&out, "300a06082a8648ce3d04030203020000");
	der_close(&out, m[0]);
	assert_true(buf_ok(&out));
	return arena_copy(replay_world->a, buf_bytes(&out));
}

/* "certificate NAME [wrong-digest] [issued]", "no-alpn", "no-certificate", "not-connected WHY", "failed WHY", "silence connecting", "silence handshake" */
static int64_t read_probed(struct tls_probe *t)
{
	static const uint8_t other[32] = { 1 };
	char *text = take_line("<"), name[256];

	if (!text || strncmp(text, "silence", 7) == 0) {
		if (!text)
			script_differs(script(), "no answer follows");
		t->connected = text && strcmp(text, "silence handshake") == 0;
		return -1;
	}
	int64_t after_ms = take_after(text);
	t->answer = (struct tls_probe_answer){ .end = TLS_PROBE_DONE, .protocol_taken = strcmp(text, "no-alpn") != 0 };
	if (script_after(text, "not-connected"))
		t->answer = (struct tls_probe_answer){ .end = TLS_PROBE_NOT_CONNECTED, .why = script_after(text, "not-connected") };
	else if (script_after(text, "failed"))
		t->answer = (struct tls_probe_answer){ .end = TLS_PROBE_FAILED, .why = script_after(text, "failed") };
	else if (sscanf(text, "certificate %255s", name) == 1) {
		t->answer.certificate = make_certificate(name, strstr(text, "wrong-digest") ? BYTES_ARRAY(other) : replay_world->digest);
		t->answer.self_signed = !strstr(text, "issued");
	}
	return after_ms;
}

enum err_code tls_probe_start(
    struct tls_prober *p, const struct tls_probe_request *r, tls_probe_done *done, void *ctx, struct tls_probe **ret, struct err *e)
{
	struct tls_probe *t = arena_new_obj(replay_world->a, struct tls_probe);
	char text[IP_ADDRESS_TEXT_SIZE];
	struct ip_address address;
	uint16_t port =
	    r->to.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&r->to)->sin6_port : ((const struct sockaddr_in *)&r->to)->sin_port;

	(void)p;
	(void)e;
	assert_true(ip_address_from_sockaddr((const struct sockaddr *)&r->to, &address));
	script_expect(script(), "> TLS %s with %s at %s port %u within %s", r->name, r->protocol, ip_address_text(&address, text),
	    ntohs(port), seconds(r->connect_ms));
	*t = (struct tls_probe){ .done = done, .ctx = ctx };
	t->at = event_in(read_probed(t), on_probed, t);
	*ret = t;
	return ERR_OK;
}

void tls_probe_cancel(struct tls_probe *t)
{
	if (t)
		event_free(t->at);
}

bool tls_probe_connected(const struct tls_probe *t)
{
	return t->connected;
}
