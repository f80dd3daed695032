#include "agent/fallback.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* Problem types (RFC 8555 section 6.7) that another CA may not have: they are about this CA's rules, limits or our account there. */
static const char *const of_the_ca[] = { "rateLimited", "serverInternal", "externalAccountRequired", "userActionRequired",
	"accountDoesNotExist", "unauthorized", "rejectedIdentifier", "unsupportedIdentifier", "unsupportedContact", "invalidContact",
	"invalidProfile", "caa", "badNonce", "badSignatureAlgorithm", "badPublicKey" };

bool fallback_helps(const struct outcome *out)
{
	switch (out->result) {
	case CHANCERY_NETWORK:
	case CHANCERY_PROTOCOL:
	case CHANCERY_TIMEOUT:
		return true;
	case CHANCERY_REFUSED:
	case CHANCERY_VALIDATION:
		for (size_t i = 0; i < sizeof of_the_ca / sizeof *of_the_ca; i++)
			if (strcmp(out->type, of_the_ca[i]) == 0)
				/* A name that could not be validated is unauthorized too, and nowhere else will it be. */
				return out->result == CHANCERY_REFUSED || strcmp(out->type, "unauthorized") != 0;
		return out->result == CHANCERY_REFUSED && out->http_status >= 500;
	case CHANCERY_OK:
	case CHANCERY_USAGE:
	case CHANCERY_NOMEM:
	case CHANCERY_SYSTEM:
	case CHANCERY_CALLBACK:
		break;
	}
	return false;
}

bool fallback_may_ask(
    const struct ca *entry, const struct fallback_wish *w, const struct state *memory, int64_t now_s, char why[FALLBACK_WORDS_MAX])
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
	else if (memory && memory->not_before_s > now_s) {
		rfc3339_format(memory->not_before_s, until);
		(void)snprintf(why, FALLBACK_WORDS_MAX, "not before %s, for it failed: %.150s", until, memory->message);
	}
	return !*why;
}
