/* The validator as a front meets it: by its channel, with CAA, deadlines, many at a time, and a front that is not to be believed. */
#include "server/validator/validator.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/seam.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "server/messages.h"
#include "server/validator/rrset.h"
#include "server/validator/stub_http.h"
#include "server/validator/world.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ACCOUNT "https://ca.test/acme/acct/1"
#define WAIT_MS 20000
#define MANY    300

static const uint8_t thumbprint[32] = { 7 };

struct fixture {
	struct world w; /* its loop and its DNS */
	struct identity identity;
	struct validator *validator;
	struct channel *front;
	struct stub_http *http;
	bool hang;
	uint16_t tls_port;
};

/* Answers each token with its key authorization. */
static void serve(struct stub_http *s, const char *request, void *ctx)
{
	struct fixture *f = ctx;
	CLEANUP(buf_free_p) struct buf body = buf_new(256);
	const char *token = strstr(request, "acme-challenge/");

	if (f->hang || !token) {
		stub_http_hang(s);
		return;
	}
	token += strlen("acme-challenge/");
	key_authorization((struct bytes){ (const uint8_t *)token, strcspn(token, " ") }, thumbprint, &body);
	buf_add_u8(&body, 0);
	stub_http_answer(s, "200 OK", "", (const char *)body.ptr);
}

static enum err_code take_settings(struct fixture *f, unsigned deadline_s, uint16_t http_port, bool first)
{
	char at[32];
	(void)snprintf(at, sizeof at, "127.0.0.1:%u", stub_dns_port(f->w.dns));
	struct bytes resolver = bytes_str(at), anchors = BYTES_LIT("none"), allowed = BYTES_LIT("127.0.0.0/8"), port = BYTES_LIT("443");
	struct bytes private = BYTES_LIT("test"), denied = BYTES_LIT("*.secret.test");
	struct settings s = { .caa_identity = BYTES_LIT("ca.example"),
		.policy_private_suffixes = { &private, 1 },
		.policy_deny_names = { &denied, 1 },
		.http_port = http_port,
		.tls_port = f->tls_port ? f->tls_port : 443,
		.redirect_ports = { &port, 1 },
		.allow_addresses = { &allowed, 1 },
		.resolver = { &resolver, 1 },
		.trust_anchors = { &anchors, 1 },
		.validation_deadline = deadline_s };

	return first ? validator_new(f->w.base, &f->identity, &s, &f->validator, NULL) : validator_settings(f->validator, &s, NULL);
}

static void connect_front(struct fixture *f)
{
	int fds[2];

	if (f->front)
		channel_free(f->front);
	assert_int_equal(channel_pair(fds, NULL), ERR_OK);
	assert_int_equal(server_channel_new(fds[0], PROCESS_FRONT, PROCESS_VALIDATOR, &f->front, NULL), ERR_OK);
	validator_connect(f->validator, fds[1]);
	assert_int_equal(validator_failure(f->validator, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	world_start(&f->w, 80, 20);
	f->http = stub_http_start("127.0.0.1", 0, serve, f);
	identity_make(&f->identity);
	assert_int_equal(take_settings(f, 20, stub_http_port(f->http), true), ERR_OK);
	connect_front(f);
	stub_dns_address(f->w.dns, "host.test", "127.0.0.1");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	channel_free(f->front);
	validator_free(f->validator);
	stub_http_stop(f->http);
	world_stop(&f->w);
	free(f);
	return 0;
}

static struct message receive(struct fixture *f)
{
	int64_t until = clock_monotonic_ms() + WAIT_MS;
	struct message m;

	for (;;) {
		enum err_code rc = channel_receive(f->front, &m, NULL);
		if (rc == ERR_OK)
			return m;
		if (rc != ERR_AGAIN || clock_monotonic_ms() > until)
			fail_msg("no answer");
		struct timeval tick = { .tv_usec = 10000 };
		event_base_loopexit(f->w.base, &tick);
		event_base_loop(f->w.base, EVLOOP_ONCE);
	}
}

struct asked {
	const char *name, *token, *account;
	bool wildcard, recheck;
	enum identifier_type type;
	enum challenge_type method;
};

static void ask(struct fixture *f, uint32_t id, struct asked a)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2048);
	char token[TOKEN_LEN + 1];
	struct validate v = { .method = a.method,
		.identifier = { a.type, bytes_str(a.name), a.wildcard },
		.account_url = bytes_str(a.account ? a.account : ACCOUNT) };

	token_mint(BYTES_ARRAY(f->identity.receipt_key), clock_wall_ms(), token);
	v.token = bytes_str(a.token ? a.token : token);
	memcpy(v.thumbprint, thumbprint, sizeof thumbprint);
	validate_write(&v, &out);
	assert_int_equal(channel_send(f->front, a.recheck ? MESSAGE_RECHECK : MESSAGE_VALIDATE, id, buf_bytes(&out), NULL), ERR_OK);
}

