#include "agent/net/dns_update.h"

#include "agent/net/dns_place.h"
#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define TTL_S       60
#define ASK_MS      1000  /* for one question about an alias */
#define ONE_MS      10000 /* for one question or update of the server that is updated */
#define CLEAN_UP_MS 30000 /* for all that is taken away */
#define ADDRESSES   4     /* of a server's that are tried */

/* Where updates go. */
struct target {
	char name[256]; /* as it is told */
	struct address v[ADDRESSES];
	size_t n;
};
/* Where a record that the CA asks for is put. */
struct spot {
	const char *record;
	char at[256], zone[256];
	struct target to;
	struct spot *next;
};

struct dns_updater {
	char host[256]; /* empty: each zone's primary */
	uint16_t port;
	const struct tsig_key *key; /* NULL: none */
	struct dns_resolver *resolver;
	struct arena *arena;
	int64_t end_ms, clean_up_end_ms; /* 0: not known yet */
	struct spot *spots;
	char failure[1024];
};

/* "ns.example", "ns.example:5353", "192.0.2.1:53", "[2001:db8::1]:53", "2001:db8::1" */
static enum err_code split_server(const char *server, struct dns_updater *u, struct err *e)
{
	struct bytes host, port;
	uint16_t number = 0;

	if (strcmp(server, "auto") == 0)
		return ERR_OK;
	if (address_split(bytes_str(server), &host, &port) && host.len > 0 && host.len < sizeof u->host)
		number = port.ptr ? address_port(port) : ADDRESS_DNS_PORT;
	errno = 0;
	if (number == 0)
		FAIL(e, CONFIG,
		    "a name server is written HOST, HOST:PORT or [ADDRESS]:PORT, or auto for each zone's primary, not \"%.100s\"", server);
	(void)snprintf(u->host, sizeof u->host, "%.*s", BYTES_FMT(host));
	u->port = number;
	return ERR_OK;
}

enum err_code dns_updater_new(
    const char *server, const struct tsig_key *key, struct dns_resolver *resolver, struct arena *a, struct dns_updater **ret, struct err *e)
{
	struct dns_updater *u = arena_array(a, 1, sizeof *u);

	errno = 0;
	if (!u)
		FAIL(e, NOMEM, "no memory for DNS updates");
	u->key = key;
	u->resolver = resolver;
	u->arena = a;
	TRY(split_server(server, u, e));
	*ret = u;
	return ERR_OK;
}

void dns_updater_end_at(struct dns_updater *u, int64_t end_ms)
{
	u->end_ms = end_ms;
}

const char *dns_updater_failure(const struct dns_updater *u)
{
	return u->failure;
}

/* --- a server --- */

/* The one that was named, by whatever the system finds names by. */
static enum err_code find_host(const struct dns_updater *u, struct target *t, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc = getaddrinfo(u->host, NULL, &hints, &list);

	(void)snprintf(t->name, sizeof t->name, "%s", u->host);
	t->n = 0;
	for (const struct addrinfo *a = list; rc == 0 && a && t->n < ADDRESSES; a = a->ai_next) {
		char text[NI_MAXHOST];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
		    address_parse(bytes_str(text), u->port, &t->v[t->n], NULL) == ERR_OK)
			t->n++;
	}
	if (list)
		freeaddrinfo(list);
	errno = 0;
	if (t->n == 0)
		FAIL(e, CONFIG, "the name server %s is not found: %s", u->host, rc ? gai_strerror(rc) : "it has no address");
	return ERR_OK;
}

static enum err_code find_primary(const struct dns_updater *u, const struct dns_place *p, struct target *t, struct err *e)
{
	(void)snprintf(t->name, sizeof t->name, "%s", p->primary);
	t->n = *p->primary ? dns_addresses(u->resolver, p->primary, t->v, ADDRESSES) : 0;
	errno = 0;
	if (t->n == 0)
		FAIL(e, DNS, "the primary name server %.200s%sof %.200s is not found: name a server in the place of auto", p->primary,
		    *p->primary ? " " : "", *p->zone ? p->zone : p->at);
	return ERR_OK;
}

static void free_resolver(ldns_resolver **r)
{
	if (*r)
		ldns_resolver_deep_free(*r);
}

