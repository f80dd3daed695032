/* What front and signer say to each other about OCSP: what a request asks, and the answer, signed. docs/protocol/channels.md. */
#ifndef CHANCERY_SERVER_OCSP_MESSAGE_H
#define CHANCERY_SERVER_OCSP_MESSAGE_H

#include "pki/ocsp.h"
#include "server/messages.h"

/* OCSP. A nonce is written only as far as an answer repeats it: OCSP_NONCE_MAX. */
void ocsp_ask_write(const struct ocsp_request *r, struct buf *out);
enum err_code ocsp_ask_read(struct bytes body, struct ocsp_request *ret, struct err *e) MUST_USE;

/* OCSP_OK */
struct ocsp_done {
	uint8_t issuer[ISSUER_KEY_SIZE]; /* in whose name it was signed: its subjectKeyIdentifier */
	int64_t this_update_s, next_update_s;
	struct bytes response; /* the whole OCSPResponse */
};
void ocsp_done_write(const struct ocsp_done *d, struct buf *out);
enum err_code ocsp_done_read(struct bytes body, struct ocsp_done *ret, struct err *e) MUST_USE;

#endif
