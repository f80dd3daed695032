/* The last look before a signature. It shares nothing with cert_write.c but the DER reader: no writer, no table of object
 * identifiers, so that a mistake there is not repeated here. Each rule is one FAIL with its name in front. */
#include "pki/cert.h"

#include "base/clock.h"
#include "pki/der.h"
#include "pki/lint_url.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHORT_LIVED_MAX_S (7 * 86400)
#define NOT_BEFORE_MAX_S  (48 * 3600) /* from the time of signing (Baseline Requirements §7.1.2.7) */
#define TAG_EXTENSIONS    0xa3        /* [3] EXPLICIT */
#define TAG_VERSION       0xa0        /* [0] EXPLICIT */
#define TAG_KEY_ID        0x80        /* [0] IMPLICIT */
#define TAG_POINT         0xa0        /* [0] EXPLICIT, as DistributionPointName is a CHOICE */
#define TAG_FULL_NAME     0xa0        /* [0] IMPLICIT */
#define TAG_DNS_NAME      0x82        /* [2] IMPLICIT */
#define TAG_URI           0x86        /* [6] IMPLICIT */
#define TAG_IP_ADDRESS    0x87        /* [7] IMPLICIT */

/* What the rules look at. */
struct lint {
	const struct issuer *issuer;
	const struct profile *profile;
	const struct leaf_request *request;
	bool empty_subject;
};

#define BROKEN(e, ...) FAIL(e, BUG, "lint: " __VA_ARGS__)

/* RFC 5280 §4.1.2.1: "When extensions are used, [...] version MUST be 3 (value is 2)." */
static enum err_code check_version(struct der *tbs, struct err *e)
{
	struct der v = der_enter(tbs, TAG_VERSION);
	struct bytes number = der_get_unsigned(&v);

	if (v.failed || der_more(&v) || number.len != 1 || number.ptr[0] != 2)
		BROKEN(e, "version: it is not v3");
	return ERR_OK;
}

/* RFC 5280 §4.1.2.2, Baseline Requirements §7.1: positive, and here always SERIAL_SIZE octets, those of the request. */
static enum err_code check_serial(struct der *tbs, const struct leaf_request *r, struct err *e)
{
	struct bytes serial = der_get(tbs, DER_INTEGER);

	if (tbs->failed || serial.len != SERIAL_SIZE)
		BROKEN(e, "serial: it is no INTEGER of %d bytes", SERIAL_SIZE);
	if (serial.ptr[0] == 0 || serial.ptr[0] > 0x7f)
		BROKEN(e, "serial: its first byte is not in 0x01..0x7f");
	if (!bytes_eq(serial, (struct bytes){ r->serial, SERIAL_SIZE }))
		BROKEN(e, "serial: it is not the request's");
	return ERR_OK;
}

/* Byte for byte (Baseline Requirements §7.1.3.2). */
static enum err_code check_algorithm(struct der *tbs, const struct issuer *i, struct err *e)
{
	struct bytes algorithm = der_get_element(tbs);

	if (!bytes_eq(algorithm, sig_alg_der(key_sig_alg(i->key))))
		BROKEN(e, "algorithm: it is not the one that the issuer's key signs with");
	return ERR_OK;
}

/* "byte-for-byte identical with the encoded form of the Subject field of the Issuing CA certificate" (Baseline Requirements §7.1.4.1). */
static enum err_code check_issuer(struct der *tbs, const struct issuer *i, struct err *e)
{
	struct bytes name = der_get_element(tbs);

	if (name.len == 0 || !bytes_eq(name, i->subject))
		BROKEN(e, "issuer: it is not the issuer's subject");
	return ERR_OK;
}

/* RFC 5280 §4.1.2.5; the lifetime counts both ends (Baseline Requirements §6.3.2). */
static enum err_code check_validity(struct der *tbs, const struct lint *l, struct err *e)
{
	struct der v = der_enter(tbs, DER_SEQUENCE);
	int64_t from = der_get_time(&v), to = der_get_time(&v), now = clock_wall_ms() / 1000;

