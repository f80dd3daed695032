/* Lists of any bytes: refused with a reason, or taken with views into them and entries that can be counted again; and before the lint,
 * which no bytes may lead astray. */
#include "crypto/digest.h"
#include "pki/crl.h"

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
	return !part.ptr || part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

/* The entries as a request has them; those that it cannot have are left out. */
static size_t check_taken(const struct crl *c, struct bytes in, struct crl_entry *out, size_t max)
{
	struct bytes rest = c->entries;
	struct crl_view v;
	size_t n = 0, kept = 0;

	check(within(c->tbs, in) && within(c->signature, in) && within(c->issuer_name, c->tbs) && within(c->number, c->tbs));
	check(within(c->authority_key_id, c->tbs) && within(c->url, c->tbs) && within(c->entries, c->tbs));
	check(c->number.len >= 1 && c->number.len <= CRL_NUMBER_MAX && c->alg < SIG__MAX);
	for (; crl_next(&rest, &v); n++) {
		check(within(v.serial, c->entries) && v.serial.len >= 1 && v.serial.len <= CRL_SERIAL_MAX + 1 && v.reason <= 10);
		if (v.serial.len != SERIAL_SIZE || kept == max)
			continue;
		out[kept] = (struct crl_entry){ .time_s = v.time_s, .reason = v.reason };
		memcpy(out[kept++].serial, v.serial.ptr, SERIAL_SIZE);
	}
	check(rest.len == 0 && n == c->n_entries);
	return kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct crl_entry entries[64];
	static struct key *key;
	struct err e = { 0 };
	struct crl c;

	if (!key) {
		crypto_init();
		check(key_generate(KEY_EC_P256, 0, &key, NULL) == ERR_OK);
	}
	enum err_code rc = crl_parse(in, &c, &e);
	check(rc == ERR_OK || (rc == ERR_MALFORMED && e.detail[0]));
	if (rc != ERR_OK)
		return 0;
	size_t n = check_taken(&c, in, entries, 64);
	/* The lint holds what it reads against a request that says the same, so that it comes as far as it can. */
	const struct issuer i = { .subject = c.issuer_name, .key_id = c.authority_key_id, .key = key };
	struct crl_request r = {
		.this_update_s = c.this_update_s, .next_update_s = c.next_update_s, .url = c.url, .entries = entries, .n_entries = n
	};
	for (size_t k = 0; k < c.number.len; k++)
		r.number = r.number << 8 | c.number.ptr[k];
	rc = lint_crl(c.tbs, &i, &r, NULL);
	check(rc == ERR_OK || rc == ERR_BUG);
	rc = crl_verify(&c, &i, NULL);
	check(rc == ERR_OK || rc == ERR_MALFORMED || rc == ERR_UNAUTHORIZED);
	return 0;
}
