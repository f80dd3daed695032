#include "server/blocks.h"

#include "acme/policy.h"
#include "base/codec.h"
#include "crypto/digest.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEY_HEX      HEX_LEN(SHA256_SIZE)
#define ACCOUNT_TEXT BASE64URL_LEN(32)

struct entry {
	enum block_kind kind;
	uint8_t value[BLOCK_VALUE_MAX], reason[BLOCK_REASON_MAX];
	size_t value_len, reason_len;
	uint32_t uid;
	int64_t since_ms;
};

struct blocks {
	pthread_rwlock_t lock;
	struct entry v[BLOCKS_MAX];
	size_t n;
	struct arena *arena; /* the policy's */
	struct name_policy names;
	uint32_t methods;
};

static const char *const kind_names[BLOCK__MAX] = {
	[BLOCK_KEY] = "key", [BLOCK_NAME] = "name", [BLOCK_ACCOUNT] = "account", [BLOCK_METHOD] = "method"
};

const char *block_kind_name(enum block_kind k)
{
	return kind_names[k];
}

bool block_kind_from_name(struct bytes name, enum block_kind *ret)
{
	for (unsigned k = BLOCK_KEY; k < BLOCK__MAX; k++)
		if (bytes_eq_str(name, kind_names[k])) {
			*ret = (enum block_kind)k;
			return true;
		}
	return false;
}

/* --- values --- */

static bool is_range(struct bytes value)
{
	return memchr(value.ptr, '/', value.len) != NULL;
}

static enum err_code check_name(struct arena *a, struct bytes value, struct bytes *ret, struct err *e)
{
	char text[IP_RANGE_TEXT_SIZE];
	struct ip_range range;
	uint8_t address[16];

	if (ip_bytes(value, address) > 0)
		FAIL(e, CONFIG, "an address is blocked as a range, like 192.0.2.1/32 or 2001:db8::/32");
	if (is_range(value)) {
		TRY(ip_range_parse(value, &range, e));
		*ret = arena_copy(a, bytes_str(ip_range_text(&range, text)));
		return ERR_OK;
	}
	TRY(name_rule_check(value, e));
	char *lower = arena_str(a, value);
	for (char *p = lower; p && *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	*ret = lower ? bytes_str(lower) : BYTES_NONE;
	return ERR_OK;
}

static enum err_code check_key(struct arena *a, struct bytes value, struct bytes *ret, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	char text[KEY_HEX + 1];

	if (hex_decode(value, digest, sizeof digest, NULL) != ERR_OK)
		FAIL(e, CONFIG, "a key is named by the SHA-256 of its SubjectPublicKeyInfo: %zu hexadecimal digits", (size_t)KEY_HEX);
	hex_encode(BYTES_ARRAY(digest), text);
	*ret = arena_copy(a, bytes_str(text));
	return ERR_OK;
}

static enum err_code check_account(struct arena *a, struct bytes value, struct bytes *ret, struct err *e)
{
	uint8_t id[32];

	if (base64url_decode_fixed(value, id, sizeof id, NULL) != ERR_OK)
		FAIL(e, CONFIG, "an account is named by its id, the last part of its URL: %zu characters of base64url",
		    (size_t)ACCOUNT_TEXT);
	*ret = arena_copy(a, value);
	return ERR_OK;
}

static enum err_code check_method(struct arena *a, struct bytes value, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(256);
	enum challenge_type type;

	if (challenge_type_from_name(value, &type)) {
		*ret = arena_copy(a, value);
		return ERR_OK;
	}
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		buf_add_fmt(&names, "%s%s", t ? ", " : "", challenge_type_name((enum challenge_type)t));
	FAIL(e, CONFIG, "there is no such method; there are %.*s", BYTES_FMT(buf_bytes(&names)));
}

enum err_code block_check(struct arena *a, enum block_kind k, struct bytes value, struct bytes *ret, struct err *e)
{
	static enum err_code (*const checks[BLOCK__MAX])(struct arena * a, struct bytes value, struct bytes * ret, struct err * e) = {
		[BLOCK_KEY] = check_key, [BLOCK_NAME] = check_name, [BLOCK_ACCOUNT] = check_account, [BLOCK_METHOD] = check_method
	};

