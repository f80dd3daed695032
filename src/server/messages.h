/* The messages between our processes: numbers, rules and bodies. Bodies are wire.h encodings, one function each way. */
#ifndef CHANCERY_SERVER_MESSAGES_H
#define CHANCERY_SERVER_MESSAGES_H

#include "acme/identifier.h"
#include "base/wire.h"
#include "os/channel.h"

enum process {
	PROCESS_PARENT,
#define X(code, name, executable, reader, network, writable) PROCESS_##code,
#include "server/processes.def"
#undef X
	PROCESS__MAX
};
const char *process_name(enum process p);

enum message_type {
#define X(code, from, to, body, credits, answers, fd) MESSAGE_##code,
#include "server/messages.def"
#undef X
	MESSAGE__MAX
};
extern const struct message_rule message_rules[MESSAGE__MAX];

/* What is particular to a process, for whoever starts it and for itself. The parent's row has its name alone. */
struct process_row {
	const char *name, *executable;
	unsigned reader; /* SETTINGS_READER_ bit */
	bool network, writable;
	enum message_type folder, settings, stop, peer; /* what the parent sends to it */
	enum message_type ready, failed;                /* what it sends to the parent */
};
extern const struct process_row process_rows[PROCESS__MAX];
/* What brings the process a file of blocked keys; MESSAGE__MAX: it gets none. */
enum message_type blocklist_message(enum process p);

/* One end of a channel by our rules. */
enum err_code server_channel_new(int fd, enum process self, enum process peer, struct channel **ret, struct err *e) MUST_USE;

/* VALIDATE: what the front names, and no more. */
struct validate {
	enum challenge_type method;
	struct identifier identifier;
	struct bytes token; /* one that the validator minted */
	struct bytes account_url;
	uint8_t thumbprint[32];
};
void validate_write(const struct validate *v, struct buf *out);
enum err_code validate_read(struct bytes body, struct validate *ret, struct err *e) MUST_USE;

/* RECHECK has VALIDATE's body: CAA alone is looked at again, for the method that once showed control; the token may be empty. */

/* VALIDATED, RECHECKED: the receipts, or the problem for the applicant. */
struct validated {
	struct bytes control, caa; /* receipts; both empty when there is a problem. RECHECKED has no control, an address no CAA */
	enum err_code code;        /* ERR_OK with receipts */
	struct bytes detail;       /* UTF-8, for the applicant */
};
void validated_write(const struct validated *v, struct buf *out);
enum err_code validated_read(struct bytes body, struct validated *ret, struct err *e) MUST_USE;

/* TOKENS_ASK: u32 count, 1..TOKENS_MAX. TOKENS: the tokens' text, TOKEN_LEN characters each, one after the other. */
#define TOKENS_MAX 256
#define TOKEN_LEN  43

/* ISSUE: the evidence. At most 100 names, so 200 receipts. */
#define ISSUE_RECEIPTS_MAX 200
struct issue {
	struct bytes finalize;    /* the client's signed finalize request, as received */
	struct bytes new_order;   /* the client's signed newOrder; its digest is in the order id */
	struct bytes account_jwk; /* canonical JWK whose thumbprint is the account's id */
	struct bytes *receipts;
	size_t n_receipts;
};
void issue_write(const struct issue *i, struct buf *out);
enum err_code issue_read(struct arena *a, struct bytes body, struct issue *ret, struct err *e) MUST_USE;

/* ROLLOVER: the client's keyChange request (RFC 8555 §7.3.5) and the account's present key. ROLLOVER_OK: fixed[32], the account's id.
 * DEACTIVATE: its account request of status "deactivated" (§7.3.6) and its key. DEACTIVATE_OK: empty.
 * BIND: its newAccount request with an externalAccountBinding (§7.3.4), jwk empty: it is in the request. BIND_OK: bytes, the EAB key's
 * id. The signer believes the request alone and has logged it when it answers; the same request again gets the same answer. */
struct account_evidence {
	struct bytes request; /* JWS as received */
	struct bytes jwk;     /* canonical; empty in BIND */
};
void account_evidence_write(const struct account_evidence *v, struct buf *out);
enum err_code account_evidence_read(struct bytes body, struct account_evidence *ret, struct err *e) MUST_USE;

