/* One certificate for an order id, ever; and the CA's own TLS certificate. */
#include "attack.h"

#include "pki/csr.h"

#include <string.h>

static void refused(struct attacker *w, const char *name, struct bytes body, enum err_code code, const char *detail)
{
	struct issued i = { 0 };
	struct err e = { 0 };

	enum err_code rc = ask_issue(w, body, &i, &e);
	report(w, name, rc == code && strstr(e.detail, detail), "%s: %s", rc == ERR_OK ? "ISSUED" : err_name(rc), e.detail);
}

static void same_again(struct attacker *w, const char *name, struct bytes body, struct bytes certificate)
{
	struct issued i = { 0 };
	struct err e = { 0 };

	enum err_code rc = ask_issue(w, body, &i, &e);
	report(w, name, rc == ERR_OK && bytes_eq(i.certificate, certificate), "%s: %s", rc == ERR_OK ? "another certificate" : err_name(rc),
	    e.detail);
}

/* Two CSRs that the client has really signed for one order, sent together: one of them may win. */
static void race(struct attacker *w)
{
	struct recipe one = recipe_of(w, PROOF_A), two;
	struct message m;
	unsigned issued = 0, refusals = 0;

	arena_reset(w->a);
	recipe_build(w, &one);
	two = one;
	two.same_order = true;
	two.csr_key = w->leaf2;
	recipe_build(w, &two);
	link_send(w, &w->signer, MESSAGE_ISSUE, recipe_body(w, &one));
	link_send(w, &w->signer, MESSAGE_ISSUE, recipe_body(w, &two));
	while (issued + refusals < 2 && link_receive(w, &w->signer, 10000, &m)) {
		issued += m.type == MESSAGE_ISSUED;
		refusals += m.type == MESSAGE_REFUSED;
	}
	w->honest++;
	report(w, "two CSRs for an order at once", issued == 1 && refusals == 1, "%u certificates, %u refusals", issued, refusals);
}

/* The same request many times in one burst: one certificate. */
static void burst(struct attacker *w)
{
	struct recipe r = recipe_of(w, PROOF_A);
	struct bytes first = BYTES_NONE;
	struct message m;
	struct issued i;
	unsigned same = 0, n = 0;

	arena_reset(w->a);
	recipe_build(w, &r);
	struct bytes body = recipe_body(w, &r);
	for (int k = 0; k < 32; k++)
		link_send(w, &w->signer, MESSAGE_ISSUE, body);
	for (; n < 32 && link_receive(w, &w->signer, 10000, &m); n++) {
		if (m.type != MESSAGE_ISSUED || issued_read(m.body, &i, NULL) != ERR_OK)
			continue;
		if (!first.ptr)
			first = copy_of(w->a, i.certificate);
		same += bytes_eq(first, i.certificate);
	}
	w->honest++;
	report(w, "one request 32 times at once", same == 32, "%u answers, %u with the same certificate", n, same);
}

void attack_orders(struct attacker *w)
{
	struct recipe r = recipe_of(w, PROOF_A), other = r, changed;
	struct issued i = { 0 };
	struct err e = { 0 };

	arena_reset(w->a);
	recipe_build(w, &r);
	recipe_build(w, &other);
	struct bytes body = recipe_body(w, &r);
	enum err_code rc = ask_issue(w, body, &i, &e);
	report(w, "an order of its own", rc == ERR_OK, "%s: %s", err_name(rc), e.detail);
	w->honest += rc == ERR_OK;
	same_again(w, "finalize replayed", body, i.certificate);
	changed = r;
	changed.n_receipts = 0;
	same_again(w, "finalize replayed without receipts", recipe_body(w, &changed), i.certificate);
	changed = r;
	changed.new_order = other.new_order;
	refused(w, "finalize replayed for another order's newOrder", recipe_body(w, &changed), ERR_CONFIRM, "not made from this newOrder");
	changed = other;
	changed.finalize = jws_mix(w, other.finalize, r.finalize, r.finalize);
	refused(w, "finalize replayed for another order id", recipe_body(w, &changed), ERR_UNAUTHORIZED, "");
	changed = r;
	changed.same_order = true;
	changed.csr_key = w->leaf2;
	recipe_build(w, &changed);
	refused(w, "another CSR for the same order", recipe_body(w, &changed), ERR_UNAUTHORIZED, "another CSR");
	race(w);
	burst(w);
}

/* --- the template --- */

static void tls_case(struct attacker *w, const char *name, const char *dns_name)
{
	CLEANUP(buf_free_p) struct buf csr = buf_new(CSR_SIZE_MAX);
	struct san san = { .type = SAN_DNS, .value = bytes_str(dns_name) };
	struct message m = { 0 };
	struct err e = { 0 };
	bool was_refused = false;

	arena_reset(w->a);
	need(w, csr_write(w->leaf, &san, 1, &csr, &e), "writing a CSR", &e);
	if (link_ask(w, &w->signer, MESSAGE_ISSUE_TLS, buf_bytes(&csr), &m))
		was_refused = m.type == MESSAGE_REFUSED;
	report(w, name, was_refused, "answered with message %u", m.type);
}

/* `init` has made one within the hour, so that already the first of these is the second. */
void attack_tls(struct attacker *w)
{
	tls_case(w, "TLS template for another name", "a.test");
	tls_case(w, "TLS template for a wildcard", "*.localhost");
	tls_case(w, "TLS template twice within the hour", "localhost");
}

void attack_before_hello(struct attacker *w)
{
	struct recipe r = recipe_of(w, PROOF_A);
	struct message m = { 0 };

	arena_reset(w->a);
	recipe_build(w, &r);
	bool ok = link_ask(w, &w->signer, MESSAGE_ISSUE, recipe_body(w, &r), &m) && m.type == MESSAGE_REFUSED;
	report(w, "ISSUE before HELLO", ok, "answered with message %u", m.type);
	ok = link_ask(w, &w->signer, MESSAGE_ISSUE_TLS, r.csr, &m) && m.type == MESSAGE_REFUSED;
	report(w, "ISSUE_TLS before HELLO", ok, "answered with message %u", m.type);
}
