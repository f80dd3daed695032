#include "server/front/request.h"

#include "base/json.h"

/* What a set of bits stands for, in the words of the configuration. */
struct word {
	uint32_t bit;
	const char *text;
};
static const struct word identifiers[] = { { PROFILE_DNS, "dns" }, { PROFILE_WILDCARD, "wildcard" }, { PROFILE_IP, "ip" } };
static const struct word usages[] = { { PROFILE_DIGITAL_SIGNATURE, "digital-signature" },
	{ PROFILE_KEY_ENCIPHERMENT, "key-encipherment" } };
static const struct word purposes[] = { { PROFILE_SERVER_AUTH, "server-auth" }, { PROFILE_CLIENT_AUTH, "client-auth" } };
#define WORDS(w) (w), sizeof(w) / sizeof *(w)

static void put_words(struct json_out *w, const char *name, uint32_t bits, const struct word *v, size_t n)
{
	json_put_key(w, name);
	json_put_array(w);
	for (size_t i = 0; i < n; i++)
		if (bits & v[i].bit)
			json_put_string(w, bytes_str(v[i].text));
	json_end_array(w);
}

static void put_list(struct json_out *w, const char *name, const struct bytes *v, size_t n)
{
	json_put_key(w, name);
	json_put_array(w);
	for (size_t i = 0; i < n; i++)
		json_put_string(w, v[i]);
	json_end_array(w);
}

static void put_types(struct json_out *w, const struct profile *p)
{
	json_put_key(w, "challenges");
	json_put_array(w);
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		if (p->challenges >> t & 1)
			json_put_string(w, bytes_str(challenge_type_name((enum challenge_type)t)));
	json_end_array(w);
	json_put_key(w, "keyTypes");
	json_put_array(w);
	for (unsigned t = 0; t < KEY__MAX; t++)
		if (p->key_types >> t & 1)
			json_put_string(w, bytes_str(key_type_name((enum key_type)t)));
	json_end_array(w);
	if (p->key_types >> KEY_RSA & 1)
		json_put_member_uint(w, "rsaBitsMax", p->rsa_bits_max);
}

static void put_profile(struct json_out *w, const struct profile *p)
{
	json_put_object(w);
	json_put_member(w, "name", p->name);
	json_put_member(w, "doc", p->doc.ptr ? p->doc : BYTES_LIT(""));
	json_put_member_uint(w, "lifetime", p->lifetime_s);
	json_put_member_uint(w, "backdate", p->backdate_s);
	json_put_member_uint(w, "names", p->names_max);
	json_put_member_uint(w, "authzLifetime", p->authz_lifetime_s);
	put_words(w, "identifiers", p->identifiers, WORDS(identifiers));
	put_types(w, p);
	put_words(w, "keyUsage", p->key_usage, WORDS(usages));
	put_words(w, "extendedKeyUsage", p->purposes, WORDS(purposes));
	json_put_member_str(w, "commonName", p->contents & PROFILE_COMMON_NAME ? "first" : "none");
	json_put_member_bool(w, "mustStaple", p->contents & PROFILE_MUST_STAPLE);
	json_put_member_bool(w, "crl", p->contents & PROFILE_CRL);
	json_put_member_bool(w, "ocsp", p->contents & PROFILE_OCSP);
	json_put_member_bool(w, "caIssuers", p->contents & PROFILE_CA_ISSUERS);
	put_list(w, "policies", p->policies, p->n_policies);
	put_list(w, "issuers", p->issuers, p->n_issuers);
	json_end_object(w);
}

/* For programs: what certificates of each profile are, the default first. docs/schema/profiles.json. */
enum err_code get_profiles(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct json_out w = json_out_to(&ret->body);

	(void)e;
	json_put_object(&w);
	json_put_key(&w, "profiles");
	json_put_array(&w);
	for (size_t i = 0; i < s->n_profiles; i++)
		put_profile(&w, &s->profiles[i]);
	json_end_array(&w);
	json_end_object(&w);
	reply_json(ret, 200);
	return ERR_OK;
}