	if (v.failed || der_more(&v))
		BROKEN(e, "validity: it is no pair of times");
	if (from != l->request->not_before_s || to != l->request->not_after_s)
		BROKEN(e, "validity: it is not the request's");
	if (to <= from)
		BROKEN(e, "validity: it ends before it begins");
	if (to - from + 1 > l->profile->lifetime_s)
		BROKEN(e, "lifetime: %" PRId64 " s are more than the profile's %" PRIu32, to - from + 1, l->profile->lifetime_s);
	if (from < now - NOT_BEFORE_MAX_S || from > now + NOT_BEFORE_MAX_S)
		BROKEN(e, "notBefore: it is more than 48 hours from now");
	if (to > l->issuer->not_after_s)
		BROKEN(e, "notAfter: it is later than the issuer's");
	return ERR_OK;
}

/* Whether a dNSName of the request is this one. */
static bool is_requested(const struct leaf_request *r, struct bytes name)
{
	for (size_t i = 0; i < r->n_names; i++)
		if (r->names[i].type == SAN_DNS && bytes_eq(r->names[i].value, name))
			return true;
	return false;
}

static bool has_short_name(const struct leaf_request *r)
{
	for (size_t i = 0; i < r->n_names; i++)
		if (r->names[i].type == SAN_DNS && r->names[i].value.len <= 64)
			return true;
	return false;
}

/* Empty, or one commonName, a UTF8String of at most 64 characters that is one of the dNSNames (Baseline Requirements §7.1.4.3). */
static enum err_code check_subject(struct der *tbs, struct lint *l, struct err *e)
{
	struct bytes name = der_get_element(tbs);
	struct der d = der_of(name), rdns = der_enter(&d, DER_SEQUENCE), rdn = der_enter(&rdns, DER_SET),
		   pair = der_enter(&rdn, DER_SEQUENCE);
	struct bytes type = der_get(&pair, DER_OID), value = der_get(&pair, DER_UTF8_STRING);

	l->empty_subject = bytes_eq(name, BYTES_LIT("\x30\x00"));
	if (l->empty_subject && (l->profile->contents & PROFILE_COMMON_NAME) && has_short_name(l->request))
		BROKEN(e, "subject: it is empty, and the profile wants a common name");
	if (l->empty_subject)
		return ERR_OK;
	if (!(l->profile->contents & PROFILE_COMMON_NAME))
		BROKEN(e, "subject: it is not empty");
	if (pair.failed || der_more(&pair) || der_more(&rdn) || der_more(&rdns) || der_more(&d) ||
	    !bytes_eq(type, BYTES_LIT("\x55\x04\x03")))
		BROKEN(e, "subject: it is not one commonName");
	if (value.len > 64 || !is_requested(l->request, value))
		BROKEN(e, "subject: its commonName is none of the names, or longer than 64 characters");
	return ERR_OK;
}

/* The AlgorithmIdentifier of each key type (Baseline Requirements §7.1.3.1, RFC 8410 §3, RFC 9881 §4), from the standards, not from crypto's code. */
static const struct bytes key_algorithms[KEY__MAX] = {
	[KEY_EC_P256] = { (const uint8_t *)"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 21 },
	[KEY_EC_P384] = { (const uint8_t *)"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", 18 },
	[KEY_RSA] = { (const uint8_t *)"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", 15 },
	[KEY_ED25519] = { (const uint8_t *)"\x30\x05\x06\x03\x2b\x65\x70", 7 },
	[KEY_ML_DSA_44] = { (const uint8_t *)"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11", 13 },
	[KEY_ML_DSA_65] = { (const uint8_t *)"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12", 13 },
	[KEY_ML_DSA_87] = { (const uint8_t *)"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13", 13 },
};

/* What the profile says of types and sizes; the modulus is looked at in the very bytes. */
static enum err_code check_key_kind(struct bytes bits, const struct lint *l, struct err *e)
{
	enum key_type t = l->request->key_type;

	if (!(l->profile->key_types >> t & 1))
		BROKEN(e, "public key: its type is none of the profile's");
	if (t != KEY_RSA)
		return ERR_OK;
	struct der d = der_of(bits), s = der_enter(&d, DER_SEQUENCE);
	struct bytes modulus = der_get_unsigned(&s);
	if (s.failed || !(modulus.ptr[0] & 0x80) || modulus.len < KEY_RSA_BITS_MIN / 8 || modulus.len * 8 > l->profile->rsa_bits_max)
		BROKEN(e, "public key: its modulus has not %d to %" PRIu32 " bits and a multiple of 8", KEY_RSA_BITS_MIN,
		    l->profile->rsa_bits_max);
	return ERR_OK;
}

static enum err_code check_public_key(struct der *tbs, const struct lint *l, struct err *e)
{
	const struct leaf_request *r = l->request;
	struct bytes spki = der_get_element(tbs);
	struct der d = der_of(spki), s = der_enter(&d, DER_SEQUENCE);

	if (spki.len == 0 || !bytes_eq(spki, r->spki))
		BROKEN(e, "public key: it is not the request's");
	if ((unsigned)r->key_type >= KEY__MAX || !bytes_eq(der_get_element(&s), key_algorithms[r->key_type]))
		BROKEN(e, "public key: its algorithm is not that of the request's key type");
	struct bytes bits = der_get_bits(&s);
	if (s.failed || der_more(&s) || der_more(&d))
		BROKEN(e, "public key: it is no SubjectPublicKeyInfo");
	return check_key_kind(bits, l, e);
}

/* RFC 5280 §4.2.1.1: keyIdentifier, and neither issuer nor serial (Baseline Requirements §7.1.2.11.1). */
static enum err_code check_authority_key_id(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);
	struct bytes id = der_get(&s, TAG_KEY_ID);

	if (s.failed || der_more(&s) || der_more(&d) || id.len == 0)
		BROKEN(e, "authorityKeyIdentifier: it has not a keyIdentifier alone");
	if (!bytes_eq(id, l->issuer->key_id))
		BROKEN(e, "authorityKeyIdentifier: it is not the issuer's key");
	return ERR_OK;
}

