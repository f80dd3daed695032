#ifndef CHANCERY_CLI_CMD_BACKUP_H
#define CHANCERY_CLI_CMD_BACKUP_H

#include "cli/options.h"

#define BACKUP_OPTIONS  4
#define RESTORE_OPTIONS 4
extern const struct given_option backup_options[BACKUP_OPTIONS], restore_options[RESTORE_OPTIONS];
/* `chancery-ca backup`, `chancery-ca restore` */
int cmd_backup(struct cli *c);
int cmd_restore(struct cli *c);

#endif
