/* Authorizations and challenges (RFC 8555 §7.1.4, §7.5, §8), and those that are made beforehand (§7.4.1). */
#include "probe/list.h"

#include <stdio.h>
#include <string.h>

/* A string member of the pending authorization's challenge of type `value` is there and of the kind `type`. */
static enum err_code offered(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	char path[64];

	TRY(subject_good(p, ON_AUTHZ, &x, e));
	int i = challenge_index(p, x.body, c->value);
	if (i < 0)
		FAIL(e, NOT_FOUND, "the server offers no %s", c->value);
	(void)snprintf(path, sizeof path, "challenges[%d].%s", i, c->arg);
	return want_kind(p, &x, path, c->type, e);
}

static enum err_code offers(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(subject_good(p, ON_AUTHZ, &x, e));
	if (challenge_index(p, x.body, c->value) < 0)
		FAIL(e, CONFIRM, "a pending authorization for a DNS name has no %s", c->value);
	return ERR_OK;
}

/* RFC 8555 §8: at least 128 bits, so at least 22 characters of base64url. */
static enum err_code token_long(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *token;

	(void)c;
	TRY(subject_good(p, ON_CHALLENGE, &x, e));
	TRY(want_string(p, &x, "token", &token, e));
	if (strlen(token) < 22)
		FAIL(e, CONFIRM, "a token of %zu characters, \"%s\", has less than 128 bits", strlen(token), token);
	return ERR_OK;
}

static enum err_code up_link(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *up;

	(void)c;
	TRY(probe_pending(p, &o, e));
	TRY(subject_good(p, ON_CHALLENGE, &x, e));
	TRY(want_link(p, &x, "up", &up, e));
	if (strcmp(up, o->authz[0]) != 0)
		FAIL(e, CONFIRM, "the Link \"up\" leads to %.150s instead of %.100s", up, o->authz[0]);
	return ERR_OK;
}

static enum err_code own_url(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;

	(void)c;
	TRY(probe_pending(p, &o, e));
	TRY(subject_good(p, ON_CHALLENGE, &x, e));
	return want_text(p, &x, "url", o->challenge, e);
}

/* A new order's challenge is answered. What is looked at depends on the row. */
static enum err_code respond(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	struct actor *who;

	TRY(make_account(p, &who, e));
	TRY(make_order(p, who, NULL, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->challenge, .as = who, .payload = c->payload), &x, e));
	TRY(want_status(&x, 200, e));
	if (c->type)
		return want_link(p, &x, c->type, NULL, e);
	return want_kind(p, &x, c->arg, c->value, e);
}

/* --- what has been validated, and what has failed --- */

