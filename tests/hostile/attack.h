/* A front that is wholly taken over: it stands in the place of chancery-ca-front, is started by the real parent, and attacks the
 * real signer and validator over the channels that a front has. It plays the client too, with account keys of its own. */
#ifndef CHANCERY_TESTS_HOSTILE_ATTACK_H
#define CHANCERY_TESTS_HOSTILE_ATTACK_H

#include "crypto/key.h"
#include "server/child.h"
#include "server/identity.h"

#define PACKET_MAX    (CHANNEL_HEADER_LEN + CHANNEL_BODY_MAX)
#define CASE_NAMES    4
#define CASE_RECEIPTS 8

/* A peer's channel, without any of the rules that an honest sender keeps. */
struct link {
	int fd;
	uint32_t next_id;
};

/* What the validator gave for a name. */
struct proof {
	const char *name;
	unsigned account;
	struct bytes control, caa;
};
enum { PROOF_A, PROOF_B, PROOF_C, PROOF__MAX }; /* a.test and c.test are account A's, b.test is account B's */
enum { ACCOUNT_A, ACCOUNT_B, ACCOUNT__MAX };

struct attacker {
	struct child child;
	struct link signer, validator;
	bool stopping;
	bool signer_said_hello;
	struct arena *a; /* of one case */
	struct arena *kept;
	struct key *account[ACCOUNT__MAX], *leaf, *leaf2, *stranger;
	struct key *issuer;       /* the CA's own key, which the test gives: a CSR must not carry it */
	struct identity identity; /* the real one, which the test gives: receipts of another time or CA are made with it, nothing else */
	struct proof proofs[PROOF__MAX];
	struct bytes crossed_control, crossed_caa; /* genuine receipts with account A's thumbprint and account B's URL */
	struct bytes issued_body;                  /* an ISSUE that was answered, and its certificate */
	struct bytes issued_certificate;
	struct bytes chain;                       /* the issuer's certificates, from HELLO_OK */
	struct bytes revoked_serial, good_serial; /* both in w->kept */
	struct crl_new list;                      /* the newest that the signer has told of */
	unsigned honest;                          /* certificates that came by honest evidence */
	int results;                              /* the file that the test reads */
	unsigned failed, passed;
};

/* --- results: one line for each case, "ok NAME" or "FAILED NAME: why" --- */
void report(struct attacker *w, const char *name, bool ok, const char *why, ...) PRINTF(4, 5);
/* What must work for the attacks to mean anything: its failure ends the attacker. */
void need(struct attacker *w, enum err_code rc, const char *what, const struct err *e);

/* --- link.c --- */
/* Reads a channel's descriptor as it comes from the parent. */
void link_open(struct link *l, int fd);
/* Sends bytes as one packet, waiting for room; false when the peer is gone. */
bool link_send_packet(struct attacker *w, struct link *l, struct bytes packet, const int *fds, size_t n_fds);
/* Without waiting: false when there is no room. */
bool link_try_packet(struct link *l, struct bytes packet);
uint32_t link_send(struct attacker *w, struct link *l, uint16_t type, struct bytes body);
bool link_send_as(struct attacker *w, struct link *l, uint16_t type, uint32_t id, struct bytes body);
/* A packet's bytes in `out`. */
struct bytes packet_of(struct arena *a, uint16_t type, uint32_t id, struct bytes body);
/* The next message of the peer, whatever it is; false at the deadline or when the peer is gone. The parent is served meanwhile.
 * Valid until the next call. */
bool link_receive(struct attacker *w, struct link *l, int wait_ms, struct message *ret);
/* Sends a request and waits for its answer; other messages on the way are passed over. */
bool link_ask(struct attacker *w, struct link *l, uint16_t type, struct bytes body, struct message *ret);
/* Makes sure that the peer has seen everything so far, and counts what it has said to it by type. False when it no longer answers. */
struct said {
	unsigned issued, refused, other;
	bool strange; /* a certificate that is not the one of issued_body */
};
bool link_settle(struct attacker *w, struct link *l, struct said *ret);
void said_add(struct attacker *w, struct said *s, const struct message *m);
/* Serves the parent: new channels, status, stop. */
void serve_parent(struct attacker *w, int wait_ms);

