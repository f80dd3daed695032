/* States of orders, authorizations and challenges and which may follow which (RFC 8555 §7.1.6): one const table for server,
 * client, property tests and documents. The numbers are stored in the database: add only at the end. */
#ifndef CHANCERY_ACME_STATE_H
#define CHANCERY_ACME_STATE_H

#include "base/bytes.h"

#define ACCOUNT_STATES(X) X(VALID, "valid") X(DEACTIVATED, "deactivated") X(REVOKED, "revoked")
#define ORDER_STATES(X)   X(PENDING, "pending") X(READY, "ready") X(PROCESSING, "processing") X(VALID, "valid") X(INVALID, "invalid")
#define AUTHZ_STATES(X)       \
	X(PENDING, "pending") \
	X(VALID, "valid") X(INVALID, "invalid") X(DEACTIVATED, "deactivated") X(EXPIRED, "expired") X(REVOKED, "revoked")
#define CHALLENGE_STATES(X) X(PENDING, "pending") X(PROCESSING, "processing") X(VALID, "valid") X(INVALID, "invalid")

enum account_state {
#define X(code, name) ACCOUNT_##code,
	ACCOUNT_STATES(X)
#undef X
	    ACCOUNT__MAX
};
enum order_state {
#define X(code, name) ORDER_##code,
	ORDER_STATES(X)
#undef X
	    ORDER__MAX
};
enum authz_state {
#define X(code, name) AUTHZ_##code,
	AUTHZ_STATES(X)
#undef X
	    AUTHZ__MAX
};
enum challenge_state {
#define X(code, name) CHALLENGE_##code,
	CHALLENGE_STATES(X)
#undef X
	    CHALLENGE__MAX
};

const char *account_state_name(enum account_state s);
const char *order_state_name(enum order_state s);
const char *authz_state_name(enum authz_state s);
const char *challenge_state_name(enum challenge_state s);
bool account_state_from_name(struct bytes name, enum account_state *ret);
bool order_state_from_name(struct bytes name, enum order_state *ret);
bool authz_state_from_name(struct bytes name, enum authz_state *ret);
bool challenge_state_from_name(struct bytes name, enum challenge_state *ret);
bool order_may(enum order_state from, enum order_state to);
bool authz_may(enum authz_state from, enum authz_state to);

#endif
