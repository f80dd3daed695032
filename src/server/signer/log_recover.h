/* What writing (log.c) and recovering (log_recover.c) share: the log's inside. */
#ifndef CHANCERY_SERVER_SIGNER_LOG_RECOVER_H
#define CHANCERY_SERVER_SIGNER_LOG_RECOVER_H

#include "server/signer/log.h"

/* Bytes of zeros written ahead at a time: a 16th of a segment, within these. */
#define PREALLOCATE_MIN (16u << 10)
#define PREALLOCATE_MAX (4u << 20)
#define SEGMENTS_MAX    99999999u

struct log {
	int dir, fd;
	uint8_t instance[INSTANCE_SIZE];
	uint32_t segment, salt_crc;
	uint64_t segment_size;               /* where a new segment begins */
	uint64_t end, allocated;             /* of the open segment: its data, and the zeros behind it */
	struct log_position durable, staged; /* the last record that is durable, and the last of the batch in the making */
	struct buf batch;
	size_t record_at; /* where the record in the making begins in the batch */
	uint16_t in_batch;
	bool poisoned;
	struct log_index index;   /* of the open segment */
	struct buf closed_ms;     /* int64_t: the time of each closed segment's last record */
	struct log_counts counts; /* bytes: of the closed segments alone */
};

/* The highest segment in the folder; 0: there is none. Names that are not ours (an interrupted file_write()'s) are passed over. */
enum err_code log_last_segment(int dir, uint32_t *ret, struct err *e) MUST_USE;
struct log *log_new(int dir, const struct log_open_request *q) MUST_USE;
/* One more segment is closed; when its last record was written. */
enum err_code log_note_closed(struct log *l, int64_t time_ms, struct err *e) MUST_USE;
enum err_code log_write_at(struct log *l, struct bytes in, uint64_t at, struct err *e) MUST_USE;
enum err_code log_sync(struct log *l, struct err *e) MUST_USE;
enum err_code log_make_segment(int dir, struct segment_head *h, struct err *e) MUST_USE;

#endif
