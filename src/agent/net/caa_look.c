#include "agent/net/caa_look.h"

#include "agent/endpoint.h"
#include "base/clock.h"
#include "dns/caa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_MS 30000 /* for all names; beyond it nothing is known */

/* The relevant RRset (RFC 8659 §3), and where it stands. */
struct relevant {
	struct bytes node; /* behind an alias its own name: records are added there */
	struct bytes rdata[CAA_RECORDS_MAX];
	size_t n;
};

/* One record as we judge it; false: a CA may read it otherwise than we do. That a property is critical and not known to us says nothing of what is known to
 * the CA. */
static bool take_record(struct arena *a, const ldns_rr *rr, struct relevant *ret)
{
	ldns_buffer *wire = ldns_buffer_new(512);
	struct bytes rdata = BYTES_NONE;
	struct caa_record record;

	if (wire && ldns_rr_rdata2buffer_wire(wire, rr) == LDNS_STATUS_OK && ldns_buffer_position(wire) > 0) {
		*ldns_buffer_begin(wire) = 0; /* the flags */
		rdata = arena_copy(a, (struct bytes){ ldns_buffer_begin(wire), ldns_buffer_position(wire) });
	}
	ldns_buffer_free(wire);
	if (!rdata.ptr || ret->n == CAA_RECORDS_MAX || caa_record_read(rdata, &record, NULL) != ERR_OK)
		return false;
	ret->rdata[ret->n++] = rdata;
	return true;
}

static bool take_owner(struct arena *a, const ldns_rr *rr, struct relevant *ret)
{
	char *text = ldns_rdf2str(ldns_rr_owner(rr));
	struct bytes name = bytes_str(text ? text : "");

	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	ret->node = arena_copy(a, name);
	free(text);
	return ret->node.len > 0;
}

static bool take_answer(struct arena *a, const ldns_pkt *p, struct relevant *ret)
{
	const ldns_rr_list *list = ldns_pkt_answer(p);

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CAA && (!take_owner(a, rr, ret) || !take_record(a, rr, ret)))
			return false;
	}
	return true;
}

/* False: it is not known. None found: n is 0. */
static bool find(const struct caa_look *l, const char *name, struct relevant *ret)
{
	ret->n = 0;
	for (struct bytes at = bytes_str(name); at.ptr && ret->n == 0; at = caa_parent(at)) {
		CLEANUP(dns_packet_free) ldns_pkt *p = NULL;
		if (dns_resolve(l->resolver, (const char *)at.ptr, LDNS_RR_TYPE_CAA, &p, NULL) != ERR_OK || !take_answer(l->arena, p, ret))
			return false;
	}
	return true;
}

/* An account that is not known yet may be any that a record names. */
static enum err_code permits(const struct relevant *r, struct caa_request *q, bool any_account, struct err *e)
{
	enum err_code rc = caa_permits(r->node, r->rdata, r->n, q, e);
	struct bytes tag, value;
	struct caa_record record;
	struct caa_issue issue;

	for (size_t i = 0; rc != ERR_OK && any_account && i < r->n; i++) {
		if (caa_record_read(r->rdata[i], &record, NULL) != ERR_OK || !caa_issue_read(record.value, &issue))
			continue;
		while (rc != ERR_OK && caa_parameter_next(&issue.parameters, &tag, &value)) {
			q->account_url = value;
			rc = caa_permits(r->node, r->rdata, r->n, q, NULL);
		}
	}
	return rc;
}

/* What the record set lets none of the identities do, in none of the ways; the first refusal is told. */
static enum err_code judge(const struct caa_look *l, const struct relevant *r, bool wildcard, struct err *e)
{
	struct err first = { .code = ERR_OK };

	for (size_t i = 0; i < l->n_identities; i++)
		for (size_t k = 0; k < l->n_ways; k++) {
			struct caa_request q = { .wildcard = wildcard,
				.issuer_domain = bytes_str(l->identities[i]),
				.account_url = bytes_str(l->account_url ? l->account_url : ""),
				.method = bytes_str(challenge_type_name(l->ways[k])) };
			struct err why = { 0 };
			if (!challenge_type_covers(l->ways[k], IDENTIFIER_DNS, wildcard))
				continue;
			if (permits(r, &q, !l->account_url, &why) == ERR_OK)
				return ERR_OK;
			if (first.code == ERR_OK)
				first = why;
		}
	if (first.code != ERR_OK)
		*e = first;
	return first.code;
}

enum err_code caa_look(const struct caa_look *l, char hint[CAA_LOOK_HINT_MAX], struct err *e)
{
	struct relevant *r = arena_array(l->arena, 1, sizeof *r);
	int64_t end_ms = clock_monotonic_ms() + ALL_MS;

	*hint = 0;
	for (size_t i = 0; r && l->n_identities > 0 && i < l->n_names && clock_monotonic_ms() < end_ms; i++) {
		bool wildcard = strncmp(l->names[i], "*.", 2) == 0;
		if (endpoint_is_address(l->names[i]) || !find(l, l->names[i] + (wildcard ? 2 : 0), r) || r->n == 0)
			continue;
		enum err_code rc = judge(l, r, wildcard, e);
		if (rc == ERR_OK)
			continue;
		(void)snprintf(hint, CAA_LOOK_HINT_MAX, "add the record %.*s. CAA 0 %s \"%s\", or use a CA that is named there",
		    BYTES_FMT(r->node), caa_deciding_tag(r->rdata, r->n, wildcard), l->identities[0]);
		return rc;
	}
	return ERR_OK;
}