/* Asks the server and nobody else, over TCP: no answer is forged from outside of the way there. */
static enum err_code open_server(const struct target *t, int64_t end_ms, ldns_resolver **ret, struct err *e)
{
	int64_t left_ms = end_ms - clock_monotonic_ms();
	int64_t each_ms = (left_ms < ONE_MS ? left_ms : ONE_MS) / (int64_t)t->n;
	ldns_resolver *r = ldns_resolver_new();

	errno = 0;
	for (size_t i = 0; r && i < t->n; i++) {
		ldns_rdf *rdf = ldns_rdf_new_frm_str(t->v[i].at.ss_family == AF_INET6 ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, t->v[i].host);
		(void)(rdf && ldns_resolver_push_nameserver(r, rdf) == LDNS_STATUS_OK);
		ldns_rdf_deep_free(rdf);
	}
	if (!r || ldns_resolver_nameserver_count(r) == 0) {
		free_resolver(&r);
		FAIL(e, NOMEM, "no memory for DNS updates");
	}
	if (each_ms < 1) {
		free_resolver(&r);
		FAIL(e, TIMEOUT, "no time is left to ask the name server %s", t->name);
	}
	ldns_resolver_set_port(r, t->v[0].port);
	ldns_resolver_set_usevc(r, true);
	ldns_resolver_set_recursive(r, false);
	ldns_resolver_set_retry(r, 1);
	ldns_resolver_set_timeout(r, (struct timeval){ .tv_sec = each_ms / 1000, .tv_usec = each_ms % 1000 * 1000 });
	*ret = r;
	return ERR_OK;
}

/* --- as it is asked for --- */

struct update_json {
	struct bytes server, name, algorithm, secret;
};
static const struct json_field update_fields[] = {
	JSON_FIELD(struct update_json, server, "server", JSON_STRING, true, 300),
	JSON_FIELD(struct update_json, name, "name", JSON_STRING, false, 255),
	JSON_FIELD(struct update_json, algorithm, "algorithm", JSON_STRING, false, 63),
	JSON_FIELD(struct update_json, secret, "secret", JSON_STRING, false, 1000),
};

enum err_code dns_updater_read(
    struct arena *a, struct bytes json, struct dns_resolver *resolver, struct tsig_key *key, struct dns_updater **ret, struct err *e)
{
	struct update_json j = { .server = BYTES_NONE };
	const char *server;

	if (!json.ptr)
		return ERR_OK;
	TRY(json_read(a, json, "a DNS update", update_fields, 4, &j, e));
	TRY(talk_text(a, j.server, &server, e));
	if (j.secret.ptr)
		TRY(tsig_key_set(key, j.name, j.algorithm, j.secret, e));
	return dns_updater_new(server, j.secret.ptr ? key : NULL, resolver, a, ret, e);
}

/* --- where the record goes --- */

/* What the named server itself has of the name. */
static enum err_code ask_named(const struct dns_updater *u, const struct target *t, const char *at, ldns_pkt **ret, struct err *e)
{
	CLEANUP(free_resolver) ldns_resolver *r = NULL;
	ldns_rdf *name = ldns_dname_new_frm_str(at);

	errno = 0;
	if (!name)
		FAIL(e, CONFIG, "\"%.200s\" is no name", at);
	enum err_code rc = open_server(t, u->end_ms, &r, e);
	if (rc == ERR_OK && ldns_resolver_send(ret, r, name, LDNS_RR_TYPE_CNAME, LDNS_RR_CLASS_IN, 0) != LDNS_STATUS_OK)
		rc = err_set(e, ERR_CONNECTION, __FILE__, __LINE__, "the name server %s does not answer at port %u", t->name,
		    (unsigned)t->v[0].port);
	ldns_rdf_deep_free(name);
	return rc;
}

enum step { STEP_HERE, STEP_ON, STEP_ELSEWHERE };

static enum err_code go_too_far(const struct spot *s, struct err *e)
{
	errno = 0;
	FAIL(e, DNS, "%.200s is an alias of aliases that are more than %d, or go round in a circle", s->record, DNS_PLACE_MOVES_MAX);
}

/* The zone is the one whose SOA record a server tells with what it has not got (RFC 2308 §3). */
static enum err_code step_by_named(const struct dns_updater *u, struct spot *s, struct dns_place *p, enum step *ret, struct err *e)
{
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;

