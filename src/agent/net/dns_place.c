#include "agent/net/dns_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX 10 /* above a name, that are asked for their zone */

void dns_copy_name(const ldns_rdf *name, char out[256])
{
	char *text = ldns_rdf2str(name);

	(void)snprintf(out, 256, "%s", text ? text : "");
	free(text);
}

const ldns_rr *dns_find(const ldns_rr_list *list, ldns_rr_type type)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		if (ldns_rr_get_type(ldns_rr_list_rr(list, i)) == type)
			return ldns_rr_list_rr(list, i);
	return NULL;
}

void dns_place_go(struct dns_place *p, const char *name)
{
	(void)snprintf(p->at, sizeof p->at, "%s", name);
	*p->zone = *p->primary = 0;
	p->n = 0;
}

/* --- who has a zone --- */

size_t dns_addresses(struct dns_resolver *r, const char *name, struct address *v, size_t max)
{
	static const ldns_rr_type types[] = { LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA };
	size_t n = 0;

	for (size_t t = 0; t < 2; t++) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		if (dns_resolve(r, name, types[t], &answer, NULL) != ERR_OK)
			continue;
		const ldns_rr_list *list = ldns_pkt_answer(answer);
		for (size_t i = 0; i < ldns_rr_list_rr_count(list) && n < max; i++) {
			const ldns_rr *rr = ldns_rr_list_rr(list, i);
			if (ldns_rr_get_type(rr) == types[t] && ldns_rr_rdf(rr, 0))
				address_from_raw(t == 0 ? AF_INET : AF_INET6, ldns_rdf_data(ldns_rr_rdf(rr, 0)), ADDRESS_DNS_PORT,
				    ADDRESS_DNS_PORT, &v[n++]);
		}
	}
	return n;
}

static void find_servers(struct dns_resolver *r, struct dns_place *p)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
	struct address v[DNS_PLACE_SERVERS_MAX];
	char name[256];

	if (dns_resolve(r, p->zone, LDNS_RR_TYPE_NS, &answer, NULL) != ERR_OK)
		return;
	const ldns_rr_list *list = ldns_pkt_answer(answer);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_NS || !ldns_rr_rdf(rr, 0))
			continue;
		dns_copy_name(ldns_rr_rdf(rr, 0), name);
		size_t n = dns_addresses(r, name, v, DNS_PLACE_SERVERS_MAX - p->n);
		for (size_t k = 0; k < n; k++) {
			struct dns_server *to = &p->v[p->n++];
			memcpy(to->name, name, sizeof to->name);
			to->at = v[k];
		}
	}
}

/* A zone that the name is in or at the top of; what a server says of the zone behind an alias is not about the name. */
static bool take_zone(struct dns_place *p, const char *name, const ldns_pkt *answer)
{
	const ldns_rr_list *sections[] = { ldns_pkt_answer(answer), ldns_pkt_authority(answer) };
	ldns_rdf *of = ldns_dname_new_frm_str(name);

	for (size_t i = 0; i < 2 && of; i++) {
		const ldns_rr *rr = dns_find(sections[i], LDNS_RR_TYPE_SOA);
		if (!rr || !ldns_rr_rdf(rr, 0) ||
		    (!ldns_dname_is_subdomain(of, ldns_rr_owner(rr)) && ldns_dname_compare(of, ldns_rr_owner(rr)) != 0))
			continue;
		dns_copy_name(ldns_rr_owner(rr), p->zone);
		dns_copy_name(ldns_rr_rdf(rr, 0), p->primary);
		break;
	}
	ldns_rdf_deep_free(of);
	return *p->zone;
}

void dns_place_find(struct dns_resolver *r, struct dns_place *p)
{
	const char *above = strchr(p->at, '.');

	for (size_t i = 0; i < LABELS_MAX && above && above[1]; i++, above = strchr(above + 1, '.')) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		if (dns_resolve(r, above + 1, LDNS_RR_TYPE_SOA, &answer, NULL) != ERR_OK)
			return;
		if (take_zone(p, above + 1, answer)) {
			find_servers(r, p);
			return;
		}
	}
}

/* --- where it goes on --- */

const ldns_rdf *dns_place_alias(const struct dns_place *p, const ldns_pkt *answer)
{
	const ldns_rr_list *list = ldns_pkt_answer(answer);
	ldns_rdf *at = ldns_dname_new_frm_str(p->at);
	const ldns_rdf *to = NULL;

	for (size_t i = 0; at && !to && i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME && ldns_dname_compare(ldns_rr_owner(rr), at) == 0)
			to = ldns_rr_rdf(rr, 0);
	}
	ldns_rdf_deep_free(at);
	return to;
}

bool dns_place_follow(struct dns_place *p, const ldns_rdf *alias)
{
	char name[256];

	if (p->moves == DNS_PLACE_MOVES_MAX)
		return false;
	p->moves++;
	dns_copy_name(alias, name);
	dns_place_go(p, name);
	return true;
}

static enum dns_move go_below(struct dns_resolver *r, struct dns_place *p, const ldns_rr *cut)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
	char zone[256];

	if (p->moves == DNS_PLACE_MOVES_MAX)
		return DNS_TOO_FAR;
	p->moves++;
	dns_copy_name(ldns_rr_owner(cut), p->zone);
	*p->primary = 0;
	p->n = 0;
	memcpy(zone, p->zone, sizeof zone);
	if (dns_resolve(r, zone, LDNS_RR_TYPE_SOA, &answer, NULL) == ERR_OK)
		(void)take_zone(p, zone, answer);
	find_servers(r, p);
	return DNS_DELEGATED;
}

enum dns_move dns_place_move(struct dns_resolver *r, struct dns_place *p, const ldns_pkt *answer)
{
	const ldns_rdf *alias = dns_place_alias(p, answer);
	const ldns_rr *cut = dns_find(ldns_pkt_authority(answer), LDNS_RR_TYPE_NS);

	if (alias) {
		if (!dns_place_follow(p, alias))
			return DNS_TOO_FAR;
		dns_place_find(r, p);
		return DNS_ALIAS;
	}
	return cut && !ldns_pkt_aa(answer) && ldns_pkt_ancount(answer) == 0 ? go_below(r, p, cut) : DNS_STAYS;
}
