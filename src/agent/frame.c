#include "agent/frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* No DNS name has an underscore, so no certificate's folder is called so. */
#define ACCOUNTS_FOLDER "_accounts"

enum err_code frame_folder(const struct given *g, struct arena *a, const char **ret, struct err *e)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME"), *given = given_value(g, "folder", NULL);

	if (given || geteuid() == 0) {
		*ret = given ? given : CLIENT_ROOT_FOLDER;
		return ERR_OK;
	}
	if ((!data || *data != '/') && (!home || *home != '/'))
		FAIL(e, CONFIG, "neither XDG_DATA_HOME nor HOME says where to put certificates: give --folder DIR");
	struct bytes path = data && *data == '/' ? arena_fmt(a, "%s/chancery", data) : arena_fmt(a, "%s/.local/share/chancery", home);
	if (!path.ptr)
		FAIL(e, NOMEM, "no memory");
	*ret = (const char *)path.ptr;
	return ERR_OK;
}

/* FOLDER/_accounts/HOST_PORT.pem: another CA gets another account key, so that they cannot tell that it is the same owner. */
static enum err_code default_account(struct frame *f, struct err *e)
{
	const char *host = strstr(f->server, "://");
	struct bytes path;

	host = host ? host + 3 : f->server;
	path = arena_fmt(f->arena, "%s/" ACCOUNTS_FOLDER "/%.*s.pem", f->folder, (int)strcspn(host, "/?#"), host);
	if (!path.ptr)
		FAIL(e, NOMEM, "no memory");
	char *text = arena_str(f->arena, path);
	if (!text)
		FAIL(e, NOMEM, "no memory");
	for (char *p = text + strlen(f->folder) + sizeof "/" ACCOUNTS_FOLDER; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '_';
	f->account_key = text;
	return ERR_OK;
}

enum err_code frame_read(const struct given *g, struct arena *a, struct frame *ret, struct err *e)
{
	struct frame f = { .arena = a, .server = given_value(g, "server", NULL) };
	unsigned long timeout;

	if (!f.server)
		FAIL(e, CONFIG, "--server URL is needed: the CA's ACME directory");
	TRY(given_number(g, "timeout", "600", 604800, &timeout, e));
	f.timeout_s = (uint32_t)timeout;
	TRY(frame_folder(g, a, &f.folder, e));
	f.account_key = given_value(g, "account-key", NULL);
	if (!f.account_key)
		TRY(default_account(&f, e));
	*ret = f;
	return ERR_OK;
}

void frame_make_account_folder(const struct frame *f)
{
	struct bytes path = arena_fmt(f->arena, "%s/" ACCOUNTS_FOLDER, f->folder);

	if (path.ptr && strncmp(f->account_key, (const char *)path.ptr, path.len) == 0)
		(void)mkdir((const char *)path.ptr, 0700); /* that it failed is seen when the key is written */
}
