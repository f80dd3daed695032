/* How a certificate was asked for, kept beside it, so that it is renewed the same way: FOLDER/NAME/options.json. */
#ifndef CHANCERY_CLI_SAVED_OPTIONS_H
#define CHANCERY_CLI_SAVED_OPTIONS_H

#include "cli/options.h"

#define SAVED_FILE     "options.json"
#define SAVED_SIZE_MAX 65536

/* The names and options of chancery issue, but for those that are of one run alone. */
void saved_write(const struct cli *c, struct buf *out);
/* Back into a command line of `like`, which is given --folder besides; everything is in the arena, or folder. CONFIG with what is wrong. */
enum err_code saved_read(struct arena *a, struct bytes text, const struct cli_program *program, const struct cli_command *like,
    const char *folder, struct cli *ret, struct err *e) MUST_USE;

#endif
