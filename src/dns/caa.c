#include "dns/caa.h"

#include "dns/excerpt.h"

#include <errno.h>
#include <string.h>

#define FLAG_CRITICAL 128 /* bit 0, the most significant (RFC 8659 §4.1.1) */
#define FLAG_CARELESS 1   /* where zones put it that count bits from the other end: refusing is the safe reading */
#define QUOTED_MAX    48  /* characters of a record in a reason */

static bool is_tag(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

enum err_code caa_record_read(struct bytes rdata, struct caa_record *ret, struct err *e)
{
	errno = 0;
	if (rdata.len < 2 || rdata.ptr[1] == 0 || rdata.len - 2 < rdata.ptr[1])
		FAIL(e, MALFORMED, "a CAA record that is cut or has no tag");
	struct bytes tag = bytes_slice(rdata, 2, 2 + (size_t)rdata.ptr[1]);
	for (size_t i = 0; i < tag.len; i++)
		if (!is_tag(tag.ptr[i]))
			FAIL(e, MALFORMED, "a CAA record whose tag has a character that is no letter or digit");
	*ret = (struct caa_record){ .flags = rdata.ptr[0], .tag = tag, .value = bytes_slice(rdata, 2 + tag.len, rdata.len) };
	return ERR_OK;
}

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool equal_nocase(struct bytes a, struct bytes b)
{
	for (size_t i = 0; a.len == b.len && i < a.len; i++)
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	return a.len == b.len;
}

static bool has_tag(const struct caa_record *r, const char *tag)
{
	return equal_nocase(r->tag, bytes_str(tag));
}

/* Properties that we know; those but issue and issuewild say nothing about certificates for TLS servers (iodef: RFC 8659 §4.4;
 * issuemail: RFC 9495; contacts: Baseline Requirements A.1). */
static bool is_known(const struct caa_record *r)
{
	static const char *const tags[] = { "issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone" };

	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		if (has_tag(r, tags[i]))
			return true;
	return false;
}

/* "validationmethods": a list of labels with commas between them (RFC 8657 §4). */
static bool lists_method(struct bytes list, struct bytes method)
{
	struct bytes head, tail;

	while (bytes_split(list, ',', &head, &tail)) {
		if (bytes_eq(head, method))
			return true;
		list = tail;
	}
	return bytes_eq(list, method);
}

enum fit { FIT_YES, FIT_ISSUER, FIT_ACCOUNT, FIT_METHOD };

/* Whether one issue value is for this request. Two accounturi or two validationmethods in one value are an error that must not
 * be read as permission (RFC 8657 §3, §4); parameters that we do not know are the zone's talk with nobody. */
static enum fit fits(struct bytes value, const struct caa_request *r)
{
	struct caa_issue issue;
	struct bytes tag, param;
	unsigned accounts = 0, methods = 0;
	bool account_fits = true, method_fits = true;

	if (!caa_issue_read(value, &issue) || !issue.domain.ptr || !equal_nocase(issue.domain, r->issuer_domain))
		return FIT_ISSUER;
	while (caa_parameter_next(&issue.parameters, &tag, &param)) {
		if (equal_nocase(tag, BYTES_LIT("accounturi"))) {
			accounts++;
			account_fits = bytes_eq(param, r->account_url);
		} else if (equal_nocase(tag, BYTES_LIT("validationmethods"))) {
			methods++;
			method_fits = lists_method(param, r->method);
		}
	}
	if (accounts > 1 || !account_fits)
		return FIT_ACCOUNT;
	return methods > 1 || !method_fits ? FIT_METHOD : FIT_YES;
}

/* The nearest miss is what the applicant has to mend. */
static enum err_code refuse(
    struct bytes node, struct bytes value, enum fit fit, const struct caa_request *r, const char *tag, struct err *e)
{
	char quoted[EXCERPT_SIZE(QUOTED_MAX)], name[EXCERPT_SIZE(80)], account[EXCERPT_SIZE(100)];

	errno = 0;
	(void)excerpt(value, quoted, QUOTED_MAX);
	(void)excerpt(node, name, 80);
	(void)excerpt(r->account_url, account, 100);
	if (fit == FIT_ACCOUNT)
		FAIL(e, CAA, "the CAA record %s \"%s\" at %s is for another account than %s", tag, quoted, name, account);
	if (fit == FIT_METHOD)
		FAIL(e, CAA, "the CAA record %s \"%s\" at %s does not allow the method %.*s", tag, quoted, name, BYTES_FMT(r->method));
	FAIL(e, CAA, "the CAA record %s \"%s\" at %s does not name this CA: publish %s. CAA 0 %s \"%.*s\" beside it or in its place", tag,
	    quoted, name, name, tag, BYTES_FMT(r->issuer_domain));
}

static enum err_code check_records(struct bytes node, const struct bytes *rdata, size_t n, struct err *e)
{
	char name[EXCERPT_SIZE(100)], tag[EXCERPT_SIZE(QUOTED_MAX)];
	struct caa_record record;

	errno = 0;
	(void)excerpt(node, name, 100);
	if (n > CAA_RECORDS_MAX)
		FAIL(e, CAA, "%s has %zu CAA records, at most %d are read", name, n, CAA_RECORDS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct err why = { 0 };
		if (caa_record_read(rdata[i], &record, &why) != ERR_OK)
			FAIL(e, CAA, "%s has %s", name, why.detail);
		if ((record.flags & (FLAG_CRITICAL | FLAG_CARELESS)) && !is_known(&record))
			FAIL(e, CAA, "%s has a CAA record with the critical flag (%u) and the property \"%s\", which this CA does not know",
			    name, record.flags, excerpt(record.tag, tag, QUOTED_MAX));
	}
	return ERR_OK;
}

/* issuewild, where there is any, decides alone about wildcards, and about nothing else (RFC 8659 §4.3). */
const char *caa_deciding_tag(const struct bytes *rdata, size_t n, bool wildcard)
{
	struct caa_record record;

	for (size_t i = 0; wildcard && i < n; i++)
		if (caa_record_read(rdata[i], &record, NULL) == ERR_OK && has_tag(&record, "issuewild"))
			return "issuewild";
	return "issue";
}

enum err_code caa_permits(struct bytes node, const struct bytes *rdata, size_t n, const struct caa_request *r, struct err *e)
{
	struct bytes nearest = BYTES_NONE;
	enum fit best = FIT_ISSUER;
	bool restricted = false;

	TRY(check_records(node, rdata, n, e));
	const char *tag = caa_deciding_tag(rdata, n, r->wildcard);
	for (size_t i = 0; i < n; i++) {
		struct caa_record record;
		if (caa_record_read(rdata[i], &record, NULL) != ERR_OK || !has_tag(&record, tag))
			continue;
		enum fit fit = fits(record.value, r);
		if (fit == FIT_YES)
			return ERR_OK;
		if (!restricted || fit != FIT_ISSUER) {
			nearest = record.value;
			best = fit;
		}
		restricted = true;
	}
	return restricted ? refuse(node, nearest, best, r, tag, e) : ERR_OK;
}

struct bytes caa_parent(struct bytes name)
{
	struct bytes label, rest;

	return bytes_split(name, '.', &label, &rest) && rest.len > 0 ? rest : BYTES_NONE;
}
