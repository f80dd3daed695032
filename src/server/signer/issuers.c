/* The CA's issuers: a folder each with certificates and key. Ceremonies put them there, offline; a running signer only reads. */
#include "server/signer/lists.h"

#include "base/codec.h"
#include "base/seam.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX       65536
#define KEY_PEM_MAX   8192
#define FOLDER_MOVING "issuers.moving"

/* --- one issuer --- */

/* A certificate of this CA, with its public key among those that nobody else may have certified. */
static enum err_code own_certificate(struct arena *a, struct bytes der, struct own_keys *own, struct cert *ret, struct err *e)
{
	struct bytes copy = arena_copy(a, der);

	if (!copy.ptr)
		FAIL(e, NOMEM, "no memory for a certificate");
	if (own->n == OWN_KEYS_MAX - 1) /* one place stays for the log's key */
		FAIL(e, CONFIG, "the issuers' chains have more than %d certificates", OWN_KEYS_MAX - 1);
	TRY(cert_parse(a, copy, ret, e));
	if (!ret->is_ca)
		FAIL(e, CONFIG, "a certificate of this CA's chain is not a CA's");
	own->spki[own->n++] = ret->spki;
	return ERR_OK;
}

static enum err_code signed_by(const struct cert *c, const struct cert *by, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	if (!bytes_eq(c->issuer_name, by->subject_name))
		FAIL(e, CONFIG, "the issuer's chain is not in order: each certificate must be followed by its issuer's");
	TRY(key_from_spki(by->spki, &k, e));
	if (key_verify_x509(k, c->alg, c->tbs, c->signature, NULL) != ERR_OK)
		FAIL(e, CONFIG, "a certificate of the issuer's chain is not signed by the one that follows");
	return ERR_OK;
}

/* The issuer's certificate, then those above it, without the root. */
static enum err_code read_chain(struct arena *a, struct bytes pem, const struct cert *root, struct own_keys *own, struct buf *chain,
    struct bytes *ret_der, struct cert *ret_issuer, struct err *e)
{
	struct cert below, c;
	struct bytes der;
	size_t n = 0;

