/* Message channels between our processes: SOCK_SEQPACKET socket pairs, so that a bad message never spoils the next.
 * A packet is u16 type, u16 zero, u32 id, u64 request, body (wire.h). The request is the one that the sender was at work on
 * (base/event.h); it is for logs alone. A table of rules says who may send what to whom, how large, and how
 * many requests may wait for their answers (credits). Bad input is refused and counted; it never ends the process. */
#ifndef CHANCERY_OS_CHANNEL_H
#define CHANCERY_OS_CHANNEL_H

#include "base/err.h"

#define CHANNEL_BODY_MAX   131072
#define CHANNEL_HEADER_LEN 16
/* Most notices that wait for a socket to take them. Requests and answers need no such number: at most their credits wait. */
#define CHANNEL_NOTICES_QUEUED 64

/* One row for each message type; the type's number is its index. */
struct message_rule {
	const char *name;
	uint8_t from, to; /* process numbers */
	uint32_t body_max;
	uint16_t credits; /* most unanswered requests of this type; 0: not a request (needs no answer) */
	uint16_t answers; /* for an answer: index + 1 of a request type it may answer, 0 for a request or notice;
	                       * refusals answer any request and have ANSWERS_ANY */
	bool carries_fd;  /* exactly one descriptor comes along (SCM_RIGHTS); with every other type none may */
};
#define ANSWERS_ANY 0xffff

struct message {
	uint16_t type;
	uint32_t id;       /* chosen by the requester, repeated in the answer */
	uint64_t request;  /* whose sake it is sent for: for event_set_request() */
	struct bytes body; /* valid until the next channel_receive() on this channel */
	int fd;            /* a descriptor that came along, now the receiver's to close; -1: none */
};

struct channel_counts {
	uint64_t received, sent, refused_size, refused_type, refused_turn, refused_credit;
};

struct channel;

/* Owns the descriptor (on failure it is closed), makes it non-blocking. self and peer are process numbers of the rules, which
 * must live as long as the channel. CONFIG when the socket's send buffer cannot hold the largest message that we may send. */
enum err_code channel_new(
    int fd, uint8_t self, uint8_t peer, const struct message_rule *rules, size_t n_rules, struct channel **ret, struct err *e) MUST_USE;
void channel_free(struct channel *c);
DEFINE_CLEANUP(struct channel *, channel_free);
int channel_fd(const struct channel *c);

/* Sends a message, or queues it when the socket is full. BUSY when the credits of this type are used up or the queue holds its
 * maximum: the caller tells its own client to come back; an answer is never BUSY for that. CLOSED when the peer is gone. BUG for
 * a message that the rules do not allow us to send. The credit of a request comes back to the peer when its answer has left. */
enum err_code channel_send(struct channel *c, uint16_t type, uint32_t id, struct bytes body, struct err *e) MUST_USE;
/* The same with a descriptor, which stays the caller's: a duplicate waits in the queue. Only between parent and child. */
enum err_code channel_send_fd(struct channel *c, uint16_t type, uint32_t id, struct bytes body, int fd, struct err *e) MUST_USE;
/* Sends what is queued, as far as the socket takes it. */
enum err_code channel_flush(struct channel *c, struct err *e) MUST_USE;
bool channel_wants_write(const struct channel *c);
/* The next good message. AGAIN when there is none now, CLOSED at the end. A packet that is cut, too large, of an unknown or
 * forbidden type, or beyond its credits is counted and dropped, and the next is tried (at most 64 a call, then AGAIN): where
 * it can be answered (a known request type), the caller gets nothing and the peer gets nothing. An answer to nothing that
 * was asked is dropped too (refused_turn). */
enum err_code channel_receive(struct channel *c, struct message *ret, struct err *e) MUST_USE;
struct channel_counts channel_counts(const struct channel *c);

/* A connected pair of SEQPACKET sockets with send buffers that hold at least one largest packet; both close-on-exec. */
enum err_code channel_pair(int ret_fds[2], struct err *e) MUST_USE;

#endif
