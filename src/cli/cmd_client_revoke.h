/* chancery revoke: has the CA revoke a certificate. */
#ifndef CHANCERY_CLI_CMD_CLIENT_REVOKE_H
#define CHANCERY_CLI_CMD_CLIENT_REVOKE_H

#include "cli/options.h"

extern const struct given_option client_revoke_options[];
extern const size_t n_client_revoke_options;
int cmd_client_revoke(struct cli *c);

#endif
