/* Where the log stood, signed (docs/protocol/log.md, Checkpoint). */
#ifndef CHANCERY_SERVER_SIGNER_CHECKPOINT_H
#define CHANCERY_SERVER_SIGNER_CHECKPOINT_H

#include "server/signer/log.h"

#define CHECKPOINT_MAX 512 /* bytes */

struct checkpoint {
	uint8_t instance[INSTANCE_SIZE];
	struct log_position at;
	int64_t made_ms;
};
/* MALFORMED unless log_key has signed it, for this CA. */
enum err_code checkpoint_read(
    const struct key *log_key, const uint8_t instance[INSTANCE_SIZE], struct bytes in, struct checkpoint *ret, struct err *e) MUST_USE;

#endif
