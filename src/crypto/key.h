/* Asymmetric keys. A struct key is immutable after its creation and may be shared by threads. */
#ifndef CHANCERY_CRYPTO_KEY_H
#define CHANCERY_CRYPTO_KEY_H

#include "base/arena.h"
#include "base/err.h"

enum key_type {
#define X(code, name, kind, use, bits, signature, libcrypto, der) KEY_##code,
#include "crypto/key.def"
#undef X
	KEY__MAX
};

enum sig_alg {
#define X(code, jose, key_type, digest, der) SIG_##code,
#include "crypto/sig.def"
#undef X
	SIG__MAX
};

/* What keys of a type are made of, and sign: a point and RSA's two numbers sign digests; keys that are their own bytes (Ed25519, ML-DSA) sign
 * messages, and make no difference between the forms of a signature. */
enum key_kind { KEY_KIND_EC, KEY_KIND_RSA, KEY_KIND_RAW };
/* What a type is allowed for: account keys need a form in JOSE; the Baseline Requirements §6.1.1.3 know no certificates of Ed25519. */
enum { KEY_FOR_ACCOUNTS = 1, KEY_FOR_CERTIFICATES = 2, KEY_FOR_ALL = 3 };

/* How an ECDSA signature is written: r||s of fixed width (RFC 7518 §3.4) or an Ecdsa-Sig-Value SEQUENCE (RFC 3279 §2.2.3). */
enum sig_form { SIG_FORM_JOSE, SIG_FORM_X509 };

#define KEY_RSA_BITS_MIN  2048
#define KEY_RSA_BITS_MAX  4096
#define KEY_SIG_SIZE_MAX  4627 /* of any signature in either form: ML-DSA-87's (FIPS 204, table 2) */
#define KEY_SPKI_SIZE_MAX 2614 /* ML-DSA-87's 2592 bytes in DER */

struct key;

void key_free(struct key *k);
DEFINE_CLEANUP(struct key *, key_free);
/* Another owner of the same key (reference count); never fails. */
struct key *key_ref(struct key *k);

const char *key_type_name(enum key_type t);
bool key_type_from_name(struct bytes name, enum key_type *ret);
enum key_kind key_type_kind(enum key_type t);
/* Whether the libcrypto that is loaded has it: ML-DSA came with OpenSSL 3.5. */
bool key_type_here(enum key_type t);
/* The same for whoever asked for the type: `code` with the reason when it is not here. */
enum err_code key_type_check(enum key_type t, enum err_code code, struct err *e) MUST_USE;
/* A type of certificates' keys as operators and applicants write it: CONFIG with those that are allowed, or with what is missing for it. */
enum err_code key_type_for_certificates(struct bytes name, enum key_type *ret, struct err *e) MUST_USE;
/* "ecdsa-p256, ecdsa-p384 and rsa": those whose bits are set. */
#define KEY_TYPES_TEXT_SIZE 128
#define KEY_TYPES_ALL       ((UINT32_C(1) << KEY__MAX) - 1)
uint32_t key_types_for(unsigned use);
void key_types_text(uint32_t types, char out[KEY_TYPES_TEXT_SIZE]);
/* NULL for those that sign no JWS. */
const char *sig_alg_jose(enum sig_alg a);
/* Bytes of a signature in JOSE's form; 0: as many as the key's modulus has. */
size_t sig_alg_size(enum sig_alg a);
/* Bytes of the digest that is signed; 0: it signs messages. */
size_t sig_alg_digest_size(enum sig_alg a);
/* The algorithm that keys of this type sign with here. */
enum sig_alg key_type_sig_alg(enum key_type t);
bool sig_alg_from_jose(struct bytes name, enum sig_alg *ret);
/* The exact DER AlgorithmIdentifier of the algorithm, static storage. */
struct bytes sig_alg_der(enum sig_alg a);
bool sig_alg_from_der(struct bytes algorithm_identifier, enum sig_alg *ret);

enum key_type key_type(const struct key *k);
unsigned key_bits(const struct key *k);
/* The algorithm that this key signs with here. */
enum sig_alg key_sig_alg(const struct key *k);
bool key_is_private(const struct key *k);

/* rsa_bits is read for KEY_RSA alone. */
enum err_code key_generate(enum key_type t, unsigned rsa_bits, struct key **ret, struct err *e) MUST_USE;

/* Public keys from raw parts. Sizes are looked at before any arithmetic. BAD_PUBLIC_KEY with the reason: off-curve point or
 * infinity, RSA modulus outside KEY_RSA_BITS_MIN..MAX or not a multiple of 8 bits, even modulus, exponent not 65537..2^64-1 or even,
 * Ed25519 point of small order or not canonical, a type that is not here. x, y: exactly the type's width. n, e: big-endian without leading zeros. */
