/* The operators' connections of the signer: a socket that the parent has opened (its mode says who may connect), a line of JSON in, one
 * out, then the end. Bounded in number, bytes and time; the loop around it is never held up. docs/protocol/operators.md is normative. */
#ifndef CHANCERY_SERVER_SIGNER_OPERATORS_H
#define CHANCERY_SERVER_SIGNER_OPERATORS_H

#include "base/err.h"

#include <poll.h>

#define OPERATORS_CLIENTS_MAX 4
#define OPERATORS_FDS         (1 + OPERATORS_CLIENTS_MAX)
#define OPERATORS_LINE_MAX    16384
#define OPERATORS_ANSWER_MAX  (1u << 20)
#define OPERATORS_MS          5000 /* for the line, and again for the answer */

struct signer;
struct operators;
struct operators *operators_new(void) MUST_USE;
void operators_free(struct operators *o);
DEFINE_CLEANUP(struct operators *, operators_free);
/* Takes the listening socket; one that was there before is closed. */
void operators_listen_on(struct operators *o, int fd);
/* What to poll for: OPERATORS_FDS entries; returns how many. */
size_t operators_poll(const struct operators *o, struct pollfd *fds);
/* Milliseconds until somebody's time is over; -1: nobody is there. */
int operators_timeout(const struct operators *o);
/* Takes, reads, answers what can be now. An error means that the signer must end (its log has failed). */
enum err_code operators_serve(struct operators *o, struct signer *s, struct err *e) MUST_USE;

#endif
