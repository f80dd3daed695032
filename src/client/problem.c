#include "client/problem.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_PREFIX "urn:ietf:params:acme:error:"

struct document {
	struct bytes type, detail, title, subproblems, identifier;
};
static const struct json_field document_fields[] = {
	JSON_FIELD(struct document, type, "type", JSON_ANY, false, 0),
	JSON_FIELD(struct document, detail, "detail", JSON_ANY, false, 0),
	JSON_FIELD(struct document, title, "title", JSON_ANY, false, 0),
	JSON_FIELD(struct document, subproblems, "subproblems", JSON_ANY, false, 0),
	JSON_FIELD(struct document, identifier, "identifier", JSON_ANY, false, 0),
};

struct identifier_value {
	struct bytes value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_value, value, "value", JSON_ANY, false, 0),
};

/* What a problem of a type means here: result, whose fault, and what to do. */
static const struct meaning {
	enum err_code code;
	enum chancery_fault fault;
	const char *hint;
} meanings[] = {
	{ ERR_ACCOUNT_DOES_NOT_EXIST, CHANCERY_FAULT_CALLER, "the CA does not know this account key" },
	{ ERR_BAD_CSR, CHANCERY_FAULT_CALLER, "ask for names and a key type that this CA certifies" },
	{ ERR_BAD_PUBLIC_KEY, CHANCERY_FAULT_CALLER, "use a key of another type or size" },
	{ ERR_BAD_SIGNATURE_ALGORITHM, CHANCERY_FAULT_CALLER, "use an account key of another type" },
	{ ERR_CAA, CHANCERY_FAULT_NAME, "the name's CAA records do not let this CA issue: add one that names it, or use the CA they name" },
	{ ERR_CONNECTION, CHANCERY_FAULT_NAME,
	    "the CA has to reach port 80 of the name: look at its DNS addresses, port forwarding and firewalls" },
	{ ERR_DNS, CHANCERY_FAULT_NAME, "look at the name's DNS: an A or AAAA record has to lead here" },
	{ ERR_INCORRECT_RESPONSE, CHANCERY_FAULT_NAME, "the name led the CA to a web server that does not give this challenge's answer" },
	{ ERR_TLS, CHANCERY_FAULT_NAME, "look at the TLS set-up of the name's web server" },
	{ ERR_EXTERNAL_ACCOUNT_REQUIRED, CHANCERY_FAULT_CALLER,
	    "this CA makes accounts only for those it knows already (external account binding)" },
	{ ERR_INVALID_PROFILE, CHANCERY_FAULT_CALLER, "take one of the profiles that the CA offers" },
	{ ERR_ALREADY_REVOKED, CHANCERY_FAULT_CALLER, "nothing is left to do: it is revoked" },
	{ ERR_ALREADY_REPLACED, CHANCERY_FAULT_CALLER, "order without saying what is replaced" },
	{ ERR_BAD_REVOCATION_REASON, CHANCERY_FAULT_CALLER, "give another reason, or none" },
	{ ERR_INVALID_CONTACT, CHANCERY_FAULT_CALLER, "give another contact" },
	{ ERR_UNSUPPORTED_CONTACT, CHANCERY_FAULT_CALLER, "give another contact" },
	{ ERR_RATE_LIMITED, CHANCERY_FAULT_CALLER, "wait before the next try" },
	{ ERR_REJECTED_IDENTIFIER, CHANCERY_FAULT_CALLER, "this CA does not issue for the name" },
	{ ERR_UNSUPPORTED_IDENTIFIER, CHANCERY_FAULT_CALLER, "this CA does not issue for names of this kind" },
	{ ERR_UNAUTHORIZED, CHANCERY_FAULT_CALLER, "this account may not do that" },
	{ ERR_USER_ACTION_REQUIRED, CHANCERY_FAULT_CALLER, "do what the CA asks for, then try again" },
};

struct bytes problem_string(struct arena *a, struct bytes value)
{
	struct bytes text;

	if (value.len == 0 || value.ptr[0] != '"' || json_string(a, value, &text, NULL) != ERR_OK)
		return BYTES_NONE;
	return text;
}

static struct document read_document(struct arena *a, struct bytes json)
{
	struct document d = { 0 };

	if (json_read(a, json, "a problem", document_fields, sizeof document_fields / sizeof *document_fields, &d, NULL) != ERR_OK)
		return (struct document){ 0 };
	d.type = problem_string(a, d.type);
	d.detail = problem_string(a, d.detail);
	d.title = problem_string(a, d.title);
	return d;
}

