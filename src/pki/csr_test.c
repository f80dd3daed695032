#include "pki/csr_impl.h"

#include "pki/der.h"
#include "pki/oid.h"
#include "pki/test_support.h"

#include <stdio.h>

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(65536, 4 << 20);
	return arena ? test_setup(state) : -1;
}

static int teardown(void **state)
{
	arena_free(arena);
	return test_teardown(state);
}

/* A list of names as "DNS:a DNS:b IP:c0000201". */
static const char *listed(const struct csr *c)
{
	static char out[4096];
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->n_names; i++) {
		const struct san *n = &c->names[i];
		at += (size_t)snprintf(out + at, sizeof out - at, "%s%s", i ? " " : "", n->type == SAN_DNS ? "DNS:" : "IP:");
		for (size_t k = 0; k < n->value.len; k++)
			at += (size_t)snprintf(out + at, sizeof out - at, n->type == SAN_DNS ? "%c" : "%02x", n->value.ptr[k]);
	}
	return out;
}

/* ---- requests that other people's programs made ---- */

/* Made by the clients of Debian 12: certbot 2.1.0, lego, uacme 1.7.4 (GnuTLS), dehydrated 0.7.0 (openssl req). */
static void clients_requests_are_taken(void **state)
{
	static const struct {
		const char *file, *names;
		enum key_type type;
		enum sig_alg alg;
		bool must_staple;
	} rows[] = {
		{ "certbot-p256", "DNS:example.org DNS:www.example.org", KEY_EC_P256, SIG_ES256, false },
		{ "certbot-rsa-staple", "DNS:example.org DNS:www.example.org", KEY_RSA, SIG_RS256, true },
		{ "certbot-p384", "DNS:example.org", KEY_EC_P384, SIG_ES256, false },
		{ "dehydrated-p384", "DNS:example.org DNS:www.example.org", KEY_EC_P384, SIG_ES256, false },
		{ "lego-p256", "DNS:example.org DNS:www.example.org", KEY_EC_P256, SIG_ES256, false },
		{ "lego-p384", "DNS:example.org DNS:www.example.org", KEY_EC_P384, SIG_ES384, false },
		{ "lego-rsa-staple", "DNS:example.org DNS:www.example.org", KEY_RSA, SIG_RS256, true },
		{ "uacme-rsa", "DNS:example.org DNS:www.example.org", KEY_RSA, SIG_RS256, false },
		{ "uacme-p384-staple", "DNS:example.org DNS:www.example.org", KEY_EC_P384, SIG_ES384, true },
		{ "uacme-p256-ip", "IP:c0000201", KEY_EC_P256, SIG_ES256, false },
		{ "dehydrated-p256", "DNS:example.org DNS:www.example.org", KEY_EC_P256, SIG_ES256, false },
		{ "dehydrated-rsa-staple", "DNS:example.org DNS:www.example.org", KEY_RSA, SIG_RS256, true },
		{ "dehydrated-wildcard", "DNS:*.example.org DNS:example.org", KEY_EC_P256, SIG_ES256, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		char path[64];
		struct csr c;
		struct err e;
		snprintf(path, sizeof path, "csr/%s.der", rows[i].file);
		if (csr_parse(arena, test_file(path), &c, &e) != ERR_OK || csr_verify(&c, &k, &e) != ERR_OK)
			fail_msg("%s: %s", rows[i].file, e.detail);
		assert_string_equal(listed(&c), rows[i].names);
		assert_int_equal(key_type(k), rows[i].type);
		assert_int_equal(c.alg, rows[i].alg);
		assert_int_equal(c.must_staple, rows[i].must_staple);
		assert_true(bytes_eq(c.spki, key_spki(k)));
	}
}

/* lego, as Debian has it, writes an address as a dNSName. */
static void an_address_as_dns_name_is_explained(void **state)
{
	struct csr c;
	struct err e;

	(void)state;
	assert_int_equal(csr_parse(arena, test_file("csr/lego-ip.der"), &c, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "\"192.0.2.1\" in the CSR's subjectAltName is no DNS name: its last label is a number, or it is "
				      "malformed; an IP address goes into the subjectAltName as iPAddress");
}

#define P256 "-newkey ec -pkeyopt ec_paramgen_curve:P-256 "

static void openssl_requests(void **state)
{
	static const struct {
		const char *options, *names, *why; /* why: NULL when it is taken */
	} rows[] = {
		{ P256 "-subj / -addext subjectAltName=DNS:B.Example,DNS:a.example,DNS:b.EXAMPLE", "DNS:a.example DNS:b.example", NULL },
		{ P256 "-sha384 -subj /CN=c.example", "DNS:c.example", NULL },
		{ P256 "-subj /CN=c.example", "DNS:c.example", NULL },
		{ P256 "-subj /CN=C.example -addext subjectAltName=DNS:a.example", "DNS:a.example DNS:c.example", NULL },
		{ P256 "-subj /CN=192.0.2.1 -addext subjectAltName=IP:192.0.2.1", "IP:c0000201", NULL },
		{ P256 "-subj /CN=2001:DB8:0::1 -addext subjectAltName=IP:192.0.2.1,IP:2001:db8::1",
		    "IP:20010db8000000000000000000000001 IP:c0000201", NULL },
		{ "-newkey ed25519 -subj / -addext subjectAltName=critical,DNS:a.example,IP:2001:db8::1",
		    "DNS:a.example IP:20010db8000000000000000000000001", NULL },
		{ "-newkey rsa:2048 -subj / -addext subjectAltName=DNS:a.example -addext keyUsage=critical,digitalSignature,keyEncipherment "
		  "-addext extendedKeyUsage=serverAuth,clientAuth -addext basicConstraints=critical,CA:FALSE -addext subjectKeyIdentifier=hash",
		    "DNS:a.example", NULL },
		{ P256 "-subj / -addext subjectAltName=DNS:a.example -addext tlsfeature=status_request", "DNS:a.example", NULL },
		{ "-newkey rsa:2048 -sha1 -subj /CN=a.example", NULL,
		    "the CSR is signed with sha1WithRSAEncryption (1.2.840.113549.1.1.5), which "
		    "is not accepted; ecdsa-with-SHA256, ecdsa-with-SHA384, sha256WithRSAEncryption, Ed25519" },
		{ "-newkey rsa:2048 -sha512 -subj /CN=a.example", NULL, "sha512WithRSAEncryption" },
		{ "-newkey rsa:2048 -sigopt rsa_padding_mode:pss -subj /CN=a.example", NULL, "RSASSA-PSS" },
		{ P256 "-sha1 -subj /CN=a.example", NULL, "ecdsa-with-SHA1 (1.2.840.10045.4.1)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		struct err e = { 0 };
		struct csr c;
		enum err_code rc = csr_parse(arena, test_openssl_csr(rows[i].options), &c, &e);
		if (rc != (rows[i].why ? ERR_BAD_CSR : ERR_OK) || (rows[i].why && !strstr(e.detail, rows[i].why)))
			fail_msg("%s: %s: %s", rows[i].options, err_name(rc), e.detail);
		if (rows[i].why)
			continue;
		assert_string_equal(listed(&c), rows[i].names);
		assert_int_equal(csr_verify(&c, &k, &e), ERR_OK);
	}
}

static void keys_are_held_to_the_rules(void **state)
{
	static const struct {
		const char *options, *why;
	} rows[] = {
		{ "-newkey rsa:1024", "the CSR's key cannot be certified: an RSA modulus must have 2048 to 4096 bits" },
		{ "-newkey rsa:2050",
		    "the CSR's key cannot be certified: the bits of an RSA modulus must be 2048 to 4096 and a multiple of 8" },
		{ "-newkey rsa:2048 -pkeyopt rsa_keygen_pubexp:3", "the CSR's key cannot be certified: an RSA exponent must be" },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
		    "none of ECDSA P-256, P-384, RSA, Ed25519 and ML-DSA in its standard encoding" },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", "none of ECDSA P-256, P-384, RSA, Ed25519 and ML-DSA" },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
		    "none of ECDSA P-256, P-384, RSA, Ed25519 and ML-DSA" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct key *k = NULL;
		char options[256];
		struct err e;
		struct csr c;
		snprintf(options, sizeof options, "%s -subj /CN=a.example", rows[i].options);
		if (csr_parse(arena, test_openssl_csr(options), &c, &e) != ERR_OK)
			fail_msg("%s: %s", options, e.detail);
		if (csr_verify(&c, &k, &e) != ERR_BAD_CSR || !strstr(e.detail, rows[i].why))
			fail_msg("%s: %s", options, e.detail);
		assert_null(k);
	}
}

/* Any change of what is signed, or of the signature, is seen. */
static void forged_requests_are_refused(void **state)
{
	struct bytes good = test_file("csr/uacme-rsa.der");
	struct key *k = NULL;
	struct err e = { 0 };
	struct csr c;

	(void)state;
	uint8_t *p = malloc(good.len);
	assert_non_null(p);
	memcpy(p, good.ptr, good.len);
	p[good.len - 1] ^= 1;
	assert_int_equal(csr_parse(arena, (struct bytes){ p, good.len }, &c, &e), ERR_OK);
	assert_int_equal(csr_verify(&c, &k, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "the CSR's signature is not by the key that is in it");
	memcpy(p, good.ptr, good.len);
	uint8_t *name = memmem(p, good.len, "www.example.org", 15);
	assert_non_null(name);
	name[0] = 'a';
	assert_int_equal(csr_parse(arena, (struct bytes){ p, good.len }, &c, &e), ERR_OK);
	assert_int_equal(csr_verify(&c, &k, &e), ERR_BAD_CSR);
	c.alg = SIG_ES256;
	assert_int_equal(csr_verify(&c, &k, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "the CSR's signature algorithm does not go with its rsa key");
	c.alg = SIG_RS256;
	c.signature = BYTES_LIT("short");
	assert_int_equal(csr_verify(&c, &k, &e), ERR_BAD_CSR);
	assert_null(k);
	free(p);
}

/* ---- requests put together by hand ---- */

#define SPKI_HEX "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

struct parts {
	const char *version, *subject, *spki, *attributes, *alg, *signature, *after;
};

static struct bytes assemble(const struct parts *p, struct buf *b)
{
	struct der_mark whole = der_open(b, DER_SEQUENCE), info = der_open(b, DER_SEQUENCE);

	buf_add(b, test_hex(p->version ? p->version : "020100"));
	buf_add(b, test_hex(p->subject ? p->subject : "3000"));
	buf_add(b, test_hex(p->spki ? p->spki : SPKI_HEX));
	buf_add(b, test_hex(p->attributes ? p->attributes : "a01c 301a 06092a864886f70d01090e 310d 300b 3009 0603551d11 0402 3000"));
	der_close(b, info);
	buf_add(b, test_hex(p->alg ? p->alg : "300506032b6570"));
	buf_add(b, test_hex(p->signature ? p->signature : "03020001"));
	der_close(b, whole);
	buf_add(b, test_hex(p->after ? p->after : ""));
	assert_true(buf_ok(b));
	return buf_bytes(b);
}

static void malformed_requests_are_refused(void **state)
{
	static const struct {
		struct parts p;
		const char *why;
	} rows[] = {
		{ { .version = "020101" }, "the CSR's version is not 0" },
		{ { .version = "" }, "no CertificationRequestInfo" },
		{ { .subject = "3100" }, "the CSR's subject is no DER Name" },
		{ { .subject = "3002 3100" }, "the CSR's subject is no DER Name" },
		{ { .subject = "300c 310a 3008 0603550403 0101 00" }, "the CSR's commonName is no UTF8String" },
		{ { .subject = "300e 310c 300a 0603550403 0c01 61 0500" }, "the CSR's commonName is no UTF8String" },
		{ { .subject = "3016 3114 3008 0603550403 0c0161 3008 0603550403 0c0161" }, "more than one commonName" },
		{ { .subject = "300c 310a 3008 060355040a 0c0161" }, "organizationName (2.5.4.10)" },
		{ { .subject = "300e 310a 3008 0603550403 0c0161 3100" }, "the CSR's subject is no DER Name" },
		{ { .subject = "300d 310a 3008 0603550403 1e0161 00" }, "the CSR's commonName is no UTF8String" },
		{ { .subject = "300c 310a 3008 0603550403 0c0131" }, "the CSR's subjectAltName is empty" },
		{ { .spki = "0500" }, "subjectPublicKeyInfo" },
		{ { .spki = "" }, "subjectPublicKeyInfo" },
		{ { .attributes = "" }, "the CSR has no attributes field" },
		{ { .attributes = "a000" }, "the CSR names nothing" },
		{ { .attributes = "a002 3000" }, "an attribute of the CSR is no DER structure" },
		{ { .attributes = "a000 0500" }, "2 bytes more" },
		{ { .attributes = "a016 3014 06092a864886f70d010907 3107 0c05 6865 6c6c6f" },
		    "the CSR has the attribute challengePassword (1.2.840.113549.1.9.7): none but extensionRequest is allowed" },
		{ { .attributes = "a016 3014 06092a864886f70d010902 3107 0c05 6865 6c6c6f" },
		    "the CSR has the attribute unstructuredName (1.2.840.113549.1.9.2): none but extensionRequest is allowed" },
		{ { .attributes = "a010 300e 060a2b060104018237 0d0203 3100" }, "the CSR has the attribute 1.3.6.1.4.1.311.13.2.3" },
		{ { .attributes = "a020 300f 06092a864886f70d01090e 3102 3000 300d 06092a864886f70d01090e 3100" },
		    "extensionRequest twice" },
		{ { .attributes = "a00f 300d 06092a864886f70d01090e 3100" }, "the CSR's extensionRequest" },
		{ { .attributes = "a013 3011 06092a864886f70d01090e 3104 3000 3000" }, "the CSR's extensionRequest" },
		{ { .attributes = "a013 3011 06092a864886f70d01090e 3102 3000 3100" }, "the CSR's extensionRequest" },
		{ { 0 }, "the CSR's subjectAltName is empty" },
		{ { .alg = "0500" }, "the CSR's signatureAlgorithm is no DER structure" },
		{ { .alg = "300c06082a8648ce3d0403020500" }, "ecdsa-with-SHA256 (1.2.840.10045.4.3.2) has other parameters" },
		{ { .alg = "300b06092a864886f70d01010b" }, "sha256WithRSAEncryption (1.2.840.113549.1.1.11) has other parameters" },
		{ { .alg = "300506032b6571" }, "signed with Ed448" },
		{ { .signature = "03020101" }, "no DER CertificationRequest" },
		{ { .signature = "0402 0001" }, "no DER CertificationRequest" },
		{ { .signature = "03020001 0500" }, "the CSR has 2 bytes more" },
		{ { .after = "00" }, "the CSR has 1 bytes more" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct err e = { 0 };
		struct csr c;
		enum err_code rc = csr_parse(arena, assemble(&rows[i].p, &b), &c, &e);
		if (rc != ERR_BAD_CSR || !strstr(e.detail, rows[i].why))
			fail_msg("row %zu (%s): %s: %s", i, rows[i].why, err_name(rc), e.detail);
	}
}

static void what_is_no_request_is_refused(void **state)
{
	static uint8_t large[CSR_SIZE_MAX + 1];
	struct csr c;
	struct err e;

	(void)state;
	assert_int_equal(csr_parse(arena, BYTES_NONE, &c, &e), ERR_BAD_CSR);
	assert_int_equal(csr_parse(arena, BYTES_LIT("-----BEGIN CERTIFICATE REQUEST-----"), &c, &e), ERR_BAD_CSR);
	assert_non_null(strstr(e.detail, "a PEM file's content must be decoded first"));
	assert_int_equal(csr_parse(arena, BYTES_ARRAY(large), &c, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "the CSR has 16385 bytes, at most 16384 are allowed");
}

/* ---- extensions by themselves ---- */

struct wanted {
	enum oid id;
	const char *value, *why; /* why NULL: taken */
};

static void put_extension(struct buf *b, const struct wanted *w, const char *critical)
{
	struct der_mark x = der_open(b, DER_SEQUENCE);

	der_put_oid(b, oid_hex(w->id));
	buf_add(b, test_hex(critical));
	der_put(b, DER_OCTET_STRING, test_hex(w->value));
	der_close(b, x);
}

static void extensions_are_held_to_what_is_allowed(void **state)
{
	static const struct wanted rows[] = {
		{ OID_KEY_USAGE, "03020780", NULL },
		{ OID_KEY_USAGE, "030205a0", NULL },
		{ OID_KEY_USAGE, "03020520", NULL },
		{ OID_KEY_USAGE, "030100", NULL },
		{ OID_KEY_USAGE, "03020080", NULL }, /* trailing zeros of a named list */
		{ OID_KEY_USAGE, "0303008000", NULL },
		{ OID_KEY_USAGE, "03020640", "nonRepudiation" },
		{ OID_KEY_USAGE, "03020308", "keyAgreement" },
		{ OID_KEY_USAGE, "03020106", "keyCertSign" },
		{ OID_KEY_USAGE, "0303070080", "decipherOnly" },
		{ OID_KEY_USAGE, "0303060040", "of an unknown bit" },
		{ OID_KEY_USAGE, "0304000000 01", "is no BIT STRING of usages" },
		{ OID_KEY_USAGE, "03020880", "is no BIT STRING of usages" },
		{ OID_KEY_USAGE, "030101", "is no BIT STRING of usages" },
		{ OID_KEY_USAGE, "0300", "is no BIT STRING of usages" },
		{ OID_KEY_USAGE, "0500", "the CSR's keyUsage" },
		{ OID_KEY_USAGE, "03020780 00", "the CSR's keyUsage" },
		{ OID_EXTENDED_KEY_USAGE, "300a 06082b06010505070301", NULL },
		{ OID_EXTENDED_KEY_USAGE, "3014 06082b06010505070302 06082b06010505070301", NULL },
		{ OID_EXTENDED_KEY_USAGE, "3006 0604551d2500", "anyExtendedKeyUsage (2.5.29.37.0)" },
		{ OID_EXTENDED_KEY_USAGE, "3002 0500", "the CSR's extKeyUsage" },
		{ OID_EXTENDED_KEY_USAGE, "0500", "the CSR's extKeyUsage" },
		{ OID_BASIC_CONSTRAINTS, "3000", NULL },
		{ OID_BASIC_CONSTRAINTS, "3003 010100", NULL },
		{ OID_BASIC_CONSTRAINTS, "3003 0101ff", "with CA true" },
		{ OID_BASIC_CONSTRAINTS, "3003 020100", "with a path length" },
		{ OID_BASIC_CONSTRAINTS, "3003 010101", "the CSR's basicConstraints" },
		{ OID_BASIC_CONSTRAINTS, "3000 00", "the CSR's basicConstraints" },
		{ OID_SUBJECT_KEY_ID, "0404 01020304", NULL },
		{ OID_SUBJECT_KEY_ID, "0500", "the CSR's subjectKeyIdentifier" },
		{ OID_TLS_FEATURE, "3003 020105", NULL },
		{ OID_TLS_FEATURE, "3003 020111", "something else than status_request (5)" },
		{ OID_TLS_FEATURE, "3006 020105 020111", "something else than status_request (5)" },
		{ OID_TLS_FEATURE, "3000", "something else than status_request (5)" },
		{ OID_TLS_FEATURE, "3003 020105 00", "the CSR's tlsfeature" },
		{ OID_AUTHORITY_KEY_ID, "3000", "the CSR asks for the extension authorityKeyIdentifier (2.5.29.35): a certificate here" },
		{ OID_NAME_CONSTRAINTS, "3000", "the CSR asks for the extension nameConstraints (2.5.29.30): a certificate here" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		static const char *const criticals[] = { "", "0101ff", "010100" };
		for (size_t k = 0; k < 3; k++) {
			struct buf b CLEANUP(buf_free_p) = buf_new(4096);
			struct csr_wish w = { .names = BYTES_NONE };
			struct err e = { 0 };
			put_extension(&b, &rows[i], criticals[k]);
			enum err_code rc = csr_read_extensions(buf_bytes(&b), &w, &e);
			if (rc != (rows[i].why ? ERR_BAD_CSR : ERR_OK) || (rows[i].why && !strstr(e.detail, rows[i].why)))
				fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
			assert_int_equal(w.must_staple, rc == ERR_OK && rows[i].id == OID_TLS_FEATURE);
			assert_null(w.names.ptr);
			if (rc != ERR_OK)
				continue;
			put_extension(&b, &rows[i], "");
			assert_int_equal(csr_read_extensions(buf_bytes(&b), &w, &e), ERR_BAD_CSR);
			assert_non_null(strstr(e.detail, "twice"));
		}
	}
}

static void broken_extensions_are_refused(void **state)
{
	static const char *const rows[] = { "00", "3000", "0500", "3005 0603551d0f", "3007 0603551d0f 0500", "300a 0603551d0f 010101 0400",
		"300b 0603551d0e 0402 0400 0500", "3009 0603551d0f 0404 0302" };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct csr_wish w = { .names = BYTES_NONE };
		assert_int_equal(csr_read_extensions(test_hex(rows[i]), &w, NULL), ERR_BAD_CSR);
	}
}

/* ---- names by themselves ---- */

static void names_are_explained(void **state)
{
	static const struct {
		int tag;
		const char *name, *why;
	} rows[] = {
		{ 0x82, "example.org.", "the name \"example.org.\" in the CSR's subjectAltName ends in a dot: write it without" },
		{ 0x82, "", "a name in the CSR's subjectAltName is empty" },
		{ 0x82,
		    "b\xc3\xbc"
		    "cher.example",
		    "the name \"b??cher.example\" in the CSR's subjectAltName is not ASCII: an internationalised name is "
		    "sent in its A-label form" },
		{ 0x82, "a_b.example", "\"a_b.example\" in the CSR's subjectAltName is no DNS name" },
		{ 0x82, "a.*.example", "perhaps behind one leading \"*.\"" }, { 0x82, "evil\"\n\x1b[2J.example", "\"evil???[2j.example\"" },
		{ 0x82, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "aaaaaaaaaaaaaaaaaaaaaaaa...\" in" },
		{ 0x87, "abc", "an iPAddress in the CSR's subjectAltName has 3 bytes: an address has 4 or 16" },
		{ 0x87, "abcdefgh", "has 8 bytes" }, /* address and mask: a constraint's form */
		{ 0xa4, "", "has a directoryName" }, { 0xa3, "", "has an x400Address" }, { 0xa5, "", "has an ediPartyName" },
		{ 0x89, "", "has an unknown kind of name" }, { 0x16, "a.example", "has an unknown kind of name" },
		{ 0xa2, "a.example", "has a dNSName" }, /* constructed: not DER */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct csr c = { 0 };
		struct err e = { 0 };
		der_put(&b, rows[i].tag, bytes_str(rows[i].name));
		enum err_code rc = csr_read_names(arena, buf_bytes(&b), BYTES_NONE, &c, &e);
		if (rc != ERR_BAD_CSR || !strstr(e.detail, rows[i].why))
			fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
	}
	struct csr c = { 0 };
	assert_int_equal(csr_read_names(arena, test_hex("8205 61"), BYTES_NONE, &c, NULL), ERR_BAD_CSR);
	struct err e;
	assert_int_equal(csr_read_names(arena, test_hex("8710 00000000000000000000ffffc0000201"), BYTES_NONE, &c, &e), ERR_BAD_CSR);
	assert_string_equal(
	    e.detail, "an iPAddress in the CSR's subjectAltName is an IPv4 address in IPv6 form: write it with its 4 bytes");
	assert_int_equal(csr_read_names(arena, test_hex("8704 01020304 80"), BYTES_NONE, &c, NULL), ERR_BAD_CSR);
	assert_int_equal(csr_read_names(arena, BYTES_NONE, BYTES_LIT(""), &c, NULL), ERR_BAD_CSR);
	assert_int_equal(csr_read_names(arena, BYTES_NONE, BYTES_LIT("192.0.2.1\0"), &c, NULL), ERR_BAD_CSR);
	assert_int_equal(csr_read_names(arena, BYTES_NONE, BYTES_LIT("[2001:db8::1]"), &c, NULL), ERR_BAD_CSR);
}

static enum err_code parse_many(unsigned n, const char *common_name, struct csr *c, struct err *e)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(65536);

	for (unsigned i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "H%03u.example", (n - i) % n);
		der_put(&b, DER_CONTEXT(2), bytes_str(name));
	}
	return csr_read_names(arena, buf_bytes(&b), bytes_str(common_name), c, e);
}

static void a_hundred_names_and_no_more(void **state)
{
	struct csr c = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(parse_many(100, NULL, &c, &e), ERR_OK);
	assert_int_equal(c.n_names, 100);
	for (size_t i = 1; i < c.n_names; i++)
		assert_true(san_cmp(&c.names[i - 1], &c.names[i]) < 0);
	assert_int_equal(parse_many(100, "h042.EXAMPLE", &c, &e), ERR_OK);
	assert_int_equal(c.n_names, 100);
	assert_int_equal(parse_many(100, "other.example", &c, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "the CSR has more than 100 names");
	assert_int_equal(parse_many(101, NULL, &c, &e), ERR_BAD_CSR);
	assert_int_equal(parse_many(3000, NULL, &c, &e), ERR_BAD_CSR);
	assert_string_equal(e.detail, "the CSR has more than 100 names");
}

/* Without memory it is nobody's fault, and nothing is written. */
static void a_full_arena_is_no_bad_csr(void **state)
{
	struct bytes in = test_file("csr/uacme-p256-ip.der"), dns = test_file("csr/dehydrated-wildcard.der");

	(void)state;
	for (size_t max = 16; max < 512; max += 16) {
		struct arena *small CLEANUP(arena_free_p) = arena_new(16, max);
		struct csr c = { 0 };
		struct err e;
		if (!small)
			continue;
		enum err_code a = csr_parse(small, in, &c, &e);
		assert_true(a == ERR_OK || a == ERR_NOMEM);
		enum err_code b = csr_parse(small, dns, &c, &e);
		assert_true(b == ERR_OK || b == ERR_NOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_requests_are_taken),
		cmocka_unit_test(an_address_as_dns_name_is_explained),
		cmocka_unit_test(openssl_requests),
		cmocka_unit_test(keys_are_held_to_the_rules),
		cmocka_unit_test(forged_requests_are_refused),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(extensions_are_held_to_what_is_allowed),
		cmocka_unit_test(broken_extensions_are_refused),
		cmocka_unit_test(names_are_explained),
		cmocka_unit_test(a_hundred_names_and_no_more),
		cmocka_unit_test(a_full_arena_is_no_bad_csr),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
