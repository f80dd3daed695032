#include "pki/cert.h"

#include "crypto/digest.h"
#include "pki/ext_write.h"

#include <string.h>

#define KEY_USAGE_SIGN        "03020780" /* digitalSignature */
#define KEY_USAGE_SIGN_AND_KT "030205a0" /* digitalSignature, keyEncipherment */
#define KEY_USAGE_KT          "03020520" /* keyEncipherment */
#define KEY_USAGE_CA          "03020106" /* keyCertSign, cRLSign */
#define RESPONDER_NAME        "OCSP responder"

static void put_constant(struct buf *b, enum oid id, bool critical, const char *value_hex)
{
	struct extension x = extension_open(b, id, critical);

	der_put_hex(b, value_hex);
	extension_close(b, x);
}

/* A SEQUENCE of one OBJECT IDENTIFIER in a SEQUENCE: exactly one reserved policy identifier, no qualifiers (Baseline
 * Requirements §7.1.2.7.9, §7.1.2.10.5). */
static void put_policy(struct buf *b, enum oid policy)
{
	struct extension x = extension_open(b, OID_CERTIFICATE_POLICIES, false);
	struct der_mark outer = der_open(b, DER_SEQUENCE), inner = der_open(b, DER_SEQUENCE);

	der_put_oid(b, oid_hex(policy));
	der_close(b, inner);
	der_close(b, outer);
	extension_close(b, x);
}

/* What both kinds of TBSCertificate begin with (RFC 5280 §4.1.2). */
struct head {
	const uint8_t *serial;
	enum sig_alg alg;
	struct bytes issuer_name, subject, spki;
	int64_t not_before_s, not_after_s;
};

static void put_head(struct buf *b, const struct head *h)
{
	struct der_mark version = der_open(b, DER_CONTEXT_CONSTRUCTED(0));
	der_put_u64(b, 2); /* v3 */
	der_close(b, version);
	der_put_unsigned(b, (struct bytes){ h->serial, SERIAL_SIZE });
	buf_add(b, sig_alg_der(h->alg));
	buf_add(b, h->issuer_name);
	struct der_mark validity = der_open(b, DER_SEQUENCE);
	der_put_time(b, h->not_before_s);
	der_put_time(b, h->not_after_s);
	der_close(b, validity);
	buf_add(b, h->subject);
	buf_add(b, h->spki);
}

/* One point, the one name that the list has for itself: no reasons, no other issuer (Baseline Requirements §7.1.2.11.2). */
static void put_crl_url(struct buf *b, struct bytes url)
{
	struct extension x = extension_open(b, OID_CRL_DISTRIBUTION_POINTS, false);
	struct der_mark list = der_open(b, DER_SEQUENCE), point = der_open(b, DER_SEQUENCE);

	distribution_point_write(url, b);
	der_close(b, point);
	der_close(b, list);
	extension_close(b, x);
}

static void put_leaf_key_usage(struct buf *b, const struct profile *p, enum key_type t)
{
	bool encipherment = (p->key_usage & PROFILE_KEY_ENCIPHERMENT) && t == KEY_RSA;
	bool sign = (p->key_usage & PROFILE_DIGITAL_SIGNATURE) != 0;

	put_constant(b, OID_KEY_USAGE, true, !encipherment ? KEY_USAGE_SIGN : sign ? KEY_USAGE_SIGN_AND_KT : KEY_USAGE_KT);
}

static void put_purposes(struct buf *b, uint32_t purposes)
{
	struct extension x = extension_open(b, OID_EXTENDED_KEY_USAGE, false);
	struct der_mark list = der_open(b, DER_SEQUENCE);

	if (purposes & PROFILE_SERVER_AUTH)
		der_put_oid(b, oid_hex(OID_SERVER_AUTH));
	if (purposes & PROFILE_CLIENT_AUTH)
		der_put_oid(b, oid_hex(OID_CLIENT_AUTH));
	der_close(b, list);
	extension_close(b, x);
}

