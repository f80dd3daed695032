/* The CA's own TLS certificate: the front makes the key, the signer issues by its fixed template, and both lie in the front's
 * folder as one file "tls.pem" (key, chain), replaced in one step. */
#ifndef CHANCERY_SERVER_FRONT_TLS_H
#define CHANCERY_SERVER_FRONT_TLS_H

#include "server/front/front.h"

/* Loads the file into the HTTP server. NOT_FOUND when there is none yet. */
enum err_code tls_load(struct front *f, struct err *e) MUST_USE;
/* Whether it is time for a new one: none, expired, two thirds of its life gone, or names that the configuration has changed. */
bool tls_due(struct front *f, int64_t now_s);
/* A worker's job: a new key, a certificate from the signer, the file, the server. */
void tls_renew(void *front);

#endif
