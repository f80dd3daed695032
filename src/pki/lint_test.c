/* Every rule is tripped once at least: by bytes that differ from a good request's, or by a request that asks for what is forbidden
 * and bytes that agree with it. */
#include "pki/der.h"
#include "pki/test_support.h"

static struct arena *arena;
static struct chain chain;

static int setup(void **state)
{
	arena = arena_new(65536, 1 << 20);
	if (!arena || test_setup(state) != 0)
		return -1;
	chain_make(KEY_EC_P384, KEY_EC_P256, &chain);
	return 0;
}

static int teardown(void **state)
{
	chain_free(&chain);
	arena_free(arena);
	return test_teardown(state);
}

/* A TBSCertificate in pieces. */
enum piece { VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, AKI, KU, EKU, SAN, CP, CDP, BC, AFTER, PIECES };

struct tbs {
	struct bytes piece[PIECES]; /* the extensions each with its header */
};

static void take_apart(struct bytes in, struct tbs *ret)
{
	struct der d = der_of(in), s = der_enter(&d, DER_SEQUENCE);

	for (unsigned i = VERSION; i <= KEY; i++)
		ret->piece[i] = der_get_element(&s);
	struct der outer = der_enter(&s, DER_CONTEXT_CONSTRUCTED(3)), list = der_enter(&outer, DER_SEQUENCE);
	for (unsigned i = AKI; i <= BC; i++)
		ret->piece[i] = der_get_element(&list);
	ret->piece[AFTER] = BYTES_NONE;
	assert_int_equal(der_end(&list, ERR_BUG, "extensions", NULL), ERR_OK);
	assert_int_equal(der_end(&s, ERR_BUG, "tbs", NULL), ERR_OK);
}

static void put_together(const struct tbs *t, struct buf *out)
{
	struct der_mark whole = der_open(out, DER_SEQUENCE);

	for (unsigned i = VERSION; i <= KEY; i++)
		buf_add(out, t->piece[i]);
	struct der_mark outer = der_open(out, DER_CONTEXT_CONSTRUCTED(3)), list = der_open(out, DER_SEQUENCE);
	for (unsigned i = AKI; i <= BC; i++)
		buf_add(out, t->piece[i]);
	der_close(out, list);
	der_close(out, outer);
	buf_add(out, t->piece[AFTER]);
	der_close(out, whole);
	assert_true(buf_ok(out));
}

static void write_good(enum key_type t, struct leaf_request *r, struct buf *out)
{
	leaf_make(t, r);
	cert_write_leaf_tbs(chain.issuer, &test_profile, r, out);
	assert_true(buf_ok(out));
}

static enum err_code lint(struct bytes tbs, const struct leaf_request *r, struct err *e)
{
	return lint_leaf_tbs(arena, tbs, chain.issuer, &test_profile, r, e);
}

static void good_bytes_pass(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX), again CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct leaf_request r;
		struct tbs parts;
		struct err e;
		write_good((enum key_type)t, &r, &b);
		if (lint(buf_bytes(&b), &r, &e) != ERR_OK)
			fail_msg("%s", e.detail);
		take_apart(buf_bytes(&b), &parts);
		put_together(&parts, &again);
		assert_true(bytes_eq(buf_bytes(&b), buf_bytes(&again)));
	}
}

#define KU_OK                           "300e 0603551d0f 0101ff 0404 03020780"
#define EKU_OK                          "3013 0603551d25 040c 300a 06082b06010505070301"
#define CP_OK                           "3013 0603551d20 040c 300a 3008 0606 67810c010201"
#define BC_OK                           "300c 0603551d13 0101ff 0402 3000"
#define URL_HEX                         "687474703a2f2f63726c2e6578616d706c652e6f72672f65312e63726c"
#define CDP_OK                          "302e 0603551d1f 0427 3025 3023 a021 a01f 861d" URL_HEX
#define SAN_OF(len3, len2, len1, names) "30" len3 "0603551d11 0101ff 04" len2 "30" len1 names

