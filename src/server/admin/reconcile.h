/* `chancery-ca reconcile`: what the signer's log says against what the front's database has, both ways; and the database made again from the log. */
#ifndef CHANCERY_SERVER_ADMIN_RECONCILE_H
#define CHANCERY_SERVER_ADMIN_RECONCILE_H

#include "server/settings.h"
#include "server/store/mirror.h"

#define RECONCILE_LISTED_MAX 1000 /* differences that are told one by one; the others are counted */

struct reconcile_difference {
	enum difference what;
	uint8_t id[STORE_ACCOUNT_ID];
	size_t id_len;
	char text[65]; /* a serial number in hex, else base64url as in URLs */
};

struct reconcile_report {
	bool running; /* a server was at work meanwhile: what it logged after the beginning was passed over */
	bool made;    /* there was no database */
	uint64_t records;
	struct mirror_counts counts;
	uint64_t found[DIFFERENCE__MAX];
	uint64_t left[DIFFERENCE__MAX]; /* after repair; the same as found without */
	struct reconcile_difference listed[RECONCILE_LISTED_MAX];
	size_t n_listed;
};

/* Reads the whole log, checking every checksum, link and certificate; IO where it is damaged. repair: the server must be stopped (CONFIG); the
 * database is made when there is none. Without it NOT_FOUND when there is none. As root it becomes the front's user and stays so. */
enum err_code reconcile(const struct settings *s, bool repair, struct reconcile_report *ret, struct err *e) MUST_USE;

#endif
