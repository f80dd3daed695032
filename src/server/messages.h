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

/* VALIDATED: both receipts, or the problem for the applicant. */
struct validated {
	struct bytes control, caa; /* receipts; both empty when there is a problem */
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
#define ORDER_PATH      "/acme/order/"
#define FINALIZE_SUFFIX "/finalize"
struct bytes account_url(struct arena *a, struct bytes base, const uint8_t thumbprint[32]);
/* UNAUTHORIZED unless url is exactly base's finalize URL of an order. */
enum err_code finalize_url_read(struct bytes base, struct bytes url, uint8_t ret_order[ORDER_ID_SIZE], struct err *e) MUST_USE;

#endif
