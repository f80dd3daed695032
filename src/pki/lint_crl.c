/* The last look at a revocation list before it is signed. Like lint.c it shares nothing with the writer but the DER reader: no table of
 * object identifiers or reasons, so that a mistake there is not repeated here. */
#include "pki/crl.h"

#include "base/clock.h"
#include "pki/der.h"
#include "pki/lint_url.h"

#include <inttypes.h>
#include <string.h>

#define THIS_UPDATE_MAX_S (48 * 3600) /* before the time of signing */
#define TAG_EXTENSIONS    0xa0        /* [0] EXPLICIT */
#define TAG_KEY_ID        0x80        /* [0] IMPLICIT */
#define TAG_POINT         0xa0        /* [0] EXPLICIT, as DistributionPointName is a CHOICE */
#define TAG_FULL_NAME     0xa0        /* [0] IMPLICIT */
#define TAG_URI           0x86        /* [6] IMPLICIT */
#define TAG_ONLY_USER     0x81        /* [1] IMPLICIT */

#define BROKEN(e, ...) FAIL(e, BUG, "lint: " __VA_ARGS__)

/* What the rules look at. */
struct lint {
	const struct issuer *issuer;
	const struct crl_request *request;
};

/* RFC 5280 §5.1.2.1 to §5.1.2.3. */
static enum err_code check_head(struct der *tbs, const struct issuer *i, struct err *e)
{
	struct bytes version = der_get_unsigned(tbs);

	if (tbs->failed || version.len != 1 || version.ptr[0] != 1)
		BROKEN(e, "version: it is not v2");
	if (!bytes_eq(der_get_element(tbs), sig_alg_der(key_sig_alg(i->key))))
		BROKEN(e, "algorithm: it is not the one that the issuer's key signs with");
	struct bytes name = der_get_element(tbs);
	if (name.len <= 2 || !bytes_eq(name, i->subject))
		BROKEN(e, "issuer: it is not the issuer's subject");
	return ERR_OK;
}

/* RFC 5280 §5.1.2.4, §5.1.2.5; Baseline Requirements §7.2: nextUpdate at most ten days on, for a list of CA certificates twelve months. */
static enum err_code check_times(struct der *tbs, const struct lint *l, struct err *e)
{
	int most_s = l->request->of_root ? CRL_ROOT_UPDATE_MAX_S : CRL_UPDATE_MAX_S;
	int64_t this_update = der_get_time(tbs), next_update = der_get_time(tbs), now = clock_wall_ms() / 1000;

	if (tbs->failed)
		BROKEN(e, "thisUpdate, nextUpdate: they are no pair of times");
	if (this_update != l->request->this_update_s || next_update != l->request->next_update_s)
		BROKEN(e, "thisUpdate, nextUpdate: they are not the request's");
	if (this_update > now || this_update < now - THIS_UPDATE_MAX_S)
		BROKEN(e, "thisUpdate: it is later than now, or more than 48 hours ago");
	if (next_update <= this_update || next_update - this_update > most_s)
		BROKEN(e, "nextUpdate: it is not within %d s after thisUpdate", most_s);
	return ERR_OK;
}

/* keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn: Baseline Requirements §7.2.2. */
static bool reason_ok(uint8_t reason)
{
	return reason == 1 || reason == 3 || reason == 4 || reason == 5 || reason == 9;
}

/* crlEntryExtensions of the reason alone: it has one form. */
static enum err_code check_reason(struct der *entry, uint8_t want, struct err *e)
{
	/* SEQUENCE of one Extension: 2.5.29.21, not critical, an ENUMERATED of one octet */
	struct bytes begin = BYTES_LIT("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01");

	if (!der_more(entry)) {
		if (want != 0)
			BROKEN(e, "reasonCode: it is missing");
		return ERR_OK;
	}
	struct bytes whole = der_get_element(entry);
	if (entry->failed || der_more(entry) || whole.len != begin.len + 1 || !bytes_starts_with(whole, begin))
		BROKEN(e, "entry: it has something else than a reasonCode behind its time");
	uint8_t reason = whole.ptr[begin.len];
	if (!reason_ok(reason))
		BROKEN(e, "reasonCode: %u is none that an entry may have", reason);
	if (reason != want)
		BROKEN(e, "reasonCode: it is not the request's");
	return ERR_OK;
}

/* The k-th entry of the list against the k-th of the request, which are sorted and unique. */
static enum err_code check_entry(struct der *list, const struct crl_request *r, size_t k, struct err *e)
{
	struct der entry = der_enter(list, DER_SEQUENCE);
	struct bytes serial = der_get(&entry, DER_INTEGER);
	int64_t at = der_get_time(&entry);

	if (entry.failed || serial.len != SERIAL_SIZE || serial.ptr[0] == 0 || serial.ptr[0] > 0x7f)
		BROKEN(e, "entry: it has not a serial number of %d bytes and a time", SERIAL_SIZE);
	if (k >= r->n_entries || memcmp(serial.ptr, r->entries[k].serial, SERIAL_SIZE) != 0)
		BROKEN(e, "entry: its serial number is not the request's");
	if (k > 0 && memcmp(r->entries[k - 1].serial, serial.ptr, SERIAL_SIZE) >= 0)
		BROKEN(e, "entries: they are not sorted and unique");
	if (at != r->entries[k].time_s)
		BROKEN(e, "revocationDate: it is not the request's");
	if (at > r->this_update_s)
		BROKEN(e, "revocationDate: it is later than thisUpdate");
	return check_reason(&entry, r->entries[k].reason, e);
}

static enum err_code check_entries(struct der *tbs, const struct crl_request *r, struct err *e)
{
	size_t n = 0;

