/* What the validator counts, for its status. */
#ifndef CHANCERY_SERVER_VALIDATOR_COUNTS_H
#define CHANCERY_SERVER_VALIDATOR_COUNTS_H

#include "base/err.h"
#include "os/channel.h"

struct counts {
	uint64_t tokens;      /* minted */
	uint64_t validations; /* begun, or refused at once */
	uint64_t rechecks;    /* of CAA alone: so many of the validations */
	uint64_t valid;
	uint64_t problems[ERR__MAX];
	uint64_t redirects;
	uint64_t dropped;               /* whose front was gone before their end */
	uint64_t malformed;             /* messages of the front that do not decode */
	uint64_t fronts;                /* channels to one */
	struct channel_counts channels; /* of the fronts that are gone */
};

#endif
