/* What the server sends as the certificate, held against what was asked for. Private to this room. */
#ifndef CHANCERY_CLIENT_CHAIN_H
#define CHANCERY_CLIENT_CHAIN_H

#include "base/arena.h"
#include "base/err.h"
#include "pki/name.h"

#define CHAIN_MOST    10 /* certificates */
#define CHAIN_PEM_MAX (256 * 1024)

#define CHAIN_ID_SIZE 128

struct chain {
	struct bytes fullchain; /* PEM written anew: certificates and nothing else */
	size_t leaf_len;        /* of its first certificate */
	int64_t not_before_s, not_after_s;
	char top_issuer[256]; /* common name of who has issued the last certificate; "": it has none */
};

/* MALFORMED with what is wrong: no PEM, too many or too large certificates, a leaf for another key than spki, one that lacks one
 * of these names, one that is expired (now_s; 0: not looked at), or a certificate that is not signed by the one behind it. That the
 * last one leads to an anchor is whoever's who trusts it. */
enum err_code chain_check(struct arena *a, struct bytes pem, struct bytes spki, const struct san *names, size_t n_names, int64_t now_s,
    struct chain *ret, struct err *e) MUST_USE;

/* The first certificate in pem: its DER, in the arena, and its name in renewal information (RFC 9773 §4.1); "" where it has no authorityKeyIdentifier. */
enum err_code chain_first(struct arena *a, struct bytes pem, struct bytes *ret_der, char ret_id[CHAIN_ID_SIZE], struct err *e) MUST_USE;

#endif