struct told {
	enum err_code code;
	char detail[400];
	bool has_control, has_caa;
	struct receipt control, caa; /* their spans lie in the channel's buffer, until the next message */
};

static void read_receipt(struct fixture *f, struct bytes in, bool *ret_there, struct receipt *ret)
{
	*ret_there = in.len > 0;
	if (*ret_there)
		assert_int_equal(receipt_read(in, BYTES_ARRAY(f->identity.receipt_key), ret, NULL), ERR_OK);
}

static struct told hear_type(struct fixture *f, unsigned type)
{
	struct message m = receive(f);
	struct validated v;
	struct told t = { .code = ERR_OK };

	assert_int_equal(m.type, type);
	assert_int_equal(validated_read(m.body, &v, NULL), ERR_OK);
	t.code = v.code;
	(void)snprintf(t.detail, sizeof t.detail, "%.*s", BYTES_FMT(v.detail));
	read_receipt(f, v.control, &t.has_control, &t.control);
	read_receipt(f, v.caa, &t.has_caa, &t.caa);
	return t;
}

static struct told hear(struct fixture *f)
{
	return hear_type(f, MESSAGE_VALIDATED);
}

static struct told validate(struct fixture *f, struct asked a)
{
	ask(f, 1, a);
	return hear_type(f, a.recheck ? MESSAGE_RECHECKED : MESSAGE_VALIDATED);
}

static void is(struct told t, enum err_code want, const char *text)
{
	if (t.code != want || !strstr(t.detail, text))
		fail_msg("%s: %s", err_name(t.code), t.detail);
}

static void both_receipts_say_what_was_seen(void **state)
{
	struct fixture *f = *state;
	int64_t before_ms = clock_wall_ms();
	struct told t = validate(f, (struct asked){ .name = "host.test" });

	is(t, ERR_OK, "");
	assert_true(t.has_control && t.has_caa);
	assert_int_equal(t.control.kind, RECEIPT_CONTROL);
	assert_int_equal(t.caa.kind, RECEIPT_CAA);
	assert_memory_not_equal(t.control.id, t.caa.id, RECEIPT_ID_SIZE);
	for (int i = 0; i < 2; i++) {
		const struct receipt *r = i ? &t.caa : &t.control;
		assert_true(bytes_eq_str(r->identifier.value, "host.test"));
		assert_true(bytes_eq_str(r->perspective, "local"));
		assert_true(bytes_eq_str(r->account_url, ACCOUNT));
		assert_memory_equal(r->thumbprint, thumbprint, 32);
		assert_memory_equal(r->instance, f->identity.instance, INSTANCE_SIZE);
		assert_int_equal(r->key_id, f->identity.key_id);
		assert_int_equal(r->scope, SCOPE_EXACT);
		assert_int_equal(r->method, CHALLENGE_TYPE_HTTP_01);
		assert_int_equal(r->dnssec, DNSSEC_OFF);
		assert_true(r->time_ms >= before_ms && r->time_ms <= clock_wall_ms());
	}
	assert_true(bytes_eq_str(t.control.domain, "host.test"));
	assert_true(t.control.relaxed_address);
	assert_true(bytes_eq_str(t.caa.issuer_domain, "ca.example"));
	assert_int_equal(t.caa.outcome, CAA_NO_RECORDS);
	assert_int_equal(t.caa.node.len, 0);
}

