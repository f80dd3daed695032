/* What a key is made of, for the files that make and use it. Private to this room. */
#ifndef CHANCERY_CRYPTO_KEY_IMPL_H
#define CHANCERY_CRYPTO_KEY_IMPL_H

#include "crypto/key.h"
#include "crypto/methods.h"

#include <stdatomic.h>

/* Nothing but `refs` changes after key_wrap(). */
struct key {
	atomic_uint refs;
	enum key_type type;
	unsigned bits;
	EVP_PKEY *pkey;
	/* Ready for EVP_PKEY_verify() and EVP_PKEY_sign() on a digest, copied for each use: a copy asks no method store and its
	 * lock (threads!), and costs 0.3 µs where a new one costs 1.4. NULL for keys that sign messages; `sign` is NULL for a
	 * public key. */
	EVP_PKEY_CTX *verify, *sign;
	bool is_private;
	key_elsewhere_sign *elsewhere; /* NULL: the private half, if there is one, is in pkey */
	void *elsewhere_ctx;
	struct bytes first, second; /* as in key_parts(): views into spki */
	size_t spki_len;
	uint8_t spki[];
};

/* Largest of any key's raw parts: ML-DSA-87's. */
#define KEY_PART_MAX 2592

/* key.def's rows. */
struct key_row {
	const char *name, *libcrypto, *der_hex;
	enum key_kind kind;
	unsigned use, bits;
	size_t signature;
};
extern const struct key_row key_rows[KEY__MAX];

/* Bytes of one coordinate of an EC key's point, or of a raw key. Not for RSA. */
size_t key_width(enum key_type t);

/* Takes *pkey over, also when it fails. The parts are those of key_parts(), checked by the caller. */
enum err_code key_wrap(
    enum key_type t, EVP_PKEY **pkey, struct bytes first, struct bytes second, bool is_private, struct key **ret, struct err *e) MUST_USE;

/* The public key of these parts, through the door of its type (key_from_ec and so on). */
enum err_code key_from_parts(enum key_type t, struct bytes first, struct bytes second, struct key **ret, struct err *e) MUST_USE;

/* The SubjectPublicKeyInfo of raw parts: its size (at most KEY_SPKI_SIZE_MAX), and the writing of that many bytes, which also
 * tells where the parts then lie. */
size_t spki_size(enum key_type t, struct bytes first, struct bytes second);
void spki_write(enum key_type t, struct bytes first, struct bytes second, uint8_t *out, struct bytes *ret_first, struct bytes *ret_second);

#endif
