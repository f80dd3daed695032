/* Which certificate a server shows: looked at by the network process. */
#ifndef CHANCERY_AGENT_SERVED_CALL_H
#define CHANCERY_AGENT_SERVED_CALL_H

#include "agent/crew.h"
#include "agent/endpoint.h"

/* As served_look() (agent/net/served.h): CONNECTION, TIMEOUT, TLS, MALFORMED. Other codes are a failure on this machine. */
enum err_code served_call(
    struct crew *c, struct arena *a, const struct endpoint *at, uint32_t timeout_ms, struct served *ret, struct err *e) MUST_USE;

#endif
