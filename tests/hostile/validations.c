/* What the front may name in VALIDATE, and what it may not. */
#include "attack.h"

#include "jose/jwk.h"

#include <stdio.h>
#include <string.h>

static struct bytes fresh_token(struct attacker *w)
{
	struct message m;

	bool ok = link_ask(w, &w->validator, MESSAGE_TOKENS_ASK, BYTES_LIT("\0\0\0\1"), &m) && m.type == MESSAGE_TOKENS &&
		  m.body.len == TOKEN_LEN;
	need(w, ok ? ERR_OK : ERR_TIMEOUT, "asking for a token", NULL);
	return copy_of(w->a, m.body);
}

static struct validate good(struct attacker *w, const char *name, unsigned account)
{
	struct validate v = { .method = CHALLENGE_TYPE_HTTP_01,
		.identifier = { .type = IDENTIFIER_DNS, .value = bytes_str(name) },
		.token = fresh_token(w),
		.account_url = account_url_of(w, account) };

	jwk_thumbprint(w->account[account], v.thumbprint);
	return v;
}

static enum err_code ask(struct attacker *w, const struct validate *v, struct validated *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	struct message m;

	validate_write(v, &out);
	if (!link_ask(w, &w->validator, MESSAGE_VALIDATE, buf_bytes(&out), &m) || m.type != MESSAGE_VALIDATED)
		FAIL(e, TIMEOUT, "the validator does not answer");
	TRY(validated_read(m.body, ret, e));
	ret->control = copy_of(w->kept, ret->control);
	ret->caa = copy_of(w->kept, ret->caa);
	return ret->code == ERR_OK ? ERR_OK : err_set(e, ret->code, __FILE__, __LINE__, "%.*s", BYTES_FMT(ret->detail));
}

void gather_proofs(struct attacker *w)
{
	static const struct proof plan[PROOF__MAX] = { { .name = "a.test", .account = ACCOUNT_A },
		{ .name = "b.test", .account = ACCOUNT_B }, { .name = "c.test", .account = ACCOUNT_A } };
	struct validated done;
	struct err e = { 0 };

	for (size_t i = 0; i < PROOF__MAX; i++) {
		struct validate v = good(w, plan[i].name, plan[i].account);
		need(w, ask(w, &v, &done, &e), "an honest validation", &e);
		w->proofs[i] = plan[i];
		w->proofs[i].control = done.control;
		w->proofs[i].caa = done.caa;
	}
	struct validate v = good(w, "a.test", ACCOUNT_A);
	v.account_url = account_url_of(w, ACCOUNT_B);
	need(w, ask(w, &v, &done, &e), "a validation with another account's URL", &e);
	w->crossed_control = done.control;
	w->crossed_caa = done.caa;
}

static void refused(struct attacker *w, const char *name, const struct validate *v)
{
	struct validated done;
	struct err e = { 0 };

	enum err_code rc = ask(w, v, &done, &e);
	report(w, name, rc != ERR_OK && rc != ERR_TIMEOUT, "%s: %s", rc == ERR_OK ? "VALIDATED" : err_name(rc), e.detail);
}

static void bad_tokens(struct attacker *w)
{
	static const struct {
		const char *name, *token;
	} cases[] = {
		{ "validator: a token of one's own", "DGyRejmCefe7v4NfDGDKfADGyRejmCefe7v4NfDGDKf" },
		{ "validator: a token that is a path", "../../x" },
		{ "validator: a token of 43 path characters", "../../../../../../../../../../../../../../x" },
		{ "validator: a token with a query", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA?x=1" },
		{ "validator: a token with line ends", "AAAAAAAAAAAAA\r\nHost: b.test\r\n\r\nAAAAAAAAAAAA" },
		{ "validator: an empty token", "" },
		{ "validator: a token that is too long", "DGyRejmCefe7v4NfDGDKfADGyRejmCefe7v4NfDGDKfAAAA" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct validate v = good(w, "a.test", ACCOUNT_A);
		v.token = bytes_str(cases[i].token);
		refused(w, cases[i].name, &v);
	}
	struct validate v = good(w, "a.test", ACCOUNT_A);
	uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, v.token).ptr;
	copy[10] = copy[10] == 'A' ? 'B' : 'A';
	v.token.ptr = copy;
	refused(w, "validator: a minted token with a letter changed", &v);
}

static void bad_names(struct attacker *w)
{
	static const char *const names[] = { "A.TEST", "a.test.", "*.a.test", "a.test:80", "a.test/x", "a.test?x", "a.test#x", "x@a.test",
		"127.0.0.1", "[::1]", "localhost", "a.test\r\nX: y", "a test", "", ".", "a..test", "xn--", "a.test\\x", "%61.test" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct validate v = good(w, names[i], ACCOUNT_A);
		char name[80];
		(void)snprintf(name, sizeof name, "validator: name %zu that is no name, or not in its normal form", i);
		if (strcmp(names[i], "localhost") != 0) /* a name like others: whether it resolves is DNS's business */
			refused(w, name, &v);
	}
	struct validate nul = good(w, "a.test", ACCOUNT_A);
	nul.identifier.value = (struct bytes){ (const uint8_t *)"a.test\0.b.test", 14 };
	refused(w, "validator: a name with a NUL", &nul);
}

void attack_validator(struct attacker *w)
{
	arena_reset(w->a);
	bad_tokens(w);
	bad_names(w);
	struct validate v = good(w, "a.test", ACCOUNT_B);
	refused(w, "validator: another account's name", &v);
	v = good(w, "a.test", ACCOUNT_A);
	v.identifier.wildcard = true;
	refused(w, "validator: http-01 for a wildcard", &v);
	v = good(w, "a.test", ACCOUNT_A);
	v.method = CHALLENGE_TYPE__MAX;
	refused(w, "validator: a method that is none", &v);
	v = good(w, "a.test", ACCOUNT_A);
	v.identifier.type = IDENTIFIER__MAX;
	refused(w, "validator: an identifier type that is none", &v);
	v = good(w, "caa-forbids.test", ACCOUNT_A);
	refused(w, "validator: a name whose CAA names another CA", &v);
}
