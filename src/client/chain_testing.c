#include "client/chain_testing.h"

#include "base/codec.h"
#include "client/chain.h"
#include "pki/cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DAY_S 86400

static struct bytes keep(const struct chain_testing *t, struct buf *b)
{
	assert_true(buf_ok(b));
	struct bytes copy = arena_copy(t->a, buf_bytes(b));
	buf_free(b);
	return copy;
}

static struct bytes name_of(const struct chain_testing *t, const char *cn)
{
	struct buf b = buf_new(1024);

	name_write_ca(BYTES_LIT("Test"), bytes_str(cn), &b);
	return keep(t, &b);
}

struct bytes chain_testing_ca(
    const struct chain_testing *t, const char *cn, const char *issuer, const struct key *key, const struct key *signer)
{
	static const uint8_t serial[SERIAL_SIZE] = { 1, 2, 3 };
	struct buf tbs = buf_new(8192), out = buf_new(8192);
	uint8_t id[20];
	struct ca_request r = { .serial = serial,
		.subject = name_of(t, cn),
		.issuer_name = name_of(t, issuer),
		.spki = key_spki(key),
		.authority_key_id = BYTES_LIT(""),
		.alg = key_sig_alg(signer),
		.not_before_s = t->now_s - DAY_S,
		.not_after_s = t->now_s + 1000 * DAY_S,
		.path_len = -1 };

	cert_key_id(key_spki(signer), id);
	if (strcmp(cn, issuer) != 0) {
		r.authority_key_id = BYTES_ARRAY(id);
		r.purposes = CERT_SERVER_AUTH;
	}
	cert_write_ca_tbs(&r, &tbs);
	assert_int_equal(cert_sign(signer, buf_bytes(&tbs), &out, NULL), ERR_OK);
	buf_free(&tbs);
	return keep(t, &out);
}

struct bytes chain_testing_leaf(const struct chain_testing *t, struct bytes ca, struct key *ca_key, const struct san *names, size_t n_names,
    const struct key *key, int64_t not_after_s)
{
	static const uint8_t serial[SERIAL_SIZE] = { 1, 2, 4 };
	struct profile p = { .name = BYTES_LIT("tls-server"), .lifetime_s = 90 * DAY_S, .names_max = 100 };
	struct leaf_request r = { .serial = serial,
		.names = names,
		.n_names = n_names,
		.spki = key_spki(key),
		.key_type = key_type(key),
		.not_before_s = t->now_s - 3600,
		.not_after_s = not_after_s };
	struct buf tbs = buf_new(8192), out = buf_new(8192);
	CLEANUP(issuer_free_p) struct issuer *i = NULL;

	assert_int_equal(issuer_new(ca, ca_key, &i, NULL), ERR_OK);
	cert_write_leaf_tbs(i, &p, &r, &tbs);
	assert_int_equal(cert_sign(ca_key, buf_bytes(&tbs), &out, NULL), ERR_OK);
	buf_free(&tbs);
	return keep(t, &out);
}

struct bytes chain_testing_pem(const struct chain_testing *t, const struct bytes *der, size_t n)
{
	struct buf b = buf_new(CHAIN_PEM_MAX);

	for (size_t i = 0; i < n; i++)
		pem_add(&b, "CERTIFICATE", der[i]);
	return keep(t, &b);
}
