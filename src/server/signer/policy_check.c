/* What an account may have certified at all. The signer judges by its own copy of the rules: a front that forgot to ask, or that is
 * not ours any more, changes nothing. */
#include "server/signer/state.h"

#include <errno.h>

static enum err_code check_kind(const struct profile *p, const struct identifier *id, struct err *e)
{
	if (id->type == IDENTIFIER_IP && !(p->identifiers & PROFILE_IP))
		FAIL(e, REJECTED_IDENTIFIER, "the profile \"%.*s\" certifies no IP addresses", BYTES_FMT(p->name));
	if (id->type == IDENTIFIER_DNS && id->wildcard && !(p->identifiers & PROFILE_WILDCARD))
		FAIL(e, REJECTED_IDENTIFIER, "the profile \"%.*s\" certifies no wildcards", BYTES_FMT(p->name));
	if (id->type == IDENTIFIER_DNS && !id->wildcard && !(p->identifiers & PROFILE_DNS))
		FAIL(e, REJECTED_IDENTIFIER, "the profile \"%.*s\" certifies no DNS names", BYTES_FMT(p->name));
	return ERR_OK;
}

/* The key that has bound the account; NULL where the configuration asks for none and there is none. A revoked key takes its
 * accounts with it; one that has expired or is used up only binds no others. */
static enum err_code bound_by(const struct signer *s, const struct evidence *v, const struct eab_key **ret, struct err *e)
{
	const struct account_known *k = accounts_of_key(s->accounts, v->thumbprint);

	*ret = NULL;
	if (bytes_eq_str(s->settings.external_accounts, "off"))
		return ERR_OK;
	if (!k || !k->bound) {
		if (bytes_eq_str(s->settings.external_accounts, "required"))
			FAIL(e, EXTERNAL_ACCOUNT_REQUIRED,
			    "this CA certifies for accounts that an external account key has bound, and this one is not");
		return ERR_OK;
	}
	const struct eab_key *key = eab_keys_find_raw(s->eab, k->kid);
	if (!key)
		FAIL(e, UNAUTHORIZED, "the external account key that has bound the account is not known here any more");
	if (key->revoked_ms)
		FAIL(e, UNAUTHORIZED, "the external account key that has bound the account has been revoked");
	*ret = key;
	return ERR_OK;
}

enum err_code policy_check(const struct signer *s, const struct evidence *v, struct err *e)
{
	const struct eab_key *key;

	errno = 0;
	TRY(bound_by(s, v, &key, e));
	if (key)
		TRY(eab_key_allows_profile(key, v->profile->name, e));
	for (size_t i = 0; i < v->n_identifiers; i++) {
		TRY(check_kind(v->profile, &v->identifiers[i], e));
		TRY(name_policy_judge(&s->policy, &v->identifiers[i], e));
		TRY(blocks_judge_name(s->blocks, &v->identifiers[i], e));
		if (key)
			TRY(eab_key_allows_name(key, &v->identifiers[i], e));
	}
	return ERR_OK;
}
