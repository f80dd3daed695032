/* Whether files can be written at a place, before the time for it comes. */
#ifndef CHANCERY_AGENT_PLACE_H
#define CHANCERY_AGENT_PLACE_H

#include "base/err.h"

/* Writes a file into the folder and takes it away, after making the folders that are missing on the way, which are taken away too. CONFIG: which path cannot be written to,
 * by which user, and why. */
enum err_code place_try(const char *folder, struct err *e) MUST_USE;
/* The same for the folder that a file is to be in. */
enum err_code place_try_of(const char *file, struct err *e) MUST_USE;

#endif