/* As the profile says; keyEncipherment with RSA alone. The DER of a named bit list has no trailing zero bits (X.690 §11.2.2), so
 * that each of the three has one form. */
static enum err_code check_key_usage(struct bytes value, const struct lint *l, struct err *e)
{
	static const struct bytes forms[] = { { NULL, 0 }, { (const uint8_t *)"\x03\x02\x07\x80", 4 },
		{ (const uint8_t *)"\x03\x02\x05\x20", 4 }, { (const uint8_t *)"\x03\x02\x05\xa0", 4 } };
	uint32_t usage = l->request->key_type == KEY_RSA ? l->profile->key_usage : PROFILE_DIGITAL_SIGNATURE;

	if (usage == 0 || usage > 3 || !bytes_eq(value, forms[usage]))
		BROKEN(e, "keyUsage: it is not the profile's");
	return ERR_OK;
}

/* Exactly those of the profile, in the order of their numbers, and none that the issuer's own certificate does not allow. */
static enum err_code check_ext_key_usage(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);
	uint32_t left = l->profile->purposes;

	while (der_more(&list)) {
		struct bytes id = der_get(&list, DER_OID);
		/* id-kp is 1.3.6.1.5.5.7.3: serverAuth 1, clientAuth 2 */
		uint8_t last = id.len == 8 && bytes_starts_with(id, BYTES_LIT("\x2b\x06\x01\x05\x05\x07\x03")) ? id.ptr[7] : 0;
		uint32_t bit = last == 1 ? PROFILE_SERVER_AUTH : last == 2 ? PROFILE_CLIENT_AUTH : 0;
		if (bit == 0 || !(left & bit) || (left & (bit - 1)))
			BROKEN(e, "extKeyUsage: it is not the profile's");
		left &= ~bit;
	}
	if (list.failed || der_more(&d) || left != 0 || l->profile->purposes == 0)
		BROKEN(e, "extKeyUsage: it is not the profile's");
	if ((l->profile->purposes & PROFILE_SERVER_AUTH && !(l->issuer->purposes & CERT_SERVER_AUTH)) ||
	    (l->profile->purposes & PROFILE_CLIENT_AUTH && !(l->issuer->purposes & CERT_CLIENT_AUTH)))
		BROKEN(e, "extKeyUsage: the issuer's own certificate does not allow it");
	return ERR_OK;
}

static enum err_code check_dns_name(struct bytes name, struct err *e)
{
	const uint8_t *star = name.len > 0 ? memchr(name.ptr, '*', name.len) : NULL;

	/* "Wildcard Domain Name: [...] a single asterisk character followed by a single full stop [...] followed by a FQDN". */
	if (star && (star != name.ptr || name.len < 3 || name.ptr[1] != '.' || memchr(name.ptr + 1, '*', name.len - 1)))
		BROKEN(e, "subjectAltName: a wildcard is not a whole first label");
	if (!san_dns_ok(name))
		BROKEN(e, "subjectAltName: a dNSName is none that a certificate may carry");
	return ERR_OK;
}