/* --- client.c --- */
/* One issuance as it should be; an attack changes a field before it is built or a part afterwards. */
struct recipe {
	unsigned account;         /* whose kid */
	unsigned jwk_of;          /* whose JWK goes along */
	const struct key *signer; /* signs both requests */
	const struct key *csr_key;
	const char *names[CASE_NAMES + 1], *csr_names[CASE_NAMES + 1]; /* ended by NULL */
	const char *profile, *not_before, *not_after;
	const char *base; /* NULL: the CA's */
	int64_t order_ms;
	bool spoil_csr, spoil_new_order, same_order;
	struct bytes receipts[CASE_RECEIPTS];
	size_t n_receipts;
	/* what recipe_build() makes of it */
	uint8_t order[ORDER_ID_SIZE];
	struct bytes new_order, csr, finalize, jwk;
};
/* A good one for a proof's name, with its receipts. */
struct recipe recipe_of(const struct attacker *w, unsigned proof);
/* Makes newOrder, order id, CSR and finalize. With same_order, order and newOrder stay what they are. */
void recipe_build(struct attacker *w, struct recipe *r);
struct bytes recipe_body(struct attacker *w, const struct recipe *r);
struct bytes account_url_of(struct attacker *w, unsigned account);
/* The JWS made of one's header, another's payload and a third one's signature. */
struct bytes jws_mix(struct attacker *w, struct bytes header_of, struct bytes payload_of, struct bytes signature_of);
/* A genuine receipt's content, sealed again with another key or after a change. */
struct receipt receipt_of(struct attacker *w, struct bytes genuine);
struct bytes receipt_seal(struct attacker *w, const struct receipt *r, const uint8_t key[RECEIPT_KEY_SIZE]);
/* Asks for a certificate; *ret is a copy in w->kept. */
enum err_code ask_issue(struct attacker *w, struct bytes body, struct issued *ret, struct err *e);
struct bytes copy_of(struct arena *a, struct bytes in);
/* Signed by k, with kid or jwk. */
struct bytes jws_of(
    struct attacker *w, const struct key *k, bool nonce, struct bytes url, struct bytes kid, struct bytes jwk, struct bytes payload);
struct bytes jwk_of(struct attacker *w, const struct key *k);
struct bytes url_of(struct attacker *w, const char *path);

/* --- the attacks, each file one kind --- */
void attack_before_hello(struct attacker *w);
void attack_evidence(struct attacker *w);
void attack_orders(struct attacker *w);
void attack_accounts(struct attacker *w);
/* A deactivation of account A that it has not signed. */
struct bytes bad_account_request(struct attacker *w);
void attack_revocations(struct attacker *w);
/* One that is refused, whatever becomes of its bytes: it is of another account. */
struct bytes bad_revocation(struct attacker *w);
void attack_ocsp(struct attacker *w);
/* Of issued_certificate, in w->a; the issuer's certificate. */
struct bytes serial_of(struct attacker *w);
struct bytes issuers_own(struct attacker *w);
/* At the end: what is revoked is revoked, and nothing else. */
void revoked_after_it_all(struct attacker *w);
void list_after_it_all(struct attacker *w);
void attack_tls(struct attacker *w);
void attack_channel_signer(struct attacker *w);
void attack_channel_validator(struct attacker *w);
void attack_validator(struct attacker *w);
void attack_random(struct attacker *w, unsigned packets);
/* Genuine receipts for the names, by the real validator. */
void gather_proofs(struct attacker *w);
/* An honest issuance; it must succeed. */
void honest_issuance(struct attacker *w, const char *name, unsigned proof);

#endif
