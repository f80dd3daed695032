#include "server/signer/eab.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "base/wire.h"
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC          "CHNCYEAB"
#define VERSION        1
#define RULE_MAX       256 /* bytes of a scope's rule */
#define PROFILE_MAX    64
#define ARENA_MAX      (64u << 20)
#define FIRST_CAP      16
#define LIFETIME_MAX_S (INT64_C(100) * 366 * 86400)

struct eab_keys {
	int dir;
	uint8_t instance[INSTANCE_SIZE];
	struct arena *arena; /* of labels, rules and names; secrets are in v alone */
	struct eab_key *v;
	size_t n, cap;
	uint8_t kids[EAB_KEYS_MAX][ACCOUNT_KID_SIZE]; /* of v, close together: each issuance looks here */
};

void eab_kid_text(const uint8_t kid[ACCOUNT_KID_SIZE], char out[EAB_KID_LEN + 1])
{
	hex_encode((struct bytes){ kid, ACCOUNT_KID_SIZE }, out);
}

/* Only the one text that we give out is its name. */
bool eab_kid_parse(struct bytes text, uint8_t ret[ACCOUNT_KID_SIZE])
{
	char again[EAB_KID_LEN + 1];
	uint8_t kid[ACCOUNT_KID_SIZE];

	if (text.len != EAB_KID_LEN || hex_decode(text, kid, sizeof kid, NULL) != ERR_OK)
		return false;
	eab_kid_text(kid, again);
	if (!bytes_eq_str(text, again))
		return false;
	memcpy(ret, kid, sizeof kid);
	return true;
}

void eab_keys_free(struct eab_keys *k)
{
	if (!k)
		return;
	if (k->v)
		crypto_wipe(k->v, k->cap * sizeof *k->v);
	free(k->v);
	arena_free(k->arena);
	free(k);
}

/* Never realloc(): what it leaves behind would be secrets. */
static enum err_code make_room(struct eab_keys *k, struct err *e)
{
	size_t cap = k->cap ? 2 * k->cap : FIRST_CAP;

	if (k->n < k->cap)
		return ERR_OK;
	struct eab_key *v = calloc(cap, sizeof *v);
	if (!v)
		FAIL(e, NOMEM, "no memory for external account keys");
	if (k->v) {
		memcpy(v, k->v, k->n * sizeof *v);
		crypto_wipe(k->v, k->cap * sizeof *v);
		free(k->v);
	}
	k->v = v;
	k->cap = cap;
	return ERR_OK;
}

/* --- the scope --- */

/* Rules with a slash are ranges of addresses, all others are for names. */
static enum err_code read_scope(struct arena *a, struct eab_key *k, struct err *e)
{
	struct bytes names[EAB_NAMES_MAX], ranges[EAB_NAMES_MAX];
	struct name_policy_texts t = { .allow_names = names, .allow_ips = ranges, .closed = k->n_names > 0 };

	for (size_t i = 0; i < k->n_names; i++)
		if (memchr(k->names[i].ptr, '/', k->names[i].len))
			ranges[t.n_allow_ips++] = k->names[i];
		else
			names[t.n_allow_names++] = k->names[i];
	return name_policy_read(a, &t, &k->scope, e);
}

/* --- the file --- */

static void put_list(const struct bytes *v, size_t n, struct buf *out)
{
	wire_put_u8(out, (uint8_t)n);
	for (size_t i = 0; i < n; i++)
		wire_put_bytes(out, v[i]);
}

static void put_key(const struct eab_key *k, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(k->kid));
	wire_put_bytes(out, (struct bytes){ k->secret, k->secret_len });
	wire_put_bytes(out, k->label);
	wire_put_u64(out, (uint64_t)k->created_ms);
	wire_put_u32(out, k->created_by);
	wire_put_u64(out, (uint64_t)k->expires_ms);
	wire_put_u64(out, k->uses_max);
	put_list(k->names, k->n_names, out);
	put_list(k->profiles, k->n_profiles, out);
}

