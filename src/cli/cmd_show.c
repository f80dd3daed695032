#include "cli/cmd_show.h"

#include "base/codec.h"
#include "base/json.h"
#include "cli/ca_config.h"
#include "cli/moment.h"
#include "cli/serial_arg.h"
#include "pki/crl.h"
#include "server/admin/evidence.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX (1u << 20)

static const struct given_option show_options[] = {
	CONFIG_OPTION,
	{ "evidence", NULL, false,
	    "All that it rests on: both signed requests, every receipt with what the validator saw, and whether all of it holds." },
	{ "json", NULL, false, "Prints one JSON object, with the evidence." },
};

static const char *const outcomes[] = { [EVIDENCE_HOLDS] = "holds", [EVIDENCE_FAILS] = "fails", [EVIDENCE_UNKNOWN] = "unknown" };
static const char *const dnssec_names[] = { [DNSSEC_OFF] = "off", [DNSSEC_INSECURE] = "insecure", [DNSSEC_SECURE] = "secure" };
static const char *const caa_names[] = { [CAA_NO_RECORDS] = "no records", [CAA_PERMITTED] = "permitted" };
static const char *const revokers[] = { [REVOKED_BY_KEY] = "the certificate's key",
	[REVOKED_BY_ACCOUNT] = "its account",
	[REVOKED_BY_NAMES] = "an account with all its names",
	[REVOKED_BY_OPERATOR] = "an operator" };

struct showing {
	const struct evidence *v;
	struct arena *a;
	char serial[HEX_LEN(SERIAL_SIZE) + 1], account[BASE64URL_LEN(32) + 1], order[ORDER_ID_LEN + 1];
};

static struct bytes name_text(struct arena *a, const struct san *n)
{
	char text[INET6_ADDRSTRLEN];

	if (n->type == SAN_DNS)
		return n->value;
	(void)inet_ntop(n->value.len == 4 ? AF_INET : AF_INET6, n->value.ptr, text, sizeof text);
	return arena_copy(a, bytes_str(text));
}

static const char *reason_of(const struct evidence *v)
{
	const char *name = crl_reason_name(v->revocation.reason);

	return name ? name : "unspecified";
}

/* --- JSON --- */

static void put_time(struct json_out *w, const char *name, int64_t ms)
{
	json_put_member_uint(w, name, (uint64_t)ms / 1000);
}

static void put_hex(struct json_out *w, const char *name, struct bytes v)
{
	char text[HEX_LEN(64) + 1];

	hex_encode(bytes_slice(v, 0, 64), text);
	json_put_member_str(w, name, text);
}

static void put_certificate(struct json_out *w, const struct showing *k)
{
	const struct evidence *v = k->v;
	CLEANUP(buf_free_p) struct buf pem = buf_new(2 * CERT_SIZE_MAX);

	pem_add(&pem, "CERTIFICATE", v->certificate);
	json_put_member_str(w, "issuer", v->issuer);
	json_put_member_uint(w, "notBefore", (uint64_t)v->cert.not_before_s);
	json_put_member_uint(w, "notAfter", (uint64_t)v->cert.not_after_s);
	put_time(w, "issued", v->result_ms);
	json_put_key(w, "names");
	json_put_array(w);
	for (size_t i = 0; i < v->cert.n_names; i++)
		json_put_string(w, name_text(k->a, &v->cert.names[i]));
	json_end_array(w);
	json_put_member(w, "certificate", buf_bytes(&pem));
}

static void put_revocation(struct json_out *w, const struct evidence *v)
{
	json_put_key(w, "revoked");
	json_put_object(w);
	json_put_member_uint(w, "record", v->revocation_record);
	json_put_member_uint(w, "time", (uint64_t)v->revocation.time_s);
	json_put_member_str(w, "reason", reason_of(v));
	json_put_member_str(w, "by", revokers[v->revocation.by]);
	json_end_object(w);
}

static void put_receipt(struct json_out *w, struct arena *a, const struct receipt *r)
{
	struct identifier id = r->identifier;

	id.wildcard = r->scope == SCOPE_WILDCARD;
	json_put_object(w);
	json_put_member_str(w, "kind", r->kind == RECEIPT_CAA ? "caa" : "control");
	json_put_member(w, "name", identifier_display(a, &id));
	json_put_member_str(w, "method", challenge_type_name(r->method));
	put_time(w, "time", r->time_ms);
	json_put_member(w, "perspective", r->perspective);
	json_put_member_str(w, "dnssec", dnssec_names[r->dnssec]);
	if (r->kind == RECEIPT_CAA) {
		json_put_member_str(w, "outcome", caa_names[r->outcome]);
		json_put_member(w, "issuerDomain", r->issuer_domain);
		json_put_member(w, "node", r->node);
		put_hex(w, "rrset", BYTES_ARRAY(r->rrset));
		json_put_member_uint(w, "ttl", r->ttl_s);
	} else {
		json_put_member(w, "domain", r->domain);
		json_put_member(w, "token", r->token);
		json_put_member_bool(w, "specialAddress", r->relaxed_address);
		put_hex(w, "seen", BYTES_ARRAY(r->seen));
	}
	json_end_object(w);
}

