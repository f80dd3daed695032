#include "server/admin/issuers.h"

#include "base/codec.h"
#include "os/file.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "server/admin/place.h"
#include "server/ca_make.h"
#include "server/signer/signer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX     65536
#define KEY_PEM_MAX 8192
#define NEW         "issuers.new"
#define IN_PLACE    "issuers"

static enum err_code check_name(const char *name, struct err *e)
{
	errno = 0;
	if (!settings_is_issuer_name(name))
		FAIL(e, CONFIG, ISSUER_NAME_RULE ", not \"%s\"", ISSUER_NAME_MAX, name);
	return ERR_OK;
}

/* The signer's folder, with no server at work on it; from here on we are its user, and what we make is his. */
static enum err_code take_place(const struct settings *s, struct place *p, struct err *e)
{
	TRY(place_open(s, PROCESS_SIGNER, p, e));
	TRY(place_lock(p, e));
	return place_become(p, e);
}

/* A folder, which is made where it is missing and should be there. */
static enum err_code open_below(int at, const char *name, bool make, int *ret, struct err *e)
{
	if (make && mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		FAIL(e, IO, "cannot make the signer's folder \"%s\": %s", name, strerror(errno));
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret < 0)
		FAIL(e, NOT_FOUND, "the signer's folder has no \"%s\"", name);
	return ERR_OK;
}

static bool is_there(int dir, const char *folder, const char *name)
{
	char path[ISSUER_NAME_MAX + 64];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The key and its request, before we are anybody else: the token's files may be open to root alone. */
static enum err_code make_request(const struct issuer_request *r, struct opened_key *k, struct buf *text, struct buf *csr, struct err *e)
{
	CLEANUP(buf_free_p) struct buf name = buf_new(1024);

	if (r->key_uri.len > 0) {
		TRY(key_uri_open(r->key_uri, &r->token, k, e));
		buf_add_fmt(text, "%.*s\n", BYTES_FMT(r->key_uri));
	} else {
		TRY(key_generate(r->key_type, 3072, &k->key, e));
		TRY(key_private_to_pem_with(k->key, r->passphrase, text, e));
	}
	name_write_ca_of(r->country, r->organization, r->common_name, &name);
	return csr_write_ca(k->key, buf_bytes(&name), csr, e);
}

static enum err_code request(const struct place *p, const struct issuer_request *r, struct bytes text, struct err *e)
{
	CLEANUP(close_p) int folder = -1, mine = -1;

	errno = 0;
	if (is_there(p->fd, IN_PLACE, r->name) || is_there(p->fd, NEW, r->name))
		FAIL(e, CONFIG, "there is an issuer %s already, or a key that waits for its certificate: take another name", r->name);
	TRY(open_below(p->fd, NEW, true, &folder, e));
	TRY(open_below(folder, r->name, true, &mine, e));
	TRY(file_write(mine, "key.pem", 0400, text, e));
	TRY(file_sync_dir(folder, e));
	return file_sync_dir(p->fd, e);
}

enum err_code issuer_request(const struct settings *s, const struct issuer_request *r, struct buf *csr, struct err *e)
{
	CLEANUP(opened_key_close) struct opened_key k = { .key = NULL };
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(KEY_PEM_MAX);
	struct place p = { .fd = -1 };

	TRY(check_name(r->name, e));
	if (r->common_name.len == 0 || r->common_name.len > 64 || r->organization.len > 64)
		FAIL(e, CONFIG, "a common name has 1 to 64 characters, an organization at most as many");
	TRY(ca_check_country(r->country, e));
	TRY(make_request(r, &k, &text, csr, e));
	enum err_code rc = take_place(s, &p, e);
	if (rc == ERR_OK)
		rc = request(&p, r, buf_bytes(&text), e);
	place_close(&p);
	return rc;
}

static enum err_code add(const struct settings *s, const struct place *p, const struct issuer_add *r, struct err *e)
{
	CLEANUP(close_p) int folder = -1, mine = -1, issuers = -1;
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(KEY_PEM_MAX);
	struct signer_issuer_files f = { .name = bytes_str(r->name),
		.root_pem = r->root_pem,
		.issuer_pem = r->issuer_pem,
		.key_pem = r->key_pem,
		.root_list = r->root_list,
		.passphrase = r->passphrase };

	errno = 0;
	if (is_there(p->fd, IN_PLACE, r->name))
		FAIL(e, CONFIG, "there is an issuer %s already", r->name);
	TRY(open_below(p->fd, NEW, true, &folder, e));
	TRY(open_below(folder, r->name, true, &mine, e));
	if (r->key_pem.len == 0) {
		enum err_code rc = file_read(mine, "key.pem", KEY_PEM_MAX, &key, e);
		if (rc == ERR_NOT_FOUND)
			FAIL(e, CONFIG, "there is no key for %s: `chancery-ca issuer csr %s` makes one, --key FILE brings one", r->name,
			    r->name);
		TRY(rc);
		f.key_pem = buf_bytes(&key);
	} else {
		TRY(file_write(mine, "key.pem", 0400, r->key_pem, e));
	}
	TRY(signer_check_issuer(p->fd, &f, e));
	TRY(file_write(mine, "root.pem", 0444, r->root_pem, e));
	TRY(file_write(mine, "issuer.pem", 0444, r->issuer_pem, e));
	if (r->root_list.len > 0)
		TRY(file_write(mine, "root.crl", 0444, r->root_list, e));
	TRY(file_sync_dir(mine, e));
	TRY(signer_log_issuer(p->fd, s, &f, r->uid, e));
	TRY(open_below(p->fd, IN_PLACE, false, &issuers, e));
	if (renameat(folder, r->name, issuers, r->name) != 0)
		FAIL(e, IO, "cannot put %s in place: %s", r->name, strerror(errno));
	return file_sync_dir(issuers, e);
}

/* A key in a token must be the certificate's. It is looked at before we are anybody else; one in a file the signer's own checks look at. */
static enum err_code check_token(const struct settings *s, const struct issuer_add *r, struct err *e)
{
	CLEANUP(opened_key_close) struct opened_key k = { .key = NULL };
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(KEY_PEM_MAX);
	struct bytes pem = r->issuer_pem, der, key = r->key_pem;
	struct place p = { .fd = -1 };
	char path[ISSUER_NAME_MAX + 64];
	struct cert c;

	if (!a)
		FAIL(e, NOMEM, "no memory for an issuer");
	if (key.len == 0) {
		TRY(place_open(s, PROCESS_SIGNER, &p, e));
		(void)snprintf(path, sizeof path, NEW "/%s/key.pem", r->name);
		enum err_code rc = file_read(p.fd, path, KEY_PEM_MAX, &text, NULL);
		place_close(&p);
		if (rc != ERR_OK)
			return ERR_OK; /* add() says so */
		key = buf_bytes(&text);
	}
	if (!token_is_uri(key))
		return ERR_OK;
	TRY(key_text_open(key, BYTES_LIT(""), &r->token, &k, e));
	errno = 0;
	if (pem_next(a, &pem, "CERTIFICATE", &der, NULL) != ERR_OK || cert_parse(a, der, &c, NULL) != ERR_OK ||
	    !bytes_eq(c.spki, key_spki(k.key)))
		FAIL(e, CONFIG, "the key in the token is not the one of the certificate");
	return ERR_OK;
}

enum err_code issuer_add(const struct settings *s, const struct issuer_add *r, struct err *e)
{
	struct place p = { .fd = -1 };

	TRY(check_name(r->name, e));
	TRY(check_token(s, r, e));
	enum err_code rc = take_place(s, &p, e);
	if (rc == ERR_OK)
		rc = add(s, &p, r, e);
	place_close(&p);
	return rc;
}

enum err_code issuer_root_list(const struct settings *s, const char *name, struct bytes der, uint32_t uid, struct err *e)
{
	CLEANUP(close_p) int issuers = -1, mine = -1;
	struct place p = { .fd = -1 };

	(void)uid;
	TRY(check_name(name, e));
	TRY(take_place(s, &p, e));
	enum err_code rc = open_below(p.fd, IN_PLACE, false, &issuers, e);
	if (rc == ERR_OK)
		rc = open_below(issuers, name, false, &mine, e);
	if (rc == ERR_OK)
		rc = signer_check_root_list(mine, der, e);
	if (rc == ERR_OK)
		rc = file_write(mine, "root.crl", 0444, der, e);
	place_close(&p);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct issuer_seen *)a)->name, ((const struct issuer_seen *)b)->name);
}

