#include "server/parent/init.h"

#include "base/clock.h"
#include "base/codec.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "server/ca_make.h"
#include "server/parent/config.h"
#include "server/signer/signer.h"
#include "server/tls_identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX 16384

/* What init makes on its way; the secret buffers are wiped. */
struct making {
	const struct init *init;
	struct settings settings;
	struct arena *arena;
	struct identity identity;
	struct key *root, *issuer;
	struct buf root_cert, issuer_cert, root_list; /* DER */
	int state;                                    /* the state folder */
};

static enum err_code make_folder(int at, const char *path, uid_t uid, mode_t mode, int *ret, struct err *e)
{
	if (mkdirat(at, path, mode) != 0 && errno != EEXIST)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	CLEANUP(close_p) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchmod(fd, mode) != 0 || (getuid() == 0 && fchown(fd, uid, (gid_t)-1) != 0))
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

/* Never overwrite: what a first init made must be there no more, or this one stops. */
static enum err_code refuse_existing(const struct init *i, struct err *e)
{
	static const char *const kept[] = { "signer/identity", "signer/issuers/main/key.pem", "root/root.key", "front/store.db" };
	char path[4096];

	if (access(i->config, F_OK) == 0)
		FAIL(e, CONFIG, "%s is there already: init never overwrites a CA; take another folder, or remove this one yourself",
		    i->config);
	for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
		(void)snprintf(path, sizeof path, "%s/%s", i->state_folder, kept[k]);
		if (access(path, F_OK) == 0)
			FAIL(e, CONFIG, "%s is there already: init never overwrites a CA; take another folder, or remove this one yourself",
			    path);
	}
	return ERR_OK;
}

static enum err_code make_hierarchy(struct making *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf issuer_name = buf_new(1024);
	CLEANUP(issuer_free_p) struct issuer *root = NULL;
	char cn[CA_NAME_MAX + 32];
	struct bytes organization = bytes_str(m->init->name);
	int64_t now_s = clock_wall_ms() / 1000;

	TRY(key_generate(m->init->key_type, CA_RSA_BITS, &m->root, e));
	TRY(key_generate(m->init->key_type, CA_RSA_BITS, &m->issuer, e));
	(void)snprintf(cn, sizeof cn, "%s Root CA", m->init->name);
	struct ca_root_wish r = { .country = m->init->country,
		.organization = organization,
		.common_name = bytes_str(cn),
		.not_before_s = now_s - CA_BACKDATE_S,
		.years = ROOT_YEARS };
	TRY(ca_make_root(m->root, &r, &m->root_cert, e));
	TRY(issuer_new(buf_bytes(&m->root_cert), m->root, &root, e));
	(void)snprintf(cn, sizeof cn, "%s Issuing CA 1", m->init->name);
	name_write_ca_of(m->init->country, organization, bytes_str(cn), &issuer_name);
	struct ca_issuer_wish w = { .subject = buf_bytes(&issuer_name),
		.spki = key_spki(m->issuer),
		.purposes = CERT_SERVER_AUTH,
		.not_before_s = now_s - CA_BACKDATE_S,
		.not_after_s = now_s - CA_BACKDATE_S + ISSUER_YEARS * CA_YEAR_S - 1,
		.publish_url = m->settings.publish_url };
	TRY(ca_make_issuer(m->arena, root, &w, &m->issuer_cert, e));
	return ca_make_root_list(root, 1, now_s, ROOT_LIST_DAYS, NULL, 0, &m->root_list, e);
}

/* The root's key lies in a folder that no process of the server may enter. */
static enum err_code write_root(struct making *m, struct init_result *result, struct err *e)
{
	CLEANUP(close_p) int folder = -1;
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(PEM_MAX), cert = buf_new(PEM_MAX);
	uint8_t digest[SHA256_SIZE];

