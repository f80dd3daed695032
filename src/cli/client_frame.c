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
enum err_code client_frame_key(const char *path, struct chancery_key **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_FILE_MAX);

	TRY(file_read(AT_FDCWD, path, KEY_FILE_MAX, &pem, e));
	if (chancery_key_from_pem((const char *)pem.ptr, pem.len, ret) != CHANCERY_OK)
		FAIL(e, CONFIG, "%.250s: this is no private key in PEM that can be used", path);
	return ERR_OK;
}

enum err_code client_frame_account_key(const struct frame *w, bool make, struct chancery_key **ret, struct err *e)
{
	struct chancery_key *key;
	char *pem;
	size_t len;

	enum err_code rc = client_frame_key(w->account_key, ret, e);
	if (rc == ERR_NOT_FOUND && !make)
		FAIL(e, NOT_FOUND, "there is no account key at %s: chancery issue makes one, or name it by --account-key", w->account_key);
	if (rc != ERR_NOT_FOUND)
		return rc;
	frame_make_account_folder(w);
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
    const struct cli *c, const struct frame *f, struct chancery_key *account, struct chancery_client **ret, struct err *e)
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
