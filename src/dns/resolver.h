/* Asynchronous resolution over libunbound on a libevent base, DNSSEC-validating unless its trust anchors say otherwise. */
#ifndef CHANCERY_DNS_RESOLVER_H
#define CHANCERY_DNS_RESOLVER_H

#include "base/arena.h"
#include "base/err.h"

struct event_base;
struct resolver;
struct resolver_query;

struct resolver_config {
	const struct bytes *forward; /* "address" or "address:port" ("[v6]:port"); none: own recursion */
	size_t n_forward;
	const struct bytes *anchors; /* DS records, or "builtin", or "none" alone */
	size_t n_anchors;
};
enum err_code resolver_new(struct event_base *base, const struct resolver_config *c, struct resolver **ret, struct err *e) MUST_USE;
void resolver_free(struct resolver *r);
DEFINE_CLEANUP(struct resolver *, resolver_free);

enum resolver_security { RESOLVER_OFF, RESOLVER_INSECURE, RESOLVER_SECURE, RESOLVER_BOGUS };

struct resolver_answer {
	enum err_code code; /* ERR_OK: an answer, perhaps empty (NODATA) or NXDOMAIN; DNS: no usable answer */
	const char *detail; /* for the applicant when code != OK: "SERVFAIL for A of example.org (DNSSEC bogus: signature expired)" */
	bool nxdomain;
	enum resolver_security security;
	struct bytes *records; /* rdata in wire form */
	size_t n_records;
	uint32_t ttl_s;
	struct bytes canonical; /* presentation form, at the end of CNAMEs; empty when the same */
};
typedef void resolver_done(void *ctx, const struct resolver_answer *answer); /* answer is gone after the call */

/* type: DNS RR type number (1 A, 16 TXT, 28 AAAA, 257 CAA). A TXT record is asked for anew each time, others may be up to a minute old. The name is a normalised ASCII name without a final dot. done is called
 * exactly once, later, on the base's thread, unless the query is cancelled. */
enum err_code resolver_ask(
    struct resolver *r, struct bytes name, int type, resolver_done *done, void *ctx, struct resolver_query **ret, struct err *e) MUST_USE;
void resolver_cancel(struct resolver_query *q);

#endif
