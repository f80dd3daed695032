/* Protocol objects as JSON (RFC 8555 §7.1) from what the store holds. */
#ifndef CHANCERY_SERVER_FRONT_OBJECTS_H
#define CHANCERY_SERVER_FRONT_OBJECTS_H

#include "server/front/request.h"

void put_account(struct acme_request *r, const struct store_account *account, struct buf *out);
void put_order(struct acme_request *r, const struct store_order *order, struct buf *out);
/* The answer to whoever asked for an order: 200, its URL, and when to ask again where something is in progress (RFC 8555 §7.4). */
void reply_order(struct acme_request *r, const struct store_order *order, struct reply *ret);
void put_authz(struct front *f, const struct store_authz *authz, int64_t now_s, struct buf *out);
/* The answer to whoever asked for an authorization. */
void reply_authz(struct acme_request *r, const struct store_authz *authz, struct reply *ret);
void put_challenge(struct front *f, const struct store_authz *authz, const struct store_challenge *c, struct buf *out);

/* UNAUTHORIZED unless the id, as it stands in a URL, is that of the account that has signed. */
enum err_code account_is_own(const struct acme_request *r, struct bytes id, struct err *e) MUST_USE;

/* A member that is a time, as RFC 3339 writes it. */
struct json_out;
void put_time(struct json_out *w, const char *key, int64_t unix_s);

/* The authorization's challenge of this type; NULL when it has none. */
const struct store_challenge *challenge_of(const struct store_authz *authz, enum challenge_type type);
/* The answer to whoever asked for a challenge (RFC 8555 §7.5.1). */
void reply_challenge(struct front *f, struct arena *a, const struct store_authz *authz, const struct store_challenge *c, struct reply *ret);

/* The object of this id, if it is this account's: else NOT_FOUND, whether it exists or not. */
enum err_code load_order(struct acme_request *r, struct store_order *ret, struct err *e) MUST_USE;
enum err_code load_authz(struct acme_request *r, struct store_authz *ret, struct err *e) MUST_USE;

/* An order past its time, or past that of one of its authorizations, counts as invalid, an authorization as expired (RFC 8555 §7.1.6). */
enum order_state order_state_now(const struct store_order *order, int64_t now_s);
enum authz_state authz_state_now(const struct store_authz *authz, int64_t now_s);

#endif