static enum err_code write_file(const struct eab_keys *k, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(EAB_FILE_MAX);
	uint8_t digest[SHA256_SIZE];

	wire_put_fixed(&out, BYTES_LIT(MAGIC));
	wire_put_u32(&out, VERSION);
	wire_put_fixed(&out, BYTES_ARRAY(k->instance));
	wire_put_u32(&out, (uint32_t)k->n);
	for (size_t i = 0; i < k->n; i++)
		put_key(&k->v[i], &out);
	if (!buf_ok(&out))
		FAIL(e, TOO_LARGE, "the external account keys take more than %u bytes", EAB_FILE_MAX);
	sha256_one(buf_bytes(&out), digest);
	wire_put_fixed(&out, BYTES_ARRAY(digest));
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for the external account keys' file");
	return file_write(k->dir, FILE_EAB, 0600, buf_bytes(&out), e);
}

static bool get_list(struct arena *a, struct wire *w, size_t item_max, size_t max, struct bytes *v, size_t *ret_n)
{
	size_t n = wire_u8(w);

	if (n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		v[i] = arena_copy(a, wire_bytes(w, item_max));
		if (!v[i].ptr)
			return false;
	}
	*ret_n = n;
	return true;
}

static enum err_code get_key(struct eab_keys *k, struct wire *w, struct err *e)
{
	TRY(make_room(k, e));
	struct eab_key *key = &k->v[k->n];
	struct bytes kid = wire_fixed(w, ACCOUNT_KID_SIZE), secret = wire_bytes(w, EAB_SECRET_MAX);

	*key = (struct eab_key){ .secret_len = secret.len, .label = arena_copy(k->arena, wire_bytes(w, EAB_LABEL_MAX)) };
	key->created_ms = (int64_t)wire_u64(w);
	key->created_by = wire_u32(w);
	key->expires_ms = (int64_t)wire_u64(w);
	key->uses_max = wire_u64(w);
	bool lists = get_list(k->arena, w, RULE_MAX, EAB_NAMES_MAX, key->names, &key->n_names) &&
		     get_list(k->arena, w, PROFILE_MAX, EAB_PROFILES_MAX, key->profiles, &key->n_profiles);
	errno = 0;
	if (w->failed || !lists || secret.len < EAB_SECRET_MIN || eab_keys_find_raw(k, kid.ptr))
		FAIL(e, IO, "the file \"%s\" is damaged at its key %zu", FILE_EAB, k->n + 1);
	memcpy(key->kid, kid.ptr, sizeof key->kid);
	memcpy(key->secret, secret.ptr, secret.len);
	TRY(read_scope(k->arena, key, e));
	memcpy(k->kids[k->n++], key->kid, ACCOUNT_KID_SIZE);
	return ERR_OK;
}

static enum err_code read_file(struct eab_keys *k, struct bytes in, struct err *e)
{
	struct bytes all = bytes_slice(in, 0, in.len < SHA256_SIZE ? 0 : in.len - SHA256_SIZE);
	struct wire w = wire_of(all);
	uint8_t digest[SHA256_SIZE];

	errno = 0;
	sha256_one(all, digest);
	if (in.len < SHA256_SIZE || !bytes_eq(BYTES_ARRAY(digest), bytes_slice(in, all.len, in.len)))
		FAIL(e, IO, "the file \"%s\" is damaged: restore it from a backup", FILE_EAB);
	bool magic = bytes_eq_str(wire_fixed(&w, sizeof MAGIC - 1), MAGIC);
	uint32_t version = wire_u32(&w);
	struct bytes instance = wire_fixed(&w, INSTANCE_SIZE);
	uint32_t n = wire_u32(&w);
	if (!magic || version != VERSION || n > EAB_KEYS_MAX)
		FAIL(e, IO, "the file \"%s\" is not one of version %d", FILE_EAB, VERSION);
	if (!bytes_eq(instance, BYTES_ARRAY(k->instance)))
		FAIL(e, IO, "the file \"%s\" is another CA's", FILE_EAB);
	for (uint32_t i = 0; i < n; i++)
		TRY(get_key(k, &w, e));
	return wire_end(&w, "the external account keys' file", e);
}

