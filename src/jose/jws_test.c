#include "jose/jws.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "jose/jwk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL   "https://ca.example/acme/new-order"
#define NONCE "6S8IqOGY7eL2lsGoTZYifg"
#define KID   "https://ca.example/acme/acct/1"
/* 64 zero bytes: the right width, so that what stands before it is judged */
#define SIG64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct arena *arena;

/* RFC 7515 §A.2, §A.3 and RFC 8037 §A.4: signatures of others over their signing inputs. */
static void rfc_signatures_verify(void **state)
{
	static const struct {
		const char *jwk, *input, *sig;
		enum sig_alg alg;
	} cases[] = {
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
		    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
		    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", SIG_ES256 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", SIG_EDDSA },
		{ "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF"
		  "d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xs"
		  "mtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}",
		    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
		    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKB"
		    "YNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6Bf"
		    "I7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		    SIG_RS256 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		struct jws j = { .signing_input = bytes_str(cases[i].input), .alg = cases[i].alg };
		arena_reset(arena);
		assert_int_equal(jwk_parse(arena, bytes_str(cases[i].jwk), &k, NULL), ERR_OK);
		assert_int_equal(base64url_decode(arena, bytes_str(cases[i].sig), &j.signature, NULL), ERR_OK);
		assert_int_equal(jws_verify(&j, k, NULL), ERR_OK);
		j.signing_input = bytes_slice(j.signing_input, 0, j.signing_input.len - 1);
		assert_int_equal(jws_verify(&j, k, NULL), ERR_UNAUTHORIZED);
	}
}

static enum err_code sign_with_key(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	const struct key *k = ctx;

	return key_sign(k, SIG_FORM_JOSE, message, sig, ret_len, e);
}

static enum err_code refuse_to_sign(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	(void)ctx;
	(void)message;
	(void)sig;
	(void)ret_len;
	FAIL(e, TIMEOUT, "no answer");
}

static void written_requests_are_read(void **state)
{
	(void)state;
	for (unsigned t = 0; t <= KEY_ED25519; t++) {
		for (int with_jwk = 0; with_jwk < 2; with_jwk++) {
			struct key *k CLEANUP(key_free_p) = NULL;
			struct buf out CLEANUP(buf_free_p) = buf_new(65536), jwk CLEANUP(buf_free_p) = buf_new(JWK_SIZE_MAX);
			struct jws j;
			assert_int_equal(key_generate((enum key_type)t, 2048, &k, NULL), ERR_OK);
			jwk_write(k, &jwk);
			struct jws_header h = { .alg = key_sig_alg(k), .nonce = BYTES_LIT(NONCE), .url = BYTES_LIT(URL) };
			if (with_jwk)
				h.jwk = buf_bytes(&jwk);
			else
				h.kid = BYTES_LIT(KID);
			struct bytes payload = with_jwk ? BYTES_LIT("{\"a\":\"?>\"}") : BYTES_NONE;
			assert_int_equal(jws_write(&h, payload, sign_with_key, k, &out, NULL), ERR_OK);
			arena_reset(arena);
			assert_int_equal(jws_parse(arena, buf_bytes(&out), JWS_NONCE_REQUIRED, &j, NULL), ERR_OK);
			assert_int_equal(j.alg, key_sig_alg(k));
			assert_true(bytes_eq_str(j.nonce, NONCE));
			assert_true(bytes_eq_str(j.url, URL));
			assert_true(bytes_eq(j.kid, h.kid) && (j.kid.ptr == NULL) == (h.kid.ptr == NULL));
			assert_true(bytes_eq(j.jwk, h.jwk) && (j.jwk.ptr == NULL) == (h.jwk.ptr == NULL));
			assert_non_null(j.payload.ptr);
			assert_true(bytes_eq(j.payload, payload));
			assert_int_equal(jws_verify(&j, k, NULL), ERR_OK);
		}
	}
}

static void writing_passes_failures_on(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct buf out CLEANUP(buf_free_p) = buf_new(65536), small CLEANUP(buf_free_p) = buf_new(100);
	struct jws_header h = { .alg = SIG_ES256, .url = BYTES_LIT(URL), .kid = BYTES_LIT(KID) };

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &k, NULL), ERR_OK);
	assert_int_equal(jws_write(&h, BYTES_NONE, refuse_to_sign, NULL, &out, NULL), ERR_TIMEOUT);
	assert_int_equal(jws_write(&h, BYTES_NONE, sign_with_key, k, &small, NULL), ERR_NOMEM);
	h.jwk = BYTES_LIT("{}");
	assert_int_equal(jws_write(&h, BYTES_NONE, sign_with_key, k, &out, NULL), ERR_BUG);
	h.jwk = h.kid = BYTES_NONE;
	assert_int_equal(jws_write(&h, BYTES_NONE, sign_with_key, k, &out, NULL), ERR_BUG);
	h.kid = BYTES_LIT(KID);
	h.url = BYTES_NONE;
	assert_int_equal(jws_write(&h, BYTES_NONE, sign_with_key, k, &out, NULL), ERR_BUG);
	assert_int_equal(out.len, 0);
}

