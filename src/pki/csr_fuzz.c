/* Requests of any bytes: refused with a reason, or taken with names that a certificate may carry. */
#include "crypto/digest.h"
#include "pki/csr.h"

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
	return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void check_taken(const struct csr *c, struct bytes in)
{
	check(within(c->info, in) && within(c->spki, c->info) && within(c->signature, in));
	check(c->n_names >= 1 && c->n_names <= 100);
	for (size_t i = 0; i < c->n_names; i++) {
		const struct san *n = &c->names[i];
		check(n->type == SAN_DNS ? san_dns_ok(n->value) : san_ip_ok(n->value));
		check(i == 0 || san_cmp(&c->names[i - 1], n) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(8192, 65536);
	struct key *k CLEANUP(key_free_p) = NULL;
	struct bytes in = { data, size };
	struct err e = { 0 };
	static bool ready;
	struct csr c;

	if (!ready)
		crypto_init();
	ready = true;
	check(a != NULL);
	if (csr_parse(a, in, &c, &e) != ERR_OK) {
		check(e.code == ERR_BAD_CSR && e.detail[0] && strlen(e.detail) < sizeof e.detail);
		return 0;
	}
	check_taken(&c, in);
	enum err_code rc = csr_verify(&c, &k, &e);
	check(rc == ERR_OK || rc == ERR_BAD_CSR);
	check((rc == ERR_OK) == (k != NULL));
	return 0;
}
