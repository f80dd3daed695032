#include "pki/crl.h"

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

/* ---- reasons ---- */

static void reasons_are_those_of_subscribers(void **state)
{
	static const char *const names[] = { "unspecified", "keyCompromise", NULL, "affiliationChanged", "superseded",
		"cessationOfOperation", NULL, NULL, NULL, "privilegeWithdrawn", NULL, NULL };
	struct err e;

	(void)state;
	for (uint64_t n = 0; n < sizeof names / sizeof *names; n++) {
		const char *name = crl_reason_name(n);
		assert_true(name && names[n] ? strcmp(name, names[n]) == 0 : name == names[n]);
		assert_int_equal(crl_reason_check(n, &e), names[n] && n != 9 ? ERR_OK : ERR_BAD_REVOCATION_REASON);
	}
	assert_int_equal(crl_reason_check(UINT64_MAX, &e), ERR_BAD_REVOCATION_REASON);
	assert_int_equal(crl_reason_check((UINT64_C(1) << 32) + 1, &e), ERR_BAD_REVOCATION_REASON);
	assert_string_equal(e.detail, "the reason must be one of 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), "
				      "4 (superseded), 5 (cessationOfOperation)");
}

static void entries_are_sorted_and_the_earliest_stays(void **state)
{
	struct crl_entry v[] = {
		{ { 2 }, 100, 0 },
		{ { 1, 9 }, 300, 1 },
		{ { 1, 9 }, 200, 4 },
		{ { 1, 9 }, 200, 3 },
		{ { 1 }, 400, 5 },
		{ { 0x7f }, 1, 0 },
	};

	(void)state;
	assert_int_equal(crl_sort(v, 0), 0);
	assert_int_equal(crl_sort(v, sizeof v / sizeof *v), 4);
	assert_int_equal(v[0].time_s, 400);
	assert_int_equal(v[1].time_s, 200);
	assert_int_equal(v[1].reason, 3);
	assert_int_equal(v[2].serial[0], 2);
	assert_int_equal(v[3].serial[0], 0x7f);
}

/* ---- the writer ---- */

#define TEST_HEAD                                             \
	"020101"                             /* version 2 */  \
	"300506032b6570"                     /* Ed25519 */    \
	"300f310d300b06035504030c0454657374" /* CN=Test */    \
	"170d3236313132343030303030305a"     /* thisUpdate */ \
	"170d3236313230313030303030305a"     /* nextUpdate, 7 days on */
#define TEST_AKI    "300f 0603551d23 0408 3006 8004 01020304"
#define TEST_NUMBER "300b 0603551d14 0404 0202 00ff"

static const struct crl_entry two[] = {
	{ { 0x01, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }, TEST_NOW_S - 60, CRL_UNSPECIFIED },
	{ { 0x7f, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff }, TEST_NOW_S, CRL_KEY_COMPROMISE },
};

