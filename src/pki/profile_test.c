#include "pki/profile.h"

#include "pki/test_support.h"

static void keys_are_those_of_the_profile(void **state)
{
	static const struct {
		uint32_t types, rsa_bits_max;
		enum key_type key;
		unsigned bits;
		const char *why; /* NULL: allowed */
	} rows[] = {
		{ 1u << KEY_EC_P256, 0, KEY_EC_P256, 0, NULL },
		{ 1u << KEY_EC_P256, 0, KEY_EC_P384, 0, "the CSR's key is ecdsa-p384: this profile takes ecdsa-p256" },
		{ 1u << KEY_EC_P384, 0, KEY_EC_P384, 0, NULL },
		{ 1u << KEY_EC_P256 | 1u << KEY_EC_P384 | 1u << KEY_RSA, 4096, KEY_ED25519, 0,
		    "the CSR's key is ed25519: this profile takes ecdsa-p256, ecdsa-p384, rsa up to 4096 bits" },
		{ 1u << KEY_EC_P256, 4096, KEY_RSA, 2048, "the CSR's key is RSA of 2048 bits: this profile takes ecdsa-p256" },
		{ 1u << KEY_RSA, 2048, KEY_RSA, 2048, NULL },
		{ 1u << KEY_RSA, 2048, KEY_RSA, 2056, "the CSR's key is RSA of 2056 bits: this profile takes rsa up to 2048 bits" },
		{ 0, 4096, KEY_EC_P256, 0, "the CSR's key is ecdsa-p256: this profile takes " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		struct profile p = { .key_types = rows[i].types, .rsa_bits_max = rows[i].rsa_bits_max };
		struct err e = { 0 };
		assert_int_equal(key_generate(rows[i].key, rows[i].bits, &k, NULL), ERR_OK);
		assert_int_equal(profile_allows_key(&p, k, &e), rows[i].why ? ERR_BAD_CSR : ERR_OK);
		if (rows[i].why)
			assert_string_equal(e.detail, rows[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_profile),
	};

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
