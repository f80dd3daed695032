/* The file of an account's key while the account changes to another: the next key lies beside it, in FILE.new, before the CA hears of it. */
#ifndef CHANCERY_AGENT_ACCOUNT_H
#define CHANCERY_AGENT_ACCOUNT_H

#include "agent/ca_call.h"

/* FILE.new, in the arena; NULL: no memory. */
const char *account_next_path(const struct ca_wish *w, struct arena *a);
/* FILE.new takes the place of FILE; well too when another run was faster. */
enum err_code account_take_next(const struct ca_wish *w, const char *next, struct err *e) MUST_USE;
/* What a run that was stopped between the CA's yes and the disk has left: where there is a FILE.new, the CA is asked whose key it is, and when it is the account's,
 * it takes its place (*ret_url, which may be NULL, is set then, else untouched). Before any other use of FILE at the CA: an account is not lost, and none is made in its place. ERR_OK with an
 * *out that is not CHANCERY_OK: the CA has not said, so that FILE must not be used. */
enum err_code account_settle(
    struct crew *c, struct arena *a, const struct ca_wish *w, const char **ret_url, struct outcome *out, struct err *e) MUST_USE;

#endif
