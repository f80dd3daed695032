/* Landlock (landlock(7)) by its system calls: Debian's libc has no wrappers for them. */
#ifndef CHANCERY_OS_LANDLOCK_H
#define CHANCERY_OS_LANDLOCK_H

#include <stdbool.h>

/* From now on: files below the current directory alone (which is the data folder), nothing executable; without `network` no TCP bind or
 * connect. What this kernel cannot do is left out: the outputs tell what holds. Needs no_new_privs. */
void landlock_restrict(bool writable, bool network, bool *ret_files, bool *ret_tcp);

#endif