	for (;;) {
		enum err_code rc = pem_next(a, &pem, "CERTIFICATE", &der, e);
		if (rc == ERR_NOT_FOUND)
			break;
		TRY(rc);
		TRY(own_certificate(a, der, own, &c, e));
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

static enum err_code open_key(const struct issuer_files *f, struct bytes spki, struct key **ret, struct err *e)
{
	if (!bytes_starts_with(f->key_pem, BYTES_LIT(KEY_URI_SCHEME)))
		return key_private_from_pem_with(f->key_pem, f->passphrase, ret, e);
	if (!f->signer) /* somebody only looks */
		return key_from_spki(spki, ret, e);
	return keyholder_key(f->signer, f->key_pem, spki, ret, e);
}

enum err_code issuer_make(struct arena *a, const struct issuer_files *f, struct own_keys *own, struct ca_issuer *ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	CLEANUP(buf_free_p) struct buf chain = buf_new(CHAIN_SIZE_MAX);
	struct bytes root_pem = f->root_pem, root_der, issuer_der;
	struct cert root, issuer = { .tbs = BYTES_NONE };

	errno = 0;
	if (pem_next(a, &root_pem, "CERTIFICATE", &root_der, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s holds no certificate", FILE_ROOT);
	if (root_der.len > ROOT_SIZE_MAX)
		FAIL(e, CONFIG, "the root's certificate has %zu bytes, at most %d are allowed", root_der.len, ROOT_SIZE_MAX);
	TRY(own_certificate(a, root_der, own, &root, e));
	TRY(signed_by(&root, &root, e));
	TRY(read_chain(a, f->issuer_pem, &root, own, &chain, &issuer_der, &issuer, e));
	if (!buf_ok(&chain))
		FAIL(e, CONFIG, "the issuer's chain is longer than %d bytes", CHAIN_SIZE_MAX);
	ret->in_token = bytes_starts_with(f->key_pem, BYTES_LIT(KEY_URI_SCHEME));
	TRY(open_key(f, issuer.spki, &key, e));
	if (!bytes_eq(key_spki(key), issuer.spki))
		FAIL(e, CONFIG, "%s is not the key of the certificate in %s", FILE_ISSUER_KEY, FILE_ISSUER);
	if (issuer.subject_key_id.len != ISSUER_KEY_SIZE)
		FAIL(e, CONFIG,
		    "the issuer's certificate must have a subjectKeyIdentifier of %d bytes: its revocation lists are named by it",
		    ISSUER_KEY_SIZE);
	TRY(issuer_new(issuer_der, key, &ret->issuer, e));
	ret->root = root_der;
	ret->root_key_id = root.subject_key_id;
	ret->chain = chain;
	chain = buf_new(0);
	return ERR_OK;
}

void ca_issuer_free(struct ca_issuer *i)
{
	issuer_free(i->issuer);
	buf_free(&i->chain);
	*i = (struct ca_issuer){ 0 };
}

/* --- the folder --- */

static enum err_code open_folder(int at, const char *name, int *ret, struct err *e)
{
	*ret = seam->openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (*ret < 0)
		FAIL(e, IO, "cannot open the signer's folder \"%s\"", name);
	return ERR_OK;
}

static bool is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err_code move_file(int from, const char *old_name, int to, const char *name, struct err *e)
{
	if (renameat(from, old_name, to, name) != 0 && errno != ENOENT)
		FAIL(e, IO, "cannot move the signer's \"%s\" into %s", old_name, FOLDER_ISSUERS);
	return ERR_OK;
}

/* A folder of the first version: root.pem, issuer.pem and issuer.key beside the log. A crash in the middle goes on at the next start. */
static enum err_code move_first(struct signer *s, struct err *e)
{
	CLEANUP(close_p) int moving = -1, first = -1;

	if (is_there(s->dir, FOLDER_ISSUERS) || !(is_there(s->dir, FILE_ISSUER) || is_there(s->dir, FOLDER_MOVING)))
		return ERR_OK;
	if (mkdirat(s->dir, FOLDER_MOVING, 0700) != 0 && errno != EEXIST)
		FAIL(e, IO, "cannot make the signer's folder \"%s\"", FOLDER_MOVING);
	TRY(open_folder(s->dir, FOLDER_MOVING, &moving, e));
	if (mkdirat(moving, ISSUER_FIRST, 0700) != 0 && errno != EEXIST)
		FAIL(e, IO, "cannot make the issuer's folder \"%s\"", ISSUER_FIRST);
	TRY(open_folder(moving, ISSUER_FIRST, &first, e));
	TRY(move_file(s->dir, FILE_ROOT, first, FILE_ROOT, e));
	TRY(move_file(s->dir, "issuer.key", first, FILE_ISSUER_KEY, e));
	TRY(move_file(s->dir, FILE_ISSUER, first, FILE_ISSUER, e));
	TRY(file_sync_dir(first, e));
	TRY(file_sync_dir(moving, e));
	TRY(move_file(s->dir, FOLDER_MOVING, s->dir, FOLDER_ISSUERS, e));
	return file_sync_dir(s->dir, e);
}

static int by_name(const void *a, const void *b)
{
	const struct ca_issuer *x = a, *y = b;

	return strcmp(x->name, y->name);
}

enum err_code issuers_list(int folder, struct ca_issuer v[ISSUERS_MAX], size_t *ret_n, struct err *e)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again >= 0 ? fdopendir(again) : NULL;
	enum err_code rc = ERR_OK;
	size_t n = 0;

	if (!d)
		FAIL(e, IO, "cannot read the signer's folder \"%s\"", FOLDER_ISSUERS);
	for (struct dirent *entry; rc == ERR_OK && (entry = readdir(d));) {
		errno = 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!settings_is_issuer_name(entry->d_name))
			rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%s holds \"%.60s\": " ISSUER_NAME_RULE, FOLDER_ISSUERS,
			    entry->d_name, ISSUER_NAME_MAX);
		else if (n == ISSUERS_MAX)
			rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%s holds more than %d issuers", FOLDER_ISSUERS, ISSUERS_MAX);
		else
			memcpy(v[n++].name, entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(d);
	TRY(rc);
	qsort(v, n, sizeof *v, by_name);
	*ret_n = n;
	return ERR_OK;
}

/* The root's own list, which says whether the issuer still stands: passed on as it is, after a look whether it is the root's. */
enum err_code root_list_make(struct bytes root, struct bytes der, struct list *ret, struct err *e)
{
	CLEANUP(issuer_free_p) struct issuer *by = NULL;
	struct list l = { .der = buf_new(ROOT_LIST_MAX) };
	struct crl c;

	TRY(issuer_new(root, NULL, &by, e));
	TRY(crl_parse(der, &c, e));
	errno = 0;
	if (crl_verify(&c, by, NULL) != ERR_OK)
		FAIL(e, CONFIG, "%s is not a list of the root in %s", FILE_ROOT_LIST, FILE_ROOT);
	if (c.number.len > 7 || c.number.len == 0)
		FAIL(e, CONFIG, "%s has a number of %zu bytes: 1 to 7 are allowed", FILE_ROOT_LIST, c.number.len);
	l.this_update_s = c.this_update_s;
	l.next_update_s = c.next_update_s;
	for (size_t k = 0; k < c.number.len; k++)
		l.number = l.number << 8 | c.number.ptr[k];
	buf_add(&l.der, der);
	if (!buf_ok(&l.der)) {
		buf_free(&l.der);
		FAIL(e, TOO_LARGE, "%s has more than %u bytes", FILE_ROOT_LIST, ROOT_LIST_MAX);
	}
	*ret = l;
	return ERR_OK;
}

static enum err_code load_root_list(int dir, struct ca_issuer *i, struct err *e)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(ROOT_LIST_MAX);

	if (!is_there(dir, FILE_ROOT_LIST))
		return ERR_OK;
	TRY(file_read(dir, FILE_ROOT_LIST, ROOT_LIST_MAX, &der, e));
	return root_list_make(i->root, buf_bytes(&der), &i->root_list, e);
}

static enum err_code load_issuer(struct signer *s, int folder, struct bytes passphrase, struct ca_issuer *i, struct err *e)
{
	CLEANUP(buf_free_p) struct buf root = buf_new(PEM_MAX), issuer = buf_new(PEM_MAX);
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(KEY_PEM_MAX);
	CLEANUP(close_p) int dir = -1;

	TRY(open_folder(folder, i->name, &dir, e));
	TRY(file_read(dir, FILE_ROOT, PEM_MAX, &root, e));
	TRY(file_read(dir, FILE_ISSUER, PEM_MAX, &issuer, e));
	TRY(signer_read_key_file(dir, FILE_ISSUER_KEY, &key, e));
	struct issuer_files f = { .root_pem = buf_bytes(&root),
		.issuer_pem = buf_bytes(&issuer),
		.key_pem = buf_bytes(&key),
		.passphrase = passphrase,
		.signer = s };
	TRY(issuer_make(s->arena, &f, &s->own, i, e));
	i->shards = calloc(SHARDS_MAX, sizeof *i->shards);
	if (!i->shards)
		FAIL(e, NOMEM, "no memory for revocation lists");
	return load_root_list(dir, i, e);
}

static enum err_code check_twins(const struct signer *s, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < s->n_issuers; i++)
		for (size_t k = 0; k < i; k++)
			if (bytes_eq(s->issuers[i].issuer->key_id, s->issuers[k].issuer->key_id))
				FAIL(e, CONFIG,
				    "the issuers %s and %s have the same subjectKeyIdentifier: they would share their revocation lists",
				    s->issuers[k].name, s->issuers[i].name);
	return ERR_OK;
}

enum err_code issuers_check_room(const struct ca_issuer *v, size_t n, struct err *e)
{
	size_t size = INSTANCE_SIZE + 1;

