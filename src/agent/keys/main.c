/* chancery-keys: holds account and certificate keys, and signs with them what sign_rules.c allows. No network and no files but the descriptors that it is given. */
#include "agent/child.h"
#include "agent/keys/sign_rules.h"
#include "base/codec.h"
#include "crypto/digest.h"
#include "crypto/pkcs12.h"
#include "os/file.h"
#include "os/jail.h"
#include "os/sanitized.h"

#include "acme/identifier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MAX    16
#define KEY_FILE_MAX 16384

/* A key that is in use, by a name that the program gave it. */
struct slot {
	char name[32];
	struct key *key;
	bool certificate; /* else an account's */
	struct sign_rules rules;
	struct arena *arena; /* of the rules */
};
struct keys {
	struct slot v[SLOTS_MAX];
};

static void slot_empty(struct slot *s)
{
	key_free(s->key);
	arena_free(s->arena);
	*s = (struct slot){ .key = NULL };
}

static struct slot *find(struct keys *k, struct bytes name)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (k->v[i].key && bytes_eq_str(name, k->v[i].name))
			return &k->v[i];
	return NULL;
}

/* --- keys that are made or opened --- */

struct key_json {
	struct bytes slot, use, type;
	struct json_uint bits, may;
	struct json_bool must_staple;
	struct json_strings names;
};
static const struct json_field key_fields[] = {
	JSON_FIELD(struct key_json, slot, "slot", JSON_STRING, true, 31),
	JSON_FIELD(struct key_json, use, "use", JSON_STRING, true, 31),
	JSON_FIELD(struct key_json, type, "type", JSON_STRING, false, 31),
	JSON_FIELD(struct key_json, bits, "bits", JSON_UINT, false, 0),
	JSON_FIELD(struct key_json, may, "may", JSON_UINT, false, 0),
	JSON_FIELD(struct key_json, must_staple, "must_staple", JSON_BOOL, false, 0),
	JSON_FIELD(struct key_json, names, "names", JSON_STRINGS, false, 100),
};

static enum err_code read_names(struct slot *s, const struct json_strings *names, struct err *e)
{
	struct sign_rules *r = &s->rules;
	struct identifier id;

	r->names = arena_array(s->arena, names->n + 1, sizeof *r->names);
	errno = 0;
	if (!r->names)
		FAIL(e, NOMEM, "no memory for names");
	for (size_t i = 0; i < names->n; i++) {
		if (identifier_parse(s->arena, BYTES_LIT("ip"), names->v[i], &id, NULL) != ERR_OK)
			TRY(identifier_parse(s->arena, BYTES_LIT("dns"), names->v[i], &id, e));
		TRY(identifier_san(s->arena, &id, &r->names[i], e));
		struct bytes kept = arena_copy(s->arena, r->names[i].value);
		if (!kept.ptr)
			FAIL(e, NOMEM, "no memory for names");
		r->names[i].value = kept;
	}
	r->n_names = san_sort(r->names, names->n);
	return ERR_OK;
}

/* Takes the key over. */
static enum err_code put(struct keys *k, const struct key_json *j, struct key **key, struct json_out *answer, struct err *e)
{
	struct slot *s = find(k, j->slot);

	for (size_t i = 0; !s && i < SLOTS_MAX; i++)
		s = k->v[i].key ? NULL : &k->v[i];
	errno = 0;
	if (!s)
		FAIL(e, BUSY, "more than %d keys at once", SLOTS_MAX);
	slot_empty(s);
	s->arena = arena_new(4096, 1u << 20);
	if (!s->arena)
		FAIL(e, NOMEM, "no memory for a key");
	(void)snprintf(s->name, sizeof s->name, "%.*s", BYTES_FMT(j->slot));
	s->certificate = bytes_eq_str(j->use, "certificate");
	s->rules.may = (unsigned)j->may.value;
	s->rules.must_staple = j->must_staple.value;
	enum err_code rc = read_names(s, &j->names, e);
	if (rc != ERR_OK) {
		slot_empty(s);
		return rc;
	}
	s->key = TAKE(*key);
	talk_put_bytes(answer, "spki", key_spki(s->key));
	return ERR_OK;
}

static enum err_code read_key(struct arena *a, struct bytes json, struct key_json *ret, struct err *e)
{
	return json_read(a, json, "a key", key_fields, sizeof key_fields / sizeof *key_fields, ret, e);
}

static enum err_code op_open(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_FILE_MAX);
	CLEANUP(key_free_p) struct key *key = NULL;
	struct key_json j = { .slot = BYTES_NONE };
	ssize_t n = 1;

	TRY(read_key(a, json, &j, e));
	while (n > 0) {
		uint8_t part[1024];
		n = read(*fd, part, sizeof part);
		if (n < 0)
			FAIL(e, IO, "the key cannot be read: %s", strerror(errno));
		buf_add(&pem, (struct bytes){ part, (size_t)n });
		crypto_wipe(part, sizeof part);
	}
	errno = 0;
	if (!buf_ok(&pem) || key_private_from_pem(buf_bytes(&pem), &key, NULL) != ERR_OK)
		FAIL(e, CONFIG, "this is no private key in PEM that can be used");
	return put(c->context, &j, &key, answer, e);
}

