/* What operators have blocked while the CA runs: keys, names, accounts, challenge types. The signer keeps it by its log and refuses by it; the
 * front has a copy, so that clients hear it early. May be asked by any thread. */
#ifndef CHANCERY_SERVER_BLOCKS_H
#define CHANCERY_SERVER_BLOCKS_H

#include "acme/identifier.h"
#include "crypto/key.h"
#include "server/messages.h"

/* The numbers are on disk. */
enum block_kind { BLOCK_KEY = 1, BLOCK_NAME, BLOCK_ACCOUNT, BLOCK_METHOD, BLOCK__MAX };
/* "key"; and the reverse. */
const char *block_kind_name(enum block_kind k);
bool block_kind_from_name(struct bytes name, enum block_kind *ret);

#define BLOCKS_MAX       1024
#define BLOCK_VALUE_MAX  255
#define BLOCK_REASON_MAX 200
/* Key: 64 hexadecimal digits, the SHA-256 of the SubjectPublicKeyInfo. Name: a rule of acme/policy.h, or a range of addresses. Account: its id
 * in base64url. Method: a challenge type. */
struct block {
	enum block_kind kind;
	struct bytes value;
	struct bytes reason; /* the operator's words; may be empty */
	uint32_t uid;
	int64_t since_ms;
};
/* Whether it can be one: CONFIG, with what is allowed. *ret: the value in its one form, arena. */
enum err_code block_check(struct arena *a, enum block_kind k, struct bytes value, struct bytes *ret, struct err *e) MUST_USE;

struct blocks;
struct blocks *blocks_new(void) MUST_USE; /* NULL: no memory */
void blocks_free(struct blocks *b);
/* BUSY when there are BLOCKS_MAX; again is success. */
enum err_code blocks_add(struct blocks *b, const struct block *v, struct err *e) MUST_USE;
/* False: it was none. */
bool blocks_remove(struct blocks *b, enum block_kind k, struct bytes value);
void blocks_clear(struct blocks *b);
bool blocks_has(struct blocks *b, enum block_kind k, struct bytes value);
size_t blocks_count(struct blocks *b);
/* The i-th in the order in which they came; the views live until the next change. For whoever makes the changes. */
struct block blocks_at(struct blocks *b, size_t i);

bool blocks_has_key(struct blocks *b, const struct key *k);
bool blocks_has_account(struct blocks *b, const uint8_t id[32]);
/* REJECTED_IDENTIFIER. */
enum err_code blocks_judge_name(struct blocks *b, const struct identifier *id, struct err *e) MUST_USE;
/* Challenge types that are switched off: a bit each. */
uint32_t blocks_methods(struct blocks *b);

/* BLOCKS: a part of the list, as many as fit into one message from *at on; the reader clears its own when the part is the first. */
void blocks_write(struct blocks *b, size_t *at, struct buf *out);
enum err_code blocks_read(struct blocks *b, struct bytes body, struct err *e) MUST_USE;

#endif