/* Parses a JWS with this protected header. */
static enum err_code parse_header(const char *header, enum jws_nonce nonce, struct jws *j)
{
	struct buf out CLEANUP(buf_free_p) = buf_new(65536);

	buf_add_str(&out, "{\"protected\":\"");
	base64url_add(&out, bytes_str(header));
	buf_add_str(&out, "\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}");
	arena_reset(arena);
	return jws_parse(arena, arena_copy(arena, buf_bytes(&out)), nonce, j, NULL);
}

#define GOOD_HEADER "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}"

static void protected_headers_are_judged(void **state)
{
	static const struct {
		const char *header;
		enum err_code want;
	} cases[] = {
		{ GOOD_HEADER, ERR_OK },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"jwk\":{\"kty\":\"EC\"}}", ERR_OK },
		/* RFC 7515 §4: what is not understood must be ignored */
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"typ\":\"JOSE\",\"x\":[1]}",
		    ERR_OK },
		{ "{\"alg\":\"ES\\u003256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_OK },
		/* algorithms */
		{ "{\"alg\":\"none\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"alg\":\"PS256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"alg\":\"\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":null,\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":[\"ES256\"],\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		/* an algorithm with a signature of another's width */
		{ "{\"alg\":\"ES384\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"RS256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_OK },
		/* nonce */
		{ "{\"alg\":\"ES256\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"a=\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"a+b\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":null,\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		/* url */
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":7,\"kid\":\"" KID "\"}", ERR_MALFORMED },
		/* jwk and kid */
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"jwk\":{}}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"\",\"jwk\":{}}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"jwk\":null}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"jwk\":\"{}\"}", ERR_MALFORMED },
		/* extensions */
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"crit\":[\"exp\"]}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"crit\":[]}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"crit\":null}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"b64\":false}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\",\"b64\":true}", ERR_MALFORMED },
		/* JSON */
		{ "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}", ERR_MALFORMED },
		{ "{\"alg\":\"ES256\",\"\\u0061lg\":\"ES256\",\"nonce\":\"" NONCE "\",\"url\":\"" URL "\",\"kid\":\"" KID "\"}",
		    ERR_MALFORMED },
		{ GOOD_HEADER GOOD_HEADER, ERR_MALFORMED },
		{ "[" GOOD_HEADER "]", ERR_MALFORMED },
		{ "", ERR_MALFORMED },
		{ "\"\"", ERR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct jws j = { .alg = SIG__MAX };
		enum err_code rc = parse_header(cases[i].header, JWS_NONCE_REQUIRED, &j);
		if (rc != cases[i].want)
			print_error("header %s\n", cases[i].header);
		assert_int_equal(rc, cases[i].want);
		assert_int_equal(rc != ERR_OK, j.alg == SIG__MAX); /* untouched on failure */
	}
}

/* RFC 8555 §7.3.5: the inner JWS "MUST have the same "url" header parameter as the outer JWS" and "omit the "nonce"" */
static void inner_requests_have_no_nonce(void **state)
{
	struct jws j;

	(void)state;
	assert_int_equal(parse_header(GOOD_HEADER, JWS_NONCE_FORBIDDEN, &j), ERR_MALFORMED);
	assert_int_equal(parse_header("{\"alg\":\"ES256\",\"url\":\"" URL "\",\"jwk\":{}}", JWS_NONCE_FORBIDDEN, &j), ERR_OK);
	assert_null(j.nonce.ptr);
}

/* A whole request from the texts of its members; base64url of GOOD_HEADER stands for %s. */
static enum err_code parse_request(const char *format, struct jws *j)
{
	char header[BASE64URL_LEN(sizeof GOOD_HEADER) + 1];
	const char *at = strstr(format, "%s");
	struct buf out CLEANUP(buf_free_p) = buf_new(1u << 20);

	base64url_encode(BYTES_LIT(GOOD_HEADER), header);
	if (at) {
		buf_add(&out, (struct bytes){ (const uint8_t *)format, (size_t)(at - format) });
		buf_add_str(&out, header);
		buf_add_str(&out, at + 2);
	} else {
		buf_add_str(&out, format);
	}
	arena_reset(arena);
	return jws_parse(arena, arena_copy(arena, buf_bytes(&out)), JWS_NONCE_REQUIRED, j, NULL);
}

