/* What the store's files share and nobody else sees. */
#ifndef CHANCERY_SERVER_STORE_INSIDE_H
#define CHANCERY_SERVER_STORE_INSIDE_H

#include "db/db_pool.h"
#include "db/db_writer.h"
#include "server/store/inflight.h"
#include "server/store/recent.h"
#include "server/store/store.h"

struct store {
	struct db_pool *readers;
	struct db_writer *writer;
	struct inflight *inflight;
	struct recent *recent;
};

#define STORE_BLOB_MAX (1u << 20) /* one encoded column */

static inline struct bytes span(const uint8_t *p, size_t n)
{
	return (struct bytes){ p, n };
}

/* Parameters for a unit that reads one row by its id. */
struct get {
	struct arena *arena;
	const uint8_t *id;
	void *ret;
};

/* A row's state; STORE when it is none of the n that there are. */
enum err_code store_get_state(struct db_stmt *st, unsigned column, unsigned n, unsigned *ret, struct err *e) MUST_USE;

/* Whose a key is. All numbers but the last are stored in account_keys. */
enum key_state { KEY_CURRENT = 0, KEY_REPLACED = 1, KEY_PROMISED = 2, KEY_UNKNOWN };
struct key_owner {
	enum key_state state;
	uint8_t account[STORE_ACCOUNT_ID]; /* unless UNKNOWN */
};
enum err_code key_owner_find(struct db *db, const uint8_t thumbprint[STORE_ACCOUNT_ID], struct key_owner *ret, struct err *e) MUST_USE;

/* Steps of a unit that touches more than one table. */
enum err_code account_row_read(
    struct db *db, const uint8_t id[STORE_ACCOUNT_ID], struct arena *a, struct store_account *ret, struct err *e) MUST_USE;
/* Unless there is one with this id. */
enum err_code account_insert(struct db *db, const struct store_account *v, bool *ret_made, struct err *e) MUST_USE;
enum err_code order_insert(struct db *db, const struct store_order *v, struct err *e) MUST_USE;
enum err_code authz_insert(struct db *db, const struct store_authz *v, struct err *e) MUST_USE;
enum err_code certificate_insert(struct db *db, const struct store_certificate *c, struct err *e) MUST_USE;
/* After the end of one of its authorizations (nothing for a pre-authorization): the order gets ready when all of them are valid, invalid when this one failed. */
enum err_code order_follow_authz(
    struct db *db, const uint8_t id[STORE_ORDER_ID], const uint8_t authz[STORE_AUTHZ_ID], bool valid, struct err *e) MUST_USE;

/* Generated from the numbered .sql files (embed.cmake). */
extern const struct db_migration store_migrations[];
extern const size_t store_migrations_n;

#endif