static const struct {
	enum piece piece;
	const char *hex, *why;
} altered[] = {
	{ VERSION, "", "version" },
	{ VERSION, "a003020101", "version" },
	{ VERSION, "a0060201020201 02", "version" },
	{ VERSION, "020102", "version" },
	{ SERIAL, "020f 5a0001020304050607080910111213", "serial: it is no INTEGER of 16 bytes" },
	{ SERIAL, "0211 5a000102030405060708090a0b0c0dff00", "serial: it is no INTEGER of 16 bytes" },
	{ SERIAL, "0410 5a000102030405060708090a0b0c0dff", "serial: it is no INTEGER of 16 bytes" },
	{ SERIAL, "0210 00a0000102030405060708090a0b0c0d", "serial: its first byte" },
	{ SERIAL, "0210 80000102030405060708090a0b0c0dff", "serial: its first byte" },
	{ SERIAL, "0210 5a000102030405060708090a0b0c0dfe", "serial: it is not the request's" },
	{ ALGORITHM, "300a06082a8648ce3d040303", "algorithm" },
	{ ALGORITHM, "300c06082a8648ce3d0403020500", "algorithm" },
	{ ALGORITHM, "", "algorithm" },
	{ ISSUER, "3000", "issuer" },
	/* The same text in another string type is another name. */
	{ ISSUER, "3018 3116 3014 0603550403 130d 4578616d706c65204341204531", "issuer" },
	{ VALIDITY, "3000", "validity: it is no pair of times" },
	{ VALIDITY, "301e 170d3236313132333233303030305a 170d3237303232313232353935385a", "validity: it is not the request's" },
	{ VALIDITY, "301e 170d3236313132333233303030315a 170d3237303232313232353935395a", "validity: it is not the request's" },
	/* A date before 2050 as GeneralizedTime: the right moment in the wrong form. */
	{ VALIDITY, "3020 170d3236313132333233303030305a 180f32303237303232313232353935395a", "validity: it is no pair of times" },
	{ VALIDITY, "302d 170d3236313132333233303030305a 170d3237303232313232353935395a 170d3237303232313232353935395a",
	    "validity: it is no pair of times" },
	{ SUBJECT, "3016 3114 3012 0603550403 0c0b 6578616d706c652e6f7267", "subject" },
	{ SUBJECT, "3100", "subject" },
	{ KEY, "302a 300506032b6570 032100 d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	    "public key: it is not the request's" },
	{ AFTER, "0500", "structure: something follows" },
	/* Extensions: missing, ... */
	{ AKI, "", "authorityKeyIdentifier is missing" },
	{ KU, "", "keyUsage is missing" },
	{ EKU, "", "extKeyUsage is missing" },
	{ SAN, "", "subjectAltName is missing" },
	{ CP, "", "certificatePolicies is missing" },
	{ CDP, "", "cRLDistributionPoints is missing" },
	{ BC, "", "basicConstraints is missing" },
	/* ... twice, ... */
	{ KU, KU_OK KU_OK, "keyUsage is there twice" },
	{ EKU, EKU_OK EKU_OK, "extKeyUsage is there twice" },
	{ CP, CP_OK CP_OK, "certificatePolicies is there twice" },
	{ CDP, CDP_OK CDP_OK, "cRLDistributionPoints is there twice" },
	{ BC, BC_OK BC_OK, "basicConstraints is there twice" },
	/* ... with the wrong flag, ... */
	{ AKI, "3012 0603551d23 0101ff 0408 3006 8004 01020304", "authorityKeyIdentifier must not be critical" },
	{ KU, "300b 0603551d0f 0404 03020780", "keyUsage must be critical" },
	{ EKU, "3016 0603551d25 0101ff 040c 300a 06082b06010505070301", "extKeyUsage must not be critical" },
	{ SAN, "3016 0603551d11 040f 300d 820b 6578616d706c652e6f7267", "subjectAltName must be critical" },
	{ CP, "3016 0603551d20 0101ff 040c 300a 3008 0606 67810c010201", "certificatePolicies must not be critical" },
	{ CDP, "3031 0603551d1f 0101ff 0427 3025 3023 a021 a01f 861d" URL_HEX, "cRLDistributionPoints must not be critical" },
	{ BC, "3009 0603551d13 0402 3000", "basicConstraints must be critical" },
	{ EKU, "3016 0603551d25 010100 040c 300a 06082b06010505070301", "one is not the DER of an Extension" },
	{ KU, "300e 0603551d0f 010101 0404 03020780", "one is not the DER of an Extension" },
	{ KU, "3010 0603551d0f 0101ff 0404 03020780 0500", "one is not the DER of an Extension" },
	{ KU, "0500", "one is not the DER of an Extension" },
	{ BC, "300c 0603551d13 0101ff 0402 30", "one is not the DER of an Extension" },
	/* ... of others, ... */
	{ BC, BC_OK "300d 0603551d0e 0406 0404 01020304", "not of the allowed set" },
	{ BC, BC_OK "3011 06082b06010505070118 0405 3003 020105", "not of the allowed set" },
	{ BC, BC_OK "300b 0603551e13 0404 03020780", "not of the allowed set" },
	{ BC, BC_OK "300a 0602551d 0404 03020780", "not of the allowed set" },
	/* ... and with the wrong value. */
	{ AKI, "300f 0603551d23 0408 3006 8004 01020304", "authorityKeyIdentifier: it is not the issuer's key" },
	{ AKI, "3009 0603551d23 0402 3000", "authorityKeyIdentifier: it has not a keyIdentifier alone" },
	{ AKI, "300b 0603551d23 0404 3002 8000", "authorityKeyIdentifier: it has not a keyIdentifier alone" },
	{ AKI, "3012 0603551d23 040b 3009 8004 01020304 820101", "authorityKeyIdentifier: it has not a keyIdentifier alone" },
	{ KU, "300e 0603551d0f 0101ff 0404 030205a0", "keyUsage" },
	{ KU, "300e 0603551d0f 0101ff 0404 03020106", "keyUsage" },
	{ KU, "300e 0603551d0f 0101ff 0404 03020080", "keyUsage" },
	{ KU, "300f 0603551d0f 0101ff 0405 0303078000", "keyUsage" },
	{ EKU, "3013 0603551d25 040c 300a 06082b06010505070302", "extKeyUsage" },
	{ EKU, "301d 0603551d25 0416 3014 06082b06010505070301 06082b06010505070302", "extKeyUsage" },
	{ EKU, "300d 0603551d25 0406 3004 0602 2a03", "extKeyUsage" },
	{ EKU, "3009 0603551d25 0402 3000", "extKeyUsage" },
	{ SAN, SAN_OF("0c", "02", "00", ""), "names are not the request's" },
	{ SAN, SAN_OF("19", "0f", "0d", "820b 6578616d706c652e6f7267"), "names are not the request's" },
	{ SAN, SAN_OF("28", "1e", "1c", "820d 2a2e6578616d706c652e6f7267 820b 6578616d706c652e6f7267"), "names are not the request's" },
	{ SAN, SAN_OF("28", "1e", "1c", "820b 6578616d706c652e6f7267 820d 2a2e6578616d706c652e6f7267"), "names are not the request's" },
	{ SAN, SAN_OF("15", "0b", "09", "8107 614062632e6465"), "neither dNSName nor iPAddress" },
	{ SAN, SAN_OF("19", "0f", "0d", "160b 6578616d706c652e6f7267"), "neither dNSName nor iPAddress" },
	{ SAN, SAN_OF("19", "0f", "0d", "820b 4578616d706c652e6f7267"), "none that a certificate may carry" },
	{ SAN, SAN_OF("1a", "10", "0e", "820c 6578616d706c652e6f72672e"), "none that a certificate may carry" },
	{ SAN, SAN_OF("0e", "04", "02", "8200"), "none that a certificate may carry" },
	{ SAN, SAN_OF("12", "08", "06", "8704 01020304"), "names are not the request's" },
	{ SAN, SAN_OF("13", "09", "07", "8705 0102030405"), "has not 4 or 16 bytes" },
	{ SAN, SAN_OF("0e", "04", "02", "8201"), "subjectAltName" },
	{ SAN, "300c 0603551d11 0101ff 0402 0500", "it is no list of names" },
	{ CP, "3011 0603551d20 040a 3008 3006 0604 551d2000", "certificatePolicies" },
	{ CP, "3013 0603551d20 040c 300a 3008 0606 67810c010202", "certificatePolicies" },
	{ CP, "301d 0603551d20 0416 3014 3008 0606 67810c010201 3008 0606 67810c010201", "certificatePolicies" },
	{ CP, "3015 0603551d20 040e 300c 300a 0606 67810c010201 3000", "certificatePolicies" },
	{ CP, "3009 0603551d20 0402 3000", "certificatePolicies" },
	{ CDP, "3009 0603551d1f 0402 3000", "cRLDistributionPoints: it is not one point" },
	{ CDP, "300b 0603551d1f 0404 3002 3000", "cRLDistributionPoints: it is not one point" },
	{ CDP, "302e 0603551d1f 0427 3025 3023 a021 a01f 821d" URL_HEX, "cRLDistributionPoints: it is not one point" },
	{ CDP, "302e 0603551d1f 0427 3025 3023 a021 a11f 861d" URL_HEX, "cRLDistributionPoints: it is not one point" },
	/* two names, two points, reasons, an issuer of the list */
	{ CDP, "3031 0603551d1f 042a 3028 3026 a024 a022 861d" URL_HEX "860161", "cRLDistributionPoints: it is not one point" },
	{ CDP, "3030 0603551d1f 0429 3027 3023 a021 a01f 861d" URL_HEX "3000", "cRLDistributionPoints: it is not one point" },
	{ CDP, "3032 0603551d1f 042b 3029 3027 a021 a01f 861d" URL_HEX "81020640", "cRLDistributionPoints: it is not one point" },
	{ CDP, "3032 0603551d1f 042b 3029 3027 a021 a01f 861d" URL_HEX "a2028100", "cRLDistributionPoints: it is not one point" },
	{ CDP, "302e 0603551d1f 0427 3025 3023 a021 a01f 861d 687474703a2f2f63726c2e6578616d706c652e6f72672f65322e63726c",
	    "cRLDistributionPoints: its URI is not the request's" },
	{ CDP, "302e 0603551d1f 0427 3025 3023 a021 a01f 861d 687474703a2f2f63726c2e6578616d706c652e6f72672f6531002e6372",
	    "cRLDistributionPoints: its URI is none of http" },
	{ BC, "300f 0603551d13 0101ff 0405 3003 0101ff", "basicConstraints" },
	{ BC, "300f 0603551d13 0101ff 0405 3003 010100", "basicConstraints" },
	{ BC, "300f 0603551d13 0101ff 0405 3003 020100", "basicConstraints" },
};

static void altered_bytes_are_refused(void **state)
{
	struct buf good CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;

	(void)state;
	write_good(KEY_EC_P256, &r, &good);
	for (size_t i = 0; i < sizeof altered / sizeof *altered; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct err e = { 0 };
		struct tbs t;
		take_apart(buf_bytes(&good), &t);
		t.piece[altered[i].piece] = test_hex(altered[i].hex);
		put_together(&t, &b);
		if (lint(buf_bytes(&b), &r, &e) != ERR_BUG || !strstr(e.detail, altered[i].why))
			fail_msg("row %zu (%s): %s", i, altered[i].why, e.detail);
	}
}

/* Twice: those whose bytes are not constants. */
static void repeated_extensions_are_refused(void **state)
{
	struct buf good CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;

	(void)state;
	write_good(KEY_EC_P256, &r, &good);
	for (unsigned i = AKI; i <= BC; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX), twice CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct err e = { 0 };
		struct tbs t;
		take_apart(buf_bytes(&good), &t);
		buf_add(&twice, t.piece[i]);
		buf_add(&twice, t.piece[i]);
		t.piece[i] = buf_bytes(&twice);
		put_together(&t, &b);
		assert_int_equal(lint(buf_bytes(&b), &r, &e), ERR_BUG);
		assert_non_null(strstr(e.detail, "is there twice"));
	}
}

