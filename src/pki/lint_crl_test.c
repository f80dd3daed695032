/* Every rule is tripped once at least: by bytes that differ from a good request's, or by a request that asks for what is forbidden and
 * bytes that agree with it. */
#include "pki/crl.h"
#include "pki/der.h"
#include "pki/test_support.h"

static struct chain chain;

static const struct crl_entry entries[] = {
	{ { 0x01, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }, TEST_NOW_S - 60, CRL_UNSPECIFIED },
	{ { 0x7f, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff }, TEST_NOW_S, CRL_KEY_COMPROMISE },
};

static const struct crl_request good = {
	.number = 7,
	.this_update_s = TEST_NOW_S,
	.next_update_s = TEST_NOW_S + CRL_UPDATE_MAX_S,
	.url = { (const uint8_t *)TEST_CRL_URL, sizeof TEST_CRL_URL - 1 },
	.entries = entries,
	.n_entries = 2,
};

static int setup(void **state)
{
	if (test_setup(state) != 0)
		return -1;
	chain_make(KEY_EC_P384, KEY_EC_P256, &chain);
	return 0;
}

static int teardown(void **state)
{
	chain_free(&chain);
	return test_teardown(state);
}

/* A TBSCertList in pieces. */
enum piece { VERSION, ALGORITHM, ISSUER, THIS_UPDATE, NEXT_UPDATE, ENTRIES, AKI, NUMBER, IDP, AFTER, PIECES };

struct tbs {
	struct bytes piece[PIECES];
};

static void take_apart(struct bytes in, struct tbs *ret)
{
	struct der d = der_of(in), s = der_enter(&d, DER_SEQUENCE);

	for (unsigned i = VERSION; i <= ENTRIES; i++)
		ret->piece[i] = der_get_element(&s);
	struct der outer = der_enter(&s, DER_CONTEXT_CONSTRUCTED(0)), list = der_enter(&outer, DER_SEQUENCE);
	for (unsigned i = AKI; i <= IDP; i++)
		ret->piece[i] = der_get_element(&list);
	ret->piece[AFTER] = BYTES_NONE;
	assert_int_equal(der_end(&list, ERR_BUG, "extensions", NULL), ERR_OK);
	assert_int_equal(der_end(&s, ERR_BUG, "tbs", NULL), ERR_OK);
}

static void put_together(const struct tbs *t, struct buf *out)
{
	struct der_mark whole = der_open(out, DER_SEQUENCE);

	for (unsigned i = VERSION; i <= ENTRIES; i++)
		buf_add(out, t->piece[i]);
	struct der_mark outer = der_open(out, DER_CONTEXT_CONSTRUCTED(0)), list = der_open(out, DER_SEQUENCE);
	for (unsigned i = AKI; i <= IDP; i++)
		buf_add(out, t->piece[i]);
	der_close(out, list);
	der_close(out, outer);
	buf_add(out, t->piece[AFTER]);
	der_close(out, whole);
	assert_true(buf_ok(out));
}

#define AKI_OF(len, content) "30" len "0603551d23" content
#define S1                   "0210 0102030405060708090a0b0c0d0e0f10"
#define S2                   "0210 7f02030405060708090a0b0c0d0e0fff"
#define T1                   "170d3236313132333233353930305a"
#define T2                   "170d3236313132343030303030305a"
#define E1                   "3021" S1 T1
#define R1                   "300c 300a 0603551d15 0403 0a0101"
#define E2                   "302f" S2 T2 R1
#define NUMBER_OK            "300a 0603551d14 0403 020107"
#define URL_HEX              "687474703a2f2f63726c2e6578616d706c652e6f72672f65312e63726c"