	if (der_peek(tbs) == DER_SEQUENCE) {
		struct der list = der_enter(tbs, DER_SEQUENCE);
		if (!der_more(&list))
			BROKEN(e, "entries: a list without any is there, where it must be absent");
		while (der_more(&list))
			TRY(check_entry(&list, r, n++, e));
		if (list.failed)
			BROKEN(e, "entries: they are no list");
	}
	if (n != r->n_entries)
		BROKEN(e, "entries: %zu are not the request's %zu", n, r->n_entries);
	return ERR_OK;
}

/* RFC 5280 §5.2.1 with §4.2.1.1, Baseline Requirements §7.2.2: the issuer's key id alone. */
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

/* RFC 5280 §5.2.3: at most 20 octets, which 64 bits never need. */
static enum err_code check_number(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value);
	struct bytes magnitude = der_get_unsigned(&d);
	uint64_t number = 0;

	if (d.failed || der_more(&d) || magnitude.len > sizeof number)
		BROKEN(e, "cRLNumber: it is no INTEGER of at most %zu bytes", sizeof number);
	for (size_t i = 0; i < magnitude.len; i++)
		number = number << 8 | magnitude.ptr[i];
	if (number != l->request->number)
		BROKEN(e, "cRLNumber: it is not the request's");
	return ERR_OK;
}

/* fullName with the URL of the certificates, onlyContainsUserCerts, and nothing else (Baseline Requirements §7.2.2.1). */
static enum err_code check_distribution_point(struct bytes value, const struct lint *l, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE), point = der_enter(&s, TAG_POINT);
	struct der names = der_enter(&point, TAG_FULL_NAME);
	struct bytes url = der_get(&names, TAG_URI), only_user = der_get(&s, TAG_ONLY_USER);

	if (names.failed || der_more(&names) || der_more(&point))
		BROKEN(e, "issuingDistributionPoint: it has not a fullName of one URI");
	if (s.failed || der_more(&s) || der_more(&d) || !bytes_eq(only_user, BYTES_LIT("\xff")))
		BROKEN(e, "issuingDistributionPoint: it says something else than onlyContainsUserCerts");
	if (!lint_crl_url(url))
		BROKEN(e, "issuingDistributionPoint: its URI is none of http");
	if (!bytes_eq(url, l->request->url))
		BROKEN(e, "issuingDistributionPoint: its URI is not the request's");
	return ERR_OK;
}

/* The allowed set: each exactly once, critical exactly where it says so. */
static const struct rule {
	uint8_t id; /* last octet of 2.5.29.n: nothing else is allowed */
	bool critical;
	const char *name;
	enum err_code (*check)(struct bytes value, const struct lint *l, struct err *e);
} rules[] = {
	{ 35, false, "authorityKeyIdentifier", check_authority_key_id }, { 20, false, "cRLNumber", check_number },
	{ 28, true, "issuingDistributionPoint", check_distribution_point }, /* the last one: absent where the request has no URL */
};
#define RULES_N (sizeof rules / sizeof *rules)

static enum err_code check_extension(struct der *list, const struct lint *l, bool seen[RULES_N], struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	bool says_critical = der_peek(&x) == DER_BOOLEAN, critical = says_critical && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	size_t k = 0;

	/* X.690 §11.5: the default, FALSE, is not encoded. */
	if (x.failed || der_more(&x) || says_critical != critical)
		BROKEN(e, "extensions: one is not the DER of an Extension");
	/* id-ce is 2.5.29: octets 0x55 0x1d */
	while (k < RULES_N && !bytes_eq(id, (struct bytes){ (const uint8_t[]){ 0x55, 0x1d, rules[k].id }, 3 }))
		k++;
	if (k == RULES_N)
		BROKEN(e, "extensions: there is one that is not of the allowed set");
	if (seen[k])
		BROKEN(e, "extensions: %s is there twice", rules[k].name);
	seen[k] = true;
	if (critical != rules[k].critical)
		BROKEN(e, "extensions: %s must %sbe critical", rules[k].name, rules[k].critical ? "" : "not ");
	return rules[k].check(value, l, e);
}

static enum err_code check_extensions(struct der *tbs, const struct lint *l, struct err *e)
{
	struct der outer = der_enter(tbs, TAG_EXTENSIONS), list = der_enter(&outer, DER_SEQUENCE);
	size_t due = l->request->url.len > 0 ? RULES_N : RULES_N - 1;
	bool seen[RULES_N] = { false };

	if (list.failed || der_more(&outer))
		BROKEN(e, "extensions: there is no list of them");
	while (der_more(&list))
		TRY(check_extension(&list, l, seen, e));
	if (list.failed)
		BROKEN(e, "extensions: one is not the DER of an Extension");
	for (size_t k = 0; k < due; k++)
		if (!seen[k])
			BROKEN(e, "extensions: %s is missing", rules[k].name);
	return ERR_OK;
}

enum err_code lint_crl(struct bytes tbs, const struct issuer *i, const struct crl_request *r, struct err *e)
{
	struct lint l = { .issuer = i, .request = r };
	struct der d = der_of(tbs), s = der_enter(&d, DER_SEQUENCE);

	if (s.failed || der_more(&d))
		BROKEN(e, "structure: it is not the DER of one TBSCertList");
	TRY(check_head(&s, i, e));
	TRY(check_times(&s, &l, e));
	TRY(check_entries(&s, r, e));
	TRY(check_extensions(&s, &l, e));
	if (s.failed || der_more(&s))
		BROKEN(e, "structure: something follows the extensions");
	return ERR_OK;
}