	TRY(ask_named(u, &s->to, p->at, &answer, e));
	*ret = STEP_ELSEWHERE;
	if (!ldns_pkt_aa(answer))
		return ERR_OK;
	const ldns_rdf *alias = dns_place_alias(p, answer);
	const ldns_rr *soa = dns_find(ldns_pkt_authority(answer), LDNS_RR_TYPE_SOA);
	if (alias) {
		*ret = STEP_ON;
		return dns_place_follow(p, alias) ? ERR_OK : go_too_far(s, e);
	}
	if (soa) {
		*ret = STEP_HERE;
		dns_copy_name(ldns_rr_owner(soa), s->zone);
	}
	return ERR_OK;
}

/* By the servers of the zone that the resolver knows the name to be in. */
static enum err_code step_by_zone(const struct dns_updater *u, const struct spot *s, struct dns_place *p, enum step *ret, struct err *e)
{
	*ret = STEP_ELSEWHERE;
	if (!*p->zone)
		dns_place_find(u->resolver, p);
	for (size_t i = 0; i < p->n; i++) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		int64_t one_ms = clock_monotonic_ms() + ASK_MS;
		if (dns_ask(&p->v[i].at, p->at, LDNS_RR_TYPE_CNAME, false, one_ms < u->end_ms ? one_ms : u->end_ms, &answer, NULL) !=
		    ERR_OK)
			continue;
		switch (dns_place_move(u->resolver, p, answer)) {
		case DNS_TOO_FAR:
			return go_too_far(s, e);
		case DNS_ALIAS:
		case DNS_DELEGATED:
			*ret = STEP_ON;
			return ERR_OK;
		case DNS_STAYS:
			*ret = STEP_HERE;
			return ERR_OK;
		}
	}
	return ERR_OK;
}

static enum err_code locate_by_zone(const struct dns_updater *u, struct spot *s, struct dns_place *p, struct err *e)
{
	enum step step = STEP_ON;

	while (step == STEP_ON)
		TRY(step_by_zone(u, s, p, &step, e));
	(void)snprintf(s->zone, sizeof s->zone, "%s", p->zone);
	return find_primary(u, p, &s->to, e);
}

static enum err_code locate_at_named(const struct dns_updater *u, struct spot *s, struct dns_place *p, struct err *e)
{
	enum step step = STEP_ON;

	TRY(find_host(u, &s->to, e));
	while (step == STEP_ON) {
		TRY(step_by_named(u, s, p, &step, e));
		if (step == STEP_ELSEWHERE)
			TRY(step_by_zone(u, s, p, &step, e));
		else if (step == STEP_HERE)
			return ERR_OK;
	}
	errno = 0;
	if (strcmp(s->record, p->at) == 0)
		FAIL(e, CONFIG, "the name server %s has no zone that %.200s is in", u->host, p->at);
	FAIL(e, CONFIG, "the name server %s has no zone that %.200s is in, which %.200s is an alias of", u->host, p->at, s->record);
}

static enum err_code locate(struct dns_updater *u, const char *record, const struct spot **ret, struct err *e)
{
	for (*ret = u->spots; *ret; *ret = (*ret)->next)
		if (strcmp((*ret)->record, record) == 0)
			return ERR_OK;
	struct spot *s = arena_array(u->arena, 1, sizeof *s);
	struct dns_place *p = arena_array(u->arena, 1, sizeof *p);
	if (s)
		s->record = arena_str(u->arena, bytes_str(record));
	errno = 0;
	if (!s || !p || !s->record)
		FAIL(e, NOMEM, "no memory for DNS updates");
	dns_place_go(p, record);
	TRY(*u->host ? locate_at_named(u, s, p, e) : locate_by_zone(u, s, p, e));
	memcpy(s->at, p->at, sizeof s->at);
	s->next = u->spots;
	u->spots = s;
	*ret = s;
	return ERR_OK;
}

/* --- the update --- */

/* Added with class IN, deleted with class NONE and a TTL of 0 (RFC 2136 §2.5.1, §2.5.4). */
static ldns_rr *make_record(const char *at, const char *value, bool add)
{
	ldns_rdf *owner = ldns_dname_new_frm_str(at), *text = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_STR, value);
	ldns_rr *rr = ldns_rr_new();

	if (!owner || !text || !rr) {
		ldns_rdf_deep_free(owner);
		ldns_rdf_deep_free(text);
		ldns_rr_free(rr);
		return NULL;
	}
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, LDNS_RR_TYPE_TXT);
	ldns_rr_set_class(rr, add ? LDNS_RR_CLASS_IN : LDNS_RR_CLASS_NONE);
	ldns_rr_set_ttl(rr, add ? TTL_S : 0);
	(void)ldns_rr_push_rdf(rr, text);
	return rr;
}

