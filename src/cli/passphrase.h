/* A passphrase from a file: the option that several commands have. */
#ifndef CHANCERY_CLI_PASSPHRASE_H
#define CHANCERY_CLI_PASSPHRASE_H

#include "cli/options.h"

/* A row of an options table. */
#define PASSPHRASE_OPTION                                                                                                                        \
	{                                                                                                                                        \
		"passphrase-file", "FILE", false,                                                                                                \
		    "The file whose first line is the passphrase, of 12 characters or more; open to its owner alone. /dev/fd/3 is descriptor 3." \
	}
#define PASSPHRASE_MIN 12
/* The PIN of a token. */
#define PIN_OPTION                                                                                                  \
	{                                                                                                           \
		"pin-file", "FILE", false, "The file whose first line is the token's PIN; open to its owner alone." \
	}

/* The file's first line; empty without the option. text: a secret buffer that holds it. */
enum err_code passphrase_read(const struct cli *c, struct buf *text, struct bytes *ret, struct err *e) MUST_USE;

#endif
