#include "crypto/digest.h"
#include "crypto/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text of a memory BIO, which the caller frees. */
static struct bytes text_of(BIO *bio)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return (struct bytes){ (const uint8_t *)p, (size_t)n };
}

static void private_keys_go_both_ways(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct key *k CLEANUP(key_free_p) = NULL, *back CLEANUP(key_free_p) = NULL;
		struct buf pem CLEANUP(buf_free_p) = buf_new_secret(8192), again CLEANUP(buf_free_p) = buf_new_secret(8192);
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		assert_int_equal(key_generate((enum key_type)t, 2048, &k, NULL), ERR_OK);
		assert_int_equal(key_private_to_pem(k, &pem, NULL), ERR_OK);
		assert_true(bytes_starts_with(buf_bytes(&pem), BYTES_LIT("-----BEGIN PRIVATE KEY-----\n")));
		assert_int_equal(key_private_from_pem(buf_bytes(&pem), &back, NULL), ERR_OK);
		assert_true(key_is_private(back));
		assert_true(bytes_eq(key_spki(back), key_spki(k)));
		assert_int_equal(key_private_to_pem(back, &again, NULL), ERR_OK);
		assert_true(bytes_eq(buf_bytes(&again), buf_bytes(&pem)));
		assert_int_equal(key_sign(back, SIG_FORM_JOSE, BYTES_LIT("m"), sig, &len, NULL), ERR_OK);
		assert_int_equal(key_verify(k, SIG_FORM_JOSE, BYTES_LIT("m"), (struct bytes){ sig, len }, NULL), ERR_OK);
	}
}

static void a_public_key_is_not_written(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL, *public_key CLEANUP(key_free_p) = NULL;
	struct buf secret CLEANUP(buf_free_p) = buf_new_secret(8192), open CLEANUP(buf_free_p) = buf_new(8192);
	struct buf small CLEANUP(buf_free_p) = buf_new_secret(100);

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &k, NULL), ERR_OK);
	assert_int_equal(key_from_spki(key_spki(k), &public_key, NULL), ERR_OK);
	assert_int_equal(key_private_to_pem(public_key, &secret, NULL), ERR_BUG);
	assert_int_equal(key_private_to_pem(k, &open, NULL), ERR_BUG);
	assert_int_equal(key_private_to_pem(k, &small, NULL), ERR_NOMEM);
}

/* "EC PRIVATE KEY" and "RSA PRIVATE KEY", after the block of parameters that `openssl ecparam -genkey` puts first. */
static void traditional_forms_are_read(void **state)
{
	EVP_PKEY *pkeys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048) };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		BIO *bio = BIO_new(BIO_s_mem());
		unsigned char *der = NULL;
		if (i < 2)
			BIO_puts(bio, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
		assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, pkeys[i], NULL, NULL, 0, NULL, NULL), 1);
		assert_int_equal(key_private_from_pem(text_of(bio), &k, NULL), ERR_OK);
		int len = i2d_PUBKEY(pkeys[i], &der);
		assert_true(bytes_eq(key_spki(k), (struct bytes){ der, (size_t)len }));
		OPENSSL_free(der);
		BIO_free(bio);
		EVP_PKEY_free(pkeys[i]);
	}
}

static enum err_code read_back(EVP_PKEY *pkey)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	struct err e;
	int written = PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	enum err_code rc = written == 1 ? key_private_from_pem(text_of(bio), &k, &e) : ERR_BUG;

	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return rc;
}

