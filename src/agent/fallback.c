#include "agent/fallback.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* Of what, when it is not all of the CA that is set back. */
static const char *scope_of(const struct state *held)
{
	if (strcmp(held->about, blame_about_name(BLAME_NAMES)) == 0)
		return " for this certificate";
	return strcmp(held->about, blame_about_name(BLAME_ACCOUNT)) == 0 ? " by this account" : "";
}

bool fallback_may_ask(const struct ca *entry, const struct fallback_wish *w, const struct state *held, char why[FALLBACK_WORDS_MAX])
{
	char until[RFC3339_SIZE];

	*why = 0;
	if (entry && w->wildcard && entry->wildcard == CA_NO)
		(void)snprintf(why, FALLBACK_WORDS_MAX, "it gives no certificates for wildcards");
	else if (entry && w->ip && entry->ip == CA_NO)
		(void)snprintf(why, FALLBACK_WORDS_MAX, "it gives no certificates for addresses");
	else if (entry && entry->eab && strcmp(entry->eab, "required") == 0 && !w->has_eab)
		(void)snprintf(why, FALLBACK_WORDS_MAX,
		    "it needs external account binding: %s; then `chancery ca add %s --eab-kid KID --eab-key-file FILE`",
		    entry->eab_help ? entry->eab_help : "ask it for a key", entry->name);
	else if (held) {
		rfc3339_format(held->not_before_s, until);
		(void)snprintf(why, FALLBACK_WORDS_MAX, "not before %s%s, for it failed: %.150s", until, scope_of(held), held->message);
	}
	return !*why;
}
