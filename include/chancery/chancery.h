/* libchancery: a client of ACME certificate authorities (RFC 8555). Plain C99.
 *
 * In short:
 *	struct chancery_client *c = chancery_client_new("https://ca.example.org/directory");
 *	chancery_client_set_account_key(c, account_key);
 *	chancery_client_set_solver(c, "http-01", deploy, clean_up, context);
 *	if (chancery_client_issue(c, names, n_names, certificate_key, &certificate) != CHANCERY_OK)
 *		puts(chancery_error_message(chancery_client_error(c)));
 *
 * Conventions
 * - Strings are NUL-terminated UTF-8 unless a length goes with them. What a function is given, it copies: nothing has to live
 *   longer than the call. Callbacks' contexts are the caller's and must live as long as the handle that knows them.
 * - What a function returns by `const` pointer belongs to the handle it was asked from and lives as long as that, or as long as
 *   the function's comment says. Whatever has a chancery_*_free() is the caller's; these take NULL.
 * - A fallible function returns CHANCERY_OK or what went wrong, and then leaves its outputs untouched.
 * - Threads: one thread at a time for each handle. Handles share nothing. A key may belong to several clients of one thread.
 * - Calls that ask a CA block; each has a form for event loops, which does not: see "event-driven use".
 * - Nothing is printed, no signal handler is set, no process is started, nothing is written to disk (but by the webroot solver).
 *   Writing to a connection that the server closed never raises SIGPIPE.
 * - The library opens TLS connections to the server alone, and accepts only https. It is bounded: answers of at most 1 MiB,
 *   requests of at most a minute, one deadline for a whole issuance. */
#ifndef CHANCERY_CHANCERY_H
#define CHANCERY_CHANCERY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define CHANCERY_API __attribute__((visibility("default")))
#else
#define CHANCERY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- results ---- */

/* Numbers never change their meaning; new ones may be added. */
enum chancery_result {
	CHANCERY_OK = 0,
	CHANCERY_USAGE = 1, /* an argument that is not allowed, or a setting that is missing */
	CHANCERY_NOMEM = 2,
	CHANCERY_SYSTEM = 3,     /* a file or socket of this machine */
	CHANCERY_CALLBACK = 4,   /* one of the caller's callbacks failed, or asked to stop */
	CHANCERY_NETWORK = 5,    /* the server could not be reached, or its TLS certificate is not trusted */
	CHANCERY_PROTOCOL = 6,   /* the server answered with what ACME does not allow */
	CHANCERY_REFUSED = 7,    /* the server refused: chancery_error_type() tells the kind */
	CHANCERY_VALIDATION = 8, /* the server could not validate a name */
	CHANCERY_TIMEOUT = 9,    /* the deadline passed, or the server asks to wait beyond it */
	CHANCERY_PENDING = 10    /* of chancery_client_step() alone: it goes on */
};

/* Who has to act for it to work next time. */
enum chancery_fault {
	CHANCERY_FAULT_CALLER = 0,  /* arguments, settings, callbacks */
	CHANCERY_FAULT_MACHINE = 1, /* memory, files, sockets of this machine */
	CHANCERY_FAULT_NETWORK = 2, /* what lies between, or the server is down */
	CHANCERY_FAULT_SERVER = 3,  /* the CA */
	CHANCERY_FAULT_NAME = 4     /* the name's DNS or web server, or who runs it */
};

/* The last failure of a handle. */
struct chancery_error;

/* CHANCERY_OK when the last call succeeded. A NULL error is one without memory to tell more (CHANCERY_NOMEM). */
CHANCERY_API enum chancery_result chancery_error_result(const struct chancery_error *error);
CHANCERY_API enum chancery_fault chancery_error_fault(const struct chancery_error *error);
/* What was tried and what went wrong, for a person: one line of printable UTF-8, at most 2047 bytes. Never NULL. */
CHANCERY_API const char *chancery_error_message(const struct chancery_error *error);
/* What to do about it: one line, or "" when nothing more is known. Never NULL. */
CHANCERY_API const char *chancery_error_hint(const struct chancery_error *error);
/* The server's problem type (RFC 8555 section 6.7) without "urn:ietf:params:acme:error:", such as "rateLimited"; a full URI when
 * it is another's; "" when the server did not say. Never NULL. */
