#include "server/front/request.h"

#include "base/json.h"

/* draft-ietf-acme-profiles: each with a sentence, or a URL, for people. */
static void put_profiles(struct json_out *w, struct arena *a, const struct settings *s)
{
	json_put_key(w, "profiles");
	json_put_object(w);
	for (size_t i = 0; i < s->n_profiles; i++) {
		const struct profile *p = &s->profiles[i];
		const char *name = arena_str(a, p->name);
		if (name)
			json_put_member(w, name, p->doc.len ? p->doc : p->name);
	}
	json_end_object(w);
}

/* RFC 8555 §7.1.1. */
enum err_code get_directory(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct json_out w = json_out_to(&ret->body);

	(void)e;
	json_put_object(&w);
	json_put_member(&w, "newNonce", front_url(r, "/acme/new-nonce"));
	json_put_member(&w, "newAccount", front_url(r, "/acme/new-account"));
	json_put_member(&w, "keyChange", front_url(r, "/acme/key-change"));
	json_put_member(&w, "newOrder", front_url(r, "/acme/new-order"));
	json_put_member(&w, "newAuthz", front_url(r, "/acme/new-authz"));
	json_put_member(&w, "revokeCert", front_url(r, "/acme/revoke-cert"));
	json_put_member(&w, "renewalInfo", front_url(r, "/acme/renewal-info"));
	json_put_key(&w, "meta");
	json_put_object(&w);
	if (s->terms_of_service.len)
		json_put_member(&w, "termsOfService", s->terms_of_service);
	if (s->website.len)
		json_put_member(&w, "website", s->website);
	if (bytes_eq_str(s->external_accounts, "required"))
		json_put_member_bool(&w, "externalAccountRequired", true);
	json_put_key(&w, "caaIdentities");
	json_put_array(&w);
	json_put_string(&w, s->caa_identity);
	json_end_array(&w);
	put_profiles(&w, r->http->arena, s);
	json_end_object(&w);
	json_end_object(&w);
	reply_field(ret, "Link", arena_fmt(r->http->arena, "<%.*s>;rel=\"describedby\"", BYTES_FMT(front_url(r, "/profiles"))));
	reply_json(ret, 200);
	return ERR_OK;
}