static void put_leaf_policies(struct buf *b, const struct profile *p)
{
	struct extension x = extension_open(b, OID_CERTIFICATE_POLICIES, false);
	struct der_mark list = der_open(b, DER_SEQUENCE);

	for (size_t i = 0; i < p->n_policies; i++) {
		struct der_mark policy = der_open(b, DER_SEQUENCE);
		der_put_oid_text(b, p->policies[i]);
		der_close(b, policy);
	}
	der_close(b, list);
	extension_close(b, x);
}

static void put_access(struct buf *b, enum oid method, struct bytes url)
{
	struct der_mark s = der_open(b, DER_SEQUENCE);

	der_put_oid(b, oid_hex(method));
	der_put(b, DER_CONTEXT(6), url);
	der_close(b, s);
}

/* RFC 5280 §4.2.2.1 */
static void put_authority_info(struct buf *b, struct bytes ocsp_url, struct bytes ca_issuers_url)
{
	struct extension x = extension_open(b, OID_AUTHORITY_INFO_ACCESS, false);
	struct der_mark list = der_open(b, DER_SEQUENCE);

	if (ocsp_url.len > 0)
		put_access(b, OID_ACCESS_OCSP, ocsp_url);
	if (ca_issuers_url.len > 0)
		put_access(b, OID_ACCESS_CA_ISSUERS, ca_issuers_url);
	der_close(b, list);
	extension_close(b, x);
}

/* The name that becomes the subject; NULL: the subject is empty. */
static const struct san *common_name(const struct profile *p, const struct leaf_request *r)
{
	for (size_t i = 0; (p->contents & PROFILE_COMMON_NAME) && i < r->n_names; i++)
		if (r->names[i].type == SAN_DNS && r->names[i].value.len <= COMMON_NAME_MAX)
			return &r->names[i];
	return NULL;
}

static void put_leaf_extensions(
    struct buf *b, const struct issuer *i, const struct profile *p, const struct leaf_request *r, bool empty_subject)
{
	struct der_mark explicit = der_open(b, DER_CONTEXT_CONSTRUCTED(3)), list = der_open(b, DER_SEQUENCE);

	authority_key_id_write(i->key_id, b);
	put_leaf_key_usage(b, p, r->key_type);
	put_purposes(b, p->purposes);
	/* Critical where the subject is empty (RFC 5280 §4.2.1.6). */
	san_write(r->names, r->n_names, empty_subject, b);
	if (p->n_policies > 0)
		put_leaf_policies(b, p);
	if (r->ocsp_url.len > 0 || r->ca_issuers_url.len > 0)
		put_authority_info(b, r->ocsp_url, r->ca_issuers_url);
	if (r->crl_url.len > 0)
		put_crl_url(b, r->crl_url);
	if (p->contents & PROFILE_MUST_STAPLE)
		tls_feature_write(b);
	put_constant(b, OID_BASIC_CONSTRAINTS, true, "3000"); /* cA FALSE is the default */
	der_close(b, list);
	der_close(b, explicit);
}

void cert_write_leaf_tbs(const struct issuer *i, const struct profile *p, const struct leaf_request *r, struct buf *out)
{
	uint8_t room[COMMON_NAME_MAX + 32];
	struct buf name = { .ptr = room, .cap = sizeof room, .max = sizeof room };
	const struct san *subject = common_name(p, r);

	if (subject)
		name_write_ca(BYTES_LIT(""), subject->value, &name);
	struct head h = {
		.serial = r->serial,
		.alg = key_sig_alg(i->key),
		.issuer_name = i->subject,
		.subject = subject ? buf_bytes(&name) : BYTES_LIT("\x30\x00"),
		.spki = r->spki,
		.not_before_s = r->not_before_s,
		.not_after_s = r->not_after_s,
	};
	struct der_mark tbs = der_open(out, DER_SEQUENCE);
	put_head(out, &h);
	put_leaf_extensions(out, i, p, r, !subject);
	der_close(out, tbs);
}

static void put_ca_constraints(struct buf *b, int path_len)
{
	struct extension x = extension_open(b, OID_BASIC_CONSTRAINTS, true);
	struct der_mark s = der_open(b, DER_SEQUENCE);

	der_put_bool(b, true);
	if (path_len >= 0)
		der_put_u64(b, (uint64_t)path_len);
	der_close(b, s);
	extension_close(b, x);
}

