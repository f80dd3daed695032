/* What a kind of certificate is allowed to be. Filled from the configuration. */
#ifndef CHANCERY_PKI_PROFILE_H
#define CHANCERY_PKI_PROFILE_H

#include "base/err.h"

struct profile {
	struct bytes name;   /* "tls-server" */
	struct bytes doc;    /* for the directory's meta */
	uint32_t lifetime_s; /* of a certificate whose order asks for nothing: notAfter = notBefore + lifetime_s - 1 */
	uint32_t backdate_s; /* notBefore = now - backdate_s */
	uint32_t names_max;
};

#endif
