#include "pki/test_support.h"

#include <stdio.h>

/* For each type of key: we read it, and so do OpenSSL and GnuTLS. */
static void requests_hold_everywhere(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 65536);
	struct leaf_request r;

	(void)state;
	assert_non_null(a);
	leaf_make(KEY_EC_P256, &r);
	for (unsigned t = 0; t <= KEY_ED25519; t++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CSR_SIZE_MAX);
		struct key *k CLEANUP(key_free_p) = NULL;
		struct csr c;
		struct err e;
		if (csr_write(test_key((enum key_type)t), r.names, r.n_names, &b, &e) != ERR_OK ||
		    csr_parse(a, buf_bytes(&b), &c, &e) != ERR_OK || csr_verify(&c, &k, &e) != ERR_OK)
			fail_msg("%s", e.detail);
		assert_int_equal(key_type(k), t);
		assert_int_equal(c.alg, key_sig_alg(k));
		assert_true(bytes_eq(c.spki, key_spki(test_key((enum key_type)t))));
		assert_false(c.must_staple);
		assert_int_equal(c.n_names, r.n_names);
		for (size_t i = 0; i < r.n_names; i++)
			assert_int_equal(san_cmp(&c.names[i], &r.names[i]), 0);

		test_write("ours.csr", buf_bytes(&b));
		const char *said = test_run("openssl req -inform DER -in ours.csr -verify -noout -text");
		assert_non_null(strstr(said, "request self-signature verify OK"));
		assert_non_null(strstr(said, "DNS:*.example.org, DNS:example.org, IP Address:2001:DB8:0:0:0:0:0:1, IP Address:192.0.2.1"));
		said = test_run("certtool --crq-info --inder --infile ours.csr");
		assert_non_null(strstr(said, "Self signature: verified"));
		assert_non_null(strstr(said, "IPAddress: 192.0.2.1"));
	}
}

static void what_does_not_fit_is_a_failure(void **state)
{
	struct key *public CLEANUP(key_free_p) = NULL;
	struct buf small CLEANUP(buf_free_p) = buf_new(100), b CLEANUP(buf_free_p) = buf_new(CSR_SIZE_MAX);
	struct leaf_request r;

	(void)state;
	leaf_make(KEY_EC_P256, &r);
	assert_int_equal(csr_write(test_key(KEY_EC_P256), r.names, r.n_names, &small, NULL), ERR_NOMEM);
	assert_int_equal(key_from_spki(key_spki(test_key(KEY_EC_P256)), &public, NULL), ERR_OK);
	assert_int_equal(csr_write(public, r.names, r.n_names, &b, NULL), ERR_BUG);
	static uint8_t long_name[CSR_SIZE_MAX];
	struct san large = { SAN_DNS, BYTES_ARRAY(long_name) };
	assert_int_equal(csr_write(test_key(KEY_EC_P256), &large, 1, &b, NULL), ERR_NOMEM);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_hold_everywhere),
		cmocka_unit_test(what_does_not_fit_is_a_failure),
	};

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