	for (size_t i = 0; i < n; i++)
		size += 3 * sizeof(uint32_t) + strlen(v[i].name) + buf_bytes(&v[i].chain).len + v[i].root.len;
	errno = 0;
	if (size > CHANNEL_BODY_MAX)
		FAIL(e, CONFIG, "the certificates of %zu issuers take %zu bytes together, at most %d are allowed: take one out of %s", n,
		    size, CHANNEL_BODY_MAX, FOLDER_ISSUERS);
	return ERR_OK;
}

enum err_code issuers_load(struct signer *s, struct bytes passphrase, struct err *e)
{
	CLEANUP(close_p) int folder = -1;

	TRY(move_first(s, e));
	TRY(open_folder(s->dir, FOLDER_ISSUERS, &folder, e));
	TRY(issuers_list(folder, s->issuers, &s->n_issuers, e));
	errno = 0;
	if (s->n_issuers == 0)
		FAIL(e, CONFIG, "there is no issuer: %s is empty", FOLDER_ISSUERS);
	for (size_t i = 0; i < s->n_issuers; i++) {
		struct err why = { 0 };
		enum err_code rc = load_issuer(s, folder, passphrase, &s->issuers[i], &why);
		errno = 0;
		if (rc != ERR_OK)
			return err_set(e, rc, __FILE__, __LINE__, "issuer %s: %s", s->issuers[i].name, why.detail);
	}
	TRY(issuers_check_room(s->issuers, s->n_issuers, e));
	return check_twins(s, e);
}

/* --- whether the log knows them --- */

enum err_code issuer_take(struct signer *s, const struct record *r, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct issuer_event v;
	struct bytes der;

	if (!a)
		FAIL(e, NOMEM, "no memory for an issuer's record");
	TRY(issuer_event_read(r, &v, e));
	if (pem_next(a, &v.issuer_pem, "CERTIFICATE", &der, NULL) != ERR_OK)
		FAIL(e, MALFORMED, "an issuer's record without a certificate");
	if (s->logged.n == ISSUERS_LOGGED_MAX)
		FAIL(e, CONFIG, "the log knows more than %d issuers", ISSUERS_LOGGED_MAX);
	sha256_one(der, s->logged.certificate[s->logged.n++]);
	return ERR_OK;
}

/* GENESIS names the first. */
static enum err_code first_certificate(struct signer *s, struct arena *a, struct bytes *ret, struct err *e)
{
	struct record r;

