/* Keys that may not be used, because others may have their private half: read from files that operators keep. One list for each process,
 * written while it starts or its configuration is read anew, and then read by all threads. */
#ifndef CHANCERY_CRYPTO_BLOCKLIST_H
#define CHANCERY_CRYPTO_BLOCKLIST_H

#include "crypto/key.h"

#define BLOCKLIST_FILE_MAX    (256u << 20) /* bytes of one file */
#define BLOCKLIST_ENTRIES_MAX (8u << 20)   /* of all files together: at most 32 bytes each */

struct blocklist;

enum err_code blocklist_new(struct blocklist **ret, struct err *e) MUST_USE;
void blocklist_free(struct blocklist *b);
DEFINE_CLEANUP(struct blocklist *, blocklist_free);

/* Adds what the file behind the descriptor has, read from its beginning; the descriptor stays the caller's, `name` is for the reasons.
 * A line has one key in one of three forms, told apart by their length:
 *   64 hexadecimal digits   SHA-256 of the SubjectPublicKeyInfo
 *   30 hexadecimal digits   the first 120 bits of SHA-256 of the RSA modulus, the x of an EC point or an Ed25519 key, without leading zero
 *                           bytes: an entry of badkeys' blocklist.dat without its last byte
 *   20 hexadecimal digits   the last 80 bits of SHA-1 of "Modulus=", the RSA modulus in upper-case hexadecimal digits and a line feed:
 *                           as in Debian's openssl-blacklist
 * Empty lines and those that begin with '#' are passed over, also white space at a line's end. CONFIG with the number of the line that is
 * neither, or when something is larger than the maxima; then nothing was added. IO when the file cannot be read. */
enum err_code blocklist_add(struct blocklist *b, int fd, const char *name, struct err *e) MUST_USE;

/* How many keys there are; one that stands in two forms or files counts for each. */
size_t blocklist_count(const struct blocklist *b);
/* Whether the key is one of them. b may be NULL: none is. */
bool blocklist_has(const struct blocklist *b, const struct key *k);

#endif
