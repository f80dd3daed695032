/* The small secret that validator and signer share: who this CA is and the key of receipts and tokens. Made by init, one copy in
 * each one's folder, file "identity", mode 0400; three lines of text. */
#ifndef CHANCERY_SERVER_IDENTITY_H
#define CHANCERY_SERVER_IDENTITY_H

#include "server/receipt.h"

struct identity {
	uint8_t instance[INSTANCE_SIZE];
	uint32_t key_id;
	uint8_t receipt_key[RECEIPT_KEY_SIZE]; /* wiped by its owner */
};
/* A new instance with a new key. */
void identity_make(struct identity *ret);
/* file "identity" in the folder `dir` (a descriptor). */
enum err_code identity_read(int dir, struct identity *ret, struct err *e) MUST_USE;
/* Never overwrites: CONFLICT. */
enum err_code identity_create(int dir, const struct identity *i, struct err *e) MUST_USE;

#endif
