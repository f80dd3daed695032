#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/sig_form.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE BYTES_LIT("a message of some length, so that digests have something to do")

static struct key *keys[KEY__MAX];    /* private */
static struct key *publics[KEY__MAX]; /* their public halves */

static int make_keys(void **state)
{
	(void)state;
	crypto_init();
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++)
		if (key_generate((enum key_type)t, 2048, &keys[t], NULL) != ERR_OK ||
		    key_from_spki(key_spki(keys[t]), &publics[t], NULL) != ERR_OK)
			return -1;
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		key_free(keys[t]);
		key_free(publics[t]);
	}
	return 0;
}

static bool is_ec(unsigned t)
{
	return t == KEY_EC_P256 || t == KEY_EC_P384;
}

static void signatures_verify_in_both_forms(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		for (unsigned form = SIG_FORM_JOSE; form <= SIG_FORM_X509; form++) {
			uint8_t sig[KEY_SIG_SIZE_MAX];
			size_t len = 0;
			assert_int_equal(key_sign(keys[t], (enum sig_form)form, MESSAGE, sig, &len, NULL), ERR_OK);
			struct bytes s = { sig, len };
			assert_int_equal(key_verify(publics[t], (enum sig_form)form, MESSAGE, s, NULL), ERR_OK);
			assert_int_equal(key_verify(keys[t], (enum sig_form)form, MESSAGE, s, NULL), ERR_OK);
			assert_int_equal(key_verify(publics[t], (enum sig_form)form, BYTES_LIT("another"), s, NULL), ERR_UNAUTHORIZED);
			assert_int_equal(key_verify(publics[t], (enum sig_form)form, BYTES_NONE, s, NULL), ERR_UNAUTHORIZED);
		}
	}
}

static void an_empty_message_can_be_signed(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		assert_int_equal(key_sign(keys[t], SIG_FORM_JOSE, BYTES_NONE, sig, &len, NULL), ERR_OK);
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, BYTES_LIT(""), (struct bytes){ sig, len }, NULL), ERR_OK);
	}
}

static void every_flipped_bit_is_seen(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		/* P-384 without its own assembly takes a millisecond for each */
		size_t step = t >= KEY_ML_DSA_44 ? 61 : t == KEY_EC_P384 ? 13 : t == KEY_RSA ? 7 : 1;
		assert_int_equal(key_sign(keys[t], SIG_FORM_JOSE, MESSAGE, sig, &len, NULL), ERR_OK);
		for (size_t bit = 0; bit < len * 8; bit += step) {
			sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
			    key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len }, NULL), ERR_UNAUTHORIZED);
			sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void another_keys_signature_is_refused(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct key *other CLEANUP(key_free_p) = NULL;
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		assert_int_equal(key_generate((enum key_type)t, 2048, &other, NULL), ERR_OK);
		assert_int_equal(key_sign(other, SIG_FORM_JOSE, MESSAGE, sig, &len, NULL), ERR_OK);
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len }, NULL), ERR_UNAUTHORIZED);
	}
}

static void public_keys_do_not_sign(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 12345;
		assert_int_equal(key_sign(publics[t], SIG_FORM_JOSE, MESSAGE, sig, &len, NULL), ERR_BUG);
		assert_int_equal(len, 12345);
	}
}

/* RFC 7518 §3.4: "The ECDSA signature is the value R || S": DER there is a known mistake of clients. */
static void one_form_is_not_taken_for_the_other(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		uint8_t jose[KEY_SIG_SIZE_MAX], der[KEY_SIG_SIZE_MAX];
		size_t jose_len = 0, der_len = 0;
		assert_int_equal(key_sign(keys[t], SIG_FORM_JOSE, MESSAGE, jose, &jose_len, NULL), ERR_OK);
		assert_int_equal(key_sign(keys[t], SIG_FORM_X509, MESSAGE, der, &der_len, NULL), ERR_OK);
		enum err_code want = is_ec(t) ? ERR_MALFORMED : ERR_OK;
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ der, der_len }, NULL), want);
		assert_int_equal(key_verify(publics[t], SIG_FORM_X509, MESSAGE, (struct bytes){ jose, jose_len }, NULL), want);
	}
}

static void wrong_widths_are_malformed(void **state)
{
	uint8_t sig[KEY_SIG_SIZE_MAX + 1] = { 0 };

	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		size_t len = 0;
		assert_int_equal(key_sign(keys[t], SIG_FORM_JOSE, MESSAGE, sig, &len, NULL), ERR_OK);
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len - 1 }, NULL), ERR_MALFORMED);
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len + 1 }, NULL), ERR_MALFORMED);
		assert_int_equal(key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, BYTES_NONE, NULL), ERR_MALFORMED);
		assert_int_equal(key_verify(publics[t], SIG_FORM_X509, MESSAGE, BYTES_NONE, NULL), ERR_MALFORMED);
	}
}

