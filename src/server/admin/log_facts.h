/* Goes through the signer's log and tells the mirror what it says, or puts it back into the database. */
#ifndef CHANCERY_SERVER_ADMIN_LOG_FACTS_H
#define CHANCERY_SERVER_ADMIN_LOG_FACTS_H

#include "server/admin/ca_chains.h"
#include "server/store/mirror.h"

struct log_facts {
	struct mirror *mirror;
	struct ca_chains *chains;
	int64_t order_lifetime_s;
	bool put;       /* into the database, inside of mirror_begin() and mirror_commit(); else it is only told */
	int64_t kept_s; /* with put: what ended before that is not */
	/* out */
	uint64_t records;
};
/* signer_folder: its descriptor. IO with the place where the log is damaged. */
enum err_code log_facts_tell(int signer_folder, struct log_facts *f, struct err *e) MUST_USE;

#endif
