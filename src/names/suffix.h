/* The public suffix list (https://publicsuffix.org): which names are nobody's own, and where a registered domain begins.
 *
 * Two questions, two parts of the list. What may be certified is asked of its ICANN section alone, as the Baseline Requirements
 * (3.2.2.6) want it: co.uk is refused, and *.co.uk; github.io is a domain that somebody registered, and the PRIVATE section says only that its
 * owner lets others have names below. Whom a limit counts is asked of both: alice.github.io and bob.github.io are two. */
#ifndef CHANCERY_NAMES_SUFFIX_H
#define CHANCERY_NAMES_SUFFIX_H

#include "acme/identifier.h"

struct suffixes;

/* The newest of the distribution's list and the library's own. Reads files: before a jail. Afterwards any thread may read it. */
enum err_code suffixes_open(struct suffixes **ret, struct err *e) MUST_USE;
void suffixes_free(struct suffixes *s);
DEFINE_CLEANUP(struct suffixes *, suffixes_free);

/* The configuration's private-suffixes: names outside the public DNS, each with all that is below it. Upper case is read as lower. */
struct private_suffixes {
	const struct bytes *v;
	size_t n;
};

/* REJECTED_IDENTIFIER for a public suffix, for a wildcard directly below one, and for a name that public DNS has not: its top level is
 * unknown to the list and no private suffix holds it, or it is of an IP reverse zone (Baseline Requirements 4.2.2) or of .onion, whose
 * names take other proofs (RFC 7686, RFC 9799). What is no DNS name passes. */
enum err_code suffix_judge(const struct suffixes *s, const struct private_suffixes *p, const struct identifier *id, struct err *e) MUST_USE;

/* The part of a DNS name that somebody registered, a view into it: one label more than the longest public or private suffix that it
 * ends in; the name itself when there is no more. */
struct bytes registered_domain(const struct suffixes *s, const struct private_suffixes *p, struct bytes name);

#endif
