/* What the signer must know of an account, because it decides by it: the client's own signed request is the evidence. */
#ifndef CHANCERY_SERVER_FRONT_ACCOUNT_EVIDENCE_H
#define CHANCERY_SERVER_FRONT_ACCOUNT_EVIDENCE_H

#include "server/front/request.h"

/* Sends this request to the signer as ROLLOVER, DEACTIVATE or BIND, and waits: when it succeeds the signer has it in its log. Its refusals
 * come as they are; BUSY, CLOSED, TIMEOUT when it cannot be asked: then nobody knows whether it has, and the client's next try gets the
 * same answer. */
enum err_code account_evidence_send(struct acme_request *r, enum message_type type, struct message *ret, struct err *e) MUST_USE;

#endif
