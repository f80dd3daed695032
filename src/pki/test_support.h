/* What the room's tests share: keys, a small hierarchy, and other people's tools to hold ours against. Not part of the library. */
#ifndef CHANCERY_PKI_TEST_SUPPORT_H
#define CHANCERY_PKI_TEST_SUPPORT_H

#include "pki/cert.h"
#include "pki/csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The moment at which the tests' clock stands: 2026-11-24T00:00:00Z. */
#define TEST_NOW_S 1795478400
#define DAY_S      86400
/* Where it stands now: a test that calls tools which know only the real time moves it there, and back. */
extern int64_t test_now_s;

/* Puts a clock that stands at TEST_NOW_S into the seam, and starts libcrypto. A cmocka group set-up. */
int test_setup(void **state);
int test_teardown(void **state);

/* A key of each type, made once. */
struct key *test_key(enum key_type t);
/* Another key than test_key()'s. */
struct key *test_other_key(enum key_type t);

/* Bytes from hex with spaces, in memory that lives as long as the test program. */
struct bytes test_hex(const char *hex);
/* A file of tests/corpus/pki, in the same memory. */
struct bytes test_file(const char *path);

/* A root of key type `root` and an intermediate of key type `ca`, both of a fixed name, valid at test_now_s. */
struct chain {
	struct buf root, intermediate; /* DER certificates */
	struct issuer *issuer;         /* the intermediate, with its private key */
};
void chain_make(enum key_type root, enum key_type ca, struct chain *ret);
void chain_free(struct chain *c);

#define TEST_CRL_URL "http://crl.example.org/e1.crl"
/* A request that keeps every rule: two DNS names, a wildcard among them, and addresses of both kinds; 90 days from now on; a
 * list at TEST_CRL_URL. */
void leaf_make(enum key_type t, struct leaf_request *ret);
extern const struct profile test_profile;

/* Writes `in` as NAME in a fresh folder of the test's own. */
void test_write(const char *name, struct bytes in);
void test_write_pem(const char *name, const char *label, struct bytes der);
/* Runs a shell command in that folder; fails the test, with what the command said, unless it ends with 0. The output is given
 * back, until the next call. */
const char *test_run(const char *command);
/* The DER of what `openssl req` makes of these options, by a fresh key. */
struct bytes test_openssl_csr(const char *options);

#endif
