/* The signer without its process: evidence in, certificate out. It believes nobody. Used by the signer's main, by `chancery-ca
 * init` (offline, for the log's first records and the CA's own TLS certificate) and by tests through the seam. */
#ifndef CHANCERY_SERVER_SIGNER_H
#define CHANCERY_SERVER_SIGNER_H

#include "pki/cert.h"
#include "server/blocked.h"
#include "server/identity.h"
#include "server/messages.h"
#include "server/settings.h"

#define RESETS_MAX 8

struct signer;

/* Makes the files of a new signer in the empty folder `dir`: identity, issuers/main/, log.key, log/ with the first segment, whose first
 * record names instance and issuer. CONFLICT when there is one: it never overwrites. */
struct signer_init {
	const struct identity *identity;
	struct bytes root_pem, issuer_pem, issuer_key_pem;
	struct bytes root_list; /* DER; empty: none */
};
enum err_code signer_create(int dir, const struct signer_init *i, const struct settings *s, struct err *e) MUST_USE;

/* Opens the folder's signer: keys, log (recovers: cuts a torn tail and notes it, voids intents without result), index. Refuses with
 * a reason: clock before the log's last entry, a changed byte, a log shorter than its checkpoint file. The settings must outlive
 * it or be replaced by signer_settings(). */
enum err_code signer_open(int dir, const struct settings *s, struct signer **ret, struct err *e) MUST_USE;
/* The same where issuers' keys are encrypted; the passphrase is not kept. UNAUTHORIZED for a wrong one. */
enum err_code signer_open_with(int dir, const struct settings *s, struct bytes passphrase, struct signer **ret, struct err *e) MUST_USE;

/* Ceremonies, with no signer open (ceremony.c). What an issuer's folder is to have. */
struct signer_issuer_files {
	struct bytes name, root_pem, issuer_pem, key_pem;
	struct bytes root_list; /* DER; empty: none */
	struct bytes passphrase;
};
/* CONFIG, naming the file, unless they belong together and to no issuer that is in place already, and last, and a start would take them with
 * those that are in place. */
enum err_code signer_check_issuer(int dir, const struct signer_issuer_files *f, struct err *e) MUST_USE;
/* The log's record of it: without one a start refuses the folder. Durable when it returns. CONFIG: the log knows as many as a start takes. */
enum err_code signer_log_issuer(
    int dir, const struct settings *s, const struct signer_issuer_files *f, uint32_t uid, struct err *e) MUST_USE;
/* Whether this list (DER) is the root's in an issuer's folder, and newer than the one there. */
enum err_code signer_check_root_list(int issuer_dir, struct bytes der, struct err *e) MUST_USE;
void signer_close(struct signer *s);
DEFINE_CLEANUP(struct signer *, signer_close);
enum err_code signer_settings(struct signer *s, const struct settings *settings, struct err *e) MUST_USE;
/* Keys that are not to be used, neither by accounts nor in certificates. They must outlive it; NULL: none, as at the start. */
void signer_block(struct signer *s, struct blocked *b);

/* The channel to the keyholder, which it owns from then on; NULL: there is none. */
void signer_keyholder(struct signer *s, struct channel *c);

/* A checkpoint that somebody else kept (store, backup); empty: none. IO when the log is shorter or differs: the start must stop.
 * A checkpoint that we did not sign is ignored and counted. */
enum err_code signer_compare(struct signer *s, struct bytes checkpoint, struct err *e) MUST_USE;
/* A fresh signed checkpoint of everything durable, also written to the folder's file "checkpoint". */
enum err_code signer_checkpoint(struct signer *s, struct buf *out, struct err *e) MUST_USE;
/* Its issuers, by name: views that live as long as it does. */
size_t signer_issuers(const struct signer *s);
struct hello_issuer signer_issuer(const struct signer *s, size_t i);
int64_t signer_issuer_not_after_s(const struct signer *s, size_t i);
const uint8_t *signer_instance(const struct signer *s);

/* What a round takes; REQUEST_ISSUE, REQUEST_ISSUE_TLS, ... */
enum request_kind {
#define X(request, answer, record, urgent, prepare) REQUEST_##request,
#include "server/signer/request.def"
#undef X
	REQUEST__MAX
};
/* Whether a message is such a request; and the type of its answer. */
bool signer_request_kind(uint16_t message, enum request_kind *ret);
uint16_t signer_answer_type(enum request_kind kind);

/* One round: takes up to SIGNER_BATCH_MAX requests, makes their intents and events durable together, signs, makes the results durable
 * together. Each request ends with code OK and `issued` or `answer`, or a refusal. After a failed write or fsync every further call
 * fails with IO: the caller must end the process. */