CHANCERY_API const char *chancery_error_type(const struct chancery_error *error);
/* The HTTP status of the server's answer that was the failure; 0 when there was none. */
CHANCERY_API int chancery_error_http_status(const struct chancery_error *error);
/* After how many seconds the server asks to try again; 0 when it did not say. */
CHANCERY_API uint32_t chancery_error_retry_after(const struct chancery_error *error);
/* Subproblems (RFC 8555 section 6.7.1): what was wrong with which name. i < count; "" for what the server left out, or behind
 * the last. */
CHANCERY_API size_t chancery_error_sub_count(const struct chancery_error *error);
CHANCERY_API const char *chancery_error_sub_name(const struct chancery_error *error, size_t i);
CHANCERY_API const char *chancery_error_sub_type(const struct chancery_error *error, size_t i);
CHANCERY_API const char *chancery_error_sub_detail(const struct chancery_error *error, size_t i);

/* ---- keys ---- */

/* An account's or a certificate's key, in memory or elsewhere (a token, another process, a cloud). */
struct chancery_key;

enum chancery_key_type {
	CHANCERY_KEY_ECDSA_P256 = 0,
	CHANCERY_KEY_ECDSA_P384 = 1,
	CHANCERY_KEY_RSA_2048 = 2,
	CHANCERY_KEY_RSA_3072 = 3,
	CHANCERY_KEY_RSA_4096 = 4
};

#define CHANCERY_SIGNATURE_MAX 5120 /* bytes of any signature */

/* Signs `message` (not yet hashed) and writes the signature as X.509 has it: an ECDSA one as DER Ecdsa-Sig-Value, an RSA one
 * (PKCS #1 v1.5) of the modulus' length, an Ed25519 one of 64 bytes. The hash is SHA-256, but SHA-384 for P-384.
 * signature: room for CHANCERY_SIGNATURE_MAX bytes; *signature_len: how many were written. Returns 0; anything else fails the
 * operation with CHANCERY_CALLBACK. It may block; or, in event-driven use, return CHANCERY_LATER: all that it was given is then there until
 * chancery_client_resolve(). */
typedef int chancery_sign_fn(
    void *context, const unsigned char *message, size_t message_len, unsigned char *signature, size_t *signature_len);

/* A key that lives elsewhere. spki: its public half as DER SubjectPublicKeyInfo (P-256, P-384, RSA of 2048 to 4096 bits; Ed25519
 * for accounts with CAs that take it). CHANCERY_USAGE for any other. */
CHANCERY_API enum chancery_result chancery_key_external(
    const unsigned char *spki, size_t spki_len, chancery_sign_fn *sign, void *context, struct chancery_key **ret);
/* A new key in memory. */
CHANCERY_API enum chancery_result chancery_key_generate(enum chancery_key_type type, struct chancery_key **ret);
/* From unencrypted PEM ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"). CHANCERY_USAGE when it holds none that is allowed. */
CHANCERY_API enum chancery_result chancery_key_from_pem(const char *pem, size_t pem_len, struct chancery_key **ret);
/* PKCS #8 PEM with a NUL behind it; freed with chancery_secret_free(). CHANCERY_USAGE for a key that lives elsewhere. */
CHANCERY_API enum chancery_result chancery_key_to_pem(const struct chancery_key *key, char **ret_pem, size_t *ret_len);
/* Wipes and frees what chancery_key_to_pem() gave. */
CHANCERY_API void chancery_secret_free(char *secret, size_t len);
/* DER SubjectPublicKeyInfo; lives as long as the key. */
CHANCERY_API const unsigned char *chancery_key_spki(const struct chancery_key *key, size_t *ret_len);
/* An account key's thumbprint (RFC 7638) in base64url: 43 characters and a NUL. A web server that answers TOKEN.THUMBPRINT for every token shows control for
 * the account without more ado ("stateless"). */
#define CHANCERY_THUMBPRINT_SIZE 44
CHANCERY_API void chancery_key_thumbprint(const struct chancery_key *key, char ret[CHANCERY_THUMBPRINT_SIZE]);
/* A client that uses the key holds it by itself: freeing it here is always allowed. */
CHANCERY_API void chancery_key_free(struct chancery_key *key);

/* ---- the client ---- */

struct chancery_client;

/* For the CA with this directory (an https URL). NULL without memory; a URL that is not allowed is told by the first use. */
CHANCERY_API struct chancery_client *chancery_client_new(const char *directory_url);
CHANCERY_API void chancery_client_free(struct chancery_client *client);
/* What the last call on this client had to tell; lives until the next one. */
CHANCERY_API const struct chancery_error *chancery_client_error(const struct chancery_client *client);

