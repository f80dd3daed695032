/* What a CA sends as the certificate: refused with a reason, or PEM of ours with the leaf first. The input: PEM, with a first byte that says which of two keys it
 * is wanted for; else it is what a certificate is asked about (renewal, revocation). */
#include "client/chain.h"

#include "crypto/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The leaf's own key, whatever it is, so that what lies behind the comparison is reached. */
static struct bytes key_of(struct arena *a, struct bytes pem)
{
	struct bytes der;

	if (chain_first(a, pem, &der, (char[CHAIN_ID_SIZE]){ 0 }, NULL) != ERR_OK)
		return BYTES_LIT("");
	for (size_t i = 0; i + 91 <= der.len; i++)
		if (memcmp(der.ptr + i, "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", 13) == 0)
			return bytes_slice(der, i, i + 91);
	return BYTES_LIT("");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	const struct san name = { SAN_DNS, BYTES_LIT("www.example.org") };
	char id[CHAIN_ID_SIZE];
	struct chain c;
	struct err e = { 0 };
	struct bytes pem = { data, size }, der;

	if (!a || size > CHAIN_PEM_MAX + 16)
		return 0;
	crypto_init();
	if (chain_first(a, pem, &der, id, NULL) == ERR_OK)
		require(der.len > 0 && strlen(id) < sizeof id);
	for (size_t names = 0; names < 2; names++) {
		if (chain_check(a, pem, key_of(a, pem), &name, names, 0, &c, &e) == ERR_OK) {
			require(c.leaf_len > 0 && c.leaf_len <= c.fullchain.len && c.not_before_s <= c.not_after_s);
			require(bytes_starts_with(c.fullchain, BYTES_LIT("-----BEGIN CERTIFICATE-----\n")));
		} else {
			require(*e.detail);
		}
	}
	return 0;
}
