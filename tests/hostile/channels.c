/* Packets that keep no rule: cut, too large, out of turn, of types that are another's to send, with descriptors, beyond the credits,
 * and at random. What can be answered is refused, the rest is dropped and counted; nobody ends and nothing is signed. */
#include "attack.h"

#include <string.h>

/* Everything that was sent under this name has brought no certificate but the known one, and the peer still answers. */
static void settled(struct attacker *w, struct link *l, const char *name, bool may_answer)
{
	struct said s = { 0 };
	bool alive = link_settle(w, l, &s);

	report(w, name, alive && !s.strange && (may_answer || s.issued + s.refused + s.other == 0),
	    "%s, %u certificates, %u refusals, %u other answers%s", alive ? "alive" : "it no longer answers", s.issued, s.refused, s.other,
	    s.strange ? ", a certificate of its own making" : "");
}

/* Evidence that would be good but for its CAA receipt: no damage to it makes it good. */
static struct bytes bad_body(struct attacker *w)
{
	struct recipe r = recipe_of(w, PROOF_A);

	r.n_receipts = 1;
	recipe_build(w, &r);
	return recipe_body(w, &r);
}

/* Good evidence of an order that has no certificate yet, cut: each shorter form is refused. */
static void cut_evidence(struct attacker *w)
{
	struct recipe r = recipe_of(w, PROOF_A);
	struct issued i;
	size_t wrong = 0;

	arena_reset(w->a);
	recipe_build(w, &r);
	struct bytes body = copy_of(w->kept, recipe_body(w, &r));
	for (size_t n = 0; n < body.len; n++) {
		struct err e = { 0 };
		arena_reset(w->a);
		wrong += ask_issue(w, bytes_slice(body, 0, n), &i, &e) != ERR_MALFORMED;
	}
	report(w, "ISSUE cut at every length", wrong == 0, "%zu of %zu were not refused as malformed", wrong, body.len);
}

static void cut_packets(struct attacker *w, struct link *l, uint16_t type, const char *name)
{
	struct bytes packet = packet_of(w->a, type, 77, BYTES_LIT(""));

	for (size_t n = 0; n < CHANNEL_HEADER_LEN; n++)
		for (int k = 0; k < 4; k++)
			link_send_packet(w, l, bytes_slice(packet, 0, n), NULL, 0);
	settled(w, l, name, false);
}

static void oversized(struct attacker *w, struct link *l, uint16_t type, const char *name)
{
	static uint8_t zeros[PACKET_MAX + 4096];
	size_t most = message_rules[type].body_max;
	const size_t sizes[] = { most + 1, most + 2, most + 4096, CHANNEL_BODY_MAX, CHANNEL_BODY_MAX + 1, CHANNEL_BODY_MAX + 4096 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		arena_reset(w->a);
		if (sizes[i] > most)
			link_send_as(w, l, type, 9000 + (uint32_t)i, (struct bytes){ zeros, sizes[i] });
	}
	settled(w, l, name, false);
}

/* Every number that is not the front's to send to this peer, the parent's STOP and SETTINGS among them; some with descriptors. */
static void foreign_types(struct attacker *w, struct link *l, enum process peer, const char *name)
{
	int fds[1] = { l->fd };

	for (unsigned type = 0; type <= MESSAGE__MAX + 8u; type++) {
		const struct message_rule *r = type < MESSAGE__MAX ? &message_rules[type] : NULL;
		if (r && r->from == PROCESS_FRONT && r->to == peer)
			continue;
		for (uint32_t id = 0; id < 3; id++) {
			arena_reset(w->a);
			struct bytes packet = packet_of(w->a, (uint16_t)type, id, id == 2 ? bad_body(w) : BYTES_LIT("\2"));
			link_send_packet(w, l, packet, fds, id == 1);
		}
	}
	link_send_as(w, l, 0xffff, 1, BYTES_LIT(""));
	settled(w, l, name, false);
}

