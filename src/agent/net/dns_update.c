#include "agent/net/dns_update.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TTL_S     60
#define TIMEOUT_S 10
#define ADDRESSES 4 /* of the server's that are tried */

/* --- the server --- */

struct dns_updater {
	char host[256], port[8];
	const struct tsig_key *key; /* NULL: none */
	char failure[512];
};

/* "ns.example", "ns.example:5353", "192.0.2.1:53", "[2001:db8::1]:53", "2001:db8::1" */
static enum err_code split_server(const char *server, struct dns_updater *u, struct err *e)
{
	const char *end = strchr(server, ']'), *colon = strrchr(server, ':');
	bool bracketed = *server == '[' && end, many = colon && strchr(server, ':') != colon;
	const char *port = bracketed ? (end[1] == ':' ? end + 2 : "53") : colon && !many ? colon + 1 : "53";
	size_t n = bracketed ? (size_t)(end - server) - 1 : colon && !many ? (size_t)(colon - server) : strlen(server);
	long number = strtol(port, NULL, 10);

	errno = 0;
	if (n == 0 || n >= sizeof u->host || number < 1 || number > 65535 || strspn(port, "0123456789") != strlen(port))
		FAIL(e, CONFIG, "a name server is written HOST, HOST:PORT or [ADDRESS]:PORT, not \"%.100s\"", server);
	(void)snprintf(u->host, sizeof u->host, "%.*s", (int)n, server + bracketed);
	(void)snprintf(u->port, sizeof u->port, "%ld", number);
	return ERR_OK;
}

enum err_code dns_updater_new(const char *server, const struct tsig_key *key, struct dns_updater **ret, struct err *e)
{
	struct dns_updater *u = calloc(1, sizeof *u);

	if (!u)
		FAIL(e, NOMEM, "no memory for DNS updates");
	u->key = key;
	enum err_code rc = split_server(server, u, e);
	if (rc == ERR_OK)
		*ret = u;
	else
		free(u);
	return rc;
}

void dns_updater_free(struct dns_updater *u)
{
	free(u);
}

const char *dns_updater_failure(const struct dns_updater *u)
{
	return u->failure;
}

static void free_resolver(ldns_resolver **r)
{
	if (*r)
		ldns_resolver_deep_free(*r);
}

static void add_addresses(ldns_resolver *r, const struct addrinfo *list)
{
	size_t n = 0;

	for (const struct addrinfo *a = list; a && n < ADDRESSES; a = a->ai_next) {
		char text[NI_MAXHOST];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		ldns_rdf *rdf = ldns_rdf_new_frm_str(a->ai_family == AF_INET6 ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, text);
		n += rdf && ldns_resolver_push_nameserver(r, rdf) == LDNS_STATUS_OK;
		ldns_rdf_deep_free(rdf);
	}
}

/* Asks the server and nobody else, over TCP: no answer is forged from outside of the way there. */
static enum err_code open_resolver(const struct dns_updater *u, bool sign, ldns_resolver **ret, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	ldns_resolver *r = ldns_resolver_new();

	int rc = getaddrinfo(u->host, u->port, &hints, &list);
	if (rc == 0 && r)
		add_addresses(r, list);
	if (list)
		freeaddrinfo(list);
	errno = 0;
	if (!r || rc != 0 || ldns_resolver_nameserver_count(r) == 0) {
		free_resolver(&r);
		FAIL(e, CONFIG, "the name server %s is not found: %s", u->host, rc ? gai_strerror(rc) : "it has no address");
	}
	ldns_resolver_set_port(r, (uint16_t)strtoul(u->port, NULL, 10));
	ldns_resolver_set_usevc(r, true);
	ldns_resolver_set_recursive(r, false);
	ldns_resolver_set_retry(r, 1);
	ldns_resolver_set_timeout(r, (struct timeval){ .tv_sec = TIMEOUT_S });
	if (sign && u->key) {
		ldns_resolver_set_tsig_keyname(r, u->key->name);
		ldns_resolver_set_tsig_keydata(r, (const char *)u->key->secret.ptr);
		ldns_resolver_set_tsig_algorithm(r, u->key->algorithm);
	}
	*ret = r;
	return ERR_OK;
}

/* --- the zone --- */

static ldns_rdf *owner_of_soa(const ldns_pkt *p)
{
	const ldns_rr_list *sections[] = { ldns_pkt_answer(p), ldns_pkt_authority(p) };

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < ldns_rr_list_rr_count(sections[i]); k++) {
			const ldns_rr *rr = ldns_rr_list_rr(sections[i], k);
			if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA)
				return ldns_rdf_clone(ldns_rr_owner(rr));
		}
	return NULL;
}

