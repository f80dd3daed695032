/* The folder's keys and certificates: read, checked against each other, and kept from being swapped out where the kernel lets us. */
#include "server/signer/state.h"

#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX     65536
#define KEY_PEM_MAX 8192

/* A certificate of this CA, with its public key among those that nobody else may have certified. */
static enum err_code own_certificate(
    struct arena *a, struct bytes der, struct bytes own[OWN_KEYS_MAX], size_t *n_own, struct cert *ret, struct err *e)
{
	struct bytes copy = arena_copy(a, der);

	if (!copy.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	if (*n_own == OWN_KEYS_MAX - 1) /* one place stays for the log's key */
		FAIL(e, CONFIG, "the issuer's chain is longer than %d certificates", OWN_KEYS_MAX - 2);
	TRY(cert_parse(a, copy, ret, e));
	if (!ret->is_ca)
		FAIL(e, CONFIG, "a certificate of this CA's chain is not a CA's");
	own[(*n_own)++] = ret->spki;
	return ERR_OK;
}

static enum err_code signed_by(const struct cert *c, const struct cert *by, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	if (!bytes_eq(c->issuer_name, by->subject_name))
		FAIL(e, CONFIG, "the issuer's chain is not in order: each certificate must be followed by its issuer's");
	TRY(key_from_spki(by->spki, &k, e));
	if (key_verify(k, SIG_FORM_X509, c->tbs, c->signature, NULL) != ERR_OK)
		FAIL(e, CONFIG, "a certificate of the issuer's chain is not signed by the one that follows");
	return ERR_OK;
}

/* The issuer's certificate, then those above it, without the root. */
static enum err_code read_chain(struct arena *a, struct bytes pem, const struct cert *root, struct buf *chain,
    struct bytes own[OWN_KEYS_MAX], size_t *n_own, struct bytes *ret_der, struct cert *ret_issuer, struct err *e)
{
	struct cert below, c;
	struct bytes der;
	size_t n = 0;

	for (;;) {
		enum err_code rc = pem_next(a, &pem, "CERTIFICATE", &der, e);
		if (rc == ERR_NOT_FOUND)
			break;
		TRY(rc);
		TRY(own_certificate(a, der, own, n_own, &c, e));
		if (n++ == 0) {
			*ret_der = der;
			*ret_issuer = c;
		} else {
			TRY(signed_by(&below, &c, e));
		}
		wire_put_bytes(chain, der);
		below = c;
	}
	if (n == 0)
		FAIL(e, CONFIG, "%s holds no certificate", FILE_ISSUER);
	return signed_by(&below, root, e);
}

enum err_code signer_check_ca(struct arena *a, struct bytes root_pem, struct bytes issuer_pem, struct bytes issuer_key_pem,
    struct issuer **ret, struct buf *chain, struct bytes own[OWN_KEYS_MAX], size_t *ret_n_own, struct err *e)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	struct bytes root_der, issuer_der;
	struct cert root, issuer;
	size_t n_own = 0;

	errno = 0;
	if (pem_next(a, &root_pem, "CERTIFICATE", &root_der, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s holds no certificate", FILE_ROOT);
	TRY(own_certificate(a, root_der, own, &n_own, &root, e));
	TRY(signed_by(&root, &root, e));
	TRY(read_chain(a, issuer_pem, &root, chain, own, &n_own, &issuer_der, &issuer, e));
	if (!buf_ok(chain))
		FAIL(e, CONFIG, "the issuer's chain is longer than %d bytes", CHAIN_SIZE_MAX);
	TRY(key_private_from_pem(issuer_key_pem, &key, e));
	if (!bytes_eq(key_spki(key), issuer.spki))
		FAIL(e, CONFIG, "%s is not the key of the certificate in %s", FILE_ISSUER_KEY, FILE_ISSUER);
	if (issuer.subject_key_id.len != ISSUER_KEY_SIZE)
		FAIL(e, CONFIG,
		    "the issuer's certificate must have a subjectKeyIdentifier of %d bytes: its revocation lists are named by it",
		    ISSUER_KEY_SIZE);
	TRY(issuer_new(issuer_der, key, ret, e));
	*ret_n_own = n_own;
	return ERR_OK;
}

/* A private key's file belongs to the folder's owner (or root) and nobody else may read it. */
static enum err_code check_mode(int dir, const char *name, struct err *e)
{
	struct stat folder, st;

	if (fstat(dir, &folder) != 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		FAIL(e, CONFIG, "cannot look at %s", name);
	errno = 0;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0077) != 0)
		FAIL(e, CONFIG, "%s must be a file that its owner alone may read: chmod 0400", name);
	if (st.st_uid != folder.st_uid && st.st_uid != 0)
		FAIL(e, CONFIG, "%s must belong to the owner of its folder", name);
	return ERR_OK;
}

static enum err_code read_key(int dir, const char *name, struct buf *out, struct err *e)
{
	TRY(check_mode(dir, name, e));
	TRY(file_read(dir, name, KEY_PEM_MAX, out, e));
	return ERR_OK;
}

static enum err_code load_log_key(struct signer *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_PEM_MAX);

	TRY(read_key(s->dir, FILE_LOG_KEY, &pem, e));
	TRY(key_private_from_pem(buf_bytes(&pem), &s->log_key, e));
	if (key_type(s->log_key) != KEY_ED25519)
		FAIL(e, CONFIG, "%s is not an Ed25519 key", FILE_LOG_KEY);
	s->own[s->n_own++] = key_spki(s->log_key);
	return ERR_OK;
}

enum err_code signer_load(struct signer *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf root = buf_new(PEM_MAX), issuer = buf_new(PEM_MAX);
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(KEY_PEM_MAX);

	(void)mlock(&s->identity, sizeof s->identity);
	TRY(check_mode(s->dir, "identity", e));
	TRY(identity_read(s->dir, &s->identity, e));
	TRY(file_read(s->dir, FILE_ROOT, PEM_MAX, &root, e));
	TRY(file_read(s->dir, FILE_ISSUER, PEM_MAX, &issuer, e));
	TRY(read_key(s->dir, FILE_ISSUER_KEY, &key, e));
	TRY(signer_check_ca(s->arena, buf_bytes(&root), buf_bytes(&issuer), buf_bytes(&key), &s->issuer, &s->chain, s->own, &s->n_own, e));
	return load_log_key(s, e);
}
