/* Weak keys are made here as the weak generators made them. */
#include "crypto/digest.h"
#include "crypto/key.h"

#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static BN_CTX *ctx;

static bool is_prime(unsigned p)
{
	for (unsigned d = 2; d * d <= p; d++)
		if (p % d == 0)
			return false;
	return p > 1;
}

static bool has_small_factor(const BIGNUM *n)
{
	for (unsigned p = 2; p < 752; p++)
		if (is_prime(p) && BN_mod_word(n, p) == 0)
			return true;
	return false;
}

/* The verdict on a modulus, with the detail. */
static enum err_code check(const BIGNUM *n, struct err *e)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	uint8_t raw[512], exponent[] = { 1, 0, 1 };
	size_t len = (size_t)BN_num_bytes(n);

	memset(e, 0, sizeof *e);
	assert_true(len <= sizeof raw);
	BN_bn2bin(n, raw);
	assert_int_equal(key_from_rsa((struct bytes){ raw, len }, BYTES_ARRAY(exponent), &k, e), ERR_OK);
	return key_check_weak(k, e);
}

static void ordinary_keys_pass(void **state)
{
	static const unsigned bits[] = { 2048, 3072 };

	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
			struct key *k CLEANUP(key_free_p) = NULL;
			assert_int_equal(key_generate((enum key_type)t, bits[i], &k, NULL), ERR_OK);
			assert_int_equal(key_check_weak(k, NULL), ERR_OK);
		}
	}
}

