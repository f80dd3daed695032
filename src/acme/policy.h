/* Which identifiers the configuration, or the scope of an external account's key, lets be certified. Rules without I/O and without
 * a library: front, validator and signer each read them for themselves. Whether a name is a public suffix is another question
 * (names/suffix.h).
 *
 * A rule for names is one of
 *   example.org             this very name
 *   .example.org            every name below it, not itself
 *   web-*.lab.example.org   a pattern: each * stands for one or more characters of one label
 * and one for addresses a range (acme/ip_range.h). Rules are read without regard to case. */
#ifndef CHANCERY_ACME_POLICY_H
#define CHANCERY_ACME_POLICY_H

#include "acme/identifier.h"
#include "acme/ip_range.h"

struct name_rule {
	struct bytes name; /* lower case, without the leading dot */
	bool below;        /* ".name" */
};

struct name_policy {
	struct name_rule *allow_names, *deny_names;
	size_t n_allow_names, n_deny_names;
	struct ip_range *allow_ips, *deny_ips;
	size_t n_allow_ips, n_deny_ips;
	/* What an empty allow list means: false, everything of its type (the configuration's policy); true, nothing (a scope that lists what
	 * it opens: one of names alone opens no address). */
	bool closed;
};

/* The rules as they were written. */
struct name_policy_texts {
	const struct bytes *allow_names, *deny_names, *allow_ips, *deny_ips;
	size_t n_allow_names, n_deny_names, n_allow_ips, n_deny_ips;
	bool closed;
};

/* Whether the text is a rule for names; CONFIG with what is allowed. For addresses: ip_range_parse(). */
enum err_code name_rule_check(struct bytes text, struct err *e) MUST_USE;
/* All memory in the arena. CONFIG names the rule at fault. */
enum err_code name_policy_read(struct arena *a, const struct name_policy_texts *texts, struct name_policy *ret, struct err *e) MUST_USE;
/* REJECTED_IDENTIFIER with the rule that refuses it, or that none allows it. A deny rule wins over every allow rule. A wildcard *.X is
 * all names directly below X at once: a deny rule refuses it that covers X or any one of them; an allow rule allows it that covers
 * every one of them by itself (.X, *.X or wider). */
enum err_code name_policy_judge(const struct name_policy *p, const struct identifier *id, struct err *e) MUST_USE;

#endif