	errno = 0;
	if (value.len == 0 || value.len > BLOCK_VALUE_MAX)
		FAIL(e, CONFIG, "what is to be blocked has 1 to %d characters", BLOCK_VALUE_MAX);
	TRY(checks[k](a, value, ret, e));
	if (!ret->ptr)
		FAIL(e, NOMEM, "no memory for what is to be blocked");
	return ERR_OK;
}

/* --- the list --- */

struct blocks *blocks_new(void)
{
	struct blocks *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->arena = arena_new(4096, 4u << 20);
	pthread_rwlock_init(&b->lock, NULL);
	if (!b->arena) {
		blocks_free(b);
		return NULL;
	}
	return b;
}

void blocks_free(struct blocks *b)
{
	if (!b)
		return;
	pthread_rwlock_destroy(&b->lock);
	arena_free(b->arena);
	free(b);
}

static struct bytes value_of(const struct entry *v)
{
	return (struct bytes){ v->value, v->value_len };
}

static struct entry *find(struct blocks *b, enum block_kind k, struct bytes value)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].kind == k && bytes_eq(value_of(&b->v[i]), value))
			return &b->v[i];
	return NULL;
}

/* What is asked often is put together once, at each change. On failure the old rules stay, which are more or fewer by one. */
static enum err_code put_together(struct blocks *b, struct err *e)
{
	struct bytes names[BLOCKS_MAX], ranges[BLOCKS_MAX];
	struct name_policy_texts texts = { .deny_names = names, .deny_ips = ranges };
	enum challenge_type type;

	b->methods = 0;
	arena_reset(b->arena);
	b->names = (struct name_policy){ .closed = false };
	for (size_t i = 0; i < b->n; i++) {
		struct bytes value = value_of(&b->v[i]);
		if (b->v[i].kind == BLOCK_METHOD && challenge_type_from_name(value, &type))
			b->methods |= UINT32_C(1) << type;
		if (b->v[i].kind == BLOCK_NAME && is_range(value))
			ranges[texts.n_deny_ips++] = value;
		else if (b->v[i].kind == BLOCK_NAME)
			names[texts.n_deny_names++] = value;
	}
	return name_policy_read(b->arena, &texts, &b->names, e);
}

static enum err_code add(struct blocks *b, const struct block *v, struct err *e)
{
	if (find(b, v->kind, v->value))
		return ERR_OK;
	errno = 0;
	if (b->n == BLOCKS_MAX)
		FAIL(e, BUSY,
		    "%d keys, names, accounts and methods are blocked, which is the most: unblock some, or put names into the policy and keys into "
		    "its files",
		    BLOCKS_MAX);
	if (v->value.len > BLOCK_VALUE_MAX || v->reason.len > BLOCK_REASON_MAX)
		FAIL(e, MALFORMED, "a block that is too long");
	struct entry *n = &b->v[b->n++];
	*n = (struct entry){
		.kind = v->kind, .value_len = v->value.len, .reason_len = v->reason.len, .uid = v->uid, .since_ms = v->since_ms
	};
	memcpy(n->value, v->value.ptr, v->value.len);
	if (v->reason.len)
		memcpy(n->reason, v->reason.ptr, v->reason.len);
	return ERR_OK;
}

enum err_code blocks_add(struct blocks *b, const struct block *v, struct err *e)
{
	pthread_rwlock_wrlock(&b->lock);
	enum err_code rc = add(b, v, e);
	if (rc == ERR_OK)
		rc = put_together(b, e);
	pthread_rwlock_unlock(&b->lock);
	return rc;
}

bool blocks_remove(struct blocks *b, enum block_kind k, struct bytes value)
{
	pthread_rwlock_wrlock(&b->lock);
	struct entry *v = find(b, k, value);
	if (v) {
		memmove(v, v + 1, (size_t)(b->v + b->n - (v + 1)) * sizeof *v);
		b->n--;
		MAY_FAIL(put_together(b, NULL)); /* fewer rules than before: there is room */
	}
	pthread_rwlock_unlock(&b->lock);
	return v != NULL;
}

