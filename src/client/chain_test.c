#include "client/chain.h"
#include "client/chain_testing.h"

#include "acme/ari.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "pki/cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S 1795507200
#define DAY_S 86400

/* A root, an intermediate, a leaf, and what does not belong to them. */
static struct world {
	struct arena *a;
	struct key *root_key, *ca_key, *leaf_key, *other_key;
	struct bytes root, ca, leaf;
	struct san names[2];
} w;

static struct bytes keep(struct buf *b)
{
	assert_true(buf_ok(b));
	struct bytes copy = arena_copy(w.a, buf_bytes(b));
	buf_free(b);
	return copy;
}

static const struct chain_testing *testing(void)
{
	static struct chain_testing t;

	t = (struct chain_testing){ w.a, NOW_S };
	return &t;
}

static struct bytes make_ca(const char *cn, const char *issuer, const struct key *key, const struct key *signer)
{
	return chain_testing_ca(testing(), cn, issuer, key, signer);
}

static struct bytes make_leaf(struct bytes ca, struct key *ca_key, const struct key *key, int64_t not_after_s)
{
	const struct san names[] = { { SAN_DNS, BYTES_LIT("a.example.org") }, { SAN_DNS, BYTES_LIT("b.example.org") } };

	return chain_testing_leaf(testing(), ca, ca_key, names, 2, key, not_after_s);
}

static int set_up(void **state)
{
	struct key **keys[] = { &w.root_key, &w.ca_key, &w.leaf_key, &w.other_key };

	(void)state;
	crypto_init();
	w.a = arena_new(65536, 8u << 20);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_int_equal(key_generate(i == 0 ? KEY_EC_P384 : KEY_EC_P256, 0, keys[i], NULL), ERR_OK);
	w.root = make_ca("Root", "Root", w.root_key, w.root_key);
	w.ca = make_ca("Intermediate", "Root", w.ca_key, w.root_key);
	w.leaf = make_leaf(w.ca, w.ca_key, w.leaf_key, NOW_S + 90 * DAY_S - 1);
	w.names[0] = (struct san){ SAN_DNS, BYTES_LIT("a.example.org") };
	w.names[1] = (struct san){ SAN_DNS, BYTES_LIT("b.example.org") };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	key_free(w.root_key);
	key_free(w.ca_key);
	key_free(w.leaf_key);
	key_free(w.other_key);
	arena_free(w.a);
	return 0;
}

static struct bytes pem_of(const struct bytes *v, size_t n)
{
	return chain_testing_pem(testing(), v, n);
}

static enum err_code check(struct bytes pem, struct chain *ret, struct err *e)
{
	return chain_check(w.a, pem, key_spki(w.leaf_key), w.names, 2, NOW_S, ret, e);
}

static void assert_refused(struct bytes pem, const char *why)
{
	struct chain c = { .leaf_len = 7 };
	struct err e = { 0 };

	assert_int_equal(check(pem, &c, &e), ERR_MALFORMED);
	if (!strstr(e.detail, why))
		fail_msg("\"%s\" does not say \"%s\"", e.detail, why);
	assert_int_equal(c.leaf_len, 7); /* untouched */
}

static void good_chains(void **state)
{
	struct bytes all[] = { w.leaf, w.ca, w.root };
	struct err e = { 0 };
	struct chain c;

	(void)state;
	for (size_t n = 1; n <= 3; n++) { /* with or without the root, even without the intermediate: the server's choice */
		assert_int_equal(check(pem_of(all, n), &c, &e), ERR_OK);
		assert_true(bytes_eq(c.fullchain, pem_of(all, n)));
		assert_true(bytes_eq(bytes_slice(c.fullchain, 0, c.leaf_len), pem_of(all, 1)));
		assert_int_equal(c.not_before_s, NOW_S - 3600);
		assert_int_equal(c.not_after_s, NOW_S + 90 * DAY_S - 1);
	}
	/* Less than the certificate names may be asked for. */
	assert_int_equal(chain_check(w.a, pem_of(all, 2), key_spki(w.leaf_key), w.names, 1, NOW_S, &c, &e), ERR_OK);
}

/* Text around the blocks is thrown away: what is stored is what was read, and nothing else. */
static void only_certificates_are_kept(void **state)
{
	struct bytes all[] = { w.leaf, w.ca };
	struct buf b = buf_new(CHAIN_PEM_MAX);
	struct err e = { 0 };
	struct chain c;

	(void)state;
	buf_add_str(&b, "# hello\n");
	buf_add(&b, pem_of(all, 1));
	buf_add_str(&b, "\nmore text\n");
	buf_add(&b, pem_of(all + 1, 1));
	buf_add_str(&b, "tail");
	assert_int_equal(check(keep(&b), &c, &e), ERR_OK);
	assert_true(bytes_eq(c.fullchain, pem_of(all, 2)));
}

