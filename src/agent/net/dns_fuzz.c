/* Name servers that answer whatever they like: where a record goes, and what CAA says, are found within their bounds. The input: messages, each behind two bytes of
 * length; each question gets the next one, and no answer when there is none. */
#include "agent/net/caa_look.h"
#include "agent/net/dns_place.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 2000 /* of one name: more is more than the bounds allow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes rest;
static unsigned asked;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static enum err_code next_answer(ldns_pkt **ret, struct err *e)
{
	require(++asked < ASKED_MAX);
	if (rest.len < 2)
		FAIL(e, DNS, "no answer");
	size_t len = (size_t)rest.ptr[0] << 8 | rest.ptr[1];
	struct bytes message = bytes_slice(rest, 2, len + 2 < rest.len ? len + 2 : rest.len);
	rest = bytes_slice(rest, 2 + message.len, rest.len);
	if (ldns_wire2pkt(ret, message.ptr, message.len) != LDNS_STATUS_OK)
		FAIL(e, DNS, "no message");
	return ERR_OK;
}

/* In the place of dns_ask.c, which is not linked. */
enum err_code dns_resolver_set(const char *const *servers, size_t n, struct dns_resolver *ret, struct err *e)
{
	(void)servers;
	(void)n;
	(void)ret;
	FAIL(e, DNS, "nobody is named");
}

enum err_code dns_ask(
    const struct address *s, const char *name, ldns_rr_type type, bool recursive, int64_t deadline_ms, ldns_pkt **ret, struct err *e)
{
	(void)s;
	(void)name;
	(void)type;
	(void)recursive;
	(void)deadline_ms;
	return next_answer(ret, e);
}

enum err_code dns_resolve(struct dns_resolver *r, const char *name, ldns_rr_type type, ldns_pkt **ret, struct err *e)
{
	(void)r;
	(void)name;
	(void)type;
	return next_answer(ret, e);
}

static void find_place(struct dns_resolver *r)
{
	struct dns_place p = { .moves = 0 };
	bool on = true;

	dns_place_go(&p, "_acme-challenge.www.example.org");
	dns_place_find(r, &p);
	while (on) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		require(p.n <= DNS_PLACE_SERVERS_MAX && p.moves <= DNS_PLACE_MOVES_MAX);
		require(strlen(p.at) < sizeof p.at && strlen(p.zone) < sizeof p.zone && strlen(p.primary) < sizeof p.primary);
		if (next_answer(&answer, NULL) != ERR_OK)
			return;
		enum dns_move move = dns_place_move(r, &p, answer);
		on = move == DNS_ALIAS || move == DNS_DELEGATED;
	}
}

static void look_for_caa(struct dns_resolver *r)
{
	static const char *const names[] = { "*.www.example.org", "example.com", "192.0.2.1" }, *const identities[] = { "ca.test" };
	static const enum challenge_type ways[] = { CHALLENGE_TYPE_DNS_01 };
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	const struct caa_look l = { r, a, names, 3, "https://ca.test/account/1", identities, 1, ways, 1 };
	char hint[CAA_LOOK_HINT_MAX] = "";
	struct err e = { 0 };

	enum err_code rc = a ? caa_look(&l, hint, &e) : ERR_OK;
	require(rc == ERR_OK || rc == ERR_CAA || rc == ERR_NOMEM);
	require(rc != ERR_CAA || (*e.detail && *hint));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_resolver r = { .n = 1 };

	if (size > 32768)
		return 0;
	rest = (struct bytes){ data, size };
	asked = 0;
	find_place(&r);
	asked = 0;
	rest = (struct bytes){ data, size };
	look_for_caa(&r);
	return 0;
}
