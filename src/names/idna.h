/* Internationalised names (IDNA2008, RFC 5890): what an A-label says must be what it seems to say. */
#ifndef CHANCERY_NAMES_IDNA_H
#define CHANCERY_NAMES_IDNA_H

#include "base/err.h"

/* The name is one that identifier_parse() has passed. MALFORMED for a label with "--" in its third and fourth place that is no A-label
 * (RFC 5890 §2.3.1 reserves them), and for an A-label that is not the canonical encoding of a U-label; REJECTED_IDENTIFIER for one
 * whose code points IDNA2008 does not allow there (RFC 5892, RFC 5893). Each label is judged by itself. */
enum err_code idna_check(struct bytes name, struct err *e) MUST_USE;

#endif
