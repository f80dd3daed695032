#include "client/keys.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A signer elsewhere: here another handle, or what a test wants it to do. */
struct signer {
	const struct chancery_key *key;
	int rc;
	size_t add; /* to the length that it tells */
	bool flip;
};

static enum err_code keys_sign(
    const struct chancery_key *k, enum sig_form form, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	struct keys_signature g = { .key = k, .message = message };

	if (k->sign && keys_ask(&g) != 0)
		FAIL(e, CRYPTO, "the signer failed");
	return keys_take(&g, form, sig, ret_len, e);
}

static int sign(void *context, const unsigned char *message, size_t message_len, unsigned char *signature, size_t *signature_len)
{
	struct signer *s = context;

	if (keys_sign(s->key, SIG_FORM_X509, (struct bytes){ message, message_len }, signature, signature_len, NULL) != ERR_OK)
		return -1;
	if (s->flip)
		signature[*signature_len / 2] ^= 1;
	*signature_len += s->add;
	return s->rc;
}

static struct chancery_key *make(enum chancery_key_type type)
{
	struct chancery_key *k = NULL;

	assert_int_equal(chancery_key_generate(type, &k), CHANCERY_OK);
	return k;
}

static struct chancery_key *elsewhere(struct signer *s)
{
	struct chancery_key *k = NULL;
	size_t len;
	const unsigned char *spki = chancery_key_spki(s->key, &len);

	assert_int_equal(chancery_key_external(spki, len, sign, s, &k), CHANCERY_OK);
	return k;
}

/* Both forms verify, and JOSE's has its fixed width, whatever the key: many times, for the numbers' leading zeros. */
static void a_key_elsewhere_signs_in_both_forms(void **state)
{
	static const struct {
		enum chancery_key_type type;
		size_t jose_len;
		int times;
	} rows[] = { { CHANCERY_KEY_ECDSA_P256, 64, 300 }, { CHANCERY_KEY_ECDSA_P384, 96, 50 }, { CHANCERY_KEY_RSA_2048, 256, 3 } };
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct signer s = { .key = make(rows[i].type) };
		struct chancery_key *k = elsewhere(&s);
		for (int n = 0; n < rows[i].times; n++) {
			struct bytes message = { (const uint8_t *)&n, sizeof n };
			assert_int_equal(keys_sign(k, SIG_FORM_JOSE, message, sig, &len, NULL), ERR_OK);
			assert_int_equal(len, rows[i].jose_len);
			assert_int_equal(key_verify(k->key, SIG_FORM_JOSE, message, (struct bytes){ sig, len }, NULL), ERR_OK);
			assert_int_equal(keys_sign(k, SIG_FORM_X509, message, sig, &len, NULL), ERR_OK);
			assert_int_equal(key_verify(k->key, SIG_FORM_X509, message, (struct bytes){ sig, len }, NULL), ERR_OK);
		}
		chancery_key_free(k);
		chancery_key_free((struct chancery_key *)(uintptr_t)s.key);
	}
}

static void a_signer_that_fails_or_lies(void **state)
{
	struct chancery_key *right = make(CHANCERY_KEY_ECDSA_P256), *wrong = make(CHANCERY_KEY_ECDSA_P256);
	struct signer s = { .key = right };
	struct chancery_key *k = elsewhere(&s);
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t len;
	struct err e;

	(void)state;
	s.rc = -1;
	assert_int_equal(keys_sign(k, SIG_FORM_JOSE, BYTES_LIT("m"), sig, &len, &e), ERR_CRYPTO);
	s = (struct signer){ .key = wrong };
	assert_int_equal(keys_sign(k, SIG_FORM_JOSE, BYTES_LIT("m"), sig, &len, &e), ERR_CRYPTO);
	s = (struct signer){ .key = right, .flip = true };
	assert_int_equal(keys_sign(k, SIG_FORM_X509, BYTES_LIT("m"), sig, &len, &e), ERR_CRYPTO);
	s = (struct signer){ .key = right, .add = 100000 };
	assert_int_equal(keys_sign(k, SIG_FORM_X509, BYTES_LIT("m"), sig, &len, &e), ERR_CRYPTO);
	s = (struct signer){ .key = right };
	assert_int_equal(keys_sign(k, SIG_FORM_X509, BYTES_LIT("m"), sig, &len, &e), ERR_OK);
	chancery_key_free(k);
	chancery_key_free(right);
	chancery_key_free(wrong);
}

static void pem_there_and_back(void **state)
{
	struct chancery_key *k = make(CHANCERY_KEY_ECDSA_P384), *again = NULL;
	char *pem;
	size_t len, n, m;

	(void)state;
	assert_int_equal(chancery_key_to_pem(k, &pem, &len), CHANCERY_OK);
	assert_int_equal(strlen(pem), len);
	assert_int_equal(chancery_key_from_pem(pem, len, &again), CHANCERY_OK);
	const unsigned char *a = chancery_key_spki(k, &n), *b = chancery_key_spki(again, &m);
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	chancery_secret_free(pem, len);
	chancery_secret_free(NULL, 0);
	chancery_key_free(again);
	chancery_key_free(k);
}

