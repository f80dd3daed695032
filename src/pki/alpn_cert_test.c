/* The certificate of RFC 8737 §3, right, and wrong in each thing that it must say. */
#include "pki/alpn_cert.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "pki/der.h"
#include "pki/test_support.h"

#include <stdio.h>

#define OID_SAN   "551d11"
#define OID_ACME  "2b0601050507011f"
#define OID_DRAFT "2b0601050507011e01"
#define OID_BASIC "551d13"

static uint8_t digest[ALPN_DIGEST_SIZE];
static const struct san host = { SAN_DNS, { (const uint8_t *)"host.example.org", 16 } };

/* A certificate whose extensions are put in between; what stands around them is of no meaning here. */
static struct buf cert;
static struct der_mark marks[4];

static void begin(void)
{
	cert = buf_new(65536);
	marks[0] = der_open(&cert, DER_SEQUENCE);
	marks[1] = der_open(&cert, DER_SEQUENCE);
	der_put_hex(&cert, "a003020102"
			   "020101"
			   "300a06082a8648ce3d040302"
			   "3000"
			   "3000"
			   "3000"
			   "3000");
	marks[2] = der_open(&cert, DER_CONTEXT_CONSTRUCTED(3));
	marks[3] = der_open(&cert, DER_SEQUENCE);
}

static void add(const char *oid, bool critical, struct bytes value)
{
	struct der_mark m = der_open(&cert, DER_SEQUENCE);

	der_put_oid(&cert, oid);
	if (critical)
		der_put_bool(&cert, true);
	der_put(&cert, DER_OCTET_STRING, value);
	der_close(&cert, m);
}

static void add_names(int tag, const char *one, const char *two)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(1024);
	struct der_mark m = der_open(&b, DER_SEQUENCE);

	if (one)
		der_put(&b, tag, bytes_str(one));
	if (two)
		der_put(&b, tag, bytes_str(two));
	der_close(&b, m);
	add(OID_SAN, false, buf_bytes(&b));
}

static void add_id(const char *oid, bool critical, struct bytes content)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(1024);

	der_put(&b, DER_OCTET_STRING, content);
	add(oid, critical, buf_bytes(&b));
}

static void add_right(void)
{
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_ACME, true, BYTES_ARRAY(digest));
}

static struct bytes finish(void)
{
	der_close(&cert, marks[3]);
	der_close(&cert, marks[2]);
	der_close(&cert, marks[1]);
	der_put_hex(&cert, "300a06082a8648ce3d040302"
			   "03020000");
	der_close(&cert, marks[0]);
	assert_true(buf_ok(&cert));
	return buf_bytes(&cert);
}

