#include "server/admin/archive.h"

#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- writing --- */

struct archive_out {
	int fd;
	struct seal *seal; /* NULL: plain */
	struct sha256_run *digest;
	uint64_t left, size; /* of the file that is being written */
	size_t n;            /* bytes in chunk */
	uint8_t chunk[SEAL_CHUNK_SIZE], sealed[SEAL_CHUNK_SIZE + SEAL_TAG_SIZE];
};

enum err_code archive_out_new(int fd, struct bytes passphrase, struct archive_out **ret, struct err *e)
{
	CLEANUP(archive_out_free_p) struct archive_out *o = calloc(1, sizeof *o);
	uint8_t head[SEAL_HEAD_SIZE];

	if (!o || !(o->digest = sha256_run_new()))
		FAIL(e, NOMEM, "no memory to write a backup");
	o->fd = fd;
	if (passphrase.len > 0) {
		TRY(seal_new(passphrase, SEAL_LOG_N, &o->seal, head, e));
		TRY(file_write_all(fd, BYTES_ARRAY(head), e));
	}
	*ret = TAKE(o);
	return ERR_OK;
}

void archive_out_free(struct archive_out *o)
{
	if (!o)
		return;
	seal_free(o->seal);
	sha256_run_free(o->digest);
	crypto_wipe(o, sizeof *o);
	free(o);
}

static enum err_code flush(struct archive_out *o, bool last, struct err *e)
{
	struct bytes chunk = { o->chunk, o->n };

	if (o->seal)
		TRY(seal_put(o->seal, last, chunk, o->sealed, e));
	if (o->seal)
		chunk = (struct bytes){ o->sealed, o->n + SEAL_TAG_SIZE };
	o->n = 0;
	return file_write_all(o->fd, chunk, e);
}

/* A full chunk waits until more comes: it may be the last. */
static enum err_code put(struct archive_out *o, struct bytes in, struct err *e)
{
	while (in.len > 0) {
		if (o->n == sizeof o->chunk)
			TRY(flush(o, false, e));
		size_t n = sizeof o->chunk - o->n < in.len ? sizeof o->chunk - o->n : in.len;
		memcpy(o->chunk + o->n, in.ptr, n);
		o->n += n;
		in = bytes_slice(in, n, in.len);
	}
	return ERR_OK;
}

enum err_code archive_begin(struct archive_out *o, const struct tar_entry *t, struct err *e)
{
	uint8_t head[TAR_BLOCK];
	struct tar_entry full = *t;

	errno = 0;
	if ((size_t)snprintf(full.path, sizeof full.path, ARCHIVE_TOP "%s", t->path) >= sizeof full.path)
		FAIL(e, TOO_LARGE, "%s: too long a name for a backup", t->path);
	tar_head_write(&full, head);
	o->left = o->size = t->size;
	return put(o, BYTES_ARRAY(head), e);
}

enum err_code archive_add(struct archive_out *o, struct bytes part, struct err *e)
{
	errno = 0;
	if (part.len > o->left)
		FAIL(e, BUG, "%zu bytes more than the file was to have", part.len - (size_t)o->left);
	o->left -= part.len;
	sha256_run_add(o->digest, part);
	return put(o, part, e);
}

enum err_code archive_end(struct archive_out *o, uint8_t ret_digest[SHA256_SIZE], struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];

	errno = 0;
	if (o->left > 0)
		FAIL(e, BUG, "%" PRIu64 " bytes fewer than the file was to have", o->left);
	sha256_run_end(o->digest, ret_digest);
	return put(o, (struct bytes){ zeros, tar_padding(o->size) }, e);
}

enum err_code archive_finish(struct archive_out *o, struct err *e)
{
	static const uint8_t zeros[2 * TAR_BLOCK];

	TRY(put(o, BYTES_ARRAY(zeros), e));
	return flush(o, true, e);
}

/* --- reading --- */

struct archive_in {
	int fd;
	struct seal *seal;
	uint64_t at, size;  /* of the file on disk */
	uint64_t left;      /* of the content at hand */
	size_t padding;     /* behind it */
	struct bytes chunk; /* of what was read, what nobody has taken yet */
	uint8_t plain[SEAL_CHUNK_SIZE], sealed[SEAL_CHUNK_SIZE + SEAL_TAG_SIZE];
};

static enum err_code read_disk(struct archive_in *i, uint8_t *out, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got = seam->pread(i->fd, out, n, (off_t)i->at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			FAIL(e, IO, "the backup cannot be read: %s", got < 0 ? strerror(errno) : "it has become shorter");
		out += got;
		n -= (size_t)got;
		i->at += (uint64_t)got;
	}
	return ERR_OK;
}

enum err_code archive_in_new(int fd, struct bytes passphrase, struct archive_in **ret, struct err *e)
{
	CLEANUP(archive_in_free_p) struct archive_in *i = calloc(1, sizeof *i);
	uint8_t head[SEAL_HEAD_SIZE];
	struct stat s;