void blocks_clear(struct blocks *b)
{
	pthread_rwlock_wrlock(&b->lock);
	b->n = 0;
	MAY_FAIL(put_together(b, NULL));
	pthread_rwlock_unlock(&b->lock);
}

bool blocks_has(struct blocks *b, enum block_kind k, struct bytes value)
{
	pthread_rwlock_rdlock(&b->lock);
	bool found = find(b, k, value) != NULL;
	pthread_rwlock_unlock(&b->lock);
	return found;
}

size_t blocks_count(struct blocks *b)
{
	pthread_rwlock_rdlock(&b->lock);
	size_t n = b->n;
	pthread_rwlock_unlock(&b->lock);
	return n;
}

struct block blocks_at(struct blocks *b, size_t i)
{
	const struct entry *v = &b->v[i];

	return (struct block){
		.kind = v->kind, .value = value_of(v), .reason = { v->reason, v->reason_len }, .uid = v->uid, .since_ms = v->since_ms
	};
}

/* --- questions --- */

bool blocks_has_key(struct blocks *b, const struct key *k)
{
	uint8_t digest[SHA256_SIZE];
	char text[KEY_HEX + 1];

	if (blocks_count(b) == 0)
		return false;
	sha256_one(key_spki(k), digest);
	hex_encode(BYTES_ARRAY(digest), text);
	return blocks_has(b, BLOCK_KEY, bytes_str(text));
}

bool blocks_has_account(struct blocks *b, const uint8_t id[32])
{
	char text[ACCOUNT_TEXT + 1];

	if (blocks_count(b) == 0)
		return false;
	base64url_encode((struct bytes){ id, 32 }, text);
	return blocks_has(b, BLOCK_ACCOUNT, bytes_str(text));
}

enum err_code blocks_judge_name(struct blocks *b, const struct identifier *id, struct err *e)
{
	pthread_rwlock_rdlock(&b->lock);
	enum err_code rc = name_policy_judge(&b->names, id, NULL);
	pthread_rwlock_unlock(&b->lock);
	errno = 0;
	if (rc != ERR_OK)
		FAIL(e, REJECTED_IDENTIFIER, "this CA's operator has blocked the name");
	return ERR_OK;
}

uint32_t blocks_methods(struct blocks *b)
{
	pthread_rwlock_rdlock(&b->lock);
	uint32_t methods = b->methods;
	pthread_rwlock_unlock(&b->lock);
	return methods;
}

/* --- BLOCKS --- */

#define PER_MESSAGE 256 /* of at most 260 bytes each */

void blocks_write(struct blocks *b, size_t *at, struct buf *out)
{
	size_t n = b->n - *at < PER_MESSAGE ? b->n - *at : PER_MESSAGE;

	wire_put_u8(out, *at == 0);
	wire_put_u16(out, (uint16_t)n);
	for (size_t i = 0; i < n; i++, (*at)++) {
		wire_put_u8(out, (uint8_t)b->v[*at].kind);
		wire_put_bytes(out, value_of(&b->v[*at]));
	}
}

enum err_code blocks_read(struct blocks *b, struct bytes body, struct err *e)
{
	struct wire w = wire_of(body);
	bool first = wire_u8(&w) == 1;
	size_t n = wire_u16(&w);

	errno = 0;
	if (n > PER_MESSAGE)
		FAIL(e, MALFORMED, "BLOCKS has %zu entries, at most %d are allowed", n, PER_MESSAGE);
	if (first && !w.failed)
		blocks_clear(b);
	for (size_t i = 0; i < n && !w.failed; i++) {
		struct block v = { .kind = (enum block_kind)wire_u8(&w), .reason = BYTES_LIT("") };
		v.value = wire_bytes(&w, BLOCK_VALUE_MAX);
		if (w.failed || v.kind < BLOCK_KEY || v.kind >= BLOCK__MAX)
			FAIL(e, MALFORMED, "BLOCKS has an entry that is none");
		TRY(blocks_add(b, &v, e));
	}
	return wire_end(&w, "BLOCKS", e);
}