static void is_ok(const struct san *name)
{
	struct err e = { 0 };

	if (alpn_cert_check(finish(), name, digest, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	buf_free(&cert);
}

static void is_refused_for(const struct san *name, const char *reason)
{
	struct err e = { 0 };
	enum err_code rc = alpn_cert_check(finish(), name, digest, &e);

	if (rc != ERR_UNAUTHORIZED || !strstr(e.detail, reason))
		fail_msg("%s: \"%s\" is not in \"%s\"", err_name(rc), reason, e.detail);
	buf_free(&cert);
}

static void is_refused(const char *reason)
{
	is_refused_for(&host, reason);
}

static void the_right_one_is_taken(void **state)
{
	const struct san v4 = { SAN_IP, BYTES_LIT("\300\0\2\1") };

	(void)state;
	begin();
	add_right();
	is_ok(&host);
	begin();
	add_id(OID_ACME, true, BYTES_ARRAY(digest));
	add(OID_BASIC, true, BYTES_LIT("\60\0"));
	add_names(DER_CONTEXT(2), "HOST.example.ORG", NULL); /* "The comparison of dNSNames MUST be case insensitive" */
	is_ok(&host);
	begin();
	add(OID_SAN, false, BYTES_LIT("\60\6\207\4\300\0\2\1"));
	add_id(OID_ACME, true, BYTES_ARRAY(digest));
	is_ok(&v4);
}

static void its_name_must_be_the_one(void **state)
{
	const struct san v4 = { SAN_IP, BYTES_LIT("\300\0\2\1") };

	(void)state;
	begin();
	add_id(OID_ACME, true, BYTES_ARRAY(digest));
	is_refused("has no subjectAltName");
	begin();
	add_right();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	is_refused("has more than one subjectAltName");
	begin();
	add_names(DER_CONTEXT(2), NULL, NULL);
	is_refused("subjectAltName is empty");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", "www.example.org");
	is_refused("more names than the one");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", "host.example.org");
	is_refused("more names than the one");
	begin();
	add_names(DER_CONTEXT(2), "example.org", NULL);
	is_refused("the certificate is for \"example.org\"");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org.", NULL);
	is_refused("the certificate is for");
	begin();
	add_names(DER_CONTEXT(2), "e\033[2J\"", NULL);
	is_refused("is for \"e?[2J?\"");
	begin();
	add_names(DER_CONTEXT(1), "host.example.org", NULL); /* rfc822Name */
	is_refused("a name of another type");
	begin();
	add(OID_SAN, false, BYTES_LIT("\60\6\207\4\300\0\2\2"));
	is_refused_for(&v4, "the address c0000202");
	begin();
	add_names(DER_CONTEXT(2), "192.0.2.1", NULL);
	is_refused_for(&v4, "the certificate is for \"192.0.2.1\"");
	begin();
	add_names(DER_CONTEXT(7), "host.example.org", NULL);
	is_refused("the certificate is for the address");
	begin();
	add(OID_SAN, false, BYTES_LIT("\60\200\202\1a\0\0"));
	is_refused("subjectAltName");
}

static void its_digest_must_be_the_one(void **state)
{
	uint8_t other[ALPN_DIGEST_SIZE + 1] = { 0 };

	(void)state;
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	is_refused("has no acmeIdentifier extension (1.3.6.1.5.5.7.1.31)");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_DRAFT, true, BYTES_ARRAY(digest));
	is_refused("only that of an early draft");
	begin();
	add_right();
	add_id(OID_DRAFT, true, BYTES_ARRAY(digest));
	is_refused("more than one acmeIdentifier");
	begin();
	add_right();
	add_id(OID_ACME, true, BYTES_ARRAY(digest));
	is_refused("more than one acmeIdentifier");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_ACME, false, BYTES_ARRAY(digest));
	is_refused("is not critical");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_ACME, true, (struct bytes){ other, ALPN_DIGEST_SIZE });
	is_refused("acmeIdentifier is 0000000000000000000000000000000000000000000000000000000000000000, due is");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_ACME, true, BYTES_ARRAY(other));
	is_refused("acmeIdentifier has 33 bytes");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add_id(OID_ACME, true, BYTES_LIT(""));
	is_refused("acmeIdentifier has 0 bytes");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	add(OID_ACME, true, BYTES_ARRAY(digest)); /* the digest where the OCTET STRING is due */
	is_refused("an OCTET STRING,");
	begin();
	add_names(DER_CONTEXT(2), "host.example.org", NULL);
	memcpy(other, digest, ALPN_DIGEST_SIZE);
	CLEANUP(buf_free_p) struct buf b = buf_new(64);
	der_put(&b, DER_OCTET_STRING, BYTES_ARRAY(digest));
	buf_add_u8(&b, 0);
	add(OID_ACME, true, buf_bytes(&b));
	is_refused("an OCTET STRING,");
}

static void what_is_no_certificate_is_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(alpn_cert_check(BYTES_LIT(""), &host, digest, &e), ERR_UNAUTHORIZED);
	begin();
	add_right();
	struct bytes whole = finish();
	for (size_t n = 0; n < whole.len; n++)
		assert_int_equal(alpn_cert_check(bytes_slice(whole, 0, n), &host, digest, &e), ERR_UNAUTHORIZED);
	buf_add_u8(&cert, 0);
	assert_int_equal(alpn_cert_check(buf_bytes(&cert), &host, digest, &e), ERR_UNAUTHORIZED);
	buf_free(&cert);
	begin();
	for (int i = 0; i < 33; i++)
		add(OID_BASIC, false, BYTES_LIT("\60\0"));
	is_refused("more than 32 extensions");
	begin();
	CLEANUP(buf_free_p) struct buf big = buf_new(32768);
	while (big.len < CERT_SIZE_MAX)
		buf_add(&big, BYTES_LIT("0123456789abcdef"));
	add(OID_BASIC, false, buf_bytes(&big));
	is_refused("more than 16384 are not read");
}

/* By somebody else's tool, with the configuration that the manuals of responders give. */
static void openssl_makes_such_ones(void **state)
{
	char hex[HEX_LEN(ALPN_DIGEST_SIZE) + 1], command[1024];

	(void)state;
	hex_encode(BYTES_ARRAY(digest), hex);
	(void)snprintf(command, sizeof command,
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj / -days 1 -outform DER -out alpn.der "
	    "-addext subjectAltName=DNS:host.example.org -addext 1.3.6.1.5.5.7.1.31=critical,DER:0420%s 2>errors && "
	    "od -An -v -tx1 alpn.der | tr -d ' \\n'",
	    hex);
	struct bytes der = test_hex(test_run(command));
	struct err e = { 0 };
	if (alpn_cert_check(der, &host, digest, &e) != ERR_OK)
		fail_msg("%s", e.detail);
}

static int setup(void **state)
{
	sha256_one(BYTES_LIT("token.thumbprint"), digest);
	return test_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_one_is_taken),
		cmocka_unit_test(its_name_must_be_the_one),
		cmocka_unit_test(its_digest_must_be_the_one),
		cmocka_unit_test(what_is_no_certificate_is_refused),
		cmocka_unit_test(openssl_makes_such_ones),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, setup, test_teardown);
}
