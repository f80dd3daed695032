#include "server/store/encode.h"
#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

/* The columns that store_authz has, in its order. */
static enum err_code read_authz(struct db_stmt *st, struct arena *a, struct store_authz *v, struct err *e)
{
	struct bytes identifier, challenges;
	unsigned state;

	TRY(db_fixed(st, 0, v->account, sizeof v->account, e));
	TRY(db_fixed(st, 1, v->order, sizeof v->order, e));
	TRY(db_copy(st, 2, a, &identifier, e));
	TRY(decode_identifiers(identifier, &v->identifier, 1, e));
	TRY(store_get_state(st, 3, AUTHZ__MAX, &state, e));
	v->state = (enum authz_state)state;
	v->expires_s = db_int(st, 4);
	TRY(db_copy(st, 5, a, &challenges, e));
	TRY(decode_challenges(challenges, v->challenges, &v->n_challenges, e));
	TRY(db_copy(st, 6, a, &v->control, e));
	TRY(db_copy(st, 7, a, &v->caa, e));
	v->lifetime_s = (uint32_t)db_int(st, 8);
	v->caa_s = db_int(st, 9);
	return ERR_OK;
}

static enum err_code get_authz(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct get *g = ctx;
	struct store_authz v = { 0 };
	bool row;

	TRY(db_prepare(db,
	    "SELECT account, order_id, identifier, state, expires_s, challenges, control, caa, lifetime_s, caa_s"
	    " FROM authzs WHERE id = $1",
	    &st, e));
	db_bind_bytes(st, 1, span(g->id, sizeof v.id));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such authorization");
	memcpy(v.id, g->id, sizeof v.id);
	TRY(read_authz(st, g->arena, &v, e));
	*(struct store_authz *)g->ret = v;
	return ERR_OK;
}

enum err_code store_get_authz(struct store *s, struct arena *a, const uint8_t id[STORE_AUTHZ_ID], struct store_authz *ret, struct err *e)
{
	/* In this order: a validation that ends in between has been committed before its claim goes, so the row shows it. Nobody
	 * sees a challenge go from processing back to pending on its way to valid. */
	uint32_t types = inflight_types(s->inflight, id);
	struct store_authz v;
	uint32_t mark;

	if (!recent_get(s->recent, a, id, &v, &mark)) {
		TRY(db_pool_read(s->readers, get_authz, &(struct get){ a, id, &v }, e));
		recent_offer(s->recent, mark, &v);
	}
	for (size_t i = 0; v.state == AUTHZ_PENDING && i < v.n_challenges; i++)
		if (v.challenges[i].state == CHALLENGE_PENDING && (types & 1u << v.challenges[i].type))
			v.challenges[i].state = CHALLENGE_PROCESSING;
	*ret = v;
	return ERR_OK;
}

enum err_code authz_insert(struct db *db, const struct store_authz *v, struct err *e)
{
	CLEANUP(buf_free_p) struct buf identifier = buf_new(STORE_BLOB_MAX), challenges = buf_new(STORE_BLOB_MAX);
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	encode_identifiers(&v->identifier, 1, &identifier);
	encode_challenges(v->challenges, v->n_challenges, &challenges);
	errno = 0;
	if (!buf_ok(&identifier) || !buf_ok(&challenges))
		FAIL(e, NOMEM, "no room for an authorization");
	TRY(db_prepare(db,
	    "INSERT INTO authzs (id, state, order_id, account, expires_s, identifier, challenges, control, caa,"
	    " lifetime_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, 0))",
	    &st, e));
	db_bind_bytes(st, 1, span(v->id, sizeof v->id));
	db_bind_int(st, 2, v->state);
	db_bind_bytes(st, 3, span(v->order, sizeof v->order));
	db_bind_bytes(st, 4, span(v->account, sizeof v->account));
	db_bind_int(st, 5, v->expires_s);
	db_bind_bytes(st, 6, buf_bytes(&identifier));
	db_bind_bytes(st, 7, buf_bytes(&challenges));
	db_bind_bytes(st, 8, v->control);
	db_bind_bytes(st, 9, v->caa);
	db_bind_int(st, 10, v->lifetime_s);
	return db_run(st, &n, e);
}

/* An authorization on its way to another state. */
struct change {
	uint8_t order[STORE_ORDER_ID];
	struct store_challenge challenges[STORE_CHALLENGES_MAX]; /* views into the row */
	size_t n_challenges;
	struct store_challenge *challenge; /* the one that was asked for */
};

/* Finds a challenge that the database has as pending. st: the statement that is left on the row, for the views. */
static enum err_code find_pending(
    struct db *db, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct db_stmt **st, struct change *ret, struct err *e)
{
	unsigned state;
	bool row;