/* p = k * M + (65537^a mod M) with M the product of the first `primes` primes (Nemec et al., 2017, §2). */
static void roca_prime(BIGNUM *p, int bits, int primes)
{
	BIGNUM *m = BN_new(), *g = BN_new(), *a = BN_new(), *r = BN_new(), *k = BN_new();

	BN_one(m);
	for (unsigned q = 2; primes > 0; q++) {
		if (is_prime(q)) {
			BN_mul_word(m, q);
			primes--;
		}
	}
	BN_set_word(g, 65537);
	do {
		BN_rand(a, 60, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
		BN_mod_exp(r, g, a, m, ctx);
		BN_rand(p, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		BN_div(k, NULL, p, m, ctx);
		BN_mul(p, k, m, ctx);
		BN_add(p, p, r);
	} while (BN_num_bits(p) != bits || BN_check_prime(p, ctx, NULL) != 1);
	BN_free(m);
	BN_free(g);
	BN_free(a);
	BN_free(r);
	BN_free(k);
}

static void roca_is_recognised(void **state)
{
	static const struct {
		int bits, primes;
	} sizes[] = { { 1024, 126 }, { 1536, 126 } };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
		roca_prime(p, sizes[i].bits, sizes[i].primes);
		roca_prime(q, sizes[i].bits, sizes[i].primes);
		BN_mul(n, p, q, ctx);
		assert_int_equal(check(n, &e), ERR_BAD_PUBLIC_KEY);
		assert_non_null(strstr(e.detail, "ROCA"));
		BN_free(p);
		BN_free(q);
		BN_free(n);
	}
}

/* One of the two primes from another generator, and the fingerprint is gone. */
static void half_of_roca_is_not(void **state)
{
	BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
	struct err e;

	(void)state;
	roca_prime(p, 1024, 126);
	do
		BN_rand(q, 1024, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
	while (has_small_factor(q));
	BN_mul(n, p, q, ctx);
	assert_int_equal(check(n, &e), ERR_OK);
	BN_free(p);
	BN_free(q);
	BN_free(n);
}

static enum err_code check_multiple_of(unsigned factor, struct err *e)
{
	BIGNUM *q = BN_new(), *n = BN_new();

	do {
		BN_rand(n, 2048, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
		BN_copy(q, n);
		BN_div_word(q, factor);
		BN_copy(n, q);
		BN_mul_word(n, factor);
	} while (has_small_factor(q) || BN_num_bits(n) != 2048);
	enum err_code rc = check(n, e);
	BN_free(q);
	BN_free(n);
	return rc;
}

static void small_factors_are_found(void **state)
{
	static const unsigned factors[] = { 3, 5, 167, 173, 743, 751 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
		char want[32];
		snprintf(want, sizeof want, "divisible by %u", factors[i]);
		assert_int_equal(check_multiple_of(factors[i], &e), ERR_BAD_PUBLIC_KEY);
		assert_non_null(strstr(e.detail, want));
	}
	assert_int_equal(check_multiple_of(757, &e), ERR_OK);
}

/* n = a^2 - b^2 that Fermat's method finds in about the given round. */
static enum err_code check_near(int half_bits, unsigned round, struct err *e)
{
	BIGNUM *a = BN_new(), *b = BN_new(), *p = BN_new(), *q = BN_new(), *n = BN_new(), *low = BN_new(), *high = BN_new();

	do {
		BN_rand(a, half_bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		/* b = floor(sqrt(2 * a * round)) by bisection */
		BN_copy(n, a);
		BN_mul_word(n, 2 * round);
		BN_zero(low);
		BN_zero(high);
		BN_set_bit(high, BN_num_bits(n) / 2 + 1);
		while (BN_cmp(low, high) < 0) {
			BN_add(b, low, high);
			BN_add_word(b, 1);
			BN_rshift1(b, b);
			BN_sqr(p, b, ctx);
			if (BN_cmp(p, n) > 0) {
				BN_copy(high, b);
				BN_sub_word(high, 1);
			} else {
				BN_copy(low, b);
			}
		}
		BN_add(p, a, low);
		BN_sub(q, a, low);
	} while (has_small_factor(p) || has_small_factor(q));
	BN_mul(n, p, q, ctx);
	enum err_code rc = check(n, e);
	BIGNUM *all[] = { a, b, p, q, n, low, high };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		BN_free(all[i]);
	return rc;
}

static void near_factors_are_found(void **state)
{
	static const unsigned rounds[] = { 0, 1, 2, 50, 108 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
		assert_int_equal(check_near(1024, rounds[i], &e), ERR_BAD_PUBLIC_KEY);
		assert_non_null(strstr(e.detail, "Fermat"));
	}
	assert_int_equal(check_near(2048, 100, &e), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(check_near(1024, 112, &e), ERR_OK);
	assert_int_equal(check_near(1024, 5000, &e), ERR_OK);
}

/* Public keys that others' test suites have: one of a chip with the weak library, one of a printer (CVE-2022-26320). */
static void keys_of_the_wild_are_found(void **state)
{
	static const struct {
		const char *modulus, *why;
	} rows[] = {
		{ "9132ad211fcc0dfb4dae48326ac864c227e4b394b09bd1c4930e197028a3c907694d2b489e4f69754aeae338c6ead939"
		  "c57f406985cbbb8edf9a2055cc2946bc05d365ba67e896c6d4811152cfa2d290514f90b352eeef27feb72fbd8dcd5bc9"
		  "15a4f4494139cc1ca10a3244fa97e53275f57b5529b4e767379007798e112a4ba056c7b75cedb132cdf21f7bd3c9976d"
		  "9da38815153477a13b3ebb2046d100a851dc00698f530d19396f00fbef2c4bf1659ebc4c7fd9556b5ffc93f03ca2d3df"
		  "acd222a5f028ab430a27ea31136c0c2f50c3c481931a635a37780f00d2727ae71aee9b40f8d1aae68535c77a56317812"
		  "beb5525d4a28364f31224acac52cf72d",
		    "ROCA" },
		{ "e36099d4b2fbf4b58d6a19bb57fc3443f67d86c759169ae8038d46ec28e0256a6730e95f7f9da57c81cd3567b0da5a71"
		  "6fec1a5f15e56c3731075f5351dcbab32b16050c3d72b5ee6c1408aa0f8ce34fa3ef9c6962f4e75b6512af8706551d28"
		  "19ac900224e4108d24b89f37580853a73aec654f90763d70e5a36fa7d1cbbeed927ab004b7471fa3fb71c91feeeaff9e"
		  "1ef464f9913b84f8da37a8d356950d00019d6701fc749da72b5b88d48a6998ebcc096a4bc711ffbe6b89627683c14e14"
		  "fa0ca26a17c228c067295ff8117cc7095537c275e6996e1dc1452cb7f51240364e81841f5bb7df604df747bf774d269f"
		  "38a35bf93402a08561ff89e0c43d2f97",
		    "Fermat" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		BIGNUM *modulus = NULL;
		struct err e;
		assert_true(BN_hex2bn(&modulus, rows[i].modulus) > 0);
		assert_int_equal(check(modulus, &e), ERR_BAD_PUBLIC_KEY);
		assert_non_null(strstr(e.detail, rows[i].why));
		BN_free(modulus);
	}
}

/* a^k of just 2048 bits, without small factors; `more` is added to it. */
static enum err_code check_power_of(unsigned k, unsigned more, struct err *e)
{
	BIGNUM *a = BN_new(), *n = BN_new(), *exponent = BN_new();

	BN_set_word(exponent, k);
	do {
		BN_rand(a, (int)(2048 / k) + 1, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
		BN_exp(n, a, exponent, ctx);
		BN_add_word(n, more);
	} while (BN_num_bits(n) != 2048 || has_small_factor(n));
	enum err_code rc = check(n, e);
	BN_free(a);
	BN_free(n);
	BN_free(exponent);
	return rc;
}

static void powers_are_found(void **state)
{
	static const unsigned ks[] = { 3, 5, 7, 9, 11, 15, 31, 77, 127 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
		assert_int_equal(check_power_of(ks[i], 0, &e), ERR_BAD_PUBLIC_KEY);
		assert_string_equal(e.detail, "the RSA modulus is a power of another number");
		assert_int_equal(check_power_of(ks[i], 2, &e), ERR_OK);
	}
}

/* p * p, where p * q is due. */
static void a_square_is_found(void **state)
{
	BIGNUM *p = BN_new(), *n = BN_new();
	struct err e;

	(void)state;
	do
		BN_rand(p, 1024, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
	while (has_small_factor(p));
	BN_sqr(n, p, ctx);
	assert_int_equal(check(n, &e), ERR_BAD_PUBLIC_KEY);
	assert_non_null(strstr(e.detail, "Fermat"));
	BN_free(p);
	BN_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_keys_pass),
		cmocka_unit_test(roca_is_recognised),
		cmocka_unit_test(half_of_roca_is_not),
		cmocka_unit_test(small_factors_are_found),
		cmocka_unit_test(near_factors_are_found),
		cmocka_unit_test(keys_of_the_wild_are_found),
		cmocka_unit_test(powers_are_found),
		cmocka_unit_test(a_square_is_found),
	};

	crypto_init();
	ctx = BN_CTX_new();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	BN_CTX_free(ctx);
	return failed;
}
