/* The sockets by which operators talk to the running server: for root, our own user and the operators' group. Who may is the file's mode to
 * say; who did is asked of the kernel. */
#ifndef CHANCERY_SERVER_PARENT_OPERATORS_H
#define CHANCERY_SERVER_PARENT_OPERATORS_H

#include "server/settings.h"

#include <sys/un.h>

#define SOCKET_CONTROL "control.sock" /* the parent's own: control.h */
#define SOCKET_FRONT   "front.sock"   /* the front's: what its database has */
#define SOCKET_SIGNER  "signer.sock"  /* the signer's: docs/protocol/operators.md */

struct operators_socket {
	int fd; /* -1: none */
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
};
/* Makes run-folder where it is missing, and the listening socket in it, non-blocking. CONFIG when somebody answers there already. */
enum err_code operators_listen(const struct settings *s, const char *name, struct operators_socket *ret, struct err *e) MUST_USE;
/* Also removes the file. */
void operators_close(struct operators_socket *o);

/* The operator's side: sends the line (which ends with a line feed) and appends the answer, up to the end of the connection. NOT_FOUND when
 * no server runs, CONFIG when we may not ask. */
enum err_code operators_ask(const struct settings *s, const char *name, struct bytes line, struct buf *out, struct err *e) MUST_USE;

#endif
