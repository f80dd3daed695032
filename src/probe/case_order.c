/* Orders (RFC 8555 §7.1.3, §7.4) and lists of them (§7.1.2.1). */
#include "base/clock.h"
#include "probe/list.h"

#include <string.h>

/* --- newOrder --- */

/* Two names: an authorization for each. */
static enum err_code two_names(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes *v;
	struct ask r;
	size_t n;

	if (!probe_name(p, 1))
		FAIL(e, NOT_FOUND, "a second --name is needed");
	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	r.payload = (const char *)arena_fmt(probe_arena(p),
	    "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"},{\"type\":\"dns\",\"value\":\"%s\"}]}", probe_name(p, 0),
	    probe_name(p, 1))
			.ptr;
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_status(&x, 201, e));
	TRY(want_elements(p, &x, c->arg, &v, &n, e));
	if (n != 2)
		FAIL(e, CONFIRM, "\"%s\" has %zu elements for two names", c->arg, n);
	return ERR_OK;
}

/* Two identifiers that are both refused: subproblems tell which. */
static enum err_code compound(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	r.payload = "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"bad_one.example\"},{\"type\":\"dns\",\"value\":\"bad_two.example\"}]}";
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_problem(p, &x, 0, NULL, e));
	if (!member_of(p, x.body, "subproblems").ptr && c->level == MUST)
		FAIL(e, NOT_FOUND, "the server's problem for two bad names has no subproblems");
	return want_kind(p, &x, c->arg, c->value, e);
}

/* The Location of a new order is an order, which says the same. */
static enum err_code location_is_order(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	const char *first, *second;
	struct bytes location;
	struct ask r;

	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_status(&x, 201, e));
	TRY(want_field(&x, "location", &location, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = arena_str(probe_arena(p), location), .as = r.as), &y, e));
	TRY(want_status(&y, 200, e));
	TRY(want_string(p, &x, c->arg, &first, e));
	TRY(want_string(p, &y, c->arg, &second, e));
	if (strcmp(first, second) != 0)
		FAIL(e, CONFIRM, "\"%s\" is \"%.100s\" at first and \"%.100s\" at its URL", c->arg, first, second);
	return ERR_OK;
}

/* The order's wish is in the answer; a server that takes no such wishes refuses. */
static enum err_code wish(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	char text[RFC3339_SIZE];
	struct ask r;

	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	rfc3339_format(clock_wall_ms() / 1000 + c->status, text);
	r.payload = (const char *)arena_fmt(
	    probe_arena(p), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],\"%s\":\"%s\"}", probe_name(p, 0), c->arg, text)
			.ptr;
	TRY(probe_ask(p, &r, &x, e));
	if (x.status >= 400)
		FAIL(e, NOT_FOUND, "the server takes no %s of an order", c->arg);
	TRY(want_status(&x, 201, e));
	return want_kind(p, &x, c->arg, "time", e);
}

static enum err_code backwards(struct probe *p, const struct probe_case *c, struct err *e)
{
	char from[RFC3339_SIZE], to[RFC3339_SIZE];
	struct http_client_answer x;
	struct ask r;

