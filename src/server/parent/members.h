/* The children as the parent sees them: who runs, with which user and folder, and the channels between them. */
#ifndef CHANCERY_SERVER_PARENT_MEMBERS_H
#define CHANCERY_SERVER_PARENT_MEMBERS_H

#include "server/messages.h"
#include "server/parent/operators.h"
#include "server/settings.h"

#include <sys/types.h>

#define LISTENERS_MAX 16

enum member_state { MEMBER_DOWN, MEMBER_STARTING, MEMBER_READY, MEMBER_STOPPING };

struct member {
	enum process who;
	enum member_state state;
	bool absent; /* by the configuration there is none */
	pid_t pid;
	struct channel *channel;
	int executable, folder; /* opened once, before anything is started */
	uid_t uid;
	gid_t gid;
	uint32_t next_id;
	unsigned starts;     /* since the last time that it was ready for a while */
	int64_t start_at_ms; /* when a dead one is started again; 0: now */
	int64_t ready_since_ms;
	char layers[256];  /* what its jail holds, in its own words */
	char failure[400]; /* why its start failed, in its own words */
};

struct family {
	const struct settings *settings;
	struct member members[PROCESS__MAX]; /* PROCESS_PARENT's is unused */
	int listeners[LISTENERS_MAX], publish[LISTENERS_MAX],
	    admin[LISTENERS_MAX]; /* of front.listen, publish.listen, admin.listen, in their order */
	size_t n_listeners, n_publish, n_admin;
	struct operators_socket signer_socket; /* the signer listens on it */
	struct operators_socket front_socket;  /* the front on this one */
};

/* Opens executables, folders, users and listening sockets (but for the operators'): whatever is missing is said here, before anything runs. */
enum err_code family_prepare(struct family *f, const struct settings *s, struct err *e) MUST_USE;
/* The operators' socket of the signer: once the parent's own is there, which shows that no other server runs. */
enum err_code family_operators(struct family *f, struct err *e) MUST_USE;
void family_free(struct family *f);
/* Starts one: process, folder, settings, then for a front its listening sockets; and joins it to those it talks to. */
enum err_code member_start(struct family *f, enum process who, struct err *e) MUST_USE;
/* Its settings, as at its start (a reload). */
enum err_code member_settings(struct family *f, enum process who, struct err *e) MUST_USE;
/* STOP; it ends when it has finished what it has. */
void member_stop(struct member *m);
/* After its end: the channel goes, the next start is put off longer each time. */
void member_ended(struct member *m, int64_t now_ms);

#endif
