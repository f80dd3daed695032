/* Where one hop of http-01 goes (RFC 8555 §8.3), and where a redirect may lead. */
#ifndef CHANCERY_SERVER_VALIDATOR_TARGET_H
#define CHANCERY_SERVER_VALIDATOR_TARGET_H

#include "server/validator/policy.h"

#define TARGET_LOCATION_MAX 2048

struct target {
	struct bytes url;   /* as fetched: no user, no fragment, the host as below; NUL behind it */
	struct bytes shown; /* for reasons: short and printable */
	struct bytes host;  /* a normalised DNS name, or the validated address */
	bool is_address;
	uint16_t port;
};

/* The first hop: http, the name or address itself, the configured port. */
enum err_code target_first(
    struct arena *a, const struct policy *p, const struct identifier *id, struct bytes token, struct target *ret, struct err *e) MUST_USE;
/* CONNECTION with what is wrong, unless the location, relative to `from`, is http or https, without a user, names a host by its
 * DNS name or by the very address that is validated, and goes to an allowed port (Baseline Requirements §3.2.2.4.19). */
enum err_code target_follow(struct arena *a, const struct policy *p, const struct identifier *id, const struct target *from,
    struct bytes location, struct target *ret, struct err *e) MUST_USE;

#endif
