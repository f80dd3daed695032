/* Operators' commands (docs/protocol/operators.md), one function each; operate.c has the table. */
#ifndef CHANCERY_SERVER_SIGNER_OPERATE_H
#define CHANCERY_SERVER_SIGNER_OPERATE_H

#include "base/json.h"
#include "server/signer/state.h"

#define REVOKE_AT_ONCE 256 /* serial numbers of one request: one batch of the log */

/* All members that any command has. */
struct operator_request {
	struct bytes command, label, alg, kid, after, action, detail, what, value, reason;
	struct json_uint lifetime, uses;
	struct json_strings names, profiles, serials;
	uint32_t uid; /* who asks */
};
/* Writes the answer's members. CONFIG, NOT_FOUND, CONFLICT, BUSY: what is wrong, for the operator. */
typedef enum err_code operator_command(
    struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e);

operator_command operate_eab_add, operate_eab_list, operate_eab_expire, operate_eab_revoke; /* operate_eab.c */
operator_command operate_audit, operate_limits_reset;                                       /* operate.c */
operator_command operate_block, operate_unblock, operate_block_list;                        /* operate_block.c */
operator_command operate_revoke;                                                            /* operate_revoke.c */

#endif
