/* A new signer's files. `chancery-ca init` calls this, offline; a crash in the middle leaves a folder that is refused, not used. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX 8192

static enum err_code check_empty(int dir, struct err *e)
{
	static const char *const names[] = { "identity", FILE_ISSUER, FOLDER_ISSUERS, FILE_LOG_KEY, FILE_CHECKPOINT, FOLDER_LOG };
	struct stat st;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
			errno = 0;
			FAIL(e, CONFLICT, "there is a signer already: its folder has \"%s\"", names[i]);
		} else if (errno != ENOENT) {
			FAIL(e, IO, "cannot look at \"%s\" in the signer's folder", names[i]);
		}
	return ERR_OK;
}

static enum err_code create_log_key(int dir, struct key **ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(PEM_MAX);

	TRY(key_generate(KEY_ED25519, 0, &k, e));
	TRY(key_private_to_pem(k, &pem, e));
	TRY(file_create(dir, FILE_LOG_KEY, 0400, buf_bytes(&pem), e));
	*ret = TAKE(k);
	return ERR_OK;
}

/* The first record: whose log this is, so that it can be read and checked by itself. */
static enum err_code write_genesis(struct log *l, const struct signer_init *i, const struct key *log_key, struct err *e)
{
	struct buf *b = log_begin(l);

	wire_put_fixed(b, BYTES_ARRAY(i->identity->instance));
	wire_put_u32(b, i->identity->key_id);
	wire_put_bytes(b, i->root_pem);
	wire_put_bytes(b, i->issuer_pem);
	wire_put_bytes(b, key_spki(log_key));
	TRY(log_end(l, LOG_GENESIS, clock_wall_ms(), NULL, e));
	return log_commit(l, e);
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

static enum err_code create_folder(int at, const char *name, int *ret, struct err *e)
{
	if (mkdirat(at, name, 0700) != 0)
		FAIL(e, IO, "cannot make the signer's folder \"%s\"", name);
	*ret = seam->openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (*ret < 0)
		FAIL(e, IO, "cannot open the signer's folder \"%s\"", name);
	return ERR_OK;
}

static enum err_code create_log(int dir, const struct signer_init *i, const struct settings *s, const struct key *log_key, struct err *e)
{
	struct log_open_request q = {
		.instance = i->identity->instance, .segment_size = s->segment_size, .found = nothing_found, .recall = nothing_recalled
	};
	CLEANUP(log_close_p) struct log *l = NULL;
	CLEANUP(close_p) int log_dir = -1;

	TRY(create_folder(dir, FOLDER_LOG, &log_dir, e));
	TRY(log_make(log_dir, i->identity->instance, e));
	TRY(log_open(log_dir, &q, &l, e));
	TRY(write_genesis(l, i, log_key, e));
	return file_sync_dir(dir, e);
}

static enum err_code create_issuer(int dir, const struct signer_init *i, struct err *e)
{
	CLEANUP(close_p) int issuers = -1, first = -1;

	TRY(create_folder(dir, FOLDER_ISSUERS, &issuers, e));
	TRY(create_folder(issuers, ISSUER_FIRST, &first, e));
	TRY(file_create(first, FILE_ROOT, 0444, i->root_pem, e));
	TRY(file_create(first, FILE_ISSUER, 0444, i->issuer_pem, e));
	if (i->root_list.len > 0)
		TRY(file_create(first, FILE_ROOT_LIST, 0444, i->root_list, e));
	return file_create(first, FILE_ISSUER_KEY, 0400, i->issuer_key_pem, e);
}

enum err_code signer_create(int dir, const struct signer_init *i, const struct settings *s, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(key_free_p) struct key *log_key = NULL;
	struct issuer_files f = { .root_pem = i->root_pem, .issuer_pem = i->issuer_pem, .key_pem = i->issuer_key_pem };
	struct own_keys own = { .n = 0 };
	struct ca_issuer issuer = { .issuer = NULL };

	if (!a)
		FAIL(e, NOMEM, "no memory to make a signer");
	TRY(issuer_make(a, &f, &own, &issuer, e));
	ca_issuer_free(&issuer);
	TRY(check_empty(dir, e));
	TRY(identity_create(dir, i->identity, e));
	TRY(create_issuer(dir, i, e));
	TRY(create_log_key(dir, &log_key, e));
	return create_log(dir, i, s, log_key, e);
}
