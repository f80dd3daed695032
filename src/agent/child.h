/* What chancery's processes do alike: the channel to the program, the jail, one operation after the other. */
#ifndef CHANCERY_AGENT_CHILD_H
#define CHANCERY_AGENT_CHILD_H

#include "agent/talk.h"

#include <sys/types.h>

struct child {
	struct channel *channel;
	uint32_t asked; /* id of the last ASK */
	void *context;  /* the program's own */
};

/* One operation: json is its object; *fd is a descriptor that came along (-1: none), closed afterwards unless it is taken (set to -1). answer: members of
 * one object. */
typedef enum err_code child_op(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e);
struct child_row {
	const char *name;
	child_op *run;
};

/* Who it is to be; root alone is told. */
struct child_user {
	bool given;
	uid_t uid;
	gid_t gid;
};
typedef enum err_code child_jail(const struct child_user *u, struct err *e);

/* The process's main(): serves until the program closes the channel. Returns the exit code. */
int child_main(const struct child_row *rows, size_t n, child_jail *jail, void *context);
/* Asks the program, in the midst of an operation. The reply's object is in the arena. */
enum err_code child_ask(struct child *c, struct arena *a, const char *what, struct bytes json, struct bytes *ret, struct err *e) MUST_USE;

#endif
