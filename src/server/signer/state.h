/* The signer's inside, shared by its files; nobody outside this folder includes it. */
#ifndef CHANCERY_SERVER_SIGNER_STATE_H
#define CHANCERY_SERVER_SIGNER_STATE_H

#include "base/event.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "pki/csr.h"
#include "server/blocks.h"
#include "server/signer/accounts.h"
#include "server/signer/eab.h"
#include "server/signer/entries.h"
#include "server/signer/log.h"
#include "server/signer/orders.h"
#include "server/signer/set.h"
#include "server/signer/signer.h"

#define FILE_LOG_KEY    "log.key"
#define FILE_CHECKPOINT "checkpoint"
#define FOLDER_LOG      "log"
#define FOLDER_ISSUERS  "issuers" /* one folder for each, named as it is */
#define ISSUER_FIRST    "main"    /* the one that the log's first record names */

/* In an issuer's folder. */
#define FILE_ROOT       "root.pem"
#define FILE_ISSUER     "issuer.pem" /* its certificate and those above it, without the root */
#define FILE_ISSUER_KEY "key.pem"
#define FILE_ROOT_LIST  "root.crl" /* DER; may be absent */

#define ISSUERS_LOGGED_MAX 256  /* ever */
#define OWN_KEYS_MAX       64   /* of all chains, roots, and the log's */
#define KEY_CACHE_SIZE     1024 /* account keys kept ready: parsing one costs 7 us and a point decompression's worth of checks */

#define ORDER_LIFETIME_MAX_S (8 * 3600)
#define ORDER_SLACK_MS       (5 * 60 * INT64_C(1000)) /* for a finalize that was under way when its order ended */
#define ORDER_SKEW_MS        (5 * 60 * INT64_C(1000)) /* between the front's clock and ours */
#define RECEIPT_SKEW_MS      INT64_C(5000)
#define CAA_AGE_MAX_MS       (8 * 3600 * INT64_C(1000)) /* Baseline Requirements §3.2.2.8 */

#define TLS_PER_DAY 24
#define TLS_EACH_MS (3600 * INT64_C(1000))
#define DAY_MS      (86400 * INT64_C(1000))

/* The newest certificates of the TLS template, a ring. */
struct tls_past {
	int64_t time_ms[TLS_PER_DAY];
	size_t n;                        /* how many there ever were */
	uint8_t csr_digest[SHA256_SIZE]; /* of the newest */
	uint32_t segment;                /* where its RESULT is; 0: there is none */
	uint64_t offset;
};

struct cached_key {
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct key *key; /* NULL: an empty place */
};

/* A key that an account has rolled over from, for the orders that it was still used for. */
#define FORMER_KEYS 256
struct former_key {
	uint8_t account[THUMBPRINT_SIZE];
	struct key *key; /* NULL: an empty place */
};

/* A revocation list that can be had. */
struct list {
	uint64_t number; /* 0: there is none */
	int64_t this_update_s, next_update_s;
	struct buf der;
};

/* Of an issuer's certificates those whose serial numbers name this shard, and their list. */
struct shard {
	struct list newest, before; /* the one before is kept for whoever is about to fetch it */
	int64_t before_until_ms;    /* monotonic: and until then */
	struct crl_made logged;     /* the newest in the log, which after a start nobody has any more; number 0: there never was one */
	bool changed;               /* something was revoked since */
	int64_t again_ms;           /* monotonic: not before then */
	struct entries entries;
};

/* SubjectPublicKeyInfos that nobody else may have certified. */
struct own_keys {
	struct bytes spki[OWN_KEYS_MAX];
	size_t n;
};

/* Who signs OCSP answers in an issuer's name; key NULL: nobody yet. */
struct responder {
	struct key *key; /* made by this process, and gone with it */
	struct buf certificate;
	int64_t not_after_s;
	int64_t again_ms; /* monotonic: after a failure no other one is tried before then */
	int64_t pause_ms; /* how long was waited last; 0: no failure yet */
};
/* ocsp.c */
void responder_free(struct responder *r);