static void reserved_bits(struct attacker *w, struct link *l, uint16_t type, const char *name)
{
	uint8_t packet[CHANNEL_HEADER_LEN] = { (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, 5 };

	link_send_packet(w, l, BYTES_ARRAY(packet), NULL, 0);
	packet[2] = 0x80;
	link_send_packet(w, l, BYTES_ARRAY(packet), NULL, 0);
	settled(w, l, name, false);
}

static void descriptors(struct attacker *w, struct link *l, uint16_t type, const char *name)
{
	int fds[12];

	for (size_t i = 0; i < 12; i++)
		fds[i] = i % 2 ? l->fd : channel_fd(w->child.parent);
	for (int k = 0; k < 200; k++) {
		arena_reset(w->a);
		struct bytes packet = packet_of(w->a, type, 100, bad_body(w));
		link_send_packet(w, l, bytes_slice(packet, 0, CHANNEL_HEADER_LEN + message_rules[type].body_max), fds, 1 + (size_t)k % 12);
	}
	settled(w, l, name, false);
}

/* Requests without reading an answer: they end with the credits. The front's own receive buffer fills meanwhile. */
static void beyond_credits(struct attacker *w, struct link *l, uint16_t type, struct bytes body, bool one_id, const char *name)
{
	unsigned sent = 0;

	for (uint32_t id = 1; id <= 3000; id++) {
		arena_reset(w->a);
		sent += link_try_packet(l, packet_of(w->a, type, one_id ? 1 : id, body));
		if (id % 100 == 0)
			serve_parent(w, 10); /* the peer works and blocks on nobody */
	}
	need(w, sent > 0 ? ERR_OK : ERR_BUG, "not one request could be sent", NULL);
	settled(w, l, name, true);
}

/* --- at random, but from a seed of its own, so that a failure can be had again --- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

static size_t mutate(uint8_t *p, size_t n, size_t max)
{
	unsigned times = next_random() % 4;

	for (unsigned i = 0; i < times && n > 0; i++)
		switch (next_random() % 5) {
		case 0:
			p[next_random() % n] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1:
			p[next_random() % n] = (uint8_t)next_random();
			break;
		case 2:
			n = next_random() % (n + 1);
			break;
		case 3: /* bytes behind */
			for (unsigned k = next_random() % 16; k > 0 && n < max; k--)
				p[n++] = (uint8_t)next_random();
			break;
		case 4: { /* one part over another */
			size_t from = next_random() % n, to = next_random() % n, len = next_random() % 64;
			len = len < n - from ? len : n - from;
			len = len < n - to ? len : n - to;
			memmove(p + to, p + from, len);
			break;
		}
		}
	return n;
}

/* What random packets are made of: bodies to change, and the types that are the front's to send, the most likely ones first. */
struct seeds {
	struct bytes v[8];
	size_t n;
	uint16_t types[12];
	size_t n_types;
};

static uint16_t random_type(const struct seeds *s)
{
	uint32_t r = next_random();

	return r % 8 ? s->types[r / 8 % s->n_types] : (uint16_t)(next_random() % (MESSAGE__MAX + 4));
}

static struct bytes random_packet(const struct seeds *s)
{
	static uint8_t packet[8192];
	struct bytes seed = s->v[next_random() % s->n];
	uint16_t type = random_type(s);
	uint32_t id = next_random() % 4 ? next_random() % 512 : next_random();
	size_t n = 0;

	if (next_random() % 8) {
		memcpy(packet + 8, seed.ptr, seed.len);
		n = mutate(packet + 8, seed.len, sizeof packet - 8);
	} else {
		for (n = next_random() % 64; n > 0 && next_random() % 64; n--)
			packet[8 + n] = (uint8_t)next_random();
	}
	const uint8_t head[8] = { (uint8_t)(type >> 8), (uint8_t)type, next_random() % 64 ? 0 : 1, 0, (uint8_t)(id >> 24),
		(uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
	memcpy(packet, head, sizeof head);
	return (struct bytes){ packet, n + 8 };
}

static void random_packets(struct attacker *w, struct link *l, const struct seeds *seeds, unsigned packets, const char *name)
{
	struct said s = { 0 };
	struct message m;
	unsigned lost = 0;

	for (unsigned i = 0; i < packets; i++) {
		arena_reset(w->a);
		lost += !link_send_packet(w, l, random_packet(seeds), NULL, 0);
		while (i % 4 == 0 && link_receive(w, l, 0, &m))
			said_add(w, &s, &m);
	}
	report(w, name, lost == 0 && !s.strange, "%u packets did not leave%s", lost,
	    s.strange ? ", and a certificate came that nobody may have" : "");
	settled(w, l, "all of them were dropped or answered", true);
}

static struct bytes bad_validate(struct attacker *w)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(2048);
	struct validate v = { .method = CHALLENGE_TYPE_HTTP_01,
		.identifier = { .type = IDENTIFIER_DNS, .value = BYTES_LIT("a.test") },
		.token = BYTES_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		.account_url = account_url_of(w, ACCOUNT_A) };

	validate_write(&v, &out);
	return copy_of(w->kept, buf_bytes(&out));
}

/* A good one. */
static struct bytes crl_request(struct attacker *w)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(64);
	struct crl_get get = { .shard = w->list.shard, .number = w->list.number };

	memcpy(get.issuer, w->list.issuer, sizeof get.issuer);
	crl_get_write(&get, &out);
	return copy_of(w->kept, buf_bytes(&out));
}