static enum err_code op_make(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_FILE_MAX);
	CLEANUP(key_free_p) struct key *key = NULL;
	struct key_json j = { .slot = BYTES_NONE };
	enum key_type type;

	TRY(read_key(a, json, &j, e));
	errno = 0;
	if (!j.type.ptr || !key_type_from_name(j.type, &type))
		FAIL(e, CONFIG, "there is no such type of key");
	TRY(key_generate(type, (unsigned)j.bits.value, &key, e));
	TRY(key_private_to_pem(key, &pem, e));
	TRY(file_write_all(*fd, buf_bytes(&pem), e));
	if (fsync(*fd) != 0)
		FAIL(e, IO, "the key cannot be made durable: %s", strerror(errno));
	return put(c->context, &j, &key, answer, e);
}

/* --- signatures --- */

struct sign_json {
	struct bytes slot, message;
};
static const struct json_field sign_fields[] = {
	JSON_FIELD(struct sign_json, slot, "slot", JSON_STRING, true, 31),
	JSON_FIELD(struct sign_json, message, "message", JSON_STRING, true, 0),
};

static enum err_code may_sign(const struct slot *s, struct bytes message, struct err *e)
{
	if (!s->certificate)
		return sign_rules_request(&s->rules, message, e);
	/* A certificate's key may ask for its revocation (RFC 8555 §7.6). */
	return s->rules.may & SIGN_MAY_REVOKE ? sign_rules_request(&s->rules, message, e) : sign_rules_csr(&s->rules, s->key, message, e);
}

static enum err_code op_sign(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	struct sign_json j = { .slot = BYTES_NONE };
	uint8_t sig[KEY_SIG_SIZE_MAX];
	struct bytes message;
	size_t len;

	(void)fd;
	TRY(json_read(a, json, "a signature's request", sign_fields, 2, &j, e));
	TRY(talk_bytes(a, j.message, &message, e));
	const struct slot *s = find(c->context, j.slot);
	errno = 0;
	if (!s)
		FAIL(e, NOT_FOUND, "there is no key \"%.*s\"", BYTES_FMT(j.slot));
	TRY(may_sign(s, message, e));
	TRY(key_sign(s->key, SIG_FORM_X509, message, sig, &len, e));
	talk_put_bytes(answer, "signature", (struct bytes){ sig, len });
	return ERR_OK;
}

/* --- PKCS #12 --- */

struct p12_json {
	struct bytes slot, name, password, chain;
};
static const struct json_field p12_fields[] = {
	JSON_FIELD(struct p12_json, slot, "slot", JSON_STRING, true, 31),
	JSON_FIELD(struct p12_json, name, "name", JSON_STRING, true, 255),
	JSON_FIELD(struct p12_json, password, "password", JSON_STRING, true, 1024),
	JSON_FIELD(struct p12_json, chain, "chain", JSON_STRING, true, 0),
};

static enum err_code op_pkcs12(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(1u << 20);
	struct p12_json j = { .slot = BYTES_NONE };
	struct bytes der[PKCS12_CERTS_MAX], text;
	const char *name, *password;
	size_t n = 0;

	(void)answer;
	TRY(json_read(a, json, "a PKCS #12 file", p12_fields, 4, &j, e));
	TRY(talk_text(a, j.name, &name, e));
	TRY(talk_text(a, j.password, &password, e));
	const struct slot *s = find(c->context, j.slot);
	errno = 0;
	if (!s)
		FAIL(e, NOT_FOUND, "there is no key \"%.*s\"", BYTES_FMT(j.slot));
	text = j.chain;
	while (n < PKCS12_CERTS_MAX && pem_next(a, &text, "CERTIFICATE", &der[n], NULL) == ERR_OK)
		n++;
	TRY(pkcs12_write(s->key, der, n, name, password, &out, e));
	TRY(file_write_all(*fd, buf_bytes(&out), e));
	if (fsync(*fd) != 0)
		FAIL(e, IO, "the PKCS #12 file cannot be made durable: %s", strerror(errno));
	return ERR_OK;
}

/* --- the process --- */

/* A folder that is already gone: nothing is in it, and nothing can be put there. */
static enum err_code empty_folder(int *ret, struct err *e)
{
	char path[] = "/tmp/chancery-keys-XXXXXX";

	if (!mkdtemp(path))
		FAIL(e, IO, "no folder in /tmp: %s", strerror(errno));
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int sys = errno;
	(void)rmdir(path);
	if (*ret < 0)
		FAIL(e, IO, "no folder in /tmp: %s", strerror(sys));
	return ERR_OK;
}

static enum err_code jail(const struct child_user *u, struct err *e)
{
	CLEANUP(close_p) int folder = -1;
	struct jail_layers layers = { 0 };

	crypto_init();
	if (SANITIZED_ADDRESS || SANITIZED_THREAD)
		return ERR_OK;
	TRY(empty_folder(&folder, e));
	struct jail j = { .root_dir = folder, .uid = u->uid, .gid = u->gid };
	return jail_enter(&j, &layers, e);
}

int main(void)
{
	static const struct child_row rows[] = { { "open", op_open }, { "make", op_make }, { "sign", op_sign }, { "pkcs12", op_pkcs12 } };
	struct keys keys = { .v = { { .key = NULL } } };

	int code = child_main(rows, sizeof rows / sizeof *rows, jail, &keys);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		slot_empty(&keys.v[i]);
	return code;
}
