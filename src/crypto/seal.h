/* A stream of bytes encrypted under a passphrase: scrypt (RFC 7914) makes a key for this one stream, AES-256-GCM seals chunk by chunk, and each
 * chunk's nonce says which one it is and whether it is the last, so that none can be changed, moved, left out or cut off unseen.
 * docs/protocol/backup.md is normative. */
#ifndef CHANCERY_CRYPTO_SEAL_H
#define CHANCERY_CRYPTO_SEAL_H

#include "base/err.h"

#define SEAL_HEAD_SIZE  48
#define SEAL_CHUNK_SIZE 65536u /* every chunk but the last */
#define SEAL_TAG_SIZE   16
#define SEAL_PASS_MIN   12
#define SEAL_PASS_MAX   1024
#define SEAL_LOG_N      17 /* scrypt with r = 8, p = 1: 128 MiB, half a second */
#define SEAL_LOG_N_MAX  20 /* that is read: a head is a stranger's until the passphrase has proved it */
#define SEAL_CHUNKS_MAX UINT32_MAX

struct seal;

/* A new stream, with a salt of its own; head is what the stream begins with. CONFIG for a passphrase that is too short or too long. log_n: SEAL_LOG_N,
 * fewer for tests alone. */
enum err_code seal_new(struct bytes passphrase, unsigned log_n, struct seal **ret, uint8_t head[SEAL_HEAD_SIZE], struct err *e) MUST_USE;
/* To read one. MALFORMED: no head of this version. Whether the passphrase is right is seen at the first chunk. */
enum err_code seal_open(struct bytes passphrase, struct bytes head, struct seal **ret, struct err *e) MUST_USE;
void seal_free(struct seal *s);
DEFINE_CLEANUP(struct seal *, seal_free);
/* Whether a stream begins like a sealed one. */
bool seal_is_head(struct bytes in);

/* The next chunk: SEAL_CHUNK_SIZE bytes, the last one any number up to that. out has room for SEAL_TAG_SIZE more. */
enum err_code seal_put(struct seal *s, bool last, struct bytes chunk, uint8_t *out, struct err *e) MUST_USE;
/* The reverse; out has room for SEAL_TAG_SIZE less. UNAUTHORIZED: the wrong passphrase, or bytes that are not what was written; then out must
 * not be used. */
enum err_code seal_get(struct seal *s, bool last, struct bytes sealed, uint8_t *out, struct err *e) MUST_USE;

#endif
