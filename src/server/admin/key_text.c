#include "server/admin/key_text.h"

#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum err_code token_access_of(struct arena *a, const struct settings *s, struct token_access *ret, struct err *e)
{
	*ret = (struct token_access){ .environment = &s->keyholder_environment };
	if (s->keyholder_module.len > 0)
		ret->module = arena_str(a, s->keyholder_module);
	if (s->keyholder_pin_file.len > 0)
		ret->pin_file = arena_str(a, s->keyholder_pin_file);
	if ((s->keyholder_module.len > 0 && !ret->module) || (s->keyholder_pin_file.len > 0 && !ret->pin_file))
		FAIL(e, NOMEM, "no memory for a token");
	return ERR_OK;
}

/* The first line, of a file that is its owner's alone. */
static enum err_code read_pin(const char *path, struct buf *out, struct bytes *ret, struct err *e)
{
	struct bytes rest;

	errno = 0;
	if (strncmp(path, "credential:", 11) == 0)
		FAIL(e, CONFIG,
		    "the PIN is a credential of the service, which is not there for a command: name a file with the PIN by --pin-file");
	TRY(file_read_private(path, TOKEN_PIN_MAX + 1, out, e));
	*ret = buf_bytes(out);
	(void)bytes_split(buf_bytes(out), '\n', ret, &rest);
	return ERR_OK;
}

static void set_environment(const struct settings_list *v)
{
	char text[2048];

	for (size_t i = 0; v && i < v->n; i++) {
		struct bytes name, value;
		if (v->v[i].len + 1 > sizeof text || !bytes_split(v->v[i], '=', &name, &value))
			continue;
		memcpy(text, v->v[i].ptr, v->v[i].len);
		text[v->v[i].len] = text[name.len] = '\0';
		(void)setenv(text, text + name.len + 1, 1);
	}
}

enum err_code key_uri_open(struct bytes uri, const struct token_access *t, struct opened_key *ret, struct err *e)
{
	CLEANUP(opened_key_close) struct opened_key k = { .key = NULL };
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(TOKEN_PIN_MAX + 2);
	struct bytes pin = BYTES_LIT("");

	TRY(token_uri_check(uri, e));
	errno = 0;
	if (!t || !t->module)
		FAIL(e, CONFIG, "the key is in a token: its PKCS#11 module is wanted, by keyholder.module or --module");
	set_environment(t->environment);
	if (t->pin_file)
		TRY(read_pin(t->pin_file, &text, &pin, e));
	TRY(token_module_open(t->module, pin, &k.module, e));
	TRY(token_key(k.module, uri, &k.key, e));
	*ret = k;
	k = (struct opened_key){ .key = NULL };
	return ERR_OK;
}

enum err_code key_text_open(struct bytes text, struct bytes passphrase, const struct token_access *t, struct opened_key *ret, struct err *e)
{
	struct bytes line = text, rest;

	if (token_is_uri(text)) {
		(void)bytes_split(text, '\n', &line, &rest);
		return key_uri_open(line, t, ret, e);
	}
	*ret = (struct opened_key){ .key = NULL };
	return key_private_from_pem_with(text, passphrase, &ret->key, e);
}

void opened_key_close(struct opened_key *k)
{
	key_free(k->key);
	token_module_close(k->module);
	*k = (struct opened_key){ .key = NULL };
}
