/* Receipts: what the validator saw, in one canonical form with a MAC that only validator and signer can make. The front stores
 * and hands on; it cannot make, change or widen one. docs/protocol/receipts.md is normative. */
#ifndef CHANCERY_SERVER_RECEIPT_H
#define CHANCERY_SERVER_RECEIPT_H

#include "acme/identifier.h"
#include "base/wire.h"

#define RECEIPT_KEY_SIZE 32
#define RECEIPT_SIZE_MAX 2048
#define RECEIPT_ID_SIZE  16
#define INSTANCE_SIZE    16

enum receipt_kind { RECEIPT_CONTROL = 1, RECEIPT_CAA = 2 };
enum receipt_scope { SCOPE_EXACT = 1, SCOPE_WILDCARD = 2 };
enum dnssec_status { DNSSEC_OFF = 0, DNSSEC_INSECURE = 1, DNSSEC_SECURE = 2 }; /* bogus never makes a receipt */
enum caa_outcome { CAA_NO_RECORDS = 1, CAA_PERMITTED = 2 };                    /* a refusal never makes a receipt */

struct receipt {
	uint32_t key_id;
	uint8_t instance[INSTANCE_SIZE]; /* of the CA */
	struct bytes perspective;        /* "local" */
	uint8_t id[RECEIPT_ID_SIZE];
	enum receipt_kind kind;
	struct identifier identifier; /* wildcard is always false: scope says it */
	enum receipt_scope scope;
	struct bytes account_url;
	uint8_t thumbprint[32];
	enum dnssec_status dnssec;
	int64_t time_ms;
	enum challenge_type method;
	/* control */
	struct bytes domain; /* the authorization domain name that was looked at */
	struct bytes token;
	bool relaxed_address; /* an address of a special-purpose range, allowed by the validator's configuration */
	uint8_t seen[32];     /* SHA-256 of what the host answered */
	/* CAA */
	struct bytes issuer_domain, node; /* node: where the RRset was found, empty when none */
	uint8_t rrset[32];                /* SHA-256 of the RRset, zero when none */
	uint32_t ttl_s;
	enum caa_outcome outcome;
};

void receipt_write(const struct receipt *r, struct bytes key, struct buf *out);
/* UNAUTHORIZED for a wrong MAC, MALFORMED for what is not canonical. Views into `in`. */
enum err_code receipt_read(struct bytes in, struct bytes key, struct receipt *ret, struct err *e) MUST_USE;
/* The same without the key, and so without a look at the MAC: for what stands in the log, whose chain vouches for it. */
enum err_code receipt_look(struct bytes in, struct receipt *ret, struct err *e) MUST_USE;

/* Tokens: 6 bytes time (ms), 10 random, 16 of a MAC over a label and both; base64url, 43 characters. Minted by the validator. */
#define TOKEN_AGE_MAX_MS (7 * 86400 * INT64_C(1000))
void token_mint(struct bytes key, int64_t now_ms, char out[44]);
/* UNAUTHORIZED: not minted by this key, or older than TOKEN_AGE_MAX_MS, or from the future. */
enum err_code token_check(struct bytes key, int64_t now_ms, struct bytes token, struct err *e) MUST_USE;

#endif
