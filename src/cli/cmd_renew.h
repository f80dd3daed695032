/* chancery renew: every certificate of the folder that is due, the way that it was asked for. */
#ifndef CHANCERY_CLI_CMD_RENEW_H
#define CHANCERY_CLI_CMD_RENEW_H

#include "cli/options.h"

extern const struct given_option renew_options[], reissue_options[];
extern const size_t n_renew_options, n_reissue_options;
int cmd_renew(struct cli *c);

#endif