static void put_ca_purposes(struct buf *b, uint32_t purposes)
{
	struct extension x = extension_open(b, OID_EXTENDED_KEY_USAGE, false);
	struct der_mark list = der_open(b, DER_SEQUENCE);

	if (purposes & CERT_SERVER_AUTH)
		der_put_oid(b, oid_hex(OID_SERVER_AUTH));
	if (purposes & CERT_CLIENT_AUTH)
		der_put_oid(b, oid_hex(OID_CLIENT_AUTH));
	der_close(b, list);
	extension_close(b, x);
}

static void put_subtree(struct buf *b, enum san_type type, struct bytes value)
{
	struct der_mark s = der_open(b, DER_SEQUENCE);

	der_put(b, type == SAN_DNS ? DER_CONTEXT(2) : DER_CONTEXT(7), value);
	der_close(b, s);
}

/* A type of which nothing is permitted is excluded as a whole (Baseline Requirements §7.1.5). */
static void put_excluded(struct buf *b, const struct ca_request *r)
{
	static const uint8_t any_address[32];
	bool dns = false, v4 = false, v6 = false;

	for (size_t i = 0; i < r->n_permitted; i++) {
		dns = dns || r->permitted[i].type == SAN_DNS;
		v4 = v4 || (r->permitted[i].type == SAN_IP && r->permitted[i].value.len == 8);
		v6 = v6 || (r->permitted[i].type == SAN_IP && r->permitted[i].value.len == 32);
	}
	if (dns && v4 && v6)
		return;
	struct der_mark excluded = der_open(b, DER_CONTEXT_CONSTRUCTED(1));
	if (!dns)
		put_subtree(b, SAN_DNS, BYTES_LIT(""));
	if (!v4)
		put_subtree(b, SAN_IP, (struct bytes){ any_address, 8 });
	if (!v6)
		put_subtree(b, SAN_IP, (struct bytes){ any_address, 32 });
	der_close(b, excluded);
}

static void put_name_constraints(struct buf *b, const struct ca_request *r)
{
	struct extension x = extension_open(b, OID_NAME_CONSTRAINTS, true);
	struct der_mark s = der_open(b, DER_SEQUENCE), permitted = der_open(b, DER_CONTEXT_CONSTRUCTED(0));

	for (size_t i = 0; i < r->n_permitted; i++)
		put_subtree(b, r->permitted[i].type, r->permitted[i].value);
	der_close(b, permitted);
	put_excluded(b, r);
	der_close(b, s);
	extension_close(b, x);
}

static void put_intermediate(struct buf *b, const struct ca_request *r)
{
	authority_key_id_write(r->authority_key_id, b);
	put_ca_purposes(b, r->purposes);
	put_policy(b, r->purposes == CERT_SERVER_AUTH ? OID_POLICY_DOMAIN_VALIDATED : OID_ANY_POLICY);
	if (r->n_permitted > 0)
		put_name_constraints(b, r);
	if (r->ca_issuers_url.len > 0)
		put_authority_info(b, BYTES_LIT(""), r->ca_issuers_url);
	if (r->crl_url.len > 0)
		put_crl_url(b, r->crl_url);
}

void cert_write_ca_tbs(const struct ca_request *r, struct buf *out)
{
	bool root = r->authority_key_id.len == 0;
	uint8_t key_id[20];
	struct head h = {
		.serial = r->serial,
		.alg = r->alg,
		.issuer_name = r->issuer_name,
		.subject = r->subject,
		.spki = r->spki,
		.not_before_s = r->not_before_s,
		.not_after_s = r->not_after_s,
	};

	cert_key_id(r->spki, key_id);
	struct der_mark tbs = der_open(out, DER_SEQUENCE);
	put_head(out, &h);
	struct der_mark explicit = der_open(out, DER_CONTEXT_CONSTRUCTED(3)), list = der_open(out, DER_SEQUENCE);
	put_ca_constraints(out, r->path_len);
	put_constant(out, OID_KEY_USAGE, true, KEY_USAGE_CA);
	struct extension x = extension_open(out, OID_SUBJECT_KEY_ID, false);
	der_put(out, DER_OCTET_STRING, BYTES_ARRAY(key_id));
	extension_close(out, x);
	if (!root)
		put_intermediate(out, r);
	der_close(out, list);
	der_close(out, explicit);
	der_close(out, tbs);
}