static void caa_is_found_up_the_tree(void **state)
{
	static const char rdata[] = "\0\5issueca.example", other[] = "\0\5issueother.example";
	struct fixture *f = *state;
	struct bytes records[] = { BYTES_LIT("\0\5issueother.example"), BYTES_LIT("\0\5issueca.example") };
	uint8_t digest[32];

	stub_dns_address(f->w.dns, "a.b.site.test", "127.0.0.1");
	stub_dns_add(f->w.dns, "site.test", 257, (struct bytes){ (const uint8_t *)other, sizeof other - 1 });
	stub_dns_add(f->w.dns, "site.test", 257, (struct bytes){ (const uint8_t *)rdata, sizeof rdata - 1 });
	stub_dns_caa(f->w.dns, "test", 0, "issue", ";"); /* further up: not asked any more */
	struct told t = validate(f, (struct asked){ .name = "a.b.site.test" });
	is(t, ERR_OK, "");
	assert_int_equal(t.caa.outcome, CAA_PERMITTED);
	assert_true(bytes_eq_str(t.caa.node, "site.test"));
	assert_in_range(t.caa.ttl_s, 1, 300);
	rrset_digest(records, 2, digest);
	assert_memory_equal(t.caa.rrset, digest, 32);
	assert_int_equal(stub_dns_asked(f->w.dns, "test", 257), 0);
}

static void caa_is_asked_at_the_top_and_not_at_the_root(void **state)
{
	struct fixture *f = *state;

	stub_dns_caa(f->w.dns, "test", 0, "issue", ";");
	is(validate(f, (struct asked){ .name = "host.test" }), ERR_CAA, "issue \";\" at test does not name this CA");
	assert_int_equal(stub_dns_asked(f->w.dns, "", 257), 0);
}

static void caa_behind_a_cname_counts(void **state)
{
	struct fixture *f = *state;

	stub_dns_cname(f->w.dns, "alias.test", "real.example.test");
	stub_dns_address(f->w.dns, "real.example.test", "127.0.0.1");
	stub_dns_caa(f->w.dns, "example.test", 0, "issue", ";"); /* above the alias's end, which is not climbed from (RFC 8659 §3) */
	is(validate(f, (struct asked){ .name = "alias.test" }), ERR_OK, "");
	stub_dns_cname(f->w.dns, "other.test", "end.example.test");
	stub_dns_address(f->w.dns, "end.example.test", "127.0.0.1");
	stub_dns_caa(f->w.dns, "end.example.test", 0, "issue", "other.example");
	is(validate(f, (struct asked){ .name = "other.test" }), ERR_CAA, "issue \"other.example\" at other.test");
}

static void caa_that_cannot_be_had_is_no_permission(void **state)
{
	struct fixture *f = *state;

	stub_dns_address(f->w.dns, "x.fail.test", "127.0.0.1");
	stub_dns_behave(f->w.dns, "fail.test", 257, STUB_SERVFAIL);
	is(validate(f, (struct asked){ .name = "x.fail.test" }), ERR_DNS, "CAA: SERVFAIL for CAA of fail.test");
}

static void caa_knows_account_and_method(void **state)
{
	struct fixture *f = *state;

	stub_dns_caa(f->w.dns, "host.test", 0, "issue", "ca.example; accounturi=" ACCOUNT "; validationmethods=http-01");
	is(validate(f, (struct asked){ .name = "host.test" }), ERR_OK, "");
	is(validate(f, (struct asked){ .name = "host.test", .account = ACCOUNT "2" }), ERR_CAA, "for another account than " ACCOUNT "2");
}

static void give_txt(struct fixture *f, const char *token)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(256);
	char rdata[64] = { BASE64URL_LEN(SHA256_SIZE) };
	uint8_t digest[SHA256_SIZE];

	key_authorization(bytes_str(token), thumbprint, &text);
	sha256_one(buf_bytes(&text), digest);
	base64url_encode(BYTES_ARRAY(digest), rdata + 1);
	stub_dns_add(f->w.dns, "_acme-challenge.wild.test", 16, bytes_str(rdata));
}