/* CVE-2022-21449: a verifier that takes r = s = 0. */
static void zero_and_the_order_are_no_signature(void **state)
{
	uint8_t sig[96] = { 0 };
	const struct bytes zeros = BYTES_LIT("\x30\x06\x02\x01\x00\x02\x01\x00");

	(void)state;
	assert_int_equal(key_verify(publics[KEY_EC_P256], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, 64 }, NULL), ERR_UNAUTHORIZED);
	assert_int_equal(key_verify(publics[KEY_EC_P384], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, 96 }, NULL), ERR_UNAUTHORIZED);
	assert_int_equal(key_verify(publics[KEY_EC_P256], SIG_FORM_X509, MESSAGE, zeros, NULL), ERR_UNAUTHORIZED);
	memset(sig, 0xff, sizeof sig);
	assert_int_equal(key_verify(publics[KEY_EC_P256], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, 64 }, NULL), ERR_UNAUTHORIZED);
}

/* libcrypto's whole-message interface agrees with our digest and its raw one. */
static void openssl_verifies_what_we_sign(void **state)
{
	static const char *const digests[KEY__MAX] = { [KEY_EC_P256] = "SHA256", [KEY_EC_P384] = "SHA384", [KEY_RSA] = "SHA256" };

	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct bytes spki = key_spki(keys[t]), m = MESSAGE;
		const unsigned char *p = spki.ptr;
		EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)spki.len);
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		assert_int_equal(key_sign(keys[t], SIG_FORM_X509, MESSAGE, sig, &len, NULL), ERR_OK);
		assert_int_equal(EVP_DigestVerifyInit_ex(c, NULL, digests[t], NULL, NULL, pkey, NULL), 1);
		assert_int_equal(EVP_DigestVerify(c, sig, len, m.ptr, m.len), 1);
		EVP_MD_CTX_free(c);
		EVP_PKEY_free(pkey);
	}
}

static void forms_convert_at_every_width(void **state)
{
	uint8_t jose[96], der[ECDSA_DER_MAX], back[96];

	(void)state;
	for (size_t width = 32; width <= 48; width += 16) {
		for (size_t zeros = 0; zeros <= width; zeros++) {
			for (unsigned top = 0x01; top <= 0x80; top <<= 7) {
				memset(jose, 0x33, sizeof jose);
				memset(jose, 0, zeros);
				if (zeros < width)
					jose[zeros] = (uint8_t)top;
				jose[width] = (uint8_t)top;
				size_t len = ecdsa_to_der((struct bytes){ jose, 2 * width }, width, der);
				assert_in_range(len, 8, ECDSA_DER_MAX);
				assert_true(ecdsa_from_der((struct bytes){ der, len }, width, back));
				assert_memory_equal(back, jose, 2 * width);
			}
		}
	}
}

static void small_numbers_are_signed_with_leading_zeros(void **state)
{
	(void)state;
	/* One signature in 128 has an r or s shorter than the field; all are of the same width. */
	for (int i = 0; i < 600; i++) {
		uint8_t sig[KEY_SIG_SIZE_MAX];
		size_t len = 0;
		assert_int_equal(key_sign(keys[KEY_EC_P256], SIG_FORM_JOSE, MESSAGE, sig, &len, NULL), ERR_OK);
		assert_int_equal(len, 64);
		assert_int_equal(key_verify(publics[KEY_EC_P256], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len }, NULL), ERR_OK);
	}
}

