/* What is done at a CA: by the network process, with the account's key in the process that has the keys. */
#ifndef CHANCERY_AGENT_CA_CALL_H
#define CHANCERY_AGENT_CA_CALL_H

#include "agent/ca_wish.h"
#include "agent/crew.h"
#include "agent/outcome.h"

/* The member "ca_pem": those who may vouch for the server, where it is not the system's. */
enum err_code ca_wish_put_file(const struct ca_wish *w, struct json_out *json, struct err *e) MUST_USE;
/* As the member "ca" of an operation (net/acme.c): with what the files say. */
enum err_code ca_wish_put(const struct ca_wish *w, struct json_out *json, struct err *e) MUST_USE;

/* Signatures by the slots of the crew's keys: a peer_asked whose context is the crew. */
peer_asked ca_asked;

/* Each gives ERR_OK with *out telling what the CA said; another code is a failure on this machine. */

/* verb: "open" (makes one where there is none), "recover", "update", "rollover" (next: the new key's public half, whose slot is "next-account") or "deactivate". ret_url: the account's, in the arena. */
enum err_code ca_account(struct crew *c, struct arena *a, const struct ca_wish *w, const char *verb, struct bytes next,
    const char **ret_url, struct outcome *out, struct err *e) MUST_USE;
/* RFC 9773, for the first certificate in pem. */
enum err_code ca_renewal(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, struct chancery_renewal *ret,
    struct outcome *out, struct err *e) MUST_USE;
/* key: the certificate's own, whose slot is "certificate"; ptr NULL: the account says it. */
enum err_code ca_revoke(struct crew *c, struct arena *a, const struct ca_wish *w, struct bytes pem, enum chancery_reason reason,
    struct bytes key, struct outcome *out, struct err *e) MUST_USE;

#endif
