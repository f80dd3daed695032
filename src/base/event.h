/* Libraries never log and never exit: they raise one event to the sink that the program gave. */
#ifndef CHANCERY_BASE_EVENT_H
#define CHANCERY_BASE_EVENT_H

#include "base/err.h"

enum event_level { EVENT_DEBUG, EVENT_INFO, EVENT_NOTICE, EVENT_WARNING, EVENT_ERROR };

/* One named value of an event. Never a secret, never a key. */
struct event_field {
	const char *key;
	struct bytes value;
};

typedef void event_sink(void *ctx, enum event_level level, const char *name, const struct event_field *fields, size_t n_fields);

/* Set once at the program's start, before threads. NULL drops everything. */
void event_set_sink(event_sink *sink, void *ctx, enum event_level least);

/* The request that this thread is at work on: a number that its events carry as request=HEX, and its messages to other processes
 * (os/channel.h), so that one request can be followed through all of them. 0: none. Of this thread alone. */
void event_set_request(uint64_t request);
uint64_t event_request(void);
#define EVENT_REQUEST_LEN 16
void event_request_text(uint64_t request, char out[EVENT_REQUEST_LEN + 1]);

void event_raise(enum event_level level, const char *name, const struct event_field *fields, size_t n_fields);
/* event(EVENT_INFO, "certificate.issued", { "serial", BYTES_FMT... }): fields as struct event_field initialisers. */
#define event(level, name, ...)                                                   \
	event_raise((level), (name), (const struct event_field[]){ __VA_ARGS__ }, \
	    sizeof((const struct event_field[]){ __VA_ARGS__ }) / sizeof(struct event_field))
#define EVENT_STR(k, s)           \
	{                         \
		(k), bytes_str(s) \
	}
/* For events that a peer can cause at will: so that it cannot fill a disk with them. One for each place, zero at the start.
 * Threads may share it. */
struct event_limit {
	int64_t second;
	unsigned n;
	uint64_t left_out;
};
#define EVENT_LIMIT_A_SECOND 20
/* Whether this one may be raised. At the first of a second that follows one with too many, *ret_left_out tells how many were not. */
bool event_admit(struct event_limit *l, uint64_t *ret_left_out);
/* event() under a limit; the number left out is an event of its own, "events.left_out". */
#define event_limited(limit, level, name, ...)             \
	do {                                               \
		uint64_t left_out_;                        \
		if (event_admit((limit), &left_out_)) {    \
			event_left_out((name), left_out_); \
			event((level), name, __VA_ARGS__); \
		}                                          \
	} while (0)
/* Raises "events.left_out" when n is not zero. */
void event_left_out(const char *name, uint64_t n);
/* An error as an event: code, detail, errno, file and line. */
void event_error(enum event_level level, const char *name, const struct err *e);

/* A sink that writes one line an event to a descriptor, in one write(2): `time level process name key=value ...`
 * (logfmt; values quoted where they need it), or one JSON object where json is set. ctx is a struct event_lines. */
struct event_lines {
	int fd;
	const char *process;
	bool json;
};
event_sink event_lines_sink;

#endif
