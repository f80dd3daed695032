#include "pki/cert.h"

#include "pki/der.h"
#include "pki/test_support.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(65536, 1 << 20);
	return arena ? test_setup(state) : -1;
}

static int teardown(void **state)
{
	arena_free(arena);
	return test_teardown(state);
}

/* The standing example: every byte of it is written out by hand from RFC 5280, none taken from the writer. */
static void a_leaf_is_these_bytes(void **state)
{
	static const char *const spki = "302a 300506032b6570 032100 d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
	const char *const want = "3082014e"
				 "a003020102"                            /* version 3 */
				 "0210 5a000102030405060708090a0b0c0dff" /* serial */
				 "300506032b6570"                        /* signature: Ed25519 */
				 "300f310d300b06035504030c0454657374"    /* issuer: CN=Test */
				 "301e 170d3236313132333233303030305a 170d3237303232313232353935395a"
				 "3000" /* subject */
				 "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
				 "a381ce 3081cb"
				 "300f 0603551d23 0408 3006 8004 01020304"        /* authorityKeyIdentifier */
				 "300e 0603551d0f 0101ff 0404 03020780"           /* keyUsage */
				 "3013 0603551d25 040c 300a 06082b06010505070301" /* extKeyUsage */
				 "3040 0603551d11 0101ff 0436 3034"               /* subjectAltName */
				 "820d 2a2e6578616d706c652e6f7267 820b 6578616d706c652e6f7267"
				 "8710 20010db8000000000000000000000001 8704 c0000201"
				 "3013 0603551d20 040c 300a 3008 0606 67810c010201" /* certificatePolicies */
				 "302e 0603551d1f 0427 3025 3023 a021 a01f 861d"    /* cRLDistributionPoints */
				 "687474703a2f2f63726c2e6578616d706c652e6f72672f65312e63726c"
				 "300c 0603551d13 0101ff 0402 3000"; /* basicConstraints */
	struct key *key CLEANUP(key_free_p) = NULL;
	struct buf tbs CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;

	(void)state;
	assert_int_equal(key_from_spki(test_hex(spki), &key, NULL), ERR_OK);
	struct issuer i = { .subject = test_hex("300f310d300b06035504030c0454657374"), .key_id = test_hex("01020304"), .key = key };
	leaf_make(KEY_ED25519, &r);
	r.spki = test_hex(spki);
	cert_write_leaf_tbs(&i, &test_profile, &r, &tbs);
	struct bytes wanted = test_hex(want);
	assert_int_equal(tbs.len, wanted.len);
	assert_memory_equal(tbs.ptr, wanted.ptr, wanted.len);
}

static void make_leaf(const struct chain *c, enum key_type t, struct buf *ret_der)
{
	struct buf tbs CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;
	struct err e;

	leaf_make(t, &r);
	cert_write_leaf_tbs(c->issuer, &test_profile, &r, &tbs);
	assert_true(buf_ok(&tbs));
	if (lint_leaf_tbs(arena, buf_bytes(&tbs), c->issuer, &test_profile, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_int_equal(cert_sign(c->issuer->key, buf_bytes(&tbs), ret_der, NULL), ERR_OK);
}

static X509 *with_openssl(struct bytes der)
{
	const uint8_t *p = der.ptr;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	assert_non_null(x);
	assert_ptr_equal(p, der.ptr + der.len);
	return x;
}

/* What OpenSSL reads in it, field by field. */
static void openssl_agrees(struct bytes der, const struct chain *c, enum key_type t)
{
	X509 *x = with_openssl(der), *issuer = with_openssl(buf_bytes(&c->intermediate));
	uint8_t *again = NULL;

	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_int_equal(X509_verify(x, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_check_issued(issuer, x), X509_V_OK);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
	assert_int_equal(X509_check_host(x, "example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "any.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "a.b.example.org", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(x, "192.0.2.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(x, "2001:db8::1", 0), 1);
	assert_int_equal(X509_get_key_usage(x), t == KEY_RSA ? KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_int_equal(X509_check_ca(x), 0);
	assert_int_equal(X509_check_ca(issuer), 1);
	assert_int_equal(X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0), 1);
	assert_int_equal(X509_get_ext_count(x), 7);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), test_now_s - 3600), 0);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), test_now_s - 3600 + 90 * DAY_S - 1), 0);
	/* Its own encoder makes the same bytes of it (i2d_re_X509_tbs() forgets those that it read). */
	int n = i2d_re_X509_tbs(x, &again);
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	struct bytes tbs = der_get_element(&s);
	assert_int_equal(n, tbs.len);
	assert_memory_equal(again, tbs.ptr, tbs.len);
	OPENSSL_free(again);
	X509_free(x);
	X509_free(issuer);
}

