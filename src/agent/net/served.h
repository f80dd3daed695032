/* What certificate a server shows: a TLS handshake, as anybody may make one, and nothing more. Whether the certificate is good is not asked: whoever asks
 * compares it with what should be there. */
#ifndef CHANCERY_AGENT_NET_SERVED_H
#define CHANCERY_AGENT_NET_SERVED_H

#include "agent/endpoint.h"

#define SERVED_READ_MAX 65536 /* bytes of certificates that the server may send */

/* Asks the first of the host's addresses that lets itself be connected to; the answer is in the arena. CONNECTION: it cannot be connected to; TIMEOUT: until
 * the deadline; TLS: it speaks no TLS there, or shows no certificate; MALFORMED: it refuses STARTTLS. */
enum err_code served_look(struct arena *a, const struct endpoint *at, uint32_t timeout_ms, struct served *ret, struct err *e) MUST_USE;

#endif
