#include "agent/net/propagation.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVERS_MAX 16
#define ALIASES_MAX 8
#define ASK_MS      1000
#define ROUND_MS    1000
#define SILENT_MAX  2 /* questions that a server may leave unanswered: packets are lost */
#define TOLD_MAX    400

struct server {
	char name[256];
	struct name_server at;
	bool has;
	unsigned silent;
	char seen[80]; /* what it has instead */
};
/* Where one record is looked for. */
struct spot {
	const struct propagation_record *record;
	char at[256]; /* the record's name, or what it is an alias of */
	struct server *servers;
	size_t n;
	unsigned aliases;
};

static void copy_name(const ldns_rdf *name, char out[256])
{
	char *text = ldns_rdf2str(name);

	(void)snprintf(out, 256, "%s", text ? text : "");
	free(text);
}

/* --- the servers of a zone --- */

static void add_addresses(const struct propagation *p, struct spot *s, const char *name, ldns_rr_type type)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;

	if (dns_resolve(p->resolver, name, type, &answer, NULL) != ERR_OK)
		return;
	const ldns_rr_list *list = ldns_pkt_answer(answer);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && s->n < SERVERS_MAX; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		struct sockaddr_in in = { .sin_family = AF_INET };
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
		if (ldns_rr_get_type(rr) != type || !ldns_rr_rdf(rr, 0))
			continue;
		struct server *to = &s->servers[s->n++];
		*to = (struct server){ .seen = "no answer" };
		(void)snprintf(to->name, sizeof to->name, "%s", name);
		const void *raw = ldns_rdf_data(ldns_rr_rdf(rr, 0));
		if (type == LDNS_RR_TYPE_A) {
			memcpy(&in.sin_addr, raw, sizeof in.sin_addr);
			name_server_at((const struct sockaddr *)&in, sizeof in, NAME_SERVER_PORT, &to->at);
		} else {
			memcpy(&in6.sin6_addr, raw, sizeof in6.sin6_addr);
			name_server_at((const struct sockaddr *)&in6, sizeof in6, NAME_SERVER_PORT, &to->at);
		}
	}
}

static void add_servers(const struct propagation *p, struct spot *s, const char *zone)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
	char name[256];

	s->n = 0;
	if (dns_resolve(p->resolver, zone, LDNS_RR_TYPE_NS, &answer, NULL) != ERR_OK)
		return;
	const ldns_rr_list *list = ldns_pkt_answer(answer);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_NS)
			continue;
		copy_name(ldns_rr_rdf(rr, 0), name);
		add_addresses(p, s, name, LDNS_RR_TYPE_A);
		add_addresses(p, s, name, LDNS_RR_TYPE_AAAA);
	}
}

/* By the SOA of the name above: were the name itself asked for, the resolver might remember that it is not there yet, and a CA may have the same one. */
static void place(const struct propagation *p, struct spot *s)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
	const char *above = strchr(s->at, '.');
	char zone[256] = "";

	s->n = 0;
	if (!above || !above[1] || dns_resolve(p->resolver, above + 1, LDNS_RR_TYPE_SOA, &answer, NULL) != ERR_OK)
		return;
	const ldns_rr_list *sections[] = { ldns_pkt_answer(answer), ldns_pkt_authority(answer) };
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; !*zone && k < ldns_rr_list_rr_count(sections[i]); k++)
			if (ldns_rr_get_type(ldns_rr_list_rr(sections[i], k)) == LDNS_RR_TYPE_SOA)
				copy_name(ldns_rr_owner(ldns_rr_list_rr(sections[i], k)), zone);
	if (*zone)
		add_servers(p, s, zone);
}

/* --- what a server has --- */

/* The strings of a TXT record in one. */
static void txt_of(const ldns_rr *rr, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *r = ldns_rr_rdf(rr, i);
		const uint8_t *data = ldns_rdf_data(r);
		size_t len = ldns_rdf_size(r) > 0 ? ldns_rdf_size(r) - 1 : 0; /* behind its length */
		for (size_t k = 1; k <= len && n + 1 < size; k++)
			out[n++] = data[k] > ' ' && data[k] < 127 ? (char)data[k] : '?';
	}
	out[n] = 0;
}

static const ldns_rr *find(const ldns_rr_list *list, ldns_rr_type type)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		if (ldns_rr_get_type(ldns_rr_list_rr(list, i)) == type)
			return ldns_rr_list_rr(list, i);
	return NULL;
}

/* An alias, or a zone of the name's own: then it is looked for there from now on. */
static bool moves(const struct propagation *p, struct spot *s, const ldns_pkt *answer)
{
	const ldns_rr *alias = find(ldns_pkt_answer(answer), LDNS_RR_TYPE_CNAME), *cut = find(ldns_pkt_authority(answer), LDNS_RR_TYPE_NS);
	char zone[256];

	if (s->aliases == ALIASES_MAX || find(ldns_pkt_answer(answer), LDNS_RR_TYPE_TXT))
		return false;
	if (alias) {
		copy_name(ldns_rr_rdf(alias, 0), s->at);
		place(p, s);
	} else if (cut && !ldns_pkt_aa(answer) && ldns_pkt_ancount(answer) == 0) {
		copy_name(ldns_rr_owner(cut), zone);
		add_servers(p, s, zone);
	} else {
		return false;
	}
	s->aliases++;
	return true;
}