/* The k-th name of the extension against the k-th of the request, which are sorted and unique: so the sets are equal. */
static enum err_code check_name(struct der *list, const struct leaf_request *r, size_t k, struct err *e)
{
	int tag = der_peek(list);
	struct bytes value = der_get(list, tag);

	if (list->failed || (tag != TAG_DNS_NAME && tag != TAG_IP_ADDRESS))
		BROKEN(e, "subjectAltName: a name is neither dNSName nor iPAddress");
	struct san name = { tag == TAG_DNS_NAME ? SAN_DNS : SAN_IP, value };
	if (tag == TAG_DNS_NAME)
		TRY(check_dns_name(value, e));
	else if (value.len != 4 && value.len != 16)
		BROKEN(e, "subjectAltName: an iPAddress has not 4 or 16 bytes");
	if (tag == TAG_IP_ADDRESS && !san_ip_ok(value))
		BROKEN(e, "subjectAltName: an iPAddress is an IPv4 address in IPv6 form");
	if (k >= r->n_names || san_cmp(&name, &r->names[k]) != 0)
		BROKEN(e, "subjectAltName: its names are not the request's");
	if (k > 0 && san_cmp(&r->names[k - 1], &r->names[k]) >= 0)
		BROKEN(e, "subjectAltName: its names are not sorted and unique");
	return ERR_OK;
}

static enum err_code check_names(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);
	size_t n = 0;

	while (der_more(&list))
		TRY(check_name(&list, l->request, n++, e));
	if (list.failed || der_more(&d))
		BROKEN(e, "subjectAltName: it is no list of names");
	if (n == 0 || n != l->request->n_names)
		BROKEN(e, "subjectAltName: its names are not the request's");
	if (n > l->profile->names_max)
		BROKEN(e, "subjectAltName: %zu names are more than the profile's %" PRIu32, n, l->profile->names_max);
	return ERR_OK;
}

/* An identifier's dotted form without a table: base 128, the first two arcs in one number (X.690 §8.19). */
static bool oid_is(struct bytes content, struct bytes dotted)
{
	char text[160];
	size_t at = 0;
	uint64_t arc = 0;
	bool first = true;

	for (size_t i = 0; i < content.len && at + 48 < sizeof text; i++) {
		if (arc >> 56 || (arc == 0 && content.ptr[i] == 0x80))
			return false;
		arc = arc << 7 | (content.ptr[i] & 0x7f);
		if (content.ptr[i] & 0x80)
			continue;
		uint64_t root = arc < 40 ? 0 : arc < 80 ? 1 : 2;
		at += (size_t)(first ? snprintf(text + at, sizeof text - at, "%" PRIu64 ".%" PRIu64, root, arc - 40 * root)
				     : snprintf(text + at, sizeof text - at, ".%" PRIu64, arc));
		first = false;
		arc = 0;
	}
	return arc == 0 && bytes_eq(dotted, (struct bytes){ (const uint8_t *)text, at });
}

/* The profile's identifiers, in its order, without qualifiers (Baseline Requirements §7.1.2.7.9). */
static enum err_code check_policies(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);
	size_t n = 0;

	while (der_more(&list)) {
		struct der policy = der_enter(&list, DER_SEQUENCE);
		struct bytes id = der_get(&policy, DER_OID);
		if (policy.failed || der_more(&policy))
			BROKEN(e, "certificatePolicies: one has more than its identifier");
		if (n == l->profile->n_policies || !oid_is(id, l->profile->policies[n]))
			BROKEN(e, "certificatePolicies: they are not the profile's");
		n++;
	}
	if (list.failed || der_more(&d) || n != l->profile->n_policies)
		BROKEN(e, "certificatePolicies: they are not the profile's");
	return ERR_OK;
}

/* One AccessDescription of the next element: the method's last octet below id-ad, and its http URI. */
static enum err_code check_access(struct der *list, uint8_t method, struct bytes wanted, struct err *e)
{
	struct der s = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&s, DER_OID), url = der_get(&s, TAG_URI);

	/* id-ad is 1.3.6.1.5.5.7.48: OCSP 1, caIssuers 2 (RFC 5280 §4.2.2.1) */
	if (s.failed || der_more(&s) || id.len != 8 || !bytes_starts_with(id, BYTES_LIT("\x2b\x06\x01\x05\x05\x07\x30")) ||
	    id.ptr[7] != method)
		BROKEN(e, "authorityInfoAccess: it is not an OCSP and a caIssuers URI in this order, as far as the request has them");
	if (!lint_crl_url(url))
		BROKEN(e, "authorityInfoAccess: its URI is none of http");
	if (!bytes_eq(url, wanted))
		BROKEN(e, "authorityInfoAccess: its URI is not the request's");
	return ERR_OK;
}

