/* chancery-ca certificates, orders, accounts: what the database has, asked of the running front. */
#ifndef CHANCERY_CLI_CMD_FIND_H
#define CHANCERY_CLI_CMD_FIND_H

#include "cli/options.h"

#define CERTIFICATES_OPTIONS 16
#define ORDERS_OPTIONS       8
#define ACCOUNTS_OPTIONS     8
extern const struct given_option certificates_options[CERTIFICATES_OPTIONS];
extern const struct given_option orders_options[ORDERS_OPTIONS];
extern const struct given_option accounts_options[ACCOUNTS_OPTIONS];
int cmd_certificates(struct cli *c);
int cmd_orders(struct cli *c);
int cmd_accounts(struct cli *c);

#endif
