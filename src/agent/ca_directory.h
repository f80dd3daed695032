/* What a CA says of itself, before there is an account. */
#ifndef CHANCERY_AGENT_CA_DIRECTORY_H
#define CHANCERY_AGENT_CA_DIRECTORY_H

#include "agent/ca_wish.h"

#define CA_PROFILES_MAX    32
#define CA_CLOCK_GOOD_S    300 /* clocks that are further apart make trouble */
#define CA_CLOCK_WORDS_MAX 64

struct ca_profile {
	const char *name, *doc; /* doc: a sentence or a URL; "": nothing is said */
};
struct ca_directory {
	const char *terms, *website; /* URLs; NULL: none */
	bool external_account;       /* an account needs external account binding */
	bool renewal_info;           /* it says when certificates are to be renewed (RFC 9773) */
	struct ca_texts caa;         /* what CAA records call it */
	struct ca_profile profiles[CA_PROFILES_MAX];
	size_t n_profiles;
	bool dated;      /* it says what time it is there */
	int64_t ahead_s; /* by how much this machine's clock is before its */
};
/* Texts are in the arena, and lines that a terminal may show. DNS, CONNECTION, TLS, TIMEOUT: where it failed; MALFORMED: it is no ACME directory; CONFIG: the CA file. */
enum err_code ca_directory(struct crew *c, struct arena *a, const struct ca_wish *w, struct ca_directory *ret, struct err *e) MUST_USE;

/* Whether the clocks are as near as they have to be: also where nothing is known. */
bool ca_clock_is_good(const struct ca_directory *d);
/* "12 minutes behind", of this machine's clock; how far, in the largest unit that says it. */
void ca_clock_words(const struct ca_directory *d, char out[CA_CLOCK_WORDS_MAX]);

#endif
