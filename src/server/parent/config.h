/* The configuration file: parsed by libconfuse, driven by settings.def, checked value by value with file and line. */
#ifndef CHANCERY_SERVER_PARENT_CONFIG_H
#define CHANCERY_SERVER_PARENT_CONFIG_H

#include "server/settings.h"

/* CONFIG with one message for each thing that is wrong, a line each, in `messages` (file:line: what is wrong and what is allowed);
 * then *ret is untouched. Relative folders are taken from the file's own folder. */
enum err_code config_read(struct arena *a, const char *path, struct settings *ret, struct buf *messages, struct err *e) MUST_USE;

/* CONFIG with file and line for what is wrong in files that the configuration names and the processes read for themselves. Costs as much
 * as reading them. */
enum err_code config_check_files(const struct settings *s, struct err *e) MUST_USE;

/* A commented file with every option: those that `values` names get that value, the others stand as comments with their default. */
struct config_value {
	const char *section, *option;
	struct bytes text; /* as it stands behind the '=' */
};
void config_write(const struct config_value *values, size_t n, struct buf *out);

#endif
