/* A hostile front with a client of its own, and an operator who types nonsense: whatever stands in a request about an account, no
 * other account changes, none is rolled over without its new key's signature, none bound without a MAC. The first byte says which
 * part the others replace, or that a good rollover or binding is changed a little. */
#include "base/codec.h"
#include "base/json.h"
#include "jose/eab.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static struct key *mover, *moved; /* of an account that may be rolled over */
static struct key *bound;         /* of one that may be bound, by the key below */
static char eab_kid[EAB_KID_LEN_MAX];
static uint8_t eab_secret[EAB_SECRET_MIN];

static void clean_up(void)
{
	key_free(mover);
	key_free(moved);
	key_free(bound);
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

/* A good one but for what is changed: of what both keys sign, or of the whole. */
static struct bytes good_rollover(bool before, struct bytes in)
{
	struct bytes kid = kid_of(&w, BASE, mover, ""), jwk = jwk_of(&w, mover);
	struct bytes payload = arena_fmt(w.a, "{\"account\":\"%.*s\",\"oldKey\":%.*s}", BYTES_FMT(kid), BYTES_FMT(jwk));

	if (before)
		payload = bytes_changed(&w, payload, in);
	payload = make_jws(&w, moved, BASE "/acme/key-change", BYTES_NONE, jwk_of(&w, moved), false, payload, false);
	struct bytes body = envelope(make_jws(&w, mover, BASE "/acme/key-change", kid, BYTES_NONE, true, payload, false), jwk);
	return before ? body : bytes_changed(&w, body, in);
}

/* Likewise: of what is MACed with it, or of the whole. */
static struct bytes good_binding(bool before, struct bytes in)
{
	CLEANUP(buf_free_p) struct buf binding = buf_new(16384);

	check(eab_write(MAC_HS256, bytes_str(eab_kid), BYTES_LIT(BASE "/acme/new-account"), bound, BYTES_ARRAY(eab_secret), &binding,
		  NULL) == ERR_OK);
	struct bytes payload = arena_fmt(w.a, "{\"externalAccountBinding\":%.*s}", BYTES_FMT(buf_bytes(&binding)));
	if (before)
		payload = bytes_changed(&w, payload, in);
	struct bytes body =
	    envelope(make_jws(&w, bound, BASE "/acme/new-account", BYTES_NONE, jwk_of(&w, bound), true, payload, false), BYTES_LIT(""));
	return before ? body : bytes_changed(&w, body, in);
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

static void give_eab_key(void)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(1u << 20);
	struct given {
		struct bytes kid, key;
	} given = { 0 };
	const struct json_field fields[] = { JSON_FIELD(struct given, kid, "kid", JSON_STRING, true, sizeof eab_kid - 1),
		JSON_FIELD(struct given, key, "key", JSON_STRING, true, 128) };
	struct err e;

	check(signer_operate(w.s, BYTES_LIT("{\"command\":\"eab-add\",\"alg\":\"HS256\"}"), 0, &out, &e) == ERR_OK);
	check(json_read(w.a, buf_bytes(&out), "a key", fields, 2, &given, &e) == ERR_OK);
	check(base64url_decode_fixed(given.key, eab_secret, sizeof eab_secret, &e) == ERR_OK);
	(void)snprintf(eab_kid, sizeof eab_kid, "%.*s", BYTES_FMT(given.kid));
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
		check(key_generate(KEY_EC_P256, 0, &mover, NULL) == ERR_OK && key_generate(KEY_EC_P256, 0, &moved, NULL) == ERR_OK &&
		      key_generate(KEY_EC_P256, 0, &bound, NULL) == ERR_OK);
		give_eab_key();
	}
	arena_reset(w.a);
	test_seam.wall_ms += 1;
	struct bytes in = { data + 1, size - 1 };
	if (data[0] >= 254)
		ask(REQUEST_ROLLOVER, good_rollover(data[0] == 254, in), true);
	else if (data[0] >= 252)
		ask(REQUEST_BIND, good_binding(data[0] == 252, in), true);
	else
		look(data[0] % 8, in);
	jwk_thumbprint(w.other, thumbprint);
	check(accounts_of_key(w.s->accounts, thumbprint) == NULL);
	return 0;
}