/* Written out by hand from RFC 5280, none of it taken from the writer. */
static void a_list_is_these_bytes(void **state)
{
	static const struct {
		const char *url;
		size_t n_entries;
		const char *want;
	} rows[] = {
		{ "", 0, "305b" TEST_HEAD "a020 301e" TEST_AKI TEST_NUMBER },
		{ TEST_CRL_URL, 2,
		    "3081e5" TEST_HEAD "3054"
		    "3021 0210 0102030405060708090a0b0c0d0e0f10 170d3236313132333233353930305a"
		    "302f 0210 7f02030405060708090a0b0c0d0e0fff 170d3236313132343030303030305a 300c 300a 0603551d15 0403 0a0101"
		    "a054 3052" TEST_AKI TEST_NUMBER "3032 0603551d1c 0101ff 0428 3026 a021 a01f 861d"
		    "687474703a2f2f63726c2e6578616d706c652e6f72672f65312e63726c 8101ff" },
	};
	struct key *key CLEANUP(key_free_p) = NULL;

	(void)state;
	assert_int_equal(
	    key_from_spki(test_hex("302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), &key, NULL),
	    ERR_OK);
	struct issuer i = { .subject = test_hex("300f310d300b06035504030c0454657374"), .key_id = test_hex("01020304"), .key = key };
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct crl_request r = { .number = 255,
			.this_update_s = TEST_NOW_S,
			.next_update_s = TEST_NOW_S + 7 * DAY_S,
			.url = bytes_str(rows[k].url),
			.entries = two,
			.n_entries = rows[k].n_entries };
		crl_write_tbs(&i, &r, &b);
		struct bytes want = test_hex(rows[k].want);
		assert_int_equal(b.len, want.len);
		assert_memory_equal(b.ptr, want.ptr, want.len);
		struct err e;
		if (lint_crl(buf_bytes(&b), &i, &r, &e) != ERR_OK)
			fail_msg("%s", e.detail);
	}
}

static void make(const struct chain *c, const struct crl_entry *v, size_t n, struct buf *ret_der)
{
	struct crl_request r = { .number = 0x0123456789abcdef,
		.this_update_s = test_now_s,
		.next_update_s = test_now_s + CRL_UPDATE_MAX_S,
		.url = BYTES_LIT(TEST_CRL_URL),
		.entries = v,
		.n_entries = n };
	struct err e;

	if (crl_sign(c->issuer, &r, ret_der, &e) != ERR_OK)
		fail_msg("%s", e.detail);
}

/* ---- other people's readers ---- */

static void openssl_reads(struct bytes der, const struct chain *c, const struct crl_entry *v, size_t n)
{
	const uint8_t *p = der.ptr, *ca = c->intermediate.ptr;
	X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);
	X509 *issuer = d2i_X509(NULL, &ca, (long)c->intermediate.len);

	assert_non_null(x);
	assert_non_null(issuer);
	assert_ptr_equal(p, der.ptr + der.len);
	assert_int_equal(X509_CRL_verify(x, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_CRL_get_version(x), X509_CRL_VERSION_2);
	assert_int_equal(X509_CRL_get_ext_count(x), 3);
	assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(x), X509_get_subject_name(issuer)), 0);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(x);
	assert_int_equal(n == 0 ? all == NULL : sk_X509_REVOKED_num(all) == (int)n, 1);
	for (size_t i = 0; i < n; i++) {
		X509_REVOKED *r = sk_X509_REVOKED_value(all, (int)i);
		const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(r);
		ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);
		assert_int_equal(ASN1_STRING_length(serial), SERIAL_SIZE);
		assert_memory_equal(ASN1_STRING_get0_data(serial), v[i].serial, SERIAL_SIZE);
		assert_int_equal(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(r), v[i].time_s), 0);
		assert_int_equal(reason ? ASN1_ENUMERATED_get(reason) : 0, v[i].reason);
		assert_int_equal(reason == NULL, v[i].reason == 0);
		ASN1_ENUMERATED_free(reason);
	}
	X509_CRL_free(x);
	X509_free(issuer);
}

