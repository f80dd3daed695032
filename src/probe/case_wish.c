/* What orders may also ask for: profiles, addresses (RFC 8738), wildcards; and what browsers need (CORS, RFC 8555 §6.1). */
#include "base/codec.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "probe/list.h"

#include <string.h>

/* --- profiles --- */

static enum err_code profile_name(struct probe *p, const char **ret, struct err *e)
{
	struct json_member *m;
	size_t n;

	TRY(json_members(probe_arena(p), member_of(p, probe_meta(p), "profiles"), 64, &m, &n, e));
	if (n == 0)
		FAIL(e, NOT_FOUND, "the server names no profile");
	*ret = arena_str(probe_arena(p), m[0].key);
	return ERR_OK;
}

static enum err_code descriptions(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct json_member *m;
	struct bytes v;
	size_t n;

	(void)c;
	TRY(probe_ask(p, &GET(.judged = true, .url = probe_directory_url(p)), &x, e));
	TRY(want_member(p, &x, "meta.profiles", &v, e));
	if (v.ptr[0] != '{' || json_members(probe_arena(p), v, 64, &m, &n, NULL) != ERR_OK)
		FAIL(e, CONFIRM, "meta.profiles is no object");
	for (size_t i = 0; i < n; i++)
		if (m[i].value.ptr[0] != '"')
			FAIL(e, CONFIRM, "the profile \"%.*s\" has no text or URL", BYTES_FMT(m[i].key));
	return ERR_OK;
}

static enum err_code ask_profile(
    struct probe *p, const char *name, bool judged, struct ask *r, struct http_client_answer *ret, struct err *e)
{
	TRY(subject_ask(p, ON_NEW_ORDER, r, e));
	r->judged = judged;
	r->payload = (const char *)arena_fmt(
	    probe_arena(p), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],\"profile\":\"%s\"}", probe_name(p, 0), name)
			 .ptr;
	return probe_ask(p, r, ret, e);
}

/* `on` ON_NEW_ORDER: in the answer; ON_ORDER: in the order afterwards. */
static enum err_code profiled(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	bool later = c->on == ON_ORDER;
	const char *name;
	struct ask r;

	TRY(profile_name(p, &name, e));
	TRY(ask_profile(p, name, !later, &r, &x, e));
	if (!later) {
		TRY(want_status(&x, 201, e));
		return want_text(p, &x, "profile", name, e);
	}
	if (x.status != 201 || !x.location.ptr)
		FAIL(e, CONFIG, "no order with a profile could be made: %d", x.status);
	TRY(probe_ask(p, &ASK(.judged = true, .url = arena_str(probe_arena(p), x.location), .as = r.as), &y, e));
	TRY(want_status(&y, 200, e));
	return want_text(p, &y, "profile", name, e);
}

/* Each that is named can be had, or is said not to fit a DNS name. */
static enum err_code each_profile(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct json_member *m;
	struct ask r;
	size_t n;

	TRY(json_members(probe_arena(p), member_of(p, probe_meta(p), "profiles"), 64, &m, &n, e));
	for (size_t i = 0; i < n; i++) {
		TRY(ask_profile(p, arena_str(probe_arena(p), m[i].key), true, &r, &x, e));
		if (x.status != 201)
			TRY(want_problem(p, &x, 0, c->type, e));
	}
	return ERR_OK;
}

/* --- addresses and wildcards --- */

/* An order of the main account with the row's payload; one that is refused is not offered. */
static enum err_code order_or_skip(struct probe *p, const struct probe_case *c, bool judged, struct http_client_answer *ret, struct err *e)
{
	struct ask r;

	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	TRY(with_name(p, c->payload, &r.payload, e));
	r.judged = judged;
	TRY(probe_ask(p, &r, ret, e));
	if (ret->status >= 400)
		FAIL(e, NOT_FOUND, "the server takes no order for this: %.150s",
		    (const char *)arena_fmt(
			probe_arena(p), "%.*s", (int)(ret->body.len < 150 ? ret->body.len : 150), (const char *)ret->body.ptr)
			.ptr);
	return ERR_OK;
}

static enum err_code order_text(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *text;

	TRY(order_or_skip(p, c, true, &x, e));
	TRY(with_name(p, c->value, &text, e));
	return want_text(p, &x, c->arg, text, e);
}

