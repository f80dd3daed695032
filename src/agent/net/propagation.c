#include "agent/net/propagation.h"

#include "agent/net/dns_place.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ASK_MS     1000
#define ROUND_MS   1000
#define SILENT_MAX 2 /* questions that a server may leave unanswered: packets are lost */
#define TOLD_MAX   400

/* What is known of a server. */
struct server {
	bool has;
	unsigned silent;
	char seen[80]; /* what it has instead */
};
/* Where one record is looked for. */
struct spot {
	const struct propagation_record *record;
	struct dns_place place;
	struct server of[DNS_PLACE_SERVERS_MAX];
};

static void forget(struct spot *s)
{
	for (size_t i = 0; i < DNS_PLACE_SERVERS_MAX; i++)
		s->of[i] = (struct server){ .seen = "not been asked" };
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

/* An alias, or a zone of the name's own: then it is looked for there from now on. */
static bool moves(const struct propagation *p, struct spot *s, const ldns_pkt *answer)
{
	enum dns_move move =
	    dns_find(ldns_pkt_answer(answer), LDNS_RR_TYPE_TXT) ? DNS_STAYS : dns_place_move(p->resolver, &s->place, answer);

	if (move == DNS_ALIAS || move == DNS_DELEGATED)
		forget(s);
	return move == DNS_ALIAS || move == DNS_DELEGATED;
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

static int64_t at_most(int64_t ms, int64_t end_ms)
{
	int64_t at_ms = clock_monotonic_ms() + ms;

	return at_ms < end_ms ? at_ms : end_ms;
}

/* True: nothing is left to wait for. */
static bool ask_all(const struct propagation *p, struct spot *s, int64_t end_ms)
{
	bool done = true;

	for (size_t i = 0; i < s->place.n; i++) {
		CLEANUP(dns_packet_free) ldns_pkt *answer = NULL;
		struct server *to = &s->of[i];
		if (to->has || to->silent == SILENT_MAX)
			continue;
		if (clock_monotonic_ms() >= end_ms)
			return false;
		if (dns_ask(&s->place.v[i].at, s->place.at, LDNS_RR_TYPE_TXT, false, at_most(ASK_MS, end_ms), &answer, NULL) != ERR_OK) {
			to->silent++;
			(void)snprintf(to->seen, sizeof to->seen, "not answered");
		} else if (moves(p, s, answer)) {
			return s->place.n == 0;
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

	if (s->place.n == 0) {
		(void)snprintf(
		    line, sizeof line, "the name servers of %.150s are not found: nobody looks whether they have the answer", s->place.at);
		p->tell(p->context, line);
	}
	for (size_t i = 0; i < s->place.n; i++)
		if (!s->of[i].has && s->of[i].silent == SILENT_MAX) {
			(void)snprintf(line, sizeof line, "the name server %.150s (%s) does not answer: nobody looks whether it has %.100s",
			    s->place.v[i].name, s->place.v[i].at.text, s->place.at);
			p->tell(p->context, line);
		}
}

static void tell_behind(const struct spot *s, char why[PROPAGATION_WHY_MAX])
{
	bool first = why[strlen(why) - 1] == ' ';

	for (size_t i = 0; i < s->place.n; i++) {
		size_t n = strlen(why);
		const struct dns_server *at = &s->place.v[i];
		if (!s->of[i].has && s->of[i].silent < SILENT_MAX && n + 1 < PROPAGATION_WHY_MAX)
			(void)snprintf(why + n, PROPAGATION_WHY_MAX - n, "%s%.150s (%s) has %s at %.150s", first ? "" : "; ", at->name,
			    at->at.text, s->of[i].seen, s->place.at);
		first = first && strlen(why) == n;
	}
}

static bool ask_for_all(const struct propagation *p, struct spot *v, int64_t end_ms)
{
	bool done = true;

	for (size_t i = 0; i < p->n; i++)
		done = ask_all(p, &v[i], end_ms) && done;
	return done;
}

static size_t count_seen(const struct propagation *p, const struct spot *v)
{
	size_t seen = 0;

	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < v[i].place.n; k++)
			seen += v[i].of[k].has;
	return seen;
}

enum err_code propagation_await(const struct propagation *p, char why[PROPAGATION_WHY_MAX], struct err *e)
{
	int64_t end_ms = at_most((int64_t)p->seconds * 1000, p->end_ms);
	struct spot *v = arena_array(p->arena, p->n ? p->n : 1, sizeof *v);

	*why = 0;
	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for name servers");
	for (size_t i = 0; i < p->n; i++) {
		v[i].record = &p->v[i];
		forget(&v[i]);
		dns_place_go(&v[i].place, p->v[i].name);
		dns_place_find(p->resolver, &v[i].place);
	}
	bool done = ask_for_all(p, v, end_ms);
	if (!done && !p->goes_on)
		p->tell(p->context, "waiting until every name server of the zone has the answers");
	while (!done && clock_monotonic_ms() < end_ms) {
		int64_t pause_ms = at_most(ROUND_MS, end_ms) - clock_monotonic_ms();
		if (pause_ms > 0)
			(void)nanosleep(&(struct timespec){ .tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000 }, NULL);
		errno = 0;
		if (p->goes_on && !p->goes_on(p->context))
			FAIL(e, CLOSED, "stopped as asked");
		done = ask_for_all(p, v, end_ms);
	}
	if (p->ret_seen)
		*p->ret_seen = count_seen(p, v);
	if (!done)
		(void)snprintf(why, PROPAGATION_WHY_MAX, "the time of %s is over: ", end_ms == p->end_ms ? "--timeout" : "--propagation");
	for (size_t i = 0; i < p->n; i++) {
		tell_silent(p, &v[i]);
		if (!done)
			tell_behind(&v[i], why);
	}
	errno = 0;
	if (!done)
		FAIL(e, TIMEOUT, "%s", why);
	return ERR_OK;
}
