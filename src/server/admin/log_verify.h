/* `chancery-ca log`: the signer's log as anybody with its files can check it, whether a server runs or not. */
#ifndef CHANCERY_SERVER_ADMIN_LOG_VERIFY_H
#define CHANCERY_SERVER_ADMIN_LOG_VERIFY_H

#include "server/settings.h"
#include "server/signer/record.h"
#include "server/signer/signer.h"

struct log_summary {
	bool running; /* a server was at work meanwhile */
	struct log_walked end;
	uint64_t records, of_type[256];
	int64_t first_ms, last_ms;
	uint8_t chain[SHA256_SIZE]; /* of the last record: two logs with the same one are the same */
	struct {
		uint64_t sequence; /* 0: there is none */
		int64_t made_ms;
	} checkpoint;
};

/* Whoever looks at the records on the way; they live until the next one. */
struct log_watch {
	void (*begin)(void *ctx); /* also when it all begins anew, as a record was just being written */
	signer_log_visit *visit;
	void *ctx;
};

/* Every checksum, every link, every certificate against its intent, and the checkpoint: the file of this path, or, with NULL, the signer's own.
 * IO, naming the place, where the log is damaged, shorter than the checkpoint, or not the one that it was made of. w: NULL for none.
 * As root it becomes the signer's user and stays so. */
enum err_code log_verify(
    const struct settings *s, const char *checkpoint, const struct log_watch *w, struct log_summary *ret, struct err *e) MUST_USE;

/* What a record says, for people and for JSON: names and values, all of them text. */
#define LOG_FACTS_MAX 8
struct log_fact {
	const char *name;
	struct bytes value; /* arena, or a view into the record */
};
/* MALFORMED: a body that the signer would not have written. */
enum err_code log_tell(struct arena *a, const struct record *r, struct log_fact v[LOG_FACTS_MAX], size_t *ret_n, struct err *e) MUST_USE;
/* Whether a record of this type is what an operator did. A revocation may be: its fact "by" says. */
bool log_type_by_operator(unsigned type);

#endif
