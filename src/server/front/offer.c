#include "server/front/offer.h"

#include "base/codec.h"

#include <string.h>

_Static_assert(CHALLENGE_TYPE__MAX <= STORE_CHALLENGES_MAX, "an authorization may offer every type");

enum err_code profile_find(const struct settings *s, struct bytes name, const struct profile **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf names = buf_new(4096);

	for (size_t i = 0; i < s->n_profiles; i++) {
		if (!name.ptr || bytes_eq(name, s->profiles[i].name)) {
			*ret = &s->profiles[i];
			return ERR_OK;
		}
		buf_add_fmt(&names, "%s\"%.*s\"", i ? ", " : "", BYTES_FMT(s->profiles[i].name));
	}
	FAIL(e, INVALID_PROFILE, "there is no such profile: %.*s %s offered", BYTES_FMT(buf_bytes(&names)),
	    s->n_profiles > 1 ? "are" : "is");
}

uint32_t challenges_offered(const struct profile *p, uint32_t off, const struct identifier *id)
{
	uint32_t types = 0;

	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		if (challenge_type_covers((enum challenge_type)t, id->type, id->wildcard))
			types |= p->challenges & ~off & 1u << t;
	return types;
}

static size_t count_challenges(const struct profile *p, uint32_t off, const struct identifier *ids, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (size_t)__builtin_popcount(challenges_offered(p, off, &ids[i]));
	return sum;
}

/* Takes the tokens that it needs from the front of *tokens. */
static void fill_authz(int64_t now_ms, uint32_t types, const struct bytes **tokens, struct store_authz *z)
{
	for (int k = 0; k < 6; k++)
		z->id[k] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * k));
	random_bytes(z->id + 6, STORE_AUTHZ_ID - 6);
	z->state = AUTHZ_PENDING;
	z->n_challenges = 0;
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		if (types >> t & 1)
			z->challenges[z->n_challenges++] =
			    (struct store_challenge){ .type = (enum challenge_type)t, .token = *(*tokens)++ };
}

enum err_code authzs_make(struct acme_request *r, const struct profile *p, const struct store_authz *as, const struct identifier *ids,
    size_t n, struct store_authz *out, struct err *e)
{
	/* RFC 8555 §8: a token "uniquely identifies the challenge", so each has its own. */
	uint32_t off = blocks_methods(r->front->blocks);
	size_t n_tokens = count_challenges(p, off, ids, n);
	struct bytes *tokens = arena_array(r->http->arena, n_tokens, sizeof *tokens);
	const struct bytes *next = tokens;

	if (n == 0)
		return ERR_OK;
	if (!tokens)
		FAIL(e, NOMEM, "no memory for tokens");
	TRY(tokens_take(r->front->tokens, r->http->arena, tokens, n_tokens, e));
	for (size_t i = 0; i < n; i++) {
		out[i] = *as;
		out[i].identifier = ids[i];
		fill_authz(r->now_ms, challenges_offered(p, off, &ids[i]), &next, &out[i]);
	}
	return ERR_OK;
}
