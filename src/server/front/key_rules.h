/* Which keys may be an account's, beyond what their type allows (crypto/key.h). */
#ifndef CHANCERY_SERVER_FRONT_KEY_RULES_H
#define CHANCERY_SERVER_FRONT_KEY_RULES_H

#include "crypto/key.h"
#include "server/messages.h"

#define KEY_RULES_OWN_MAX 64

struct key_rules;
enum err_code key_rules_new(struct key_rules **ret, struct err *e) MUST_USE;
void key_rules_free(struct key_rules *k);

/* The CA's own certificates, as HELLO_OK brings them: the keys in them are in nobody else's hands. MALFORMED: the old ones stay. */
enum err_code key_rules_take_issuers(struct key_rules *k, const struct hello_ok *h, struct err *e) MUST_USE;

/* The issuer's name of this subjectKeyIdentifier; "": none that the signer has. And the reverse. */
void issuer_name_of(struct key_rules *k, struct bytes key_id, char out[ISSUER_NAME_MAX + 1]);
bool issuer_key_of(struct key_rules *k, struct bytes name, uint8_t out[ISSUER_KEY_SIZE]);

/* BAD_PUBLIC_KEY: known to be weak, blocked (policy.blocked-keys), or the CA's own. Thread-safe. */
struct front;
enum err_code account_key_check(struct front *f, const struct key *key, struct err *e) MUST_USE;

#endif
