#include "agent/account.h"

#include "agent/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *account_next_path(const struct ca_wish *w, struct arena *a)
{
	return (const char *)arena_fmt(a, "%s.new", w->account_key).ptr;
}

enum err_code account_take_next(const struct ca_wish *w, const char *next, struct err *e)
{
	if (rename(next, w->account_key) != 0 && errno != ENOENT)
		FAIL(e, IO, "the account's key is now in %.250s, which cannot be renamed to %.250s: %s", next, w->account_key,
		    strerror(errno));
	return ERR_OK;
}

/* The CA never heard of the key, or it is one that nobody may use any more. */
static bool is_nobodys(const struct outcome *out)
{
	return strcmp(out->type, "accountDoesNotExist") == 0 || strcmp(out->type, "unauthorized") == 0;
}

enum err_code account_settle(
    struct crew *c, struct arena *a, const struct ca_wish *w, const char **ret_url, struct outcome *out, struct err *e)
{
	const char *next = account_next_path(w, a), *url;
	struct ca_wish asked = *w;
	struct outcome said;

	errno = 0;
	if (!next)
		FAIL(e, NOMEM, "no memory for a path");
	*out = (struct outcome){ .result = CHANCERY_OK };
	if (access(next, F_OK) != 0)
		return ERR_OK;
	enum err_code rc = key_file_account(c, a, next, 0, &asked.account, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK; /* another run has taken it meanwhile */
	TRY(rc);
	TRY(ca_account(c, a, &asked, "recover", BYTES_NONE, &url, &said, e));
	if (said.result == CHANCERY_OK) {
		TRY(account_take_next(w, next, e));
		if (ret_url)
			*ret_url = url;
	} else if (!is_nobodys(&said)) {
		*out = said;
	}
	return ERR_OK;
}