static void loose_der_is_refused(void **state)
{
	const struct bytes bad[] = {
		BYTES_LIT(""), BYTES_LIT("\x30"), BYTES_LIT("\x30\x00"), BYTES_LIT("\x30\x03\x02\x01\x01"), /* one number */
		BYTES_LIT("\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01"),                                  /* three */
		BYTES_LIT("\x30\x06\x02\x01\x01\x02\x01\x01\x00"),                                          /* a byte behind */
		BYTES_LIT("\x30\x81\x06\x02\x01\x01\x02\x01\x01"), /* long form of a short length */
		BYTES_LIT("\x30\x82\x00\x06\x02\x01\x01\x02\x01\x01"), BYTES_LIT("\x30\x84\x00\x00\x00\x06\x02\x01\x01\x02\x01\x01"),
		BYTES_LIT("\x30\x80\x02\x01\x01\x02\x01\x01\x00\x00"), /* BER's indefinite length */
		BYTES_LIT("\x30\x07\x02\x02\x00\x01\x02\x01\x01"),     /* needless zero */
		BYTES_LIT("\x30\x06\x02\x01\xff\x02\x01\x01"),         /* negative */
		BYTES_LIT("\x30\x05\x02\x00\x02\x01\x01"),             /* empty number */
		BYTES_LIT("\x31\x06\x02\x01\x01\x02\x01\x01"),         /* SET */
		BYTES_LIT("\x30\x06\x02\x01\x01\x02\x02\x01"),         /* past the end */
	};
	uint8_t out[64], wide[3 + 35 + 3] = { 0x30, 38, 0x02, 33, 0x01 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(ecdsa_from_der(bad[i], 32, out));
	memcpy(wide + 37, "\x02\x01\x01", 3); /* r of 257 bits */
	assert_false(ecdsa_from_der((struct bytes){ wide, 40 }, 32, out));
	assert_true(ecdsa_from_der((struct bytes){ wide, 40 }, 48, NULL));
}

/* What holds a private key for somebody else, and how it errs. */
struct holder {
	unsigned type;
	enum { HOLDER_SIGNS, HOLDER_SIGNS_ANOTHER, HOLDER_CUTS, HOLDER_GIVES_NOTHING, HOLDER_FAILS } how;
};

static enum err_code hold(void *ctx, const struct key *k, struct bytes digest, uint8_t *sig, size_t *ret_len, struct err *e)
{
	const struct holder *h = ctx;

	assert_int_equal(key_type(k), h->type);
	assert_int_equal(digest.len, h->type == KEY_EC_P384 ? SHA384_SIZE : SHA256_SIZE);
	if (h->how == HOLDER_FAILS)
		FAIL(e, BUSY, "away");
	enum err_code rc =
	    key_sign(keys[h->type], SIG_FORM_JOSE, h->how == HOLDER_SIGNS_ANOTHER ? BYTES_LIT("another") : MESSAGE, sig, ret_len, e);
	*ret_len = h->how == HOLDER_CUTS ? *ret_len - 1 : h->how == HOLDER_GIVES_NOTHING ? 0 : *ret_len;
	return rc;
}

static void a_key_elsewhere_gives_what_verifies_and_nothing_else(void **state)
{
	uint8_t sig[KEY_SIG_SIZE_MAX];
	struct buf pem = buf_new(8192);

	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct holder h = { .type = t };
		struct key *k = NULL;
		enum err_code rc = key_elsewhere(key_spki(keys[t]), hold, &h, &k, NULL);
		assert_int_equal(rc, t >= KEY_ED25519 ? ERR_BUG : ERR_OK);
		for (unsigned form = SIG_FORM_JOSE; k && form <= SIG_FORM_X509; form++)
			for (h.how = HOLDER_SIGNS; h.how <= HOLDER_FAILS; h.how++) {
				size_t len = 0;
				rc = key_sign(k, (enum sig_form)form, MESSAGE, sig, &len, NULL);
				assert_int_equal(rc, h.how == HOLDER_SIGNS ? ERR_OK : h.how == HOLDER_FAILS ? ERR_BUSY : ERR_CRYPTO);
				if (rc == ERR_OK)
					assert_int_equal(
					    key_verify(publics[t], (enum sig_form)form, MESSAGE, (struct bytes){ sig, len }, NULL), ERR_OK);
			}
		if (k)
			assert_int_not_equal(key_private_to_pem(k, &pem, NULL), ERR_OK);
		key_free(k);
	}
	buf_free(&pem);
}

static void *work(void *arg)
{
	uint8_t sig[KEY_SIG_SIZE_MAX];

	for (int i = 0; i < 40; i++) {
		unsigned t = (unsigned)i % (KEY_ED25519 + 1);
		size_t len = 0;
		struct key *mine CLEANUP(key_free_p) = key_ref(keys[t]);
		if (key_sign(mine, SIG_FORM_JOSE, MESSAGE, sig, &len, NULL) != ERR_OK ||
		    key_verify(publics[t], SIG_FORM_JOSE, MESSAGE, (struct bytes){ sig, len }, NULL) != ERR_OK)
			return arg;
	}
	return NULL;
}

/* One key for all: what the thread sanitizer looks at. */
static void threads_share_a_key(void **state)
{
	pthread_t threads[4];
	bool failed = true; /* only its address counts */

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &failed), 0);
	for (size_t i = 0; i < 4; i++) {
		void *bad = NULL;
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_verify_in_both_forms),
		cmocka_unit_test(an_empty_message_can_be_signed),
		cmocka_unit_test(every_flipped_bit_is_seen),
		cmocka_unit_test(another_keys_signature_is_refused),
		cmocka_unit_test(public_keys_do_not_sign),
		cmocka_unit_test(one_form_is_not_taken_for_the_other),
		cmocka_unit_test(wrong_widths_are_malformed),
		cmocka_unit_test(zero_and_the_order_are_no_signature),
		cmocka_unit_test(openssl_verifies_what_we_sign),
		cmocka_unit_test(forms_convert_at_every_width),
		cmocka_unit_test(small_numbers_are_signed_with_leading_zeros),
		cmocka_unit_test(loose_der_is_refused),
		cmocka_unit_test(a_key_elsewhere_gives_what_verifies_and_nothing_else),
		cmocka_unit_test(threads_share_a_key),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