	TRY(make_folder(m->state, "root", getuid(), 0700, &folder, e));
	TRY(key_private_to_pem(m->root, &pem, e));
	TRY(file_create(folder, "root.key", 0400, buf_bytes(&pem), e));
	pem_add(&cert, "CERTIFICATE", buf_bytes(&m->root_cert));
	TRY(file_create(m->state, "root.pem", 0444, buf_bytes(&cert), e));
	TRY(file_create(folder, "root.pem", 0444, buf_bytes(&cert), e)); /* so that it is a folder for `chancery-ca root` */
	TRY(file_create(folder, "number", 0600, BYTES_LIT("1\n"), e));
	sha256_one(buf_bytes(&m->root_cert), digest);
	for (size_t i = 0; i < sizeof digest; i++)
		(void)snprintf(result->fingerprint + i * 3, 4, "%02X%s", digest[i], i + 1 < sizeof digest ? ":" : "");
	(void)snprintf(result->root_path, sizeof result->root_path, "%s/root.pem", m->init->state_folder);
	(void)snprintf(result->root_key_path, sizeof result->root_key_path, "%s/root/root.key", m->init->state_folder);
	return ERR_OK;
}

static enum err_code make_signer(struct making *m, int folder, struct err *e)
{
	CLEANUP(buf_free_p) struct buf root = buf_new(PEM_MAX), issuer = buf_new(PEM_MAX), key = buf_new_secret(PEM_MAX);

	pem_add(&root, "CERTIFICATE", buf_bytes(&m->root_cert));
	pem_add(&issuer, "CERTIFICATE", buf_bytes(&m->issuer_cert));
	TRY(key_private_to_pem(m->issuer, &key, e));
	struct signer_init s = { .identity = &m->identity,
		.root_pem = buf_bytes(&root),
		.issuer_pem = buf_bytes(&issuer),
		.issuer_key_pem = buf_bytes(&key),
		.root_list = buf_bytes(&m->root_list) };
	return signer_create(folder, &s, &m->settings, e);
}

/* The CA's own TLS certificate goes the way of every other: by the signer, into its log. */
static enum err_code make_tls(struct making *m, int signer_folder, int front_folder, struct err *e)
{
	CLEANUP(signer_close_p) struct signer *s = NULL;
	CLEANUP(key_free_p) struct key *k = NULL;
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX), pem = buf_new_secret(4 * PEM_MAX);

	TRY(signer_open(signer_folder, &m->settings, &s, e));
	TRY(key_generate(KEY_EC_P256, 0, &k, e));
	TRY(tls_identity_csr(m->arena, &m->settings.tls_names, k, &csr, e));
	struct signer_request r = { .kind = REQUEST_ISSUE_TLS, .body = buf_bytes(&csr) };
	TRY(signer_round(s, m->arena, &r, 1, e));
	if (r.code != ERR_OK)
		return err_set(e, r.code, __FILE__, __LINE__, "the CA's own TLS certificate: %s", r.why.detail);
	TRY(tls_identity_pem(k, &r.issued, &pem, e));
	return file_create(front_folder, TLS_IDENTITY_FILE, 0600, buf_bytes(&pem), e);
}

/* --- users and ownership --- */

static enum err_code user_of(struct bytes name, uid_t *ret, struct err *e)
{
	char text[64], *end;

	(void)snprintf(text, sizeof text, "%.*s", BYTES_FMT(name));
	unsigned long number = strtoul(text, &end, 10);
	struct passwd *p = *end ? getpwnam(text) : NULL;
	if (*end && !p)
		FAIL(e, CONFIG, "there is no user \"%s\": make it, or name others in the configuration", text);
	*ret = p ? p->pw_uid : (uid_t)number;
	return ERR_OK;
}

/* Gives a folder's files, one level of folders deep, to its process's user. */
static enum err_code give_files(int folder, uid_t uid, struct err *e);

static enum err_code give_entry(int folder, const char *name, uid_t uid, struct err *e)
{
	struct stat s;

	if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) != 0 || fchownat(folder, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
		FAIL(e, IO, "%s: %s", name, strerror(errno));
	if (!S_ISDIR(s.st_mode))
		return ERR_OK;
	CLEANUP(close_p) int sub = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (sub < 0)
		FAIL(e, IO, "%s: %s", name, strerror(errno));
	return give_files(sub, uid, e);
}

static void close_dir(DIR *d)
{
	closedir(d);
}
DEFINE_CLEANUP(DIR *, close_dir);