enum err_code eab_keys_load(int dir, const uint8_t instance[INSTANCE_SIZE], struct eab_keys **ret, struct err *e)
{
	CLEANUP(eab_keys_free_p) struct eab_keys *k = calloc(1, sizeof *k);
	CLEANUP(buf_free_p) struct buf in = buf_new_secret(EAB_FILE_MAX);

	if (!k || !(k->arena = arena_new(16384, ARENA_MAX)))
		FAIL(e, NOMEM, "no memory for external account keys");
	k->dir = dir;
	memcpy(k->instance, instance, sizeof k->instance);
	enum err_code rc = file_read(dir, FILE_EAB, EAB_FILE_MAX, &in, e);
	if (rc == ERR_OK)
		rc = read_file(k, buf_bytes(&in), e);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND)
		return rc;
	*ret = TAKE(k);
	return ERR_OK;
}

/* --- a new one --- */

static enum err_code copy_list(struct arena *a, const struct json_strings *in, const char *what, size_t item_max, size_t max,
    struct bytes *v, size_t *ret_n, struct err *e)
{
	if (in->n > max)
		FAIL(e, CONFIG, "%zu %ss, at most %zu are allowed", in->n, what, max);
	for (size_t i = 0; i < in->n; i++) {
		if (in->v[i].len == 0 || in->v[i].len > item_max)
			FAIL(e, CONFIG, "a %s has 1 to %zu characters", what, item_max);
		v[i] = arena_copy(a, in->v[i]);
		if (!v[i].ptr)
			FAIL(e, NOMEM, "no memory for a %s", what);
	}
	*ret_n = in->n;
	return ERR_OK;
}

/* A text that stands in a table on somebody's terminal. */
static bool is_plain(struct bytes text)
{
	const uint8_t *end = text.ptr + text.len;
	uint32_t c;

	for (const uint8_t *p = text.ptr; p < end;) {
		size_t n = utf8_get(p, end, &c);
		if (n == 0 || !utf8_is_printable(c))
			return false;
		p += n;
	}
	return true;
}

static void make_kid(const struct eab_keys *k, uint8_t kid[ACCOUNT_KID_SIZE])
{
	do
		random_bytes(kid, ACCOUNT_KID_SIZE);
	while (eab_keys_find_raw(k, kid));
}

/* Clients take it as an option's value, in base64url: none that begins with a hyphen or underscore, which costs a 22nd of a bit. */
static void make_secret(struct eab_key *key, enum mac_alg alg)
{
	key->secret_len = mac_size(alg);
	do
		random_bytes(key->secret, key->secret_len);
	while (key->secret[0] >> 2 >= 62);
}

static enum err_code read_request(
    struct arena *a, const struct eab_request *r, int64_t now_ms, uint32_t uid, struct eab_key *key, struct err *e)
{
	errno = 0;
	if (r->label.len > EAB_LABEL_MAX || !is_plain(r->label))
		FAIL(e, CONFIG, "a label has at most %d bytes of text on one line", EAB_LABEL_MAX);
	if (r->lifetime_s > (uint64_t)LIFETIME_MAX_S)
		FAIL(e, CONFIG, "an external account key lives at most 100 years");
	key->label = arena_copy(a, r->label);
	if (!key->label.ptr)
		FAIL(e, NOMEM, "no memory for a label");
	key->created_ms = now_ms;
	key->created_by = uid;
	key->expires_ms = r->lifetime_s ? now_ms + (int64_t)r->lifetime_s * 1000 : 0;
	key->uses_max = r->uses_max;
	TRY(copy_list(a, &r->names, "name rule", RULE_MAX, EAB_NAMES_MAX, key->names, &key->n_names, e));
	TRY(copy_list(a, &r->profiles, "profile", PROFILE_MAX, EAB_PROFILES_MAX, key->profiles, &key->n_profiles, e));
	return read_scope(a, key, e);
}

