/* A hostile front with a client of its own, and an operator who types nonsense: whatever stands in a request about an account, no
 * other account changes, none is rolled over without its new key's signature, none bound without a MAC. The first byte says which
 * part the others replace. */
#include "base/json.h"
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

static struct bytes envelope(struct bytes request, struct bytes jwk)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct account_evidence v = { request, jwk };

	account_evidence_write(&v, &out);
	check(buf_ok(&out));
	return arena_copy(w.a, buf_bytes(&out));
}

/* The client signs whatever it is given. */
static struct bytes signed_by_client(enum request_kind kind, struct bytes payload)
{
	/* a deactivation may be a good one: by a key of its own, so that it ends no other case */
	struct key *k = kind == REQUEST_DEACTIVATE ? w.leaf2 : w.account;
	struct bytes kid = kid_of(&w, BASE, k, ""), jwk = jwk_of(&w, k);

	if (kind == REQUEST_BIND)
		return envelope(make_jws(&w, k, BASE "/acme/new-account", BYTES_NONE, jwk, true, payload, false), BYTES_LIT(""));
	const char *url = kind == REQUEST_ROLLOVER ? BASE "/acme/key-change" : arena_str(w.a, kid);
	return envelope(make_jws(&w, k, url, kid, BYTES_NONE, true, payload, false), jwk);
}

/* What the new key signs, in an honest envelope; the new key is a good one. */
static struct bytes inner_request(struct bytes payload)
{
	return signed_by_client(
	    REQUEST_ROLLOVER, make_jws(&w, w.other, BASE "/acme/key-change", BYTES_NONE, jwk_of(&w, w.other), false, payload, false));
}

static void ask(enum request_kind kind, struct bytes body, bool may_be_done)
{
	struct err e;

	check(ask_signer(&w, kind, body, NULL, &e) != ERR_OK || may_be_done);
}

static void operate(struct bytes line)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(1u << 20);
	struct err e;

	check(signer_operate(w.s, line, 0, &out, &e) == ERR_OK);
	check(buf_ok(&out) && json_check(buf_bytes(&out), NULL) == ERR_OK);
}

static void look(unsigned part, struct bytes in)
{
	static const enum request_kind kinds[] = { REQUEST_ROLLOVER, REQUEST_DEACTIVATE, REQUEST_BIND };

	if (part < 3)
		ask(kinds[part], in, false);
	else if (part < 6)
		ask(kinds[part - 3], signed_by_client(kinds[part - 3], in), kinds[part - 3] == REQUEST_DEACTIVATE);
	else if (part == 6)
		ask(REQUEST_ROLLOVER, inner_request(in), false);
	else
		operate(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	if (size == 0 || size > FUZZ_MAX)
		return 0;
	if (!w.a) {
		world_new(&w);
		atexit(clean_up);
	}
	arena_reset(w.a);
	test_seam.wall_ms += 1;
	look(data[0] % 8, (struct bytes){ data + 1, size - 1 });
	jwk_thumbprint(w.other, thumbprint);
	check(accounts_of_key(w.s->accounts, thumbprint) == NULL);
	return 0;
}
