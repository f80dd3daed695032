/* Landlock (landlock(7)) by its system calls: Debian's libc has no wrappers for them. */
#ifndef CHANCERY_OS_LANDLOCK_H
#define CHANCERY_OS_LANDLOCK_H

#include <stdbool.h>

enum landlock_files {
	LANDLOCK_HERE, /* below the current directory (the data folder) */
	LANDLOCK_HERE_WRITABLE,
	LANDLOCK_SYSTEM, /* what every program may read of the system: libraries, name service, trust store */
};
/* From now on these files alone, nothing executable; without `network` no TCP bind or connect. What this kernel cannot do is left out: the outputs tell
 * what holds. Needs no_new_privs. */
void landlock_restrict(enum landlock_files files, bool network, bool *ret_files, bool *ret_tcp);

#endif
