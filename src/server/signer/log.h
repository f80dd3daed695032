/* The issuance log: segments of hash-chained records, made durable batch by batch. One process writes it; what it writes it never
 * changes. docs/protocol/log.md is normative. */
#ifndef CHANCERY_SERVER_SIGNER_LOG_H
#define CHANCERY_SERVER_SIGNER_LOG_H

#include "server/signer/log_index.h"

#define SEGMENT_SIZE_MIN 4096u
#define SEGMENT_SIZE_MAX (1u << 30)

/* The last record's place and the chain up to it: what a checkpoint says. */
struct log_position {
	uint32_t segment;
	uint64_t offset;
	struct chain chain;
};

struct log_counts {
	uint64_t bytes; /* of all segments */
	uint64_t segments;
	uint64_t syncs;  /* since it was opened */
	uint64_t voided; /* by its opening */
};

struct log;

/* Makes segment 1, without a record. CONFLICT when there is one. dir: the log's folder, here and below; it stays the caller's. */
enum err_code log_make(int dir, const uint8_t instance[INSTANCE_SIZE], struct err *e) MUST_USE;

/* Each certificate of the segments that hold a record not older than since_ms, oldest segment first. */
typedef enum err_code log_found(void *ctx, const struct log_entry *n, struct err *e);
/* Each event (log_type_is_event()) of the whole log, in its order; r's body is a view. */
typedef enum err_code log_recall(void *ctx, const struct record *r, struct err *e);
struct log_open_request {
	const uint8_t *instance;
	uint64_t segment_size;
	int64_t since_ms;
	log_found *found;
	log_recall *recall;
	void *ctx;
};
/* Recovers: makes missing indexes again, cuts a torn tail and notes it, voids intents without result. Everything that it has read
 * is durable when it returns. IO with segment and offset for damage; CONFIG when the clock stands before the last record. */
enum err_code log_open(int dir, const struct log_open_request *q, struct log **ret, struct err *e) MUST_USE;
/* Only forgets: what was not committed is gone. */
void log_close(struct log *l);
DEFINE_CLEANUP(struct log *, log_close);

/* Where the last durable record is; sequence 0: there is none. */
struct log_position log_position(const struct log *l);
struct log_counts log_counts(const struct log *l);

/* One batch: for each record log_begin(), the body written into the returned buffer, log_end(), which tells its place; then
 * log_commit() makes all of them durable by one sync. Any failure but of log_read() poisons the log: every further call fails
 * with IO, and only a new start, which recovers, may go on (DESIGN §2: after a failed fsync the signer stops). */
struct buf *log_begin(struct log *l);
enum err_code log_end(struct log *l, enum log_type type, int64_t time_ms, uint64_t *ret_offset, struct err *e) MUST_USE;
/* Of the last record of the batch in the making. */
uint64_t log_staged_sequence(const struct log *l);
enum err_code log_commit(struct log *l, struct err *e) MUST_USE;
/* Closes the segment and begins the next one when it has reached the segment's size. Not within a batch nor with open intents. */
enum err_code log_rotate(struct log *l, int64_t now_ms, struct err *e) MUST_USE;
/* SEGMENT_SIZE_MIN..MAX bytes. */
void log_set_segment_size(struct log *l, uint64_t size);
bool log_poisoned(const struct log *l);
/* For others whose failed write must stop the signer too. */
void log_poison(struct log *l);

/* The record at a place, its checksum looked at; r's body is a copy in the arena. IO when there is none. */
enum err_code log_read(struct log *l, struct arena *a, uint32_t segment, uint64_t offset, struct record *ret, struct err *e) MUST_USE;

/* The certificate with this serial, of the whole log; what is not committed yet counts too. NOT_FOUND: there is none. */
enum err_code log_find(struct log *l, const uint8_t serial[SERIAL_SIZE], struct log_entry *ret, struct err *e) MUST_USE;

#endif
