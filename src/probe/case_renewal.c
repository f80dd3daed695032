/* Renewal information (RFC 9773). */
#include "base/clock.h"
#include "base/codec.h"
#include "pki/cert.h"
#include "probe/list.h"

#include <string.h>

/* RFC 9773 §4.1 */
static enum err_code id_of(struct probe *p, const struct order_of *o, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(256);
	struct cert cert;

	TRY(cert_parse(probe_arena(p), o->leaf, &cert, e));
	if (!cert.authority_key_id.ptr)
		FAIL(e, NOT_FOUND, "certificates here have no authorityKeyIdentifier");
	base64url_add(&text, cert.authority_key_id);
	buf_add_u8(&text, '.');
	base64url_add(&text, cert.serial);
	*ret = buf_ok(&text) ? arena_str(probe_arena(p), buf_bytes(&text)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a certificate's id");
	return ERR_OK;
}

static enum err_code get(struct probe *p, const char *id, struct http_client_answer *ret, struct err *e)
{
	const char *base = probe_url(p, URL_RENEWAL_INFO);
	const char *slash = base[strlen(base) - 1] == '/' ? "" : "/";
	const char *url = (const char *)arena_fmt(probe_arena(p), "%s%s%s", base, slash, id).ptr;

	if (!url)
		FAIL(e, NOMEM, "no memory for a URL");
	return probe_ask(p, &GET(.judged = true, .url = url), ret, e);
}

static enum err_code get_issued(struct probe *p, struct http_client_answer *ret, struct err *e)
{
	const struct order_of *o;
	const char *id;

	TRY(probe_issued(p, &o, e));
	TRY(id_of(p, o, &id, e));
	TRY(get(p, id, ret, e));
	return want_status(ret, 200, e);
}

static enum err_code status_200(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	(void)c;
	return get_issued(p, &x, e);
}

static enum err_code member(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get_issued(p, &x, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

static enum err_code field(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get_issued(p, &x, e));
	return want_field(&x, c->arg, NULL, e);
}

static enum err_code is_json(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	(void)c;
	TRY(get_issued(p, &x, e));
	struct bytes kind = x.content_type, parameters;
	(void)bytes_split(kind, ';', &kind, &parameters);
	if (!kind.ptr || !bytes_eq_str(kind, "application/json"))
		FAIL(e, CONFIRM, "the content type is %.*s", BYTES_FMT(x.content_type));
	return ERR_OK;
}

static enum err_code window(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *start, *end;
	int64_t from, to;

	(void)c;
	TRY(get_issued(p, &x, e));
	TRY(want_string(p, &x, "suggestedWindow.start", &start, e));
	TRY(want_string(p, &x, "suggestedWindow.end", &end, e));
	if (rfc3339_parse(bytes_str(start), &from, NULL) != ERR_OK || rfc3339_parse(bytes_str(end), &to, NULL) != ERR_OK || to <= from)
		FAIL(e, CONFIRM, "the window begins at %.40s and ends at %.40s", start, end);
	return ERR_OK;
}

/* RFC 9110 §10.2.3 */
static enum err_code retry_form(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes value;

	(void)c;
	TRY(get_issued(p, &x, e));
	TRY(want_field(&x, "retry-after", &value, e));
	bool seconds = value.len > 0, date = value.len == 29 && value.ptr[3] == ',';
	for (size_t i = 0; i < value.len; i++)
		seconds = seconds && value.ptr[i] >= '0' && value.ptr[i] <= '9';
	if (!seconds && !date)
		FAIL(e, CONFIRM, "Retry-After is neither seconds nor a date: %.*s", (int)(value.len < 80 ? value.len : 80),
		    (const char *)value.ptr);
	return ERR_OK;
}

static enum err_code explanation(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get_issued(p, &x, e));
	return member_of(p, x.body, c->arg).ptr ? want_kind(p, &x, c->arg, c->value, e) : ERR_OK;
}

static enum err_code in_time(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *end;
	struct cert leaf;
	int64_t to;

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(cert_parse(probe_arena(p), o->leaf, &leaf, e));
	TRY(get_issued(p, &x, e));
	TRY(want_string(p, &x, "suggestedWindow.end", &end, e));
	if (rfc3339_parse(bytes_str(end), &to, NULL) != ERR_OK || to > leaf.not_after_s)
		FAIL(e, CONFIRM, "the window ends at %.40s, after the certificate", end);
	return ERR_OK;
}

static enum err_code bad_id(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;

	TRY(get(p, c->arg, &x, e));
	return want_problem(p, &x, c->status, c->type, e);
}

/* --- replaces --- */

static enum err_code order_for(
    struct probe *p, const struct actor *who, const char *name, const char *id, bool judged, struct http_client_answer *ret, struct err *e)
{
	const char *payload =
	    (const char *)arena_fmt(probe_arena(p), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],\"replaces\":\"%s\"}", name, id)
		.ptr;

	if (!payload)
		FAIL(e, NOMEM, "no memory for an order");
	return probe_ask(p, &ASK(.judged = judged, .url = probe_url(p, URL_NEW_ORDER), .as = who, .payload = payload), ret, e);
}