	TRY(log_read(s->log, a, 1, SEGMENT_HEAD_SIZE, &r, e));
	struct wire w = wire_of(r.body);
	(void)wire_fixed(&w, INSTANCE_SIZE);
	(void)wire_u32(&w);
	(void)wire_bytes(&w, PEM_MAX);
	struct bytes pem = wire_bytes(&w, PEM_MAX);
	errno = 0;
	if (r.type != LOG_GENESIS || w.failed || pem_next(a, &pem, "CERTIFICATE", ret, NULL) != ERR_OK)
		FAIL(e, IO, "the log's first record names no issuer");
	return ERR_OK;
}

enum err_code issuers_check_known(struct signer *s, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct bytes first;

	if (!a)
		FAIL(e, NOMEM, "no memory for the log's first record");
	TRY(first_certificate(s, a, &first, e));
	for (size_t i = 0; i < s->n_issuers; i++) {
		struct bytes der = s->issuers[i].issuer->certificate;
		bool known = bytes_eq(der, first);
		uint8_t digest[SHA256_SIZE];
		sha256_one(der, digest);
		for (size_t k = 0; !known && k < s->logged.n; k++)
			known = memcmp(s->logged.certificate[k], digest, sizeof digest) == 0;
		if (!known)
			FAIL(e, CONFIG,
			    "issuer %s: the log does not know its certificate: an issuer is put in place by `chancery-ca issuer add`",
			    s->issuers[i].name);
	}
	return ERR_OK;
}

void issuers_free(struct signer *s)
{
	for (size_t i = 0; i < s->n_issuers; i++) {
		lists_free(&s->issuers[i]);
		ca_issuer_free(&s->issuers[i]);
	}
	s->n_issuers = 0;
}

/* --- which --- */

struct ca_issuer *issuers_find(struct signer *s, struct bytes key_id)
{
	for (size_t i = 0; i < s->n_issuers; i++)
		if (bytes_eq(s->issuers[i].issuer->key_id, key_id))
			return &s->issuers[i];
	return NULL;
}

struct ca_issuer *issuers_of_record(struct signer *s, const uint8_t key_id[ISSUER_KEY_SIZE])
{
	static const uint8_t none[ISSUER_KEY_SIZE];

