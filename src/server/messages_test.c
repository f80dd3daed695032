#include "server/messages.h"

#include "crypto/key.h"
#include "server/identity.h"

#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void the_rules_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE__MAX; i++) {
		const struct message_rule *r = &message_rules[i];
		assert_true(r->from != r->to);
		assert_true(r->body_max <= CHANNEL_BODY_MAX);
		assert_false(r->credits && r->answers);
		if (r->answers && r->answers != ANSWERS_ANY) { /* an answer goes back the way that its request came */
			const struct message_rule *q = &message_rules[r->answers - 1];
			assert_true(q->credits > 0 && q->from == r->to && q->to == r->from);
		}
		/* nothing but the parent hands out descriptors, and nobody but the front talks to signer or validator */
		assert_true(!r->carries_fd || r->from == PROCESS_PARENT);
		if (r->to == PROCESS_SIGNER) /* but the keyholder, when it was asked */
			assert_true(r->from == PROCESS_FRONT || r->from == PROCESS_PARENT || (r->from == PROCESS_KEYHOLDER && r->answers));
		if (r->to == PROCESS_KEYHOLDER)
			assert_true(r->from == PROCESS_SIGNER || r->from == PROCESS_PARENT);
	}
}

static void issue_goes_both_ways(void **state)
{
	struct arena *a = arena_new(4096, 1u << 20);
	struct bytes receipts[2] = { BYTES_LIT("one"), BYTES_LIT("two") };
	struct issue in = { .finalize = BYTES_LIT("f"),
		.new_order = BYTES_LIT("n"),
		.account_jwk = BYTES_LIT("{}"),
		.receipts = receipts,
		.n_receipts = 2 },
		     out;
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	(void)state;
	issue_write(&in, &b);
	assert_int_equal(issue_read(a, buf_bytes(&b), &out, NULL), ERR_OK);
	assert_int_equal(out.n_receipts, 2);
	assert_true(bytes_eq_str(out.receipts[1], "two"));
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(issue_read(a, bytes_slice(buf_bytes(&b), 0, i), &out, NULL), ERR_MALFORMED);
	buf_add_u8(&b, 0);
	assert_int_equal(issue_read(a, buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	buf_free(&b);
	arena_free(a);
}

static void too_many_receipts_are_refused(void **state)
{
	struct arena *a = arena_new(4096, 1u << 20);
	struct buf b = buf_new(CHANNEL_BODY_MAX);
	struct issue out;

	(void)state;
	for (int i = 0; i < 3; i++)
		wire_put_bytes(&b, BYTES_LIT("x"));
	wire_put_u16(&b, ISSUE_RECEIPTS_MAX + 1);
	for (int i = 0; i < ISSUE_RECEIPTS_MAX + 1; i++)
		wire_put_bytes(&b, BYTES_LIT("r"));
	assert_int_equal(issue_read(a, buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	buf_free(&b);
	arena_free(a);
}

static void a_validation_has_receipts_or_a_problem(void **state)
{
	struct buf b = buf_new(16384);
	struct validated good = { .control = BYTES_LIT("c"), .caa = BYTES_LIT("a") }, bad = { .code = ERR_DNS, .detail = BYTES_LIT("no") },
			 none = { 0 }, out;

	(void)state;
	validated_write(&good, &b);
	assert_int_equal(validated_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_int_equal(out.code, ERR_OK);
	buf_reset(&b);
	validated_write(&bad, &b);
	assert_int_equal(validated_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_int_equal(out.code, ERR_DNS);
	assert_true(bytes_eq_str(out.detail, "no"));
	buf_reset(&b);
	validated_write(&none, &b);
	assert_int_equal(validated_read(buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	buf_free(&b);
}

/* Each body once both ways; cut anywhere or with a byte behind it, it is refused. */
#define BOTH_WAYS(name, in, read_call, same)                        \
	do {                                                        \
		struct buf b = buf_new(CHANNEL_BODY_MAX);           \
		name##_write(&(in), &b);                            \
		assert_true(buf_ok(&b));                            \
		struct bytes body = buf_bytes(&b);                  \
		assert_int_equal(read_call, ERR_OK);                \
		assert_true(same);                                  \
		for (size_t cut = 0; cut < b.len; cut++) {          \
			body = bytes_slice(buf_bytes(&b), 0, cut);  \
			assert_int_equal(read_call, ERR_MALFORMED); \
		}                                                   \
		buf_add_u8(&b, 0);                                  \
		body = buf_bytes(&b);                               \
		assert_int_equal(read_call, ERR_MALFORMED);         \
		buf_free(&b);                                       \
	} while (0)

static void requests_about_accounts_go_both_ways(void **state)
{
	struct account_evidence in = { BYTES_LIT("request"), BYTES_LIT("jwk") }, out = { 0 };

	(void)state;
	BOTH_WAYS(account_evidence, in, account_evidence_read(body, &out, NULL),
	    bytes_eq_str(out.request, "request") && bytes_eq_str(out.jwk, "jwk"));
}

static void revocations_go_both_ways(void **state)
{
	struct arena *a = arena_new(4096, 1u << 20);
	struct bytes receipts[2] = { BYTES_LIT("one"), BYTES_LIT("two") };
	struct revoke in = { BYTES_LIT("request"), BYTES_LIT(""), receipts, 2 }, out = { 0 };
	struct revoked done = { 1790000000, 4 }, told = { 0 };

	(void)state;
	BOTH_WAYS(revoke, in, revoke_read(a, body, &out, NULL), out.n_receipts == 2 && bytes_eq_str(out.request, "request"));
	BOTH_WAYS(revoked, done, revoked_read(body, &told, NULL), told.time_s == 1790000000 && told.reason == 4);
	arena_free(a);
}

static void questions_to_the_keyholder_go_both_ways(void **state)
{
	uint8_t digest[49] = { 1 }; /* one byte more than there are */
	struct sign in = { .uri = BYTES_LIT("pkcs11:token=t;object=o"), .type = KEY_EC_P384, .digest = { digest, 48 } }, out;
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	(void)state;
	sign_write(&in, &b);
	assert_int_equal(sign_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_true(bytes_eq(out.uri, in.uri) && out.type == in.type && bytes_eq(out.digest, in.digest));
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(sign_read(bytes_slice(buf_bytes(&b), 0, i), &out, NULL), ERR_MALFORMED);
	buf_add_u8(&b, 0);
	assert_int_equal(sign_read(buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	static const struct {
		uint8_t type;
		size_t len;
	} bad[] = { { KEY_EC_P384, 32 }, { KEY_EC_P384, 49 }, { KEY_EC_P256, 48 }, { KEY_RSA, 0 }, { KEY_ED25519, 32 }, { KEY__MAX, 32 } };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct sign x = { .uri = in.uri, .type = bad[i].type, .digest = { digest, bad[i].len } };
		buf_reset(&b);
		sign_write(&x, &b);
		assert_int_equal(sign_read(buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	}
	buf_free(&b);
}

static void lists_go_both_ways(void **state)
{
	struct crl_new fresh[2] = { { { 1, 2, 3 }, 200, 7, 4000000000 }, { { 4 }, 1, 2, 3 } }, fresh2[CRL_NEW_MAX];
	struct buf news = buf_new(65536);
	size_t n = 0;
	struct crl_get get = { { 1, 2, 3 }, 5, 0, 122880 }, get2 = { 0 };
	struct crl_part part = { 7, 5, 0, BYTES_LIT("bytes") }, part2 = { 0 };

	(void)state;
	crl_new_write(fresh, 2, &news);
	assert_int_equal(crl_new_read(buf_bytes(&news), fresh2, &n, NULL), ERR_OK);
	assert_true(n == 2 && fresh2[0].number == 7 && fresh2[0].size == 4000000000 && fresh2[0].issuer[2] == 3 && fresh2[0].shard == 200);
	assert_true(fresh2[1].issuer[0] == 4 && fresh2[1].size == 3);
	for (size_t k = 0; k < news.len; k++)
		assert_int_equal(crl_new_read(bytes_slice(buf_bytes(&news), 0, k), fresh2, &n, NULL), ERR_MALFORMED);
	assert_int_equal(crl_new_read(BYTES_LIT("\xff\xff"), fresh2, &n, NULL), ERR_MALFORMED);
	buf_free(&news);
	BOTH_WAYS(crl_get, get, crl_get_read(body, &get2, NULL), get2.number == 0 && get2.offset == 122880 && get2.shard == 5);
	BOTH_WAYS(crl_part, part, crl_part_read(body, &part2, NULL), part2.size == 5 && bytes_eq_str(part2.part, "bytes"));
}

static void issuers_go_both_ways(void **state)
{
	static const uint8_t instance[INSTANCE_SIZE] = { 9, 8 };
	struct hello_ok in = { .instance = instance,
		.issuers = { { BYTES_LIT("ecdsa"), BYTES_LIT("chain"), BYTES_LIT("root") },
		    { BYTES_LIT("rsa"), BYTES_LIT(""), BYTES_LIT("r") } },
		.n_issuers = 2 };
	struct hello_ok out = { 0 };

	(void)state;
	BOTH_WAYS(hello_ok, in, hello_ok_read(body, &out, NULL),
	    out.n_issuers == 2 && out.instance[1] == 8 && bytes_eq_str(out.issuers[0].chain, "chain") &&
		bytes_eq_str(out.issuers[1].name, "rsa"));
}

static void lists_have_paths(void **state)
{
	static const char *const wrong[] = { "/crl/", "/crl/000102030405060708090a0b0c0d0e0f1011121.crl",
		"/crl/000102030405060708090A0B0C0D0E0F10111213.crl", "/crl/000102030405060708090a0b0c0d0e0f10111213-0.crl",
		"/crl/000102030405060708090a0b0c0d0e0f10111213-01.crl", "/crl/000102030405060708090a0b0c0d0e0f10111213-256.crl",
		"/crl/000102030405060708090a0b0c0d0e0f10111213-.crl", "/crl/000102030405060708090a0b0c0d0e0f10111213x1.crl",
		"/crl/000102030405060708090a0b0c0d0e0f10111213-1.crl2", "/crx/000102030405060708090a0b0c0d0e0f10111213.crl" };
	static const uint8_t shards[] = { 0, 1, 10, 255 };
	struct arena *a = arena_new(4096, 1u << 20);
	uint8_t issuer[ISSUER_KEY_SIZE], read[ISSUER_KEY_SIZE], shard;

	(void)state;
	for (size_t i = 0; i < sizeof issuer; i++)
		issuer[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof shards; i++) {
		struct bytes url = crl_url(a, BYTES_LIT("http://c"), issuer, shards[i]);
		assert_true(crl_path_read(bytes_slice(url, 8, url.len), read, &shard));
		assert_memory_equal(read, issuer, sizeof read);
		assert_int_equal(shard, shards[i]);
	}
	assert_true(
	    bytes_eq_str(crl_url(a, BYTES_LIT("http://c"), issuer, 7), "http://c/crl/000102030405060708090a0b0c0d0e0f10111213-7.crl"));
	assert_true(
	    bytes_eq_str(crl_url(a, BYTES_LIT("http://c"), issuer, 0), "http://c/crl/000102030405060708090a0b0c0d0e0f10111213.crl"));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(crl_path_read(bytes_str(wrong[i]), read, &shard));
	arena_free(a);
}

static void an_order_id_carries_its_time_and_its_request(void **state)
{
	uint8_t id[ORDER_ID_SIZE], again[ORDER_ID_SIZE];
	struct bytes request = BYTES_LIT("{\"payload\":\"x\"}");

	(void)state;
	order_id_make(1790000000123, request, id);
	order_id_make(1790000000123, request, again);
	assert_memory_not_equal(id, again, sizeof id);
	assert_int_equal(order_id_time_ms(id), 1790000000123);
	assert_true(order_id_names(id, request));
	assert_false(order_id_names(id, BYTES_LIT("{\"payload\":\"y\"}")));
}

static void only_finalize_urls_name_orders(void **state)
{
	uint8_t id[ORDER_ID_SIZE], read[ORDER_ID_SIZE];
	char text[ORDER_ID_LEN + 1], url[200];
	struct bytes base = BYTES_LIT("https://ca.example");
	static const struct {
		const char *before, *after;
	} wrong[] = { { "https://ca.example/acme/order/", "" }, { "https://ca.example/acme/order/", "/finalize/" },
		{ "http://ca.example/acme/order/", "/finalize" }, { "https://ca.example.evil/acme/order/", "/finalize" },
		{ "https://ca.example/acme/order/../", "/finalize" }, { "https://ca.example/acme/order/", "x/finalize" } };

	(void)state;
	order_id_make(1, BYTES_LIT("x"), id);
	base64url_encode(BYTES_ARRAY(id), text);
	(void)snprintf(url, sizeof url, "https://ca.example/acme/order/%s/finalize", text);
	assert_int_equal(finalize_url_read(base, bytes_str(url), read, NULL), ERR_OK);
	assert_memory_equal(read, id, sizeof id);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		(void)snprintf(url, sizeof url, "%s%s%s", wrong[i].before, text, wrong[i].after);
		assert_int_equal(finalize_url_read(base, bytes_str(url), read, NULL), ERR_UNAUTHORIZED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_rules_are_sound), cmocka_unit_test(issue_goes_both_ways),
		cmocka_unit_test(too_many_receipts_are_refused), cmocka_unit_test(a_validation_has_receipts_or_a_problem),
		cmocka_unit_test(requests_about_accounts_go_both_ways), cmocka_unit_test(revocations_go_both_ways),
		cmocka_unit_test(lists_go_both_ways), cmocka_unit_test(questions_to_the_keyholder_go_both_ways),
		cmocka_unit_test(issuers_go_both_ways), cmocka_unit_test(lists_have_paths),
		cmocka_unit_test(an_order_id_carries_its_time_and_its_request), cmocka_unit_test(only_finalize_urls_name_orders) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
