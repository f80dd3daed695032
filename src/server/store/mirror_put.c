/* The database made right by the log. What the log cannot know (contacts, terms, what an authorization was otherwise used for) stays as it is. */
#include "server/store/encode.h"
#include "server/store/mirror_inside.h"

#include "crypto/digest.h"

#include <errno.h>
#include <string.h>

enum err_code mirror_begin(struct mirror *m, struct err *e)
{
	return db_begin(m->db, e);
}

enum err_code mirror_commit(struct mirror *m, struct err *e)
{
	return db_commit(m->db, e);
}

static enum err_code run_with(struct mirror *m, const char *sql, struct bytes id, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db, sql, &st, e));
	db_bind_bytes(st, 1, id);
	return db_run(st, &n, e);
}

/* --- certificates --- */

static enum err_code update_chain(struct mirror *m, const struct store_certificate *c, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db, "UPDATE certificates SET chain = $2 WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(c->serial, sizeof c->serial));
	db_bind_bytes(st, 2, c->chain);
	return db_run(st, &n, e);
}

static enum err_code put_certificate(struct mirror *m, const struct store_certificate *c, unsigned found, struct err *e)
{
	if (found & FOUND_OTHER_BYTES)
		TRY(run_with(m, "DELETE FROM certificates WHERE serial = $1", span(c->serial, sizeof c->serial), e));
	if (!(found & FOUND_CERTIFICATE) || (found & FOUND_OTHER_BYTES))
		return certificate_insert(m->db, c, e);
	return found & FOUND_OTHER_CHAIN && c->chain.len > 0 ? update_chain(m, c, e) : ERR_OK;
}

/* --- orders --- */

/* The order stands with other contents or in another state: what was signed counts. */
static enum err_code update_order(struct mirror *m, const struct store_order *o, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db,
	    "UPDATE orders SET state = $2, serial = $3, finalize = $4, problem = NULL WHERE id = $1 AND account = $5 AND new_order = $6",
	    &st, e));
	db_bind_bytes(st, 1, span(o->id, sizeof o->id));
	db_bind_int(st, 2, ORDER_VALID);
	db_bind_bytes(st, 3, span(o->serial, sizeof o->serial));
	db_bind_bytes(st, 4, o->finalize);
	db_bind_bytes(st, 5, span(o->account, sizeof o->account));
	db_bind_bytes(st, 6, o->new_order);
	TRY(db_run(st, &n, e));
	return n == 1 ? ERR_OK : run_with(m, "DELETE FROM orders WHERE id = $1", span(o->id, sizeof o->id), e);
}

static enum err_code set_serial(struct mirror *m, const struct store_order *o, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db, "UPDATE orders SET serial = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(o->id, sizeof o->id));
	db_bind_bytes(st, 2, span(o->serial, sizeof o->serial));
	return db_run(st, &n, e);
}

static enum err_code has_row(struct mirror *m, const char *sql, struct bytes id, bool *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;

	TRY(db_prepare(m->db, sql, &st, e));
	db_bind_bytes(st, 1, id);
	return db_step(st, ret, e);
}

static enum err_code put_order(struct mirror *m, const struct mirror_issued *v, unsigned found, struct err *e)
{
	const struct store_order *o = &v->order;
	bool there;

	if (found & FOUND_ORDER && !(found & FOUND_OTHER_ORDER))
		return ERR_OK;
	if (found & FOUND_ORDER)
		TRY(update_order(m, o, e));
	TRY(has_row(m, "SELECT 1 FROM orders WHERE id = $1", span(o->id, sizeof o->id), &there, e));
	if (there)
		return ERR_OK;
	TRY(order_insert(m->db, o, e));
	TRY(set_serial(m, o, e));
	for (size_t i = 0; i < o->n_identifiers; i++) {
		TRY(has_row(m, "SELECT 1 FROM authzs WHERE id = $1", span(v->authz[i].id, STORE_AUTHZ_ID), &there, e));
		if (!there)
			TRY(authz_insert(m->db, &v->authz[i], e));
	}
	return ERR_OK;
}