static enum err_code code_of(struct bytes type)
{
	return type.ptr ? err_from_urn(type) : ERR_SERVER_INTERNAL;
}

enum err_code problem_code(struct arena *a, struct bytes json)
{
	return code_of(read_document(a, json).type);
}

static void put_type(struct bytes type, char *out, size_t size)
{
	if (type.ptr && bytes_starts_with(type, BYTES_LIT(TYPE_PREFIX)))
		type = bytes_slice(type, sizeof TYPE_PREFIX - 1, type.len);
	if (bytes_eq_str(type, "about:blank")) /* RFC 7807 §4.2: says nothing but the status */
		type = BYTES_NONE;
	failure_text(type, out, size);
}

static void put_sub(struct failure_sub *to, struct arena *a, struct bytes json)
{
	struct document d = read_document(a, json);
	struct identifier_value id = { 0 };

	put_type(d.type, to->type, sizeof to->type);
	failure_text(d.detail, to->detail, sizeof to->detail);
	if (d.identifier.len && d.identifier.ptr[0] == '{' &&
	    json_read(a, d.identifier, "an identifier", identifier_fields, 1, &id, NULL) == ERR_OK)
		failure_text(problem_string(a, id.value), to->name, sizeof to->name);
}

/* Subproblems that cannot be read are left out: the problem itself still tells something. */
static void put_subs(struct chancery_error *x, struct arena *a, struct bytes array)
{
	struct bytes *v;
	size_t n;

	if (array.len == 0 || array.ptr[0] != '[' || json_elements(a, array, FAILURE_SUBS_MAX, &v, &n, NULL) != ERR_OK || n == 0)
		return;
	x->subs = calloc(n, sizeof *x->subs);
	for (size_t i = 0; x->subs && i < n; i++)
		put_sub(&x->subs[x->n_subs++], a, v[i]);
}

static void put_message(struct chancery_error *x, const struct document *d, const char *doing)
{
	char detail[1536];

	failure_text(d->detail.len ? d->detail : d->title, detail, sizeof detail);
	if (!detail[0] && x->http_status)
		(void)snprintf(detail, sizeof detail, "the server answered with HTTP status %d and no reason", x->http_status);
	else if (!detail[0])
		(void)snprintf(detail, sizeof detail, "the server gave no reason");
	int n = snprintf(x->message, sizeof x->message, "%s%s%s", doing ? doing : "", doing ? ": " : "", detail);
	if (x->type[0] && n > 0 && (size_t)n < sizeof x->message)
		(void)snprintf(x->message + n, sizeof x->message - (size_t)n, " (%s)", x->type);
}

/* "unauthorized" of a validation means that the answer that was seen is not the right one (RFC 8555 §8.3). */
static void judge(struct chancery_error *x, enum err_code code, enum problem_place place)
{
	bool validation = place == PROBLEM_OF_VALIDATION;
	struct meaning m = { code, validation ? CHANCERY_FAULT_NAME : CHANCERY_FAULT_SERVER, NULL };

	/* step-ca calls the wrong answer a rejected identifier. */
	if (validation && (code == ERR_UNAUTHORIZED || code == ERR_REJECTED_IDENTIFIER))
		code = ERR_INCORRECT_RESPONSE;
	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
		if (meanings[i].code == code)
			m = meanings[i];
	if (x->http_status == 501)
		m = (struct meaning){ code, CHANCERY_FAULT_SERVER, "this CA cannot do that" };
	else if (m.fault == CHANCERY_FAULT_SERVER)
		m.hint = x->http_status >= 500 || x->http_status == 0
			     ? "the CA has a problem of its own: try again later"
			     : "the CA did not take the request: if it goes on, tell its operators";
	(void)failure_note(x, code, validation ? CHANCERY_VALIDATION : CHANCERY_REFUSED, m.fault, m.hint);
}

enum err_code problem_document_read(
    struct chancery_error *x, struct arena *a, struct bytes json, int status, enum problem_place place, const char *doing, struct err *e)
{
	struct document d = read_document(a, json);
	enum err_code code = code_of(d.type);

	x->http_status = status;
	put_type(d.type, x->type, sizeof x->type);
	if (!x->type[0] && status == 429) { /* of what stands before the CA, or to a HEAD, which has no body */
		code = ERR_RATE_LIMITED;
		(void)snprintf(x->type, sizeof x->type, "rateLimited");
	}
	put_message(x, &d, doing);
	put_subs(x, a, d.subproblems);
	judge(x, code, place);
	return err_set(e, code, __FILE__, __LINE__, "%.300s", x->message);
}
