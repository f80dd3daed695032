/* One HTTP request to one address that was chosen before, through libcurl's multi interface on the loop. The only file that
 * has transfers of curl in it; curl resolves nothing, follows nothing, remembers nothing and reads no file. */
#ifndef CHANCERY_SERVER_VALIDATOR_FETCH_H
#define CHANCERY_SERVER_VALIDATOR_FETCH_H

#include "server/validator/address.h"

struct event_base;
struct fetcher;
struct fetch;

#define FETCH_BODY_MAX   65536
#define FETCH_HEADER_MAX 16384

/* curl_global_init() and what OpenSSL loads: before the jail. */
enum err_code fetcher_new(struct event_base *base, struct fetcher **ret, struct err *e) MUST_USE;
/* Every fetch must have ended or been cancelled. */
void fetcher_free(struct fetcher *f);
DEFINE_CLEANUP(struct fetcher *, fetcher_free);

struct fetch_request {
	const char *url; /* its host is what the Host field and SNI say */
	struct ip_address address;
	uint16_t port;
	int64_t connect_ms;
};

enum fetch_end {
	FETCH_ANSWERED,
	FETCH_NOT_CONNECTED, /* refused, unreachable, no answer in time: another address may do better */
	FETCH_TLS,
	FETCH_BROKEN, /* ended in the middle, or no HTTP */
	FETCH_OURS,   /* no memory, or curl does not do what it must */
};

struct fetch_answer {
	enum fetch_end end;
	const char *why; /* when it is not ANSWERED */
	unsigned status;
	struct bytes reason;   /* "Not Found" */
	struct bytes location; /* absent: there was none */
	bool locations_differ; /* there was more than one, and not the same */
	struct bytes body;     /* the first FETCH_BODY_MAX bytes */
	bool more;             /* there were more */
};
/* Called once, later, from the loop, unless cancelled; the answer is gone after the call. */
typedef void fetch_done(void *ctx, const struct fetch_answer *answer);

enum err_code fetch_start(
    struct fetcher *f, const struct fetch_request *r, fetch_done *done, void *ctx, struct fetch **ret, struct err *e) MUST_USE;
void fetch_cancel(struct fetch *t);

/* Where one that takes too long stands. */
enum fetch_phase { FETCH_CONNECTING, FETCH_IN_HANDSHAKE, FETCH_WAITING, FETCH_READING };
enum fetch_phase fetch_phase(const struct fetch *t);

#endif
