/* For tests: an SQLite VFS over the usual one that counts what changes files, fails the N-th of it, and knows what the files
 * would hold after a power cut: what was synced, and as much of the rest as chance left there. */
#ifndef CHANCERY_DB_DB_FAULT_H
#define CHANCERY_DB_DB_FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum db_fault {
	DB_FAULT_ONCE, /* the N-th operation alone fails */
	DB_FAULT_CUT,  /* it and all that follow: the power is gone */
};

/* Makes it SQLite's default. Once, before the first connection. */
void db_fault_install(void);
/* Counting begins anew; the nth (from 1) fails, 0: none. */
void db_fault_arm(unsigned nth, enum db_fault kind);
/* Writes, syncs, truncations and deletions since then. */
unsigned db_fault_count(void);
unsigned db_fault_syncs(void);
/* Puts the files into the state after a power cut now: each write since its file's last sync is there, missing or torn as
 * `seed` has it (0: all are missing). With every connection closed. Disarms. */
void db_fault_power_cut(uint32_t seed);
/* Forgets all files. */
void db_fault_reset(void);

#endif