static void look(const struct spot *s, struct server *to, const ldns_pkt *answer)
{
	const ldns_rr_list *list = ldns_pkt_answer(answer);
	char text[256];

	(void)snprintf(to->seen, sizeof to->seen, "no such record");
	if (ldns_pkt_get_rcode(answer) != LDNS_RCODE_NOERROR && ldns_pkt_get_rcode(answer) != LDNS_RCODE_NXDOMAIN)
		(void)snprintf(to->seen, sizeof to->seen, "a failure (code %u)", (unsigned)ldns_pkt_get_rcode(answer));
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		if (ldns_rr_get_type(ldns_rr_list_rr(list, i)) != LDNS_RR_TYPE_TXT)
			continue;
		txt_of(ldns_rr_list_rr(list, i), text, sizeof text);
		to->has = to->has || strcmp(text, s->record->value) == 0;
		(void)snprintf(to->seen, sizeof to->seen, "\"%.60s\"", text);
	}
}

/* True: nothing is left to wait for. */
static bool ask_all(const struct propagation *p, struct spot *s)
{
	bool done = true;

	for (size_t i = 0; i < s->n; i++) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		struct server *to = &s->servers[i];
		if (to->has || to->silent == SILENT_MAX)
			continue;
		if (dns_ask(&to->at, s->at, LDNS_RR_TYPE_TXT, false, clock_monotonic_ms() + ASK_MS, &answer, NULL) != ERR_OK) {
			to->silent++;
		} else if (moves(p, s, answer)) {
			return s->n == 0;
		} else {
			to->silent = 0;
			look(s, to, answer);
		}
		done = done && (to->has || to->silent == SILENT_MAX);
	}
	return done;
}

/* --- all of them --- */

static void tell_silent(const struct propagation *p, const struct spot *s)
{
	char line[TOLD_MAX];

	if (s->n == 0) {
		(void)snprintf(
		    line, sizeof line, "the name servers of %.150s are not found: nobody looks whether they have the answer", s->at);
		p->tell(p->context, line);
	}
	for (size_t i = 0; i < s->n; i++)
		if (!s->servers[i].has && s->servers[i].silent == SILENT_MAX) {
			(void)snprintf(line, sizeof line, "the name server %.150s (%s) does not answer: nobody looks whether it has %.100s",
			    s->servers[i].name, s->servers[i].at.text, s->at);
			p->tell(p->context, line);
		}
}

static void tell_behind(const struct spot *s, char why[PROPAGATION_WHY_MAX])
{
	for (size_t i = 0; i < s->n; i++) {
		size_t n = strlen(why);
		const struct server *at = &s->servers[i];
		if (!at->has && at->silent < SILENT_MAX && n + 1 < PROPAGATION_WHY_MAX)
			(void)snprintf(why + n, PROPAGATION_WHY_MAX - n, "%s%.150s (%s) has %s at %.150s", n ? "; " : "", at->name,
			    at->at.text, at->seen, s->at);
	}
}

static enum err_code open_spots(const struct propagation *p, struct spot *v, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < p->n; i++) {
		v[i] = (struct spot){ .record = &p->v[i] };
		v[i].servers = arena_array(p->arena, SERVERS_MAX, sizeof *v[i].servers);
		if (!v[i].servers)
			FAIL(e, NOMEM, "no memory for name servers");
		(void)snprintf(v[i].at, sizeof v[i].at, "%s", p->v[i].name);
		place(p, &v[i]);
	}
	return ERR_OK;
}

enum err_code propagation_await(const struct propagation *p, char why[PROPAGATION_WHY_MAX], struct err *e)
{
	int64_t end_ms = clock_monotonic_ms() + (int64_t)p->seconds * 1000;
	struct spot *v = arena_array(p->arena, p->n ? p->n : 1, sizeof *v);
	bool done = false;

	*why = 0;
	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for name servers");
	TRY(open_spots(p, v, e));
	for (unsigned round = 0; !done; round++) {
		done = true;
		for (size_t i = 0; i < p->n; i++)
			done = ask_all(p, &v[i]) && done;
		if (done || clock_monotonic_ms() >= end_ms)
			break;
		if (round == 0)
			p->tell(p->context, "waiting until every name server of the zone has the answers");
		(void)nanosleep(&(struct timespec){ .tv_sec = ROUND_MS / 1000 }, NULL);
	}
	for (size_t i = 0; i < p->n; i++) {
		tell_silent(p, &v[i]);
		if (!done)
			tell_behind(&v[i], why);
	}
	errno = 0;
	if (!done)
		FAIL(e, TIMEOUT, "after %u s not every name server has the answer", (unsigned)p->seconds);
	return ERR_OK;
}