static void tools_agree(const struct chain *c, struct bytes leaf)
{
	char command[512];

	test_write_pem("root.pem", "CERTIFICATE", buf_bytes(&c->root));
	test_write_pem("ca.pem", "CERTIFICATE", buf_bytes(&c->intermediate));
	test_write_pem("leaf.pem", "CERTIFICATE", leaf);
	snprintf(command, sizeof command,
	    "openssl verify -x509_strict -purpose sslserver -verify_hostname example.org -attime %lld "
	    "-policy_check -explicit_policy -policy 2.23.140.1.2.1 -CAfile root.pem -untrusted ca.pem leaf.pem",
	    (long long)test_now_s);
	assert_non_null(strstr(test_run(command), "leaf.pem: OK"));
	snprintf(command, sizeof command,
	    "openssl verify -x509_strict -verify_ip 2001:db8::1 -attime %lld -CAfile root.pem -untrusted ca.pem leaf.pem && "
	    "openssl verify -x509_strict -verify_ip 192.0.2.1 -attime %lld -CAfile root.pem -untrusted ca.pem leaf.pem",
	    (long long)test_now_s, (long long)test_now_s);
	assert_non_null(strstr(test_run(command), "leaf.pem: OK\nleaf.pem: OK"));
	const char *said = test_run("cat leaf.pem ca.pem > chain.pem && certtool --verify --load-ca-certificate root.pem "
				    "--verify-hostname example.org --verify-purpose 1.3.6.1.5.5.7.3.1 --infile chain.pem");
	assert_non_null(strstr(said, "Chain verification output: Verified. The certificate is trusted."));
	said = test_run("certtool --verify --load-ca-certificate root.pem --verify-hostname 192.0.2.1 --infile chain.pem");
	assert_non_null(strstr(said, "The certificate is trusted."));
	said = test_run("certtool -i --infile leaf.pem");
	assert_non_null(strstr(said, "Subject Alternative Name (critical):"));
	assert_non_null(strstr(said, "DNSname: *.example.org"));
	assert_non_null(strstr(said, "IPAddress: 2001:db8::1"));
	assert_non_null(strstr(said, "IPAddress: 192.0.2.1"));
	assert_non_null(strstr(said, "CRL Distribution points (not critical):"));
	assert_non_null(strstr(said, "2.23.140.1.2.1"));
	assert_null(strstr(said, "Unknown extension"));
}