static enum err_code give_files(int folder, uid_t uid, struct err *e)
{
	struct dirent *entry;
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_dir_p) DIR *d = again >= 0 ? fdopendir(again) : NULL;

	if (!d)
		FAIL(e, IO, "a folder cannot be read: %s", strerror(errno));
	while ((entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			TRY(give_entry(folder, entry->d_name, uid, e));
	return ERR_OK;
}

static enum err_code make_folders(struct making *m, struct err *e)
{
	CLEANUP(close_p) int front = -1, validator = -1, signer = -1;
	uid_t front_uid = getuid(), validator_uid = getuid(), signer_uid = getuid();

	if (getuid() == 0) {
		TRY(user_of(m->settings.user_front, &front_uid, e));
		TRY(user_of(m->settings.user_validator, &validator_uid, e));
		TRY(user_of(m->settings.user_signer, &signer_uid, e));
	}
	TRY(make_folder(m->state, "front", front_uid, 0700, &front, e));
	TRY(make_folder(m->state, "validator", validator_uid, 0700, &validator, e));
	TRY(make_folder(m->state, "signer", signer_uid, 0700, &signer, e));
	TRY(make_signer(m, signer, e));
	TRY(identity_create(validator, &m->identity, e));
	TRY(make_tls(m, signer, front, e));
	if (getuid() != 0)
		return ERR_OK;
	TRY(give_files(front, front_uid, e));
	TRY(give_files(validator, validator_uid, e));
	return give_files(signer, signer_uid, e);
}

/* The configuration is written first under another name and read back: what init writes, serve must be able to read. */
static enum err_code read_back(struct making *m, const char *path, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(8192);

	enum err_code rc = config_read(m->arena, path, &m->settings, &messages, e);
	struct bytes first, rest;
	if (rc == ERR_CONFIG && bytes_split(buf_bytes(&messages), '\n', &first, &rest))
		FAIL(e, CONFIG, "%.*s", BYTES_FMT(first));
	return rc;
}

static enum err_code make_all(struct making *m, struct init_result *result, struct err *e)
{
	char draft[4096];
	int state;

	(void)snprintf(draft, sizeof draft, "%s.new", m->init->config);
	TRY(file_write(AT_FDCWD, draft, 0644, m->init->text, e));
	enum err_code rc = read_back(m, draft, e);
	if (rc != ERR_OK) {
		(void)unlink(draft);
		return rc;
	}
	TRY(make_folder(AT_FDCWD, m->init->state_folder, getuid(), 0755, &state, e));
	m->state = state;
	if (mkdir(m->init->run_folder, 0755) != 0 && errno != EEXIST)
		FAIL(e, IO, "%s: %s", m->init->run_folder, strerror(errno));
	identity_make(&m->identity);
	TRY(make_hierarchy(m, e));
	TRY(write_root(m, result, e));
	TRY(make_folders(m, e));
	if (rename(draft, m->init->config) != 0)
		FAIL(e, IO, "%s: %s", m->init->config, strerror(errno));
	return ERR_OK;
}

enum err_code ca_init(const struct init *i, struct init_result *ret, struct err *e)
{
	struct making m = {
		.init = i, .state = -1, .root_cert = buf_new(PEM_MAX), .issuer_cert = buf_new(PEM_MAX), .root_list = buf_new(PEM_MAX)
	};
	struct init_result result = { 0 };

	if (!*i->name || strlen(i->name) > CA_NAME_MAX)
		FAIL(e, CONFIG, "a CA's name has 1 to %d characters", CA_NAME_MAX);
	TRY(refuse_existing(i, e));
	m.arena = arena_new(65536, 4u << 20);
	if (!m.arena)
		FAIL(e, NOMEM, "no memory");
	enum err_code rc = make_all(&m, &result, e);
	crypto_wipe(&m.identity, sizeof m.identity);
	if (m.root)
		key_free(m.root);
	if (m.issuer)
		key_free(m.issuer);
	buf_free(&m.root_cert);
	buf_free(&m.issuer_cert);
	buf_free(&m.root_list);
	close_p(&m.state);
	arena_free(m.arena);
	if (rc == ERR_OK)
		*ret = result;
	return rc;
}
