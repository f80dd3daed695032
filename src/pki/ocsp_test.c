/* Requests as openssl writes them, answers as openssl verifies them, and every rule of the lint tripped by bytes or by a decision. */
#include "pki/ocsp.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "pki/crl.h"
#include "pki/der.h"
#include "pki/test_support.h"

#include <stdio.h>
#include <time.h>

static struct chain chain;
static struct buf responder_der;
static struct ocsp_responder by;
static const uint8_t serial[SERIAL_SIZE] = { 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static struct responder_request responder_good(void)
{
	return (struct responder_request){ .serial = serial,
		.spki = key_spki(test_other_key(KEY_EC_P256)),
		.not_before_s = test_now_s - 60,
		.not_after_s = test_now_s + 14 * DAY_S };
}

/* A responder whose certificate holds at the time that test_now_s says. */
static void make_responder(void)
{
	struct responder_request r = responder_good();
	struct buf tbs = buf_new(CERT_SIZE_MAX);

	chain_free(&chain);
	chain_make(KEY_EC_P384, KEY_EC_P256, &chain);
	buf_free(&responder_der);
	responder_der = buf_new(CERT_SIZE_MAX);
	cert_write_responder_tbs(chain.issuer, &r, &tbs);
	struct err e = { 0 };
	if (lint_responder_tbs(buf_bytes(&tbs), chain.issuer, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_int_equal(cert_sign(chain.issuer->key, buf_bytes(&tbs), &responder_der, NULL), ERR_OK);
	by = (struct ocsp_responder){ chain.issuer, test_other_key(KEY_EC_P256), buf_bytes(&responder_der), r.not_after_s };
	buf_free(&tbs);
}

static int setup(void **state)
{
	if (test_setup(state) != 0)
		return -1;
	make_responder();
	return 0;
}

static int teardown(void **state)
{
	chain_free(&chain);
	buf_free(&responder_der);
	return test_teardown(state);
}

/* An id of our issuer's; digests live until the next call for this hash. */
static struct ocsp_id id_of(enum ocsp_hash h, struct bytes number)
{
	static uint8_t digests[OCSP_HASH__MAX][2][32];
	struct der d = der_of(key_spki(chain.issuer->key)), s = der_enter(&d, DER_SEQUENCE);
	bool sha1 = h == OCSP_SHA1 || h == OCSP_SHA1_NULL;

	(void)der_get_element(&s);
	struct bytes key = der_get_bits(&s);
	(sha1 ? sha1_for_look_up : sha256_one)(chain.issuer->subject, digests[h][0]);
	(sha1 ? sha1_for_look_up : sha256_one)(key, digests[h][1]);
	return (struct ocsp_id){ h, { digests[h][0], sha1 ? 20 : 32 }, { digests[h][1], sha1 ? 20 : 32 }, number };
}

static struct bytes number(void)
{
	return (struct bytes){ serial, sizeof serial };
}

#define LINT_SAYS(data, answer, part)                                             \
	do {                                                                      \
		struct err e_ = { 0 };                                            \
		assert_int_equal(lint_ocsp((data), &by, (answer), &e_), ERR_BUG); \
		if (!strstr(e_.detail, part))                                     \
			fail_msg("\"%s\" does not say \"%s\"", e_.detail, part);  \
	} while (0)

static void test_lint_holds_the_bytes_to_the_decision(void **state)
{
	struct ocsp_single v[2] = { { .id = id_of(OCSP_SHA1_NULL, number()), .status = OCSP_GOOD },
		{ .id = id_of(OCSP_SHA256, BYTES_LIT("\x05")),
		    .status = OCSP_REVOKED,
		    .revoked_s = test_now_s - 5,
		    .reason = CRL_SUPERSEDED } };
	const struct ocsp_answer good = { .singles = v,
		.n_singles = 2,
		.produced_s = test_now_s,
		.this_update_s = test_now_s,
		.next_update_s = test_now_s + DAY_S,
		.nonce = BYTES_LIT("nonce") };
	struct buf data = buf_new(OCSP_RESPONSE_SIZE_MAX);
	struct ocsp_answer a = good;
	struct err e = { 0 };

	(void)state;
	ocsp_write_data(&by, &good, &data);
	if (lint_ocsp(buf_bytes(&data), &by, &good, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	/* No byte of it may be another one. */
	for (size_t i = 0; i < data.len; i++) {
		data.ptr[i] ^= 1;
		if (lint_ocsp(buf_bytes(&data), &by, &good, NULL) == ERR_OK)
			fail_msg("byte %zu may be changed", i);
		data.ptr[i] ^= 1;
	}
	/* Nor another decision. */
	struct bytes d = buf_bytes(&data);
	v[0].status = OCSP_UNKNOWN;
	LINT_SAYS(d, &good, "certStatus");
	v[0].status = OCSP_REVOKED;
	LINT_SAYS(d, &good, "certStatus");
	v[0].status = OCSP_GOOD;
	v[1].status = OCSP_GOOD;
	LINT_SAYS(d, &good, "certStatus");
	v[1].status = OCSP_REVOKED;
	v[1].reason = CRL_KEY_COMPROMISE;
	LINT_SAYS(d, &good, "revocationReason");
	v[1].reason = CRL_SUPERSEDED;
	v[1].revoked_s--;
	LINT_SAYS(d, &good, "revocationTime");
	v[1].revoked_s++;
	a.nonce = BYTES_NONE;
	LINT_SAYS(d, &a, "nonce");
	a = good;
	a.next_update_s++;
	LINT_SAYS(d, &a, "thisUpdate, nextUpdate");
	a = good;
	a.produced_s--;
	LINT_SAYS(d, &a, "producedAt");
	a = good;
	a.n_singles = 1;
	LINT_SAYS(d, &a, "responses");
	buf_free(&data);
}

/* Bytes that agree with a decision that nobody may make. */
static void test_lint_refuses_decisions(void **state)
{
	struct ocsp_single v = { .id = id_of(OCSP_SHA1, number()), .status = OCSP_GOOD };
	const struct ocsp_answer good = {
		.singles = &v, .n_singles = 1, .produced_s = test_now_s, .this_update_s = test_now_s, .next_update_s = test_now_s + DAY_S
	};
	struct buf out = buf_new(OCSP_RESPONSE_SIZE_MAX);
	struct ocsp_answer a = good;
	struct err e = { 0 };

	(void)state;
#define REFUSED(change, part)                                                   \
	do {                                                                    \
		a = good;                                                       \
		change;                                                         \
		buf_reset(&out);                                                \
		assert_int_equal(ocsp_sign(&by, &a, &out, &e), ERR_BUG);        \
		assert_int_equal(out.len, 0);                                   \
		if (!strstr(e.detail, part))                                    \
			fail_msg("\"%s\" does not say \"%s\"", e.detail, part); \
	} while (0)
	REFUSED(a.next_update_s = test_now_s + 15 * DAY_S, "nextUpdate");
	REFUSED(a.next_update_s = test_now_s + OCSP_LIFETIME_MIN_S - 1, "nextUpdate");
	REFUSED(a.this_update_s++, "thisUpdate");
	REFUSED((a.this_update_s -= 3601, a.next_update_s -= 3601), "thisUpdate");
	REFUSED(a.nonce = BYTES_LIT("123456789012345678901234567890123"), "nonce");
	REFUSED(a.n_singles = 0, "responses");
	REFUSED((v.status = OCSP_REVOKED, v.revoked_s = test_now_s + 1), "revocationTime");
	REFUSED((v.revoked_s = test_now_s, v.reason = 6), "revocationReason");
	v = (struct ocsp_single){ .id = id_of(OCSP_SHA1, number()), .status = OCSP_UNKNOWN };
	REFUSED(v.id.key_hash = v.id.name_hash, "another issuer's");
	v.id = id_of(OCSP_SHA1, number());
	by.not_after_s = test_now_s + DAY_S - 1;
	REFUSED((void)0, "responder's certificate");
	by.not_after_s = test_now_s + 14 * DAY_S;
	assert_int_equal(ocsp_sign(&by, &good, &out, &e), ERR_OK);
	buf_free(&out);
}

static void test_responder_certificate(void **state)
{
	struct responder_request r = responder_good();
	struct buf tbs = buf_new(CERT_SIZE_MAX);

	(void)state;
	cert_write_responder_tbs(chain.issuer, &r, &tbs);
	for (size_t i = 0; i < tbs.len; i++) {
		tbs.ptr[i] ^= 1;
		enum err_code rc = lint_responder_tbs(buf_bytes(&tbs), chain.issuer, &r, NULL);
		tbs.ptr[i] ^= 1;
		/* The name may be any. */
		if (rc == ERR_OK && !memmem(tbs.ptr + i, 32, "OCSP", 4) && !(i >= 14 && memmem(tbs.ptr + i - 14, 32, "OCSP", 4)))
			fail_msg("byte %zu may be changed", i);
	}
	r.not_after_s = test_now_s + 40 * DAY_S;
	buf_reset(&tbs);
	cert_write_responder_tbs(chain.issuer, &r, &tbs);
	assert_int_equal(lint_responder_tbs(buf_bytes(&tbs), chain.issuer, &r, NULL), ERR_BUG);
	buf_free(&tbs);
}

/* What openssl asks, and what it makes of the answers. */
static void test_openssl(void **state)
{
	static const struct {
		const char *options, *says;
		enum ocsp_status status;
	} cases[] = {
		{ "-no_nonce", "0x0202030405060708090A0B0C0D0E0F10: good", OCSP_GOOD },
		{ "-sha256", "Reason: superseded", OCSP_REVOKED },
		{ "-no_nonce -sha256", "0x0202030405060708090A0B0C0D0E0F10: unknown", OCSP_UNKNOWN },
	};
	int64_t stood = test_now_s;

	(void)state;
	test_now_s = time(NULL);
	make_responder();
	test_write_pem("root.pem", "CERTIFICATE", buf_bytes(&chain.root));
	test_write_pem("ca.pem", "CERTIFICATE", buf_bytes(&chain.intermediate));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char command[512];
		struct ocsp_request r;
		struct buf out = buf_new(OCSP_RESPONSE_SIZE_MAX);
		snprintf(command, sizeof command,
		    "openssl ocsp -issuer ca.pem %s -serial 0x0202030405060708090A0B0C0D0E0F10 -reqout req.der >/dev/null && "
		    "od -An -v -tx1 req.der | tr -d '\\n'",
		    cases[i].options);
		struct bytes der = test_hex(test_run(command));
		assert_int_equal(ocsp_request_read(der, &r, NULL), ERR_OK);
		assert_int_equal(r.n_ids, 1);
		assert_true(bytes_eq(r.ids[0].serial, number()));
		assert_true(ocsp_id_is_of(&r.ids[0], chain.issuer));
		assert_int_equal(r.nonce.len > 0, !strstr(cases[i].options, "no_nonce"));
		struct ocsp_single v = {
			.id = r.ids[0], .status = cases[i].status, .revoked_s = test_now_s - 60, .reason = CRL_SUPERSEDED
		};
		struct ocsp_answer a = { .singles = &v,
			.n_singles = 1,
			.produced_s = test_now_s,
			.this_update_s = test_now_s,
			.next_update_s = test_now_s + DAY_S,
			.nonce = r.nonce };
		struct err e = { 0 };
		if (ocsp_sign(&by, &a, &out, &e) != ERR_OK)
			fail_msg("%s", e.detail);
		test_write("answer.der", buf_bytes(&out));
		snprintf(command, sizeof command,
		    "openssl ocsp -issuer ca.pem %s -no_nonce -serial 0x0202030405060708090A0B0C0D0E0F10 -respin answer.der -CAfile root.pem "
		    "-verify_other ca.pem 2>&1",
		    cases[i].options);
		const char *said = test_run(command);
		if (!strstr(said, "Response verify OK") || !strstr(said, cases[i].says))
			fail_msg("openssl says: %s", said);
		buf_free(&out);
	}
	test_now_s = stood;
	make_responder();
}

#define ID                                                                                                                                 \
	"3044 300706052b0e03021a 0414 0000000000000000000000000000000000000000 0414 0000000000000000000000000000000000000000 020d01020304" \
	"05060708090a0b0c0d"

static void refused(const char *hex, enum err_code code, const char *part)
{
	struct ocsp_request r;
	struct err e = { 0 };

	assert_int_equal(ocsp_request_read(test_hex(hex), &r, &e), code);
	if (!strstr(e.detail, part))
		fail_msg("\"%s\" does not say \"%s\"", e.detail, part);
}

static void test_bad_requests(void **state)
{
	struct ocsp_request r;

	(void)state;
	assert_int_equal(ocsp_request_read(test_hex("304c 304a 3048 3046" ID), &r, NULL), ERR_OK);
	refused("", ERR_MALFORMED, "OCSP request");
	refused("3004 3002 3000", ERR_MALFORMED, "no certificate");
	refused("304c 304a 3048 3046 3044 300706052b0e03021b 0414 0000000000000000000000000000000000000000 0414 "
		"0000000000000000000000000000000000000000 020d01020304 05060708090a0b0c0d",
	    ERR_UNAUTHORIZED, "neither SHA-1");
	/* a nonce of no bytes, and one that is there twice */
	refused("3061 305f 3048 3046" ID "a213 3011 300f 06092b0601050507300102 0402 0400", ERR_MALFORMED, "nonce of 0 bytes");
	refused("3074 3072 3048 3046" ID "a226 3024 3010 06092b0601050507300102 0403 040101 3010 06092b0601050507300102 0403 040101",
	    ERR_MALFORMED, "twice");
	refused("305f 305d 3048 3046" ID "a211 300f 300d 0603550403 0101ff 0403 040101", ERR_MALFORMED, "critical");
}

static void test_errors(void **state)
{
	struct buf out = buf_new(16);

	(void)state;
	ocsp_write_error(OCSP_UNAUTHORIZED, &out);
	assert_int_equal(out.len, 5);
	assert_memory_equal(out.ptr, "\x30\x03\x0a\x01\x06", 5);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lint_holds_the_bytes_to_the_decision),
		cmocka_unit_test(test_lint_refuses_decisions),
		cmocka_unit_test(test_responder_certificate),
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