static void our_reader_agrees(struct bytes der, const struct chain *c, enum key_type t)
{
	struct leaf_request r;
	struct cert x;
	struct err e;

	leaf_make(t, &r);
	if (cert_parse(arena, der, &x, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_true(bytes_eq(x.serial, (struct bytes){ r.serial, SERIAL_SIZE }));
	assert_true(bytes_eq(x.issuer_name, c->issuer->subject));
	assert_true(bytes_eq(x.subject_name, BYTES_LIT("\x30\x00")));
	assert_true(bytes_eq(x.spki, r.spki));
	assert_int_equal(x.alg, key_sig_alg(c->issuer->key));
	assert_int_equal(x.not_before_s, r.not_before_s);
	assert_int_equal(x.not_after_s, r.not_after_s);
	assert_int_equal(x.n_names, r.n_names);
	for (size_t i = 0; i < r.n_names; i++)
		assert_int_equal(san_cmp(&x.names[i], &r.names[i]), 0);
	assert_null(x.subject_key_id.ptr);
	assert_true(bytes_eq(x.authority_key_id, c->issuer->key_id));
	assert_false(x.is_ca);
	assert_int_equal(key_verify(c->issuer->key, SIG_FORM_X509, x.tbs, x.signature, NULL), ERR_OK);
}

static void chains_hold_everywhere(void **state)
{
	(void)state;
	test_now_s = (int64_t)time(NULL); /* certtool verifies at no other time */
	for (unsigned t = 0; t <= KEY_ED25519; t++) {
		struct chain c;
		chain_make((enum key_type)((t + 1) % (KEY_ED25519 + 1)), (enum key_type)t, &c);
		for (unsigned l = 0; l <= KEY_ED25519; l++) {
			struct buf leaf CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
			make_leaf(&c, (enum key_type)l, &leaf);
			openssl_agrees(buf_bytes(&leaf), &c, (enum key_type)l);
			our_reader_agrees(buf_bytes(&leaf), &c, (enum key_type)l);
			tools_agree(&c, buf_bytes(&leaf));
		}
		chain_free(&c);
	}
	test_now_s = TEST_NOW_S;
}

static void ca_certificates_are_as_they_should(void **state)
{
	uint8_t digest[32], id[20];
	unsigned n = 0;
	struct cert root, ca;
	struct chain c;

	(void)state;
	chain_make(KEY_EC_P384, KEY_EC_P256, &c);
	assert_int_equal(cert_parse(arena, buf_bytes(&c.root), &root, NULL), ERR_OK);
	assert_int_equal(cert_parse(arena, buf_bytes(&c.intermediate), &ca, NULL), ERR_OK);
	assert_true(root.is_ca && ca.is_ca);
	assert_null(root.authority_key_id.ptr);
	assert_true(bytes_eq(ca.authority_key_id, root.subject_key_id));
	assert_true(bytes_eq(root.issuer_name, root.subject_name));
	assert_true(bytes_eq(ca.issuer_name, root.subject_name));
	assert_int_equal(root.alg, SIG_ES384);
	assert_int_equal(root.not_after_s, TEST_NOW_S + (int64_t)9000 * DAY_S - 1); /* 2051: GeneralizedTime */

	X509 *x = with_openssl(buf_bytes(&c.intermediate)), *r = with_openssl(buf_bytes(&c.root));
	assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_get_key_usage(r), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_get_pathlen(x), 0);
	assert_int_equal(X509_get_pathlen(r), -1);
	assert_int_equal(X509_get_ext_count(x), 6);
	assert_int_equal(X509_get_ext_count(r), 3);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	/* RFC 7093 §2 method 1, by somebody else's code. */
	assert_int_equal(X509_pubkey_digest(x, EVP_sha256(), digest, &n), 1);
	cert_key_id(ca.spki, id);
	assert_memory_equal(id, digest, 20);
	assert_memory_equal(ca.subject_key_id.ptr, digest, 20);
	X509_NAME *name = X509_get_subject_name(r);
	assert_int_equal(X509_NAME_entry_count(name), 2);
	assert_int_equal(ASN1_STRING_type(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, 0))), V_ASN1_UTF8STRING);
	X509_free(x);
	X509_free(r);
	chain_free(&c);
}

static void issuers_come_from_ca_certificates(void **state)
{
	struct issuer *i = NULL;
	struct chain c;
	struct err e;

	(void)state;
	chain_make(KEY_EC_P256, KEY_EC_P384, &c);
	assert_int_equal(issuer_new(buf_bytes(&c.intermediate), NULL, &i, &e), ERR_OK);
	assert_false(key_is_private(i->key));
	assert_true(bytes_eq(key_spki(i->key), key_spki(test_key(KEY_EC_P384))));
	assert_true(bytes_eq(i->subject, c.issuer->subject));
	assert_true(bytes_eq(i->key_id, c.issuer->key_id));
	assert_true(bytes_eq(i->certificate, buf_bytes(&c.intermediate)));
	assert_int_equal(i->not_after_s, TEST_NOW_S + (int64_t)1000 * DAY_S - 1);
	issuer_free(i);
	issuer_free(NULL);

	i = NULL;
	assert_int_equal(issuer_new(buf_bytes(&c.intermediate), test_key(KEY_EC_P256), &i, &e), ERR_CONFIG);
	assert_string_equal(e.detail, "the CA certificate is for another key than the one given");
	struct buf leaf CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	make_leaf(&c, KEY_EC_P256, &leaf);
	assert_int_equal(issuer_new(buf_bytes(&leaf), NULL, &i, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "is not a CA's"));
	assert_int_equal(issuer_new(BYTES_LIT("-----BEGIN CERTIFICATE-----"), NULL, &i, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "cannot be read"));
	assert_int_equal(issuer_new(BYTES_NONE, NULL, &i, &e), ERR_CONFIG);
	static uint8_t large[CERT_SIZE_MAX + 1];
	assert_int_equal(issuer_new(BYTES_ARRAY(large), NULL, &i, &e), ERR_CONFIG);
	assert_null(i);
	chain_free(&c);
}

