#include "agent/ca_wish.h"

#include "os/file.h"

#include <errno.h>
#include <string.h>

/* No DNS name has an underscore, so no certificate's folder is called so. */
#define ACCOUNTS_FOLDER "_accounts"

/* FOLDER/_accounts/HOST_PORT.pem: another CA gets another account key, so that they cannot tell that it is the same owner. */
static enum err_code default_account(struct ca_wish *w, const char *folder, struct arena *a, struct err *e)
{
	const char *host = strstr(w->directory, "://");

	host = host ? host + 3 : w->directory;
	struct bytes path = arena_fmt(a, "%s/" ACCOUNTS_FOLDER "/%.*s.pem", folder, (int)strcspn(host, "/?#"), host);
	char *text = path.ptr ? arena_str(a, path) : NULL;
	if (!text)
		FAIL(e, NOMEM, "no memory");
	for (char *p = text + strlen(folder) + sizeof "/" ACCOUNTS_FOLDER; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p))
			*p = '_';
	w->account_key = text;
	return ERR_OK;
}

/* What is said for all CAs alike. */
static enum err_code read_common(const struct given *g, const struct config *c, struct arena *a, struct ca_wish *w, struct err *e)
{
	unsigned long timeout;
	const char *contact;

	TRY(given_number(g, "timeout", "600", 604800, &timeout, e));
	w->timeout_s = (uint32_t)timeout;
	errno = 0;
	for (size_t i = 0; (contact = given_nth(g, "contact", i)) != NULL; i++) {
		if (w->n_contacts == CA_CONTACTS_MAX)
			FAIL(e, CONFIG, "more than %d contacts", CA_CONTACTS_MAX);
		w->contacts[w->n_contacts++] = contact;
	}
	w->agree = given_flag(g, "agree-tos");
	if (!w->eab_kid != !w->eab_key_file)
		FAIL(e, CONFIG, "%s: --eab-kid and --eab-key-file go together", w->name);
	return w->account_key ? ERR_OK : default_account(w, c->folder, a, e);
}

enum err_code ca_wish_of_entry(
    const struct given *g, const struct config *c, struct arena *a, const struct ca *entry, struct ca_wish *ret, struct err *e)
{
	struct ca_wish w = { .name = entry->name,
		.directory = entry->directory,
		.ca_file = given_value(g, "ca-file", entry->ca_file),
		.account_key = given_value(g, "account-key", entry->account_key),
		.eab_kid = given_value(g, "eab-kid", entry->eab_kid),
		.eab_key_file = given_value(g, "eab-key-file", entry->eab_key_file),
		.entry = entry };

	TRY(read_common(g, c, a, &w, e));
	*ret = w;
	return ERR_OK;
}

static enum err_code of_url(
    const struct given *g, const struct config *c, struct arena *a, const char *url, struct ca_wish *ret, struct err *e)
{
	struct ca_wish w = { .name = url,
		.directory = url,
		.ca_file = given_value(g, "ca-file", NULL),
		.account_key = given_value(g, "account-key", NULL),
		.eab_kid = given_value(g, "eab-kid", NULL),
		.eab_key_file = given_value(g, "eab-key-file", NULL) };

	TRY(read_common(g, c, a, &w, e));
	*ret = w;
	return ERR_OK;
}

static enum err_code read_one(
    const struct given *g, const struct config *c, struct arena *a, const char *name, struct ca_wish *ret, struct err *e)
{
	const struct ca *entry = ca_list_find(&c->cas, name);

	if (entry)
		return ca_wish_of_entry(g, c, a, entry, ret, e);
	if (strstr(name, "://"))
		return of_url(g, c, a, name, ret, e);
	FAIL(e, CONFIG, "--ca %.60s: there is no CA of this name; there are %.200s", name, ca_list_names(&c->cas, a));
}

enum err_code ca_wishes_read(
    const struct given *g, const struct config *c, struct arena *a, struct ca_wish v[CA_WISHES_MAX], size_t *ret_n, struct err *e)
{
	static const char *const of_one[] = { "account-key", "eab-kid", "eab-key-file" };
	const char *url = given_value(g, "server", NULL), *name;
	size_t n = 0;

	errno = 0;
	if (url && given_flag(g, "ca"))
		FAIL(e, CONFIG, "--server and --ca are two ways to name a CA: take one; --ca takes URLs too");
	if (url)
		TRY(of_url(g, c, a, url, &v[n++], e));
	for (size_t i = 0; (name = given_nth(g, "ca", i)) != NULL; i++) {
		if (n == CA_WISHES_MAX)
			FAIL(e, CONFIG, "more than %d CAs for one certificate", CA_WISHES_MAX);
		TRY(read_one(g, c, a, name, &v[n++], e));
	}
	if (n == 0)
		FAIL(e, CONFIG, "a CA is needed: --ca NAME (`chancery ca list` shows them), or --server URL, its ACME directory");
	for (size_t i = 0; n > 1 && i < sizeof of_one / sizeof *of_one; i++)
		if (given_flag(g, of_one[i]))
			FAIL(e, CONFIG, "--%s is of one CA, and there are several: say it of each by `chancery ca add NAME --%s ...`",
			    of_one[i], of_one[i]);
	*ret_n = n;
	return ERR_OK;
}

enum err_code ca_wish_read(const struct given *g, const struct config *c, struct arena *a, struct ca_wish *ret, struct err *e)
{
	struct ca_wish v[CA_WISHES_MAX];
	size_t n;

	TRY(ca_wishes_read(g, c, a, v, &n, e));
	*ret = v[0];
	return ERR_OK;
}

const char *ca_wish_account_folder(const char *folder, struct arena *a)
{
	return (const char *)arena_fmt(a, "%s/" ACCOUNTS_FOLDER, folder).ptr;
}

enum err_code ca_wish_make_account_folder(const struct ca_wish *w, const char *folder, struct arena *a, struct err *e)
{
	const char *path = ca_wish_account_folder(folder, a);

	if (!path)
		FAIL(e, NOMEM, "no memory");
	return strncmp(w->account_key, path, strlen(path)) == 0 ? file_make_folder(path, 0700, e) : ERR_OK;
}
