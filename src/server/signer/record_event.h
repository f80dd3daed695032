/* What the log holds beside certificates: revocations, accounts, revocation lists, keys for external accounts. Bodies alone, each
 * with a writer and a reader; a reader refuses (MALFORMED) what its writer would not have written. docs/protocol/log.md is normative. */
#ifndef CHANCERY_SERVER_SIGNER_RECORD_EVENT_H
#define CHANCERY_SERVER_SIGNER_RECORD_EVENT_H

#include "jose/jwk.h"
#include "server/blocks.h"
#include "server/signer/record.h"

/* REVOKE */
enum revoked_by { REVOKED_BY_KEY = 1, REVOKED_BY_ACCOUNT, REVOKED_BY_NAMES, REVOKED_BY_OPERATOR };
struct revocation {
	uint8_t serial[SERIAL_SIZE];
	uint8_t reason; /* enum crl_reason */
	int64_t time_s;
	uint8_t by; /* enum revoked_by */
	int64_t not_after_s;
	uint8_t spki_digest[SHA256_SIZE]; /* of the certificate's SubjectPublicKeyInfo */
	struct bytes evidence;            /* REVOKE's whole body */
	uint8_t issuer[ISSUER_KEY_SIZE];  /* of the certificate; zero in older records: the first issuer's */
};
#define REVOCATION_SIZE (SERIAL_SIZE + 1 + 8 + 1 + 8 + SHA256_SIZE + 4 + ISSUER_KEY_SIZE) /* with no evidence */
void revocation_write(const struct revocation *v, struct buf *out);
enum err_code revocation_read(const struct record *r, struct revocation *ret, struct err *e) MUST_USE;

/* ROLLOVER; DEACTIVATE: the new key is none; BIND: kid, and no keys. */
struct account_event {
	uint8_t account[THUMBPRINT_SIZE];        /* its id: the thumbprint of its first key */
	uint8_t thumbprint[THUMBPRINT_SIZE];     /* of its key until then */
	uint8_t new_thumbprint[THUMBPRINT_SIZE]; /* ROLLOVER alone */
	struct bytes kid;                        /* BIND alone: of the external account's key */
	struct bytes evidence;                   /* the request's whole body */
};
#define EVENT_KID_MAX 256
void account_event_write(enum log_type type, const struct account_event *v, struct buf *out);
enum err_code account_event_read(const struct record *r, struct account_event *ret, struct err *e) MUST_USE;

/* CRL */
struct crl_made {
	uint8_t issuer[ISSUER_KEY_SIZE];
	uint64_t number;
	int64_t this_update_s, next_update_s;
	uint8_t digest[SHA256_SIZE]; /* of the list's DER */
	uint8_t shard;               /* 0 in older records */
};
void crl_made_write(const struct crl_made *v, struct buf *out);
enum err_code crl_made_read(const struct record *r, struct crl_made *ret, struct err *e) MUST_USE;

/* EAB. Never the key's secret: whoever reads the log learns none. */
enum eab_action { EAB_MADE = 1, EAB_REVOKED, EAB_EXPIRED };
struct eab_event {
	struct bytes kid;
	uint8_t action; /* enum eab_action */
	uint32_t uid;   /* of the operator */
	struct bytes detail;
};
#define EAB_DETAIL_MAX 65536
void eab_event_write(const struct eab_event *v, struct buf *out);
enum err_code eab_event_read(const struct record *r, struct eab_event *ret, struct err *e) MUST_USE;

/* AUDIT: no event, as nothing rests on it. */
struct audit {
	uint32_t uid;        /* of the operator */
	struct bytes action; /* "backup" */
	struct bytes detail; /* UTF-8; may be empty */
};
#define AUDIT_ACTION_MAX 64
#define AUDIT_DETAIL_MAX 4096
void audit_write(const struct audit *v, struct buf *out);
enum err_code audit_read(const struct record *r, struct audit *ret, struct err *e) MUST_USE;

/* ISSUER */
struct issuer_event {
	struct bytes name, issuer_pem, root_pem;
	uint32_t uid; /* of the operator */
};
#define ISSUER_PEM_MAX 65536
void issuer_event_write(const struct issuer_event *v, struct buf *out);
enum err_code issuer_event_read(const struct record *r, struct issuer_event *ret, struct err *e) MUST_USE;

/* BLOCK */
struct block_event {
	bool on; /* false: it is blocked no more */
	struct block block;
};
void block_event_write(const struct block_event *v, struct buf *out);
enum err_code block_event_read(const struct record *r, struct block_event *ret, struct err *e) MUST_USE;

/* Whether records of this type are events: recalled one by one, in their order, at every start. */
bool log_type_is_event(unsigned type);
/* MALFORMED unless the event's body is one. */
enum err_code event_check(const struct record *r, struct err *e) MUST_USE;

#endif