	if (memcmp(key_id, none, sizeof none) != 0)
		return issuers_find(s, (struct bytes){ key_id, ISSUER_KEY_SIZE });
	for (size_t i = 0; i < s->n_issuers; i++)
		if (strcmp(s->issuers[i].name, ISSUER_FIRST) == 0)
			return &s->issuers[i];
	return NULL;
}

static bool is_named(const struct profile *p, const struct ca_issuer *c)
{
	for (size_t i = 0; i < p->n_issuers; i++)
		if (bytes_eq_str(p->issuers[i], c->name))
			return true;
	return p->n_issuers == 0;
}

/* Whether the profile lets it sign, and its own certificate what the profile is for. */
static bool may_sign(const struct profile *p, const struct ca_issuer *c)
{
	uint32_t purposes = c->issuer->purposes;

	return is_named(p, c) && (!(p->purposes & PROFILE_SERVER_AUTH) || (purposes & CERT_SERVER_AUTH)) &&
	       (!(p->purposes & PROFILE_CLIENT_AUTH) || (purposes & CERT_CLIENT_AUTH));
}

static enum err_code check_names(const struct signer *s, const struct profile *p, struct err *e)
{
	for (size_t i = 0; i < p->n_issuers; i++) {
		bool found = false;
		for (size_t k = 0; k < s->n_issuers; k++)
			found = found || bytes_eq_str(p->issuers[i], s->issuers[k].name);
		if (!found)
			FAIL(e, CONFIG, "the profile \"%.*s\" names the issuer %.*s, and there is none of that name", BYTES_FMT(p->name),
			    BYTES_FMT(p->issuers[i]));
	}
	return ERR_OK;
}

/* One key never signs for servers and for clients: what relying parties let the one do must not serve for the other. */
static enum err_code check_apart(const struct signer *s, const struct profile *p, const struct profile *q, struct err *e)
{
	for (size_t i = 0; i < s->n_issuers; i++)
		if ((p->purposes & PROFILE_CLIENT_AUTH) && (q->purposes & PROFILE_SERVER_AUTH) && may_sign(p, &s->issuers[i]) &&
		    may_sign(q, &s->issuers[i]))
			FAIL(e, CONFIG,
			    "the profiles \"%.*s\" and \"%.*s\" would both be signed by the issuer %s: client-auth needs an issuer of its own "
			    "(profile option issuers)",
			    BYTES_FMT(p->name), BYTES_FMT(q->name), s->issuers[i].name);
	return ERR_OK;
}

enum err_code issuers_check_profiles(const struct signer *s, const struct settings *settings, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < settings->n_profiles; i++) {
		const struct profile *p = &settings->profiles[i];
		bool some = false;
		TRY(check_names(s, p, e));
		for (size_t k = 0; k < s->n_issuers; k++)
			some = some || may_sign(p, &s->issuers[k]);
		if (!some)
			FAIL(e, CONFIG,
			    "no issuer may sign for the profile \"%.*s\": their certificates do not allow its extended-key-usage",
			    BYTES_FMT(p->name));
		for (size_t k = 0; k < settings->n_profiles; k++)
			TRY(check_apart(s, p, &settings->profiles[k], e));
	}
	return ERR_OK;
}

enum err_code issuers_choose(
    const struct signer *s, const struct profile *p, enum key_type type, int64_t not_after_s, const struct ca_issuer **ret, struct err *e)
{
	const struct ca_issuer *first = NULL;

	errno = 0;
	for (size_t i = 0; i < s->n_issuers; i++) {
		const struct ca_issuer *c = &s->issuers[i];
		if (!may_sign(p, c) || c->issuer->not_after_s < not_after_s)
			continue;
		if (key_type_kind(key_type(c->issuer->key)) == key_type_kind(type)) {
			*ret = c;
			return ERR_OK;
		}
		if (!first)
			first = c;
	}
	if (!first)
		FAIL(e, CONFIG, "the certificate of every issuer of this profile ends before this one would: the CA needs a new issuer");
	*ret = first;
	return ERR_OK;
}
