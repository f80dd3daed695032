/* Configuration files by libconfuse, with every message as "FILE:LINE: what". One is read at a time. */
#ifndef CHANCERY_CONF_CONF_H
#define CHANCERY_CONF_CONF_H

#include "base/err.h"

#include <confuse.h>

void conf_free(cfg_t *cfg);
DEFINE_CLEANUP(cfg_t *, conf_free);

/* The whole of a text file; what is wrong goes to messages. CONFIG. */
enum err_code conf_read_text(const char *path, struct buf *out, struct buf *messages, struct err *e) MUST_USE;
/* Parses a file under these options (CFG_END behind the last), which live as long as *ret. prepare: sets functions that look at values; may be NULL. messages: what
 * is wrong, a line each. CONFIG then. Lines are right where libconfuse alone counts comments thrice, and what is never closed is told. */
enum err_code conf_parse(
    const char *path, cfg_opt_t *options, void (*prepare)(cfg_t *cfg), struct buf *messages, cfg_t **ret, struct err *e) MUST_USE;
/* Whether a message says that an option is none: whoever knows which there are lists them. */
bool conf_unknown_option(const struct buf *messages);

#endif
