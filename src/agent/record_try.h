/* Tries, before any order, whether dns-01 will work: test records are put into the DNS as they will be, looked for at the zone's own name servers, and taken away. */
#ifndef CHANCERY_AGENT_RECORD_TRY_H
#define CHANCERY_AGENT_RECORD_TRY_H

#include "agent/wish.h"

#define RECORD_NOTES_MAX 16

struct record_seen {
	size_t servers;                      /* that have them, each record counted; 0: nobody was there to be asked, or nobody was to be */
	const char *notes[RECORD_NOTES_MAX]; /* name servers that did not answer, or were not found */
	size_t n_notes;
};
/* For all names of the wish that are shown by dns-01, a record each, as an order has them: a name and its wildcard have two at one place. stopped: whether nobody wants to wait any more.
 * CONFIG: the hook or the service fails; DNS: the update does; TIMEOUT: a name server has something else (which and what); CLOSED: stopped. Strings are in the wish's arena. */
enum err_code record_try(struct crew *crew, const struct wish *w, bool (*stopped)(void), struct record_seen *ret, struct err *e) MUST_USE;

#endif