static enum err_code check_authority_info(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE);

	if (l->request->ocsp_url.len > 0)
		TRY(check_access(&list, 1, l->request->ocsp_url, e));
	if (l->request->ca_issuers_url.len > 0)
		TRY(check_access(&list, 2, l->request->ca_issuers_url, e));
	if (list.failed || der_more(&list) || der_more(&d))
		BROKEN(e, "authorityInfoAccess: it has more than the request");
	return ERR_OK;
}

/* RFC 7633 §6: status_request alone. */
static enum err_code check_tls_feature(struct bytes value, const struct lint *l, struct err *e)
{
	(void)l;
	if (!bytes_eq(value, BYTES_LIT("\x30\x03\x02\x01\x05")))
		BROKEN(e, "tlsfeature: it is not status_request alone");
	return ERR_OK;
}

/* One point with one http URI that the request has too, neither reasons nor cRLIssuer (Baseline Requirements §7.1.2.11.2). */
static enum err_code check_crl_url(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE), point = der_enter(&list, DER_SEQUENCE);
	struct der name = der_enter(&point, TAG_POINT), full = der_enter(&name, TAG_FULL_NAME);
	struct bytes url = der_get(&full, TAG_URI);

	if (full.failed || der_more(&full) || der_more(&name) || der_more(&point) || der_more(&list) || der_more(&d))
		BROKEN(e, "cRLDistributionPoints: it is not one point with one URI");
	if (!lint_crl_url(url))
		BROKEN(e, "cRLDistributionPoints: its URI is none of http");
	if (!bytes_eq(url, l->request->crl_url))
		BROKEN(e, "cRLDistributionPoints: its URI is not the request's");
	return ERR_OK;
}

static enum err_code check_basic_constraints(struct bytes value, const struct lint *l, struct err *e)
{
	(void)l;
	if (!bytes_eq(value, BYTES_LIT("\x30\x00")))
		BROKEN(e, "basicConstraints: it is not cA FALSE without a path length");
	return ERR_OK;
}

/* --- the set --- */

static bool always(const struct lint *l)
{
	(void)l;
	return true;
}

static bool has_policies(const struct lint *l)
{
	return l->profile->n_policies > 0;
}

static bool has_list(const struct lint *l)
{
	return l->request->crl_url.len > 0;
}

static bool has_access(const struct lint *l)
{
	return l->request->ocsp_url.len > 0 || l->request->ca_issuers_url.len > 0;
}

static bool must_staple(const struct lint *l)
{
	return (l->profile->contents & PROFILE_MUST_STAPLE) != 0;
}

enum criticality { NEVER, ALWAYS, WITHOUT_SUBJECT };

#define ID_CE(n)                                                       \
	{                                                              \
		(const uint8_t[]){ 0x55, 0x1d, (n) }, 3 /* 2.5.29.n */ \
	}
#define ID_PE(n)                                                                            \
	{                                                                                   \
		(const uint8_t[]){ 0x2b, 6, 1, 5, 5, 7, 1, (n) }, 8 /* 1.3.6.1.5.5.7.1.n */ \
	}

/* The allowed set: each at most once, there exactly where it is due, critical exactly where it says so. */
static const struct rule {
	struct bytes id;
	enum criticality critical;
	const char *name;
	bool (*due)(const struct lint *l);
	enum err_code (*check)(struct bytes value, const struct lint *l, struct err *e);
} rules[] = {
	{ ID_CE(35), NEVER, "authorityKeyIdentifier", always, check_authority_key_id },
	{ ID_CE(15), ALWAYS, "keyUsage", always, check_key_usage },
	{ ID_CE(37), NEVER, "extKeyUsage", always, check_ext_key_usage },
	{ ID_CE(17), WITHOUT_SUBJECT, "subjectAltName", always, check_names }, /* RFC 5280 §4.2.1.6 */
	{ ID_CE(32), NEVER, "certificatePolicies", has_policies, check_policies },
	{ ID_CE(31), NEVER, "cRLDistributionPoints", has_list, check_crl_url },
	{ ID_PE(1), NEVER, "authorityInfoAccess", has_access, check_authority_info },
	{ ID_PE(24), NEVER, "tlsfeature", must_staple, check_tls_feature },
	{ ID_CE(19), ALWAYS, "basicConstraints", always, check_basic_constraints },
};
#define RULES_N (sizeof rules / sizeof *rules)