static void requests_are_judged(void **state)
{
	static const struct {
		const char *request;
		enum err_code want;
	} cases[] = {
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_OK },
		{ " {\"signature\":\"" SIG64 "\",\n\"payload\":\"\" , \"protected\":\"%s\",\"more\":1} ", ERR_OK },
		{ "{\"protected\":\"%s\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\"}", ERR_MALFORMED },
		{ "{\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s=\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s.\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e31\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED }, /* trailing bits */
		{ "{\"protected\":\"%s\",\"payload\":\"e30=\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e 30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":{},\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":null,\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		/* signatures of other sizes and none */
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"AAAA\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "AA\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "==\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 SIG64 SIG64 SIG64 SIG64 SIG64 SIG64 SIG64 SIG64 "\"}",
		    ERR_MALFORMED },
		/* the general form, and headers that no signature protects */
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\",\"header\":{}}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\",\"header\":null}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\",\"signatures\":[]}", ERR_MALFORMED },
		{ "{\"payload\":\"e30\",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"" SIG64 "\"}]}", ERR_MALFORMED },
		{ "%s.e30." SIG64, ERR_MALFORMED },
		/* JSON */
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}x", ERR_MALFORMED },
		{ "{\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"", ERR_MALFORMED },
		{ "[]", ERR_MALFORMED },
		{ "", ERR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct jws j = { .alg = SIG__MAX };
		enum err_code rc = parse_request(cases[i].request, &j);
		if (rc != cases[i].want)
			print_error("request %s\n", cases[i].request);
		assert_int_equal(rc, cases[i].want);
		assert_int_equal(rc != ERR_OK, j.alg == SIG__MAX);
	}
}

/* Escapes in JSON change nothing: what is signed is the string. */
static void escaped_members_are_the_same_request(void **state)
{
	struct jws j;

	(void)state;
	assert_int_equal(
	    parse_request("{\"protected\":\"%s\",\"p\\u0061yload\":\"\\u00653\\u0030\",\"signature\":\"" SIG64 "\"}", &j), ERR_OK);
	assert_true(bytes_eq_str(j.payload, "{}"));
	assert_true(bytes_ends_with(j.signing_input, BYTES_LIT(".e30")));
}

static void oversize_is_refused(void **state)
{
	struct buf out CLEANUP(buf_free_p) = buf_new(1u << 20);
	struct jws j;

	(void)state;
	buf_add_str(&out, "{\"more\":\"");
	for (int i = 0; i < 200 * 1024; i++)
		buf_add_u8(&out, 'a');
	buf_add_str(&out, "\",\"protected\":\"%s\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}");
	buf_add_u8(&out, 0);
	assert_int_equal(parse_request((const char *)out.ptr, &j), ERR_MALFORMED);
}

static void without_memory_it_says_so(void **state)
{
	struct arena *small CLEANUP(arena_free_p) = arena_new(64, 64);
	struct buf out CLEANUP(buf_free_p) = buf_new(65536);
	struct jws j;

	(void)state;
	buf_add_str(&out, "{\"protected\":\"");
	base64url_add(&out, BYTES_LIT(GOOD_HEADER));
	buf_add_str(&out, "\",\"payload\":\"e30\",\"signature\":\"" SIG64 "\"}");
	assert_int_equal(jws_parse(small, buf_bytes(&out), JWS_NONCE_REQUIRED, &j, NULL), ERR_NOMEM);
}

static void the_key_decides_the_algorithm(void **state)
{
	struct key *ec CLEANUP(key_free_p) = NULL, *ed CLEANUP(key_free_p) = NULL;
	struct jws j;

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &ec, NULL), ERR_OK);
	assert_int_equal(key_generate(KEY_ED25519, 0, &ed, NULL), ERR_OK);
	assert_int_equal(parse_header(GOOD_HEADER, JWS_NONCE_REQUIRED, &j), ERR_OK);
	assert_int_equal(jws_verify(&j, ed, NULL), ERR_BAD_SIGNATURE_ALGORITHM);
	assert_int_equal(jws_verify(&j, ec, NULL), ERR_UNAUTHORIZED);
	j.signature = bytes_slice(j.signature, 0, 63);
	assert_int_equal(jws_verify(&j, ec, NULL), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_signatures_verify),
		cmocka_unit_test(written_requests_are_read),
		cmocka_unit_test(writing_passes_failures_on),
		cmocka_unit_test(protected_headers_are_judged),
		cmocka_unit_test(inner_requests_have_no_nonce),
		cmocka_unit_test(requests_are_judged),
		cmocka_unit_test(escaped_members_are_the_same_request),
		cmocka_unit_test(oversize_is_refused),
		cmocka_unit_test(without_memory_it_says_so),
		cmocka_unit_test(the_key_decides_the_algorithm),
	};

	crypto_init();
	arena = arena_new(4096, 4u << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