/* The account's key; needed. The account is made on first use and found again by its key ever after. */
CHANCERY_API enum chancery_result chancery_client_set_account_key(struct chancery_client *client, struct chancery_key *key);
/* A URI where the CA may reach the account's owner, such as "mailto:ops@example.org"; may be called again, 8 times at most. Told
 * to the CA when the account is made. */
CHANCERY_API enum chancery_result chancery_client_add_contact(struct chancery_client *client, const char *uri);
/* only != 0: an account that is there is found by its key; none is made (RFC 8555 section 7.3.1). */
CHANCERY_API enum chancery_result chancery_client_set_only_existing(struct chancery_client *client, int only);
/* agree != 0: the account's owner agrees to the CA's terms of service. Without it, a CA that has terms makes no account. */
CHANCERY_API enum chancery_result chancery_client_set_terms_agreed(struct chancery_client *client, int agree);
/* External account binding (RFC 8555 section 7.3.4), for a CA that makes accounts only for those it knows: what it gave for that, the
 * key in base64url. It is sent when the account is made. NULL, NULL: none. */
CHANCERY_API enum chancery_result chancery_client_set_external_account(
    struct chancery_client *client, const char *kid, const char *hmac_key);
/* A PEM file of the CAs that vouch for the server's TLS certificate, instead of the system's; NULL for the system's. */
CHANCERY_API enum chancery_result chancery_client_set_ca_file(struct chancery_client *client, const char *path);
/* The same as PEM text; NULL for the system's. */
CHANCERY_API enum chancery_result chancery_client_set_ca_pem(struct chancery_client *client, const char *pem);
/* The deadline of one chancery_client_issue() in seconds, waits included: 1 to 604800; 600 unless set. */
CHANCERY_API enum chancery_result chancery_client_set_timeout(struct chancery_client *client, uint32_t seconds);
/* Put before the library's own name in the User-Agent: "program/1.0". Printable ASCII, at most 100 bytes. */
CHANCERY_API enum chancery_result chancery_client_set_user_agent(struct chancery_client *client, const char *product);

/* ---- solving challenges ---- */

/* A challenge that has to be answered. Members may be added at the end: it is only ever made by the library. */
struct chancery_challenge {
	const char *type;              /* "http-01", "dns-01" or "tls-alpn-01" */
	const char *name;              /* the DNS name, lower case and without the "*." of a wildcard, or the IP address */
	const char *token;             /* base64url alone: A-Z a-z 0-9 - _ ; 1 to 255 characters; safe as a file's name */
	const char *key_authorization; /* http-01: what http://NAME/.well-known/acme-challenge/TOKEN has to answer, byte for byte */
	const char *digest;            /* of it, SHA-256 in base64url: dns-01's TXT value; in tls-alpn-01's certificate, as bytes */
	const char *record;            /* dns-01: where the TXT record has to be, "_acme-challenge.NAME"; else NULL */
	int wildcard;                  /* whether it is a wildcard below the name that is to be shown control of */
	unsigned remaining;            /* how many more are deployed after this one */
	int valid;                     /* when it is cleaned up: whether the server has found the answer */
};

/* Makes the answer reachable before it returns 0. CHANCERY_DECLINE: not this one; the next type that the server offers and that
 * can be solved is tried. CHANCERY_LATER: see "event-driven use"; in a call that blocks it fails that. Anything else fails the issuance with CHANCERY_CALLBACK.
 * The strings live until the call returns, after CHANCERY_LATER until its outcome is told. All answers are in place before the server is asked to look at
 * the first. */
typedef int chancery_deploy_fn(void *context, const struct chancery_challenge *challenge);
#define CHANCERY_DECLINE 2
#define CHANCERY_LATER   3
/* Takes it away again; called once for each successful deploy, also after failures, and for one that said CHANCERY_LATER and whose outcome was not told before
 * the end. */
typedef void chancery_clean_up_fn(void *context, const struct chancery_challenge *challenge);
/* Called once when all answers are deployed: may wait until they can be seen everywhere, or return CHANCERY_LATER. 0, or the issuance fails with
 * CHANCERY_CALLBACK. */
typedef int chancery_ready_fn(void *context);

/* How challenges are solved, for each type at most one way: the last one set. At least one is needed; where the server offers several
 * that can be solved, the one whose type was set first is taken. Wildcards need "dns-01", IP addresses one of the other two. */
