#include "pki/test_support.h"

static const uint8_t serial[SERIAL_SIZE] = { 0x40, 1, 2, 3 }, authority[20] = { 9, 8, 7 };
static const uint8_t range4[8] = { 10, 0, 0, 0, 255, 0, 0, 0 };
static const uint8_t range6[32] = { 0x20, 1, [16] = 0xff, 0xff };
static struct name_constraint permits[3] = { { SAN_DNS, { (const uint8_t *)"example.org", 11 } }, { SAN_IP, { range4, 8 } },
	{ SAN_IP, { range6, 32 } } };
static struct buf root_name, issuer_name;

static int setup(void **state)
{
	root_name = buf_new(256);
	issuer_name = buf_new(256);
	name_write_ca_of(BYTES_LIT("DE"), BYTES_LIT("Example"), BYTES_LIT("Example Root"), &root_name);
	name_write_ca(BYTES_LIT("Example"), BYTES_LIT("Example Issuer"), &issuer_name);
	return test_setup(state);
}

static int teardown(void **state)
{
	buf_free(&root_name);
	buf_free(&issuer_name);
	return test_teardown(state);
}

static struct ca_request root(void)
{
	return (struct ca_request){ .serial = serial,
		.subject = buf_bytes(&root_name),
		.issuer_name = buf_bytes(&root_name),
		.spki = key_spki(test_key(KEY_EC_P384)),
		.authority_key_id = BYTES_LIT(""),
		.alg = SIG_ES384,
		.not_before_s = test_now_s,
		.not_after_s = test_now_s + 20L * 365 * DAY_S,
		.path_len = -1 };
}

static struct ca_request issuer(void)
{
	struct ca_request r = root();

	r.subject = buf_bytes(&issuer_name);
	r.authority_key_id = BYTES_ARRAY(authority);
	r.path_len = 0;
	r.purposes = CERT_SERVER_AUTH;
	r.crl_url = BYTES_LIT("http://ca.example.org/crl/00.crl");
	r.ca_issuers_url = BYTES_LIT("http://ca.example.org/ca/00.cer");
	r.permitted = permits;
	r.n_permitted = 2;
	return r;
}

static enum err_code lint(const struct ca_request *written, const struct ca_request *judged, struct err *e)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(CERT_SIZE_MAX);

	cert_write_ca_tbs(written, &b);
	assert_true(buf_ok(&b));
	return lint_ca_tbs(buf_bytes(&b), judged, e);
}

