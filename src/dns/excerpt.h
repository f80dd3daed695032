/* What a stranger's server sent, made fit to be quoted in a reason for the applicant and in the log. */
#ifndef CHANCERY_DNS_EXCERPT_H
#define CHANCERY_DNS_EXCERPT_H

#include "base/bytes.h"

/* Room for an excerpt of n characters: the mark of a cut is three dots more, and the NUL. */
#define EXCERPT_SIZE(n) ((n) + 4)

/* At most `most` printable ASCII characters of `in`, then "..." when there is more; a run of anything else becomes one space,
 * a double quote a single one, so that the reason can put it into double quotes. Returns out, which has EXCERPT_SIZE(most). */
const char *excerpt(struct bytes in, char *out, size_t most);

#endif
