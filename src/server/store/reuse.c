/* Authorizations that serve more orders than the one that made them, or none: found again, made beforehand, ended by their owner. */
#include "server/store/encode.h"
#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

#define LOOKED_AT_MAX 8 /* valid authorizations of one account for one name: more than methods times profiles are of no use */

struct find {
	const struct store_reuse *r;
	const struct identifier *identifiers;
	size_t n;
	bool *found;
	uint8_t (*ids)[STORE_AUTHZ_ID];
};

/* Whether the row's authorization became valid in a way that serves. */
static enum err_code serves(struct db_stmt *st, const struct store_reuse *r, bool *ret, struct err *e)
{
	struct store_challenge challenges[STORE_CHALLENGES_MAX];
	size_t n;

	TRY(decode_challenges(db_view(st, 1), challenges, &n, e));
	*ret = false;
	for (size_t i = 0; i < n; i++)
		if (challenges[i].state == CHALLENGE_VALID && (r->challenges >> challenges[i].type & 1) &&
		    challenges[i].validated_s >= r->validated_s)
			*ret = true;
	return ERR_OK;
}

static enum err_code find_one(struct db *db, const struct find *f, size_t i, struct err *e)
{
	CLEANUP(buf_free_p) struct buf identifier = buf_new(STORE_BLOB_MAX);
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row, good = false;

	encode_identifiers(&f->identifiers[i], 1, &identifier);
	errno = 0;
	if (!buf_ok(&identifier))
		FAIL(e, NOMEM, "no room for an identifier");
	_Static_assert(AUTHZ_VALID == 1, "the number in 002_protocol.sql and below");
	TRY(db_prepare(db,
	    "SELECT id, challenges FROM authzs WHERE state = 1 AND account = $1 AND identifier = $2 AND expires_s > $3"
	    " ORDER BY expires_s DESC LIMIT $4",
	    &st, e));
	db_bind_bytes(st, 1, span(f->r->account, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, buf_bytes(&identifier));
	db_bind_int(st, 3, f->r->until_s);
	db_bind_int(st, 4, LOOKED_AT_MAX);
	for (;;) {
		TRY(db_step(st, &row, e));
		if (!row)
			return ERR_OK;
		TRY(serves(st, f->r, &good, e));
		if (good)
			break;
	}
	TRY(db_fixed(st, 0, f->ids[i], STORE_AUTHZ_ID, e));
	f->found[i] = true;
	return ERR_OK;
}

static enum err_code find_valid(struct db *db, void *ctx, struct err *e)
{
	const struct find *f = ctx;

	for (size_t i = 0; i < f->n; i++)
		TRY(find_one(db, f, i, e));
	return ERR_OK;
}

enum err_code store_find_valid(struct store *s, const struct store_reuse *r, const struct identifier *identifiers, size_t n, bool *found,
    uint8_t (*ids)[STORE_AUTHZ_ID], struct err *e)
{
	struct find f = { r, identifiers, n, found, ids };

	memset(found, 0, n * sizeof *found);
	return db_pool_read(s->readers, find_valid, &f, e);
}

static enum err_code add_authz(struct db *db, void *ctx, struct err *e)
{
	return authz_insert(db, ctx, e);
}

enum err_code store_add_authz(struct store *s, const struct store_authz *authz, struct err *e)
{
	static const uint8_t none[STORE_ORDER_ID];
	struct store_authz copy = *authz;

	errno = 0;
	if (memcmp(authz->order, none, sizeof none) != 0 || authz->n_challenges > STORE_CHALLENGES_MAX ||
	    (unsigned)authz->state >= AUTHZ__MAX)
		FAIL(e, BUG, "a pre-authorization that is of an order");
	return db_writer_run(s->writer, add_authz, &copy, e);
}

static enum err_code read_state(
    struct db *db, const uint8_t id[STORE_AUTHZ_ID], enum authz_state *ret, uint8_t ret_order[STORE_ORDER_ID], struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	unsigned state;
	bool row;

	TRY(db_prepare(db, "SELECT state, order_id FROM authzs WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_AUTHZ_ID));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such authorization");
	TRY(store_get_state(st, 0, AUTHZ__MAX, &state, e));
	*ret = (enum authz_state)state;
	return db_fixed(st, 1, ret_order, STORE_ORDER_ID, e);
}

static enum err_code deactivate(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const uint8_t *id = *(const uint8_t **)ctx;
	uint8_t order[STORE_ORDER_ID];
	enum authz_state state = AUTHZ_PENDING;
	int64_t n;

	TRY(read_state(db, id, &state, order, e));
	errno = 0;
	if (state == AUTHZ_DEACTIVATED)
		return ERR_OK; /* the same request again, whose answer was lost */
	if (!authz_may(state, AUTHZ_DEACTIVATED))
		FAIL(e, CONFLICT, "the authorization is %s", authz_state_name(state));
	TRY(db_prepare(db, "UPDATE authzs SET state = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_AUTHZ_ID));
	db_bind_int(st, 2, AUTHZ_DEACTIVATED);
	TRY(db_run(st, &n, e));
	return order_follow_authz(db, order, id, false, e); /* of other orders, whoever reads them sees it */
}

enum err_code store_deactivate_authz(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], struct err *e)
{
	enum err_code rc = db_writer_run(s->writer, deactivate, &authz, e);

	recent_forget(s->recent, authz);
	return rc;
}