static enum err_code order_replacing(
    struct probe *p, const struct actor *who, const char *id, bool judged, struct http_client_answer *ret, struct err *e)
{
	return order_for(p, who, probe_name(p, 0), id, judged, ret, e);
}

static enum err_code replaces(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	const char *id;

	(void)c;
	TRY(make_issued(p, &o, e));
	TRY(id_of(p, o, &id, e));
	TRY(order_replacing(p, o->owner, id, true, &x, e));
	TRY(want_status(&x, 201, e));
	return want_text(p, &x, "replaces", id, e);
}

/* The order itself says so later, too. */
static enum err_code goes_on(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	struct order_of *o;
	const char *id;

	(void)c;
	TRY(make_issued(p, &o, e));
	TRY(id_of(p, o, &id, e));
	TRY(order_replacing(p, o->owner, id, false, &x, e));
	if (x.status != 201 || !x.location.ptr)
		FAIL(e, CONFIG, "no order that replaces a certificate could be made: %d", x.status);
	TRY(probe_ask(p, &ASK(.judged = true, .url = arena_str(probe_arena(p), x.location), .as = o->owner), &y, e));
	TRY(want_status(&y, 200, e));
	return want_text(p, &y, "replaces", id, e);
}

static enum err_code of_other_names(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const char *id;

	(void)c;
	if (!probe_name(p, 1))
		FAIL(e, NOT_FOUND, "a second --name is needed");
	TRY(probe_issued(p, &o, e));
	TRY(id_of(p, o, &id, e));
	TRY(order_for(p, o->owner, probe_name(p, 1), id, true, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

static enum err_code replaces_twice(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct order_of *o;
	const char *id;

	TRY(make_issued(p, &o, e));
	TRY(id_of(p, o, &id, e));
	TRY(order_replacing(p, o->owner, id, false, &x, e));
	if (x.status != 201)
		FAIL(e, CONFIG, "no order that replaces a certificate could be made: %d", x.status);
	TRY(order_replacing(p, o->owner, id, true, &x, e));
	return want_problem(p, &x, c->status, c->type, e);
}

static enum err_code replaces_anothers(struct probe *p, const struct probe_case *c, struct err *e)
{
	const struct order_of *o;
	struct http_client_answer x;
	const struct actor *who;
	const char *id;

	(void)c;
	TRY(probe_issued(p, &o, e));
	TRY(probe_other(p, &who, e));
	TRY(id_of(p, o, &id, e));
	TRY(order_replacing(p, who, id, true, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

#define GETS                                    "RFC 9773 §4.1"
#define OBJ                                     "RFC 9773 §4.2"
#define ORDER                                   "RFC 9773 §5"
#define ARI(id, section, level, must, run, ...) CASE(id, section, level, must, run, __VA_ARGS__, .needs = NEED_ARI)

static const struct probe_case rows[] = {
	ARI("directory/renewal-info", "RFC 9773 §3", MUST, "renewalInfo is an https URL.", case_directory_member,
	    M_JSON("renewalInfo", "\"/ari\""), .arg = "renewalInfo", .value = "url"),
	ARI("renewal-info/get-200", GETS, MUST, "Renewal information is had by an unauthenticated GET.", status_200, M_STATUS(405)),
	ARI("renewal-info/content-type", OBJ, MUST, "Renewal information is of the type application/json.", is_json,
	    M_SET("content-type", "text/plain")),
	ARI("renewal-info/window", OBJ, MUST, "There is a suggestedWindow.", member, M_LOSE("suggestedWindow"), .arg = "suggestedWindow",
	    .value = "object"),
	ARI("renewal-info/start", OBJ, MUST, "The window's start is in RFC 3339.", member, M_JSON("suggestedWindow.start", "1764000000"),
	    .arg = "suggestedWindow.start", .value = "time"),
	ARI("renewal-info/end", OBJ, MUST, "The window's end is in RFC 3339.", member, M_LOSE("suggestedWindow.end"),
	    .arg = "suggestedWindow.end", .value = "time"),
	ARI("renewal-info/order", OBJ, MUST, "The window ends after it begins.", window,
	    M_JSON("suggestedWindow.end", "\"2001-01-01T00:00:00Z\"")),
	ARI("renewal-info/retry-after", "RFC 9773 §4.3", SHOULD, "Retry-After says when to ask again.", field, M_DROP("retry-after"),
	    .arg = "retry-after"),
	ARI("renewal-info/retry-after-form", "RFC 9110 §10.2.3", MUST, "Retry-After is a number of seconds or a date.", retry_form,
	    M_SET("retry-after", "6 hours")),
	ARI("renewal-info/explanation", OBJ, MUST, "An explanationURL, where there is one, is a URL.", explanation,
	    M_JSON("explanationURL", "{}"), .arg = "explanationURL", .value = "uri"),
	ARI("renewal-info/in-time", OBJ, SHOULD, "The window ends before the certificate does.", in_time,
	    M_JSON("suggestedWindow.end", "\"2999-01-01T00:00:00Z\"")),
	ARI("renewal-info/id-form", GETS, MUST, "An id that is none is refused.", bad_id, M_STATUS(200), .arg = "no-dot-in-it"),
	ARI("renewal-info/id-padding", GETS, MUST, "An id with padding is refused.", bad_id, M_STATUS(200),
	    .arg = "aYhba4dGQEHhs3uEe6CuLN4ByNQ=.AIdlQyE="),
	ARI("renewal-info/id-unknown", GETS, MUST, "A certificate that the server did not issue is a problem, not a window.", bad_id,
	    M_STATUS(200), .arg = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"),
	ARI("new-order/replaces", ORDER, MUST, "An order that replaces a certificate says so.", replaces, M_LOSE("replaces")),
	ARI("order/replaces", ORDER, MUST, "An order that replaces a certificate goes on saying so.", goes_on,
	    M_JSON("replaces", "\"AA.AA\"")),
	ARI("new-order/replaces-other-names", ORDER, SHOULD, "An order that shares no name with what it replaces is refused.",
	    of_other_names, M_STATUS(201)),
	ARI("new-order/replaces-twice", ORDER, MUST, "A certificate that is replaced already is refused with 409 and alreadyReplaced.",
	    replaces_twice, M_TYPE("malformed"), .status = 409, .type = "alreadyReplaced"),
	ARI("new-order/replaces-anothers", ORDER, SHOULD, "Another account's certificate is not replaced.", replaces_anothers,
	    M_STATUS(201)),
	ARI("new-order/replaces-form", ORDER, SHOULD, "A \"replaces\" that is no certificate's id is refused.", case_problem, M_STATUS(201),
	    .on = ON_NEW_ORDER, .payload = "{\"replaces\":\"x\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}"),
};
CASE_TABLE(renewal_cases, rows);
