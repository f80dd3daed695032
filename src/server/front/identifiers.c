#include "server/front/identifiers.h"

#include "base/json.h"
#include "server/front/offer.h"

struct identifier_body {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_body, type, "type", JSON_STRING, true, 64),
	JSON_FIELD(struct identifier_body, value, "value", JSON_STRING, true, 300),
};

/* Whether the profile certifies such an identifier at all, and has a way to show control of it. */
static enum err_code check_profile(const struct profile *p, uint32_t off, const struct identifier *id, struct err *e)
{
	if (id->type == IDENTIFIER_IP && !(p->identifiers & PROFILE_IP))
		FAIL(e, UNSUPPORTED_IDENTIFIER, "the profile \"%.*s\" has no IP addresses: identifiers of type \"dns\" are allowed",
		    BYTES_FMT(p->name));
	if (id->type == IDENTIFIER_DNS && !id->wildcard && !(p->identifiers & PROFILE_DNS))
		FAIL(e, UNSUPPORTED_IDENTIFIER, "the profile \"%.*s\" has no plain DNS names, only %s", BYTES_FMT(p->name),
		    p->identifiers & PROFILE_IP ? p->identifiers & PROFILE_WILDCARD ? "wildcards and IP addresses" : "IP addresses"
						: "wildcards");
	if (id->wildcard && !(p->identifiers & PROFILE_WILDCARD))
		FAIL(e, REJECTED_IDENTIFIER, "the profile \"%.*s\" has no wildcards: ask for each name by itself", BYTES_FMT(p->name));
	if (challenges_offered(p, off, id) == 0)
		FAIL(e, REJECTED_IDENTIFIER, "the profile \"%.*s\" allows no challenge that could show control of %s%s", BYTES_FMT(p->name),
		    id->wildcard ? "a wildcard: it takes dns-01" : "it",
		    p->challenges & off ? "; this CA's operator has switched one off" : "");
	return ERR_OK;
}

enum err_code identifier_read(
    struct acme_request *r, const struct profile *p, struct bytes text, struct identifier *ret, struct err_sub *sub, struct err *e)
{
	struct identifier_body body = { 0 };
	struct identifier id;

	TRY(json_read(r->http->arena, text, "an identifier", identifier_fields, 2, &body, e));
	enum err_code rc = identifier_parse(r->http->arena, body.type, body.value, &id, e);
	if (rc == ERR_OK)
		rc = check_profile(p, blocks_methods(r->front->blocks), &id, e);
	if (rc == ERR_OK)
		rc = names_judge(r->front->names, &id, e);
	if (rc == ERR_OK)
		rc = blocks_judge_name(r->front->blocks, &id, e);
	if (rc != ERR_OK) {
		*sub = (struct err_sub){ rc, body.type, body.value, arena_copy(r->http->arena, bytes_str(e->detail)) };
		return rc;
	}
	*ret = id;
	return ERR_OK;
}

enum err_code identifiers_read(
    struct acme_request *r, const struct profile *p, struct bytes array, struct identifier **ret, size_t *ret_n, struct err *e)
{
	size_t n, n_subs = 0, most = p->names_max < STORE_NAMES_MAX ? p->names_max : STORE_NAMES_MAX;
	enum err_code worst = ERR_OK;
	struct bytes *texts;

	TRY(json_elements(r->http->arena, array, JSON_ARRAY_MAX, &texts, &n, e));
	if (n == 0 || n > most)
		FAIL(e, MALFORMED, "an order has 1 to %zu identifiers, not %zu", most, n);
	struct identifier *ids = arena_array(r->http->arena, n, sizeof *ids);
	struct err_sub *subs = arena_array(r->http->arena, n, sizeof *subs);
	if (!ids || !subs)
		FAIL(e, NOMEM, "no memory for identifiers");
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = identifier_read(r, p, texts[i], &ids[i], &subs[n_subs], e);
		if (rc != ERR_OK && !subs[n_subs].identifier_type.ptr)
			return rc;
		n_subs += rc != ERR_OK;
		worst = rc != ERR_OK ? rc : worst;
	}
	if (n_subs > 0 && n > 1) {
		e->subs = subs;
		e->n_subs = n_subs;
		return err_set(e, n_subs > 1 ? ERR_COMPOUND : worst, __FILE__, __LINE__,
		    "%zu of %zu identifiers are refused; the subproblems say why", n_subs, n);
	}
	if (n_subs > 0)
		return worst;
	*ret = ids;
	*ret_n = identifier_sort(ids, n);
	return ERR_OK;
}