static enum err_code see(int issuers, const char *name, struct arena *a, struct issuer_seen *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(PEM_MAX);
	char path[ISSUER_NAME_MAX + 32];

	(void)snprintf(ret->name, sizeof ret->name, "%.*s", ISSUER_NAME_MAX, name);
	(void)snprintf(path, sizeof path, "%s/issuer.pem", ret->name);
	TRY(file_read(issuers, path, PEM_MAX, &pem, e));
	struct bytes text = buf_bytes(&pem);
	return pem_next(a, &text, "CERTIFICATE", &ret->certificate, e);
}

enum err_code issuers_seen(const struct settings *s, struct arena *a, struct issuer_seen v[ISSUERS_MAX], size_t *ret_n, struct err *e)
{
	struct place p = { .fd = -1 };
	enum err_code rc = place_open(s, PROCESS_SIGNER, &p, e);
	int issuers = rc == ERR_OK ? openat(p.fd, IN_PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
	DIR *d = issuers >= 0 ? fdopendir(issuers) : NULL;

	*ret_n = 0;
	if (rc == ERR_OK && !d)
		rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "%s/" IN_PLACE ": %s", p.path, strerror(errno));
	for (struct dirent *entry; rc == ERR_OK && (entry = readdir(d));)
		if (entry->d_name[0] != '.' && *ret_n < ISSUERS_MAX && strlen(entry->d_name) <= ISSUER_NAME_MAX)
			rc = see(issuers, entry->d_name, a, &v[(*ret_n)++], e);
	if (d)
		closedir(d);
	place_close(&p);
	qsort(v, *ret_n, sizeof *v, by_name);
	return rc;
}
