/* Certificates of any bytes: refused with a reason or taken with views into them; as an issuer; and before the lint, which no
 * bytes may lead astray. */
#include "crypto/digest.h"
#include "pki/cert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool within(struct bytes part, struct bytes whole)
{
	return !part.ptr || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_taken(const struct cert *c, struct bytes in)
{
	check(within(c->tbs, in) && within(c->signature, in));
	check(within(c->serial, c->tbs) && within(c->issuer_name, c->tbs) && within(c->subject_name, c->tbs) && within(c->spki, c->tbs));
	check(within(c->subject_key_id, c->tbs) && within(c->authority_key_id, c->tbs));
	check(c->serial.len >= 1 && c->serial.len <= 20 && c->alg < SIG__MAX);
	for (size_t i = 0; i < c->n_names; i++)
		check(within(c->names[i].value, c->tbs));
}

/* The lint holds what it reads against a request that says the same, so that it comes as far as it can. */
static void run_lint(struct arena *a, const struct cert *c, struct key *issuer_key)
{
	static const uint8_t zeros[SERIAL_SIZE];
	const struct profile p = { .lifetime_s = UINT32_MAX, .names_max = UINT32_MAX, .key_types = ~0u };
	const struct issuer i = { .subject = c->issuer_name, .key_id = c->authority_key_id, .key = issuer_key, .not_after_s = INT64_MAX };
	const struct leaf_request r = { .serial = c->serial.len == SERIAL_SIZE ? c->serial.ptr : zeros,
		.names = c->names,
		.n_names = c->n_names,
		.spki = c->spki,
		.key_type = KEY_EC_P256,
		.not_before_s = c->not_before_s,
		.not_after_s = c->not_after_s };
	enum err_code rc = lint_leaf_tbs(a, c->tbs, &i, &p, &r, NULL);

	check(rc == ERR_OK || rc == ERR_BUG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(8192, 65536);
	struct issuer *i CLEANUP(issuer_free_p) = NULL;
	struct bytes in = { data, size };
	static struct key *key;
	struct err e = { 0 };
	struct cert c;

	if (!key) {
		crypto_init();
		check(key_generate(KEY_EC_P256, 0, &key, NULL) == ERR_OK);
	}
	check(a != NULL);
	enum err_code rc = cert_parse(a, in, &c, &e);
	check(rc == ERR_OK || (rc == ERR_MALFORMED && e.detail[0]));
	if (rc == ERR_OK) {
		check_taken(&c, in);
		run_lint(a, &c, key);
	}
	enum err_code as_issuer = issuer_new(in, NULL, &i, &e);
	check(as_issuer == ERR_CONFIG || (as_issuer == ERR_OK && rc == ERR_OK && c.is_ca));
	return 0;
}
