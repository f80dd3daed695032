/* The files of a generation. */
#include "agent/flow_impl.h"

#include "agent/keys.h"
#include "agent/saved.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define P12_FILE     "cert.p12"
#define PASSWORD_MAX 1024

static void put_digest(struct json_out *j, struct bytes spki)
{
	uint8_t digest[SHA256_SIZE];
	char text[8 + HEX_LEN(SHA256_SIZE) + 1] = "3 1 1 ";

	if (!spki.ptr)
		return;
	sha256_one(spki, digest);
	hex_encode(BYTES_ARRAY(digest), text + strlen(text));
	json_put_string(j, bytes_str(text));
}

/* What TLSA records (RFC 6698) may say: of these keys, and of those that come next. */
static void put_tlsa(const struct flow *f, struct json_out *j)
{
	json_put_key(j, "tlsa");
	json_put_array(j);
	for (size_t i = 0; i < f->wish->n_keys; i++) {
		put_digest(j, f->certs[i].spki);
		put_digest(j, f->certs[i].next);
	}
	json_end_array(j);
}

static void write_meta(const struct flow *f, struct buf *out)
{
	const struct issued *i = &f->report->issued;
	struct json_out j = json_out_to(out);
	char text[RFC3339_SIZE];

	json_put_object(&j);
	json_put_member_strs(&j, "names", f->wish->names, f->wish->n_names);
	json_put_member_str(&j, "server", f->ca.directory);
	json_put_member_str(&j, "ca", f->ca.name);
	json_put_member_str(&j, "account", i->account_url);
	json_put_member_str(&j, "order", i->order_url);
	json_put_member_str(&j, "certificate", i->certificate_url);
	rfc3339_format(i->not_before_s, text);
	json_put_member_str(&j, "not_before", text);
	rfc3339_format(i->not_after_s, text);
	json_put_member_str(&j, "not_after", text);
	put_tlsa(f, &j);
	json_put_member_str(&j, "by", "chancery " CHANCERY_VERSION);
	json_end_object(&j);
	buf_add_u8(out, '\n');
}

/* For its renewal. */
static enum err_code put_options(const struct flow *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	char path[4096];

	saved_write(f->wish->given, f->wish->names, f->wish->n_names, &text);
	errno = 0;
	if (!buf_ok(&text) || snprintf(path, sizeof path, "%s/" SAVED_FILE, storage_path(f->storage)) >= (int)sizeof path)
		FAIL(e, NOMEM, "no room for the options");
	return file_write(AT_FDCWD, path, 0600, buf_bytes(&text), e);
}

static enum err_code put_p12(struct flow *f, const struct flow_cert *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(PASSWORD_MAX);
	const char *from = given_value(f->wish->given, "pkcs12-password-file", NULL);
	struct bytes password = BYTES_LIT(""), rest;
	char file[FLOW_FILE_MAX];
	CLEANUP(close_p) int fd = -1;
	struct peer *keys;

	if (!given_flag(f->wish->given, "pkcs12"))
		return ERR_OK;
	if (from) {
		TRY(file_read_private(from, PASSWORD_MAX, &text, e));
		password = buf_bytes(&text);
		(void)bytes_split(buf_bytes(&text), '\n', &password, &rest);
	}
	flow_file(P12_FILE, c->key->suffix, file);
	TRY(crew_keys(f->crew, &keys, e));
	storage_drop_file(f->storage, f->draft, file); /* of a run that was stopped behind it */
	TRY(storage_open_file(f->storage, f->draft, file, true, &fd, e));
	TRY(flow_own(f, fd, e));
	return keys_pkcs12(keys, f->wish->arena, "certificate", c->fullchain, f->wish->names[0], password, fd, e);
}

static enum err_code put_pem(struct flow *f, const struct flow_cert *c, const char *file, struct bytes pem, struct err *e)
{
	char name[FLOW_FILE_MAX];

	flow_file(file, c->key->suffix, name);
	return storage_put_file(f->storage, f->draft, name, 0644, pem, e);
}

enum err_code flow_put(struct flow *f, size_t i, struct err *e)
{
	const struct flow_cert *c = &f->certs[i];

	TRY(put_pem(f, c, STORAGE_CERT, bytes_slice(c->fullchain, 0, c->leaf_len), e));
	TRY(put_pem(f, c, STORAGE_CHAIN, bytes_slice(c->fullchain, c->leaf_len, c->fullchain.len), e));
	TRY(put_pem(f, c, STORAGE_FULLCHAIN, c->fullchain, e));
	return put_p12(f, c, e);
}

enum err_code flow_finish(struct flow *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf meta = buf_new(65536);

	for (size_t i = 0; i < f->wish->n_keys; i++)
		TRY(flow_next_key(f, i, e));
	write_meta(f, &meta);
	errno = 0;
	if (!buf_ok(&meta))
		FAIL(e, NOMEM, "no memory to store the certificate");
	TRY(storage_put_file(f->storage, f->draft, STORAGE_META, 0644, buf_bytes(&meta), e));
	if (deploy_is_wanted(&f->wish->deploy))
		TRY(deploy_pending_write(f->deploy, f->draft, e));
	else
		deploy_pending_done(f->deploy); /* of an earlier one */
	TRY(storage_switch(f->storage, f->draft, e));
	*f->draft = 0; /* it is none any more */
	for (size_t i = 0; given_flag(f->wish->given, "next-key") && i < f->wish->n_keys; i++)
		flow_settle_next_key(f, f->certs[i].key->suffix);
	if (!f->how->configured)
		TRY(put_options(f, e));
	storage_prune(f->storage, f->deploy->previous); /* which a deployment that fails goes back to */
	return ERR_OK;
}
