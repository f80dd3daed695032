#include "acme/state.h"

/* Name tables and their inverses, one pair for each kind of object. */
#define STATE_NAMES(object, OBJECT, LIST)                                                 \
	static const char *const object##_names[OBJECT##__MAX] = { LIST(OBJECT##_NAME) }; \
	const char *object##_state_name(enum object##_state s)                            \
	{                                                                                 \
		return (unsigned)s < OBJECT##__MAX ? object##_names[s] : "invalid";       \
	}                                                                                 \
	bool object##_state_from_name(struct bytes name, enum object##_state *ret)        \
	{                                                                                 \
		for (unsigned i = 0; i < OBJECT##__MAX; i++)                              \
			if (bytes_eq_str(name, object##_names[i])) {                      \
				*ret = (enum object##_state)i;                            \
				return true;                                              \
			}                                                                 \
		return false;                                                             \
	}
#define ACCOUNT_NAME(code, name)   [ACCOUNT_##code] = (name),
#define ORDER_NAME(code, name)     [ORDER_##code] = (name),
#define AUTHZ_NAME(code, name)     [AUTHZ_##code] = (name),
#define CHALLENGE_NAME(code, name) [CHALLENGE_##code] = (name),
STATE_NAMES(account, ACCOUNT, ACCOUNT_STATES)
STATE_NAMES(order, ORDER, ORDER_STATES)
STATE_NAMES(authz, AUTHZ, AUTHZ_STATES)
STATE_NAMES(challenge, CHALLENGE, CHALLENGE_STATES)

/* RFC 8555 §7.1.6. An order goes from ready to valid in one step where the certificate is there before the answer leaves, and
 * from processing back to ready where the signer could not be asked: both are how processing ends for whoever looks. */
bool order_may(enum order_state from, enum order_state to)
{
	static const bool may[ORDER__MAX][ORDER__MAX] = {
		[ORDER_PENDING] = { [ORDER_READY] = true, [ORDER_INVALID] = true },
		[ORDER_READY] = { [ORDER_PROCESSING] = true, [ORDER_VALID] = true, [ORDER_INVALID] = true },
		[ORDER_PROCESSING] = { [ORDER_VALID] = true, [ORDER_READY] = true, [ORDER_INVALID] = true },
	};
	return (unsigned)from < ORDER__MAX && (unsigned)to < ORDER__MAX && may[from][to];
}

bool authz_may(enum authz_state from, enum authz_state to)
{
	static const bool may[AUTHZ__MAX][AUTHZ__MAX] = {
		[AUTHZ_PENDING] = { [AUTHZ_VALID] = true, [AUTHZ_INVALID] = true, [AUTHZ_EXPIRED] = true, [AUTHZ_DEACTIVATED] = true },
		[AUTHZ_VALID] = { [AUTHZ_EXPIRED] = true, [AUTHZ_DEACTIVATED] = true, [AUTHZ_REVOKED] = true },
	};
	return (unsigned)from < AUTHZ__MAX && (unsigned)to < AUTHZ__MAX && may[from][to];
}