/* The authorization of such an order. */
static enum err_code its_authz(struct probe *p, const struct probe_case *c, struct http_client_answer *ret, struct err *e)
{
	struct http_client_answer order;
	const struct actor *who;
	const char *url;

	TRY(probe_main(p, &who, e));
	TRY(order_or_skip(p, c, false, &order, e));
	TRY(want_string(p, &order, "authorizations[0]", &url, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = url, .as = who), ret, e));
	return want_status(ret, 200, e);
}

static enum err_code authz_text(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *text;

	TRY(its_authz(p, c, &x, e));
	TRY(with_name(p, c->value, &text, e));
	return want_text(p, &x, c->arg, text, e);
}

static enum err_code authz_true(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes v;

	TRY(its_authz(p, c, &x, e));
	TRY(want_member(p, &x, c->arg, &v, e));
	if (!bytes_eq_str(v, "true"))
		FAIL(e, CONFIRM, "\"%s\" is %.*s", c->arg, BYTES_FMT(v));
	return ERR_OK;
}

static enum err_code without_challenge(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(its_authz(p, c, &x, e));
	if (challenge_index(p, x.body, c->value) >= 0)
		FAIL(e, CONFIRM, "%s is offered", c->value);
	return ERR_OK;
}

/* An order of an account of its own for an address, validated. */
static enum err_code ready_address(struct probe *p, const struct probe_case *c, struct order_of **ret, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;

	TRY(order_or_skip(p, c, false, &x, e));
	TRY(make_account(p, &who, e));
	TRY(make_order(p, who, c->payload, ret, e));
	if (!(*ret)->challenge)
		FAIL(e, NOT_FOUND, "the server offers no http-01 for an address");
	return solve_order(p, *ret, e);
}

/* The certificate for 127.0.0.1, which is wherever the server is: judged as it is downloaded. */
static enum err_code finalize_address(struct probe *p, const struct order_of *o, struct http_client_answer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(CSR_SIZE_MAX), text = buf_new(8192);
	const struct san san = { SAN_IP, BYTES_LIT("\x7f\0\0\x01") };
	struct http_client_answer x;
	const char *url, *payload;
	struct key *k;

	TRY(make_key(p, KEY_EC_P256, &k, e));
	TRY(csr_write(k, &san, 1, &der, e));
	buf_add_str(&text, "{\"csr\":\"");
	base64url_add(&text, buf_bytes(&der));
	buf_add_str(&text, "\"}");
	payload = buf_ok(&der) && buf_ok(&text) ? arena_str(probe_arena(p), buf_bytes(&text)) : NULL;
	if (!payload)
		FAIL(e, NOMEM, "no memory for a CSR");
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->finalize, .as = o->owner, .payload = payload), &x, e));
	TRY(want_success(&x, e));
	TRY(poll_status(p, &ASK(.url = o->url, .as = o->owner), &x, e));
	TRY(want_string(p, &x, "certificate", &url, e));
	return probe_ask(p, &ASK(.judged = true, .url = url, .as = o->owner), ret, e);
}

static enum err_code certified_address(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	struct cert leaf;
	struct bytes der;

	TRY(ready_address(p, c, &o, e));
	TRY(finalize_address(p, o, &x, e));
	TRY(want_status(&x, 200, e));
	struct bytes rest = x.body;
	if (pem_next(probe_arena(p), &rest, "CERTIFICATE", &der, NULL) != ERR_OK || cert_parse(probe_arena(p), der, &leaf, NULL) != ERR_OK)
		FAIL(e, CONFIRM, "what came is no certificate");
	if (leaf.n_names != 1 || leaf.names[0].type != SAN_IP || !bytes_eq(leaf.names[0].value, BYTES_LIT("\x7f\0\0\x01")))
		FAIL(e, CONFIRM, "the certificate has %zu names, and not the iPAddress 127.0.0.1 alone", leaf.n_names);
	return ERR_OK;
}

/* --- CORS --- */

/* Whatever is asked from a page of another origin says that everybody may read it. `on` ON__MAX: the directory. */
static enum err_code cors(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r = GET(.judged = true, .url = c->status ? probe_url(p, URL_NEW_NONCE) : probe_directory_url(p));

	if (c->on != ON__MAX)
		TRY(subject_ask(p, c->on, &r, e));
	r.more[0] = "Origin: https://page.example";
	TRY(probe_ask(p, &r, &x, e));
	return want_value(&x, c->arg, c->value, e);
}

