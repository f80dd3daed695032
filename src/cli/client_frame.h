/* What chancery's commands that talk to a CA have in common: which CA, where files are, which account. */
#ifndef CHANCERY_CLI_CLIENT_FRAME_H
#define CHANCERY_CLI_CLIENT_FRAME_H

#include "agent/frame.h"
#include "cli/options.h"

#include <chancery/chancery.h>

/* make: it is made where there is none; else NOT_FOUND says so. */
enum err_code client_frame_account_key(const struct frame *f, bool make, struct chancery_key **ret, struct err *e) MUST_USE;
/* A private key in a file. NOT_FOUND; CONFIG: it is none. */
enum err_code client_frame_key(const char *path, struct chancery_key **ret, struct err *e) MUST_USE;
/* A client for the CA with the account and all that the command line says of it. */
enum err_code client_frame_client(
    const struct cli *c, const struct frame *f, struct chancery_key *account, struct chancery_client **ret, struct err *e) MUST_USE;

DEFINE_CLEANUP(struct chancery_client *, chancery_client_free);
DEFINE_CLEANUP(struct chancery_key *, chancery_key_free);

#endif
