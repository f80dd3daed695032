/* The keys of certificates on their way: the program hands descriptors on, and never reads one. */
#include "agent/flow_impl.h"

#include "agent/key_file.h"
#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT_KEY       "next-privkey.pem" /* beside the generations */
#define NEXT_KEY_DRAFT "next-privkey.new" /* until the switch: whoever is stopped before it still has the one that was published */

void flow_file(const char *file, const char *suffix, char ret[FLOW_FILE_MAX])
{
	const char *dot = strrchr(file, '.');

	(void)snprintf(ret, FLOW_FILE_MAX, "%.*s%s%s", (int)(dot - file), file, suffix, dot);
}

enum err_code flow_own(const struct flow *f, int fd, struct err *e)
{
	const char *name = f->wish->key_group;
	const struct group *g = name ? getgrnam(name) : NULL;

	errno = 0;
	if (name && !g)
		FAIL(e, CONFIG, "--key-group %s: there is no such group", name);
	if (g && fchown(fd, (uid_t)-1, g->gr_gid) != 0)
		FAIL(e, CONFIG, "--key-group %s: %s", name, strerror(errno));
	if (fchmod(fd, f->wish->key_mode) != 0)
		FAIL(e, IO, "the key's mode: %s", strerror(errno));
	return ERR_OK;
}

static const char *path_of(const struct flow *f, const char *folder, const char *file, const char *suffix)
{
	char name[FLOW_FILE_MAX];

	flow_file(file, suffix, name);
	return (const char *)arena_fmt(f->wish->arena, "%s%s%s", folder, *folder ? "/" : "", name).ptr;
}

static struct keys_wish wish_of(const struct flow *f, const struct wish_key *k)
{
	return (struct keys_wish){ .slot = "certificate",
		.use = KEYS_CERTIFICATE,
		.must_staple = given_flag(f->wish->given, "must-staple"),
		.names = f->wish->names,
		.n_names = f->wish->n_names,
		.type = k->type,
		.bits = k->bits };
}

/* A key that is there already, as the draft's. */
static enum err_code take(struct flow *f, size_t i, const char *from, struct err *e)
{
	struct flow_cert *c = &f->certs[i];
	const struct keys_wish key = wish_of(f, c->key);
	char file[FLOW_FILE_MAX];

	errno = 0;
	if (!from)
		FAIL(e, NOMEM, "no memory for a path");
	flow_file(STORAGE_PRIVKEY, c->key->suffix, file);
	TRY(storage_link_file(f->storage, f->draft, file, from, e));
	return key_file_open(f->crew, f->wish->arena, from, &key, &c->spki, e);
}

static enum err_code make(struct flow *f, size_t i, struct err *e)
{
	struct flow_cert *c = &f->certs[i];
	const struct keys_wish key = wish_of(f, c->key);
	char file[FLOW_FILE_MAX];
	CLEANUP(close_p) int fd = -1;
	struct peer *keys;

	flow_file(STORAGE_PRIVKEY, c->key->suffix, file);
	TRY(crew_keys(f->crew, &keys, e));
	TRY(storage_open_file(f->storage, f->draft, file, true, &fd, e));
	TRY(flow_own(f, fd, e));
	return keys_make(keys, f->wish->arena, &key, fd, &c->spki, e);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A run that was stopped right behind its switch: the prepared key is in use, and the one after it is not in its place yet. */
static void settle_next(const struct flow *f, const char *suffix)
{
	const char *live = path_of(f, f->report->live, STORAGE_PRIVKEY, suffix),
		   *next = path_of(f, storage_path(f->storage), NEXT_KEY, suffix);

	if (same_file(live, next))
		flow_settle_next_key(f, suffix);
}

void flow_settle_next_key(const struct flow *f, const char *suffix)
{
	const char *draft = path_of(f, storage_path(f->storage), NEXT_KEY_DRAFT, suffix);
	const char *next = path_of(f, storage_path(f->storage), NEXT_KEY, suffix);

	if (draft && next && rename(draft, next) != 0 && errno == ENOENT)
		(void)unlink(next);
}

/* The key of the draft that is gone on with. */
static enum err_code open_again(struct flow *f, size_t i, struct err *e)
{
	const struct keys_wish key = wish_of(f, f->certs[i].key);
	CLEANUP(close_p) int fd = -1;
	struct peer *keys;

	TRY(crew_keys(f->crew, &keys, e));
	TRY(storage_open_file(f->storage, f->draft, STORAGE_PRIVKEY, false, &fd, e));
	return keys_open(keys, f->wish->arena, &key, fd, &f->certs[i].spki, e);
}

enum err_code flow_key(struct flow *f, size_t i, struct err *e)
{
	if (f->wish->csr) {
		f->certs[i].spki = f->wish->csr_spki;
		return ERR_OK;
	}
	if (f->resume)
		return open_again(f, i, e);

	const char *suffix = f->certs[i].key->suffix;
	enum err_code rc = ERR_NOT_FOUND;

	if (given_flag(f->wish->given, "reuse-key"))
		rc = take(f, i, path_of(f, f->report->live, STORAGE_PRIVKEY, suffix), e);
	if (given_flag(f->wish->given, "next-key")) {
		settle_next(f, suffix);
		rc = take(f, i, path_of(f, storage_path(f->storage), NEXT_KEY, suffix), e);
	}
	return rc == ERR_NOT_FOUND ? make(f, i, e) : rc;
}

/* What was prepared is in use with the switch; this one takes its place then. */
enum err_code flow_next_key(struct flow *f, size_t i, struct err *e)
{
	struct flow_cert *c = &f->certs[i];
	const char *path = path_of(f, storage_path(f->storage), NEXT_KEY_DRAFT, c->key->suffix);
	struct keys_wish key = wish_of(f, c->key);

	errno = 0;
	if (!given_flag(f->wish->given, "next-key"))
		return ERR_OK;
	if (!path)
		FAIL(e, NOMEM, "no memory for a path");
	key.slot = "next";
	TRY(key_file_need(f->crew, f->wish->arena, path, &key, &c->next, e));
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? flow_own(f, fd, e) : ERR_OK;
}
