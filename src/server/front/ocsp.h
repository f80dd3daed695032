/* OCSP as relying parties ask it over HTTP (RFC 6960 appendix A, RFC 5019): requests are read here, the signer decides and signs. Answers are kept
 * until half of their life has gone, and dropped with the next revocation list of their shard. */
#ifndef CHANCERY_SERVER_FRONT_OCSP_H
#define CHANCERY_SERVER_FRONT_OCSP_H

#include "server/front/front.h"

struct ocsp;

enum err_code ocsp_new(struct front *f, struct ocsp **ret, struct err *e) MUST_USE;
/* When nobody asks the signer any more. */
void ocsp_free(struct ocsp *o);
/* GET, HEAD and POST below OCSP_PATH. */
enum http_handled ocsp_handle(struct ocsp *o, struct http_request *r);
/* A list of this shard is new: what was revoked is not `good` any more. From the control loop. */
void ocsp_forget(struct ocsp *o, const uint8_t issuer[ISSUER_KEY_SIZE], uint8_t shard);

#endif
