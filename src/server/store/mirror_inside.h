/* What the mirror's files share and nobody else sees. */
#ifndef CHANCERY_SERVER_STORE_MIRROR_INSIDE_H
#define CHANCERY_SERVER_STORE_MIRROR_INSIDE_H

#include "server/store/inside.h"
#include "server/store/mirror.h"

struct mirror {
	struct db *db;
	struct arena *arena; /* of one row */
};

/* What a logged serial is of. */
enum logged_kind { LOGGED_CERTIFICATE = 0, LOGGED_OWN = 1, LOGGED_VOID = 2 };
/* What was found when the database was asked for a certificate, bits. */
enum { FOUND_CERTIFICATE = 1, FOUND_OTHER_BYTES = 2, FOUND_OTHER_CHAIN = 4, FOUND_ORDER = 8, FOUND_OTHER_ORDER = 16 };

/* Runs a statement without parameters that is a constant of the program; rows are passed over. */
enum err_code mirror_run(struct mirror *m, const char *sql, struct err *e) MUST_USE;
/* The bits above. */
enum err_code mirror_look_up(struct mirror *m, const struct mirror_certificate *c, unsigned *ret, struct err *e) MUST_USE;

#endif