static void what_is_no_chain(void **state)
{
	struct bytes many[CHAIN_MOST + 1], cut = bytes_slice(w.leaf, 0, w.leaf.len - 1), garbage = BYTES_LIT("\x30\x03\x02\x01\x01");
	struct buf large = buf_new(2 * CHAIN_PEM_MAX), trailing = buf_new(8192);

	(void)state;
	assert_refused(BYTES_LIT(""), "no certificate");
	assert_refused(BYTES_LIT("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "no certificate");
	assert_refused(pem_of(&cut, 1), "certificate 1");
	assert_refused(pem_of(&garbage, 1), "certificate 1");
	buf_add(&trailing, w.leaf);
	buf_add_u8(&trailing, 0);
	struct bytes with_tail = keep(&trailing);
	assert_refused(pem_of(&with_tail, 1), "cannot be read");
	for (size_t i = 0; i < sizeof many / sizeof *many; i++)
		many[i] = w.leaf;
	assert_refused(pem_of(many, CHAIN_MOST + 1), "more than 10");
	for (size_t i = 0; i <= CHAIN_PEM_MAX; i++)
		buf_add_u8(&large, '\n');
	assert_refused(keep(&large), "a chain of");
}

static void another_key(void **state)
{
	struct bytes leaf = make_leaf(w.ca, w.ca_key, w.other_key, NOW_S + DAY_S), wrong_order[] = { w.ca, w.leaf };

	(void)state;
	assert_refused(pem_of(&leaf, 1), "for another key");
	assert_refused(pem_of(wrong_order, 2), "for another key");
}

static void missing_names(void **state)
{
	struct san names[] = { { SAN_DNS, BYTES_LIT("a.example.org") }, { SAN_DNS, BYTES_LIT("c.example.org") } };
	struct bytes no_names = make_ca("Leaf", "Root", w.leaf_key, w.root_key);
	struct err e = { 0 };
	struct chain c;

	(void)state;
	assert_int_equal(chain_check(w.a, pem_of(&w.leaf, 1), key_spki(w.leaf_key), names, 2, NOW_S, &c, &e), ERR_MALFORMED);
	assert_non_null(strstr(e.detail, "c.example.org"));
	assert_refused(pem_of(&no_names, 1), "does not name");
}

static void broken_links(void **state)
{
	struct bytes other_ca = make_ca("Intermediate", "Root", w.other_key, w.root_key),
		     other_name = make_ca("Elsewhere", "Root", w.ca_key, w.root_key);
	struct bytes same_name[] = { w.leaf, other_ca }, same_key[] = { w.leaf, other_name }, gap[] = { w.leaf, w.root },
		     tail[] = { w.leaf, w.ca, w.ca };

	(void)state;
	assert_refused(pem_of(same_name, 2), "certificate 1 of the server's chain is not signed by certificate 2");
	assert_refused(pem_of(same_key, 2), "not signed by");
	assert_refused(pem_of(gap, 2), "not signed by");
	assert_refused(pem_of(tail, 3), "certificate 2");
}

static void expired(void **state)
{
	struct bytes leaf = make_leaf(w.ca, w.ca_key, w.leaf_key, NOW_S - 1);
	struct err e = { 0 };
	struct chain c;

	(void)state;
	assert_refused(pem_of(&leaf, 1), "expired");
	assert_int_equal(chain_check(w.a, pem_of(&leaf, 1), key_spki(w.leaf_key), w.names, 2, 0, &c, &e), ERR_OK);
}

/* As the CA's side names it (RFC 9773 §4.1). */
static void the_first_has_a_name_for_renewal(void **state)
{
	struct bytes all[] = { w.leaf, w.root }, der;
	char id[CHAIN_ID_SIZE];
	struct ari_id read;
	struct cert c;

	(void)state;
	assert_int_equal(chain_first(w.a, pem_of(all, 2), &der, id, NULL), ERR_OK);
	assert_true(bytes_eq(der, w.leaf));
	assert_int_equal(cert_parse(w.a, w.leaf, &c, NULL), ERR_OK);
	assert_int_equal(ari_id_read(w.a, bytes_str(id), &read, NULL), ERR_OK);
	assert_true(bytes_eq(read.key_id, c.authority_key_id) && bytes_eq(read.serial, c.serial));
	assert_int_equal(chain_first(w.a, BYTES_LIT("no certificate"), &der, id, NULL), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_chains),
		cmocka_unit_test(only_certificates_are_kept),
		cmocka_unit_test(what_is_no_chain),
		cmocka_unit_test(another_key),
		cmocka_unit_test(missing_names),
		cmocka_unit_test(the_first_has_a_name_for_renewal),
		cmocka_unit_test(broken_links),
		cmocka_unit_test(expired),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
