/* http-01 (RFC 8555 §8.3): fetches the challenge's resource from the name's own web server, following redirects within bounds. */
#ifndef CHANCERY_SERVER_VALIDATOR_HTTP01_H
#define CHANCERY_SERVER_VALIDATOR_HTTP01_H

#include "server/receipt.h"
#include "server/validator/fetch.h"
#include "server/validator/policy.h"

#define HTTP01_REDIRECTS_MAX 10

struct http01;

/* All of it lives as long as the validation does. */
struct http01_request {
	struct arena *arena;
	struct policy *policy;
	struct fetcher *fetcher;
	struct bytes name, token;
	struct bytes key_authorization;
	int64_t deadline_ms; /* monotonic; the owner watches it */
};
struct http01_result {
	struct err why;            /* code OK: control is shown */
	uint8_t seen[32];          /* SHA-256 of the body */
	enum dnssec_status dnssec; /* the weakest of all lookups that led there */
	bool relaxed_address;
	unsigned redirects;
};
/* Called once, later, from the loop, unless cancelled. */
typedef void http01_done(void *ctx, const struct http01_result *result);

enum err_code http01_start(const struct http01_request *r, http01_done *done, void *ctx, struct http01 **ret, struct err *e) MUST_USE;
void http01_cancel(struct http01 *h);
/* Fills in where it stands, for a validation whose time is up: DNS, CONNECTION or TLS. */
void http01_late(const struct http01 *h, struct err *e);

#endif
