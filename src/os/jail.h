/* Puts the calling process in its jail, in the order that works: no new privileges, namespaces, root directory, user, Landlock,
 * seccomp. Called by the process itself when it has opened what it needs. */
#ifndef CHANCERY_OS_JAIL_H
#define CHANCERY_OS_JAIL_H

#include "base/err.h"

#include <sys/types.h>

struct jail {
	int root_dir; /* descriptor of the data folder that becomes "/" */
	/* "/" stays instead, for what needs the system's libraries, name service and trust store; Landlock then lets it read what is the system's (below
	 * /etc, /usr, /lib and /run) and nothing of users. */
	bool keeps_root;
	uid_t uid; /* taken when we are root; ignored else */
	gid_t gid;
	bool network;           /* may open connections (the validator) */
	bool writable;          /* may write below its root (the validator may not) */
	uint32_t processes_max; /* 0: no fork and no exec, threads as many as it likes; else RLIMIT_NPROC (threads count too) */
};

/* Which layers hold, for `serve` to print. */
struct jail_layers {
	bool root, user, network_ns, landlock_fs, landlock_tcp, no_new_privs, no_processes, seccomp, undumpable;
};

/* Fails closed: CONFIG when, as root, root directory or user cannot be changed. Without root the kernel may grant less; what
 * holds is in *ret. Also: core dumps off, not dumpable, RLIMIT_CORE 0. Before threads start: a user namespace is for a single one. */
enum err_code jail_enter(const struct jail *j, struct jail_layers *ret, struct err *e) MUST_USE;
/* Adds "root directory, user, network namespace, Landlock files and TCP, no new privileges, …", or "none". */
void jail_describe(const struct jail_layers *l, struct buf *out);

/* The signer's system calls, by libseccomp: everything else ends the process. In a file of its own (jail_seccomp.c, room
 * `os_signer`), so that only the signer links libseccomp. */
enum err_code jail_seccomp_signer(struct jail_layers *layers, struct err *e) MUST_USE;

#endif
