/* tls-alpn-01 (RFC 8737, RFC 8738 §6): a TLS handshake with the server of the name, or at the address, which has to negotiate acme-tls/1 and
 * to show a certificate of its own that holds the digest of the key authorization. */
#include "crypto/digest.h"
#include "dns/excerpt.h"
#include "http/tls_probe.h"
#include "pki/alpn_cert.h"
#include "server/validator/method.h"
#include "server/validator/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PROTOCOL  "acme-tls/1"
#define PLACE_MAX 340
#define NAME_SIZE 256
#define WHY_SHOWN 120

struct tls_alpn01 {
	struct control c; /* first */
	struct lookup *lookup;
	struct tls_probe *probe;
	struct reach reach;
	char sni[NAME_SIZE];
	uint8_t digest[SHA256_SIZE];
};

static void alpn_free(struct tls_alpn01 *t)
{
	lookup_cancel(t->lookup);
	tls_probe_cancel(t->probe);
	free(t);
}
DEFINE_CLEANUP(struct tls_alpn01 *, alpn_free);

static void alpn_cancel(struct control *c)
{
	if (c)
		alpn_free((struct tls_alpn01 *)c);
}

static void end(struct tls_alpn01 *t)
{
	t->c.done(t->c.ctx, &t->c.result);
	alpn_free(t);
}

/* "tls-alpn-01 for example.org (192.0.2.1 port 443)" */
static const char *place(const struct tls_alpn01 *t, char out[PLACE_MAX])
{
	char address[IP_ADDRESS_TEXT_SIZE];

	if (t->reach.now.found)
		(void)snprintf(out, PLACE_MAX, "tls-alpn-01 for %.*s (%s port %u)", BYTES_FMT(t->c.r.identifier.value),
		    ip_address_text(&t->reach.now.address, address), t->c.r.policy->tls_port);
	else
		(void)snprintf(out, PLACE_MAX, "tls-alpn-01 for %.*s", BYTES_FMT(t->c.r.identifier.value));
	return out;
}

