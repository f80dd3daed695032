#include "agent/keys/sign_rules.h"

#include "acme/identifier.h"
#include "base/codec.h"
#include "base/json.h"
#include "pki/csr.h"

#include <errno.h>

#define IDENTIFIERS_MAX 100
#define MEMBERS_MAX     JSON_MEMBERS_MAX

/* --- the payload's members, and what they would do --- */

enum meaning { HARMLESS, ORDER, STATUS, CONTACT, KEY_CHANGE, REVOCATION };
static const struct {
	const char *name;
	enum meaning meaning;
} members[] = {
	{ "termsOfServiceAgreed", HARMLESS },
	{ "onlyReturnExisting", HARMLESS },
	{ "externalAccountBinding", HARMLESS },
	{ "contact", CONTACT },
	{ "identifiers", ORDER },
	{ "profile", HARMLESS },
	{ "replaces", HARMLESS },
	{ "notBefore", HARMLESS },
	{ "notAfter", HARMLESS },
	{ "csr", HARMLESS }, /* which the certificate's key has signed */
	{ "status", STATUS },
	{ "protected", KEY_CHANGE }, /* what the new key has signed (RFC 8555 §7.3.5) */
	{ "payload", KEY_CHANGE },
	{ "signature", KEY_CHANGE },
	{ "account", KEY_CHANGE }, /* what the new key signs */
	{ "oldKey", KEY_CHANGE },
	{ "certificate", REVOCATION },
	{ "reason", REVOCATION },
};

struct identifier_json {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct identifier_json, value, "value", JSON_STRING, true, 300),
};

static bool is_wanted(const struct sign_rules *r, const struct san *name)
{
	for (size_t i = 0; i < r->n_names; i++)
		if (san_cmp(&r->names[i], name) == 0)
			return true;
	return false;
}

static enum err_code check_order(const struct sign_rules *r, struct arena *a, struct bytes identifiers, struct err *e)
{
	struct bytes *v;
	size_t n;

	TRY(json_elements(a, identifiers, IDENTIFIERS_MAX, &v, &n, e));
	for (size_t i = 0; i < n; i++) {
		struct identifier_json j = { .type = BYTES_NONE };
		struct identifier id;
		struct san san;
		TRY(json_read(a, v[i], "an identifier", identifier_fields, 2, &j, e));
		TRY(identifier_parse(a, j.type, j.value, &id, e));
		TRY(identifier_san(a, &id, &san, e));
		errno = 0;
		if (!is_wanted(r, &san))
			FAIL(e, UNAUTHORIZED, "nothing is signed that orders %.200s",
			    (const char *)arena_fmt(a, "%.*s", BYTES_FMT(j.value)).ptr);
	}
	return ERR_OK;
}

static enum err_code check_member(
    const struct sign_rules *r, struct arena *a, const struct json_member *m, bool makes_account, struct err *e)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (!bytes_eq_str(m->key, members[i].name))
			continue;
		switch (members[i].meaning) {
		case HARMLESS:
			return ERR_OK;
		case ORDER:
			return check_order(r, a, m->value, e);
		case STATUS:
			if (r->may & SIGN_MAY_DEACTIVATE)
				return ERR_OK;
			FAIL(e, UNAUTHORIZED, "nothing is signed that ends an account or an authorization");
		case CONTACT:
			if (makes_account || (r->may & SIGN_MAY_UPDATE))
				return ERR_OK;
			FAIL(e, UNAUTHORIZED, "nothing is signed that changes the account's contacts");
		case KEY_CHANGE:
			if (r->may & SIGN_MAY_ROLL_OVER)
				return ERR_OK;
			FAIL(e, UNAUTHORIZED, "nothing is signed that gives the account another key");
		case REVOCATION:
			if (r->may & SIGN_MAY_REVOKE)
				return ERR_OK;
			FAIL(e, UNAUTHORIZED, "nothing is signed that revokes a certificate");
		}
	}
	FAIL(e, UNAUTHORIZED, "nothing is signed with the unknown member \"%.60s\"",
	    (const char *)arena_fmt(a, "%.*s", BYTES_FMT(m->key)).ptr);
}

/* --- the header --- */

struct header_json {
	struct bytes alg, nonce, url, kid, jwk;
};
static const struct json_field header_fields[] = {
	JSON_FIELD(struct header_json, alg, "alg", JSON_STRING, true, 32),
	JSON_FIELD(struct header_json, nonce, "nonce", JSON_STRING, false, 4096),
	JSON_FIELD(struct header_json, url, "url", JSON_STRING, true, 4096),
	JSON_FIELD(struct header_json, kid, "kid", JSON_STRING, false, 4096),
	JSON_FIELD(struct header_json, jwk, "jwk", JSON_OBJECT, false, 0),
};

static enum err_code check_header(const struct sign_rules *r, struct arena *a, struct bytes text, bool *ret_makes_account, struct err *e)
{
	struct header_json h = { .alg = BYTES_NONE };

	TRY(json_read(a, text, "a request's header", header_fields, sizeof header_fields / sizeof *header_fields, &h, e));
	errno = 0;
	if (!h.nonce.ptr && !(r->may & SIGN_MAY_ROLL_OVER))
		FAIL(e, UNAUTHORIZED, "nothing is signed without a nonce");
	*ret_makes_account = h.jwk.ptr != NULL;
	return ERR_OK;
}

static enum err_code check_payload(const struct sign_rules *r, struct arena *a, struct bytes text, bool makes_account, struct err *e)
{
	struct json_member *v;
	size_t n;

	if (text.len == 0)
		return ERR_OK; /* POST-as-GET */
	TRY(json_check(text, e));
	errno = 0;
	if (text.ptr[0] != '{')
		FAIL(e, UNAUTHORIZED, "nothing is signed that is no object");
	TRY(json_members(a, text, MEMBERS_MAX, &v, &n, e));
	for (size_t i = 0; i < n; i++)
		TRY(check_member(r, a, &v[i], makes_account, e));
	return ERR_OK;
}

enum err_code sign_rules_request(const struct sign_rules *r, struct bytes message, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	struct bytes head, tail, header, payload = BYTES_LIT("");
	bool makes_account;

	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory to look at a request");
	if (!bytes_split(message, '.', &head, &tail))
		FAIL(e, MALFORMED, "this is no signed request");
	TRY(base64url_decode(a, head, &header, e));
	if (tail.len > 0)
		TRY(base64url_decode(a, tail, &payload, e));
	TRY(check_header(r, a, header, &makes_account, e));
	return check_payload(r, a, payload, makes_account, e);
}

enum err_code sign_rules_csr(const struct sign_rules *r, const struct key *k, struct bytes message, struct err *e)
{
	CLEANUP(buf_free_p) struct buf info = buf_new(CSR_SIZE_MAX);

	csr_write_info(key_spki(k), r->names, r->n_names, r->must_staple, &info);
	errno = 0;
	if (r->n_names == 0 || !buf_ok(&info) || !bytes_eq(buf_bytes(&info), message))
		FAIL(e, UNAUTHORIZED, "nothing is signed but the request for the names that are wanted");
	return ERR_OK;
}
