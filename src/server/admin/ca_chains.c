#include "server/admin/ca_chains.h"

#include "base/codec.h"
#include "base/seam.h"
#include "base/wire.h"
#include "os/file.h"
#include "pki/cert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHAINS_MAX 32
#define PEM_MAX    65536

struct ca_chains {
	struct arena *arena;
	struct {
		struct bytes key_id, wire;
	} v[CHAINS_MAX];
	size_t n;
};

static void close_dir(DIR *d)
{
	closedir(d);
}
DEFINE_CLEANUP(DIR *, close_dir);

struct bytes ca_chains_find(const struct ca_chains *c, struct bytes issuer_key_id)
{
	for (size_t i = 0; i < c->n; i++)
		if (bytes_eq(c->v[i].key_id, issuer_key_id))
			return c->v[i].wire;
	return BYTES_LIT("");
}

bool ca_chain_fits(struct bytes chain, struct bytes issuer_key_id)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct wire w = wire_of(chain);
	struct bytes first = wire_bytes(&w, CERT_SIZE_MAX);
	struct cert c;

	return a && !w.failed && cert_parse(a, first, &c, NULL) == ERR_OK && bytes_eq(c.subject_key_id, issuer_key_id);
}

enum err_code ca_chains_add(struct ca_chains *c, struct bytes pem, struct err *e)
{
	CLEANUP(buf_free_p) struct buf wire = buf_new(PEM_MAX);
	struct bytes der, key_id = BYTES_NONE;
	struct cert parts;

	while (pem_next(c->arena, &pem, "CERTIFICATE", &der, NULL) == ERR_OK) {
		if (!key_id.ptr && cert_parse(c->arena, der, &parts, NULL) == ERR_OK)
			key_id = parts.subject_key_id;
		wire_put_bytes(&wire, der);
	}
	if (!key_id.ptr || c->n == CHAINS_MAX || ca_chains_find(c, key_id).len > 0)
		return ERR_OK;
	c->v[c->n].key_id = key_id;
	c->v[c->n].wire = arena_copy(c->arena, buf_bytes(&wire));
	if (!buf_ok(&wire) || !c->v[c->n].wire.ptr)
		FAIL(e, NOMEM, "no memory for a chain");
	c->n++;
	return ERR_OK;
}

/* issuers/NAME/issuer.pem, and in folders of before there were several: issuer.pem */
static enum err_code read_file(struct ca_chains *c, int folder, const char *path, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(PEM_MAX);

	if (file_read(folder, path, PEM_MAX, &pem, NULL) != ERR_OK)
		return ERR_OK;
	struct bytes copy = arena_copy(c->arena, buf_bytes(&pem));
	if (!copy.ptr)
		FAIL(e, NOMEM, "no memory for a chain");
	return ca_chains_add(c, copy, e);
}

static enum err_code read_all(struct ca_chains *c, int folder, struct err *e)
{
	int issuers = seam->openat(folder, "issuers", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
	struct dirent *entry;
	char path[300];

	TRY(read_file(c, folder, "issuer.pem", e));
	if (issuers < 0)
		return ERR_OK;
	CLEANUP(close_dir_p) DIR *d = fdopendir(issuers);
	if (!d) {
		close(issuers);
		FAIL(e, NOMEM, "no memory to read a folder");
	}
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/issuer.pem", entry->d_name);
		TRY(read_file(c, issuers, path, e));
	}
	return ERR_OK;
}

enum err_code ca_chains_read(int signer_folder, struct ca_chains **ret, struct err *e)
{
	struct ca_chains *c = calloc(1, sizeof *c);

	errno = 0;
	if (!c || !(c->arena = arena_new(65536, 8u << 20))) {
		free(c);
		FAIL(e, NOMEM, "no memory for chains");
	}
	enum err_code rc = read_all(c, signer_folder, e);
	if (rc == ERR_OK)
		*ret = c;
	else
		ca_chains_free(c);
	return rc;
}

void ca_chains_free(struct ca_chains *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c);
}