static size_t find_rule(struct bytes id)
{
	size_t k = 0;

	while (k < RULES_N && !bytes_eq(rules[k].id, id))
		k++;
	return k;
}

static bool is_critical(const struct rule *r, const struct lint *l)
{
	return r->critical == ALWAYS || (r->critical == WITHOUT_SUBJECT && l->empty_subject);
}

static enum err_code check_extension(struct der *list, const struct lint *l, bool seen[RULES_N], struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	bool says_critical = der_peek(&x) == DER_BOOLEAN, critical = says_critical && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);

	/* X.690 §11.5: the default, FALSE, is not encoded. */
	if (x.failed || der_more(&x) || says_critical != critical)
		BROKEN(e, "extensions: one is not the DER of an Extension");
	size_t k = find_rule(id);
	if (k == RULES_N || !rules[k].due(l))
		BROKEN(e, "extensions: there is one that is not of the allowed set");
	if (seen[k])
		BROKEN(e, "extensions: %s is there twice", rules[k].name);
	seen[k] = true;
	if (critical != is_critical(&rules[k], l))
		BROKEN(e, "extensions: %s must %sbe critical", rules[k].name, critical ? "not " : "");
	return rules[k].check(value, l, e);
}

static enum err_code check_extensions(struct der *tbs, const struct lint *l, struct err *e)
{
	struct der outer = der_enter(tbs, TAG_EXTENSIONS), list = der_enter(&outer, DER_SEQUENCE);
	bool seen[RULES_N] = { false };

	if (list.failed || der_more(&outer))
		BROKEN(e, "extensions: there is no list of them");
	while (der_more(&list))
		TRY(check_extension(&list, l, seen, e));
	if (list.failed)
		BROKEN(e, "extensions: one is not the DER of an Extension");
	for (size_t k = 0; k < RULES_N; k++)
		if (!seen[k] && rules[k].due(l))
			BROKEN(e, "extensions: %s is missing", rules[k].name);
	return ERR_OK;
}

/* A request may leave out what a profile lets it have, where the CA publishes nothing; it may never have more. Whoever publishes must
 * name a list or a responder in what lasts longer than a week (Baseline Requirements §7.1.2.11.2, §4.9.1.3). */
static enum err_code check_services(const struct lint *l, struct err *e)
{
	const struct leaf_request *r = l->request;
	uint32_t contents = l->profile->contents;

	if ((r->crl_url.len > 0 && !(contents & PROFILE_CRL)) || (r->ocsp_url.len > 0 && !(contents & PROFILE_OCSP)) ||
	    (r->ca_issuers_url.len > 0 && !(contents & PROFILE_CA_ISSUERS)))
		BROKEN(e, "services: the request has a URL that the profile does not");
	if (must_staple(l) && r->ocsp_url.len == 0)
		BROKEN(e, "services: what must be stapled can be had nowhere");
	if (r->ca_issuers_url.len > 0 && r->crl_url.len == 0 && r->ocsp_url.len == 0 &&
	    r->not_after_s - r->not_before_s + 1 > SHORT_LIVED_MAX_S)
		BROKEN(e, "services: it lasts longer than 7 days and names neither list nor responder");
	return ERR_OK;
}

enum err_code lint_leaf_tbs(
    struct arena *a, struct bytes tbs, const struct issuer *i, const struct profile *p, const struct leaf_request *r, struct err *e)
{
	struct lint l = { .issuer = i, .profile = p, .request = r };
	struct der d = der_of(tbs), s = der_enter(&d, DER_SEQUENCE);

	(void)a; /* every rule is decided on views */
	if (s.failed || der_more(&d))
		BROKEN(e, "structure: it is not the DER of one TBSCertificate");
	TRY(check_services(&l, e));
	TRY(check_version(&s, e));
	TRY(check_serial(&s, r, e));
	TRY(check_algorithm(&s, i, e));
	TRY(check_issuer(&s, i, e));
	TRY(check_validity(&s, &l, e));
	TRY(check_subject(&s, &l, e));
	TRY(check_public_key(&s, &l, e));
	TRY(check_extensions(&s, &l, e));
	if (s.failed || der_more(&s))
		BROKEN(e, "structure: something follows the extensions");
	return ERR_OK;
}