/* One of the CA's keys that sign certificates. */
struct ca_issuer {
	char name[ISSUER_NAME_MAX + 1];
	struct issuer *issuer;
	struct buf chain;  /* wire, DER each: its certificate and those above it, without the root */
	struct bytes root; /* DER, in the signer's arena */
	struct bytes root_key_id;
	struct list root_list; /* the root's own, made by ceremony; number 0: there is none */
	struct shard *shards;  /* SHARDS_MAX */
	bool in_token;         /* its key is the keyholder's to use */
	struct responder responder;
};

/* What has happened, not by its own doing, and the front is to hear: by operators, and revocations whose answer may be lost. */
struct news {
	bool blocks;                                 /* the list is another one */
	struct revoked_new revoked[REVOKED_NEW_MAX]; /* a ring */
	uint64_t n_revoked, told;                    /* how many there ever were; and how many of them the front has heard of */
	struct limits_reset resets[RESETS_MAX];
	size_t n_resets;
};

struct signer {
	int dir, log_dir;
	struct identity identity;
	struct arena *arena; /* what lives as long as the signer: certificates, keys of this CA */
	struct ca_issuer issuers[ISSUERS_MAX];
	size_t n_issuers; /* at least one, sorted by name */
	struct {
		uint8_t certificate[ISSUERS_LOGGED_MAX][SHA256_SIZE]; /* digests of their certificates */
		size_t n;
	} logged; /* those that the log knows, but for the first */
	struct key *log_key;
	struct own_keys own;
	struct arena *settings_arena;
	struct settings settings;  /* a copy of our own */
	struct name_policy policy; /* the settings' rules */
	struct blocked *blocked;   /* the process's; NULL: no key is */
	struct blocks *blocks;     /* what operators have blocked, by the log */
	struct news news;
	struct {
		struct channel *channel; /* NULL: there is none now */
		uint32_t next_id;
		int64_t pause_ms, pause_until_ms; /* the last one; monotonic */
	} keyholder;
	struct accounts *accounts;
	struct eab_keys *eab;
	struct log *log;
	struct orders *orders;
	size_t n_revoked;        /* entries of all shards */
	struct set *compromised; /* digests of SubjectPublicKeyInfos that may not be certified any more */
	int64_t lists_again_ms;  /* monotonic: no list is made before then, as the last ones took long */
	struct tls_past tls;
	struct cached_key keys[KEY_CACHE_SIZE];
	struct former_key former[FORMER_KEYS]; /* a ring */
	size_t n_former;                       /* how many there ever were */
	struct buf scratch;                    /* a TBSCertificate or certificate in the making */
	struct buf event;                      /* an event's body in the making */
	struct signer_counts counts;
	struct event_limit refused_events, ignored_events; /* a hostile front can cause them as often as it likes */
};

/* keys.c: identity and the log's key. */
enum err_code signer_load(struct signer *s, struct err *e) MUST_USE;
/* A file with a private key: its folder's owner (or root) alone may read it, else CONFIG. */
enum err_code signer_read_key_file(int dir, const char *name, struct buf *out, struct err *e) MUST_USE;

/* issuers.c: every issuer of the folder. An older folder, which has its one issuer's files beside the log, becomes one with `issuers`. */
enum err_code issuers_load(struct signer *s, struct bytes passphrase, struct err *e) MUST_USE;
/* CONFIG for one that no record of the log knows: it was put there by nobody's ceremony. */
enum err_code issuers_check_known(struct signer *s, struct err *e) MUST_USE;
/* events.c: ISSUER. */
enum err_code issuer_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
void issuers_free(struct signer *s);
/* What an issuer's folder holds, read and held against each other: CONFIG, naming the file, when it cannot be. The public keys of its
 * certificates are added to *own, views into the arena. ret's name stays. */
struct issuer_files {
	struct bytes root_pem, issuer_pem, key_pem, passphrase; /* key_pem: or the URI of a key in a token */
	struct signer *signer;                                  /* whose keyholder signs with a key in a token; NULL: nobody will */
};
enum err_code issuer_make(
    struct arena *a, const struct issuer_files *f, struct own_keys *own, struct ca_issuer *ret, struct err *e) MUST_USE;