static void a_wildcard_takes_dns_01_and_issuewild(void **state)
{
	struct fixture *f = *state;
	char token[TOKEN_LEN + 1];
	struct asked wild = { .name = "wild.test", .token = token, .wildcard = true, .method = CHALLENGE_TYPE_DNS_01 };

	token_mint(BYTES_ARRAY(f->identity.receipt_key), clock_wall_ms(), token);
	give_txt(f, token);
	struct told t = validate(f, wild);
	is(t, ERR_OK, "");
	assert_true(t.has_control && t.has_caa);
	assert_int_equal(t.control.scope, SCOPE_WILDCARD);
	assert_int_equal(t.caa.scope, SCOPE_WILDCARD);
	assert_int_equal(t.control.method, CHALLENGE_TYPE_DNS_01);
	assert_true(bytes_eq_str(t.control.domain, "wild.test"));
	assert_false(t.control.relaxed_address);
	wild.wildcard = false;
	t = validate(f, wild);
	is(t, ERR_OK, "");
	assert_int_equal(t.control.scope, SCOPE_EXACT);
	stub_dns_caa(f->w.dns, "test", 0, "issuewild", ";");
	take_settings(f, 20, stub_http_port(f->http), false); /* with a new cache */
	is(validate(f, wild), ERR_OK, "");
	wild.wildcard = true;
	is(validate(f, wild), ERR_CAA, "issuewild \";\" at test");
}

static void an_address_has_no_caa(void **state)
{
	struct fixture *f = *state;
	struct told t = validate(f, (struct asked){ .name = "127.0.0.1", .type = IDENTIFIER_IP });

	is(t, ERR_OK, "");
	assert_true(t.has_control);
	assert_false(t.has_caa);
	assert_int_equal(t.control.identifier.type, IDENTIFIER_IP);
	assert_true(bytes_eq_str(t.control.identifier.value, "127.0.0.1"));
	assert_true(t.control.relaxed_address);
	assert_int_equal(t.control.dnssec, DNSSEC_OFF);
	is(validate(f, (struct asked){ .name = "127.0.0.1", .type = IDENTIFIER_IP, .method = CHALLENGE_TYPE_DNS_01 }), ERR_MALFORMED,
	    "dns-01 cannot show control of an identifier of this type");
	is(validate(f, (struct asked){ .name = "10.0.0.1", .type = IDENTIFIER_IP }), ERR_REJECTED_IDENTIFIER, "10.0.0.0/8");
	is(validate(f, (struct asked){ .name = "::ffff:127.0.0.1", .type = IDENTIFIER_IP }), ERR_MALFORMED, "127.0.0.1");
	is(validate(f, (struct asked){ .name = "127.0.0.1/x", .type = IDENTIFIER_IP }), ERR_MALFORMED, "no IP address");
	is(validate(f, (struct asked){ .name = "127.0.0.1", .type = IDENTIFIER_IP, .recheck = true }), ERR_MALFORMED, "no CAA");
	assert_int_equal(stub_http_connections(f->http), 1);
}

static void caa_alone_is_looked_at_again(void **state)
{
	struct fixture *f = *state;
	struct asked again = { .name = "host.test", .token = "", .recheck = true, .method = CHALLENGE_TYPE_DNS_01 };
	struct told t = validate(f, again);

	is(t, ERR_OK, "");
	assert_false(t.has_control);
	assert_true(t.has_caa);
	assert_int_equal(t.caa.method, CHALLENGE_TYPE_DNS_01);
	assert_int_equal(t.caa.scope, SCOPE_EXACT);
	stub_dns_caa(f->w.dns, "www.host.test", 0, "issue", "ca.example; validationmethods=http-01");
	stub_dns_caa(f->w.dns, "www.host.test", 0, "issuewild", "ca.example; validationmethods=dns-01");
	again.name = "www.host.test";
	is(validate(f, again), ERR_CAA, "does not allow the method dns-01");
	again.wildcard = true;
	t = validate(f, again);
	is(t, ERR_OK, "");
	assert_int_equal(t.caa.scope, SCOPE_WILDCARD);
	assert_true(bytes_eq_str(t.caa.node, "www.host.test"));
	again.method = CHALLENGE_TYPE_HTTP_01;
	is(validate(f, again), ERR_MALFORMED, "http-01 cannot show control of a wildcard name");
	again = (struct asked){ .name = "a.secret.test", .token = "", .recheck = true };
	is(validate(f, again), ERR_REJECTED_IDENTIFIER, "deny-names");
	assert_int_equal(channel_send(f->front, MESSAGE_RECHECK, 3, BYTES_LIT("nonsense"), NULL), ERR_OK);
	assert_int_equal(hear_type(f, MESSAGE_RECHECKED).code, ERR_MALFORMED);
	assert_int_equal(stub_http_connections(f->http), 0);
	assert_int_equal(stub_dns_asked(f->w.dns, "host.test", 1), 0);
}

