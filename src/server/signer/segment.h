/* One segment file of the log, read through a window; nothing here writes. */
#ifndef CHANCERY_SERVER_SIGNER_SEGMENT_H
#define CHANCERY_SERVER_SIGNER_SEGMENT_H

#include "server/signer/record.h"

#define SEGMENT_NAME_SIZE 13 /* "00000001.seg" and a NUL */
void segment_name(uint32_t number, const char *suffix, char out[SEGMENT_NAME_SIZE]);

struct segment {
	int fd;
	uint64_t size; /* of the file, preallocated zeros included */
	struct segment_head head;
	uint8_t head_chain[SHA256_SIZE];
	uint32_t salt_crc;
	struct buf window; /* the file's bytes from window_at on */
	uint64_t window_at;
	bool window_ends; /* the file ends there too */
	size_t ahead;     /* how much is read at a time */
};

/* `dir` is the log's folder. NOT_FOUND when there is no such file; IO when its head is damaged or is another one's (an instance
 * of NULL: any). */
#define SEGMENT_AHEAD_ALL (1u << 20) /* for whoever goes through all of it */
#define SEGMENT_AHEAD_ONE (1u << 13) /* for a record here and there */
enum err_code segment_open(
    int dir, uint32_t number, int flags, const uint8_t *instance, size_t ahead, struct segment *ret, struct err *e) MUST_USE;
void segment_close(struct segment *g);
/* n bytes from `at` on, fewer at the file's end: a view that lives until the next call. */
enum err_code segment_view(struct segment *g, uint64_t at, size_t n, struct bytes *ret, struct err *e) MUST_USE;
/* Drops what was read ahead: the file has been written since. */
void segment_forget(struct segment *g);
/* The record at `at`; IO when none is there whose checksum holds. */
enum err_code segment_record(struct segment *g, uint64_t at, struct record *ret, struct err *e) MUST_USE;

/* Each good record in its order; a failure ends the replay. */
typedef enum err_code segment_visit(void *ctx, uint64_t at, const struct record *r, struct err *e);

struct segment_end {
	uint64_t end;   /* behind the last good record */
	uint64_t torn;  /* bytes behind it that a batch left which never became durable; 0: a clean end */
	uint64_t last;  /* where the last record begins; 0: there is none */
	uint64_t batch; /* where the last record's batch begins; 0: there is none */
};
/* Goes through the whole segment. *c: the chain as the segment before it left it; moved on. With `open` a torn tail is told
 * apart from damage: damage, and in a closed segment any bad byte, is IO with segment and offset. */
enum err_code segment_replay(
    struct segment *g, bool open, struct chain *c, segment_visit *visit, void *ctx, struct segment_end *ret, struct err *e) MUST_USE;

#endif
