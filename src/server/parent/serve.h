/* `chancery-ca serve`: starts the children, keeps them running, answers the operators' socket, ends cleanly. */
#ifndef CHANCERY_SERVER_PARENT_SERVE_H
#define CHANCERY_SERVER_PARENT_SERVE_H

#include "server/settings.h"

/* Runs until SIGTERM or SIGINT. SIGHUP reads the configuration at `path` again. Progress and the end of the start go to stdout for
 * people, events to stderr. */
enum err_code serve(const char *config_path, struct err *e) MUST_USE;

#endif