static const struct {
	enum piece piece;
	const char *hex, *why;
} altered[] = {
	{ VERSION, "", "version" },
	{ VERSION, "020100", "version" },
	{ VERSION, "020102", "version" },
	{ VERSION, "a003020101", "version" },
	{ ALGORITHM, "300a06082a8648ce3d040303", "algorithm" },
	{ ALGORITHM, "", "algorithm" },
	{ ISSUER, "3000", "issuer" },
	{ ISSUER, "3018 3116 3014 0603550403 130d 4578616d706c65204341204531", "issuer" },
	{ THIS_UPDATE, "", "thisUpdate, nextUpdate: they are no pair" },
	{ THIS_UPDATE, T1, "thisUpdate, nextUpdate: they are not the request's" },
	{ THIS_UPDATE, "180f32303236313132343030303030305a", "thisUpdate, nextUpdate: they are no pair" },
	{ NEXT_UPDATE, "", "thisUpdate, nextUpdate: they are no pair" },
	{ NEXT_UPDATE, T2, "thisUpdate, nextUpdate: they are not the request's" },
	{ ENTRIES, "", "entries: 0 are not the request's 2" },
	{ ENTRIES, "3000", "entries: a list without any is there" },
	{ ENTRIES, "3023" E1, "entries: 1 are not the request's 2" },
	{ ENTRIES, "3077" E1 E2 E1, "entry: its serial number is not the request's" },
	{ ENTRIES, "3054" E2 E1, "entry: its serial number is not the request's" },
	{ ENTRIES, "3053 3020 020f 0102030405060708090a0b0c0d0e0f" T1 E2, "entry: it has not a serial number of 16 bytes" },
	{ ENTRIES, "3054 3021 0210 00ff0405060708090a0b0c0d0e0f1011" T1 E2, "entry: it has not a serial number of 16 bytes" },
	{ ENTRIES, "3054 3021 0210 8102030405060708090a0b0c0d0e0f10" T1 E2, "entry: it has not a serial number of 16 bytes" },
	{ ENTRIES, "3054 3021" S1 T2 E2, "revocationDate: it is not the request's" },
	{ ENTRIES, "3056 3023" S1 "180f32303236313132333233353930305a" E2, "entry: it has not" },
	{ ENTRIES, "3062 302f" S1 T1 R1 E2, "reasonCode: it is not the request's" },
	{ ENTRIES, "3062 302f" S1 T1 "300c 300a 0603551d15 0403 0a0100" E2, "reasonCode: 0 is none" },
	{ ENTRIES, "3046" E1 "3021" S2 T2, "reasonCode: it is missing" },
	{ ENTRIES, "3054" E1 "302f" S2 T2 "300c 300a 0603551d15 0403 0a0103", "reasonCode: it is not the request's" },
	{ ENTRIES, "3054" E1 "302f" S2 T2 "300c 300a 0603551d15 0403 0a0106", "reasonCode: 6 is none" },
	{ ENTRIES, "3054" E1 "302f" S2 T2 "300c 300a 0603551d15 0403 020101", "entry: it has something else" },
	{ ENTRIES, "3054" E1 "302f" S2 T2 "300c 300a 0603551d18 0403 0a0101", "entry: it has something else" },
	{ ENTRIES, "3057" E1 "3032" S2 T2 "300f 300d 0603551d15 0101ff 0403 0a0101", "entry: it has something else" },
	{ ENTRIES, "3056" E1 "3031" S2 T2 R1 "0500", "entry: it has something else" },
	{ ENTRIES, "3048" E1 "3023" S2 T2 "3000", "entry: it has something else" },
	{ ENTRIES, "3056" E1 E2 "0500", "entry: it has not a serial number" },
	{ ENTRIES, "3056" E1 E2 "3001", "entry: it has not a serial number" },
	{ ENTRIES, "3102 0500", "entries: 0 are not the request's 2" },
	{ AKI, "", "authorityKeyIdentifier is missing" },
	{ AKI, AKI_OF("0f", "0408 3006 8004 01020304"), "authorityKeyIdentifier: it is not the issuer's key" },
	{ AKI, AKI_OF("12", "0101ff 0408 3006 8004 01020304"), "authorityKeyIdentifier must not be critical" },
	{ AKI, AKI_OF("0b", "0404 3002 8000"), "authorityKeyIdentifier: it has not a keyIdentifier alone" },
	{ AKI, AKI_OF("12", "040b 3009 8004 01020304 820101"), "authorityKeyIdentifier: it has not a keyIdentifier alone" },
	{ NUMBER, "", "cRLNumber is missing" },
	{ NUMBER, NUMBER_OK NUMBER_OK, "cRLNumber is there twice" },
	{ NUMBER, "300a 0603551d14 0403 020108", "cRLNumber: it is not the request's" },
	{ NUMBER, "300d 0603551d14 0101ff 0403 020107", "cRLNumber must not be critical" },
	{ NUMBER, "300a 0603551d14 0403 0201ff", "cRLNumber: it is no INTEGER" },
	{ NUMBER, "300b 0603551d14 0404 020107 00", "cRLNumber: it is no INTEGER" },
	{ NUMBER, "3012 0603551d14 040b 0209 010000000000000007", "cRLNumber: it is no INTEGER" },
	{ NUMBER, "300d 0603551d14 010100 0403 020107", "one is not the DER of an Extension" },
	{ NUMBER, NUMBER_OK "300d 0603551d1b 0101ff 0403 020106", "not of the allowed set" },
	{ NUMBER, NUMBER_OK "3009 0603551e14 0402 3000", "not of the allowed set" },
	{ NUMBER, NUMBER_OK "0500", "one is not the DER of an Extension" },
	{ NUMBER, NUMBER_OK "30", "one is not the DER of an Extension" },
	{ IDP, "", "issuingDistributionPoint is missing" },
	{ IDP, "302f 0603551d1c 0428 3026 a021 a01f 861d" URL_HEX "8101ff", "issuingDistributionPoint must be critical" },
	{ IDP, "302f 0603551d1c 0101ff 0425 3023 a021 a01f 861d" URL_HEX, "something else than onlyContainsUserCerts" },
	{ IDP, "3032 0603551d1c 0101ff 0428 3026 a021 a01f 861d" URL_HEX "810100", "something else than onlyContainsUserCerts" },
	{ IDP, "3032 0603551d1c 0101ff 0428 3026 a021 a01f 861d" URL_HEX "8201ff", "something else than onlyContainsUserCerts" },
	{ IDP, "3035 0603551d1c 0101ff 042b 3029 a021 a01f 861d" URL_HEX "8101ff 8401ff", "something else than onlyContainsUserCerts" },
	{ IDP, "300f 0603551d1c 0101ff 0405 3003 8101ff", "it has not a fullName of one URI" },
	{ IDP, "3032 0603551d1c 0101ff 0428 3026 a021 a01f 821d" URL_HEX "8101ff", "it has not a fullName of one URI" },
	{ IDP, "3035 0603551d1c 0101ff 042b 3029 a024 a022 861d" URL_HEX "860161 8101ff", "it has not a fullName of one URI" },
	{ IDP, "3032 0603551d1c 0101ff 0428 3026 a021 a01f 861d 687474703a2f2f63726c2e6578616d706c652e6f72672f65322e63726c 8101ff",
	    "its URI is not the request's" },
	{ IDP, "3033 0603551d1c 0101ff 0429 3027 a022 a020 861e 687474 70 73 3a2f2f63726c2e6578616d706c652e6f72672f65312e63726c 8101ff",
	    "its URI is none of http" },
	{ AFTER, "0500", "structure: something follows" },
};

