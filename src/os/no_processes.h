/* A process that never starts another one, by a seccomp filter written out: only the signer links libseccomp. */
#ifndef CHANCERY_OS_NO_PROCESSES_H
#define CHANCERY_OS_NO_PROCESSES_H

#include <stdbool.h>

/* From now on fork, exec, tracing, namespaces, mounts and the kernel's wider surfaces are refused with EPERM; threads are not.
 * False where this kernel or machine has no such filter. Needs no_new_privs. */
bool no_processes_restrict(void);

#endif
