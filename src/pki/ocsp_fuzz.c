/* Requests of any bytes: refused with a reason, or taken with views into them; and before the lint, which no bytes may lead astray. */
#include "crypto/digest.h"
#include "pki/ocsp.h"

#include <stdlib.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key *key;
	struct bytes in = { data, size };
	struct ocsp_request r;
	struct err e = { 0 };

	if (!key) {
		crypto_init();
		check(key_generate(KEY_EC_P256, 0, &key, NULL) == ERR_OK);
	}
	const struct issuer i = { .subject = in, .key_id = in, .key = key };
	const struct ocsp_responder by = { &i, key, in, INT64_MAX };
	struct ocsp_single single = { .status = OCSP_GOOD };
	const struct ocsp_answer a = { .singles = &single, .n_singles = 1 };
	enum err_code rc = lint_ocsp(in, &by, &a, &e);
	check(rc == ERR_BUG && e.detail[0]);
	rc = ocsp_request_read(in, &r, &e);
	check(rc == ERR_OK || ((rc == ERR_MALFORMED || rc == ERR_UNAUTHORIZED) && e.detail[0]));
	if (rc != ERR_OK)
		return 0;
	check(r.n_ids >= 1 && r.n_ids <= OCSP_IDS_MAX && within(r.nonce, in) && r.nonce.len <= 128);
	for (size_t k = 0; k < r.n_ids; k++) {
		check(r.ids[k].name_hash.len == ocsp_hash_size(r.ids[k].hash) && r.ids[k].serial.len <= OCSP_SERIAL_MAX);
		check(within(r.ids[k].name_hash, in) && within(r.ids[k].key_hash, in) && within(r.ids[k].serial, in));
		(void)ocsp_id_is_of(&r.ids[k], &i);
	}
	return 0;
}
