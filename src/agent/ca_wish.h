/* A CA that is asked for something, and who we are there. */
#ifndef CHANCERY_AGENT_CA_WISH_H
#define CHANCERY_AGENT_CA_WISH_H

#include "agent/config.h"

#define CA_CONTACTS_MAX 8
#define CA_WISHES_MAX   8 /* of one certificate */

struct ca_wish {
	const char *name;                /* as it is called: an entry's name, or the directory */
	const char *directory, *ca_file; /* ca_file NULL: the system's */
	const char *account_key;         /* a file's path */
	const char *contacts[CA_CONTACTS_MAX];
	size_t n_contacts;
	bool agree;
	const char *eab_kid, *eab_key_file; /* NULL: none */
	uint32_t timeout_s;
	const struct ca *entry; /* NULL: not of the list */
	struct bytes account;   /* the account key's public half, whose slot is "account"; ptr NULL: it is not open */
};

/* The CAs that --ca and --server name, in their order: at least one. CONFIG with what is missing or wrong. */
enum err_code ca_wishes_read(
    const struct given *g, const struct config *c, struct arena *a, struct ca_wish v[CA_WISHES_MAX], size_t *ret_n, struct err *e) MUST_USE;
/* One entry of the list alone, with what is given beside. */
enum err_code ca_wish_of_entry(
    const struct given *g, const struct config *c, struct arena *a, const struct ca *entry, struct ca_wish *ret, struct err *e) MUST_USE;
/* For commands that talk to one CA: the first. */
enum err_code ca_wish_read(const struct given *g, const struct config *c, struct arena *a, struct ca_wish *ret, struct err *e) MUST_USE;
/* Makes the folder of the account key where it is the default one; that of a file which the user names has to be there. */
enum err_code ca_wish_make_account_folder(const struct ca_wish *w, const char *folder, struct arena *a, struct err *e) MUST_USE;
/* Where those are that nobody names. NULL: no memory. */
const char *ca_wish_account_folder(const char *folder, struct arena *a);

#endif