static void put_client(struct json_out *w, const struct showing *k)
{
	const struct evidence *v = k->v;

	json_put_member_str(w, "account", k->account);
	json_put_member(w, "accountUrl", v->finalize.kid.ptr ? v->finalize.kid : BYTES_LIT(""));
	json_put_member(w, "accountKey", v->issue.account_jwk);
	json_put_member_str(w, "order", k->order);
	json_put_member(w, "newOrder", v->issue.new_order);
	json_put_member(w, "finalize", v->issue.finalize);
	json_put_key(w, "receipts");
	json_put_array(w);
	for (size_t i = 0; i < v->n_receipts; i++)
		put_receipt(w, k->a, &v->receipts[i]);
	json_end_array(w);
}

static void put_checks(struct json_out *w, const struct evidence *v)
{
	json_put_key(w, "checks");
	json_put_array(w);
	for (size_t i = 0; i < EVIDENCE__MAX; i++) {
		if (v->checks[i].outcome == EVIDENCE_NONE)
			continue;
		json_put_object(w);
		json_put_member_str(w, "what", evidence_rows[i].name);
		json_put_member_str(w, "outcome", outcomes[v->checks[i].outcome]);
		json_put_member_str(w, "detail", v->checks[i].detail);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_all(const struct showing *k, struct buf *out)
{
	const struct evidence *v = k->v;
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_str(&w, "serial", k->serial);
	json_put_member(&w, "profile", v->intent.profile);
	json_put_member_bool(&w, "own", v->intent.tls);
	json_put_member_uint(&w, "intentRecord", v->intent_record);
	put_time(&w, "intended", v->intent_ms);
	if (v->result_record)
		json_put_member_uint(&w, "resultRecord", v->result_record);
	if (v->void_record) {
		json_put_member_uint(&w, "voidRecord", v->void_record);
		json_put_member(&w, "voidReason", v->void_reason);
	}
	if (v->certificate.len)
		put_certificate(&w, k);
	if (v->revoked)
		put_revocation(&w, v);
	if (!v->intent.tls)
		put_client(&w, k);
	put_checks(&w, v);
	json_end_object(&w);
}

/* --- for people --- */

static void line(const char *name, struct bytes value)
{
	printf("  %-10s %.*s\n", name, BYTES_FMT(value));
}

static void line_time(const char *name, int64_t unix_s, const char *more)
{
	char text[MOMENT_SIZE];

	moment_text(unix_s, text);
	printf("  %-10s %s%s\n", name, text, more);
}

static void print_certificate(const struct showing *k)
{
	const struct evidence *v = k->v;

	for (size_t i = 0; i < v->cert.n_names; i++)
		line(i ? "" : "names", name_text(k->a, &v->cert.names[i]));
	line_time("from", v->cert.not_before_s, "");
	line_time("until", v->cert.not_after_s, "");
	line("issuer", bytes_str(*v->issuer ? v->issuer : "not one of this log's"));
	line_time("issued", v->result_ms / 1000, (const char *)arena_fmt(k->a, " (record %llu)", (unsigned long long)v->result_record).ptr);
	if (v->revoked)
		line_time("revoked", v->revocation.time_s,
		    (const char *)arena_fmt(k->a, ", %s, by %s (record %llu)", reason_of(v), revokers[v->revocation.by],
			(unsigned long long)v->revocation_record)
			.ptr);
}

static void print_head(const struct showing *k)
{
	const struct evidence *v = k->v;

	printf("%s%s\n", k->serial,
	    v->intent.ocsp  ? ", a key that signs OCSP answers"
	    : v->intent.tls ? ", the CA's own TLS certificate"
			    : "");
	if (v->intent.profile.len)
		line("profile", v->intent.profile);
	if (v->certificate.len)
		print_certificate(k);
	else
		line("void", v->void_record ? v->void_reason : BYTES_LIT("it is being signed, or will be void after the next start"));
	if (v->intent.tls)
		return;
	line("account", v->finalize.kid.ptr ? v->finalize.kid : bytes_str(k->account));
	line("order", bytes_str(k->order));
}

static void print_request(const char *name, const struct jws *j, struct bytes request)
{
	printf("\n%s, as the client signed it:\n", name);
	if (j->url.ptr)
		printf("  to      %.*s\n  payload %.*s\n", BYTES_FMT(j->url), BYTES_FMT(j->payload));
	printf("  request %.*s\n", BYTES_FMT(request));
}

static void print_receipt(struct arena *a, const struct receipt *r)
{
	struct identifier id = r->identifier;
	char when[MOMENT_SIZE], digest[HEX_LEN(32) + 1];

	id.wildcard = r->scope == SCOPE_WILDCARD;
	moment_text(r->time_ms / 1000, when);
	printf("  %-8s %.*s by %s at %s, seen from %.*s, DNSSEC %s\n", r->kind == RECEIPT_CAA ? "CAA" : "control",
	    BYTES_FMT(identifier_display(a, &id)), challenge_type_name(r->method), when, BYTES_FMT(r->perspective),
	    dnssec_names[r->dnssec]);
	if (r->kind == RECEIPT_CONTROL) {
		hex_encode(BYTES_ARRAY(r->seen), digest);
		printf("           token %.*s\n           answer's SHA-256 %s%s\n", BYTES_FMT(r->token), digest,
		    r->relaxed_address ? ", at an address of a special range that the configuration allows" : "");
		return;
	}
	hex_encode(BYTES_ARRAY(r->rrset), digest);
	printf("           %s for %.*s", caa_names[r->outcome], BYTES_FMT(r->issuer_domain));
	if (r->node.len)
		printf(", records at %.*s, SHA-256 %s, TTL %u s", BYTES_FMT(r->node), digest, (unsigned)r->ttl_s);
	printf("\n");
}

static void print_evidence(const struct showing *k)
{
	const struct evidence *v = k->v;

	if (!v->intent.tls) {
		print_request("newOrder", &v->new_order, v->issue.new_order);
		print_request("finalize", &v->finalize, v->issue.finalize);
		printf("\nThe account's key:\n  %.*s\n\nReceipts:\n", BYTES_FMT(v->issue.account_jwk));
		for (size_t i = 0; i < v->n_receipts; i++)
			print_receipt(k->a, &v->receipts[i]);
	}
	printf("\nChecked in a log of %llu records:\n", (unsigned long long)v->log.records);
	for (size_t i = 0; i < EVIDENCE__MAX; i++)
		if (v->checks[i].outcome != EVIDENCE_NONE)
			printf("  %-8s %s%s%s\n", outcomes[v->checks[i].outcome], evidence_rows[i].text, *v->checks[i].detail ? ": " : "",
			    v->checks[i].detail);
}

static enum err_code run(const struct cli *c, struct arena *configuration, struct arena *a, struct evidence *v, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(OUT_MAX);
	struct showing k = { .v = v, .a = a };
	struct settings s;
	uint8_t serial[SERIAL_SIZE];

	TRY(ca_config_read(c, configuration, &s, e));
	TRY(serial_argument(c->arguments[0], serial, e));
	TRY(evidence_find(a, &s, serial, v, e));
	hex_encode(BYTES_ARRAY(v->serial), k.serial);
	base64url_encode(BYTES_ARRAY(v->intent.thumbprint), k.account);
	base64url_encode(BYTES_ARRAY(v->intent.order), k.order);
	if (cli_flag(c, "json")) {
		put_all(&k, &out);
		if (!buf_ok(&out))
			FAIL(e, TOO_LARGE, "the evidence is too large to be printed");
		printf("%.*s\n", BYTES_FMT(buf_bytes(&out)));
		return ERR_OK;
	}
	print_head(&k);
	if (cli_flag(c, "evidence"))
		print_evidence(&k);
	return ERR_OK;
}

static int cmd_show(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *configuration = arena_new(16384, 1u << 20), *a = arena_new(65536, 16u << 20);
	struct evidence *v = a && configuration ? calloc(1, sizeof *v) : NULL;
	struct err e = { 0 };

	if (!v)
		return EXIT_FAILED;
	enum err_code rc = run(c, configuration, a, v, &e);
	size_t failed = rc == ERR_OK ? evidence_failed(v) : 0;
	free(v);
	if (rc != ERR_OK)
		return cli_fail(c, &e);
	if (failed)
		fprintf(stderr, "chancery-ca: %zu of the checks fail: this certificate should not be as it is\n", failed);
	return failed ? EXIT_FAILED : EXIT_DONE;
}

const struct cli_command show_command = { "show", "SERIAL|FILE",
	"A certificate by its serial number, or the one in FILE, from the signer's log; with --evidence all that it rests on, verified. As root or the files' "
	"owner; also while the server runs.",
	CLI_OPTIONS(show_options), 1, 1, cmd_show };
