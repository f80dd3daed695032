#include "cli/cmd_probe.h"
#include "os/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int cmd_probe(struct cli *c)
{
	struct err e = { 0 };
	int fd;

	if (process_find("chancery-probe", CHANCERY_LIBEXEC, &fd, &e) != ERR_OK)
		return cli_fail(c, &e);
	(void)fexecve(fd, c->argv, environ);
	(void)err_set(&e, ERR_IO, __FILE__, __LINE__, "chancery-probe cannot be run: %s", strerror(errno));
	return cli_fail(c, &e);
}