static void a_front_is_not_believed(void **state)
{
	static const char *const names[] = { "host.test/x", "host.test:81", "u@host.test", "HOST.test", "*.host.test", "host.test.", "",
		"127.0.0.1", "ho st.test" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(validate(f, (struct asked){ .name = names[i] }).code, ERR_MALFORMED);
	is(validate(f, (struct asked){ .name = "host.test", .wildcard = true }), ERR_MALFORMED, "wildcard");
	is(validate(f, (struct asked){ .name = "host.test", .token = "x" }), ERR_UNAUTHORIZED, "token");
	is(validate(f, (struct asked){ .name = "host.test", .token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }), ERR_UNAUTHORIZED,
	    "token");
	is(validate(f, (struct asked){ .name = "host.lan" }), ERR_REJECTED_IDENTIFIER, "top level \"lan\"");
	is(validate(f, (struct asked){ .name = "co.uk" }), ERR_REJECTED_IDENTIFIER, "public suffix");
	is(validate(f, (struct asked){ .name = "xn--ls8h.test" }), ERR_REJECTED_IDENTIFIER, "IDNA2008");
	is(validate(f, (struct asked){ .name = "a.secret.test" }), ERR_REJECTED_IDENTIFIER, "\"*.secret.test\" of deny-names");
	assert_int_equal(channel_send(f->front, MESSAGE_VALIDATE, 3, BYTES_LIT("nonsense"), NULL), ERR_OK);
	assert_int_equal(hear(f).code, ERR_MALFORMED);
	assert_int_equal(stub_http_connections(f->http), 0);
}

static int64_t shift_ms;

static int64_t shifted_wall_ms(void)
{
	return seam_libc.wall_ms() + shift_ms;
}

static void tokens_end_after_seven_days(void **state)
{
	struct fixture *f = *state;
	struct seam later = seam_libc;
	char token[TOKEN_LEN + 1];

	later.wall_ms = shifted_wall_ms;
	token_mint(BYTES_ARRAY(f->identity.receipt_key), clock_wall_ms(), token);
	seam = &later;
	shift_ms = TOKEN_AGE_MAX_MS - 60000;
	is(validate(f, (struct asked){ .name = "host.test", .token = token }), ERR_OK, "");
	shift_ms = TOKEN_AGE_MAX_MS + 1000;
	is(validate(f, (struct asked){ .name = "host.test", .token = token }), ERR_UNAUTHORIZED, "seven days");
	/* a clock that is wrong by a year, either way */
	shift_ms = INT64_C(365) * 86400 * 1000;
	is(validate(f, (struct asked){ .name = "host.test", .token = token }), ERR_UNAUTHORIZED, "seven days");
	shift_ms = -shift_ms;
	is(validate(f, (struct asked){ .name = "host.test", .token = token }), ERR_UNAUTHORIZED, "");
	assert_int_equal(stub_http_connections(f->http), 1); /* of the first alone */
	seam = &seam_libc;
}

static void tokens_are_minted_in_batches(void **state)
{
	static const struct {
		uint32_t ask, get;
	} cases[] = { { 1, 1 }, { TOKENS_MAX, TOKENS_MAX }, { 0, 0 }, { TOKENS_MAX + 1, 0 }, { UINT32_MAX, 0 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CLEANUP(buf_free_p) struct buf b = buf_new(4);
		wire_put_u32(&b, cases[i].ask);
		assert_int_equal(channel_send(f->front, MESSAGE_TOKENS_ASK, 5, buf_bytes(&b), NULL), ERR_OK);
		struct message m = receive(f);
		assert_int_equal(m.type, MESSAGE_TOKENS);
		assert_int_equal(m.body.len, cases[i].get * TOKEN_LEN);
		for (size_t at = 0; at < m.body.len; at += TOKEN_LEN)
			assert_int_equal(token_check(BYTES_ARRAY(f->identity.receipt_key), clock_wall_ms(),
					     bytes_slice(m.body, at, at + TOKEN_LEN), NULL),
			    ERR_OK);
		assert_true(m.body.len < 2 * TOKEN_LEN || memcmp(m.body.ptr, m.body.ptr + TOKEN_LEN, TOKEN_LEN) != 0);
	}
}

static void the_deadline_ends_what_hangs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take_settings(f, 1, stub_http_port(f->http), false), ERR_OK);
	f->hang = true;
	int64_t begin_ms = clock_monotonic_ms();
	is(validate(f, (struct asked){ .name = "host.test" }), ERR_CONNECTION, "takes too long");
	assert_in_range(clock_monotonic_ms() - begin_ms, 900, 3000);
	f->hang = false;
	stub_dns_address(f->w.dns, "mute.test", "127.0.0.1");
	stub_dns_behave(f->w.dns, "mute.test", 257, STUB_SILENT);
	is(validate(f, (struct asked){ .name = "mute.test" }), ERR_DNS, "CAA: the DNS question for CAA of mute.test takes too long");
}

