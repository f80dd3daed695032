#include "server/store/encode.h"

#include <errno.h>

void encode_identifiers(const struct identifier *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		wire_put_u8(out, (uint8_t)v[i].type);
		wire_put_u8(out, v[i].wildcard);
		wire_put_bytes(out, v[i].value);
	}
}

/* The bytes come from our own disk: what does not fit is the store's error, not a peer's. */
static enum err_code end(const struct wire *w, bool valid, const char *what, struct err *e)
{
	errno = 0;
	if (!valid || wire_end(w, what, NULL) != ERR_OK)
		FAIL(e, STORE, "%s in the database are not what was written", what);
	return ERR_OK;
}

enum err_code decode_identifiers(struct bytes in, struct identifier *v, size_t n, struct err *e)
{
	struct wire w = wire_of(in);
	bool valid = true;

	for (size_t i = 0; i < n; i++) {
		uint8_t type = wire_u8(&w), wildcard = wire_u8(&w);
		valid = valid && type < IDENTIFIER__MAX && wildcard <= 1;
		v[i] = (struct identifier){ .type = (enum identifier_type)type, .wildcard = wildcard == 1 };
		v[i].value = wire_bytes(&w, ENCODE_TEXT_MAX);
	}
	return end(&w, valid, "identifiers", e);
}

void encode_challenges(const struct store_challenge *v, size_t n, struct buf *out)
{
	wire_put_u8(out, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_u8(out, (uint8_t)v[i].type);
		wire_put_u8(out, (uint8_t)v[i].state);
		wire_put_bytes(out, v[i].token);
		wire_put_u64(out, (uint64_t)v[i].validated_s);
		wire_put_bytes(out, v[i].problem);
	}
}

enum err_code decode_challenges(struct bytes in, struct store_challenge v[STORE_CHALLENGES_MAX], size_t *ret_n, struct err *e)
{
	struct wire w = wire_of(in);
	uint8_t n = wire_u8(&w);
	bool valid = n <= STORE_CHALLENGES_MAX;

	for (size_t i = 0; valid && i < n; i++) {
		uint8_t type = wire_u8(&w), state = wire_u8(&w);
		valid = type < CHALLENGE_TYPE__MAX && state < CHALLENGE__MAX;
		v[i] = (struct store_challenge){ .type = (enum challenge_type)type, .state = (enum challenge_state)state };
		v[i].token = wire_bytes(&w, ENCODE_TEXT_MAX);
		v[i].validated_s = (int64_t)wire_u64(&w);
		v[i].problem = wire_bytes(&w, ENCODE_TEXT_MAX);
	}
	TRY(end(&w, valid, "challenges", e));
	*ret_n = n;
	return ERR_OK;
}