/* A good certificate has one encoding: no bit of it may be another, no byte of it missing, none more. */
static void every_bit_counts(void **state)
{
	(void)state;
	for (unsigned t = KEY_EC_P256; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct leaf_request r;
		write_good((enum key_type)t, &r, &b);
		for (size_t bit = 0; bit < b.len * 8; bit++) {
			b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(lint(buf_bytes(&b), &r, NULL), ERR_BUG);
			b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (size_t n = 0; n < b.len; n++)
			assert_int_equal(lint((struct bytes){ b.ptr, n }, &r, NULL), ERR_BUG);
		assert_int_equal(lint(buf_bytes(&b), &r, NULL), ERR_OK);
		buf_add_u8(&b, 0);
		struct err e;
		assert_int_equal(lint(buf_bytes(&b), &r, &e), ERR_BUG);
		assert_string_equal(e.detail, "lint: structure: it is not the DER of one TBSCertificate");
	}
}

/* ---- requests for what is forbidden, and bytes that agree with them ---- */

struct asked {
	struct leaf_request request;
	struct profile profile;
	struct issuer issuer;
};

static void serial_zero(struct asked *a)
{
	static const uint8_t serial[SERIAL_SIZE] = { 0, 0x80 };
	a->request.serial = serial;
}

static void serial_short(struct asked *a)
{
	static const uint8_t serial[SERIAL_SIZE] = { 0, 1 };
	a->request.serial = serial;
}

static void serial_negative(struct asked *a)
{
	static const uint8_t serial[SERIAL_SIZE] = { 0x80 };
	a->request.serial = serial;
}

static void backwards(struct asked *a)
{
	a->request.not_after_s = a->request.not_before_s - 1;
}

static void no_time_at_all(struct asked *a)
{
	a->request.not_after_s = a->request.not_before_s;
}

static void a_second_too_long(struct asked *a)
{
	a->request.not_after_s++;
}

static void begin_at(struct asked *a, int64_t at)
{
	a->request.not_before_s = at;
	a->request.not_after_s = at + DAY_S;
}

static void too_early(struct asked *a)
{
	begin_at(a, TEST_NOW_S - 48 * 3600 - 1);
}

static void just_early(struct asked *a)
{
	begin_at(a, TEST_NOW_S - 48 * 3600);
}

static void too_late(struct asked *a)
{
	begin_at(a, TEST_NOW_S + 48 * 3600 + 1);
}

static void just_late(struct asked *a)
{
	begin_at(a, TEST_NOW_S + 48 * 3600);
}

static void outlives_issuer(struct asked *a)
{
	a->issuer.not_after_s = a->request.not_after_s - 1;
}

static void ends_with_issuer(struct asked *a)
{
	a->issuer.not_after_s = a->request.not_after_s;
}

static void other_key_type(struct asked *a)
{
	a->request.key_type = KEY_EC_P384;
}

static void no_key_type(struct asked *a)
{
	a->request.key_type = KEY__MAX;
}

static void rsa_claimed(struct asked *a)
{
	a->request.key_type = KEY_RSA;
}

static void type_not_of_profile(struct asked *a)
{
	a->profile.key_types = ~(1u << KEY_EC_P256);
}

static void take_key(struct asked *a, struct key *k)
{
	a->request.spki = key_spki(k);
	a->request.key_type = key_type(k);
}

static void rsa_too_large(struct asked *a)
{
	take_key(a, test_key(KEY_RSA));
	a->profile.rsa_bits_max = 2047;
}

static void rsa_of_the_size(struct asked *a)
{
	take_key(a, test_key(KEY_RSA));
	a->profile.rsa_bits_max = 2048;
}

static void rsa_of_odd_size(struct asked *a)
{
	static uint8_t spki[300];
	struct bytes in = key_spki(test_key(KEY_RSA));

	/* The leading zero made a part of the number: 2055 bits. */
	assert_true(in.len <= sizeof spki);
	memcpy(spki, in.ptr, in.len);
	uint8_t *modulus = memmem(spki, in.len, "\x02\x82\x01\x01\x00", 5);
	assert_non_null(modulus);
	modulus[4] = 0x7f;
	take_key(a, test_key(KEY_RSA));
	a->request.spki = (struct bytes){ spki, in.len };
}

static void key_of_sequence(struct asked *a)
{
	a->request.spki = BYTES_LIT("\x30\x15\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
}

static void no_issuer_key_id(struct asked *a)
{
	a->issuer.key_id = BYTES_LIT("");
}

static void no_issuer_name(struct asked *a)
{
	a->issuer.subject = BYTES_LIT("");
}

static void too_many_names(struct asked *a)
{
	a->profile.names_max = 3;
}

static void as_many_names(struct asked *a)
{
	a->profile.names_max = 4;
}

static void no_crl(struct asked *a)
{
	a->request.crl_url = BYTES_NONE;
}

static void crl_over_tls(struct asked *a)
{
	a->request.crl_url = BYTES_LIT("https://crl.example.org/e1.crl");
}

static void crl_of_nowhere(struct asked *a)
{
	a->request.crl_url = BYTES_LIT("http://");
}

static void ask_names(struct asked *a, const struct san *v, size_t n)
{
	a->request.names = v;
	a->request.n_names = n;
}

static void no_names(struct asked *a)
{
	ask_names(a, NULL, 0);
}

#define ASK_NAMES(fn, ...)                                     \
	static void fn(struct asked *a)                        \
	{                                                      \
		static const struct san v[] = { __VA_ARGS__ }; \
		ask_names(a, v, sizeof v / sizeof *v);         \
	}
#define NAME(type, s)                                       \
	{                                                   \
		(type),                                     \
		{                                           \
			(const uint8_t *)(s), sizeof(s) - 1 \
		}                                           \
	}
#define DNS(s) NAME(SAN_DNS, s)
#define IP(s)  NAME(SAN_IP, s)
ASK_NAMES(unsorted, DNS("b.org"), DNS("a.org"))
ASK_NAMES(repeated, DNS("a.org"), DNS("a.org"))
ASK_NAMES(address_first, IP("\x01\x02\x03\x04"), DNS("a.org"))
ASK_NAMES(star_within, DNS("a.*.org"))
ASK_NAMES(star_part, DNS("*a.org"))
ASK_NAMES(star_twice, DNS("*.*.org"))
ASK_NAMES(star_alone, DNS("*"))
ASK_NAMES(star_dot, DNS("*."))
ASK_NAMES(upper_case, DNS("A.org"))
ASK_NAMES(an_address_as_name, DNS("192.0.2.1"))
ASK_NAMES(final_dot, DNS("a.org."))
ASK_NAMES(nul_within, DNS("a.org\0.b.org"))
ASK_NAMES(empty_name, DNS(""))
ASK_NAMES(short_address, IP("\x01\x02\x03"))
ASK_NAMES(mapped_address, IP("\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"))

static void forbidden_requests_are_refused(void **state)
{
	static const struct {
		void (*ask)(struct asked *a);
		const char *why; /* NULL: allowed */
	} rows[] = {
		{ serial_zero, "serial" },
		{ serial_short, "serial" },
		{ serial_negative, "serial" },
		{ backwards, "validity: it ends before it begins" },
		{ no_time_at_all, "validity: it ends before it begins" },
		{ a_second_too_long, "lifetime: 7776001 s are more than the profile's 7776000" },
		{ too_early, "notBefore" },
		{ just_early, NULL },
		{ too_late, "notBefore" },
		{ just_late, NULL },
		{ outlives_issuer, "notAfter" },
		{ ends_with_issuer, NULL },
		{ other_key_type, "public key: its algorithm" },
		{ no_key_type, "public key: its algorithm" },
		{ rsa_claimed, "public key: its algorithm" },
		{ type_not_of_profile, "public key: its type is none of the profile's" },
		{ rsa_too_large, "public key: its modulus has not 2048 to 2047 bits" },
		{ rsa_of_the_size, NULL },
		{ rsa_of_odd_size, "public key: its modulus has not 2048 to 4096 bits" },
		{ key_of_sequence, "public key: it is no SubjectPublicKeyInfo" },
		{ no_issuer_key_id, "authorityKeyIdentifier" },
		{ no_issuer_name, "issuer" },
		{ too_many_names, "subjectAltName: 4 names are more than the profile's 3" },
		{ as_many_names, NULL },
		{ no_crl, NULL },
		{ crl_over_tls, "cRLDistributionPoints: its URI is none of http" },
		{ crl_of_nowhere, "cRLDistributionPoints: its URI is none of http" },
		{ no_names, "names are not the request's" },
		{ unsorted, "not sorted and unique" },
		{ repeated, "not sorted and unique" },
		{ address_first, "not sorted and unique" },
		{ star_within, "a wildcard is not a whole first label" },
		{ star_part, "a wildcard is not a whole first label" },
		{ star_twice, "a wildcard is not a whole first label" },
		{ star_alone, "a wildcard is not a whole first label" },
		{ star_dot, "a wildcard is not a whole first label" },
		{ upper_case, "none that a certificate may carry" },
		{ an_address_as_name, "none that a certificate may carry" },
		{ final_dot, "none that a certificate may carry" },
		{ nul_within, "none that a certificate may carry" },
		{ empty_name, "none that a certificate may carry" },
		{ short_address, "has not 4 or 16 bytes" },
		{ mapped_address, "an IPv4 address in IPv6 form" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct asked a = { .profile = test_profile, .issuer = *chain.issuer };
		struct err e = { 0 };
		leaf_make(KEY_EC_P256, &a.request);
		rows[i].ask(&a);
		cert_write_leaf_tbs(&a.issuer, &a.profile, &a.request, &b);
		assert_true(buf_ok(&b));
		enum err_code rc = lint_leaf_tbs(arena, buf_bytes(&b), &a.issuer, &a.profile, &a.request, &e);
		if (rc != (rows[i].why ? ERR_BUG : ERR_OK) || (rows[i].why && !strstr(e.detail, rows[i].why)))
			fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
	}
}

/* A list that the request does not ask for. */
static void a_list_of_nobody_is_refused(void **state)
{
	struct buf good CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;
	struct err e;

	(void)state;
	write_good(KEY_EC_P256, &r, &good);
	r.crl_url = BYTES_NONE;
	assert_int_equal(lint(buf_bytes(&good), &r, &e), ERR_BUG);
	assert_string_equal(e.detail, "lint: extensions: there is one that is not of the allowed set");
	r.crl_url = BYTES_LIT("http://crl.example.org/e2.crl");
	assert_int_equal(lint(buf_bytes(&good), &r, &e), ERR_BUG);
	assert_string_equal(e.detail, "lint: cRLDistributionPoints: its URI is not the request's");
}

/* digitalSignature alone under an RSA key. */
static void rsa_usage_is_looked_at(void **state)
{
	struct buf good CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX), b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;
	struct err e;
	struct tbs t;

	(void)state;
	write_good(KEY_RSA, &r, &good);
	take_apart(buf_bytes(&good), &t);
	t.piece[KU] = test_hex(KU_OK);
	put_together(&t, &b);
	assert_int_equal(lint(buf_bytes(&b), &r, &e), ERR_BUG);
	assert_string_equal(e.detail, "lint: keyUsage: it is not the profile's");
}

/* --- what profiles add --- */

#define OCSP "http://crl.example.org/ocsp"
#define CA   "http://crl.example.org/ca/00.cer"

/* A profile with everything. */
static struct profile rich(void)
{
	static struct bytes policies[] = { { (const uint8_t *)"2.23.140.1.2.1", 14 }, { (const uint8_t *)"1.3.6.1.4.1.99999.1.128", 23 },
		{ (const uint8_t *)"2.999.4294967295", 16 } };
	struct profile p = test_profile;

	p.contents = PROFILE_COMMON_NAME | PROFILE_MUST_STAPLE | PROFILE_CRL | PROFILE_OCSP | PROFILE_CA_ISSUERS;
	p.policies = policies;
	p.n_policies = 3;
	return p;
}

static void write_rich(const struct profile *p, struct leaf_request *r, struct buf *out)
{
	leaf_make(KEY_RSA, r);
	r->ocsp_url = BYTES_LIT(OCSP);
	r->ca_issuers_url = BYTES_LIT(CA);
	cert_write_leaf_tbs(chain.issuer, p, r, out);
	assert_true(buf_ok(out));
}

static void whole_profiles_pass(void **state)
{
	static const uint32_t usages[] = { 1, 2, 3 };
	struct issuer any = *chain.issuer;

	(void)state;
	any.purposes = CERT_ANY_PURPOSE;
	for (size_t i = 0; i < 3; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX), der CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
		struct profile p = rich();
		struct leaf_request r;
		struct err e;
		p.key_usage = usages[i];
		write_rich(&p, &r, &b);
		if (lint_leaf_tbs(arena, buf_bytes(&b), chain.issuer, &p, &r, &e) != ERR_OK)
			fail_msg("%s", e.detail);
		assert_int_equal(cert_sign(chain.issuer->key, buf_bytes(&b), &der, &e), ERR_OK);
		test_write("rich.der", buf_bytes(&der));
		const char *text = test_run("openssl x509 -inform DER -in rich.der -noout -text");
		static const char *const says[] = { "Subject: CN = *.example.org\n", "X509v3 Subject Alternative Name: \n",
			"Policy: 2.23.140.1.2.1", "Policy: 1.3.6.1.4.1.99999.1.128", "Policy: 2.999.4294967295", "OCSP - URI:" OCSP,
			"CA Issuers - URI:" CA, "TLS Feature: \n", "status_request", "URI:" TEST_CRL_URL };
		for (size_t k = 0; k < sizeof says / sizeof *says; k++)
			if (!strstr(text, says[k]))
				fail_msg("no \"%s\" in:\n%s", says[k], text);
		p = rich(), p.purposes = PROFILE_CLIENT_AUTH, p.key_usage = usages[i];
		buf_reset(&b);
		cert_write_leaf_tbs(&any, &p, &r, &b);
		if (lint_leaf_tbs(arena, buf_bytes(&b), &any, &p, &r, &e) != ERR_OK)
			fail_msg("%s", e.detail);
	}
}

/* Each is written by one profile and request, and judged by another. */
static void other_profiles_are_refused(void **state)
{
	static struct bytes other_policies[] = { { (const uint8_t *)"2.23.140.1.2.1", 14 },
		{ (const uint8_t *)"1.3.6.1.4.1.99999.1.129", 23 }, { (const uint8_t *)"2.999.4294967295", 16 } };
	struct profile written = rich(), p;
	struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request good, r;
	struct err e = { 0 };

	(void)state;
	write_rich(&written, &good, &b);
#define REFUSED(change, words)                                                                            \
	do {                                                                                              \
		p = written, r = good;                                                                    \
		change;                                                                                   \
		assert_int_equal(lint_leaf_tbs(arena, buf_bytes(&b), chain.issuer, &p, &r, &e), ERR_BUG); \
		if (!strstr(e.detail, words))                                                             \
			fail_msg("\"%s\" instead of \"%s\"", e.detail, words);                            \
	} while (0)
	REFUSED(p.contents &= ~(uint32_t)PROFILE_COMMON_NAME, "subject: it is not empty");
	REFUSED(p.contents &= ~(uint32_t)PROFILE_MUST_STAPLE, "not of the allowed set");
	REFUSED(p.contents &= ~(uint32_t)PROFILE_CRL, "services: the request has a URL");
	REFUSED(p.contents &= ~(uint32_t)PROFILE_OCSP, "services: the request has a URL");
	REFUSED(p.contents &= ~(uint32_t)PROFILE_CA_ISSUERS, "services: the request has a URL");
	REFUSED(p.key_usage = PROFILE_DIGITAL_SIGNATURE, "keyUsage");
	REFUSED(p.key_usage = PROFILE_KEY_ENCIPHERMENT, "keyUsage");
	REFUSED(p.key_usage = 0, "keyUsage");
	REFUSED(p.purposes = PROFILE_CLIENT_AUTH, "extKeyUsage");
	REFUSED(p.purposes |= PROFILE_CLIENT_AUTH, "extKeyUsage");
	REFUSED(p.purposes = 0, "extKeyUsage");
	REFUSED(p.n_policies = 2, "certificatePolicies");
	REFUSED(p.n_policies = 0, "not of the allowed set");
	REFUSED(p.policies = other_policies, "certificatePolicies");
	REFUSED(r.ocsp_url = BYTES_LIT("http://other/"), "authorityInfoAccess: its URI is not the request's");
	REFUSED(r.ca_issuers_url = BYTES_NONE, "authorityInfoAccess: it has more");
	REFUSED(r.ocsp_url = BYTES_NONE, "services: what must be stapled");
	REFUSED(r.crl_url = BYTES_NONE, "not of the allowed set");
	REFUSED(r.ca_issuers_url = BYTES_LIT("https://other/"), "authorityInfoAccess: its URI is not the request's");
	p = test_profile, r = good, r.crl_url = r.ocsp_url = BYTES_NONE, p.contents = PROFILE_CA_ISSUERS;
	assert_int_equal(lint_leaf_tbs(arena, buf_bytes(&b), chain.issuer, &p, &r, &e), ERR_BUG);
	assert_non_null(strstr(e.detail, "longer than 7 days"));
}

/* An issuer whose own certificate is for others. */
static void the_issuer_must_be_for_it(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct issuer other = *chain.issuer;
	struct leaf_request r;
	struct err e;

	(void)state;
	write_good(KEY_EC_P256, &r, &b);
	other.purposes = CERT_CLIENT_AUTH;
	assert_int_equal(lint_leaf_tbs(arena, buf_bytes(&b), &other, &test_profile, &r, &e), ERR_BUG);
	assert_non_null(strstr(e.detail, "does not allow it"));
}

/* A name that no common name holds: the subject is empty, and the names critical. */
static void long_names_leave_the_subject_empty(void **state)
{
	static const struct san name = DNS("a123456789012345678901234567890.b123456789012345678901234567890.example.org");
	struct profile p = test_profile;
	struct buf b CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct leaf_request r;
	struct err e;

	(void)state;
	p.contents |= PROFILE_COMMON_NAME;
	leaf_make(KEY_EC_P256, &r);
	r.names = &name;
	r.n_names = 1;
	cert_write_leaf_tbs(chain.issuer, &p, &r, &b);
	assert_int_equal(lint_leaf_tbs(arena, buf_bytes(&b), chain.issuer, &p, &r, &e), ERR_OK);
	assert_non_null(memmem(b.ptr, b.len, "\x06\x03\x55\x1d\x11\x01\x01\xff", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_bytes_pass),
		cmocka_unit_test(altered_bytes_are_refused),
		cmocka_unit_test(repeated_extensions_are_refused),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(forbidden_requests_are_refused),
		cmocka_unit_test(a_list_of_nobody_is_refused),
		cmocka_unit_test(rsa_usage_is_looked_at),
		cmocka_unit_test(whole_profiles_pass),
		cmocka_unit_test(other_profiles_are_refused),
		cmocka_unit_test(the_issuer_must_be_for_it),
		cmocka_unit_test(long_names_leave_the_subject_empty),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