#define PROBLEM(t, code, fmt, ...) \
	(errno = 0,                \
	    err_set(&(t)->c.result.why, ERR_##code, __FILE__, __LINE__, "%s: " fmt, place((t), (char[PLACE_MAX]){ 0 }), __VA_ARGS__))

static enum err_code probe_now(struct tls_alpn01 *t);

/* --- the answer --- */

static enum err_code check_certificate(struct tls_alpn01 *t, struct bytes der)
{
	uint8_t raw[16];
	size_t n = identifier_ip_bytes(&t->c.r.identifier, raw);
	struct san name = { .type = n ? SAN_IP : SAN_DNS, .value = n ? (struct bytes){ raw, n } : t->c.r.identifier.value };
	struct err why = { 0 };

	if (alpn_cert_check(der, &name, t->digest, &why) != ERR_OK)
		return PROBLEM(t, INCORRECT_RESPONSE, "%s", why.detail);
	return ERR_OK;
}

static enum err_code check(struct tls_alpn01 *t, const struct tls_probe_answer *a)
{
	struct control_result *r = &t->c.result;

	if (!a->protocol_taken)
		return PROBLEM(t, INCORRECT_RESPONSE, "the server has not chosen the protocol %s by ALPN (RFC 8737 section 4)", PROTOCOL);
	if (a->certificate.len == 0)
		return PROBLEM(t, INCORRECT_RESPONSE, "the server has sent no %s", "certificate");
	TRY(check_certificate(t, a->certificate));
	if (!a->self_signed)
		return PROBLEM(t, INCORRECT_RESPONSE, "the certificate is not signed with its own %s (RFC 8737 section 3)", "key");
	r->dnssec = t->reach.now.dnssec;
	r->relaxed_address = t->reach.now.relaxed;
	sha256_one(a->certificate, r->seen);
	return ERR_OK;
}

/* OK with another probe under way: go on. */
static enum err_code take_answer(struct tls_alpn01 *t, const struct tls_probe_answer *a)
{
	char why[EXCERPT_SIZE(WHY_SHOWN)] = "";

	if (a->why)
		(void)excerpt(bytes_str(a->why), why, WHY_SHOWN);
	switch (a->end) {
	case TLS_PROBE_DONE:
		return check(t, a);
	case TLS_PROBE_NOT_CONNECTED:
		return reach_next(&t->reach, a->why) ? probe_now(t) : PROBLEM(t, CONNECTION, "cannot connect: %s%s", why, t->reach.before);
	case TLS_PROBE_FAILED:
		return PROBLEM(t, TLS, "the TLS handshake (TLS 1.2 or newer, protocol %s) failed: %s", PROTOCOL, why);
	case TLS_PROBE_OURS:
		break;
	}
	return PROBLEM(t, SERVER_INTERNAL, "%s", why);
}

static void on_probed(void *ctx, const struct tls_probe_answer *answer)
{
	struct tls_alpn01 *t = ctx;

	t->probe = NULL;
	if (take_answer(t, answer) != ERR_OK || !t->probe)
		end(t);
}

/* --- the way there --- */

static enum err_code probe_now(struct tls_alpn01 *t)
{
	struct tls_probe_request r = {
		.name = t->sni, .protocol = PROTOCOL, .connect_ms = reach_connect_ms(&t->reach, t->c.r.deadline_ms)
	};

	ip_address_to_sockaddr(&t->reach.now.address, t->c.r.policy->tls_port, &r.to);
	return tls_probe_start(t->c.r.prober, &r, on_probed, t, &t->probe, &t->c.result.why);
}

static enum err_code take_lookup(struct tls_alpn01 *t, const struct lookup_answer *a)
{
	if (a->why.code != ERR_OK)
		return err_set(
		    &t->c.result.why, a->why.code, a->why.file, a->why.line, "%s: %s", place(t, (char[PLACE_MAX]){ 0 }), a->why.detail);
	reach_begin(&t->reach, a);
	return probe_now(t);
}

static void on_lookup(void *ctx, const struct lookup_answer *answer)
{
	struct tls_alpn01 *t = ctx;

	t->lookup = NULL;
	if (take_lookup(t, answer) != ERR_OK)
		end(t);
}

static void alpn_late(const struct control *c, struct err *e)
{
	const struct tls_alpn01 *t = (const struct tls_alpn01 *)c;
	char where[PLACE_MAX];

	errno = 0;
	if (!t->probe)
		err_set(e, ERR_DNS, __FILE__, __LINE__, "%s: the DNS questions for A and AAAA take too long", place(t, where));
	else if (tls_probe_connected(t->probe))
		err_set(e, ERR_TLS, __FILE__, __LINE__, "%s: the TLS handshake takes too long%s", place(t, where), t->reach.before);
	else
		err_set(e, ERR_CONNECTION, __FILE__, __LINE__, "%s: connecting takes too long%s", place(t, where), t->reach.before);
}

/* "the in-addr.arpa or ip6.arpa name of the IP address" (RFC 8738 §6), as server_name carries no addresses. */
static void reverse_name(const uint8_t *raw, size_t n, char out[NAME_SIZE])
{
	size_t at = 0;

	for (size_t i = n; i-- > 0;)
		at += (size_t)snprintf(out + at, NAME_SIZE - at, n == 4 ? "%u." : "%x.%x.", n == 4 ? raw[i] : raw[i] & 15u, raw[i] >> 4);
	(void)snprintf(out + at, NAME_SIZE - at, "%s", n == 4 ? "in-addr.arpa" : "ip6.arpa");
}

static enum err_code look(struct tls_alpn01 *t)
{
	const struct identifier *id = &t->c.r.identifier;
	struct lookup_answer answer = { .why = { 0 } };
	uint8_t raw[16];
	size_t n = identifier_ip_bytes(id, raw);

	if (n == 0) {
		(void)snprintf(t->sni, sizeof t->sni, "%.*s", BYTES_FMT(id->value));
		return lookup_start(t->c.r.policy, id->value, on_lookup, t, &t->lookup, &t->c.result.why);
	}
	reverse_name(raw, n, t->sni);
	lookup_literal(t->c.r.policy, id->value, &answer);
	return take_lookup(t, &answer);
}

static enum err_code alpn_start(const struct control_request *r, control_done *done, void *ctx, struct control **ret, struct err *e)
{
	CLEANUP(alpn_free_p) struct tls_alpn01 *t = calloc(1, sizeof *t);

	errno = 0;
	if (!t)
		FAIL(e, NOMEM, "no memory for a validation");
	*t = (struct tls_alpn01){ .c = { .r = *r, .done = done, .ctx = ctx } };
	sha256_one(r->key_authorization, t->digest);
	enum err_code rc = look(t);
	if (rc != ERR_OK)
		return err_set(e, rc, t->c.result.why.file, t->c.result.why.line, "%s", t->c.result.why.detail);
	*ret = &TAKE(t)->c;
	return ERR_OK;
}

const struct method method_TLS_ALPN_01 = { alpn_start, alpn_cancel, alpn_late };