#define SIGNER_BATCH_MAX 64
struct signer_request {
	enum request_kind kind;
	uint64_t request;  /* of the client, for the log */
	struct bytes body; /* of the message; with ISSUE_TLS, the fixed template for the CA's own TLS certificate, a CSR */
	/* out; the memory is the arena's */
	enum err_code code;
	struct err why;       /* when code is not OK */
	struct issued issued; /* ISSUE, ISSUE_TLS */
	struct bytes answer;  /* the others: the answer's body */
};
enum err_code signer_round(struct signer *s, struct arena *a, struct signer_request *r, size_t n, struct err *e) MUST_USE;

/* An operator's line of JSON (docs/protocol/operators.md) by the user uid; appends the answer, also to what is wrong, without a line feed.
 * The answer to a new key holds its secret. Fails when the process must end. */
enum err_code signer_operate(struct signer *s, struct bytes line, uint32_t uid, struct buf *answer, struct err *e) MUST_USE;

/* What operators have done, and what was revoked, since the last call and the front is to hear. all: everything that it may not know, for a new front; a mass of
 * revocations is cut to the newest REVOKED_NEW_MAX of each call. */
struct signer_news {
	bool blocks; /* signer_blocks_part() has another list */
	struct revoked_new revoked[REVOKED_NEW_MAX];
	size_t n_revoked;
	struct limits_reset resets[RESETS_MAX];
	size_t n_resets;
};
void signer_news(struct signer *s, bool all, struct signer_news *ret);
/* BLOCKS's body from entry *at on; false: there is no more. The first has *at 0. */
bool signer_blocks_part(struct signer *s, size_t *at, struct buf *out);

struct signer_counts {
	uint64_t rollovers, deactivated, bound; /* accounts, of the whole log */
	uint64_t issued, repeated, tls, voided;
	uint64_t ocsp;                                 /* answers signed */
	uint64_t blocked;                              /* keys, names, accounts, methods */
	uint64_t refused[ERR__MAX];                    /* by code */
	uint64_t checkpoints_ignored;                  /* not signed by us */
	uint64_t log_records, log_bytes, log_segments; /* of the whole log */
	uint64_t syncs;                                /* of the log, since it was opened */
	uint64_t revoked, keys_compromised;            /* serials that stand revoked; keys that may not be certified any more */
	uint64_t crl_lists, crl_number, crl_size;      /* how many there are, the highest number, all together; 0: none since the start */
	int64_t crl_ends_s, root_crl_ends_s;           /* the earliest nextUpdate of all lists, and of those of roots; 0: there is none */
	int64_t crl_oldest_s;                          /* when the oldest of them was made */
	uint64_t reserve_bytes;                        /* of the log's disk, kept free */
	int64_t log_time_s;                            /* of the newest record */
};
struct signer_counts signer_counts(const struct signer *s);
uint64_t signer_free_bytes(const struct signer *s); /* of the log's disk */

/* Revocation lists, one for each issuer and shard. One is made when there is none since the start, when something of it was revoked since the
 * last one (at most once a second, and all together in at most a tenth of the time), and when "crl-interval" has passed; a few at
 * a time. It is in the log before ret has it. Fails only as signer_round() does; what else goes wrong is an event, and tried again. */
#define SIGNER_LISTS_A_TURN 4
enum err_code signer_crl(struct signer *s, struct crl_new ret[SIGNER_LISTS_A_TURN], size_t *ret_n, struct err *e) MUST_USE;
/* When to call it again. */
int64_t signer_crl_wait_ms(const struct signer *s);
/* All that can be had, those of the roots too; returns how many, at most max. */
size_t signer_crl_list(const struct signer *s, struct crl_new *v, size_t max);
/* CRL_GET's body -> CRL_PART's, from memory: of the newest list or of the one before. */
enum err_code signer_crl_part(struct signer *s, struct bytes body, struct buf *out, struct err *e) MUST_USE;

/* OCSP's body -> OCSP_OK's: good, revoked or unknown as the log says. Fails only as signer_round() does; ret_why->code: a refusal. UNAUTHORIZED:
 * not of one issuer of ours. The key that signs it is made when it is first asked for, and certified through the log. */
enum err_code signer_ocsp(struct signer *s, struct bytes body, struct buf *out, struct err *ret_why, struct err *e) MUST_USE;

/* Goes through the whole log: each record's checksum and chain, each intent and result. For tests and operators. IO where it is damaged, naming
 * segment, offset and record. ret: NULL, or where it ended. */
struct record;
typedef enum err_code signer_log_visit(void *ctx, const struct record *r, struct err *e);
struct log_walked {
	uint8_t instance[INSTANCE_SIZE];
	uint32_t segments;
	uint64_t bytes; /* of all records and heads */
	uint64_t torn;  /* bytes behind the last record that never became durable, or are being written */
};
enum err_code signer_log_walk(int dir, signer_log_visit *visit, void *ctx, struct log_walked *ret, struct err *e) MUST_USE;

#endif