static enum err_code refused(const struct spot *s, ldns_pkt_rcode rcode, struct err *e)
{
	ldns_buffer *words = ldns_buffer_new(64);
	char *name = words && ldns_pkt_rcode2buffer_str(words, rcode) == LDNS_STATUS_OK ? ldns_buffer_export2str(words) : NULL;

	ldns_buffer_free(words);
	errno = 0;
	(void)err_set(e, ERR_UNAUTHORIZED, __FILE__, __LINE__, "the name server %s refuses the update of %.200s: %s%s", s->to.name, s->at,
	    name ? name : "it does not say why",
	    rcode == LDNS_RCODE_NOTAUTH || rcode == LDNS_RCODE_REFUSED ? " (look at the key, and at what it may change there)" : "");
	free(name);
	return ERR_UNAUTHORIZED;
}

static enum err_code send_update(const struct dns_updater *u, const struct spot *s, int64_t end_ms, ldns_pkt *packet, struct err *e)
{
	CLEANUP(free_resolver) ldns_resolver *r = NULL;
	CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;

	TRY(open_server(&s->to, end_ms, &r, e));
	if (u->key) {
		ldns_resolver_set_tsig_keyname(r, u->key->name);
		ldns_resolver_set_tsig_keydata(r, (const char *)u->key->secret.ptr);
		ldns_resolver_set_tsig_algorithm(r, u->key->algorithm);
	}
	ldns_pkt_set_random_id(packet);
	ldns_status status = u->key ? ldns_update_pkt_tsig_add(packet, r) : LDNS_STATUS_OK;
	if (status == LDNS_STATUS_OK)
		status = ldns_resolver_send_pkt(&answer, r, packet);
	errno = 0;
	if (status != LDNS_STATUS_OK)
		FAIL(e, CONNECTION, "the name server %s does not take an update: %s", s->to.name, ldns_get_errorstr_by_id(status));
	ldns_pkt_rcode rcode = answer ? ldns_pkt_get_rcode(answer) : LDNS_RCODE_SERVFAIL;
	return rcode == LDNS_RCODE_NOERROR ? ERR_OK : refused(s, rcode, e);
}

static enum err_code update(const struct dns_updater *u, const struct spot *s, int64_t end_ms, const char *value, bool add, struct err *e)
{
	ldns_rdf *zone = ldns_dname_new_frm_str(s->zone);
	ldns_rr *rr = make_record(s->at, value, add);
	ldns_rr_list *list = ldns_rr_list_new();
	bool ok = zone && rr && list && ldns_rr_list_push_rr(list, rr);
	ldns_pkt *packet = ok ? ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, NULL, list, NULL) : NULL; /* takes the zone's name over */
	enum err_code rc =
	    packet ? send_update(u, s, end_ms, packet, e) : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for an update");

	if (packet)
		ldns_pkt_free(packet);
	else
		ldns_rdf_deep_free(zone);
	if (!ok)
		ldns_rr_free(rr);
	if (list && ok)
		ldns_rr_list_deep_free(list);
	else
		ldns_rr_list_free(list);
	return rc;
}

static enum err_code put(struct dns_updater *u, const struct chancery_challenge *c, struct err *e)
{
	const struct spot *s = NULL;

	TRY(locate(u, c->record, &s, e));
	enum err_code rc = update(u, s, u->end_ms, c->digest, true, e);
	if (rc == ERR_CONNECTION) /* it may have been taken, and the answer lost */
		MAY_FAIL(update(u, s, clock_monotonic_ms() + ONE_MS, c->digest, false, NULL));
	return rc;
}

int dns_updater_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct dns_updater *u = context;
	struct err e = { 0 };

	if (put(u, challenge, &e) == ERR_OK)
		return 0;
	(void)snprintf(u->failure, sizeof u->failure, "%s", e.detail);
	return -1;
}

/* What cannot be cleaned up is no reason to fail. */
void dns_updater_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct dns_updater *u = context;

	if (u->clean_up_end_ms == 0)
		u->clean_up_end_ms = clock_monotonic_ms() + CLEAN_UP_MS;
	for (const struct spot *s = u->spots; s; s = s->next)
		if (strcmp(s->record, challenge->record) == 0)
			MAY_FAIL(update(u, s, u->clean_up_end_ms, challenge->digest, false, NULL));
}