static enum err_code preflight(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct ask r = { .judged = true, .method = HTTP_CLIENT_OPTIONS, .url = probe_url(p, URL_NEW_ORDER) };
	struct http_client_answer x;

	r.more[0] = "Origin: https://page.example";
	r.more[1] = "Access-Control-Request-Method: POST";
	r.more[2] = "Access-Control-Request-Headers: content-type";
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	return want_field(&x, c->arg, NULL, e);
}

#define DRAFT       "draft-ietf-acme-profiles §"
#define CORS        "RFC 8555 §6.1"
#define IP(address) "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"" address "\"}]}"
#define STAR        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.$NAME\"}]}"
#define BADIP(id, must, address) \
	CASE("new-order/" id, "RFC 8738 §3", MUST, must, case_problem, M_STATUS(201), .on = ON_NEW_ORDER, .payload = IP(address))

static const struct probe_case rows[] = {
	CASE("directory/profiles", DRAFT "3", MUST, "meta.profiles has a text or URL for each profile's name.", descriptions,
	    M_JSON("meta.profiles", "{\"x\":7}"), .needs = NEED_PROFILES),
	CASE("new-order/profile", DRAFT "4", MUST, "An order repeats the profile that it asked for.", profiled, M_LOSE("profile"),
	    .needs = NEED_PROFILES, .on = ON_NEW_ORDER),
	CASE("order/profile", DRAFT "4", MUST, "An order goes on saying its profile.", profiled, M_JSON("profile", "\"another\""),
	    .needs = NEED_PROFILES, .on = ON_ORDER),
	CASE("new-order/profile-each", DRAFT "4", MUST, "Each profile of the directory is taken, or refused with invalidProfile.",
	    each_profile, M_STATUS(500), .needs = NEED_PROFILES, .type = "invalidProfile"),
	CASE("new-order/profile-chosen", DRAFT "4", SHOULD, "An order that asked for no profile has the one that the server chose.",
	    case_member, M_LOSE("profile"), .needs = NEED_PROFILES, .on = ON_NEW_ORDER, .arg = "profile", .value = "string"),
	CASE("new-order/profile-unknown", DRAFT "4", MUST, "A profile that the server does not have is refused with invalidProfile.",
	    case_problem, M_TYPE("malformed"), .needs = NEED_PROFILES, .on = ON_NEW_ORDER, .type = "invalidProfile",
	    .payload = "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}],\"profile\":\"probe-no-such-profile\"}"),
	CASE("new-order/profile-number", DRAFT "4", MUST, "A profile that is no string is refused.", case_problem, M_STATUS(201),
	    .needs = NEED_PROFILES, .on = ON_NEW_ORDER,
	    .payload = "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}],\"profile\":7}"),

	CASE("new-order/ip", "RFC 8738 §3", MUST, "An order for an address repeats it.", order_text,
	    M_JSON("identifiers[0].value", "\"::1\""), .payload = IP("127.0.0.1"), .arg = "identifiers[0].value", .value = "127.0.0.1"),
	CASE("new-order/ip-type", "RFC 8738 §3", MUST, "An address is of the type \"ip\".", order_text,
	    M_JSON("identifiers[0].type", "\"dns\""), .payload = IP("127.0.0.1"), .arg = "identifiers[0].type", .value = "ip"),
	CASE("authz/ip", "RFC 8738 §3", MUST, "An authorization for an address has it.", authz_text, M_LOSE("identifier"),
	    .payload = IP("127.0.0.1"), .arg = "identifier.value", .value = "127.0.0.1"),
	CASE("authz/ip-no-dns-01", "RFC 8738 §7", MUST, "dns-01 is not offered for an address.", without_challenge,
	    M_JSON("challenges[0].type", "\"dns-01\""), .payload = IP("127.0.0.1"), .value = "dns-01"),
	CASE("new-order/ip6", "RFC 8738 §3", MUST, "An order for an IPv6 address repeats it as RFC 5952 writes it.", order_text,
	    M_JSON("identifiers[0].value", "\"0:0:0:0:0:0:0:1\""), .payload = IP("::1"), .arg = "identifiers[0].value", .value = "::1"),
	CASE("certificate/ip", "RFC 8738 §3", MUST, "A certificate for an address has it as its iPAddress.", certified_address,
	    M_OP(MUTANT_PEM_SWAP), .payload = IP("127.0.0.1")),
	BADIP("ip-zeros", "An IPv4 address with leading zeros is refused.", "127.0.0.001"),
	CASE("new-order/ip6-long", "RFC 8738 §3", SHOULD, "An IPv6 address whose zeros are not shortened (RFC 5952) is refused.",
	    case_problem, M_STATUS(201), .on = ON_NEW_ORDER, .payload = IP("0:0:0:0:0:0:0:1")),
	CASE("new-order/ip6-upper-case", "RFC 8738 §3", SHOULD, "An IPv6 address in upper case (RFC 5952) is refused.", case_problem,
	    M_STATUS(201), .on = ON_NEW_ORDER, .payload = IP("2001:DB8::1")),
	BADIP("ip-name", "A name as an address is refused.", "$NAME"),
	BADIP("ip-prefix", "A network as an address is refused.", "127.0.0.0/8"),
	BADIP("ip-short", "An address of three numbers is refused.", "127.0.1"),
	BADIP("ip-large", "An address with a number over 255 is refused.", "127.0.0.256"),
	BADIP("ip-brackets", "An address in brackets is refused.", "[::1]"),
	BADIP("ip-zone", "An address with a zone is refused.", "fe80::1%eth0"),
	BADIP("ip-wildcard", "A star in an address is refused.", "127.0.0.*"),

	CASE("new-order/wildcard", "RFC 8555 §7.1.3", MUST, "An order for a wildcard repeats it.", order_text,
	    M_JSON("identifiers[0].value", "\"x.example\""), .payload = STAR, .arg = "identifiers[0].value", .value = "*.$NAME"),
	CASE("authz/wildcard", "RFC 8555 §7.1.4", MUST, "An authorization for a wildcard says so.", authz_true, M_LOSE("wildcard"),
	    .payload = STAR, .arg = "wildcard"),
	CASE("authz/wildcard-name", "RFC 8555 §7.1.4", MUST, "An authorization for a wildcard has the name without the star.", authz_text,
	    M_JSON("identifier.value", "\"*.x.example\""), .payload = STAR, .arg = "identifier.value", .value = "$NAME"),

	CASE("directory/cors", CORS, SHOULD, "The directory lets pages of every origin read it.", cors,
	    M_DROP("access-control-allow-origin"), .on = ON__MAX, .arg = "access-control-allow-origin", .value = "*"),
	CASE("new-nonce/cors", CORS, SHOULD, "newNonce lets pages of every origin read it.", cors, M_DROP("access-control-allow-origin"),
	    .on = ON__MAX, .status = 1, .arg = "access-control-allow-origin", .value = "*"),
	CASE("new-nonce/cors-nonce", CORS, SHOULD, "Pages of every origin may read the nonce.", cors,
	    M_DROP("access-control-expose-headers"), .on = ON__MAX, .status = 1, .arg = "access-control-expose-headers",
	    .value = "Replay-Nonce"),
	CASE("new-account/cors", CORS, SHOULD, "Pages of every origin may make accounts.", cors,
	    M_SET("access-control-allow-origin", "null"), .on = ON_NEW_ACCOUNT, .arg = "access-control-allow-origin", .value = "*"),
	CASE("new-account/cors-location", CORS, SHOULD, "Pages of every origin may read Location.", cors,
	    M_SET("access-control-expose-headers", "Replay-Nonce"), .on = ON_NEW_ACCOUNT, .arg = "access-control-expose-headers",
	    .value = "Location"),
	CASE("order/cors", CORS, SHOULD, "Pages of every origin may read orders.", cors, M_DROP("access-control-allow-origin"),
	    .on = ON_ORDER, .arg = "access-control-allow-origin", .value = "*"),
	CASE("certificate/cors-link", CORS, SHOULD, "Pages of every origin may read Link.", cors,
	    M_SET("access-control-expose-headers", "Location"), .on = ON_CERTIFICATE, .arg = "access-control-expose-headers",
	    .value = "Link"),
	CASE("new-order/preflight-headers", CORS, SHOULD, "A preflight is answered with the headers.", preflight,
	    M_DROP("access-control-allow-headers"), .arg = "access-control-allow-headers"),
};
CASE_TABLE(wish_cases, rows);