void ca_issuer_free(struct ca_issuer *i);
/* The names in the folder of issuers, sorted, into v. CONFIG: one that is none, or too many. */
enum err_code issuers_list(int folder, struct ca_issuer v[ISSUERS_MAX], size_t *ret_n, struct err *e) MUST_USE;
/* CONFIG unless all of them fit into the one message by which the front is told (hello_ok_write()). */
enum err_code issuers_check_room(const struct ca_issuer *v, size_t n, struct err *e) MUST_USE;
/* A root's own list, after a look whether it is that root's (DER, both). */
#define ROOT_LIST_MAX (1u << 20)
enum err_code root_list_make(struct bytes root, struct bytes der, struct list *ret, struct err *e) MUST_USE;
/* By its subjectKeyIdentifier, as a certificate's authorityKeyIdentifier has it; NULL: none of ours. */
struct ca_issuer *issuers_find(struct signer *s, struct bytes key_id);
/* Of a record: by its subjectKeyIdentifier, or the first one where that is zero. NULL: it is not in the folder any more. */
struct ca_issuer *issuers_of_record(struct signer *s, const uint8_t key_id[ISSUER_KEY_SIZE]);
/* CONFIG: a profile names an issuer that is not there, none may sign for it, or one would sign for servers and for clients. */
enum err_code issuers_check_profiles(const struct signer *s, const struct settings *settings, struct err *e) MUST_USE;
/* Which one is to sign a certificate that lasts until not_after_s, for a key of this type: of those that the profile allows and that last as
 * long, the first whose own key is of the same kind, else the first. CONFIG: none lasts as long. */
enum err_code issuers_choose(const struct signer *s, const struct profile *p, enum key_type type, int64_t not_after_s,
    const struct ca_issuer **ret, struct err *e) MUST_USE;

/* evidence.c: what the client itself has signed. */
struct evidence {
	uint8_t order[ORDER_ID_SIZE];
	uint8_t account_id[THUMBPRINT_SIZE]; /* the thumbprint of its first key */
	uint8_t thumbprint[THUMBPRINT_SIZE]; /* of its present key */
	struct bytes account_url;
	const struct key *account; /* borrowed from the cache until the next evidence */
	struct bytes csr_der;
	uint8_t csr_digest[SHA256_SIZE];
	struct san *ordered; /* the names of newOrder, sorted */
	size_t n_ordered;
	struct identifier *identifiers; /* the same names as newOrder has them */
	size_t n_identifiers;
	const struct profile *profile;
	int64_t not_before_s, not_after_s;
};
/* The client's two requests: whose, for which order, with which CSR. Afterwards they are known to be authentic, and nothing else. */
enum err_code evidence_read(
    struct signer *s, struct arena *a, const struct issue *i, int64_t now_ms, struct evidence *ret, struct err *e) MUST_USE;
/* The account that a key, in its canonical JWK, speaks for. UNAUTHORIZED: a key that was rolled over, a deactivated account;
 * BAD_PUBLIC_KEY: a blocked key. ret's account_url is in the arena. */
struct account_evidence_key {
	uint8_t id[THUMBPRINT_SIZE], thumbprint[THUMBPRINT_SIZE];
	struct bytes url;
	const struct key *key; /* as evidence's account */
};
enum err_code account_read(struct signer *s, struct arena *a, struct bytes jwk, struct account_evidence_key *ret, struct err *e) MUST_USE;
/* The account that the key is, or was, of, whether it may still speak for it or not; account_speaks() asks that. */
enum err_code account_find(struct signer *s, struct arena *a, struct bytes jwk, struct account_evidence_key *ret, struct err *e) MUST_USE;
enum err_code account_speaks(struct signer *s, const struct account_evidence_key *k, struct err *e) MUST_USE;
/* Profile and validity, from newOrder as far as it asks for any. */
enum err_code validity_decide(const struct profile *p, int64_t order_ms, int64_t now_ms, bool wants_before, int64_t before_s,
    bool wants_after, int64_t after_s, int64_t *ret_before_s, int64_t *ret_after_s, struct err *e) MUST_USE;

/* receipts.c: control and CAA for every name of the CSR. CONFIRM when a receipt is missing or any one given does not hold. */
enum err_code receipts_check(const struct signer *s, struct arena *a, const struct issue *i, const struct evidence *v,
    const struct csr *csr, int64_t now_ms, struct err *e) MUST_USE;

/* Control of every name alone, by receipts of the account of v: for revocation. UNAUTHORIZED when a name has none. */
enum err_code receipts_check_control(const struct signer *s, struct arena *a, const struct bytes *receipts, size_t n_receipts,
    const struct evidence *v, const struct csr *names, int64_t now_ms, struct err *e) MUST_USE;

