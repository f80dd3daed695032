#ifndef CHANCERY_CLI_CMD_BACKUP_H
#define CHANCERY_CLI_CMD_BACKUP_H

#include "cli/options.h"

/* `chancery-ca backup`, `chancery-ca restore` */
extern const struct cli_command backup_command;
extern const struct cli_command restore_command;

#endif
