/* A hostile front with a client of its own: whatever stands in a revocation, signed by a key that the client has and with receipts that are
 * another account's, no certificate but the client's own is revoked; and whatever is asked of the lists is answered or refused. The first byte says
 * which part the others replace; or that a good request, with the reason that the second byte says, is changed a little. */
#include "server/signer/revoke.h"
#include "server/signer/test_revoke.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static struct issued victim; /* by an account and with a key that are not the client's */
static struct issued own[3]; /* revoked by the account, by the key, by an account that has shown control of its name */

static void clean_up(void)
{
	world_free(&w);
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct bytes keep(struct bytes b)
{
	return (struct bytes){ memcpy(malloc(b.len), b.ptr, b.len), b.len };
}

static struct issued issue_one(void)
{
	struct recipe r = recipe_simple(&w);
	struct issued made = must_issue(&w, &r);

	made.certificate = keep(made.certificate);
	made.serial = keep(made.serial);
	return made;
}

static void begin(void)
{
	bool made;
	struct err e = { 0 };

	world_new(&w);
	atexit(clean_up);
	victim = issue_one();
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		own[i] = issue_one();
	check(make_lists(w.s, &made, &e) == ERR_OK && made);
}

static struct bytes make_body(unsigned part, struct bytes in)
{
	static const char *const names[] = { "example.org", NULL };
	struct revoke_recipe r = revoke_by_names(&w, victim.certificate, names);

	r.proof.receipts[0].thumbprint[0] ^= 1; /* of no account that the client has */
	switch (part) {
	case 0:
		return bytes_changed(&w, revoke_body(&w, &r), in);
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

static struct bytes make_own_body(unsigned by, struct bytes in)
{
	static const char *const names[] = { "example.org", NULL };
	const struct bytes certificate = own[by].certificate;
	struct revoke_recipe r = by == 0   ? revoke_by_account(&w, certificate)
				 : by == 1 ? revoke_by_key(&w, certificate, w.leaf)
					   : revoke_by_names(&w, certificate, names);

	r.reason = in.len > 0 ? in.ptr[0] : -1;
	return bytes_changed(&w, revoke_body(&w, &r), bytes_slice(in, 1, in.len));
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
	unsigned part = data[0] < 253 ? data[0] % 6 : data[0] - 253u + 6;
	struct bytes in = { data + 1, size - 1 };
	if (part == 5)
		ask_list(in);
	else if (part > 5)
		MAY_FAIL(ask_signer(&w, REQUEST_REVOKE, make_own_body(part - 6, in), NULL, &e));
	else
		check(ask_signer(&w, REQUEST_REVOKE, make_body(part, in), NULL, &e) != ERR_OK);
	check(revoked_find(w.s, victim.serial.ptr) == NULL);
	return 0;
}
