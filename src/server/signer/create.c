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
	static const char *const names[] = { "identity", FILE_ROOT, FILE_ISSUER, FILE_ISSUER_KEY, FILE_LOG_KEY, FILE_CHECKPOINT,
		FOLDER_LOG };
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

static enum err_code create_log(int dir, const struct signer_init *i, const struct settings *s, const struct key *log_key, struct err *e)
{
	struct log_open_request q = {
		.instance = i->identity->instance, .segment_size = s->segment_size, .found = nothing_found, .recall = nothing_recalled
	};
	CLEANUP(log_close_p) struct log *l = NULL;

	if (mkdirat(dir, FOLDER_LOG, 0700) != 0)
		FAIL(e, IO, "cannot make the signer's folder \"%s\"", FOLDER_LOG);
	CLEANUP(close_p) int log_dir = seam->openat(dir, FOLDER_LOG, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (log_dir < 0)
		FAIL(e, IO, "cannot open the signer's folder \"%s\"", FOLDER_LOG);
	TRY(log_make(log_dir, i->identity->instance, e));
	TRY(log_open(log_dir, &q, &l, e));
	TRY(write_genesis(l, i, log_key, e));
	return file_sync_dir(dir, e);
}

enum err_code signer_create(int dir, const struct signer_init *i, const struct settings *s, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf chain = buf_new(CHAIN_SIZE_MAX);
	CLEANUP(issuer_free_p) struct issuer *issuer = NULL;
	CLEANUP(key_free_p) struct key *log_key = NULL;
	struct bytes own[OWN_KEYS_MAX];
	size_t n_own;

	if (!a)
		FAIL(e, NOMEM, "no memory to make a signer");
	TRY(signer_check_ca(a, i->root_pem, i->issuer_pem, i->issuer_key_pem, &issuer, &chain, own, &n_own, e));
	TRY(check_empty(dir, e));
	TRY(identity_create(dir, i->identity, e));
	TRY(file_create(dir, FILE_ROOT, 0444, i->root_pem, e));
	TRY(file_create(dir, FILE_ISSUER, 0444, i->issuer_pem, e));
	TRY(file_create(dir, FILE_ISSUER_KEY, 0400, i->issuer_key_pem, e));
	TRY(create_log_key(dir, &log_key, e));
	return create_log(dir, i, s, log_key, e);
}
