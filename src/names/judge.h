/* All that is asked about an identifier before anything is done for it: front and validator each ask it for themselves. */
#ifndef CHANCERY_NAMES_JUDGE_H
#define CHANCERY_NAMES_JUDGE_H

#include "acme/policy.h"
#include "names/suffix.h"

struct names_policy {
	const struct suffixes *suffixes;
	struct private_suffixes private;
	struct name_policy rules;
};

/* MALFORMED or REJECTED_IDENTIFIER with the first reason that there is: a bad A-label (names/idna.h), a public suffix or a name outside of
 * DNS (names/suffix.h), a rule (acme/policy.h). The identifier is one that identifier_parse() made. */
enum err_code names_judge(const struct names_policy *p, const struct identifier *id, struct err *e) MUST_USE;

#endif