enum err_code key_from_ec(enum key_type t, struct bytes x, struct bytes y, struct key **ret, struct err *e) MUST_USE;
enum err_code key_from_rsa(struct bytes n, struct bytes exponent, struct key **ret, struct err *e) MUST_USE;
enum err_code key_from_raw(enum key_type t, struct bytes x, struct key **ret, struct err *e) MUST_USE;
/* From a SubjectPublicKeyInfo with exactly the AlgorithmIdentifiers of key.def (read by our own bounded code, not by d2i). BAD_PUBLIC_KEY
 * otherwise, and for a type that is not here. */
enum err_code key_from_spki(struct bytes der, struct key **ret, struct err *e) MUST_USE;
/* The DER SubjectPublicKeyInfo, held by the key as long as it lives. */
struct bytes key_spki(const struct key *k);
/* The raw public parts, held by the key: EC gives x and y, RSA modulus and exponent, the others x and an absent second. */
void key_parts(const struct key *k, struct bytes *ret_first, struct bytes *ret_second);

/* PKCS#8 PEM, unencrypted ("PRIVATE KEY"; "EC PRIVATE KEY" and "RSA PRIVATE KEY" are read too). The buffer must be a
 * secret one. Reading: MALFORMED when there is no key that can be read (also for an encrypted one), BAD_PUBLIC_KEY when it is
 * of a kind or size that is not allowed, or its two halves do not belong together (it signs once to find out). */
enum err_code key_private_from_pem(struct bytes pem, struct key **ret, struct err *e) MUST_USE;
enum err_code key_private_to_pem(const struct key *k, struct buf *out, struct err *e) MUST_USE;
/* The same with "ENCRYPTED PRIVATE KEY" (PBES2: scrypt and AES-256, RFC 8018, RFC 7914). Reading takes both: with no passphrase
 * (empty) plain ones alone. UNAUTHORIZED for a wrong passphrase, or for a key that needs one. */
enum err_code key_private_from_pem_with(struct bytes pem, struct bytes passphrase, struct key **ret, struct err *e) MUST_USE;
enum err_code key_private_to_pem_with(const struct key *k, struct bytes passphrase, struct buf *out, struct err *e) MUST_USE;
#define KEY_PASSPHRASE_MAX 1024

/* A key whose private half is somewhere else, in a token for example. What signs there gets the digest that the key's own algorithm is of (SHA-256, or
 * SHA-384 with P-384) and gives r||s of fixed width, or RSASSA-PKCS1-v1_5's number (RFC 8017 §8.2). key_sign() gives no signature to anybody that does
 * not verify. ctx must outlive the key. Not for keys that sign messages: BUG. */
typedef enum err_code key_elsewhere_sign(
    void *ctx, const struct key *k, struct bytes digest, uint8_t sig[], size_t *ret_len, struct err *e);
enum err_code key_elsewhere(struct bytes spki, key_elsewhere_sign *sign, void *ctx, struct key **ret, struct err *e) MUST_USE;

/* sig: room for KEY_SIG_SIZE_MAX. */
enum err_code key_sign(
    const struct key *k, enum sig_form form, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e) MUST_USE;
/* UNAUTHORIZED when the signature is not by this key; MALFORMED when it has not the form's shape (a DER signature where JOSE's
 * is due, wrong width). */
enum err_code key_verify(const struct key *k, enum sig_form form, struct bytes message, struct bytes sig, struct err *e) MUST_USE;
/* An X.509 signature whose AlgorithmIdentifier is `alg`: RFC 5758 §3.2 ties no digest to a curve, and `openssl req` (dehydrated)
 * and certbot sign with SHA-256 by P-384 keys. Not for JWS, where RFC 7518 §3.4 ties them. BAD_SIGNATURE_ALGORITHM when alg is for
 * another kind of key. */
enum err_code key_verify_x509(const struct key *k, enum sig_alg alg, struct bytes message, struct bytes sig, struct err *e) MUST_USE;

/* Known-weak public keys (Baseline Requirements §6.1.1.3, §6.1.6): ROCA's fingerprint, Fermat factorisation within 110 rounds, factors
 * below 752, a modulus that is a power. BAD_PUBLIC_KEY with the reason. Costs a millisecond for RSA, nothing for the others. */
enum err_code key_check_weak(const struct key *k, struct err *e) MUST_USE;

#endif
