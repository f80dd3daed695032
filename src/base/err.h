/* One error list for server and client, and the one shape of a fallible function:
 *   MUST_USE enum err_code f(struct subject *, struct bytes in, struct out *ret_x, struct err *e);
 * ret_x is untouched on failure; e is written only on failure and may be NULL where the caller does not care. */
#ifndef CHANCERY_BASE_ERR_H
#define CHANCERY_BASE_ERR_H

#include "base/bytes.h"

enum err_code {
	ERR_OK,
#define X(code, urn, http) ERR_##code,
#include "base/err.def"
#undef X
	ERR__MAX
};

/* One part of a compound problem (RFC 8555 §6.7.1). Lives in the request's arena. */
struct err_sub {
	enum err_code code;
	struct bytes identifier_type; /* "dns", "ip" */
	struct bytes identifier_value;
	struct bytes detail;
};

/* A value, owned by whoever started the operation; lives on the stack. */
struct err {
	enum err_code code;
	int sys;  /* errno at the place, or 0 */
	int line; /* where it was raised: for the log, never sent */
	const char *file;
	uint32_t retry_after_s;     /* 0: none */
	const struct err_sub *subs; /* in the request's arena */
	size_t n_subs;
	char detail[320]; /* UTF-8 without control characters, safe to show the peer when err_is_peers() */
};

enum err_code err_set(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...) PRINTF(5, 6);
/* "malformed"; never NULL, "serverInternal" for what is not the peer's. */
const char *err_urn(enum err_code code);
/* "BAD_NONCE": for logs and counters. */
const char *err_name(enum err_code code);
int err_http(enum err_code code);
/* Whether the peer is at fault, so that detail and subproblems may be shown to it. */
bool err_is_peers(enum err_code code);
/* The code for an RFC 8555 error type, with or without its URN prefix; ERR_SERVER_INTERNAL when unknown. */
enum err_code err_from_urn(struct bytes urn);

/* The only two macros that change control flow. FAIL sets errno's value aside: set errno = 0 where it says nothing. */
#define FAIL(e, code, ...)                                                                 \
	do { /* the code as a constant, so that the compiler sees that a failure is one */ \
		(void)err_set((e), ERR_##code, __FILE__, __LINE__, __VA_ARGS__);           \
		return ERR_##code;                                                         \
	} while (0)
#define TRY(call)                               \
	do {                                    \
		enum err_code try_rc_ = (call); \
		if (try_rc_ != ERR_OK)          \
			return try_rc_;         \
	} while (0)
/* For the rare fallible call whose failure changes nothing; the reason stands beside it. */
#define MAY_FAIL(call)                \
	do {                          \
		if ((call) != ERR_OK) \
			(void)0;      \
	} while (0)

#endif