void attack_random(struct attacker *w, unsigned packets)
{
	arena_reset(w->a);
	struct recipe r = recipe_of(w, PROOF_A);
	recipe_build(w, &r);
	struct seeds s = { .v = { copy_of(w->kept, bad_body(w)), w->issued_body, copy_of(w->kept, r.csr), BYTES_LIT("0"), BYTES_LIT(""),
			       copy_of(w->kept, bad_account_request(w)), copy_of(w->kept, bad_revocation(w)), crl_request(w) },
		.n = 8,
		.types = { MESSAGE_ISSUE, MESSAGE_ISSUE, MESSAGE_ISSUE, MESSAGE_ISSUE_TLS, MESSAGE_HELLO, MESSAGE_ROLLOVER,
		    MESSAGE_DEACTIVATE, MESSAGE_BIND, MESSAGE_REVOKE, MESSAGE_CRL_GET },
		.n_types = 10 };
	random_packets(w, &w->signer, &s, packets, "random packets to the signer");
	s = (struct seeds){ .v = { bad_validate(w), BYTES_LIT("\0\0\0\1"), BYTES_LIT("") },
		.n = 3,
		.types = { MESSAGE_VALIDATE, MESSAGE_VALIDATE, MESSAGE_VALIDATE, MESSAGE_VALIDATE, MESSAGE_RECHECK, MESSAGE_RECHECK,
		    MESSAGE_TOKENS_ASK, MESSAGE_TOKENS_ASK },
		.n_types = 8 };
	random_packets(w, &w->validator, &s, packets, "random packets to the validator");
}

void attack_channel_signer(struct attacker *w)
{
	struct link *l = &w->signer;

	cut_evidence(w);
	arena_reset(w->a);
	cut_packets(w, l, MESSAGE_ISSUE, "signer: packets without a whole header");
	oversized(w, l, MESSAGE_ISSUE, "signer: ISSUE too large");
	oversized(w, l, MESSAGE_HELLO, "signer: HELLO too large");
	oversized(w, l, MESSAGE_ISSUE_TLS, "signer: ISSUE_TLS too large");
	foreign_types(w, l, PROCESS_SIGNER, "signer: types that are not the front's");
	oversized(w, l, MESSAGE_REVOKE, "signer: REVOKE too large");
	oversized(w, l, MESSAGE_CRL_GET, "signer: CRL_GET too large");
	reserved_bits(w, l, MESSAGE_ISSUE, "signer: reserved bits");
	descriptors(w, l, MESSAGE_ISSUE, "signer: descriptors with ISSUE");
	descriptors(w, l, MESSAGE_HELLO, "signer: descriptors with HELLO");
	arena_reset(w->a);
	struct bytes bad = copy_of(w->kept, bad_body(w));
	beyond_credits(w, l, MESSAGE_ISSUE, bad, false, "signer: ISSUE beyond its credits");
	beyond_credits(w, l, MESSAGE_ISSUE, bad, true, "signer: ISSUE with one id again and again");
	beyond_credits(w, l, MESSAGE_REVOKE, copy_of(w->kept, bad_revocation(w)), false, "signer: REVOKE beyond its credits");
	beyond_credits(w, l, MESSAGE_CRL_GET, crl_request(w), false, "signer: CRL_GET beyond its credits");
	beyond_credits(w, l, MESSAGE_HELLO, BYTES_LIT("no checkpoint"), false, "signer: HELLO beyond its credit");
}

void attack_channel_validator(struct attacker *w)
{
	struct link *l = &w->validator;

	arena_reset(w->a);
	struct bytes bad = bad_validate(w);
	cut_packets(w, l, MESSAGE_VALIDATE, "validator: packets without a whole header");
	oversized(w, l, MESSAGE_VALIDATE, "validator: VALIDATE too large");
	oversized(w, l, MESSAGE_TOKENS_ASK, "validator: TOKENS_ASK too large");
	foreign_types(w, l, PROCESS_VALIDATOR, "validator: types that are not the front's");
	reserved_bits(w, l, MESSAGE_VALIDATE, "validator: reserved bits");
	descriptors(w, l, MESSAGE_VALIDATE, "validator: descriptors with VALIDATE");
	for (size_t n = 0; n < bad.len; n++) {
		arena_reset(w->a);
		link_send(w, l, MESSAGE_VALIDATE, bytes_slice(bad, 0, n));
	}
	settled(w, l, "validator: VALIDATE cut at every length", true);
	beyond_credits(w, l, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\1\0"), false, "validator: TOKENS_ASK beyond its credits");
	beyond_credits(w, l, MESSAGE_VALIDATE, bad, true, "validator: VALIDATE with one id again and again");
}
