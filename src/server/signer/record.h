/* Records and segment heads of the issuance log, byte by byte; no file is touched here. docs/protocol/log.md is normative. */
#ifndef CHANCERY_SERVER_SIGNER_RECORD_H
#define CHANCERY_SERVER_SIGNER_RECORD_H

#include "base/wire.h"
#include "crypto/digest.h"
#include "pki/cert.h"
#include "server/messages.h"
#include "server/receipt.h"

enum log_type {
#define X(code, number, name) LOG_##code = (number),
#include "server/signer/log_type.def"
#undef X
};
/* "intent"; NULL for a number that is no type. */
const char *log_type_name(unsigned type);

#define SEGMENT_HEAD_SIZE 104
#define SEGMENT_SALT_SIZE 16

/* The first bytes of a segment. */
struct segment_head {
	uint8_t instance[INSTANCE_SIZE];
	uint32_t number;         /* 1, 2, ... */
	uint64_t first_sequence; /* of the first record that it will hold */
	int64_t created_ms;
	uint8_t previous[SHA256_SIZE];   /* chain of the previous segment's last record; zero in segment 1 */
	uint8_t salt[SEGMENT_SALT_SIZE]; /* random, never leaves the signer: nobody outside can make bytes that pass the checksum */
};
void segment_head_write(const struct segment_head *h, struct buf *out);
/* MALFORMED for what is no head of this version. */
enum err_code segment_head_read(struct bytes in, struct segment_head *ret, struct err *e) MUST_USE;

/* Where a chain of records stands: what the next record must follow. */
struct chain {
	uint64_t sequence; /* of the last record; 0 before the first */
	int64_t time_ms;   /* of the last record; never goes back */
	uint8_t value[SHA256_SIZE];
};
/* The value that a segment's first record follows: over the head's bytes, so that the head is under the chain too. */
void chain_of_head(struct bytes head, uint8_t out[SHA256_SIZE]);

#define RECORD_HEAD_SIZE 59
#define RECORD_SIZE_MAX  (RECORD_HEAD_SIZE + CHANNEL_BODY_MAX + 4096)

struct record {
	uint64_t sequence;
	int64_t time_ms;
	uint8_t type;      /* enum log_type once it has been looked at */
	uint16_t position; /* in the batch that was made durable by one sync: 0, 1, ... */
	uint8_t chain[SHA256_SIZE];
	struct bytes body; /* view */
	size_t size;       /* with its head */
};

/* record_begin() leaves room for a head; the caller writes the body behind it; record_end() fills the head in and moves *c on.
 * The sum of checksum and salt: salt_crc = crc32c(0, salt). */
size_t record_begin(struct buf *b);
void record_end(struct buf *b, size_t at, enum log_type type, uint16_t position, int64_t time_ms, uint32_t salt_crc, struct chain *c);
/* The record's size if `head` (RECORD_HEAD_SIZE bytes or more) may begin one, else 0. */
size_t record_size(struct bytes head);
/* Whether these bytes begin with a whole record whose checksum holds. The chain is not looked at. */
bool record_parse(struct bytes in, uint32_t salt_crc, struct record *ret);
/* Whether r follows c: sequence, time and chain; then *c moves on. IO with what is wrong. */
enum err_code record_follow(const struct record *r, struct chain *c, struct err *e) MUST_USE;

/* A serial is 0x02, 48 bits of time, the shard, 64 random bits: positive, 16 bytes, in the order of issuance, and with the 64
 * unpredictable bits of the Baseline Requirements §7.1. Older ones are 0x01, the time, 72 random bits, and of shard 0. */
void serial_make(int64_t now_ms, uint8_t shard, uint8_t out[SERIAL_SIZE]);
uint8_t serial_shard(const uint8_t serial[SERIAL_SIZE]);
int64_t serial_time_ms(const uint8_t serial[SERIAL_SIZE]);

/* INTENT, TLS_INTENT and OCSP_INTENT. */
struct intent {
	bool tls;                     /* not of a client: by a fixed template, without an order */
	bool ocsp;                    /* with tls: a responder's; evidence is its SubjectPublicKeyInfo, csr_digest the digest of that */
	uint8_t order[ORDER_ID_SIZE]; /* zero with tls */
	uint8_t serial[SERIAL_SIZE];
	uint8_t csr_digest[SHA256_SIZE]; /* of the CSR's DER */
	uint8_t thumbprint[SHA256_SIZE]; /* of the account; zero with tls */
	struct bytes profile;
	uint8_t tbs_digest[SHA256_SIZE]; /* of what is about to be signed */
	struct bytes evidence;           /* ISSUE's whole body; the CSR's DER with tls */
	uint8_t issuer[ISSUER_KEY_SIZE]; /* whose key will sign; zero in older records: the first issuer's */
};
void intent_write(const struct intent *i, struct buf *out);
enum err_code intent_read(const struct record *r, struct intent *ret, struct err *e) MUST_USE;

/* RESULT */
struct result {
	uint8_t serial[SERIAL_SIZE];
	struct bytes certificate;
};
void result_write(const struct result *r, struct buf *out);
enum err_code result_read(const struct record *r, struct result *ret, struct err *e) MUST_USE;

/* VOID */
struct voided {
	uint8_t serial[SERIAL_SIZE];
	uint8_t order[ORDER_ID_SIZE]; /* zero for the TLS template */
	struct bytes reason;
	uint8_t issuer[ISSUER_KEY_SIZE]; /* as in its intent */
};
void void_write(const struct voided *v, struct buf *out);
enum err_code void_read(const struct record *r, struct voided *ret, struct err *e) MUST_USE;

/* NOTE */
void note_write(uint32_t segment, uint64_t at, uint64_t bytes, struct buf *out);

#endif