CHANCERY_API enum chancery_result chancery_client_set_solver(
    struct chancery_client *client, const char *type, chancery_deploy_fn *deploy, chancery_clean_up_fn *clean_up, void *context);
CHANCERY_API enum chancery_result chancery_client_set_ready(struct chancery_client *client, chancery_ready_fn *ready, void *context);
/* http-01: files below FOLDER/.well-known/acme-challenge/, which a web server shows. The folder must be there. */
CHANCERY_API enum chancery_result chancery_client_use_webroot(struct chancery_client *client, const char *folder);
/* http-01: the names' web servers answer by themselves, from the account key's thumbprint. */
CHANCERY_API enum chancery_result chancery_client_use_stateless(struct chancery_client *client);
/* http-01: a listener of the library's own, in a thread of its own, as long as an issuance runs. address: numeric IPv4 or IPv6, NULL
 * for all; port: 1 to 65535, 80 where the CA comes to the host directly. */
CHANCERY_API enum chancery_result chancery_client_use_listener(struct chancery_client *client, const char *address, uint16_t port);
/* tls-alpn-01: the same, which speaks TLS and nothing but acme-tls/1; the CA comes to port 443. */
CHANCERY_API enum chancery_result chancery_client_use_tls_listener(struct chancery_client *client, const char *address, uint16_t port);

/* http-01 or tls-alpn-01: listeners on sockets that listen already, as a service manager or a more privileged process hands them on: IPv4 and IPv6, -1 for
 * none. They stay the caller's and are used by each issuance. */
CHANCERY_API enum chancery_result chancery_client_use_sockets(struct chancery_client *client, const char *type, int ipv4, int ipv6);

/* ---- what is ordered ---- */

/* The CA's profile by its name; NULL: the CA's own choice. */
CHANCERY_API enum chancery_result chancery_client_set_profile(struct chancery_client *client, const char *profile);
/* The certificate (PEM, the first of it) that the next one takes the place of (RFC 9773 section 5), which CAs may exempt from rate limits;
 * NULL: none. One that the CA does not take as such does not stop the order. */
CHANCERY_API enum chancery_result chancery_client_set_replaces(struct chancery_client *client, const char *pem);
/* Where the CA offers several chains: the one whose topmost certificate was issued by this common name (case counts), or, when none
 * was, the CA's own choice. NULL: that. */
CHANCERY_API enum chancery_result chancery_client_set_preferred_chain(struct chancery_client *client, const char *issuer);

/* staple != 0: the certificate asks servers to staple OCSP answers (RFC 7633). Many CAs do not give such any more. */
CHANCERY_API enum chancery_result chancery_client_set_must_staple(struct chancery_client *client, int staple);

/* Asked before a new order is made: by which account, and what CAA records have to name for this CA to issue (RFC 8659; the directory's caaIdentities, RFC 8555
 * section 7.1.1; none where it does not say). 0, or the issuance stops with CHANCERY_CALLBACK and no order was made. */
typedef int chancery_before_order_fn(void *context, const char *account_url, const char *const *caa_identities, size_t n_caa_identities);
CHANCERY_API enum chancery_result chancery_client_set_before_order(
    struct chancery_client *client, chancery_before_order_fn *before, void *context);
/* Told of the order's URL as soon as it is made: whoever keeps it, and the certificate's key, can go on with it after a crash. 0, or the issuance stops with
 * CHANCERY_CALLBACK. */
typedef int chancery_order_fn(void *context, const char *order_url);
CHANCERY_API enum chancery_result chancery_client_set_order_callback(
    struct chancery_client *client, chancery_order_fn *order, void *context);
/* Goes on with this order, when it is of the same names and not over; else a new one is made. NULL: none. */
CHANCERY_API enum chancery_result chancery_client_set_resume(struct chancery_client *client, const char *order_url);

/* ---- progress ---- */

enum chancery_step {
	CHANCERY_STEP_DIRECTORY = 0,
	CHANCERY_STEP_ACCOUNT = 1,
	CHANCERY_STEP_ORDER = 2,
	CHANCERY_STEP_CHALLENGE = 3, /* an answer is in place and the server may look */
	CHANCERY_STEP_VALIDATED = 4, /* a name is validated (also when it was so before) */
	CHANCERY_STEP_FINALIZE = 5,
	CHANCERY_STEP_CERTIFICATE = 6,
	CHANCERY_STEP_WAIT = 7 /* the server asks for patience, or a request is tried again */
};

