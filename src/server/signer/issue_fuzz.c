/* A hostile front with a client of its own: whatever it puts into a request, signed and sealed where that takes a key that others
 * hold, a certificate comes out only for the name that has receipts, and for the client's CSR key. The first byte says which part
 * the others replace. */
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <stdlib.h>

#define FUZZ_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;

static void clean_up(void)
{
	world_free(&w);
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A receipt of any content with the validator's MAC in the place of the first one. */
static struct bytes seal(struct bytes body, struct bytes in)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX), receipt = buf_new(FUZZ_MAX + SHA256_SIZE);
	uint8_t mac[SHA256_SIZE];
	struct issue i;

	hmac_sha256(BYTES_ARRAY(w.identity.receipt_key), &in, 1, mac);
	buf_add(&receipt, in);
	buf_add(&receipt, BYTES_ARRAY(mac));
	check(issue_read(w.a, body, &i, NULL) == ERR_OK && i.n_receipts > 0);
	i.receipts[0] = buf_bytes(&receipt);
	issue_write(&i, &out);
	check(buf_ok(&out));
	return arena_copy(w.a, buf_bytes(&out));
}

/* A CSR of a key that is in use for something else, changed a little. */
static struct bytes csr_of_used_key(struct bytes in)
{
	struct key *const keys[] = { w.account, w.issuer, w.root, w.leaf };
	struct recipe r = recipe_simple(&w);
	const struct bytes csr = make_csr(&w, keys[in.len > 0 ? in.ptr[0] % 4 : 0], r.csr_names, false);

	r.csr = bytes_changed(&w, csr, bytes_slice(in, 1, in.len));
	return recipe_body(&w, &r);
}

static struct bytes make_body(unsigned part, struct bytes in)
{
	struct recipe r = recipe_simple(&w);

	switch (part) {
	case 0:
		return bytes_changed(&w, recipe_body(&w, &r), in);
	case 1:
		r.payload = arena_str(w.a, in);
		return recipe_body(&w, &r);
	case 2:
		r.new_order_payload = arena_str(w.a, in);
		return recipe_body(&w, &r);
	case 3:
		r.csr = arena_copy(w.a, in);
		return recipe_body(&w, &r);
	case 4:
		return seal(recipe_body(&w, &r), in);
	case 7:
		return csr_of_used_key(in);
	default:
		return in;
	}
}

static void check_issued(const struct issued *i, bool tls)
{
	struct cert c;

	check(cert_parse(w.a, i->certificate, &c, NULL) == ERR_OK);
	if (tls) {
		check(c.n_names == 2 && bytes_eq_str(c.names[0].value, "ca.example") && bytes_eq_str(c.names[1].value, "localhost"));
		return;
	}
	check(c.n_names == 1 && bytes_eq_str(c.names[0].value, "example.org"));
	check(c.not_after_s > c.not_before_s && c.not_after_s - c.not_before_s < 47 * 86400);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct issued i;
	struct err e;

	if (size == 0 || size > FUZZ_MAX)
		return 0;
	if (!w.a) {
		world_new(&w);
		atexit(clean_up);
	}
	arena_reset(w.a);
	test_seam.wall_ms += 1;
	unsigned part = data[0] == 255 ? 7 : data[0] % 7;
	bool tls = part == 6;
	if (issue_body(&w, make_body(part, (struct bytes){ data + 1, size - 1 }), tls, &i, &e) == ERR_OK)
		check_issued(&i, tls);
	return 0;
}
