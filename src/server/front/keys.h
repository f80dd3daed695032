/* Account keys at hand: parsing a key costs more than looking one up, and most requests come in a row. A bounded cache of what the
 * database says; an account does not change yet. */
#ifndef CHANCERY_SERVER_FRONT_KEYS_H
#define CHANCERY_SERVER_FRONT_KEYS_H

#include "crypto/key.h"
#include "server/store/store.h"

#define KEYS_MAX 4096

struct keys;
enum err_code keys_new(struct keys **ret, struct err *e) MUST_USE;
void keys_free(struct keys *k);

struct account_key {
	struct key *key; /* a reference that the caller frees */
	enum account_state state;
};
/* ACCOUNT_DOES_NOT_EXIST when there is none. Thread-safe. */
enum err_code keys_get(
    struct keys *k, struct store *s, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct account_key *ret, struct err *e) MUST_USE;

#endif