static void good_ones_pass(void **state)
{
	struct ca_request r = root();
	struct err e = { 0 };

	(void)state;
	if (lint(&r, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	for (size_t n = 0; n <= 3; n++)
		for (int client = 0; client < 2; client++) {
			r = issuer();
			r.n_permitted = n;
			r.purposes = client ? CERT_CLIENT_AUTH : CERT_SERVER_AUTH;
			if (lint(&r, &r, &e) != ERR_OK)
				fail_msg("%s", e.detail);
		}
	r.crl_url = r.ca_issuers_url = BYTES_LIT("");
	assert_int_equal(lint(&r, &r, &e), ERR_OK);
}

/* Whatever bit is another: it is seen. */
static void every_bit_counts(void **state)
{
	struct ca_request r = issuer();
	CLEANUP(buf_free_p) struct buf b = buf_new(CERT_SIZE_MAX);

	(void)state;
	cert_write_ca_tbs(&r, &b);
	for (size_t i = 0; i < 8 * b.len; i++) {
		b.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(lint_ca_tbs(buf_bytes(&b), &r, NULL), ERR_BUG);
		b.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(lint_ca_tbs(bytes_slice(buf_bytes(&b), 0, n), &r, NULL), ERR_BUG);
	assert_int_equal(lint_ca_tbs(buf_bytes(&b), &r, NULL), ERR_OK);
}

static void what_a_ca_may_not_be_is_refused(void **state)
{
	struct ca_request r;
	struct err e = { 0 };

	(void)state;
#define REFUSED(from, change, words)                                             \
	do {                                                                     \
		r = from();                                                      \
		change;                                                          \
		assert_int_equal(lint(&r, &r, &e), ERR_BUG);                     \
		if (!strstr(e.detail, words))                                    \
			fail_msg("\"%s\" does not say \"%s\"", e.detail, words); \
	} while (0)
	REFUSED(issuer, r.subject = r.issuer_name, "its own issuer");
	REFUSED(root, r.subject = buf_bytes(&issuer_name), "its own issuer");
	REFUSED(root, r.not_after_s = r.not_before_s, "validity");
	REFUSED(issuer, r.purposes = CERT_SERVER_AUTH | CERT_CLIENT_AUTH, "extKeyUsage");
	REFUSED(issuer, r.purposes = 0, "extKeyUsage");
	REFUSED(issuer, r.crl_url = BYTES_LIT("https://ca.example.org/"), "cRLDistributionPoints");
	REFUSED(issuer, r.ca_issuers_url = BYTES_LIT("ldap://ca.example.org/"), "authorityInfoAccess");
	REFUSED(issuer, r.subject = BYTES_LIT("\x30\x00"), "subject");
}

/* Written by one request, judged by another. */
static void another_request_is_seen(void **state)
{
	struct ca_request r = issuer(), j;

	(void)state;
#define DIFFERS(change)                                        \
	do {                                                   \
		j = r;                                         \
		change;                                        \
		assert_int_equal(lint(&r, &j, NULL), ERR_BUG); \
		assert_int_equal(lint(&j, &r, NULL), ERR_BUG); \
	} while (0)
	DIFFERS(j.path_len = 1);
	DIFFERS(j.path_len = -1);
	DIFFERS(j.purposes = CERT_CLIENT_AUTH);
	DIFFERS(j.n_permitted = 1);
	DIFFERS(j.n_permitted = 3);
	DIFFERS(j.n_permitted = 0);
	DIFFERS(j.crl_url = BYTES_LIT(""));
	DIFFERS(j.ca_issuers_url = BYTES_LIT(""));
	DIFFERS(j.spki = key_spki(test_key(KEY_EC_P256)));
	DIFFERS(j.alg = SIG_ES256);
	DIFFERS(j.not_after_s++);
}

/* As OpenSSL reads it. */
static void openssl_reads_it(void **state)
{
	static const char *const says[] = { "CA:TRUE, pathlen:0", "TLS Web Server Authentication", "Policy: 2.23.140.1.2.1",
		"DNS:example.org", "IP:10.0.0.0/255.0.0.0", "CA Issuers - URI:http://ca.example.org/ca/00.cer",
		"URI:http://ca.example.org/crl/00.crl", "IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0" };
	struct ca_request r = issuer();
	CLEANUP(buf_free_p) struct buf b = buf_new(CERT_SIZE_MAX), der = buf_new(CERT_SIZE_MAX);

	(void)state;
	cert_write_ca_tbs(&r, &b);
	assert_int_equal(cert_sign(test_key(KEY_EC_P384), buf_bytes(&b), &der, NULL), ERR_OK);
	test_write("ca.der", buf_bytes(&der));
	const char *text = test_run("openssl x509 -inform DER -in ca.der -noout -text");
	for (size_t i = 0; i < sizeof says / sizeof *says; i++)
		if (!strstr(text, says[i]))
			fail_msg("no \"%s\" in:\n%s", says[i], text);
}

static void requests_of_cas_are_read_strictly(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	CLEANUP(buf_free_p) struct buf b = buf_new(CSR_SIZE_MAX);
	struct csr_ca c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(csr_write_ca(test_key(KEY_EC_P256), buf_bytes(&root_name), &b, &e), ERR_OK);
	assert_int_equal(csr_read_ca(a, buf_bytes(&b), &c, &e), ERR_OK);
	assert_string_equal(c.text, "C=DE, O=Example, CN=Example Root");
	assert_true(bytes_eq(c.subject, buf_bytes(&root_name)) && bytes_eq(c.spki, key_spki(test_key(KEY_EC_P256))));
	for (size_t i = 0; i < b.len; i++) {
		b.ptr[i] ^= 1;
		assert_int_not_equal(csr_read_ca(a, buf_bytes(&b), &c, &e), ERR_OK);
		b.ptr[i] ^= 1;
	}
	/* OpenSSL's is read too, and whatever asks for something is not. */
	assert_int_equal(csr_read_ca(a, test_openssl_csr("-newkey rsa:2048 -subj '/C=DE/O=Example/CN=Sub'"), &c, &e), ERR_OK);
	assert_string_equal(c.text, "C=DE, O=Example, CN=Sub");
	assert_int_equal(
	    csr_read_ca(a, test_openssl_csr("-newkey rsa:2048 -subj /CN=Sub -addext basicConstraints=CA:true"), &c, &e), ERR_BAD_CSR);
	assert_int_equal(csr_read_ca(a, test_openssl_csr("-newkey rsa:2048 -subj /O=Sub"), &c, &e), ERR_BAD_CSR);
	assert_int_equal(csr_read_ca(a, test_openssl_csr("-newkey rsa:2048 -subj /OU=x/CN=Sub"), &c, &e), ERR_BAD_CSR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_pass),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(what_a_ca_may_not_be_is_refused),
		cmocka_unit_test(another_request_is_seen),
		cmocka_unit_test(openssl_reads_it),
		cmocka_unit_test(requests_of_cas_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
