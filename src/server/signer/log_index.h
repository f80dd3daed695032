/* What a segment holds, certificates and events, in the log's order: kept in memory for the open segment, and as NNNNNNNN.idx beside
 * each closed one, together with a snapshot of the chain, so that a start need not read closed segments but for their events. An
 * index can always be made again from its segment. */
#ifndef CHANCERY_SERVER_SIGNER_LOG_INDEX_H
#define CHANCERY_SERVER_SIGNER_LOG_INDEX_H

#include "server/signer/record_event.h"
#include "server/signer/segment.h"
#include "server/signer/signer.h"

/* One certificate. */
struct log_entry {
	bool tls, ocsp;               /* as struct intent's */
	uint8_t order[ORDER_ID_SIZE]; /* zero with tls */
	uint8_t serial[SERIAL_SIZE];
	uint8_t csr_digest[SHA256_SIZE];
	int64_t time_ms; /* of the result */
	uint32_t segment;
	uint64_t offset; /* of the RESULT record */
	uint64_t intent; /* of its INTENT, which names the account */
};

/* One record that every start takes into the signer's state again: a REVOKE, of which there may be very many, by its body without the evidence,
 * which is here; any other by reading the record. */
struct log_event {
	uint8_t type;
	int64_t time_ms;
	uint64_t offset;
	uint8_t revocation[REVOCATION_SIZE]; /* zero but for a REVOKE */
};

/* Two batches' worth of intents may be open at a time. */
#define OPEN_INTENTS_MAX (2 * SIGNER_BATCH_MAX)

/* An intent whose result is not there yet. */
struct open_intent {
	bool tls, ocsp;
	uint8_t order[ORDER_ID_SIZE];
	uint8_t serial[SERIAL_SIZE];
	uint8_t csr_digest[SHA256_SIZE];
	uint8_t tbs_digest[SHA256_SIZE];
	uint8_t issuer[ISSUER_KEY_SIZE];
	uint64_t offset;
};

struct log_index {
	uint32_t segment;
	struct buf entries; /* struct log_entry, one after the other; times never go back */
	struct buf events;  /* struct log_event */
	struct open_intent open[OPEN_INTENTS_MAX];
	size_t n_open;
};
void log_index_init(struct log_index *x, uint32_t segment);
void log_index_free(struct log_index *x);
/* Takes a record in. IO when it does not fit what was before: a result or void without intent, too many open intents. *ret_entry
 * is set to the new entry for a RESULT, else to NULL; it lives until the next call. */
enum err_code log_index_take(
    struct log_index *x, uint64_t at, const struct record *r, const struct log_entry **ret_entry, struct err *e) MUST_USE;
size_t log_index_count(const struct log_index *x);
const struct log_entry *log_index_entry(const struct log_index *x, size_t i);
size_t log_index_event_count(const struct log_index *x);
const struct log_event *log_index_event(const struct log_index *x, size_t i);
/* The certificate with this serial; NULL: there is none. A certificate's time in the log is the one that its serial carries. */
const struct log_entry *log_index_find(const struct log_index *x, const uint8_t serial[SERIAL_SIZE]);

/* Where a closed segment ended. */
struct log_snapshot {
	uint32_t segment;
	uint64_t end, last; /* its size, and where its last record begins */
	struct chain chain;
};
/* Writes NNNNNNNN.idx. */
enum err_code log_index_write(
    int dir, const uint8_t *instance, const struct log_index *x, const struct log_snapshot *s, struct err *e) MUST_USE;
/* Reads snapshot and events, into an index that log_index_init() made; and the certificates when the segment has any record not
 * older than since_ms. NOT_FOUND when there is no file, MALFORMED when it is damaged or another's. */
enum err_code log_index_read(
    int dir, const uint8_t *instance, int64_t since_ms, struct log_snapshot *ret, struct log_index *x, struct err *e) MUST_USE;
/* log_index_find() in the file of a closed segment, a few small reads. NOT_FOUND when the segment has no such certificate; its entry is not under
 * the digest here: whoever reads the records looks at their checksums and serials. */
enum err_code log_index_look_up(
    int dir, const uint8_t *instance, uint32_t segment, const uint8_t serial[SERIAL_SIZE], struct log_entry *ret, struct err *e) MUST_USE;

#endif
