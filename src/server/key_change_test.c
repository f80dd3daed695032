#include "server/key_change.h"

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL     "https://ca.example/acme/key-change"
#define ACCOUNT "https://ca.example/acme/acct/1"

static struct arena *arena;
static struct key *present, *fresh, *stranger;

/* What can be wrong with a keyChange request; each member that is left out is as it should be. */
struct change {
	const char *inner_url, *account, *nonce, *payload;
	const struct key *header_key, *signer, *old_key;
	bool with_kid;
};

static enum err_code sign_with(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	return key_sign(ctx, SIG_FORM_JOSE, message, sig, ret_len, e);
}

static struct bytes jwk_of(const struct key *k)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(JWK_SIZE_MAX);

	jwk_write(k, &out);
	return arena_copy(arena, buf_bytes(&out));
}

static struct bytes inner_of(const struct change *c)
{
	const struct key *named = c->header_key ? c->header_key : fresh;
	struct key *signer = key_ref((struct key *)(uintptr_t)(c->signer ? c->signer : fresh));
	struct jws_header h = {
		.alg = key_sig_alg(signer), .url = bytes_str(c->inner_url ? c->inner_url : URL), .nonce = bytes_str(c->nonce)
	};
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	struct bytes payload = arena_fmt(arena, "{\"account\":\"%s\",\"oldKey\":%.*s}", c->account ? c->account : ACCOUNT,
	    BYTES_FMT(jwk_of(c->old_key ? c->old_key : present)));

	if (c->with_kid)
		h.kid = BYTES_LIT(ACCOUNT);
	else
		h.jwk = jwk_of(named);
	assert_int_equal(jws_write(&h, c->payload ? bytes_str(c->payload) : payload, sign_with, signer, &out, NULL), ERR_OK);
	key_free(signer);
	return arena_copy(arena, buf_bytes(&out));
}

static enum err_code read_change(const struct change *c, struct key_change *ret)
{
	struct jws outer = { .payload = inner_of(c), .url = BYTES_LIT(URL), .kid = BYTES_LIT(ACCOUNT) };

	return key_change_read(arena, &outer, present, ret, NULL);
}

/* RFC 8555 §7.3.5, steps 2 to 8. */
static void a_good_request_gives_the_new_key(void **state)
{
	struct key_change got = { 0 };
	uint8_t thumbprint[THUMBPRINT_SIZE];

	(void)state;
	assert_int_equal(read_change(&(struct change){ 0 }, &got), ERR_OK);
	jwk_thumbprint(fresh, thumbprint);
	assert_memory_equal(got.thumbprint, thumbprint, sizeof thumbprint);
	assert_true(bytes_eq(key_spki(got.key), key_spki(fresh)));
	key_free(got.key);
}

static void whatever_does_not_fit_is_refused(void **state)
{
	const struct {
		struct change c;
		enum err_code code;
	} cases[] = {
		{ { .inner_url = URL "/" }, ERR_MALFORMED },
		{ { .account = ACCOUNT "2" }, ERR_MALFORMED },
		{ { .nonce = "AAAA" }, ERR_MALFORMED },
		{ { .with_kid = true }, ERR_MALFORMED },
		{ { .old_key = stranger }, ERR_MALFORMED },
		{ { .old_key = fresh }, ERR_MALFORMED },
		{ { .payload = "{}" }, ERR_MALFORMED },
		{ { .payload = "" }, ERR_MALFORMED },
		{ { .payload = "{\"account\":\"" ACCOUNT "\",\"oldKey\":{\"kty\":\"EC\"}}" }, ERR_MALFORMED },
		{ { .signer = stranger }, ERR_UNAUTHORIZED },
		{ { .signer = present }, ERR_UNAUTHORIZED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct key_change got = { 0 };
		assert_int_equal(read_change(&cases[i].c, &got), cases[i].code);
		assert_null(got.key);
	}
}

static void the_outer_request_is_an_account_s(void **state)
{
	struct jws outer = { .payload = inner_of(&(struct change){ 0 }), .url = BYTES_LIT(URL), .jwk = BYTES_LIT("{}") };
	struct key_change got = { 0 };

	(void)state;
	assert_int_equal(key_change_read(arena, &outer, present, &got, NULL), ERR_MALFORMED);
	outer.payload = BYTES_LIT("");
	outer.kid = BYTES_LIT(ACCOUNT);
	assert_int_equal(key_change_read(arena, &outer, present, &got, NULL), ERR_MALFORMED);
}

static int setup(void **state)
{
	(void)state;
	crypto_init();
	arena = arena_new(65536, 4u << 20);
	if (!arena || key_generate(KEY_EC_P256, 0, &present, NULL) != ERR_OK || key_generate(KEY_EC_P256, 0, &fresh, NULL) != ERR_OK)
		return -1;
	return key_generate(KEY_EC_P256, 0, &stranger, NULL) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	key_free(present);
	key_free(fresh);
	key_free(stranger);
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_request_gives_the_new_key),
		cmocka_unit_test(whatever_does_not_fit_is_refused),
		cmocka_unit_test(the_outer_request_is_an_account_s),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
