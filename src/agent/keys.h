/* The keys, as the program sees them: by the names of slots. They are made, opened and used in a process of their own (keys/main.c); only files' descriptors
 * go there, and nothing comes back but public halves and signatures. */
#ifndef CHANCERY_AGENT_KEYS_H
#define CHANCERY_AGENT_KEYS_H

#include "agent/keys/sign_rules.h"
#include "agent/peer.h"

enum keys_use { KEYS_ACCOUNT, KEYS_CERTIFICATE };

struct keys_wish {
	const char *slot; /* its name: "account", "certificate" */
	enum keys_use use;
	unsigned may; /* enum sign_may */
	bool must_staple;
	const char *const *names; /* of an order, or of a request for a certificate */
	size_t n_names;
	/* Of a key that is made. */
	enum key_type type;
	unsigned bits;
};
/* A key in PEM, from a descriptor that is open for reading. CONFIG: it is none. spki: its public half, DER in the arena. */
enum err_code keys_open(
    struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e) MUST_USE;
/* A new one, written in PEM to a file that is open for writing, and durable there. */
enum err_code keys_make(
    struct peer *keys, struct arena *a, const struct keys_wish *w, int fd, struct bytes *ret_spki, struct err *e) MUST_USE;
/* The signature as X.509 has it. UNAUTHORIZED: what the rules do not allow. */
enum err_code keys_sign_by(
    struct peer *keys, struct arena *a, const char *slot, struct bytes message, struct bytes *ret_signature, struct err *e) MUST_USE;
/* A PKCS #12 file of the slot's key and the chain (PEM, leaf first), written to fd. */
enum err_code keys_pkcs12(struct peer *keys, struct arena *a, const char *slot, struct bytes chain, const char *name, struct bytes password,
    int fd, struct err *e) MUST_USE;

#endif