static void put_responder_extensions(struct buf *b, const struct issuer *i, const struct responder_request *r)
{
	struct der_mark explicit = der_open(b, DER_CONTEXT_CONSTRUCTED(3)), list = der_open(b, DER_SEQUENCE);
	uint8_t key_id[20];

	cert_key_id(r->spki, key_id);
	authority_key_id_write(i->key_id, b);
	put_constant(b, OID_KEY_USAGE, true, KEY_USAGE_SIGN);
	put_constant(b, OID_EXTENDED_KEY_USAGE, false, "300a06082b06010505070309"); /* OCSPSigning */
	put_constant(b, OID_OCSP_NO_CHECK, false, "0500");
	struct extension x = extension_open(b, OID_SUBJECT_KEY_ID, false);
	der_put(b, DER_OCTET_STRING, BYTES_ARRAY(key_id));
	extension_close(b, x);
	der_close(b, list);
	der_close(b, explicit);
}

void cert_write_responder_tbs(const struct issuer *i, const struct responder_request *r, struct buf *out)
{
	uint8_t room[64];
	struct buf name = { .ptr = room, .cap = sizeof room, .max = sizeof room };

	name_write_ca(BYTES_LIT(""), BYTES_LIT(RESPONDER_NAME), &name);
	struct head h = {
		.serial = r->serial,
		.alg = key_sig_alg(i->key),
		.issuer_name = i->subject,
		.subject = buf_bytes(&name),
		.spki = r->spki,
		.not_before_s = r->not_before_s,
		.not_after_s = r->not_after_s,
	};
	struct der_mark tbs = der_open(out, DER_SEQUENCE);
	put_head(out, &h);
	put_responder_extensions(out, i, r);
	der_close(out, tbs);
}

static void put_rdn(struct buf *b, enum oid type, int tag, struct bytes value)
{
	struct der_mark set = der_open(b, DER_SET), pair = der_open(b, DER_SEQUENCE);

	der_put_oid(b, oid_hex(type));
	der_put(b, tag, value);
	der_close(b, pair);
	der_close(b, set);
}

void name_write_ca(struct bytes organization, struct bytes common_name, struct buf *out)
{
	name_write_ca_of(BYTES_LIT(""), organization, common_name, out);
}

void name_write_ca_of(struct bytes country, struct bytes organization, struct bytes common_name, struct buf *out)
{
	struct der_mark name = der_open(out, DER_SEQUENCE);

	if (country.len > 0)
		put_rdn(out, OID_COUNTRY, DER_PRINTABLE_STRING, country);
	if (organization.len > 0)
		put_rdn(out, OID_ORGANIZATION, DER_UTF8_STRING, organization);
	put_rdn(out, OID_COMMON_NAME, DER_UTF8_STRING, common_name);
	der_close(out, name);
}

void cert_key_id(struct bytes spki, uint8_t out[20])
{
	struct der d = der_of(spki), s = der_enter(&d, DER_SEQUENCE);
	uint8_t digest[SHA256_SIZE];

	(void)der_get_element(&s); /* the algorithm */
	sha256_one(der_get_bits(&s), digest);
	memcpy(out, digest, 20);
}

void cert_write_signed(struct bytes tbs, enum sig_alg alg, struct bytes signature, struct buf *out)
{
	struct der_mark cert = der_open(out, DER_SEQUENCE);

	buf_add(out, tbs);
	buf_add(out, sig_alg_der(alg));
	der_put_bits(out, signature);
	der_close(out, cert);
}

enum err_code cert_sign(const struct key *k, struct bytes tbs, struct buf *out, struct err *e)
{
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t len;

	TRY(key_sign(k, SIG_FORM_X509, tbs, sig, &len, e));
	cert_write_signed(tbs, key_sig_alg(k), (struct bytes){ sig, len }, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for the signed form of %zu bytes", tbs.len);
	return ERR_OK;
}