/* text: one line for a person, without its end. Return 0 to go on; anything else stops with CHANCERY_CALLBACK. New steps may be
 * added. */
typedef int chancery_progress_fn(void *context, enum chancery_step step, const char *text);
CHANCERY_API enum chancery_result chancery_client_set_progress(
    struct chancery_client *client, chancery_progress_fn *progress, void *context);

/* ---- certificates ---- */

struct chancery_certificate;

/* Gets a certificate for these names (DNS names in A-labels, wildcards like "*.example.org", IP addresses; 1 to 100) and this key. Blocks
 * until it is there, refused, or the deadline has passed. What comes back was checked: it is for this key, names all that was
 * asked for, and each certificate of the chain is signed by the next. */
CHANCERY_API enum chancery_result chancery_client_issue(
    struct chancery_client *client, const char *const *names, size_t n_names, struct chancery_key *key, struct chancery_certificate **ret);

/* The same for a certificate signing request of one's own, PEM: its names are those of the certificate, its key is wherever it is. It has to say what CAs take:
 * names in subjectAltName, at most one of them as common name, and nothing else that is unusual. */
CHANCERY_API enum chancery_result chancery_client_issue_csr(
    struct chancery_client *client, const char *pem, struct chancery_certificate **ret);

CHANCERY_API void chancery_certificate_free(struct chancery_certificate *certificate);
/* The certificate and its chain as PEM, leaf first, NUL behind it. ret_len may be NULL. */
CHANCERY_API const char *chancery_certificate_fullchain(const struct chancery_certificate *certificate, size_t *ret_len);
/* The certificate alone. */
CHANCERY_API const char *chancery_certificate_leaf(const struct chancery_certificate *certificate, size_t *ret_len);
/* What is behind it; "" when the server sent the leaf alone. */
CHANCERY_API const char *chancery_certificate_chain(const struct chancery_certificate *certificate, size_t *ret_len);
/* Seconds since 1970-01-01T00:00:00Z. */
CHANCERY_API int64_t chancery_certificate_not_before(const struct chancery_certificate *certificate);
CHANCERY_API int64_t chancery_certificate_not_after(const struct chancery_certificate *certificate);
/* Where the server keeps it, the order it came from, and the account. */
CHANCERY_API const char *chancery_certificate_url(const struct chancery_certificate *certificate);
CHANCERY_API const char *chancery_certificate_order_url(const struct chancery_certificate *certificate);
CHANCERY_API const char *chancery_certificate_account_url(const struct chancery_certificate *certificate);

/* ---- accounts ---- */

/* Finds the account of the client's key, or makes it. *ret_url: its URL, the handle's; lives until the next call. It may be NULL. */
CHANCERY_API enum chancery_result chancery_client_open_account(struct chancery_client *client, const char **ret_url);
/* Tells the CA the contacts that are set now; none: it forgets them. */
CHANCERY_API enum chancery_result chancery_client_update_account(struct chancery_client *client);
/* The account goes on with another key, which the client then has; the old one is of no use any more (RFC 8555 section 7.3.5). */
CHANCERY_API enum chancery_result chancery_client_change_account_key(struct chancery_client *client, struct chancery_key *key);
/* For good: no key opens it again. Certificates stay valid. */
CHANCERY_API enum chancery_result chancery_client_deactivate_account(struct chancery_client *client);

/* ---- renewal and revocation ---- */

/* When the CA wants the certificate replaced (RFC 9773). */
struct chancery_renewal {
	int64_t start, end;    /* the window, seconds since 1970; wholly past: at once */
	uint32_t retry_after;  /* seconds until it is worth asking again */
	char explanation[512]; /* a URL that says why, or "" */
};
/* For the first certificate in pem. CHANCERY_REFUSED with the type "" from a CA that says nothing about renewal. No account is needed. */
CHANCERY_API enum chancery_result chancery_client_renewal(struct chancery_client *client, const char *pem, struct chancery_renewal *ret);

enum chancery_reason {
	CHANCERY_UNSPECIFIED = 0,
	CHANCERY_KEY_COMPROMISE = 1,
	CHANCERY_AFFILIATION_CHANGED = 3,
	CHANCERY_SUPERSEDED = 4,
	CHANCERY_CESSATION_OF_OPERATION = 5
};
/* Revokes the first certificate in pem: by its own key, or NULL: by the account that it was issued to, or that has shown control of all its
 * names. */
CHANCERY_API enum chancery_result chancery_client_revoke(
    struct chancery_client *client, const char *pem, enum chancery_reason reason, struct chancery_key *certificate_key);

