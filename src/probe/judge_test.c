/* What is held against answers, and requests with one thing wrong. */
#include "base/codec.h"
#include "base/test_support.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "probe/probe_impl.h"

static struct probe *fresh(void)
{
	static struct probe p;

	if (!p.arena) {
		crypto_init();
		p.arena = arena_new(65536, 8u << 20);
	}
	arena_reset(p.arena);
	p.scratch = p.arena;
	return &p;
}

static struct http_client_answer answer(int status, const char *type, const char *body)
{
	return (struct http_client_answer){ .status = status, .content_type = bytes_str(type), .body = bytes_str(body) };
}

static void members_by_path(void **state)
{
	(void)state;
	struct probe *p = fresh();
	struct bytes json = BYTES_LIT(" {\"a\":{\"b\":[1,{\"c\":\"x\"}]},\"d\":null} ");

	ASSERT_TEXT(member_of(p, json, "a.b[1].c"), "\"x\"");
	ASSERT_TEXT(member_of(p, json, "a.b[0]"), "1");
	ASSERT_TEXT(member_of(p, json, "d"), "null");
	assert_null(member_of(p, json, "a.b[2]").ptr);
	assert_null(member_of(p, json, "a.x").ptr);
	assert_null(member_of(p, json, "a.b.c").ptr);
	assert_null(member_of(p, BYTES_LIT("{\"a\":1} x"), "a").ptr);
	assert_null(member_of(p, BYTES_LIT(""), "a").ptr);
}

static void kinds(void **state)
{
	(void)state;
	static const struct {
		const char *kind, *good, *bad;
	} rows[] = {
		{ "string", "\"x\"", "7" },
		{ "url", "\"https://x\"", "\"http://x\"" },
		{ "uri", "\"data:x\"", "\"x\"" },
		{ "urls", "[\"https://x\"]", "[]" },
		{ "urls", "[\"https://x\",\"https://y\"]", "[\"https://x\",7]" },
		{ "array", "[]", "{}" },
		{ "object", "{}", "[]" },
		{ "bool", "false", "\"false\"" },
		{ "time", "\"2026-11-25T03:00:00Z\"", "\"2026-11-25\"" },
		{ "base64url", "\"a-_9\"", "\"a=\"" },
		{ "uint", "12", "-1" },
		{ "pending|valid", "\"valid\"", "\"invalid\"" },
	};
	struct probe *p = fresh();
	struct err e = { 0 };

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct http_client_answer good = answer(200, "x", (const char *)arena_fmt(p->arena, "{\"m\":%s}", rows[i].good).ptr);
		struct http_client_answer bad = answer(200, "x", (const char *)arena_fmt(p->arena, "{\"m\":%s}", rows[i].bad).ptr);
		if (want_kind(p, &good, "m", rows[i].kind, &e) != ERR_OK)
			fail_msg("%s is no %s: %s", rows[i].good, rows[i].kind, e.detail);
		if (want_kind(p, &bad, "m", rows[i].kind, &e) != ERR_CONFIRM)
			fail_msg("%s is taken for %s", rows[i].bad, rows[i].kind);
		assert_int_equal(want_kind(p, &good, "n", rows[i].kind, &e), ERR_CONFIRM);
	}
}

static void problems(void **state)
{
	(void)state;
	static const char body[] = "{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"x\"}";
	struct probe *p = fresh();
	struct http_client_answer x = answer(400, "application/problem+json; charset=utf-8", body);
	struct err e = { 0 };

	assert_int_equal(want_problem(p, &x, 400, "badNonce", &e), ERR_OK);
	assert_int_equal(want_problem(p, &x, 0, NULL, &e), ERR_OK);
	assert_int_equal(want_problem(p, &x, 403, "badNonce", &e), ERR_CONFIRM);
	assert_int_equal(want_problem(p, &x, 0, "malformed", &e), ERR_CONFIRM);
	ASSERT_SAYS(e, "badNonce instead of urn:ietf:params:acme:error:malformed");
	x.status = 200;
	assert_int_equal(want_problem(p, &x, 0, NULL, &e), ERR_CONFIRM);
	x = answer(400, "text/html", body);
	assert_int_equal(want_problem(p, &x, 0, NULL, &e), ERR_CONFIRM);
	x = answer(400, "application/problem+json", "no JSON");
	assert_int_equal(want_problem(p, &x, 0, NULL, &e), ERR_CONFIRM);
}

