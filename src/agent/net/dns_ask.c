#include "agent/net/dns_ask.h"

#include "base/clock.h"
#include "os/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_SIZE   1232 /* no fragments */
#define ALL_MS     2000
#define ONE_MS     1000
#define RESOLVCONF "/etc/resolv.conf"

/* --- who is asked --- */

/* What is not read there is not asked: a scoped address, or one too many. */
static void read_system(struct dns_resolver *r)
{
	FILE *f = fopen(RESOLVCONF, "re");
	char line[512], address[64];

	while (f && r->n < TALK_RESOLVERS_MAX && fgets(line, sizeof line, f))
		if (sscanf(line, "nameserver %63s", address) == 1 &&
		    address_parse(bytes_str(address), ADDRESS_DNS_PORT, &r->v[r->n], NULL) == ERR_OK)
			r->n++;
	if (f)
		(void)fclose(f);
}

enum err_code dns_resolver_set(const char *const *servers, size_t n, struct dns_resolver *ret, struct err *e)
{
	struct dns_resolver r = { .n = 0 };

	for (; r.n < n; r.n++)
		TRY(address_parse(bytes_str(servers[r.n]), ADDRESS_DNS_PORT, &r.v[r.n], e));
	if (n == 0)
		read_system(&r);
	*ret = r;
	return ERR_OK;
}

/* --- one question --- */

static void free_buffer(ldns_buffer **b)
{
	if (*b)
		ldns_buffer_free(*b);
}

static enum err_code write_question(const char *name, ldns_rr_type type, bool recursive, ldns_pkt **ret, ldns_buffer *wire, struct err *e)
{
	ldns_rdf *owner = ldns_dname_new_frm_str(name);
	ldns_pkt *p = owner ? ldns_pkt_query_new(owner, type, LDNS_RR_CLASS_IN, recursive ? LDNS_RD : 0) : NULL;

	errno = 0;
	if (!p) {
		ldns_rdf_deep_free(owner);
		FAIL(e, DNS, "\"%.200s\" is no name", name);
	}
	ldns_pkt_set_random_id(p);
	ldns_pkt_set_edns_udp_size(p, UDP_SIZE);
	*ret = p;
	if (ldns_pkt2buffer_wire(wire, p) != LDNS_STATUS_OK)
		FAIL(e, NOMEM, "no memory for a question");
	return ERR_OK;
}

/* Whether this is an answer to that question. */
static bool answers(const ldns_pkt *p, const ldns_pkt *question)
{
	const ldns_rr_list *asked = ldns_pkt_question(p);

	return ldns_pkt_qr(p) && ldns_pkt_id(p) == ldns_pkt_id(question) && ldns_rr_list_rr_count(asked) == 1 &&
	       ldns_rr_compare(ldns_rr_list_rr(asked, 0), ldns_rr_list_rr(ldns_pkt_question(question), 0)) == 0;
}

static enum err_code over_udp(
    const struct address *s, const ldns_buffer *wire, const ldns_pkt *question, int64_t deadline_ms, ldns_pkt **ret, struct err *e)
{
	CLEANUP(close_p) int fd = socket(s->at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CLEANUP(dns_packet_free) ldns_pkt *p = NULL;
	uint8_t in[UDP_SIZE];

	if (fd < 0 || connect(fd, (const struct sockaddr *)&s->at, s->len) != 0 ||
	    send(fd, ldns_buffer_begin(wire), ldns_buffer_position(wire), MSG_NOSIGNAL) < 0)
		FAIL(e, CONNECTION, "%s cannot be asked: %s", s->text, strerror(errno));
	while (!p) {
		TRY(wait_fd(fd, false, deadline_ms, e));
		ssize_t n = recv(fd, in, sizeof in, 0);
		if (n < 0 && errno != EAGAIN)
			FAIL(e, CONNECTION, "%s does not answer: %s", s->text, strerror(errno));
		if (n < 0 || ldns_wire2pkt(&p, in, (size_t)n) != LDNS_STATUS_OK)
			p = NULL;
		else if (!answers(p, question))
			dns_packet_free(&p), p = NULL;
	}
	*ret = TAKE(p);
	return ERR_OK;
}

static enum err_code over_tcp(
    const struct address *s, ldns_buffer *wire, const ldns_pkt *question, int64_t deadline_ms, ldns_pkt **ret, struct err *e)
{
	CLEANUP(dns_packet_free) ldns_pkt *p = NULL;
	int64_t left_ms = deadline_ms - clock_monotonic_ms();
	struct timeval timeout = { .tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 };
	uint8_t *in = NULL;
	size_t n = 0;

	errno = 0;
	if (left_ms < 1)
		FAIL(e, TIMEOUT, "%s does not answer in time", s->text);
	ldns_status rc = ldns_tcp_send(&in, wire, &s->at, s->len, timeout, &n);
	if (rc == LDNS_STATUS_OK)
		rc = ldns_wire2pkt(&p, in, n);
	free(in);
	errno = 0;
	if (rc != LDNS_STATUS_OK || !answers(p, question))
		FAIL(e, CONNECTION, "%s does not answer over TCP", s->text);
	*ret = TAKE(p);
	return ERR_OK;
}

enum err_code dns_ask(
    const struct address *s, const char *name, ldns_rr_type type, bool recursive, int64_t deadline_ms, ldns_pkt **ret, struct err *e)
{
	CLEANUP(dns_packet_free) ldns_pkt *question = NULL, *p = NULL;
	CLEANUP(free_buffer) ldns_buffer *wire = ldns_buffer_new(512);

	errno = 0;
	if (!wire)
		FAIL(e, NOMEM, "no memory for a question");
	TRY(write_question(name, type, recursive, &question, wire, e));
	TRY(over_udp(s, wire, question, deadline_ms, &p, e));
	if (ldns_pkt_tc(p)) {
		dns_packet_free(&p);
		p = NULL;
		TRY(over_tcp(s, wire, question, deadline_ms, &p, e));
	}
	*ret = TAKE(p);
	return ERR_OK;
}

/* --- the resolver --- */

enum err_code dns_resolve(struct dns_resolver *r, const char *name, ldns_rr_type type, ldns_pkt **ret, struct err *e)
{
	int64_t end_ms = r->end_ms;
	bool answered = false;

	if (end_ms == 0 || end_ms > clock_monotonic_ms() + ALL_MS)
		end_ms = clock_monotonic_ms() + ALL_MS;
	errno = 0;
	if (r->n == 0 || r->silent)
		FAIL(e, DNS, "%s", r->n ? "the resolver does not answer" : "there is no resolver");
	for (size_t i = 0; i < 2 * r->n; i++) {
		CLEANUP(dns_packet_free) ldns_pkt *p = NULL;
		int64_t now_ms = clock_monotonic_ms(), one_ms = now_ms + ONE_MS;
		if (now_ms >= end_ms)
			break;
		if (dns_ask(&r->v[i % r->n], name, type, true, one_ms < end_ms ? one_ms : end_ms, &p, NULL) != ERR_OK)
			continue;
		answered = true;
		ldns_pkt_rcode rcode = ldns_pkt_get_rcode(p);
		if (rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN) {
			*ret = TAKE(p);
			return ERR_OK;
		}
	}
	r->silent = !answered;
	errno = 0;
	FAIL(e, DNS, "the resolver %s for %.200s", answered ? "has a failure" : "does not answer", name);
}
