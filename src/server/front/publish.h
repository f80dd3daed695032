/* What relying parties fetch over plain HTTP: revocation lists and the CA's certificates, from memory. An HTTP server of its own: nothing of ACME can be reached
 * there, and whoever floods it takes no worker from the clients. The lists are signed; the front only hands them on. */
#ifndef CHANCERY_SERVER_FRONT_PUBLISH_H
#define CHANCERY_SERVER_FRONT_PUBLISH_H

#include "server/front/front.h"

struct publish;

enum err_code publish_new(struct front *f, struct publish **ret, struct err *e) MUST_USE;
void publish_free(struct publish *p);
/* A listening socket, taken over; before publish_start(). */
enum err_code publish_listen(struct publish *p, int fd, struct err *e) MUST_USE;
enum err_code publish_start(struct publish *p, struct err *e) MUST_USE;
void publish_stop(struct publish *p, unsigned grace_ms);

/* The signer has lists: they are fetched on a worker, part by part (messages.h). From the control loop. */
void publish_lists_are_new(struct publish *p, const struct crl_new *v, size_t n);
/* The CA's certificates, in the place of those before. */
enum err_code publish_issuers(struct publish *p, const struct hello_ok *h, struct err *e) MUST_USE;
/* Fetches again what could not be had. From the control loop, now and then. */
void publish_tick(struct publish *p);

#endif