/* REVOKE: the client's revokeCert request (§7.6). jwk: the account's key, empty when the certificate's own key has signed. Receipts:
 * control of all its names, by an account that is not its own. REVOKE_OK: u64 time (s), u8 reason. */
struct revoke {
	struct bytes request;
	struct bytes jwk;
	struct bytes *receipts;
	size_t n_receipts;
};
void revoke_write(const struct revoke *r, struct buf *out);
enum err_code revoke_read(struct arena *a, struct bytes body, struct revoke *ret, struct err *e) MUST_USE;
struct revoked {
	int64_t time_s;
	uint8_t reason; /* RFC 5280 §5.3.1 */
};
void revoked_write(const struct revoked *r, struct buf *out);
enum err_code revoked_read(struct bytes body, struct revoked *ret, struct err *e) MUST_USE;

/* REVOKED_NEW: what was revoked, so that the store knows also what no answer told it: the newest again behind HELLO_OK. u16 count, and of each fixed[16] serial,
 * u64 time (s), u8 reason. */
#define REVOKED_NEW_MAX 2048 /* in one message */
struct revoked_new {
	uint8_t serial[16];
	int64_t time_s;
	uint8_t reason;
};
void revoked_new_write(const struct revoked_new *v, size_t n, struct buf *out);
/* Into an array of REVOKED_NEW_MAX. */
enum err_code revoked_new_read(struct bytes body, struct revoked_new *v, size_t *ret_n, struct err *e) MUST_USE;

/* SIGN: what is to be signed by which key of the token. SIGNED: bytes, as key_elsewhere() wants it. UNSIGNED: a problem. */
#define SIGN_URI_MAX 1024
struct sign {
	struct bytes uri;
	uint8_t type; /* enum key_type: RSA, or ECDSA */
	struct bytes digest;
};
void sign_write(const struct sign *v, struct buf *out);
enum err_code sign_read(struct bytes body, struct sign *ret, struct err *e) MUST_USE;

/* LIMITS_RESET: bytes limit, bytes key: what an operator wants counted anew. */
#define LIMIT_NAME_MAX 64
#define LIMIT_KEY_MAX  255
struct limits_reset {
	char limit[LIMIT_NAME_MAX + 1], key[LIMIT_KEY_MAX + 1];
};
void limits_reset_write(const struct limits_reset *v, struct buf *out);
enum err_code limits_reset_read(struct bytes body, struct limits_reset *ret, struct err *e) MUST_USE;

/* HELLO_OK: the CA's instance, and each issuer's name, chain (wire: DER certificates, its own first, without the root) and root (DER). */
#define ISSUERS_MAX     8
#define ISSUER_NAME_MAX 40
#define CHAIN_SIZE_MAX  16384 /* of ML-DSA-87 an issuer and one above it */
#define ROOT_SIZE_MAX   8192
struct hello_issuer {
	struct bytes name, chain, root;
};
struct hello_ok {
	const uint8_t *instance; /* INSTANCE_SIZE */
	struct hello_issuer issuers[ISSUERS_MAX];
	size_t n_issuers;
};
void hello_ok_write(const struct hello_ok *h, struct buf *out);
enum err_code hello_ok_read(struct bytes body, struct hello_ok *ret, struct err *e) MUST_USE;

/* CRL_NEW: lists that can be had; CRL_GET: a part of it; CRL_PART: the part. Lists are larger than a message. A list is one
 * issuer's, of one shard: the certificates whose serial number names the shard (signer/record.h). */
