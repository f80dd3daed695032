/* What the signer's tests share: a CA of their own in a folder under /tmp, a client and a validator that build real requests and
 * receipts, and a seam that plays time, counts operations and fails the N-th one. */
#ifndef CHANCERY_SERVER_SIGNER_TEST_WORLD_H
#define CHANCERY_SERVER_SIGNER_TEST_WORLD_H

#include "base/seam.h"
#include "crypto/key.h"
#include "server/receipt.h"
#include "server/signer/record.h"
#include "server/signer/signer.h"

#define BASE         "https://ca.example"
#define CAA_IDENTITY "ca.example"
#define START_MS     INT64_C(1790000000000) /* 2026-09-21 */
#define HOUR_MS      INT64_C(3600000)
#define RECIPE_NAMES 8

/* --- the seam --- */

enum test_op { OP_OPEN, OP_PREAD, OP_WRITE, OP_PWRITE, OP_FSYNC, OP_FDATASYNC, OP_TRUNCATE, OP_RENAME, OP__MAX };

struct test_seam {
	int64_t wall_ms;         /* the clock stands still until a test moves it */
	uint64_t ops;            /* so far */
	uint64_t fail_at;        /* the operation that fails (1: the next after a reset); 0: none */
	bool fail_all_after;     /* and all later ones too: the disk is gone */
	bool tear;               /* a failing write has written half */
	bool failed;             /* it has come to that */
	bool journal;            /* note what a power cut may take back */
	bool real_sync;          /* else syncs only count: the tests' folder may lie on a slow disk */
	enum test_op trace[256]; /* the newest operations that write */
	size_t n_trace;
};
extern struct test_seam test_seam;
void test_seam_install(void);
void test_seam_reset(void);
/* What a power cut does: of what was written since the last sync of its file, each sector of 512 bytes is on the disk or is not;
 * `keep` of 256 are, chosen by `seed`. Only with test_seam.journal set beforehand. */
void test_seam_power_cut(unsigned keep, uint64_t seed);

/* --- the CA --- */

struct world {
	char folder[64];
	int dir;
	struct settings settings;
	struct identity identity;
	struct key *root, *issuer, *account, *other, *leaf, *leaf2;
	struct buf root_pem, issuer_pem, issuer_key_pem;
	struct arena *a;     /* of a test: everything that the builders below make */
	struct arena *round; /* of signer_round() */
	struct signer *s;
};
/* A new CA, opened; the clock stands at START_MS, or where it is told. */
void world_new(struct world *w);
void world_new_at(struct world *w, int64_t wall_ms);
void world_free(struct world *w);
/* Closes and opens again; the error's code. */
enum err_code world_reopen(struct world *w, struct err *e);
void world_close(struct world *w);
/* cmocka's setup and teardown with a struct world as the state. */
int world_setup(void **state);
int world_teardown(void **state);
/* Path of a file in the folder, in a static buffer. */
const char *world_path(const struct world *w, const char *file);
void copy_folder(const char *from, const char *to);
void remove_folder(const char *path);

/* --- the client and the validator --- */

/* One issuance as it should be; a test changes a field and sees what comes of it. */
struct recipe {
	struct key *account;   /* signs both requests */
	struct key *jwk;       /* whose JWK is given */
	struct key *first;     /* whose thumbprint is the account's id; NULL: jwk */
	struct key *order_key; /* signs newOrder; NULL: account */
	struct key *csr_key;
	const char *csr_names[RECIPE_NAMES];
	const char *order_names[RECIPE_NAMES];
	const char *profile, *not_before, *not_after;
	int64_t order_ms;
	const char *base;            /* in URLs and kid */
	const char *finalize_suffix; /* "/finalize" */
	const char *new_order_path;
	const char *kid_suffix; /* appended to finalize's kid */
	const char *new_order_kid_suffix;
	const char *payload;           /* of finalize; NULL: the CSR */
	const char *new_order_payload; /* NULL: made from the fields above */
	bool header_jwk;               /* finalize carries jwk instead of kid */
	bool no_nonce;
	bool break_finalize, break_new_order, break_csr; /* signatures */
	bool foreign_digest;                             /* the order's id is of another newOrder */
	bool jwk_spaces;                                 /* the JWK is not canonical */
	uint8_t random[8];                               /* of the order's id */
	struct receipt receipts[2 * RECIPE_NAMES];
	size_t n_receipts;
	bool break_receipt; /* one bit of the first one */
	uint8_t receipt_key[RECEIPT_KEY_SIZE];
	/* made by recipe_body(), and used again by the next one: the same order, the same CSR, until a test clears them */
	uint8_t order[ORDER_ID_SIZE];
	struct bytes new_order, csr;
};
/* A good one for these names (NULL-terminated list of at most RECIPE_NAMES), with receipts for each. */
struct recipe recipe_new(struct world *w, const char *const *names);
/* A good one for example.org. */
struct recipe recipe_simple(struct world *w);
/* ISSUE's body. */
struct bytes recipe_body(struct world *w, struct recipe *r);
/* Its receipts, control and CAA of each name in turn, as the validator gives them out. Returns how many. */
size_t recipe_receipts(struct world *w, const struct recipe *r, struct bytes out[2 * RECIPE_NAMES]);
/* A request signed by k; kid or jwk. spoil: with a wrong signature. */
struct bytes make_jws(
    struct world *w, struct key *k, const char *url, struct bytes kid, struct bytes jwk, bool nonce, struct bytes payload, bool spoil);
struct bytes jwk_of(struct world *w, const struct key *k);
/* The URL of the account whose first key this is. */
struct bytes kid_of(struct world *w, const char *base, const struct key *k, const char *suffix);
struct bytes make_csr(struct world *w, struct key *k, const char *const *names, bool spoil);
/* A copy for fuzz targets: of three bytes of `in` each, two say where and the third what is changed. */
struct bytes bytes_changed(struct world *w, struct bytes body, struct bytes in);

/* One request that is no issuance, in a round of its own; *ret, which may be NULL, gets the answer's body, in w->a. */
enum err_code ask_signer(struct world *w, enum request_kind kind, struct bytes body, struct bytes *ret, struct err *e);
/* One request in a round of its own. *ret may be NULL. */
enum err_code issue_body(struct world *w, struct bytes body, bool tls, struct issued *ret, struct err *e);
enum err_code issue(struct world *w, struct recipe *r, struct issued *ret, struct err *e);
/* Fails the test unless it is issued. */
struct issued must_issue(struct world *w, struct recipe *r);
void assert_code(enum err_code got, enum err_code want, const struct err *e);

/* A file of which a power loss left the bytes before `at`. By turns the rest is there as zeros, or not at all; but for a rest that was zeros, with
 * which nothing would be lost. */
void world_tear(struct world *w, const char *file, uint64_t at);

/* What the log holds, by type. */
struct census {
	uint64_t n[32], all;
	uint64_t certificates_of_order; /* results of the order below */
	uint8_t order[ORDER_ID_SIZE];
	uint8_t serial[SERIAL_SIZE]; /* of that order's open intent */
	struct bytes certificate;    /* the last one, in w->a */
	struct world *w;
};
struct census log_census(struct world *w, const uint8_t *order);

#endif
