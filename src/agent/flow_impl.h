/* What a run of flow.c holds, for its parts. Private to this room. */
#ifndef CHANCERY_AGENT_FLOW_IMPL_H
#define CHANCERY_AGENT_FLOW_IMPL_H

#include "agent/deploy_job.h"
#include "agent/flow.h"
#include "agent/state.h"
#include "client/chain.h"
#include "client/storage.h"

/* One of the certificates that are got together: of one kind of key. */
struct flow_cert {
	const struct wish_key *key;
	struct bytes spki, fullchain;
	size_t leaf_len;
	struct bytes next; /* the prepared key's public half; ptr NULL: none */
};

/* What there is. */
struct flow_present {
	bool there, fits; /* there is a certificate; key, names and chain are what is wanted */
	int64_t not_before_s, not_after_s;
	const char *server;     /* the directory of the CA that it is from; "": not known */
	struct bytes fullchain; /* when it fits */
	uint32_t own;           /* a number of its own */
};

struct flow {
	struct crew *crew;
	const struct wish *wish;
	const struct flow_wish *how;
	const struct flow_watch *watch;
	struct storage *storage;
	struct ca_wish ca;
	struct flow_report *report;
	struct flow_cert certs[WISH_KEYS_MAX]; /* as many as the wish has keys */
	char draft[STORAGE_ID_SIZE];           /* "": none */
	const char *resume;                    /* the draft's order, of an earlier run; NULL: none */
	bool keeps_draft;                      /* a later run may go on with it */
	struct deploy_job *deploy;
	struct state state;
	struct flow_present present;
};

#define FLOW_FILE_MAX 64
/* "privkey-rsa.pem" of "privkey.pem". */
void flow_file(const char *file, const char *suffix, char ret[FLOW_FILE_MAX]);

/* flow_present.c: what there is; whether it is due, for which the CA may be asked. */
void flow_present(struct flow *f, struct flow_present *ret);
void flow_due(struct flow *f, const struct flow_present *p, struct due *ret);

/* flow_resume.c: takes the draft that an earlier run has left at this CA for the same; false: there is none. */
bool flow_resume(struct flow *f);
/* Keeps beside the draft which order is made. Context: the flow. */
enum err_code flow_keep_order(void *context, const char *url, struct err *e) MUST_USE;

/* flow_keys.c: the key of certs[i], in the draft and in the slot "certificate": made, or the one that is reused or was prepared. */
enum err_code flow_key(struct flow *f, size_t i, struct err *e) MUST_USE;
/* Makes the key after this one where that is wanted. */
enum err_code flow_next_key(struct flow *f, size_t i, struct err *e) MUST_USE;
/* And puts it in its place, when the certificate is live. */
void flow_settle_next_key(const struct flow *f, const char *suffix);
/* Gives a file with a key to whom it is to belong. */
enum err_code flow_own(const struct flow *f, int fd, struct err *e) MUST_USE;

/* flow_files.c: what certs[i] leaves in the draft; then, for all, the switch. */
enum err_code flow_put(struct flow *f, size_t i, struct err *e) MUST_USE;
enum err_code flow_finish(struct flow *f, struct err *e) MUST_USE;

#endif
