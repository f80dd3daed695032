/* What both lints ask of a URL in an extension. Private to the room. */
#ifndef CHANCERY_PKI_LINT_URL_H
#define CHANCERY_PKI_LINT_URL_H

#include "base/bytes.h"

#define LINT_URL_SIZE_MAX 1024

/* Fetched by plain HTTP (Baseline Requirements §7.1.2.11.2), and made of what a URI may be made of (RFC 3986 §2). */
bool lint_crl_url(struct bytes url);

#endif
