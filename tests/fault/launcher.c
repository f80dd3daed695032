/* Stands in the place of a process of the CA, below a copy of the programs: starts the real one, which lies beside it as NAME.real, with
 * fault.so in it. The parent gives its children no environment, so that this is the only way there. */
#include "control.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char self[PATH_MAX], real[PATH_MAX + 8], library[PATH_MAX + 32], control[PATH_MAX + 32], trace[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash = n > 0 ? strrchr(self, '/') : NULL;
	char lc[] = "LC_ALL=C", tz[] = "TZ=UTC";
	char *envp[] = { lc, tz, library, control, trace, NULL };

	if (!slash || argc != 1)
		return 126;
	(void)snprintf(real, sizeof real, "%s.real", self);
	*slash = 0;
	(void)snprintf(library, sizeof library, "LD_PRELOAD=%s/fault.so", self);
	(void)snprintf(control, sizeof control, FAULT_CONTROL "=%s/fault.control", self);
	(void)snprintf(trace, sizeof trace, FAULT_TRACE "=%s/fault.trace", self);
	execve(real, argv, envp);
	return 127;
}