static void we_read(struct bytes der, const struct chain *c, const struct crl_entry *v, size_t n)
{
	struct crl_view w;
	struct crl x;
	struct err e;

	if (crl_parse(der, &x, &e) != ERR_OK || crl_verify(&x, c->issuer, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_int_equal(x.this_update_s, test_now_s);
	assert_int_equal(x.next_update_s, test_now_s + CRL_UPDATE_MAX_S);
	assert_true(bytes_eq(x.number, BYTES_LIT("\x01\x23\x45\x67\x89\xab\xcd\xef")));
	assert_true(bytes_eq(x.url, BYTES_LIT(TEST_CRL_URL)));
	assert_true(x.only_user_certs);
	assert_int_equal(x.n_entries, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(crl_next(&x.entries, &w));
		assert_true(bytes_eq(w.serial, (struct bytes){ v[i].serial, SERIAL_SIZE }));
		assert_int_equal(w.time_s, v[i].time_s);
		assert_int_equal(w.reason, v[i].reason);
	}
	assert_false(crl_next(&x.entries, &w));
}

static size_t all_reasons(struct crl_entry v[6])
{
	static const uint8_t reasons[] = { 0, 1, 3, 4, 5, 9 };

	for (uint8_t i = 0; i < 6; i++)
		v[i] = (struct crl_entry){ .serial = { 0x5a, i }, .time_s = test_now_s - 3600 * i, .reason = reasons[i] };
	return 6;
}

static void tools_read(const struct chain *c, struct bytes der, size_t n)
{
	test_write_pem("root.pem", "CERTIFICATE", buf_bytes(&c->root));
	test_write_pem("ca.pem", "CERTIFICATE", buf_bytes(&c->intermediate));
	test_write_pem("crl.pem", "X509 CRL", der);
	assert_non_null(strstr(test_run("cat root.pem ca.pem > both.pem; openssl crl -in crl.pem -CAfile both.pem -noout"), "verify OK"));
	const char *said = test_run("openssl crl -in crl.pem -text -noout");
	assert_non_null(strstr(said, "X509v3 Issuing Distribution Point: critical"));
	assert_non_null(strstr(said, "Only User Certificates"));
	assert_non_null(strstr(said, "URI:" TEST_CRL_URL));
	assert_non_null(strstr(said, n ? "Privilege Withdrawn" : "No Revoked Certificates"));
	assert_non_null(strstr(test_run("certtool --verify-crl --load-ca-certificate ca.pem --infile crl.pem"), "Verified"));
	said = test_run("certtool --crl-info --infile crl.pem");
	assert_non_null(strstr(said, n ? "Revoked certificates (6):" : "No revoked certificates."));
	assert_non_null(strstr(said, "CRL Number (not critical): 0123456789abcdef"));
	assert_non_null(strstr(said, "Authority Key Identifier (not critical):"));
}

static void lists_hold_everywhere(void **state)
{
	(void)state;
	test_now_s = (int64_t)time(NULL); /* the programs verify at no other time */
	for (unsigned t = 0; t <= KEY_ED25519; t++) {
		struct crl_entry v[6];
		struct chain c;
		chain_make(KEY_EC_P256, (enum key_type)t, &c);
		for (size_t n = 0; n <= 6; n += all_reasons(v)) {
			struct buf der CLEANUP(buf_free_p) = buf_new(65536);
			make(&c, v, n, &der);
			openssl_reads(buf_bytes(&der), &c, v, n);
			we_read(buf_bytes(&der), &c, v, n);
			tools_read(&c, buf_bytes(&der), n);
		}
		chain_free(&c);
	}
	test_now_s = TEST_NOW_S;
}

/* A certificate with the same URL is found revoked by the list and not by another one: the two extensions agree. */
static void a_revoked_certificate_is_found(void **state)
{
	struct buf tbs CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX), leaf CLEANUP(buf_free_p) = buf_new(CERT_SIZE_MAX);
	struct buf with CLEANUP(buf_free_p) = buf_new(65536), without CLEANUP(buf_free_p) = buf_new(65536);
	struct leaf_request r;
	struct chain c;
	struct err e;

	(void)state;
	test_now_s = (int64_t)time(NULL);
	chain_make(KEY_EC_P384, KEY_EC_P256, &c);
	leaf_make(KEY_EC_P256, &r);
	cert_write_leaf_tbs(c.issuer, &test_profile, &r, &tbs);
	if (lint_leaf_tbs(arena, buf_bytes(&tbs), c.issuer, &test_profile, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_int_equal(cert_sign(c.issuer->key, buf_bytes(&tbs), &leaf, NULL), ERR_OK);
	struct crl_entry v = { .time_s = test_now_s, .reason = CRL_SUPERSEDED };
	memcpy(v.serial, r.serial, SERIAL_SIZE);
	make(&c, &v, 1, &with);
	v.serial[15] ^= 1;
	make(&c, &v, 1, &without);
	test_write_pem("root.pem", "CERTIFICATE", buf_bytes(&c.root));
	test_write_pem("ca.pem", "CERTIFICATE", buf_bytes(&c.intermediate));
	test_write_pem("leaf.pem", "CERTIFICATE", buf_bytes(&leaf));
	test_write_pem("with.pem", "X509 CRL", buf_bytes(&with));
	test_write_pem("without.pem", "X509 CRL", buf_bytes(&without));
#define VERIFY "openssl verify -x509_strict -crl_check -extended_crl -CAfile root.pem -untrusted ca.pem"
	assert_non_null(strstr(test_run(VERIFY " -CRLfile without.pem leaf.pem"), "leaf.pem: OK"));
	assert_non_null(strstr(test_run(VERIFY " -CRLfile with.pem leaf.pem || true"), "certificate revoked"));
	const char *said = test_run("openssl x509 -in leaf.pem -noout -ext crlDistributionPoints");
	assert_non_null(strstr(said, "X509v3 CRL Distribution Points: \n"));
	assert_non_null(strstr(said, "URI:" TEST_CRL_URL));
#define CERTTOOL "cat leaf.pem ca.pem > chain.pem; certtool --verify --load-ca-certificate root.pem --infile chain.pem --load-crl"
	assert_non_null(strstr(test_run(CERTTOOL " without.pem"), "The certificate is trusted."));
	assert_non_null(strstr(test_run(CERTTOOL " with.pem || true"), "The certificate chain is revoked."));
	assert_non_null(
	    strstr(test_run("certtool -i --infile leaf.pem"), "CRL Distribution points (not critical):\n\t\t\tURI: " TEST_CRL_URL));
	chain_free(&c);
	test_now_s = TEST_NOW_S;
}

/* RFC 5280 §5.1.2.4 and 5: UTCTime through 2049, GeneralizedTime from then on; the two may meet in one list. */
static void times_change_their_form_in_2050(void **state)
{
	const int64_t year_2050 = INT64_C(2524608000);
	struct crl_entry v[] = { { { 1, 1 }, year_2050 - 1, 0 }, { { 1, 2 }, year_2050, 1 } };
	struct buf der CLEANUP(buf_free_p) = buf_new(65536);
	struct chain c;

	(void)state;
	test_now_s = year_2050;
	chain_make(KEY_EC_P256, KEY_EC_P256, &c);
	make(&c, v, 2, &der);
	we_read(buf_bytes(&der), &c, v, 2);
	openssl_reads(buf_bytes(&der), &c, v, 2);
	assert_non_null(memmem(der.ptr, der.len,
	    "\x17\x0d"
	    "491231235959Z",
	    15));
	assert_non_null(memmem(der.ptr, der.len,
	    "\x18\x0f"
	    "20500101000000Z",
	    17));
	chain_free(&c);
	test_now_s = TEST_NOW_S;
}

static void many_entries(void **state)
{
	enum { N = 200000 };
	struct crl_entry *v = calloc(N, sizeof *v);
	struct buf der CLEANUP(buf_free_p) = buf_new(CRL_SIZE_MAX), small CLEANUP(buf_free_p) = buf_new(1 << 20);
	struct chain c;
	struct err e;

	(void)state;
	assert_non_null(v);
	for (size_t i = 0; i < N; i++)
		v[i] = (struct crl_entry){ .serial = { 0x01, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, [15] = (uint8_t)(i * 7) },
			.time_s = test_now_s - (int64_t)i,
			.reason = i % 2 ? CRL_KEY_COMPROMISE : CRL_UNSPECIFIED };
	chain_make(KEY_EC_P256, KEY_EC_P256, &c);
	make(&c, v, N, &der);
	/* 35 bytes an entry, 14 more where there is a reason, and little else. */
	assert_in_range(der.len, N / 2 * (35 + 49), N / 2 * (35 + 49) + 500);
	we_read(buf_bytes(&der), &c, v, N);
	openssl_reads(buf_bytes(&der), &c, v, N);
	struct crl_request r = { .this_update_s = test_now_s, .next_update_s = test_now_s + 1, .entries = v, .n_entries = N };
	assert_int_equal(crl_sign(c.issuer, &r, &small, &e), ERR_NOMEM);
	assert_int_equal(small.len, 0);
	chain_free(&c);
	free(v);
}

static void what_the_lint_refuses_is_not_signed(void **state)
{
	struct buf der CLEANUP(buf_free_p) = buf_new(65536);
	struct crl_entry v[] = { { { 2 }, test_now_s, 0 }, { { 1 }, test_now_s, 0 } };
	struct chain c;
	struct err e;

	(void)state;
	chain_make(KEY_EC_P256, KEY_EC_P256, &c);
	struct crl_request r = { .this_update_s = test_now_s, .next_update_s = test_now_s + 1, .entries = v, .n_entries = 2 };
	assert_int_equal(crl_sign(c.issuer, &r, &der, &e), ERR_BUG);
	assert_string_equal(e.detail, "lint: entries: they are not sorted and unique");
	assert_int_equal(der.len, 0);
	chain_free(&c);
}

/* ---- the reader ---- */

static void lists_of_others_are_not_taken_for_ours(void **state)
{
	struct buf der CLEANUP(buf_free_p) = buf_new(65536);
	struct chain c, other;
	struct crl x;

	(void)state;
	chain_make(KEY_EC_P256, KEY_EC_P256, &c);
	chain_make(KEY_EC_P256, KEY_EC_P384, &other);
	make(&c, NULL, 0, &der);
	assert_int_equal(crl_parse(buf_bytes(&der), &x, NULL), ERR_OK);
	assert_int_equal(crl_verify(&x, c.issuer, NULL), ERR_OK);
	assert_int_equal(crl_verify(&x, other.issuer, NULL), ERR_MALFORMED);
	struct issuer i = *c.issuer;
	i.subject = BYTES_LIT("\x30\x00");
	assert_int_equal(crl_verify(&x, &i, NULL), ERR_MALFORMED);
	i = *c.issuer;
	i.key = test_key(KEY_EC_P384);
	assert_int_equal(crl_verify(&x, &i, NULL), ERR_MALFORMED);
	i.key = test_other_key(KEY_EC_P256);
	assert_int_equal(crl_verify(&x, &i, NULL), ERR_UNAUTHORIZED);
	der.ptr[30] ^= 1;
	if (crl_parse(buf_bytes(&der), &x, NULL) == ERR_OK)
		assert_int_not_equal(crl_verify(&x, c.issuer, NULL), ERR_OK);
	chain_free(&c);
	chain_free(&other);
}

/* OpenSSL's own lists: what `openssl ca -gencrl` makes is read, down to reasons. */
static void other_peoples_lists_are_read(void **state)
{
	static const char config[] = "[ca]\ndefault_ca=c\n[c]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ncrl_extensions=x\n"
				     "default_crl_days=7\n[x]\nauthorityKeyIdentifier=keyid\n";
	struct crl_view v;
	struct crl x;
	struct err e;

	(void)state;
	test_write("ca.cnf", bytes_str(config));
	test_write("index", BYTES_LIT("R\t400101000000Z\t251231235959Z,keyCompromise\tFFEE\tunknown\t/CN=a\n"
				      "R\t400101000000Z\t251231235959Z,holdInstruction,holdInstructionReject\t01\tunknown\t/CN=b\n"
				      "R\t400101000000Z\t251231235959Z\t02\tunknown\t/CN=c\n"));
	struct bytes der = test_hex(test_run("echo 01 > number; "
					     "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=Other -keyout k -out c 2>/dev/null; "
					     "openssl ca -gencrl -config ca.cnf -keyfile k -cert c 2>/dev/null | "
					     "openssl crl -outform DER | od -An -v -tx1 | tr -d ' \\n'"));
	if (crl_parse(der, &x, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	assert_int_equal(x.n_entries, 3);
	assert_true(crl_next(&x.entries, &v));
	assert_int_equal(v.reason, 6);
	assert_true(crl_next(&x.entries, &v));
	assert_int_equal(v.reason, 0);
	assert_true(crl_next(&x.entries, &v));
	assert_true(bytes_eq(v.serial, BYTES_LIT("\x00\xff\xee")));
	assert_int_equal(v.reason, 1);
	assert_null(x.url.ptr);
	assert_false(x.only_user_certs);
}

/* The pieces of a list, to be put together wrongly. */
struct pieces {
	const char *version, *alg, *issuer, *times, *entries, *extensions, *outer_alg, *after;
};

#define ES256  "300a06082a8648ce3d040302"
#define WHEN   "170d3236313132333233303030305a"
#define AKI_OK "300f 0603551d23 0408 3006 8004 01020304"
#define NUM_OK "300a 0603551d14 0403 020101"
#define ENTRY  "3012 020101" WHEN
static const struct pieces good = { "020101", ES256, "3000", WHEN WHEN, "", "a01f 301d" AKI_OK "300a 0603551d14 0403 020101", ES256, "" };

static struct bytes assemble(const struct pieces *p, struct buf *b)
{
	struct der_mark whole = der_open(b, DER_SEQUENCE), tbs = der_open(b, DER_SEQUENCE);
	const char *const parts[] = { p->version, p->alg, p->issuer, p->times, p->entries, p->extensions };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		buf_add(b, test_hex(parts[i]));
	der_close(b, tbs);
	buf_add(b, test_hex(p->outer_alg));
	der_put_bits(b, BYTES_LIT("signature"));
	der_close(b, whole);
	buf_add(b, test_hex(p->after));
	assert_true(buf_ok(b));
	return buf_bytes(b);
}

static const struct {
	struct pieces p;
	const char *why; /* NULL: is read */
} malformed[] = {
	{ { 0 }, NULL },
	{ { .version = "" }, "not of version 2" },
	{ { .version = "020100" }, "not of version 2" },
	{ { .alg = "300a06082a8648ce3d040303" }, "two different signature algorithms" },
	{ { .alg = "300906072a8648ce3d0401", .outer_alg = "300906072a8648ce3d0401" }, "an algorithm that is not read here" },
	{ { .issuer = "3100" }, "issuer is no DER Name" },
	{ { .times = WHEN }, "thisUpdate and nextUpdate" },
	{ { .times = WHEN "180f32303236313132333233303030305a" }, "thisUpdate and nextUpdate" },
	/* entries */
	{ { .entries = "3000" }, "is empty: then it must be absent" },
	{ { .entries = "3014" ENTRY }, NULL },
	{ { .entries = "3014 3012 0201ff" WHEN }, "entry 1" },
	{ { .entries = "3028" ENTRY "3012 020201" WHEN }, "entry 2" },
	{ { .entries = "3027 3025 0214 0102030405060708091011121314151617181920" WHEN }, NULL },
	{ { .entries = "3028 3026 0215 01020304050607080910111213141516171819"
		       "2021" WHEN },
	    "entry 1" },
	{ { .entries = "3028 3026 0215 00ff02030405060708091011121314151617181920" WHEN }, NULL },
	{ { .entries = "3016 3014 020101" WHEN "3000" }, "entry 1" },
	{ { .entries = "3016 3014 020101" WHEN "0500" }, "entry 1" },
	{ { .entries = "3022 3020 020101" WHEN "300c 300a 0603551d15 0403 0a0101" }, NULL },
	{ { .entries = "3025 3023 020101" WHEN "300f 300d 0603551d15 0101ff 0403 0a0101" }, NULL },
	{ { .entries = "3022 3020 020101" WHEN "300c 300a 0603551d15 0403 0a0107" }, "entry 1" },
	{ { .entries = "3022 3020 020101" WHEN "300c 300a 0603551d15 0403 0a010b" }, "entry 1" },
	{ { .entries = "3022 3020 020101" WHEN "300c 300a 0603551d15 0403 020101" }, "entry 1" },
	{ { .entries = "302e 302c 020101" WHEN "3018 300a 0603551d15 0403 0a0101 300a 0603551d15 0403 0a0101" }, "entry 1" },
	{ { .entries = "3021 301f 020101" WHEN "300b 3009 0603551d18 0402 3000" }, NULL },
	{ { .entries = "3024 3022 020101" WHEN "300e 300c 0603551d1d 0101ff 0402 3000" }, "entry 1" },
	{ { .entries = "3024 3022 020101" WHEN "300c 300a 0603551d15 0403 0a0101 0500" }, "entry 1" },
	/* extensions */
	{ { .extensions = "" }, "extensions" },
	{ { .extensions = "a002 3000" }, "no cRLNumber" },
	{ { .extensions = "a013 3011" AKI_OK }, "no cRLNumber" },
	{ { .extensions = "a00e 300c" NUM_OK }, NULL },
	{ { .extensions = "a00e 300c" NUM_OK "0500" }, "2 bytes more" },
	{ { .extensions = "a010 300c" NUM_OK "0500" }, "2 bytes more" },
	{ { .extensions = "a01a 3018" NUM_OK NUM_OK }, "cRLNumber (2.5.29.20) twice" },
	{ { .extensions = "a00e 300c 300a 0603551d14 0403 0201ff" }, "cRLNumber" },
	{ { .extensions = "a021 301f 301d 0603551d14 0416 0214 0102030405060708091011121314151617181920" }, NULL },
	{ { .extensions = "a022 3020 301e 0603551d14 0417 0215 010203040506070809101112131415161718192021" }, "more than 20 octets" },
	{ { .extensions = "a01d 301b" NUM_OK "300d 0603551d1b 0101ff 0403 020101" },
	    "critical extension deltaCRLIndicator (2.5.29.27), which is not known here" },
	{ { .extensions = "a01a 3018" NUM_OK "300a 0603551d1b 0403 020101" }, NULL },
	{ { .extensions = "a013 3011 300f 0603551d23 0408 3006 8104 01020304" }, "no cRLNumber" },
	{ { .extensions = "a013 3011 300f 0603551d23 0408 3006 8004 010203" }, "extension" },
	/* issuingDistributionPoint */
	{ { .extensions = "a01c 301a" NUM_OK "300c 0603551d1c 0101ff 0402 3000" }, NULL },
	{ { .extensions = "a01f 301d" NUM_OK "300f 0603551d1c 0101ff 0405 3003 8101ff" }, NULL },
	{ { .extensions = "a01f 301d" NUM_OK "300f 0603551d1c 0101ff 0405 3003 810100" }, "not the DER structure" },
	{ { .extensions = "a01f 301d" NUM_OK "300f 0603551d1c 0101ff 0405 3003 8201ff" }, "not of all certificates" },
	{ { .extensions = "a01f 301d" NUM_OK "300f 0603551d1c 0101ff 0405 3003 8401ff" }, "not of all certificates" },
	{ { .extensions = "a020 301e" NUM_OK "3010 0603551d1c 0101ff 0406 3004 83020640" }, "not of all certificates" },
	{ { .extensions = "a023 3021" NUM_OK "3013 0603551d1c 0101ff 0409 3007 a005 a003 860161" }, NULL },
	{ { .extensions = "a023 3021" NUM_OK "3013 0603551d1c 0101ff 0409 3007 a005 a103 860161" }, "not one URL" },
	{ { .extensions = "a026 3024" NUM_OK "3016 0603551d1c 0101ff 040c 300a a008 a006 860161 860162" }, "not one URL" },
	{ { .extensions = "a01e 301c" NUM_OK "300e 0603551d1c 0101ff 0404 3000 0500" }, "2 bytes more" },
	{ { .after = "00" }, "1 bytes more" },
};

static void malformed_lists_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct pieces p = good;
		struct err e = { 0 };
		struct crl x;
#define TAKE_OVER(member) p.member = malformed[i].p.member ? malformed[i].p.member : good.member
		TAKE_OVER(version);
		TAKE_OVER(alg);
		TAKE_OVER(issuer);
		TAKE_OVER(times);
		TAKE_OVER(entries);
		TAKE_OVER(extensions);
		TAKE_OVER(outer_alg);
		TAKE_OVER(after);
#undef TAKE_OVER
		enum err_code rc = crl_parse(assemble(&p, &b), &x, &e);
		if (rc != (malformed[i].why ? ERR_MALFORMED : ERR_OK) || (malformed[i].why && !strstr(e.detail, malformed[i].why)))
			fail_msg("row %zu: %s: %s", i, err_name(rc), e.detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_are_those_of_subscribers),
		cmocka_unit_test(entries_are_sorted_and_the_earliest_stays),
		cmocka_unit_test(a_list_is_these_bytes),
		cmocka_unit_test(lists_hold_everywhere),
		cmocka_unit_test(a_revoked_certificate_is_found),
		cmocka_unit_test(times_change_their_form_in_2050),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(what_the_lint_refuses_is_not_signed),
		cmocka_unit_test(lists_of_others_are_not_taken_for_ours),
		cmocka_unit_test(other_peoples_lists_are_read),
		cmocka_unit_test(malformed_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