static void other_peoples_certificates_are_read(void **state)
{
	static const struct {
		const char *options, *why; /* why NULL: is read */
		bool ca;
		size_t n_names;
	} rows[] = {
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha256", NULL, true, 0 },
		{ "-newkey rsa:2048 -sha256 -addext keyUsage=digitalSignature", NULL, false, 0 },
		{ "-newkey rsa:2048 -sha256 -addext keyUsage=keyCertSign", NULL, true, 0 },
		{ "-newkey ed25519 -addext subjectAltName=DNS:a.example,email:a@example.org,IP:192.0.2.1,URI:http://x.example/", NULL, true,
		    2 },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -set_serial 0xffffffffffffffffffffffffffffffff", NULL, true, 0 },
		{ "-newkey rsa:2048 -sha1",
		    "the certificate is signed with sha1WithRSAEncryption (1.2.840.113549.1.1.5), which is not read here", false, 0 },
	};

	(void)state;
	test_write("nothing", BYTES_LIT(""));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char command[512];
		struct cert x;
		struct err e;
		snprintf(command, sizeof command,
		    "openssl req -x509 -nodes -batch -subj /CN=Other -days 30 -keyout /dev/null %s -outform DER "
		    "2>/dev/null | od -An -v -tx1 | tr -d ' \\n'",
		    rows[i].options);
		struct bytes der = test_hex(test_run(command));
		enum err_code rc = cert_parse(arena, der, &x, &e);
		assert_int_equal(rc, rows[i].why ? ERR_MALFORMED : ERR_OK);
		if (rows[i].why) {
			assert_string_equal(e.detail, rows[i].why);
			continue;
		}
		assert_int_equal(x.is_ca, rows[i].ca);
		assert_int_equal(x.n_names, rows[i].n_names);
		if (i == 4) { /* the leading zero belongs to it */
			assert_int_equal(x.serial.len, 17);
			assert_int_equal(x.serial.ptr[0], 0);
		}
	}
}

/* The pieces of a certificate, to be put together wrongly. */
struct pieces {
	const char *version, *serial, *alg, *names, *validity, *extensions, *outer_alg, *after;
};

#define ES256 "300a06082a8648ce3d040302"
#define SPKI  "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
static const struct pieces good = { "a003020102", "020101", ES256, "3000",
	"301e170d3236313132333233303030305a170d3237303232313232353935395a", "a3123010 300e 0603551d0f 0101ff 0404 03020780", ES256, "" };

static struct bytes assemble(const struct pieces *p, struct buf *b)
{
	struct der_mark cert = der_open(b, DER_SEQUENCE), tbs = der_open(b, DER_SEQUENCE);
	const char *const parts[] = { p->version, p->serial, p->alg, p->names, p->validity, p->names, SPKI, p->extensions };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		buf_add(b, test_hex(parts[i]));
	der_close(b, tbs);
	buf_add(b, test_hex(p->outer_alg));
	der_put_bits(b, BYTES_LIT("signature"));
	der_close(b, cert);
	buf_add(b, test_hex(p->after));
	return buf_bytes(b);
}