	(void)c;
	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	rfc3339_format(clock_wall_ms() / 1000 + 7200, from);
	rfc3339_format(clock_wall_ms() / 1000 + 3600, to);
	r.payload = (const char *)arena_fmt(probe_arena(p),
	    "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],\"notBefore\":\"%s\",\"notAfter\":\"%s\"}", probe_name(p, 0), from, to)
			.ptr;
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

/* --- the order through its life --- */

static enum err_code ready(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;

	(void)c;
	TRY(make_ready(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->url, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, "status", "ready", e);
}

static enum err_code issued(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;

	TRY(probe_issued(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->url, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

static enum err_code failed(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;

	TRY(probe_failed(p, &o, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = o->url, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

/* --- lists --- */

static enum err_code lists_the_pending(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *next = NULL;
	struct bytes *v;
	struct ask r;
	size_t n;

	(void)c;
	TRY(probe_pending(p, &o, e));
	TRY(subject_ask(p, ON_ORDERS, &r, e));
	for (int page = 0; page < 50; page++) {
		TRY(probe_ask(p, &r, &x, e));
		TRY(want_status(&x, 200, e));
		TRY(want_elements(p, &x, "orders", &v, &n, e));
		for (size_t i = 0; i < n; i++)
			if (bytes_eq(v[i], arena_fmt(probe_arena(p), "\"%s\"", o->url)))
				return ERR_OK;
		if (!has_link(p, &x, "next", &next))
			break;
		r.url = next;
	}
	FAIL(e, CONFIRM, "an order that is pending is not in the list: %.200s", o->url);
}

static enum err_code leaves_out_the_invalid(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *list;

	(void)c;
	TRY(probe_failed(p, &o, e));
	TRY(probe_ask(p, &ASK(.url = o->owner->url, .as = o->owner), &x, e));
	if (!member_of(p, x.body, "orders").ptr)
		FAIL(e, NOT_FOUND, "accounts here have no list of orders");
	TRY(want_string(p, &x, "orders", &list, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = list, .as = o->owner), &x, e));
	TRY(want_status(&x, 200, e));
	struct bytes orders = member_of(p, x.body, "orders");
	if (!orders.ptr)
		FAIL(e, CONFIRM, "the list has no \"orders\"");
	if (strstr(arena_str(probe_arena(p), orders), o->url))
		FAIL(e, CONFIRM, "an order that is invalid is in the list");
	return ERR_OK;
}

#define NEW   "RFC 8555 §7.4"
#define OBJ   "RFC 8555 §7.1.3"
#define LIST  "RFC 8555 §7.1.2.1"
#define STATE "RFC 8555 §7.1.6"
#define BAD(id, must, body, urn) \
	CASE("new-order/" id, NEW, MUST, must, case_problem, M_STATUS(201), .on = ON_NEW_ORDER, .payload = (body), .type = (urn))
#define DNS(name) "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"" name "\"}]}"

static const struct probe_case rows[] = {
	CASE("new-order/created-201", NEW, MUST, "A new order is answered by 201.", case_status, M_STATUS(200), .on = ON_NEW_ORDER,
	    .status = 201),
	CASE("new-order/location", NEW, MUST, "A new order's URL is in Location.", case_field, M_DROP("location"), .on = ON_NEW_ORDER,
	    .arg = "location"),
	CASE("new-order/location-is-the-order", NEW, MUST, "The Location of a new order gives the same order.", location_is_order,
	    M_JSON_OF(2, "finalize", "\"https://localhost/another\""), .arg = "finalize"),
	CASE("new-order/status", OBJ, MUST, "A new order is pending, or ready where authorizations were there.", case_member,
	    M_JSON("status", "\"valid\""), .on = ON_NEW_ORDER, .arg = "status", .value = "pending|ready"),
	CASE("new-order/expires", OBJ, MUST, "A pending order tells in RFC 3339 when it expires.", case_member,
	    M_JSON("expires", "1764000000"), .on = ON_NEW_ORDER, .arg = "expires", .value = "time"),
	CASE("new-order/identifiers", OBJ, MUST, "An order repeats its identifiers.", case_text,
	    M_JSON("identifiers[0].value", "\"x.example\""), .on = ON_NEW_ORDER, .arg = "identifiers[0].value", .value = "$NAME"),
	CASE("new-order/identifier-type", OBJ, MUST, "An order repeats its identifiers' types.", case_text, M_LOSE("identifiers[0].type"),
	    .on = ON_NEW_ORDER, .arg = "identifiers[0].type", .value = "dns"),
	CASE("new-order/authorizations", OBJ, MUST, "An order has the URLs of its authorizations.", case_member,
	    M_JSON("authorizations", "[]"), .on = ON_NEW_ORDER, .arg = "authorizations", .value = "urls"),
	CASE("new-order/finalize", OBJ, MUST, "An order has the URL of its finalization.", case_member, M_LOSE("finalize"),
	    .on = ON_NEW_ORDER, .arg = "finalize", .value = "url"),
	CASE("new-order/two-authorizations", OBJ, SHOULD, "An order for two names has two authorizations.", two_names,
	    M_LOSE("authorizations[0]"), .arg = "authorizations"),
	CASE("new-order/two-identifiers", OBJ, MUST, "An order for two names repeats both.", two_names, M_LOSE("identifiers[1]"),
	    .arg = "identifiers"),
	CASE("new-order/unknown-members", "RFC 8555 §6", MUST, "Members that the server does not know are ignored.", case_success,
	    M_STATUS(400), .on = ON_NEW_ORDER, .payload = "{\"probe\":[1],\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}"),
	CASE("new-order/status-not-taken", NEW, MUST, "A status that the client sends is not taken.", case_member,
	    M_JSON("status", "\"valid\""), .on = ON_NEW_ORDER, .arg = "status", .value = "pending|ready",
	    .payload = "{\"status\":\"valid\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}"),
	BAD("no-identifiers", "An order without identifiers is refused as malformed.", "{}", "malformed"),
	BAD("empty-identifiers", "An order for nothing is refused as malformed.", "{\"identifiers\":[]}", "malformed"),
	BAD("identifiers-object", "Identifiers that are no array are refused as malformed.", "{\"identifiers\":{}}", "malformed"),
	BAD("identifier-string", "An identifier that is no object is refused as malformed.", "{\"identifiers\":[\"$NAME\"]}", "malformed"),
	BAD("identifier-no-type", "An identifier without a type is refused.", "{\"identifiers\":[{\"value\":\"$NAME\"}]}", NULL),
	BAD("identifier-no-value", "An identifier without a value is refused.", "{\"identifiers\":[{\"type\":\"dns\"}]}", NULL),
	CASE("new-order/identifier-type-unknown", "RFC 8555 §6.7", SHOULD,
	    "An identifier of an unknown type is refused with unsupportedIdentifier.", case_problem, M_TYPE("serverInternal"),
	    .on = ON_NEW_ORDER, .payload = "{\"identifiers\":[{\"type\":\"tulip\",\"value\":\"$NAME\"}]}", .type = "unsupportedIdentifier"),
	BAD("payload-array", "A payload that is no object is refused as malformed.", "[]", "malformed"),
	BAD("payload-no-json", "A payload that is no JSON is refused as malformed.", "{\"identifiers\":", "malformed"),
	BAD("name-empty", "An empty name is refused.", DNS(""), NULL),
	BAD("name-underscore", "A name with characters that a host name has not is refused.", DNS("bad_name.$NAME"), NULL),
	BAD("name-space", "A name with a space is refused.", DNS("bad name.$NAME"), NULL),
	BAD("name-u-label", "A name that is not in ASCII (A-labels) is refused.", DNS("b\u00fccher.$NAME"), NULL),
	BAD("name-two-dots", "A name with an empty label is refused.", DNS("a..$NAME"), NULL),
	BAD("name-long-label", "A label of more than 63 characters is refused.",
	    DNS("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.$NAME"), NULL),
	BAD("name-hyphen", "A label that begins with a hyphen is refused.", DNS("-a.$NAME"), NULL),
	BAD("name-address", "An address as a DNS name is refused.", DNS("127.0.0.1"), NULL),
	BAD("name-url", "A URL as a name is refused.", DNS("https://$NAME/"), NULL),
	BAD("name-port", "A name with a port is refused.", DNS("$NAME:443"), NULL),
	BAD("wildcard-inside", "A star that is not the first label is refused.", DNS("a.*.$NAME"), NULL),
	BAD("wildcard-part", "A star as a part of a label is refused.", DNS("a*.$NAME"), NULL),
	BAD("wildcard-twice", "Two stars are refused.", DNS("*.*.$NAME"), NULL),
	BAD("wildcard-alone", "A star alone is refused.", DNS("*"), NULL),
	CASE("new-order/not-before-form", OBJ, MUST, "A notBefore that is no RFC 3339 is refused.", case_problem, M_STATUS(201),
	    .on = ON_NEW_ORDER, .payload = "{\"notBefore\":\"tomorrow\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}"),
	CASE("new-order/not-after-form", OBJ, MUST, "A notAfter that is no RFC 3339 is refused.", case_problem, M_STATUS(201),
	    .on = ON_NEW_ORDER, .payload = "{\"notAfter\":\"2099\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}"),
	CASE("new-order/not-after", OBJ, MUST, "A notAfter that is taken is in the order.", wish, M_LOSE("notAfter"), .arg = "notAfter",
	    .status = 7200),
	CASE("new-order/not-before", OBJ, MUST, "A notBefore that is taken is in the order.", wish, M_JSON("notBefore", "\"soon\""),
	    .arg = "notBefore", .status = 0),
	CASE("new-order/backwards", NEW, MUST, "An order that would end before it begins is refused.", backwards, M_STATUS(201)),
	CASE("new-order/subproblems", "RFC 8555 §6.7.1", SHOULD, "Two bad names are told apart by subproblems.", compound,
	    M_LOSE("subproblems"), .arg = "subproblems", .value = "array"),
	CASE("new-order/subproblem-type", "RFC 8555 §6.7.1", MUST, "A subproblem has a type.", compound, M_LOSE("subproblems[0].type"),
	    .arg = "subproblems[0].type", .value = "uri"),
	CASE("new-order/subproblem-identifier", "RFC 8555 §6.7.1", SHOULD, "A subproblem of newOrder names its identifier.", compound,
	    M_LOSE("subproblems[0].identifier"), .arg = "subproblems[0].identifier.value", .value = "string"),

	CASE("order/get-200", NEW, MUST, "An order is had by POST-as-GET, with 200.", case_status, M_STATUS(201), .on = ON_ORDER,
	    .status = 200),
	CASE("order/pending", STATE, MUST, "An order whose authorizations are pending is pending.", case_text,
	    M_JSON("status", "\"ready\""), .on = ON_ORDER, .arg = "status", .value = "pending"),
	CASE("order/expires", OBJ, MUST, "A pending order tells when it expires.", case_member, M_LOSE("expires"), .on = ON_ORDER,
	    .arg = "expires", .value = "time"),
	CASE("order/authorizations", OBJ, MUST, "An order has the URLs of its authorizations.", case_member,
	    M_JSON("authorizations[0]", "7"), .on = ON_ORDER, .arg = "authorizations", .value = "urls"),
	CASE("order/identifiers", OBJ, MUST, "An order has its identifiers.", case_text, M_JSON("identifiers", "[]"), .on = ON_ORDER,
	    .arg = "identifiers[0].value", .value = "$NAME"),
	CASE("order/finalize", OBJ, MUST, "An order has the URL of its finalization.", case_member, M_JSON("finalize", "null"),
	    .on = ON_ORDER, .arg = "finalize", .value = "url"),
	CASE("order/no-certificate", OBJ, MUST, "An order that is not valid has no certificate.", case_no_member,
	    M_JSON("certificate", "\"https://localhost/c\""), .on = ON_ORDER, .arg = "certificate"),
	CASE("order/no-error", OBJ, MUST, "An order that did not fail has no error.", case_no_member, M_JSON("error", "{}"), .on = ON_ORDER,
	    .arg = "error"),
	CASE(
	    "order/ready", STATE, MUST, "An order all of whose authorizations are valid is ready.", ready, M_JSON("status", "\"pending\"")),
	CASE("order/valid", STATE, MUST, "An order whose certificate was issued is valid.", issued, M_JSON("status", "\"processing\""),
	    .arg = "status", .value = "valid"),
	CASE("order/certificate", OBJ, MUST, "A valid order has the URL of its certificate.", issued, M_LOSE("certificate"),
	    .arg = "certificate", .value = "url"),
	CASE("order/valid-expires", OBJ, MUST, "A valid order tells when it expires.", issued, M_LOSE("expires"), .arg = "expires",
	    .value = "time"),
	CASE("order/invalid", STATE, MUST, "An order one of whose authorizations failed is invalid.", failed,
	    M_JSON("status", "\"pending\""), .arg = "status", .value = "invalid"),
	CASE("orders/array", LIST, MUST, "A list of orders is an object with an array of URLs.", case_member, M_JSON("orders", "\"none\""),
	    .on = ON_ORDERS, .arg = "orders", .value = "urls"),
	CASE("orders/pending", LIST, SHOULD, "A list of orders has those that are pending.", lists_the_pending, M_JSON("orders", "[]")),
	CASE("orders/no-invalid", LIST, SHOULD, "A list of orders leaves out those that are invalid.", leaves_out_the_invalid,
	    M_LOSE("orders")),
	CASE("account/orders", "RFC 8555 §7.1.2", MUST, "An account has the URL of its list of orders.", case_member, M_LOSE("orders"),
	    .on = ON_ACCOUNT, .arg = "orders", .value = "url"),
};
CASE_TABLE(order_cases, rows);