#define CRL_PART_MAX    122880
#define ISSUER_KEY_SIZE 20 /* the issuer's subjectKeyIdentifier */
#define SHARDS_MAX      256
struct crl_new {
	uint8_t issuer[ISSUER_KEY_SIZE];
	uint8_t shard;
	uint64_t number, size;
};
#define CRL_NEW_MAX 1024 /* in one message */
void crl_new_write(const struct crl_new *v, size_t n, struct buf *out);
/* Into an array of CRL_NEW_MAX. */
enum err_code crl_new_read(struct bytes body, struct crl_new *v, size_t *ret_n, struct err *e) MUST_USE;
struct crl_get {
	uint8_t issuer[ISSUER_KEY_SIZE];
	uint8_t shard;
	uint64_t number; /* 0: the newest, whichever that is */
	uint64_t offset;
};
void crl_get_write(const struct crl_get *c, struct buf *out);
enum err_code crl_get_read(struct bytes body, struct crl_get *ret, struct err *e) MUST_USE;
struct crl_part {
	uint64_t number, size, offset; /* of the whole list; another number than was asked: a newer one is there, begin again */
	struct bytes part;
};
void crl_part_write(const struct crl_part *c, struct buf *out);
enum err_code crl_part_read(struct bytes body, struct crl_part *ret, struct err *e) MUST_USE;

/* ISSUED, ISSUED_TLS; or REFUSED in their place, see issued_answer() */
struct issued {
	struct bytes serial;      /* SERIAL_SIZE */
	struct bytes certificate; /* DER */
	struct bytes chain;       /* wire: the issuer's certificates, DER each, without the root */
	int64_t not_before_s, not_after_s;
};
void issued_write(const struct issued *i, struct buf *out);
enum err_code issued_read(struct bytes body, struct issued *ret, struct err *e) MUST_USE;

/* The signer's answer as a certificate, or its refusal as our error, word for word. */
enum err_code issued_answer(const struct message *answer, struct issued *ret, struct err *e) MUST_USE;

/* OK, or a refusal (REFUSED in the place of any answer) as our error, word for word. */
enum err_code answer_check(const struct message *answer, struct err *e) MUST_USE;

/* REFUSED, FAILED: an error's name and detail. */
void problem_write(enum err_code code, struct bytes detail, struct buf *out);
enum err_code problem_read(struct bytes body, enum err_code *ret_code, struct bytes *ret_detail, struct err *e) MUST_USE;

/* Order ids: 48 bits of time, 64 random bits, the first 128 bits of the SHA-256 of the signed newOrder (DESIGN §2): 30 bytes,
 * 40 characters of base64url. */
#define ORDER_ID_SIZE 30
#define ORDER_ID_LEN  40
void order_id_make(int64_t now_ms, struct bytes new_order, uint8_t out[ORDER_ID_SIZE]);
int64_t order_id_time_ms(const uint8_t id[ORDER_ID_SIZE]);
bool order_id_names(const uint8_t id[ORDER_ID_SIZE], struct bytes new_order);

/* The URLs that evidence rests on, made and read in one place. base has no final slash. */
#define ACCOUNT_PATH    "/acme/acct/"
#define ORDERS_SUFFIX   "/orders" /* behind an account's URL: the list of its orders */
#define ORDER_PATH      "/acme/order/"
#define FINALIZE_SUFFIX "/finalize"
struct bytes account_url(struct arena *a, struct bytes base, const uint8_t thumbprint[32]);
/* Where an issuer's revocation list of a shard is served: /crl/HEX.crl, or /crl/HEX-SHARD.crl for a shard that is not 0. base is
 * "publish.base-url"; without one there is no URL either. ptr NULL: no memory. */
#define CRL_PATH   "/crl/"
#define CRL_SUFFIX ".crl"
struct bytes crl_url(struct arena *a, struct bytes base, const uint8_t issuer[ISSUER_KEY_SIZE], uint8_t shard);
/* Where a CA certificate, by its subjectKeyIdentifier, and where the responder is served; as crl_url(). */
#define CA_PATH   "/ca/"
#define CA_SUFFIX ".cer"
#define OCSP_PATH "/ocsp"
struct bytes ca_issuers_url(struct arena *a, struct bytes base, const uint8_t issuer[ISSUER_KEY_SIZE]);
struct bytes ocsp_url(struct arena *a, struct bytes base);
/* Which list a path names; false: none. */
bool crl_path_read(struct bytes path, uint8_t ret_issuer[ISSUER_KEY_SIZE], uint8_t *ret_shard);
/* UNAUTHORIZED unless url is exactly base's finalize URL of an order. */
enum err_code finalize_url_read(struct bytes base, struct bytes url, uint8_t ret_order[ORDER_ID_SIZE], struct err *e) MUST_USE;

#endif
