/* What ceremonies do to the signer's folder, with no signer open on it. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX 65536

/* Of an issuer that is in place: whether it has the same key id. */
static enum err_code check_twin(int issuers, const char *name, const struct ca_issuer *mine, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf pem = buf_new(PEM_MAX);
	char path[ISSUER_NAME_MAX + 32];
	struct bytes der;
	struct cert c;

	if (!a)
		FAIL(e, NOMEM, "no memory for a certificate");
	(void)snprintf(path, sizeof path, "%.*s/" FILE_ISSUER, ISSUER_NAME_MAX, name);
	TRY(file_read(issuers, path, PEM_MAX, &pem, e));
	struct bytes text = buf_bytes(&pem);
	TRY(pem_next(a, &text, "CERTIFICATE", &der, e));
	TRY(cert_parse(a, der, &c, e));
	errno = 0;
	if (bytes_eq(c.subject_key_id, mine->issuer->key_id) || bytes_eq(c.spki, key_spki(mine->issuer->key)))
		FAIL(e, CONFIG, "the issuer %s has this key, or this subjectKeyIdentifier, already", name);
	return ERR_OK;
}

static enum err_code check_twins(int dir, const struct ca_issuer *mine, struct err *e)
{
	int issuers = openat(dir, FOLDER_ISSUERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = issuers >= 0 ? fdopendir(issuers) : NULL;
	enum err_code rc = ERR_OK;
	size_t n = 0;

	if (!d)
		FAIL(e, CONFIG,
		    "the signer's folder has no \"%s\": start the server once, so that it moves what an older version has laid down",
		    FOLDER_ISSUERS);
	for (struct dirent *entry; rc == ERR_OK && (entry = readdir(d));)
		if (entry->d_name[0] != '.') {
			rc = check_twin(issuers, entry->d_name, mine, e);
			n++;
		}
	closedir(d);
	errno = 0;
	if (rc == ERR_OK && n >= ISSUERS_MAX)
		FAIL(e, CONFIG, "there are %zu issuers already: at most %d are allowed", n, ISSUERS_MAX);
	return rc;
}

enum err_code signer_check_issuer(int dir, const struct settings *s, const struct signer_issuer_files *f, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct issuer_files files = {
		.root_pem = f->root_pem, .issuer_pem = f->issuer_pem, .key_pem = f->key_pem, .passphrase = f->passphrase
	};
	struct own_keys own = { .n = 0 };
	struct ca_issuer i = { .issuer = NULL };
	struct list list = { .number = 0 };

	(void)s;
	if (!a)
		FAIL(e, NOMEM, "no memory for an issuer");
	enum err_code rc = issuer_make(a, &files, &own, &i, e);
	errno = 0;
	if (rc == ERR_OK && i.issuer->not_after_s <= clock_wall_ms() / 1000)
		rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "the issuer's certificate has ended");
	if (rc == ERR_OK && !(i.issuer->purposes & (CERT_SERVER_AUTH | CERT_CLIENT_AUTH)))
		rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "the issuer's certificate allows neither serverAuth nor clientAuth");
	if (rc == ERR_OK && f->root_list.len > 0)
		rc = root_list_make(i.root, f->root_list, &list, e);
	if (rc == ERR_OK)
		rc = check_twins(dir, &i, e);
	buf_free(&list.der);
	ca_issuer_free(&i);
	return rc;
}

static enum err_code nothing_found(void *ctx, const struct log_entry *n, struct err *e)
{
	(void)ctx, (void)n, (void)e;
	return ERR_OK;
}

static enum err_code nothing_recalled(void *ctx, const struct record *r, struct err *e)
{
	(void)ctx, (void)r, (void)e;
	return ERR_OK;
}

enum err_code signer_log_issuer(int dir, const struct settings *s, const struct signer_issuer_files *f, uint32_t uid, struct err *e)
{
	CLEANUP(log_close_p) struct log *l = NULL;
	CLEANUP(close_p) int log_dir = seam->openat(dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct issuer_event v = { .name = f->name, .issuer_pem = f->issuer_pem, .root_pem = f->root_pem, .uid = uid };
	struct identity identity;

	if (log_dir < 0)
		FAIL(e, IO, "cannot open the signer's folder \"%s\"", FOLDER_LOG);
	TRY(identity_read(dir, &identity, e));
	struct log_open_request q = {
		.instance = identity.instance, .segment_size = s->segment_size, .found = nothing_found, .recall = nothing_recalled
	};
	enum err_code rc = log_open(log_dir, &q, &l, e);
	crypto_wipe(&identity, sizeof identity);
	TRY(rc);
	issuer_event_write(&v, log_begin(l));
	TRY(log_end(l, LOG_ISSUER, clock_wall_ms(), NULL, e));
	return log_commit(l, e);
}

enum err_code signer_check_root_list(int issuer_dir, struct bytes der, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf root = buf_new(PEM_MAX), was = buf_new(ROOT_LIST_MAX);
	struct list list = { .number = 0 }, old = { .number = 0 };
	struct bytes root_der;

	if (!a)
		FAIL(e, NOMEM, "no memory for a revocation list");
	TRY(file_read(issuer_dir, FILE_ROOT, PEM_MAX, &root, e));
	struct bytes text = buf_bytes(&root);
	TRY(pem_next(a, &text, "CERTIFICATE", &root_der, e));
	TRY(root_list_make(root_der, der, &list, e));
	buf_free(&list.der);
	if (file_read(issuer_dir, FILE_ROOT_LIST, ROOT_LIST_MAX, &was, NULL) == ERR_OK &&
	    root_list_make(root_der, buf_bytes(&was), &old, NULL) == ERR_OK)
		buf_free(&old.der);
	errno = 0;
	if (list.number <= old.number)
		FAIL(e, CONFIG, "the list has the number %llu, and number %llu is there already", (unsigned long long)list.number,
		    (unsigned long long)old.number);
	return ERR_OK;
}