static void many_go_side_by_side(void **state)
{
	struct fixture *f = *state;
	bool heard[MANY] = { false };

	for (uint32_t i = 0; i < MANY; i++)
		ask(f, i, (struct asked){ .name = "host.test" });
	for (uint32_t i = 0; i < MANY; i++) {
		struct message m = receive(f);
		struct validated v;
		assert_int_equal(validated_read(m.body, &v, NULL), ERR_OK);
		if (v.code != ERR_OK)
			fail_msg("%.*s", BYTES_FMT(v.detail));
		assert_true(m.id < MANY && !heard[m.id]);
		heard[m.id] = true;
	}
}

static uint64_t status_value(struct fixture *f, const char *key)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);
	char pattern[64];

	validator_status(f->validator, &out);
	assert_int_equal(json_check(buf_bytes(&out), NULL), ERR_OK);
	buf_add_u8(&out, 0);
	(void)snprintf(pattern, sizeof pattern, "\"%s\":", key);
	const char *at = strstr((const char *)out.ptr, pattern);
	assert_non_null(at);
	return strtoull(at + strlen(pattern), NULL, 10);
}

static void turn(struct fixture *f, int ms)
{
	bool never = false;

	world_run(&f->w, &never, ms);
}

static void a_new_front_is_not_told_of_the_old_ones(void **state)
{
	struct fixture *f = *state;

	f->hang = true;
	for (uint32_t i = 0; i < 20; i++)
		ask(f, i, (struct asked){ .name = "host.test" });
	turn(f, 200);
	assert_int_equal(status_value(f, "running"), 20);
	connect_front(f);
	assert_int_equal(status_value(f, "running"), 0);
	assert_int_equal(status_value(f, "dropped"), 20);
	f->hang = false;
	is(validate(f, (struct asked){ .name = "host.test" }), ERR_OK, "");
	channel_free(f->front); /* one that dies */
	f->front = NULL;
	turn(f, 100);
	assert_int_equal(status_value(f, "running"), 0);
	connect_front(f);
	is(validate(f, (struct asked){ .name = "host.test" }), ERR_OK, "");
	assert_int_equal(status_value(f, "fronts"), 3);
	assert_int_equal(status_value(f, "valid"), 2);
}

static void new_settings_do_not_touch_what_is_under_way(void **state)
{
	struct fixture *f = *state;

	f->hang = true;
	ask(f, 1, (struct asked){ .name = "host.test" });
	turn(f, 200);
	assert_int_equal(take_settings(f, 1, 0, false), ERR_CONFIG);
	assert_int_equal(take_settings(f, 0, 80, false), ERR_CONFIG);
	assert_int_equal(take_settings(f, 1, stub_free_port(), false), ERR_OK);
	ask(f, 2, (struct asked){ .name = "host.test" });
	is(hear(f), ERR_CONNECTION, "Connection refused");
	assert_int_equal(status_value(f, "running"), 1); /* the first, by its old deadline */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(both_receipts_say_what_was_seen),
		T(caa_is_found_up_the_tree),
		T(caa_is_asked_at_the_top_and_not_at_the_root),
		T(caa_behind_a_cname_counts),
		T(caa_that_cannot_be_had_is_no_permission),
		T(caa_knows_account_and_method),
		T(a_wildcard_takes_dns_01_and_issuewild),
		T(an_address_has_no_caa),
		T(caa_alone_is_looked_at_again),
		T(a_front_is_not_believed),
		T(tokens_end_after_seven_days),
		T(tokens_are_minted_in_batches),
		T(the_deadline_ends_what_hangs),
		T(many_go_side_by_side),
		T(a_new_front_is_not_told_of_the_old_ones),
		T(new_settings_do_not_touch_what_is_under_way),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
