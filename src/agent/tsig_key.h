/* Keys that sign DNS updates (TSIG, RFC 8945), as name servers' tools write them. */
#ifndef CHANCERY_AGENT_TSIG_KEY_H
#define CHANCERY_AGENT_TSIG_KEY_H

#include "base/err.h"

/* As tsig-keygen and ddns-confgen write it: key "NAME" { algorithm hmac-sha256; secret "BASE64"; }; */
struct tsig_key {
	char name[256], algorithm[64]; /* the algorithm as DNS names it: "hmac-sha256." */
	struct buf secret;             /* base64 and a NUL; secret memory */
};
/* From a file that is its owner's alone. CONFIG with what is wrong. */
enum err_code tsig_key_read(const char *path, struct tsig_key *ret, struct err *e) MUST_USE;
/* From its parts, as they stand in another one. */
enum err_code tsig_key_set(struct tsig_key *k, struct bytes name, struct bytes algorithm, struct bytes secret, struct err *e) MUST_USE;
void tsig_key_free(struct tsig_key *k);

#endif
