#include "server/front/crl_fetch.h"

#include <errno.h>
#include <string.h>

#define PART_MS   10000
#define TRIES_MAX 8
#define ARENA     (CRL_PART_MAX + 16384)

static enum err_code fetch_part(struct peer *signer, struct arena *a, const struct crl_get *get, struct crl_part *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(64);
	struct message answer;

	crl_get_write(get, &body);
	TRY(peer_call(signer, a, MESSAGE_CRL_GET, buf_bytes(&body), PART_MS, &answer, e));
	TRY(answer_check(&answer, e));
	TRY(crl_part_read(answer.body, ret, e));
	if (ret->part.len == 0 || ret->offset > ret->size || ret->part.len > ret->size - ret->offset)
		FAIL(e, MALFORMED, "a part of a revocation list that lies outside of it");
	return ERR_OK;
}

static enum err_code whole(const struct crl_part *last, const struct crl_new *wanted, uint64_t *ret_number, struct err *e)
{
	errno = 0;
	if (last->number < wanted->number)
		FAIL(e, MALFORMED, "the revocation list %llu was told of, and %llu is what is there", (unsigned long long)wanted->number,
		    (unsigned long long)last->number);
	*ret_number = last->number;
	return ERR_OK;
}

enum err_code crl_fetch(struct peer *signer, const struct crl_new *wanted, struct buf *ret_der, uint64_t *ret_number, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(ARENA, 2 * ARENA);
	struct crl_get get = { 0 };
	struct crl_part part = { 0 };

	if (!a)
		FAIL(e, NOMEM, "no memory for a revocation list");
	memcpy(get.issuer, wanted->issuer, sizeof get.issuer);
	get.shard = wanted->shard;
	for (unsigned tries = 0; tries < TRIES_MAX;) {
		TRY(fetch_part(signer, a, &get, &part, e));
		if (part.offset != get.offset || (get.number && part.number != get.number)) { /* a newer one is there: from the start */
			get.number = get.offset = 0;
			buf_reset(ret_der);
			tries++;
		} else {
			buf_add(ret_der, part.part);
			get.number = part.number;
			get.offset += part.part.len;
			if (!buf_ok(ret_der))
				FAIL(e, NOMEM, "no memory for a revocation list");
			if (get.offset == part.size)
				return whole(&part, wanted, ret_number, e);
		}
		arena_reset(a);
	}
	FAIL(e, BUSY, "revocation lists are made faster than they can be fetched");
}