	TRY(db_prepare(db, "SELECT state, order_id, challenges FROM authzs WHERE id = $1", st, e));
	db_bind_bytes(*st, 1, span(authz, STORE_AUTHZ_ID));
	TRY(db_step(*st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such authorization");
	TRY(store_get_state(*st, 0, AUTHZ__MAX, &state, e));
	TRY(db_fixed(*st, 1, ret->order, sizeof ret->order, e));
	TRY(decode_challenges(db_view(*st, 2), ret->challenges, &ret->n_challenges, e));
	ret->challenge = NULL;
	for (size_t i = 0; i < ret->n_challenges; i++)
		if (ret->challenges[i].type == type)
			ret->challenge = &ret->challenges[i];
	if (!ret->challenge)
		FAIL(e, NOT_FOUND, "the authorization has no %s challenge", challenge_type_name(type));
	if (state != AUTHZ_PENDING)
		FAIL(e, CONFLICT, "the authorization is %s, not pending", authz_state_name((enum authz_state)state));
	if (ret->challenge->state != CHALLENGE_PENDING)
		FAIL(e, CONFLICT, "the challenge is %s, not pending", challenge_state_name(ret->challenge->state));
	return ERR_OK;
}

struct begin {
	const uint8_t *authz;
	enum challenge_type type;
};

static enum err_code check_pending(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct begin *b = ctx;
	struct change c;

	return find_pending(db, b->authz, b->type, &st, &c, e);
}

static bool is_pending(const struct store_authz *v, void *ctx)
{
	const enum challenge_type *type = ctx;

	for (size_t i = 0; i < v->n_challenges; i++)
		if (v->challenges[i].type == *type)
			return v->state == AUTHZ_PENDING && v->challenges[i].state == CHALLENGE_PENDING;
	return false;
}

enum err_code store_begin_challenge(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e)
{
	/* The claim comes first: whoever ended the challenge before let go of his after the commit, so that the row shows it. */
	TRY(inflight_claim(s->inflight, authz, type, e));
	if (recent_look(s->recent, authz, is_pending, &type))
		return ERR_OK;
	enum err_code rc = db_pool_read(s->readers, check_pending, &(struct begin){ authz, type }, e);
	if (rc != ERR_OK)
		inflight_abandon(s->inflight, authz, type);
	return rc;
}

void store_abandon_challenge(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	inflight_abandon(s->inflight, authz, type);
}

bool store_is_processing(struct store *s, const uint8_t authz[STORE_AUTHZ_ID])
{
	return inflight_types(s->inflight, authz) != 0;
}

/* The challenges' column with this one ended. */
static enum err_code end_challenges(
    struct db *db, const struct store_validation *v, uint8_t ret_order[STORE_ORDER_ID], struct buf *out, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct change c;

	TRY(find_pending(db, v->authz, v->type, &st, &c, e));
	c.challenge->state = v->valid ? CHALLENGE_VALID : CHALLENGE_INVALID;
	c.challenge->validated_s = v->valid ? v->now_s : 0;
	c.challenge->problem = v->valid ? BYTES_NONE : v->problem;
	encode_challenges(c.challenges, c.n_challenges, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for an authorization's challenges");
	memcpy(ret_order, c.order, sizeof c.order);
	return ERR_OK;
}

static enum err_code end_authz(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(buf_free_p) struct buf challenges = buf_new(STORE_BLOB_MAX);
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct store_validation *v = ctx;
	uint8_t order[STORE_ORDER_ID];
	int64_t n;

	TRY(end_challenges(db, v, order, &challenges, e));
	TRY(db_prepare(db,
	    "UPDATE authzs SET state = $2, challenges = $3, control = $4, caa = $5, caa_s = $6,"
	    " expires_s = coalesce($7 + lifetime_s, expires_s) WHERE id = $1",
	    &st, e));
	db_bind_bytes(st, 1, span(v->authz, sizeof v->authz));
	db_bind_int(st, 2, v->valid ? AUTHZ_VALID : AUTHZ_INVALID);
	db_bind_bytes(st, 3, buf_bytes(&challenges));
	db_bind_bytes(st, 4, v->valid ? v->control : BYTES_NONE);
	db_bind_bytes(st, 5, v->valid ? v->caa : BYTES_NONE);
	if (v->valid && v->caa.len > 0)
		db_bind_int(st, 6, v->now_s);
	else
		db_bind_bytes(st, 6, BYTES_NONE);
	if (v->valid)
		db_bind_int(st, 7, v->now_s);
	else
		db_bind_bytes(st, 7, BYTES_NONE);
	TRY(db_run(st, &n, e));
	return order_follow_authz(db, order, v->authz, v->valid, e);
}

enum err_code store_end_challenge(struct store *s, const struct store_validation *v, struct err *e)
{
	TRY(inflight_begin_end(s->inflight, v->authz, v->type, e));
	struct store_validation copy = *v;
	enum err_code rc = db_writer_run(s->writer, end_authz, &copy, e);
	recent_forget(s->recent, v->authz);
	/* Where the row is no longer pending there is nothing to end. Where the database failed, the caller may try again. */
	if (rc == ERR_OK || rc == ERR_CONFLICT || rc == ERR_NOT_FOUND)
		inflight_end(s->inflight, v->authz, v->type);
	else
		inflight_cancel_end(s->inflight, v->authz, v->type);
	return rc;
}

struct caa {
	const uint8_t *authz;
	struct bytes receipt;
	int64_t at_s;
};

static enum err_code set_caa(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct caa *c = ctx;
	int64_t n;

	TRY(db_prepare(db, "UPDATE authzs SET caa = $2, caa_s = $3 WHERE id = $1 AND state = 1", &st, e));
	db_bind_bytes(st, 1, span(c->authz, STORE_AUTHZ_ID));
	db_bind_bytes(st, 2, c->receipt);
	db_bind_int(st, 3, c->at_s);
	TRY(db_run(st, &n, e));
	errno = 0;
	if (n == 0)
		FAIL(e, CONFLICT, "the authorization is not valid");
	return ERR_OK;
}

enum err_code store_set_caa(struct store *s, const uint8_t authz[STORE_AUTHZ_ID], struct bytes caa, int64_t caa_s, struct err *e)
{
	enum err_code rc = db_writer_run(s->writer, set_caa, &(struct caa){ authz, caa, caa_s }, e);

	recent_forget(s->recent, authz);
	return rc;
}
