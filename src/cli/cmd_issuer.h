/* chancery-ca issuer csr | add | root-crl | list: the CA's issuers, at the CA. */
#ifndef CHANCERY_CLI_CMD_ISSUER_H
#define CHANCERY_CLI_CMD_ISSUER_H

#include "cli/options.h"

#define ISSUER_OPTIONS 13
extern const struct given_option issuer_options[ISSUER_OPTIONS];
int cmd_issuer(struct cli *c);

#endif