enum err_code eab_keys_add(
    struct eab_keys *k, const struct eab_request *r, int64_t now_ms, uint32_t uid, const struct eab_key **ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *scratch = arena_new(16384, 1u << 20);

	errno = 0;
	if (!scratch)
		FAIL(e, NOMEM, "no memory for an external account key");
	if (k->n >= EAB_KEYS_MAX)
		FAIL(e, TOO_LARGE, "there are %d external account keys already, more are not kept", EAB_KEYS_MAX);
	TRY(make_room(k, e));
	struct eab_key *key = &k->v[k->n];
	*key = (struct eab_key){ 0 };
	TRY(read_request(scratch, r, now_ms, uid, key, e)); /* so that a bad one takes no place for good */
	TRY(read_request(k->arena, r, now_ms, uid, key, e));
	make_kid(k, key->kid);
	make_secret(key, r->alg);
	memcpy(k->kids[k->n++], key->kid, ACCOUNT_KID_SIZE);
	enum err_code rc = write_file(k, e);
	if (rc != ERR_OK) {
		k->n--;
		crypto_wipe(key, sizeof *key);
		return rc;
	}
	*ret = key;
	return ERR_OK;
}

/* --- questions --- */

/* Some thousands at most, ten bytes each. */
const struct eab_key *eab_keys_find_raw(const struct eab_keys *k, const uint8_t kid[ACCOUNT_KID_SIZE])
{
	for (size_t i = 0; kid && i < k->n; i++)
		if (memcmp(k->kids[i], kid, ACCOUNT_KID_SIZE) == 0)
			return &k->v[i];
	return NULL;
}

static struct eab_key *find(const struct eab_keys *k, struct bytes kid)
{
	uint8_t raw[ACCOUNT_KID_SIZE];
	const struct eab_key *key = eab_kid_parse(kid, raw) ? eab_keys_find_raw(k, raw) : NULL;

	return key ? &k->v[key - k->v] : NULL;
}

const struct eab_key *eab_keys_find(const struct eab_keys *k, struct bytes kid)
{
	return find(k, kid);
}

size_t eab_keys_count(const struct eab_keys *k)
{
	return k->n;
}

const struct eab_key *eab_keys_at(const struct eab_keys *k, size_t i)
{
	return &k->v[i];
}

void eab_keys_revoked(struct eab_keys *k, struct bytes kid, int64_t time_ms)
{
	struct eab_key *key = find(k, kid);

	if (key && key->revoked_ms == 0)
		key->revoked_ms = time_ms;
}

void eab_keys_expired(struct eab_keys *k, struct bytes kid, int64_t time_ms)
{
	struct eab_key *key = find(k, kid);

	if (key && (key->expires_ms == 0 || key->expires_ms > time_ms))
		key->expires_ms = time_ms;
}

void eab_keys_used(struct eab_keys *k, struct bytes kid, int64_t time_ms)
{
	struct eab_key *key = find(k, kid);

	if (!key)
		return;
	key->uses++;
	key->used_ms = time_ms;
}

enum err_code eab_key_usable(const struct eab_key *k, int64_t now_ms, struct err *e)
{
	errno = 0;
	if (k->revoked_ms)
		FAIL(e, UNAUTHORIZED, "the external account key has been revoked: ask this CA's operator for another");
	if (k->expires_ms && now_ms >= k->expires_ms)
		FAIL(e, UNAUTHORIZED, "the external account key has expired: ask this CA's operator for another");
	if (k->uses_max && k->uses >= k->uses_max)
		FAIL(e, UNAUTHORIZED, "the external account key has been used for %" PRIu64 " account%s, which is as often as it may be",
		    k->uses, k->uses == 1 ? "" : "s");
	return ERR_OK;
}

enum err_code eab_key_allows_name(const struct eab_key *k, const struct identifier *id, struct err *e)
{
	struct err why = { 0 };

	errno = 0;
	if (name_policy_judge(&k->scope, id, &why) != ERR_OK)
		FAIL(e, REJECTED_IDENTIFIER, "outside what the account's external account key is for: %s", why.detail);
	return ERR_OK;
}

enum err_code eab_key_allows_profile(const struct eab_key *k, struct bytes profile, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < k->n_profiles; i++)
		if (bytes_eq(k->profiles[i], profile))
			return ERR_OK;
	if (k->n_profiles > 0)
		FAIL(e, UNAUTHORIZED, "the account's external account key is not for the profile \"%.*s\"", BYTES_FMT(profile));
	return ERR_OK;
}
