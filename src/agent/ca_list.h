/* CAs by name: those that come with chancery, those that were added by `chancery ca add` (FOLDER/cas.conf), and those of chancery.conf, each of which may
 * change one before. */
#ifndef CHANCERY_AGENT_CA_LIST_H
#define CHANCERY_AGENT_CA_LIST_H

#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"

#define CA_LIST_MAX  64
#define CA_TEXTS_MAX 16
#define CA_NAME_MAX  64

enum ca_known { CA_NOT_KNOWN, CA_NO, CA_YES };
struct ca_texts {
	const char *v[CA_TEXTS_MAX];
	size_t n;
};
/* Strings are NULL where nothing is said. */
struct ca {
	const char *name, *source; /* source: the file that it is from */
	bool own;                  /* not (only) from what comes with chancery */
	const char *title, *directory, *staging, *eab, *eab_help, *eab_kid, *eab_key_file, *account_key, *ca_file, *note;
	enum ca_known test, wildcard, ip;
	unsigned lifetime_days; /* 0: not known */
	struct ca_texts caa, profiles;
};
struct ca_list {
	struct ca v[CA_LIST_MAX];
	size_t n;
};

/* A section `authority "NAME" {...}` for libconfuse; options live as long as the program. */
cfg_opt_t ca_section(void);
/* Sets what looks at the sections' values. */
void ca_section_prepare(cfg_t *cfg);
/* Takes the sections of a configuration into the list. CONFIG: more than there is room for. */
enum err_code ca_list_take(struct arena *a, cfg_t *cfg, const char *source, struct ca_list *list, struct err *e) MUST_USE;

/* What comes with chancery, then folder's cas.conf. messages: what is wrong, with file and line. */
enum err_code ca_list_read(struct arena *a, const char *folder, struct ca_list *ret, struct buf *messages, struct err *e) MUST_USE;
/* NULL: there is none of this name. */
const struct ca *ca_list_find(const struct ca_list *list, const char *name);
/* "a, b and c", for errors. */
const char *ca_list_names(const struct ca_list *list, struct arena *a);
/* Letters, digits and "-._", as names of files are made of it. */
bool ca_name_is_good(const char *name);

/* The entries of folder's cas.conf alone, and writing them anew, whole or not at all. */
enum err_code ca_list_read_own(struct arena *a, const char *folder, struct ca_list *ret, struct buf *messages, struct err *e) MUST_USE;
enum err_code ca_list_write_own(const char *folder, const struct ca_list *list, struct err *e) MUST_USE;
/* Sets a member by its name in ca.def. CONFIG: it is none, or its value is not allowed. */
enum err_code ca_set(struct arena *a, struct ca *c, const char *name, const char *value, struct err *e) MUST_USE;

#endif
