/* chancery-ca issuer csr | add | root-crl | list: the CA's issuers, at the CA. */
#ifndef CHANCERY_CLI_CMD_ISSUER_H
#define CHANCERY_CLI_CMD_ISSUER_H

#include "cli/options.h"

extern const struct cli_command issuer_command;

#endif
