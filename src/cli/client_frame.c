#include "cli/client_frame.h"

#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 16384
/* No DNS name has an underscore, so no certificate's folder is called so. */
#define ACCOUNTS_FOLDER "_accounts"

enum err_code cli_number(
    const struct cli *c, const char *option, const char *fallback, unsigned long most, unsigned long *ret, struct err *e)
{
	const char *text = cli_value(c, option, fallback);
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno != 0 || *end || *text < '0' || *text > '9' || v < 1 || v > most)
		FAIL(e, CONFIG, "--%s %s: a number from 1 to %lu is allowed", option, text, most);
	*ret = v;
	return ERR_OK;
}

enum err_code client_default_folder(struct arena *a, const char **ret, struct err *e)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (geteuid() == 0) {
		*ret = CLIENT_ROOT_FOLDER;
		return ERR_OK;
	}
	if ((!data || *data != '/') && (!home || *home != '/'))
		FAIL(e, CONFIG, "neither XDG_DATA_HOME nor HOME says where to put certificates: give --folder DIR");
	struct bytes path = data && *data == '/' ? arena_fmt(a, "%s/chancery", data) : arena_fmt(a, "%s/.local/share/chancery", home);
	if (!path.ptr)
		FAIL(e, NOMEM, "no memory");
	*ret = (const char *)path.ptr;
	return ERR_OK;
}

/* FOLDER/_accounts/HOST_PORT.pem: another CA gets another account key, so that they cannot tell that it is the same owner. */
static enum err_code default_account(struct client_frame *w, struct err *e)
{
	const char *host = strstr(w->server, "://");
	struct bytes path;

	host = host ? host + 3 : w->server;
	path = arena_fmt(w->arena, "%s/" ACCOUNTS_FOLDER "/%.*s.pem", w->folder, (int)strcspn(host, "/?#"), host);
	if (!path.ptr)
		FAIL(e, NOMEM, "no memory");
	char *text = arena_str(w->arena, path);
	if (!text)
		FAIL(e, NOMEM, "no memory");
	for (char *p = text + strlen(w->folder) + sizeof "/" ACCOUNTS_FOLDER; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '_';
	w->account_key = text;
	return ERR_OK;
}

enum err_code client_frame_read(const struct cli *c, struct arena *a, struct client_frame *ret, struct err *e)
{
	struct client_frame f = { .arena = a, .server = cli_value(c, "server", NULL), .folder = cli_value(c, "folder", NULL) };
	unsigned long timeout;

	if (!f.server)
		FAIL(e, CONFIG, "--server URL is needed: the CA's ACME directory");
	TRY(cli_number(c, "timeout", "600", 604800, &timeout, e));
	f.timeout_s = (uint32_t)timeout;
	if (!f.folder)
		TRY(client_default_folder(a, &f.folder, e));
	f.account_key = cli_value(c, "account-key", NULL);
	if (!f.account_key)
		TRY(default_account(&f, e));
	*ret = f;
	return ERR_OK;
}

enum err_code client_frame_key(const char *path, struct chancery_key **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_FILE_MAX);

	TRY(file_read(AT_FDCWD, path, KEY_FILE_MAX, &pem, e));
	if (chancery_key_from_pem((const char *)pem.ptr, pem.len, ret) != CHANCERY_OK)
		FAIL(e, CONFIG, "%.250s: this is no private key in PEM that can be used", path);
	return ERR_OK;
}

/* The folder of the default account key; that of a file that the user names has to be there. */
static void make_accounts_folder(const struct client_frame *w)
{
	struct bytes path = arena_fmt(w->arena, "%s/" ACCOUNTS_FOLDER, w->folder);

	if (path.ptr && strncmp(w->account_key, (const char *)path.ptr, path.len) == 0)
		(void)mkdir((const char *)path.ptr, 0700); /* that it failed is seen when the key is written */
}

enum err_code client_frame_account_key(const struct client_frame *w, bool make, struct chancery_key **ret, struct err *e)
{
	struct chancery_key *key;
	char *pem;
	size_t len;

	enum err_code rc = client_frame_key(w->account_key, ret, e);
	if (rc == ERR_NOT_FOUND && !make)
		FAIL(e, NOT_FOUND, "there is no account key at %s: chancery issue makes one, or name it by --account-key", w->account_key);
	if (rc != ERR_NOT_FOUND)
		return rc;
	make_accounts_folder(w);
	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) != CHANCERY_OK)
		FAIL(e, CRYPTO, "cannot make an account key");
	rc =
	    chancery_key_to_pem(key, &pem, &len) == CHANCERY_OK ? ERR_OK : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for a key");
	chancery_key_free(key);
	TRY(rc);
	rc = file_create(AT_FDCWD, w->account_key, 0600, (struct bytes){ (const uint8_t *)pem, len }, e);
	chancery_secret_free(pem, len);
	/* Another run may have been faster: then its key is the account's. */
	return rc == ERR_OK || rc == ERR_CONFLICT ? client_frame_key(w->account_key, ret, e) : rc;
}

/* The first line; ret is wiped by who gets it. */
static enum err_code read_line(const char *path, struct buf *out, struct err *e)
{
	struct bytes line, rest;
	struct stat st;

	errno = 0;
	if (stat(path, &st) == 0 && (st.st_mode & 077))
		FAIL(e, CONFIG, "%s: others can read it (mode %04o): chmod 600", path, (unsigned)(st.st_mode & 07777));
	TRY(file_read(AT_FDCWD, path, 4096, out, e));
	if (bytes_split(buf_bytes(out), '\n', &line, &rest))
		out->len = line.len;
	buf_add_u8(out, 0);
	return ERR_OK;
}

static enum err_code set_external(const struct cli *c, struct chancery_client *client, struct err *e)
{
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(4200);
	const char *kid = cli_value(c, "eab-kid", NULL), *file = cli_value(c, "eab-key-file", NULL);

	if (!kid && !file)
		return ERR_OK;
	if (!kid || !file)
		FAIL(e, CONFIG, "--eab-kid and --eab-key-file go together");
	TRY(read_line(file, &key, e));
	if (chancery_client_set_external_account(client, kid, (const char *)key.ptr) != CHANCERY_OK)
		FAIL(e, CONFIG, "%s", chancery_error_message(chancery_client_error(client)));
	return ERR_OK;
}

enum err_code client_frame_client(
    const struct cli *c, const struct client_frame *f, struct chancery_key *account, struct chancery_client **ret, struct err *e)
{
	CLEANUP(chancery_client_free_p) struct chancery_client *client = chancery_client_new(f->server);
	enum chancery_result rc = CHANCERY_OK;
	const char *contact;

	if (!client)
		FAIL(e, NOMEM, "no memory to talk to a CA");
	if (account)
		rc = chancery_client_set_account_key(client, account);
	for (size_t i = 0; rc == CHANCERY_OK && (contact = cli_nth(c, "contact", i)) != NULL; i++)
		rc = chancery_client_add_contact(client, contact);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_terms_agreed(client, cli_flag(c, "agree-tos"));
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_ca_file(client, cli_value(c, "ca-file", NULL));
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_timeout(client, f->timeout_s);
	if (rc == CHANCERY_OK)
		rc = chancery_client_set_user_agent(client, "chancery/" CHANCERY_VERSION);
	if (rc != CHANCERY_OK)
		FAIL(e, CONFIG, "%s", chancery_error_message(chancery_client_error(client)));
	TRY(set_external(c, client, e));
	*ret = TAKE(client);
	return ERR_OK;
}