static void altered_bytes_are_refused(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(4096), again CLEANUP(buf_free_p) = buf_new(4096);
	struct err e;
	struct tbs t;

	(void)state;
	crl_write_tbs(chain.issuer, &good, &b);
	if (lint_crl(buf_bytes(&b), chain.issuer, &good, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	take_apart(buf_bytes(&b), &t);
	put_together(&t, &again);
	assert_true(bytes_eq(buf_bytes(&b), buf_bytes(&again)));
	for (size_t i = 0; i < sizeof altered / sizeof *altered; i++) {
		struct buf bad CLEANUP(buf_free_p) = buf_new(4096);
		e = (struct err){ 0 };
		take_apart(buf_bytes(&b), &t);
		t.piece[altered[i].piece] = test_hex(altered[i].hex);
		put_together(&t, &bad);
		if (lint_crl(buf_bytes(&bad), chain.issuer, &good, &e) != ERR_BUG || !strstr(e.detail, altered[i].why))
			fail_msg("row %zu (%s): %s", i, altered[i].why, e.detail);
	}
}

/* A good list has one encoding: no bit of it may be another, no byte of it missing, none more. */
static void every_bit_counts(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(4096);

	(void)state;
	crl_write_tbs(chain.issuer, &good, &b);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(lint_crl(buf_bytes(&b), chain.issuer, &good, NULL), ERR_BUG);
		b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(lint_crl((struct bytes){ b.ptr, n }, chain.issuer, &good, NULL), ERR_BUG);
	assert_int_equal(lint_crl(buf_bytes(&b), chain.issuer, &good, NULL), ERR_OK);
	buf_add_u8(&b, 0);
	assert_int_equal(lint_crl(buf_bytes(&b), chain.issuer, &good, NULL), ERR_BUG);
}

/* ---- requests for what is forbidden, and bytes that agree with them ---- */

static void no_url(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_NONE;
}

static void none_revoked(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->n_entries = 0;
}

static void large_number(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->number = UINT64_MAX;
}

static void later_than_now(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->this_update_s = TEST_NOW_S + 1;
}

static void too_long_ago(struct crl_request *r, struct crl_entry *v)
{
	v[0].time_s = v[1].time_s = 0;
	r->this_update_s = TEST_NOW_S - 48 * 3600 - 1;
	r->next_update_s = r->this_update_s + DAY_S;
}

static void just_long_ago(struct crl_request *r, struct crl_entry *v)
{
	v[0].time_s = v[1].time_s = 0;
	r->this_update_s = TEST_NOW_S - 48 * 3600;
	r->next_update_s = r->this_update_s + DAY_S;
}

static void too_long(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->next_update_s++;
}

static void no_time(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->next_update_s = r->this_update_s;
}

static void unsorted(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0].serial[0] = 0x7f;
	v[0].serial[1] = 3;
}

static void twice(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0] = v[1];
}