static void malformed_certificates_are_refused(void **state)
{
	static const struct {
		struct pieces p;
		const char *why;
	} rows[] = {
		{ { .version = "" }, "not of version 3" },
		{ { .version = "a003020100" }, "not of version 3" },
		{ { .version = "a004020102 00" }, "not of version 3" },
		{ { .serial = "020100" }, "serial number" },
		{ { .serial = "0201ff" }, "serial number" },
		{ { .serial = "02020001" }, "serial number" },
		{ { .serial = "0215 010203040506070809101112131415161718192021" }, "serial number" },
		{ { .outer_alg = "300a06082a8648ce3d040303" }, "two different signature algorithms" },
		{ { .alg = "300906072a8648ce3d0401", .outer_alg = "300906072a8648ce3d0401" }, "ecdsa-with-SHA1" },
		{ { .names = "3100" }, "names or public key" },
		{ { .validity = "301d170d3236313132333233303030305a170c32373032323132323539355a" }, "validity" },
		{ { .extensions = "a300" }, "extensions" },
		{ { .extensions = "a302 3000" }, NULL },
		{ { .extensions = "" }, NULL },
		{ { .extensions = "8100 a302 3000" }, "extensions" },
		{ { .extensions = "a302 3000 0500" }, "2 bytes more" },
		{ { .extensions = "a322 3020 300e0603551d0f0101ff040403020780 300e0603551d0f0101ff040403020780" },
		    "keyUsage (2.5.29.15) twice" },
		{ { .extensions = "a30e 300c 300a 0603551d0f 0403 030208" }, "keyUsage" },
		{ { .extensions = "a310 300e 300c 0603551d0f 0405 0302088000" }, "keyUsage" },
		{ { .extensions = "a30f 300d 300b 0603551d0f 0404 03020880" }, "keyUsage is no BIT STRING" },
		{ { .extensions = "a30d 300b 3009 0603551d0e 0402 3000" }, "subjectKeyIdentifier" },
		{ { .extensions = "a311 300f 300d 0603551d11 0406 3004 8702 7f01" }, "IP address of 2 bytes" },
		{ { .after = "00" }, "1 bytes more" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct pieces p = good;
		struct cert x;
		struct err e = { 0 };
#define TAKE_OVER(member) p.member = rows[i].p.member ? rows[i].p.member : good.member
		TAKE_OVER(version);
		TAKE_OVER(serial);
		TAKE_OVER(alg);
		TAKE_OVER(names);
		TAKE_OVER(validity);
		TAKE_OVER(extensions);
		TAKE_OVER(outer_alg);
		TAKE_OVER(after);
#undef TAKE_OVER
		enum err_code rc = cert_parse(arena, assemble(&p, &b), &x, &e);
		if (rc != (rows[i].why ? ERR_MALFORMED : ERR_OK) || (rows[i].why && !strstr(e.detail, rows[i].why)))
			fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
	}
}

static void too_large_is_refused_unread(void **state)
{
	static uint8_t large[CERT_SIZE_MAX + 1] = { 0x30, 0x82, 0x3f, 0xfd };
	struct cert x;

	(void)state;
	assert_int_equal(cert_parse(arena, BYTES_ARRAY(large), &x, NULL), ERR_MALFORMED);
}

static void signing_fails_where_it_should(void **state)
{
	struct key *public CLEANUP(key_free_p) = NULL;
	struct buf out CLEANUP(buf_free_p) = buf_new(40);

	(void)state;
	assert_int_equal(key_from_spki(key_spki(test_key(KEY_EC_P256)), &public, NULL), ERR_OK);
	assert_int_equal(cert_sign(public, BYTES_LIT("\x30\x00"), &out, NULL), ERR_BUG);
	assert_int_equal(out.len, 0);
	assert_int_equal(cert_sign(test_key(KEY_EC_P256), BYTES_LIT("\x30\x00"), &out, NULL), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_is_these_bytes),
		cmocka_unit_test(chains_hold_everywhere),
		cmocka_unit_test(ca_certificates_are_as_they_should),
		cmocka_unit_test(issuers_come_from_ca_certificates),
		cmocka_unit_test(other_peoples_certificates_are_read),
		cmocka_unit_test(malformed_certificates_are_refused),
		cmocka_unit_test(too_large_is_refused_unread),
		cmocka_unit_test(signing_fails_where_it_should),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