enum err_code mirror_put_issued(struct mirror *m, const struct mirror_issued *v, int64_t kept_s, struct err *e)
{
	struct mirror_certificate c = {
		.certificate = v->certificate, .fits = v->fits, .issuer_key_id = v->issuer_key_id, .new_order = v->order.new_order
	};
	unsigned found;

	if (v->certificate.not_after_s < kept_s)
		return ERR_OK;
	TRY(mirror_look_up(m, &c, &found, e));
	TRY(put_certificate(m, &v->certificate, found, e));
	return put_order(m, v, found, e);
}

/* --- accounts --- */

/* The key that the log has for it; zeros when the log has no such account. */
static enum err_code logged_key(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], uint8_t ret[STORE_ACCOUNT_ID], struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	memset(ret, 0, STORE_ACCOUNT_ID);
	TRY(db_prepare(m->db, "SELECT thumbprint FROM temp.logged_accounts WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ACCOUNT_ID));
	TRY(db_step(st, &row, e));
	return row ? db_fixed(st, 0, ret, STORE_ACCOUNT_ID, e) : ERR_OK;
}

static enum err_code update_account(struct mirror *m, const struct store_account *v, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db, "UPDATE accounts SET jwk = coalesce($2, jwk), eab = coalesce(eab, $3) WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(v->id, sizeof v->id));
	db_bind_bytes(st, 2, v->jwk);
	db_bind_bytes(st, 3, v->eab.len > 0 ? v->eab : BYTES_NONE);
	return db_run(st, &n, e);
}

enum err_code mirror_put_account(struct mirror *m, const struct store_account *v, struct err *e)
{
	uint8_t thumbprint[SHA256_SIZE], logged[STORE_ACCOUNT_ID];
	struct store_account account = *v;
	bool made;

	TRY(account_insert(m->db, v, &made, e));
	if (made)
		return ERR_OK;
	sha256_one(v->jwk, thumbprint);
	TRY(logged_key(m, v->id, logged, e));
	if (memcmp(thumbprint, logged, sizeof logged) != 0)
		account.jwk = BYTES_NONE;
	return account.jwk.ptr || account.eab.len > 0 ? update_account(m, &account, e) : ERR_OK;
}

/* --- the rest: whole tables at once --- */

static const char *const rest[] = {
	"UPDATE accounts SET state = 1 WHERE state = 0 AND EXISTS"
	" (SELECT 1 FROM temp.logged_accounts l WHERE l.id = accounts.id AND l.state = 1)",
	"UPDATE accounts SET eab_kid = l.kid FROM temp.logged_accounts l"
	" WHERE l.id = accounts.id AND l.kid IS NOT NULL AND accounts.eab_kid IS NOT l.kid",
	"INSERT INTO account_keys (thumbprint, account, state)"
	" SELECT thumbprint, account, state FROM temp.logged_keys k WHERE EXISTS (SELECT 1 FROM accounts a WHERE a.id = k.account)"
	" ON CONFLICT (thumbprint) DO UPDATE SET account = excluded.account, state = excluded.state",
	"UPDATE certificates SET revoked_s = l.revoked_s, reason = l.reason FROM temp.logged l"
	" WHERE l.serial = certificates.serial AND l.revoked_s IS NOT NULL"
	" AND (certificates.revoked_s IS NOT l.revoked_s OR certificates.reason IS NOT l.reason)",
	"UPDATE certificates SET replaced_by = l.order_id FROM temp.logged l"
	" WHERE l.replaces = certificates.serial AND certificates.replaced_by IS NOT l.order_id",
};

enum err_code mirror_put_rest(struct mirror *m, struct err *e)
{
	_Static_assert(ACCOUNT_VALID == 0 && ACCOUNT_DEACTIVATED == 1, "the numbers above");
	TRY(mirror_run(m, "CREATE INDEX IF NOT EXISTS temp.logged_by_replaced ON logged (replaces) WHERE replaces IS NOT NULL", e));
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		TRY(mirror_run(m, rest[i], e));
	return ERR_OK;
}