/* The authorization of the issued certificate: `arg`, or that of its valid challenge when `type` says so. */
static enum err_code valid(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	char path[64];

	TRY(probe_issued(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->authz[0], .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	if (!c->type)
		return want_kind(p, &x, c->arg, c->value, e);
	int i = challenge_index(p, x.body, c->type);
	if (i < 0)
		FAIL(e, CONFIRM, "the challenge that was validated, %s, is not in its authorization", c->type);
	(void)snprintf(path, sizeof path, "challenges[%d].%s", i, c->arg);
	return want_kind(p, &x, path, c->value, e);
}

static enum err_code failed(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;

	TRY(probe_failed(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = c->on == ON_AUTHZ ? o->authz[0] : o->challenge, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

/* --- deactivation --- */

/* A new authorization is given up; then `on` is looked at: the answer itself (ON_NEW_AUTHZ), the authorization or its order. */
static enum err_code given_up(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	struct actor *who;

	TRY(make_account(p, &who, e));
	TRY(make_order(p, who, NULL, &o, e));
	bool itself = c->on == ON_NEW_AUTHZ;
	TRY(probe_ask(p, &ASK(.judged = itself, .url = o->authz[0], .as = who, .payload = "{\"status\":\"deactivated\"}"), &x, e));
	if (!itself && x.status != 200)
		FAIL(e, CONFIG, "the authorization could not be deactivated: %d", x.status);
	if (!itself)
		TRY(probe_ask(p, &ASK(.judged = true, .url = c->on == ON_AUTHZ ? o->authz[0] : o->url, .as = who), &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, "status", c->value, e);
}

#define OBJ  "RFC 8555 §7.1.4"
#define CH   "RFC 8555 §8"
#define RESP "RFC 8555 §7.5.1"
#define PRE  "RFC 8555 §7.4.1"
#define END  "RFC 8555 §7.5.2"
#define PREBAD(id, must, body, urn)                                                                                               \
	CASE("new-authz/" id, PRE, MUST, must, case_problem, M_STATUS(201), .on = ON_NEW_AUTHZ, .payload = (body), .type = (urn), \
	    .needs = NEED_NEW_AUTHZ)

static const struct probe_case rows[] = {
	CASE("authz/get-200", "RFC 8555 §7.5", MUST, "An authorization is had by POST-as-GET, with 200.", case_status, M_STATUS(201),
	    .on = ON_AUTHZ, .status = 200),
	CASE("authz/identifier-type", OBJ, MUST, "An authorization has its identifier's type.", case_text, M_LOSE("identifier.type"),
	    .on = ON_AUTHZ, .arg = "identifier.type", .value = "dns"),
	CASE("authz/identifier-value", OBJ, MUST, "An authorization has its identifier.", case_text,
	    M_JSON("identifier.value", "\"other.example\""), .on = ON_AUTHZ, .arg = "identifier.value", .value = "$NAME"),
	CASE("authz/pending", OBJ, MUST, "An authorization that nobody has worked on is pending.", case_text, M_JSON("status", "\"valid\""),
	    .on = ON_AUTHZ, .arg = "status", .value = "pending"),
	CASE("authz/challenges", OBJ, MUST, "An authorization has an array of challenges.", case_member, M_LOSE("challenges"),
	    .on = ON_AUTHZ, .arg = "challenges", .value = "array"),
	CASE("authz/challenge-type", CH, MUST, "A challenge has its type.", case_member, M_LOSE("challenges[0].type"), .on = ON_AUTHZ,
	    .arg = "challenges[0].type", .value = "string"),
	CASE("authz/challenge-url", CH, MUST, "A challenge has its URL.", case_member, M_LOSE("challenges[0].url"), .on = ON_AUTHZ,
	    .arg = "challenges[0].url", .value = "url"),
	CASE("authz/challenge-status", CH, MUST, "A challenge has its status, which is pending at first.", case_member,
	    M_JSON("challenges[0].status", "\"valid\""), .on = ON_AUTHZ, .arg = "challenges[0].status", .value = "pending"),
	CASE("authz/expires", OBJ, SHOULD, "A pending authorization tells when it expires.", case_member, M_JSON("expires", "\"soon\""),
	    .on = ON_AUTHZ, .arg = "expires", .value = "time"),
	CASE("authz/not-wildcard", OBJ, MUST, "An authorization that is not for a wildcard has no \"wildcard\".", case_no_member,
	    M_JSON("wildcard", "false"), .on = ON_AUTHZ, .arg = "wildcard"),
	CASE("authz/http-01", "RFC 8555 §8.3", SHOULD, "http-01 is offered for a DNS name.", offers, M_JSON("challenges", "[]"),
	    .value = "http-01"),
	CASE("authz/http-01-token", "RFC 8555 §8.3", MUST, "The token of http-01 is base64url.", offered,
	    M_JSON("challenges[0].token", "\"a/b=\""), .arg = "token", .value = "http-01", .type = "base64url"),
	CASE("authz/dns-01-token", "RFC 8555 §8.4", MUST, "The token of dns-01 is base64url.", offered,
	    M_JSON("challenges", "[{\"type\":\"dns-01\",\"token\":\"=\"}]"), .arg = "token", .value = "dns-01", .type = "base64url"),
	CASE("authz/tls-alpn-01-token", "RFC 8737 §3", MUST, "The token of tls-alpn-01 is base64url.", offered,
	    M_JSON("challenges", "[{\"type\":\"tls-alpn-01\"}]"), .arg = "token", .value = "tls-alpn-01", .type = "base64url"),
	CASE("authz/valid", "RFC 8555 §7.1.6", MUST, "An authorization one of whose challenges is valid is valid.", valid,
	    M_JSON("status", "\"pending\""), .arg = "status", .value = "valid"),
	CASE("authz/valid-expires", OBJ, MUST, "A valid authorization tells when it expires.", valid, M_LOSE("expires"), .arg = "expires",
	    .value = "time"),
	CASE("authz/valid-challenge", OBJ, MUST, "A valid authorization shows the challenge that was validated as valid.", valid,
	    M_JSON("challenges[0].status", "\"pending\""), .arg = "status", .value = "valid", .type = "http-01"),
	CASE("authz/validated-time", CH, MUST, "A valid challenge tells in RFC 3339 when it was validated.", valid,
	    M_LOSE("challenges[0].validated"), .arg = "validated", .value = "time", .type = "http-01"),
	CASE("authz/invalid", "RFC 8555 §7.1.6", MUST, "An authorization one of whose challenges failed is invalid.", failed,
	    M_JSON("status", "\"valid\""), .on = ON_AUTHZ, .arg = "status", .value = "invalid"),
	CASE("authz/deactivate", END, MUST, "A deactivated authorization is answered by 200, and is deactivated.", given_up,
	    M_JSON("status", "\"pending\""), .on = ON_NEW_AUTHZ, .value = "deactivated"),
	CASE("authz/deactivated-stays", END, MUST, "A deactivated authorization stays so.", given_up, M_JSON("status", "\"valid\""),
	    .on = ON_AUTHZ, .value = "deactivated"),
	CASE("authz/deactivated-order", "RFC 8555 §7.1.6", MUST, "An order one of whose authorizations was deactivated is invalid.",
	    given_up, M_JSON("status", "\"ready\""), .on = ON_ORDER, .value = "invalid"),
	CASE("authz/other-status", END, MUST, "A client cannot make an authorization valid.", case_problem, M_STATUS(200), .on = ON_AUTHZ,
	    .payload = "{\"status\":\"valid\"}"),

	CASE("challenge/get-200", "RFC 8555 §7.5.1", MUST, "A challenge is had by POST-as-GET, with 200.", case_status, M_STATUS(404),
	    .on = ON_CHALLENGE, .status = 200),
	CASE("challenge/type", CH, MUST, "A challenge has its type.", case_text, M_LOSE("type"), .on = ON_CHALLENGE, .arg = "type",
	    .value = "http-01"),
	CASE("challenge/url", CH, MUST, "A challenge's \"url\" is its own.", own_url, M_JSON("url", "\"https://localhost/x\"")),
	CASE("challenge/status", CH, MUST, "A challenge has its status.", case_member, M_LOSE("status"), .on = ON_CHALLENGE,
	    .arg = "status", .value = "pending|processing|valid|invalid"),
	CASE("challenge/token", "RFC 8555 §8.3", MUST, "A token is base64url without padding.", case_member,
	    M_JSON("token", "\"not base64url\""), .on = ON_CHALLENGE, .arg = "token", .value = "base64url"),
	CASE("challenge/token-entropy", "RFC 8555 §8.3", MUST, "A token has 128 bits or more.", token_long, M_JSON("token", "\"MTIz\"")),
	CASE("challenge/no-validated", CH, MUST, "A challenge that is not valid has no time of validation.", case_no_member,
	    M_JSON("validated", "\"2026-01-01T00:00:00Z\""), .on = ON_CHALLENGE, .arg = "validated"),
	CASE("challenge/no-error", CH, MUST, "A challenge that did not fail has no error.", case_no_member, M_JSON("error", "{}"),
	    .on = ON_CHALLENGE, .arg = "error"),
	CASE("challenge/up", "RFC 8555 §7.1", MUST, "A challenge links to its authorization by \"up\".", up_link, M_DROP("link")),
	CASE("challenge/respond", RESP, MUST, "A response is answered by 200 and the challenge.", respond, M_LOSE("status"),
	    .payload = "{}", .arg = "status", .value = "pending|processing|valid|invalid"),
	CASE("challenge/respond-up", RESP, MUST, "The answer to a response links to the authorization by \"up\".", respond, M_DROP("link"),
	    .payload = "{}", .type = "up"),
	CASE("challenge/respond-members", "RFC 8555 §6", MUST, "Members of a response that the server does not know are ignored.", respond,
	    M_STATUS(400), .payload = "{\"probe\":7}", .arg = "type", .value = "http-01"),
	CASE("challenge/invalid", "RFC 8555 §7.1.6", MUST, "A challenge that nothing answered for is invalid.", failed,
	    M_JSON("status", "\"pending\""), .on = ON_CHALLENGE, .arg = "status", .value = "invalid"),
	CASE("challenge/error", CH, SHOULD, "A challenge that failed says why.", failed, M_LOSE("error"), .on = ON_CHALLENGE,
	    .arg = "error", .value = "object"),
	CASE("challenge/error-type", "RFC 8555 §6.7", SHOULD, "The error of a challenge has a type.", failed, M_JSON("error.type", "7"),
	    .on = ON_CHALLENGE, .arg = "error.type", .value = "uri"),

	CASE("new-authz/created-201", PRE, MUST, "A new authorization is answered by 201.", case_status, M_STATUS(200), .on = ON_NEW_AUTHZ,
	    .needs = NEED_NEW_AUTHZ, .status = 201),
	CASE("new-authz/location", PRE, MUST, "A new authorization's URL is in Location.", case_field, M_DROP("location"),
	    .on = ON_NEW_AUTHZ, .needs = NEED_NEW_AUTHZ, .arg = "location"),
	CASE("new-authz/pending", PRE, MUST, "A new authorization is pending.", case_text, M_JSON("status", "\"valid\""),
	    .on = ON_NEW_AUTHZ, .needs = NEED_NEW_AUTHZ, .arg = "status", .value = "pending"),
	CASE("new-authz/identifier", PRE, MUST, "A new authorization has its identifier.", case_text, M_LOSE("identifier.value"),
	    .on = ON_NEW_AUTHZ, .needs = NEED_NEW_AUTHZ, .arg = "identifier.value", .value = "$NAME"),
	CASE("new-authz/challenges", PRE, MUST, "A new authorization has challenges.", case_member, M_JSON("challenges", "{}"),
	    .on = ON_NEW_AUTHZ, .needs = NEED_NEW_AUTHZ, .arg = "challenges", .value = "array"),
	PREBAD("wildcard", "A wildcard is refused.", "{\"identifier\":{\"type\":\"dns\",\"value\":\"*.$NAME\"}}", NULL),
	PREBAD("no-identifier", "A request without an identifier is refused as malformed.", "{}", "malformed"),
	PREBAD("identifier-string", "An identifier that is no object is refused as malformed.", "{\"identifier\":\"$NAME\"}", "malformed"),
	PREBAD("identifier-type-unknown", "An identifier of an unknown type is refused.",
	    "{\"identifier\":{\"type\":\"tulip\",\"value\":\"$NAME\"}}", NULL),
	PREBAD("name-space", "A name with a space is refused.", "{\"identifier\":{\"type\":\"dns\",\"value\":\"bad name\"}}", NULL),
};
CASE_TABLE(authz_cases, rows);
