/* Account keys at hand: parsing a key costs more than looking one up, and most requests come in a row. A bounded cache of what the
 * database says; whoever changes an account there has it forgotten here. */
#ifndef CHANCERY_SERVER_FRONT_KEYS_H
#define CHANCERY_SERVER_FRONT_KEYS_H

#include "crypto/key.h"
#include "server/store/store.h"

#define KEYS_MAX 4096

struct keys;
enum err_code keys_new(struct keys **ret, struct err *e) MUST_USE;
void keys_free(struct keys *k);

#define TERMS_TAG_SIZE 16
struct account_key {
	struct key *key; /* a reference that the caller frees */
	enum account_state state;
	uint8_t terms[TERMS_TAG_SIZE]; /* terms_tag() of the terms that it agreed to */
};
/* Terms of service by their URL, as short as can be compared; zeros for none. */
void terms_tag(struct bytes url, uint8_t out[TERMS_TAG_SIZE]);
/* ACCOUNT_DOES_NOT_EXIST when there is none. Thread-safe. */
enum err_code keys_get(
    struct keys *k, struct store *s, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct account_key *ret, struct err *e) MUST_USE;
/* The key alone, which the caller frees; whatever the account's state is. */
enum err_code keys_find(
    struct keys *k, struct store *s, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct key **ret, struct err *e) MUST_USE;
/* After a change of the account in the database, before anybody is told of it. */
void keys_forget(struct keys *k, const uint8_t id[STORE_ACCOUNT_ID]);

#endif
