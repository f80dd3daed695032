/* What signed requests and their MACed relatives (RFC 8555 §7.3.4) are read by alike. Private to this room. */
#ifndef CHANCERY_JOSE_JWS_TEXTS_H
#define CHANCERY_JOSE_JWS_TEXTS_H

#include "base/arena.h"
#include "base/err.h"

#define JWS_URL_MAX 2048 /* of a url or kid */

/* The members of a flattened JWS, still encoded. */
struct jws_texts {
	struct bytes protected_header, payload, signature;
	struct bytes header, signatures; /* absent */
};
/* MALFORMED unless it is the flattened form without an unprotected header (RFC 7515 §7.2.2, RFC 8555 §6.2). */
enum err_code jws_texts_read(struct arena *a, struct bytes json, struct jws_texts *ret, struct err *e) MUST_USE;
/* MALFORMED with the member's name. */
enum err_code jws_texts_decode(struct arena *a, struct bytes text, const char *name, struct bytes *ret, struct err *e) MUST_USE;
/* RFC 7515 §5.2: ASCII(BASE64URL(UTF8(JWS Protected Header)) || '.' || BASE64URL(JWS Payload)), as they were sent. */
enum err_code jws_texts_join(struct arena *a, const struct jws_texts *t, struct bytes *ret, struct err *e) MUST_USE;

#endif