/* csr_check.c: the CSR's signature, its key's hygiene. account and profile: NULL for the TLS template. */
enum err_code csr_check(const struct signer *s, struct arena *a, struct bytes der, const struct key *account, const struct profile *profile,
    struct csr *ret, enum key_type *ret_type, struct err *e) MUST_USE;

/* policy_check.c: whether the account may have these names by this profile: the profile's own rules, the configuration's policy, the
 * scope of the account's external account key. REJECTED_IDENTIFIER, UNAUTHORIZED, EXTERNAL_ACCOUNT_REQUIRED. */
enum err_code policy_check(const struct signer *s, const struct evidence *v, struct err *e) MUST_USE;

/* tls.c: the fixed template. Its profile: the first for TLS servers. */
const struct profile *tls_profile(const struct signer *s);
enum err_code tls_names_check(const struct signer *s, struct arena *a, const struct csr *csr, struct err *e) MUST_USE;
/* RATE_LIMITED when there were too many lately. */
enum err_code tls_rate_check(const struct signer *s, int64_t now_ms, struct err *e) MUST_USE;
/* Whether this CSR is the one of the newest certificate, made within the hour: the same answer once more. */
bool tls_is_repeated(const struct signer *s, const uint8_t csr_digest[SHA256_SIZE], int64_t now_ms);
void tls_remember(struct signer *s, const struct log_entry *n);

/* checkpoint.c: looks at the folder's own file. */
enum err_code checkpoint_check_file(struct signer *s, struct err *e) MUST_USE;

/* events.c. The rest of the log's records: each has a function that takes it into the state, the same for what a start recalls
 * and for what has just been added. So the state is what the log says, and nothing else. */
enum err_code event_recall(void *ctx, const struct record *r, struct err *e) MUST_USE;
/* Adds one to the batch in the making and takes it into the state at once: answers leave only when the batch is durable, and when it
 * does not get so, this process ends. */
enum err_code event_append(struct signer *s, enum log_type type, struct bytes body, int64_t now_ms, struct err *e) MUST_USE;
/* The same outside a round, with a batch of its own: durable when it returns. BUSY when the clock has gone back. */
enum err_code signer_add_event(struct signer *s, enum log_type type, struct bytes body, struct err *e) MUST_USE;

/* Judges a request: OK, and *event is the body of the record that it leaves, or empty when the log says so already; *ret_answer is the
 * body of its answer, in the arena. Requests of one round are judged one after the other, each with what the ones before have changed. */
typedef enum err_code request_prepare(
    struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event, struct bytes *ret_answer, struct err *e);
struct request_row {
	uint16_t message, answer;
	enum log_type record;
	bool urgent;
	request_prepare *prepare; /* NULL: issue.c's own */
};
extern const struct request_row request_rows[REQUEST__MAX];

/* keyholder.c: the key that the URI (to its line's end) names, whose public half this is. */
#define KEY_URI_SCHEME "pkcs11:"
enum err_code keyholder_key(struct signer *s, struct bytes uri, struct bytes spki, struct key **ret, struct err *e) MUST_USE;
/* BUSY when the issuer's key is in a token that does not sign now: asked before anything is announced in the log. */
enum err_code keyholder_ready(const struct signer *s, const struct ca_issuer *i, struct err *e) MUST_USE;

/* operate_block.c: BLOCK. */
enum err_code block_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;

/* account.c: requests of the front, and what the log says of accounts and of external account keys. */
request_prepare rollover_prepare, deactivate_prepare, bind_prepare;
enum err_code account_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;
enum err_code eab_take(struct signer *s, const struct record *r, struct err *e) MUST_USE;

/* events.c: BUSY when the clock stands before the log's last record: nothing at all may be written. */
enum err_code signer_clock_check(const struct signer *s, int64_t now_ms, struct err *e) MUST_USE;
/* Whether the log's folder is where it was opened. IO when it is not, and the log is poisoned: a start would find nothing of what were
 * written there. */
enum err_code signer_place_check(struct signer *s, struct err *e) MUST_USE;
/* BUSY when less space is free than "reserve": only what is urgent may be written. */
enum err_code signer_space_check(const struct signer *s, struct err *e) MUST_USE;

#endif