static void what_is_no_key(void **state)
{
	struct chancery_key *k = NULL, *real = make(CHANCERY_KEY_ECDSA_P256);
	struct signer s = { .key = real };
	size_t len;
	const unsigned char *spki = chancery_key_spki(real, &len);
	char *pem;

	(void)state;
	assert_int_equal(chancery_key_from_pem("", 0, &k), CHANCERY_USAGE);
	assert_int_equal(chancery_key_from_pem(NULL, 0, &k), CHANCERY_USAGE);
	assert_int_equal(chancery_key_generate((enum chancery_key_type)99, &k), CHANCERY_USAGE);
	assert_int_equal(chancery_key_external(spki, len, NULL, NULL, &k), CHANCERY_USAGE);
	assert_int_equal(chancery_key_external(spki, len - 1, sign, &s, &k), CHANCERY_USAGE);
	assert_int_equal(chancery_key_external(NULL, 0, sign, &s, &k), CHANCERY_USAGE);
	assert_null(k);
	k = elsewhere(&s);
	assert_int_equal(chancery_key_to_pem(k, &pem, &len), CHANCERY_USAGE);
	chancery_key_free(k);
	chancery_key_free(real);
	chancery_key_free(NULL);
}

/* --- the handle of a client --- */

static int deploy_nothing(void *context, const struct chancery_challenge *challenge)
{
	(void)context;
	(void)challenge;
	return 0;
}

static void settings_are_checked(void **state)
{
	struct chancery_client *c = chancery_client_new("https://localhost/dir");
	char long_product[102];

	(void)state;
	memset(long_product, 'a', 101);
	long_product[101] = 0;
	assert_int_equal(chancery_client_set_timeout(c, 0), CHANCERY_USAGE);
	assert_int_equal(chancery_error_result(chancery_client_error(c)), CHANCERY_USAGE);
	assert_true(*chancery_error_message(chancery_client_error(c)) != 0);
	assert_int_equal(chancery_client_set_timeout(c, 604801), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_timeout(c, 1), CHANCERY_OK);
	assert_int_equal(chancery_error_result(chancery_client_error(c)), CHANCERY_OK);
	assert_int_equal(chancery_client_set_user_agent(c, "a\r\nX: y"), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_user_agent(c, ""), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_user_agent(c, long_product), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_user_agent(c, long_product + 1), CHANCERY_OK);
	assert_int_equal(chancery_client_add_contact(c, "nobody"), CHANCERY_USAGE);
	for (int i = 0; i < 8; i++)
		assert_int_equal(chancery_client_add_contact(c, "mailto:a@example.org"), CHANCERY_OK);
	assert_int_equal(chancery_client_add_contact(c, "mailto:a@example.org"), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_solver(c, "http-01", NULL, NULL, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_solver(c, "http-02", deploy_nothing, NULL, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_use_listener(c, NULL, 0), CHANCERY_USAGE);
	assert_int_equal(chancery_client_use_webroot(c, NULL), CHANCERY_USAGE);
	assert_int_equal(chancery_client_set_account_key(c, NULL), CHANCERY_USAGE);
	chancery_client_free(c);
	chancery_client_free(NULL);
	assert_null(chancery_client_error(NULL));
}

static void what_is_missing_is_told_before_anything_is_sent(void **state)
{
	struct chancery_client *c = chancery_client_new("http://localhost/dir");
	struct chancery_key *k = make(CHANCERY_KEY_ECDSA_P256);
	struct chancery_certificate *cert = NULL;
	const char *name = "example.org", *wild = "*.example.org";

	(void)state;
	assert_int_equal(chancery_client_issue(c, &name, 1, k, &cert), CHANCERY_USAGE);
	assert_non_null(strstr(chancery_error_message(chancery_client_error(c)), "account key"));
	assert_int_equal(chancery_client_set_account_key(c, k), CHANCERY_OK);
	assert_int_equal(chancery_client_issue(c, &name, 1, k, &cert), CHANCERY_USAGE);
	assert_non_null(strstr(chancery_error_message(chancery_client_error(c)), "solves challenges"));
	assert_int_equal(chancery_client_set_solver(c, "http-01", deploy_nothing, NULL, NULL), CHANCERY_OK);
	assert_int_equal(chancery_client_issue(c, &name, 0, k, &cert), CHANCERY_USAGE);
	assert_int_equal(chancery_client_issue(c, &name, 1, NULL, &cert), CHANCERY_USAGE);
	assert_int_equal(chancery_client_issue(c, &wild, 1, k, &cert), CHANCERY_USAGE);
	assert_non_null(strstr(chancery_error_message(chancery_client_error(c)), "wildcard"));
	assert_int_equal(chancery_client_issue(c, &name, 1, k, &cert), CHANCERY_USAGE);
	assert_non_null(strstr(chancery_error_message(chancery_client_error(c)), "https://"));
	assert_null(cert);
	chancery_key_free(k); /* the client still holds it */
	chancery_client_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_elsewhere_signs_in_both_forms),
		cmocka_unit_test(a_signer_that_fails_or_lies),
		cmocka_unit_test(pem_there_and_back),
		cmocka_unit_test(what_is_no_key),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(what_is_missing_is_told_before_anything_is_sent),
	};
	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
