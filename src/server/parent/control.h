/* The operators' socket of the running server: run-folder/control.sock, for root, our own user and the operators' group. One request a
 * connection: a line with a command; the answer is one JSON object. Who asked is taken from the socket, and logged. */
#ifndef CHANCERY_SERVER_PARENT_CONTROL_H
#define CHANCERY_SERVER_PARENT_CONTROL_H

#include "server/parent/members.h"

#include <poll.h>

#define CONTROL_CLIENTS_MAX 4
#define CONTROL_FDS         (1 + CONTROL_CLIENTS_MAX)

struct control;
enum err_code control_new(const struct settings *s, struct family *f, struct control **ret, struct err *e) MUST_USE;
void control_free(struct control *c); /* takes NULL; removes the socket */
/* What to poll for: at most CONTROL_FDS entries; returns how many. */
size_t control_poll(struct control *c, struct pollfd *fds);
void control_serve(struct control *c);
/* The front wants what status tells, for its metrics. */
void control_front_asks(struct control *c, uint32_t id);
/* A child's answer to STATUS, and a child that will never answer. */
void control_child_status(struct control *c, enum process who, uint32_t id, struct bytes json);
void control_child_gone(struct control *c, enum process who);

/* The client's side: asks the server of this configuration and appends its answer. NOT_FOUND when none runs. */
enum err_code control_ask(const struct settings *s, const char *command, struct buf *out, struct err *e) MUST_USE;

#endif
