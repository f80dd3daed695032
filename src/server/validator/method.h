/* How control is shown by each challenge type: a row of acme/challenge.def, and a file here that defines its method_CODE. A row
 * without its file does not link. */
#ifndef CHANCERY_SERVER_VALIDATOR_METHOD_H
#define CHANCERY_SERVER_VALIDATOR_METHOD_H

#include "server/receipt.h"
#include "server/validator/fetch.h"
#include "server/validator/policy.h"

struct tls_prober;

/* All of it lives as long as the validation does. */
struct control_request {
	struct arena *arena;
	struct policy *policy;
	struct fetcher *fetcher;
	struct tls_prober *prober;
	struct identifier identifier; /* of a kind that the row covers */
	struct bytes token, key_authorization;
	int64_t deadline_ms; /* monotonic; the owner watches it */
};
struct control_result {
	struct err why;            /* code OK: control is shown */
	uint8_t seen[32];          /* SHA-256 of what the host answered: docs/protocol/receipts.md says of which bytes */
	enum dnssec_status dnssec; /* the weakest of all DNS answers that led there; OFF when there was none */
	bool relaxed_address;
	unsigned redirects;
};
/* Called once, later, from the loop, unless cancelled. */
typedef void control_done(void *ctx, const struct control_result *result);

struct control;

struct method {
	enum err_code (*start)(const struct control_request *r, control_done *done, void *ctx, struct control **ret, struct err *e);
	void (*cancel)(struct control *c); /* NULL is none */
	/* Fills in where it stands, for a validation whose time is up: DNS, CONNECTION or TLS. */
	void (*late)(const struct control *c, struct err *e);
};
#define X(code, name, dns, wildcard, ip) extern const struct method method_##code;
#include "acme/challenge.def"
#undef X
const struct method *method_of(enum challenge_type t);

/* What each method's own struct begins with. */
struct control {
	struct control_request r;
	struct control_result result;
	control_done *done;
	void *ctx;
};

#endif
