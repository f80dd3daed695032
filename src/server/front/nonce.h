/* Stateless nonces with a replay window (RFC 8555 §6.5): a nonce is one encrypted block of a counter and a tag of this start; what
 * is remembered is one bit for each of the last NONCE_WINDOW counters. Nonces of an earlier start do not decrypt to our tag. */
#ifndef CHANCERY_SERVER_FRONT_NONCE_H
#define CHANCERY_SERVER_FRONT_NONCE_H

#include "base/err.h"

#define NONCE_LEN    22         /* characters of base64url */
#define NONCE_WINDOW (1u << 22) /* nonces given out before the oldest unused one ends: minutes under 20,000 a second; 512 KiB */

struct nonces;
enum err_code nonces_new(struct nonces **ret, struct err *e) MUST_USE;
void nonces_free(struct nonces *n);
/* A fresh nonce with a NUL. Thread-safe, as the next. */
void nonce_make(struct nonces *n, char out[NONCE_LEN + 1]);
/* BAD_NONCE unless it is ours, within the window and never used before; then it is used. */
enum err_code nonce_use(struct nonces *n, struct bytes nonce, struct err *e) MUST_USE;

#endif