static void fields_and_links(void **state)
{
	(void)state;
	struct probe *p = fresh();
	struct http_client_field fields[] = {
		{ BYTES_LIT("link"), BYTES_LIT("<https://a/dir>; rel=\"index\", <https://a/up>;rel=up") },
		{ BYTES_LIT("link"), BYTES_LIT("<https://a/next>;rel=\"next\"") },
		{ BYTES_LIT("cache-control"), BYTES_LIT("public, No-Store") },
	};
	struct http_client_answer x = { .status = 200, .fields = fields, .n_fields = LENGTH(fields) };
	struct err e = { 0 };
	const char *to;

	assert_int_equal(want_link(p, &x, "index", &to, &e), ERR_OK);
	assert_string_equal(to, "https://a/dir");
	assert_int_equal(want_link(p, &x, "up", &to, &e), ERR_OK);
	assert_string_equal(to, "https://a/up");
	assert_int_equal(want_link(p, &x, "next", &to, &e), ERR_OK);
	assert_string_equal(to, "https://a/next");
	assert_int_equal(want_link(p, &x, "alternate", &to, &e), ERR_CONFIRM);
	assert_int_equal(want_value(&x, "Cache-Control", "no-store", &e), ERR_OK);
	assert_int_equal(want_value(&x, "Cache-Control", "store", &e), ERR_CONFIRM);
	assert_int_equal(want_field(&x, "location", NULL, &e), ERR_CONFIRM);
}

/* --- requests --- */

static enum err_code sign_as(struct probe *p, const struct key *k, enum defect d, enum by by, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(65536);
	const struct actor who = { .key = key_ref((struct key *)(uintptr_t)k), .url = "https://a/acct/1" };
	struct ask r = ASK(.url = "https://a/x", .as = &who, .by = by, .payload = "{\"a\":1}", .defect = d);
	struct jws j;

	enum err_code rc = probe_sign(p, &r, "bm9uY2U", &body, e);
	key_free(who.key);
	TRY(rc);
	struct bytes text = arena_copy(p->arena, buf_bytes(&body));
	TRY(jws_parse(p->arena, text, JWS_NONCE_REQUIRED, &j, e));
	return jws_verify(&j, k, e);
}

static void one_without_a_defect_is_right(void **state)
{
	(void)state;
	struct probe *p = fresh();
	struct err e = { 0 };

	for (int t = 0; t < 4; t++) {
		CLEANUP(key_free_p) struct key *k = NULL;
		assert_int_equal(key_generate((enum key_type)t, 2048, &k, &e), ERR_OK);
		assert_int_equal(sign_as(p, k, DEFECT_NONE, BY_KID, &e), ERR_OK);
		assert_int_equal(sign_as(p, k, DEFECT_NONE, BY_JWK, &e), ERR_OK);
	}
}

/* Our own reader, which is held to the standards by tests of its own, refuses each. */
static void every_defect_is_one(void **state)
{
	(void)state;
	CLEANUP(key_free_p) struct key *k = NULL;
	struct probe *p = fresh();
	struct err e = { 0 };

	assert_int_equal(key_generate(KEY_EC_P256, 0, &k, &e), ERR_OK);
	for (int d = DEFECT_NONE + 1; d <= DEFECT_EMPTY; d++) {
		/* What nonces and URLs should be only a server knows. */
		if (d == DEFECT_NONCE_UNKNOWN || d == DEFECT_NONCE_USED || d == DEFECT_NONCE_FORM)
			continue;
		if (sign_as(p, k, (enum defect)d, BY_KID, &e) == ERR_OK)
			fail_msg("defect %d is none", d);
	}
	assert_int_not_equal(sign_as(p, k, DEFECT_NONE, BY_BOTH, &e), ERR_OK);
	assert_int_not_equal(sign_as(p, k, DEFECT_NONE, BY_NEITHER, &e), ERR_OK);
}

static void names_are_put_in(void **state)
{
	(void)state;
	struct probe *p = fresh();
	struct err e = { 0 };
	const char *text;

	p->options.names[0] = "x.example";
	assert_int_equal(with_name(p, "a.$NAME,$NAME", &text, &e), ERR_OK);
	assert_string_equal(text, "a.x.example,x.example");
	assert_int_equal(with_name(p, "plain", &text, &e), ERR_OK);
	assert_string_equal(text, "plain");
	assert_int_equal(with_name(p, NULL, &text, &e), ERR_OK);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_by_path),
		cmocka_unit_test(kinds),
		cmocka_unit_test(problems),
		cmocka_unit_test(fields_and_links),
		cmocka_unit_test(one_without_a_defect_is_right),
		cmocka_unit_test(every_defect_is_one),
		cmocka_unit_test(names_are_put_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