/* ---- event-driven use ---- */

/* For programs that may not block: each call that asks a CA has a form that begins it, and goes on in steps.
 *
 *	chancery_client_begin_issue(c, names, n_names, certificate_key);
 *	... whenever chancery_client_fd(c) is readable:
 *	if ((rc = chancery_client_step(c)) != CHANCERY_PENDING)
 *		... it is over: chancery_client_take_certificate(c, &certificate), or chancery_client_error(c)
 *
 * - Nothing blocks: requests, waits and the deadline are behind the descriptor. A step takes as long as a signature, a TLS handshake's share or the reading of the
 *   CA file takes: milliseconds. Host names are looked up in a thread of libcurl's; the own listeners (chancery_client_use_listener() and the like) answer in one
 *   of theirs. There are no others.
 * - Callbacks are called from within steps (and chancery_client_cancel()), on the caller's stack. Those for deploy, ready, before_order, the order's URL and
 *   signatures may return CHANCERY_LATER and be done with it later: chancery_client_resolve() tells the outcome.
 * - While it goes on, whatever sets or begins something on this client, or would block, is CHANCERY_USAGE and changes nothing.
 * - What was begun is stepped, resolved and cancelled by the thread that began it. */

/* Begin what the function of the same name does. What they are given is copied. CHANCERY_OK: begun, and the descriptor is readable. */
CHANCERY_API enum chancery_result chancery_client_begin_issue(
    struct chancery_client *client, const char *const *names, size_t n_names, struct chancery_key *key);
CHANCERY_API enum chancery_result chancery_client_begin_issue_csr(struct chancery_client *client, const char *pem);
CHANCERY_API enum chancery_result chancery_client_begin_open_account(struct chancery_client *client);
CHANCERY_API enum chancery_result chancery_client_begin_update_account(struct chancery_client *client);
CHANCERY_API enum chancery_result chancery_client_begin_change_account_key(struct chancery_client *client, struct chancery_key *key);
CHANCERY_API enum chancery_result chancery_client_begin_deactivate_account(struct chancery_client *client);
CHANCERY_API enum chancery_result chancery_client_begin_renewal(struct chancery_client *client, const char *pem);
CHANCERY_API enum chancery_result chancery_client_begin_revoke(
    struct chancery_client *client, const char *pem, enum chancery_reason reason, struct chancery_key *certificate_key);

/* The one descriptor to wait for, for reading, by whatever an event loop has (level-triggered, as poll() is): it tells of time, too. The same one as long as
 * the client lives, which closes it; -1 when none can be had, and chancery_client_error() says why. It is only polled, never read. */
CHANCERY_API int chancery_client_fd(struct chancery_client *client);
/* Does what can be done now. CHANCERY_PENDING: it goes on. Else it is over, and this is the result that the blocking call would have had. Allowed at any time
 * while something goes on; CHANCERY_USAGE when nothing does. */
CHANCERY_API enum chancery_result chancery_client_step(struct chancery_client *client);
/* The outcome that a callback left for later: what it would have returned. CHANCERY_USAGE when nothing waits for it. Without one the call ends with its deadline
 * (CHANCERY_TIMEOUT). May be called within the callback itself. */
CHANCERY_API enum chancery_result chancery_client_resolve(struct chancery_client *client, int outcome);
/* Ends what goes on, at once and without another request; answers that were deployed are cleaned up. Its result is CHANCERY_CALLBACK. Within a callback: as soon
 * as that has returned, by the step that called it. Nothing when nothing goes on. chancery_client_free() does it, too, but not within a callback. */
CHANCERY_API void chancery_client_cancel(struct chancery_client *client);

/* The certificate that has come; it is the caller's from now on. CHANCERY_USAGE when there is none. One that is not taken ends with the client, or when something
 * else is begun. */
CHANCERY_API enum chancery_result chancery_client_take_certificate(struct chancery_client *client, struct chancery_certificate **ret);
/* The renewal information that has come. CHANCERY_USAGE when there is none. */
CHANCERY_API enum chancery_result chancery_client_take_renewal(struct chancery_client *client, struct chancery_renewal *ret);
/* The URL of the account that was last opened; NULL: none was. Lives until the next call. */
CHANCERY_API const char *chancery_client_account_url(const struct chancery_client *client);

/* "0.1.0" */
CHANCERY_API const char *chancery_version(void);

#ifdef __cplusplus
}
#endif

#endif
