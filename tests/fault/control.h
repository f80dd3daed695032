/* One page that a test and the processes under it share: what is to fail, and what was counted. fault.py has the same layout.
 * All fields are u32 and changed atomically; a slot for each process, by its executable's name. */
#ifndef CHANCERY_FAULT_CONTROL_H
#define CHANCERY_FAULT_CONTROL_H

#include <stdint.h>

#define FAULT_CONTROL "FAULT_CONTROL" /* the page's file, in the environment */
#define FAULT_SLOTS   4
#define FAULT_PAGE    4096

enum fault_kind {
	FAULT_NONE,
	FAULT_ALLOCATION,
	FAULT_WRITE, /* whatever changes a regular file, its standard error excepted */
	FAULT_SYNC,
	FAULT_SQL,
	FAULT_CHANNEL,
	FAULT_SOCKET, /* sockets that are no channels */
};

enum fault_when {
	FAULT_BEFORE = 1,
	FAULT_AFTER,
};

struct fault_slot {
	/* calls of `kind` are counted; the nth (0: none), and `more` behind it, fail with `error`: an errno, or SQLite's result */
	uint32_t kind, nth, more, error, count, failed;
	/* the process stops before or after it sends the message `type` - 1 (0: never): `waits` is then 1, until `go` is */
	uint32_t type, when, waits, go;
	uint32_t trace; /* 1: what changes files is written down, in order over all processes */
	uint32_t unused[5];
};

/* One record of the file FAULT_TRACE, with `size` bytes behind it: what was written, or the new name. */
#define FAULT_TRACE "FAULT_TRACE"
enum fault_op {
	FAULT_OP_WRITE,
	FAULT_OP_TRUNCATE, /* to `at` */
	FAULT_OP_SYNC_BEGINS,
	FAULT_OP_SYNCED,
	FAULT_OP_RENAME,
};
struct fault_record {
	uint64_t op, inode, at, size;
};

struct fault_page {
	struct fault_slot slots[FAULT_SLOTS]; /* front, validator, signer, keyholder */
};

#endif
