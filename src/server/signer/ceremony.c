/* What ceremonies do to the signer's folder, with no signer open on it. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX 65536

/* All that would be in place: what a start reads, but for the keys. */
struct together {
	struct arena *a;
	struct own_keys own;
	struct ca_issuer v[ISSUERS_MAX];
	size_t n;
};

/* Its key is nobody's here: a URI without a keyholder stands for the public one. */
static enum err_code read_present(struct together *t, int issuers, struct ca_issuer *i, struct err *e)
{
	CLEANUP(buf_free_p) struct buf root = buf_new(PEM_MAX), issuer = buf_new(PEM_MAX);
	char path[ISSUER_NAME_MAX + 32];

	(void)snprintf(path, sizeof path, "%s/" FILE_ROOT, i->name);
	TRY(file_read(issuers, path, PEM_MAX, &root, e));
	(void)snprintf(path, sizeof path, "%s/" FILE_ISSUER, i->name);
	TRY(file_read(issuers, path, PEM_MAX, &issuer, e));
	struct issuer_files f = { .root_pem = buf_bytes(&root), .issuer_pem = buf_bytes(&issuer), .key_pem = BYTES_LIT(KEY_URI_SCHEME) };
	return issuer_make(t->a, &f, &t->own, i, e);
}

static enum err_code read_all_present(struct together *t, int dir, struct err *e)
{
	CLEANUP(close_p) int issuers = openat(dir, FOLDER_ISSUERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (issuers < 0)
		FAIL(e, CONFIG,
		    "the signer's folder has no \"%s\": start the server once, so that it moves what an older version has laid down",
		    FOLDER_ISSUERS);
	TRY(issuers_list(issuers, t->v, &t->n, e));
	errno = 0;
	if (t->n == ISSUERS_MAX)
		FAIL(e, CONFIG, "there are %zu issuers already: at most %d are allowed", t->n, ISSUERS_MAX);
	for (size_t i = 0; i < t->n; i++) {
		struct err why = { 0 };
		enum err_code rc = read_present(t, issuers, &t->v[i], &why);
		errno = 0;
		if (rc != ERR_OK)
			return err_set(e, rc, __FILE__, __LINE__, "issuer %s, which is in place: %s", t->v[i].name, why.detail);
	}
	return ERR_OK;
}

static enum err_code check_new(const struct ca_issuer *i, struct err *e)
{
	errno = 0;
	if (i->issuer->not_after_s <= clock_wall_ms() / 1000)
		FAIL(e, CONFIG, "the issuer's certificate has ended");
	if (!(i->issuer->purposes & (CERT_SERVER_AUTH | CERT_CLIENT_AUTH)))
		FAIL(e, CONFIG, "the issuer's certificate allows neither serverAuth nor clientAuth");
	return ERR_OK;
}

static enum err_code check_twins(const struct together *t, const struct ca_issuer *mine, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < t->n; i++)
		if (bytes_eq(t->v[i].issuer->key_id, mine->issuer->key_id) ||
		    bytes_eq(key_spki(t->v[i].issuer->key), key_spki(mine->issuer->key)))
			FAIL(e, CONFIG, "the issuer %s has this key, or this subjectKeyIdentifier, already", t->v[i].name);
	return ERR_OK;
}

static enum err_code check_root_list(struct bytes root, struct bytes der, struct err *e)
{
	struct list list = { .number = 0 };

	if (der.len == 0)
		return ERR_OK;
	TRY(root_list_make(root, der, &list, e));
	buf_free(&list.der);
	return ERR_OK;
}

static enum err_code check_together(struct together *t, int dir, const struct signer_issuer_files *f, struct err *e)
{
	struct issuer_files files = {
		.root_pem = f->root_pem, .issuer_pem = f->issuer_pem, .key_pem = f->key_pem, .passphrase = f->passphrase
	};

	TRY(read_all_present(t, dir, e));
	struct ca_issuer *mine = &t->v[t->n];
	(void)snprintf(mine->name, sizeof mine->name, "%.*s", BYTES_FMT(f->name));
	TRY(issuer_make(t->a, &files, &t->own, mine, e));
	TRY(check_new(mine, e));
	TRY(check_root_list(mine->root, f->root_list, e));
	TRY(check_twins(t, mine, e));
	return issuers_check_room(t->v, t->n + 1, e);
}

enum err_code signer_check_issuer(int dir, const struct signer_issuer_files *f, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	struct together t = { .a = a };

	if (!a)
		FAIL(e, NOMEM, "no memory for issuers");
	enum err_code rc = check_together(&t, dir, f, e);
	for (size_t i = 0; i < ISSUERS_MAX; i++)
		ca_issuer_free(&t.v[i]);
	return rc;
}

static enum err_code nothing_found(void *ctx, const struct log_entry *n, struct err *e)
{
	(void)ctx, (void)n, (void)e;
	return ERR_OK;
}

static enum err_code count_issuers(void *ctx, const struct record *r, struct err *e)
{
	size_t *n = ctx;

	(void)e;
	*n += r->type == LOG_ISSUER;
	return ERR_OK;
}

enum err_code signer_log_issuer(int dir, const struct settings *s, const struct signer_issuer_files *f, uint32_t uid, struct err *e)
{
	CLEANUP(log_close_p) struct log *l = NULL;
	CLEANUP(close_p) int log_dir = seam->openat(dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct issuer_event v = { .name = f->name, .issuer_pem = f->issuer_pem, .root_pem = f->root_pem, .uid = uid };
	struct identity identity;
	size_t n = 0;

	if (log_dir < 0)
		FAIL(e, IO, "cannot open the signer's folder \"%s\"", FOLDER_LOG);
	TRY(identity_read(dir, &identity, e));
	struct log_open_request q = {
		.instance = identity.instance, .segment_size = s->segment_size, .found = nothing_found, .recall = count_issuers, .ctx = &n
	};
	enum err_code rc = log_open(log_dir, &q, &l, e);
	crypto_wipe(&identity, sizeof identity);
	TRY(rc);
	errno = 0;
	if (n >= ISSUERS_LOGGED_MAX)
		FAIL(e, CONFIG, "the log knows %zu issuers, and never more than %d: this CA takes no other one", n, ISSUERS_LOGGED_MAX);
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
