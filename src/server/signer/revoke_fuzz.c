/* A hostile front with a client of its own: whatever stands in a revocation, signed by a key that the client has and with receipts that are
 * another account's, no certificate but the client's own is revoked; and whatever is asked of the lists is answered or refused. The first byte says
 * which part the others replace. */
#include "server/signer/state.h"
#include "server/signer/test_revoke.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static struct issued victim; /* by an account and with a key that are not the client's */

static void clean_up(void)
{
	world_free(&w);
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void begin(void)
{
	bool made;
	struct err e = { 0 };

	world_new(&w);
	atexit(clean_up);
	struct recipe r = recipe_simple(&w);
	victim = must_issue(&w, &r);
	victim.certificate = (struct bytes){ memcpy(malloc(victim.certificate.len), victim.certificate.ptr, victim.certificate.len),
		victim.certificate.len };
	check(make_lists(w.s, &made, &e) == ERR_OK && made);
}

static struct bytes change(struct bytes body, struct bytes in)
{
	uint8_t *p = arena_alloc(w.a, body.len);

	memcpy(p, body.ptr, body.len);
	for (size_t i = 0; i + 3 <= in.len; i += 3) /* where, and what to change there */
		p[((size_t)in.ptr[i] << 8 | in.ptr[i + 1]) % body.len] ^= in.ptr[i + 2];
	return (struct bytes){ p, body.len };
}

static struct bytes make_body(unsigned part, struct bytes in)
{
	static const char *const names[] = { "example.org", NULL };
	struct revoke_recipe r = revoke_by_names(&w, victim.certificate, names);

	r.proof.receipts[0].thumbprint[0] ^= 1; /* of no account that the client has */
	switch (part) {
	case 0:
		return change(revoke_body(&w, &r), in);
	case 1:
		r.payload = arena_str(w.a, in);
		return revoke_body(&w, &r);
	case 2:
		r = revoke_by_key(&w, victim.certificate, w.leaf2);
		r.payload = arena_str(w.a, in);
		return revoke_body(&w, &r);
	case 3:
		r.certificate = in;
		return revoke_body(&w, &r);
	default:
		return in;
	}
}

static void ask_list(struct bytes body)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct crl_part part;
	struct err e = { 0 };

	if (signer_crl_part(w.s, body, &out, &e) != ERR_OK)
		return;
	check(crl_part_read(buf_bytes(&out), &part, &e) == ERR_OK);
	check(part.offset < part.size && part.part.len <= part.size - part.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e;

	if (size == 0 || size > FUZZ_MAX)
		return 0;
	if (!w.a)
		begin();
	arena_reset(w.a);
	unsigned part = data[0] % 6;
	struct bytes in = { data + 1, size - 1 };
	if (part == 5)
		ask_list(in);
	else
		check(ask_signer(&w, REQUEST_REVOKE, make_body(part, in), NULL, &e) != ERR_OK);
	check(signer_counts(w.s).revoked == 0);
	return 0;
}
