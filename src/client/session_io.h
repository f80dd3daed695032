/* The seam below the engine: all that leaves it, or takes time. The engine is straight-line code above it; whether it waits here, is suspended, or is played
 * a scenario to, it does not know. (The clock has a seam of its own: base/seam.h.) Private to this room. */
#ifndef CHANCERY_CLIENT_SESSION_IO_H
#define CHANCERY_CLIENT_SESSION_IO_H

#include "http/client.h"

#include <chancery/chancery.h>

enum session_call_kind {
	SESSION_CALL_ASK,  /* what it returns may be CHANCERY_LATER */
	SESSION_CALL_TELL, /* it may not */
	SESSION_CALL_UNDO  /* made even when the operation was cancelled; nobody looks at what it returns */
};

/* A callback of the caller. */
struct session_call {
	enum session_call_kind kind;
	int (*f)(void *arg);
	void *arg;
};

struct session_io {
	void *ctx;
	/* As http_client_do(). */
	enum err_code (*exchange)(
	    void *ctx, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e);
	/* Until then (monotonic), or earlier when something else wants attention, such as a signal. */
	enum err_code (*wait)(void *ctx, int64_t until_ms, struct err *e);
	/* *ret: what it returned, never CHANCERY_LATER. TIMEOUT: it said that, and until_ms has passed without an outcome. */
	enum err_code (*call)(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e);
};

/* What blocks. */
struct session_io session_io_blocking(struct http_client *http);

#endif