static void other_kinds_and_sizes_are_refused(void **state)
{
	(void)state;
	assert_int_equal(read_back(EVP_EC_gen("P-521")), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(read_back(EVP_EC_gen("secp256k1")), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(read_back(EVP_RSA_gen(1024)), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(read_back(EVP_RSA_gen(2050)), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(read_back(EVP_PKEY_Q_keygen(NULL, NULL, "ED448")), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(read_back(EVP_PKEY_Q_keygen(NULL, NULL, "X25519")), ERR_BAD_PUBLIC_KEY);
}

static void explicit_curve_parameters_are_refused(void **state)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(c, "P-256"), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_param_enc(c, OPENSSL_EC_EXPLICIT_CURVE), 1);
	assert_int_equal(EVP_PKEY_generate(c, &pkey), 1);
	EVP_PKEY_CTX_free(c);
	assert_int_equal(read_back(pkey), ERR_BAD_PUBLIC_KEY);
}

/* A private number of one key with the point of another. */
static void halves_of_two_keys_are_refused(void **state)
{
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256"), *mixed = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *d = NULL;
	unsigned char *point = NULL;
	size_t n = EVP_PKEY_get1_encoded_public_key(b, &point);

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(a, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &mixed, EVP_PKEY_KEYPAIR, params), 1);
	assert_int_equal(read_back(mixed), ERR_BAD_PUBLIC_KEY);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(c);
	OPENSSL_free(point);
	BN_free(d);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
}

/* No prompt at a terminal, no guess. */
static void encrypted_keys_are_refused(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	char pass[] = "pass";
	struct key *k = NULL;

	(void)state;
	for (int traditional = 0; traditional < 2; traditional++) {
		BIO *bio = BIO_new(BIO_s_mem());
		if (traditional)
			assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, pkey, EVP_aes_128_cbc(), NULL, 0, NULL, pass), 1);
		else
			assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_128_cbc(), NULL, 0, NULL, pass), 1);
		assert_int_equal(key_private_from_pem(text_of(bio), &k, NULL), ERR_UNAUTHORIZED);
		assert_int_equal(key_private_from_pem_with(text_of(bio), BYTES_LIT("pas"), &k, NULL), ERR_UNAUTHORIZED);
		assert_null(k);
		assert_int_equal(key_private_from_pem_with(text_of(bio), BYTES_LIT("pass"), &k, NULL), ERR_OK);
		key_free(k);
		k = NULL;
		BIO_free(bio);
	}
	assert_null(k);
	EVP_PKEY_free(pkey);
}

static void encrypted_keys_go_both_ways(void **state)
{
	static const enum key_type types[] = { KEY_EC_P256, KEY_RSA, KEY_ED25519 };
	uint8_t long_one[KEY_PASSPHRASE_MAX + 1] = { 'x' };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf pem CLEANUP(buf_free_p) = buf_new_secret(8192);
		struct key *k CLEANUP(key_free_p) = NULL, *again CLEANUP(key_free_p) = NULL;
		assert_int_equal(key_generate(types[i], 2048, &k, NULL), ERR_OK);
		assert_int_equal(key_private_to_pem_with(k, BYTES_LIT("open sesame"), &pem, NULL), ERR_OK);
		assert_true(bytes_starts_with(buf_bytes(&pem), BYTES_LIT("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
		assert_int_equal(key_private_from_pem_with(buf_bytes(&pem), BYTES_LIT("open sesame"), &again, NULL), ERR_OK);
		assert_true(bytes_eq(key_spki(again), key_spki(k)));
		assert_int_equal(key_private_to_pem_with(k, BYTES_ARRAY(long_one), &pem, NULL), ERR_CONFIG);
	}
}

static void what_is_no_private_key_is_refused(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	struct key *k = NULL;
	static uint8_t large[70000];

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	assert_int_equal(key_private_from_pem(text_of(bio), &k, NULL), ERR_MALFORMED);
	assert_int_equal(key_private_from_pem(BYTES_NONE, &k, NULL), ERR_MALFORMED);
	assert_int_equal(key_private_from_pem(BYTES_ARRAY(large), &k, NULL), ERR_MALFORMED);
	assert_int_equal(
	    key_private_from_pem(BYTES_LIT("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &k, NULL), ERR_MALFORMED);
	/* a public key under a private one's name */
	assert_int_equal(key_private_from_pem(BYTES_LIT("-----BEGIN PRIVATE KEY-----\n"
							"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
							"-----END PRIVATE KEY-----\n"),
			     &k, NULL),
	    ERR_MALFORMED);
	assert_null(k);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void cut_text_is_refused(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL, *back = NULL;
	struct buf pem CLEANUP(buf_free_p) = buf_new_secret(8192);

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &k, NULL), ERR_OK);
	assert_int_equal(key_private_to_pem(k, &pem, NULL), ERR_OK);
	for (size_t n = 0; n < pem.len - 30; n += 7)
		assert_int_equal(key_private_from_pem(bytes_slice(buf_bytes(&pem), 0, n), &back, NULL), ERR_MALFORMED);
	assert_null(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_keys_go_both_ways),
		cmocka_unit_test(a_public_key_is_not_written),
		cmocka_unit_test(traditional_forms_are_read),
		cmocka_unit_test(other_kinds_and_sizes_are_refused),
		cmocka_unit_test(explicit_curve_parameters_are_refused),
		cmocka_unit_test(halves_of_two_keys_are_refused),
		cmocka_unit_test(encrypted_keys_are_refused),
		cmocka_unit_test(encrypted_keys_go_both_ways),
		cmocka_unit_test(what_is_no_private_key_is_refused),
		cmocka_unit_test(cut_text_is_refused),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