	if (!i)
		FAIL(e, NOMEM, "no memory to read a backup");
	if (fstat(fd, &s) != 0)
		FAIL(e, IO, "the backup: %s", strerror(errno));
	errno = 0;
	if (!S_ISREG(s.st_mode) || s.st_size < (off_t)sizeof head)
		FAIL(e, MALFORMED, "this is no backup: %s", S_ISREG(s.st_mode) ? "it is too short" : "it is no regular file");
	i->fd = fd;
	i->size = (uint64_t)s.st_size;
	TRY(read_disk(i, head, sizeof head, e));
	if (!seal_is_head(BYTES_ARRAY(head))) {
		i->at = 0;
	} else if (passphrase.len == 0) {
		FAIL(e, CONFIG, "the backup is encrypted: --passphrase-file FILE names the file with its passphrase");
	} else {
		TRY(seal_open(passphrase, BYTES_ARRAY(head), &i->seal, e));
	}
	*ret = TAKE(i);
	return ERR_OK;
}

void archive_in_free(struct archive_in *i)
{
	if (!i)
		return;
	seal_free(i->seal);
	crypto_wipe(i, sizeof *i);
	free(i);
}

/* The next chunk into i->chunk; empty at the end. */
static enum err_code fill(struct archive_in *i, struct err *e)
{
	size_t most = i->seal ? sizeof i->sealed : sizeof i->plain;
	uint64_t rest = i->size - i->at;
	size_t n = rest < most ? (size_t)rest : most;

	i->chunk = (struct bytes){ i->plain, 0 };
	if (n == 0)
		return ERR_OK;
	TRY(read_disk(i, i->seal ? i->sealed : i->plain, n, e));
	if (i->seal)
		TRY(seal_get(i->seal, i->at == i->size, (struct bytes){ i->sealed, n }, i->plain, e));
	i->chunk.len = i->seal ? n - SEAL_TAG_SIZE : n;
	return ERR_OK;
}

/* At most n bytes, at least one but at the end. */
static enum err_code take(struct archive_in *i, uint64_t n, struct bytes *ret, struct err *e)
{
	if (i->chunk.len == 0)
		TRY(fill(i, e));
	*ret = bytes_slice(i->chunk, 0, n < i->chunk.len ? (size_t)n : i->chunk.len);
	i->chunk = bytes_slice(i->chunk, ret->len, i->chunk.len);
	return ERR_OK;
}

static enum err_code cut(struct err *e)
{
	errno = 0;
	FAIL(e, MALFORMED, "the backup is cut off");
}

static enum err_code take_block(struct archive_in *i, uint8_t out[TAR_BLOCK], struct err *e)
{
	struct bytes part;

	for (size_t n = 0; n < TAR_BLOCK; n += part.len) {
		TRY(take(i, TAR_BLOCK - n, &part, e));
		if (part.len == 0)
			return cut(e);
		memcpy(out + n, part.ptr, part.len);
	}
	return ERR_OK;
}

static enum err_code skip_rest(struct archive_in *i, struct err *e)
{
	struct bytes part;

	do
		TRY(archive_read(i, &part, e));
	while (part.len > 0);
	for (; i->padding > 0; i->padding -= part.len) {
		TRY(take(i, i->padding, &part, e));
		if (part.len == 0)
			return cut(e);
	}
	return ERR_OK;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Nothing that leads elsewhere, nothing hidden, nothing empty. */
static bool path_is_plain(const char *path)
{
	bool first = true;

	for (; *path; path++) {
		if (first ? *path == '.' || !is_plain(*path) : *path != '/' && !is_plain(*path))
			return false;
		first = *path == '/';
	}
	return !first;
}

/* Behind the first block of zeros there is another, and nothing else. */
static enum err_code read_end(struct archive_in *i, struct err *e)
{
	uint8_t block[TAR_BLOCK];
	struct tar_entry none;
	struct bytes more;

	TRY(take_block(i, block, e));
	if (tar_head_read(block, &none, NULL) != ERR_NOT_FOUND)
		FAIL(e, MALFORMED, "the archive goes on behind its end");
	TRY(take(i, 1, &more, e));
	errno = 0;
	if (more.len > 0)
		FAIL(e, MALFORMED, "the archive goes on behind its end");
	FAIL(e, NOT_FOUND, "the archive ends");
}

enum err_code archive_next(struct archive_in *i, struct tar_entry *ret, struct err *e)
{
	uint8_t block[TAR_BLOCK];
	struct tar_entry t;

	TRY(skip_rest(i, e));
	TRY(take_block(i, block, e));
	errno = 0;
	enum err_code rc = tar_head_read(block, &t, e);
	if (rc == ERR_NOT_FOUND)
		return read_end(i, e);
	TRY(rc);
	if (!bytes_starts_with(bytes_str(t.path), BYTES_LIT(ARCHIVE_TOP)) || !path_is_plain(t.path + sizeof ARCHIVE_TOP - 1))
		FAIL(e, MALFORMED, "the archive has a file whose name chancery-ca would not write");
	memmove(t.path, t.path + sizeof ARCHIVE_TOP - 1, strlen(t.path) - (sizeof ARCHIVE_TOP - 1) + 1);
	i->left = t.size;
	i->padding = tar_padding(t.size);
	*ret = t;
	return ERR_OK;
}

enum err_code archive_read(struct archive_in *i, struct bytes *ret, struct err *e)
{
	*ret = (struct bytes){ i->plain, 0 };
	if (i->left == 0)
		return ERR_OK;
	TRY(take(i, i->left, ret, e));
	if (ret->len == 0)
		return cut(e);
	i->left -= ret->len;
	return ERR_OK;
}
