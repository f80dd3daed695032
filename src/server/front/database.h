/* The database's file, as it can be lost: removed while it is open, or before a start. An empty one in its place would forget every account and
 * certificate without a word. */
#ifndef CHANCERY_SERVER_FRONT_DATABASE_H
#define CHANCERY_SERVER_FRONT_DATABASE_H

#include "server/store/store.h"

#include <sys/types.h>

struct database_file {
	dev_t device;
	ino_t inode;
};
/* store_open() in the data folder, which is the working directory; folder is its descriptor. CONFIG, with what to do, when a database was made here
 * once and is not there. */
enum err_code database_open(int folder, struct store **ret, struct database_file *ret_file, struct err *e) MUST_USE;
/* IO when the file is not there any more, or is another: what is written from now on would be lost. */
enum err_code database_check(int folder, const struct database_file *file, struct err *e) MUST_USE;

#endif