static void serial_zero(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0].serial[0] = 0;
}

static void serial_negative(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[1].serial[0] = 0x80;
}

static void revoked_later(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[1].time_s++;
}

static void hold(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0].reason = 6;
}

static void ca_compromise(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0].reason = 2;
}

static void privilege_withdrawn(struct crl_request *r, struct crl_entry *v)
{
	(void)r;
	v[0].reason = CRL_PRIVILEGE_WITHDRAWN;
}

static void https(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_LIT("https://crl.example.org/e1.crl");
}

static void a_space(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_LIT("http://crl.example.org/e 1.crl");
}

static void a_bracket(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_LIT("http://crl.example.org/<e1>");
}

static void not_ascii(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_LIT("http://crl.example.org/\xc3\xa9");
}

static void scheme_alone(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	r->url = BYTES_LIT("http://");
}

static void of_length(struct crl_request *r, size_t n)
{
	static uint8_t url[CRL_URL_SIZE_MAX + 1];

	memset(url, 'a', sizeof url);
	memcpy(url, "http://", 7);
	r->url = (struct bytes){ url, n };
}

static void longest(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	of_length(r, CRL_URL_SIZE_MAX);
}

static void longer(struct crl_request *r, struct crl_entry *v)
{
	(void)v;
	of_length(r, CRL_URL_SIZE_MAX + 1);
}

static void forbidden_requests_are_refused(void **state)
{
	static const struct {
		void (*ask)(struct crl_request *r, struct crl_entry *v);
		const char *why; /* NULL: allowed */
	} rows[] = {
		{ no_url, NULL },
		{ none_revoked, NULL },
		{ large_number, NULL },
		{ later_than_now, "thisUpdate: it is later than now" },
		{ too_long_ago, "thisUpdate: it is later than now, or more than 48 hours ago" },
		{ just_long_ago, NULL },
		{ too_long, "nextUpdate: it is not within 864000 s after thisUpdate" },
		{ no_time, "nextUpdate: it is not within" },
		{ unsorted, "entries: they are not sorted and unique" },
		{ twice, "entries: they are not sorted and unique" },
		{ serial_zero, "entry: it has not a serial number" },
		{ serial_negative, "entry: it has not a serial number" },
		{ revoked_later, "revocationDate: it is later than thisUpdate" },
		{ hold, "reasonCode: 6 is none" },
		{ ca_compromise, "reasonCode: 2 is none" },
		{ privilege_withdrawn, NULL },
		{ https, "its URI is none of http" },
		{ a_space, "its URI is none of http" },
		{ a_bracket, "its URI is none of http" },
		{ not_ascii, "its URI is none of http" },
		{ scheme_alone, "its URI is none of http" },
		{ longest, NULL },
		{ longer, "its URI is none of http" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct crl_entry v[2] = { entries[0], entries[1] };
		struct crl_request r = good;
		struct err e = { 0 };
		r.entries = v;
		rows[i].ask(&r, v);
		crl_write_tbs(chain.issuer, &r, &b);
		assert_true(buf_ok(&b));
		enum err_code rc = lint_crl(buf_bytes(&b), chain.issuer, &r, &e);
		if (rc != (rows[i].why ? ERR_BUG : ERR_OK) || (rows[i].why && !strstr(e.detail, rows[i].why)))
			fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(altered_bytes_are_refused),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(forbidden_requests_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