static enum err_code find_zone(const struct dns_updater *u, const char *record, ldns_rdf **ret, struct err *e)
{
	CLEANUP(free_resolver) ldns_resolver *r = NULL;
	ldns_rdf *name = ldns_dname_new_frm_str(record);
	ldns_pkt *answer = NULL;

	if (!name)
		FAIL(e, CONFIG, "\"%.200s\" is no name", record);
	enum err_code rc = open_resolver(u, false, &r, e);
	if (rc == ERR_OK && ldns_resolver_send(&answer, r, name, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN, 0) != LDNS_STATUS_OK)
		rc = err_set(e, ERR_CONNECTION, __FILE__, __LINE__, "the name server %s does not answer at port %s", u->host, u->port);
	ldns_rdf_deep_free(name);
	if (rc == ERR_OK) {
		ldns_rdf *zone = ldns_pkt_aa(answer) ? owner_of_soa(answer) : NULL;
		*ret = zone;
		if (!zone)
			rc =
			    err_set(e, ERR_CONFIG, __FILE__, __LINE__, "the name server %s has no zone that %.200s is in", u->host, record);
	}
	ldns_pkt_free(answer);
	return rc;
}

/* --- the update --- */

/* Added with class IN, deleted with class NONE and a TTL of 0 (RFC 2136 §2.5.1, §2.5.4). */
static ldns_rr *make_record(const char *record, const char *value, bool add)
{
	char text[1024];
	ldns_rr *rr = NULL;

	(void)snprintf(text, sizeof text, "%s. %d IN TXT \"%s\"", record, TTL_S, value);
	if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK)
		return NULL;
	if (!add) {
		ldns_rr_set_class(rr, LDNS_RR_CLASS_NONE);
		ldns_rr_set_ttl(rr, 0);
	}
	return rr;
}

static enum err_code send_update(const struct dns_updater *u, ldns_pkt *packet, struct err *e)
{
	CLEANUP(free_resolver) ldns_resolver *r = NULL;
	ldns_pkt *answer = NULL;

	TRY(open_resolver(u, true, &r, e));
	ldns_pkt_set_random_id(packet);
	ldns_status status = u->key ? ldns_update_pkt_tsig_add(packet, r) : LDNS_STATUS_OK;
	if (status == LDNS_STATUS_OK)
		status = ldns_resolver_send_pkt(&answer, r, packet);
	ldns_pkt_rcode rcode = answer ? ldns_pkt_get_rcode(answer) : LDNS_RCODE_SERVFAIL;
	ldns_pkt_free(answer);
	errno = 0;
	if (status != LDNS_STATUS_OK)
		FAIL(e, CONNECTION, "the name server %s does not take an update: %s", u->host, ldns_get_errorstr_by_id(status));
	if (rcode == LDNS_RCODE_NOERROR)
		return ERR_OK;
	ldns_buffer *words = ldns_buffer_new(64);
	char *name = words && ldns_pkt_rcode2buffer_str(words, rcode) == LDNS_STATUS_OK ? ldns_buffer_export2str(words) : NULL;
	ldns_buffer_free(words);
	(void)err_set(e, ERR_UNAUTHORIZED, __FILE__, __LINE__, "the name server %s refuses the update: %s%s", u->host,
	    name ? name : "it does not say why",
	    rcode == LDNS_RCODE_NOTAUTH || rcode == LDNS_RCODE_REFUSED ? " (look at the key, and at what it may change there)" : "");
	free(name);
	return ERR_UNAUTHORIZED;
}

static enum err_code update(const struct dns_updater *u, const struct chancery_challenge *c, bool add, struct err *e)
{
	ldns_rdf *zone = NULL;

	TRY(find_zone(u, c->record, &zone, e));
	ldns_rr *rr = make_record(c->record, c->digest, add);
	ldns_rr_list *list = ldns_rr_list_new();
	bool ok = rr && list && ldns_rr_list_push_rr(list, rr);
	ldns_pkt *packet = ok ? ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, NULL, list, NULL) : NULL; /* takes the zone's name over */
	enum err_code rc = packet ? send_update(u, packet, e) : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for an update");
	if (packet)
		ldns_pkt_free(packet);
	else
		ldns_rdf_deep_free(zone);
	if (list)
		ldns_rr_list_deep_free(list);
	return rc;
}

int dns_updater_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct dns_updater *u = context;
	struct err e = { 0 };

	if (update(u, challenge, true, &e) == ERR_OK)
		return 0;
	(void)snprintf(u->failure, sizeof u->failure, "%s", e.detail);
	return -1;
}

/* What cannot be cleaned up is no reason to fail. */
void dns_updater_clean_up(void *context, const struct chancery_challenge *challenge)
{
	MAY_FAIL(update(context, challenge, false, NULL));
}
