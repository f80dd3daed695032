/* What http-01 takes for an answer and what not (RFC 8555 §8.1, §8.3): the suite's own listener says right and wrong things. */
#include "base/codec.h"
#include "jose/jwk.h"
#include "probe/list.h"

#include <string.h>

/* $TOKEN, $OWN and $OTHER: the challenge's token, the thumbprint of the account's key and that of another. */
static enum err_code fill_in(struct probe *p, const char *form, const char *token, const struct key *own, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1024);
	const struct actor *other;

	TRY(probe_other(p, &other, e));
	while (*form) {
		uint8_t thumbprint[THUMBPRINT_SIZE];
		bool mine = strncmp(form, "$OWN", 4) == 0, others = strncmp(form, "$OTHER", 6) == 0;
		if (strncmp(form, "$TOKEN", 6) == 0) {
			buf_add_str(&text, token);
			form += 6;
		} else if (mine || others) {
			jwk_thumbprint(mine ? own : other->key, thumbprint);
			base64url_add(&text, (struct bytes){ thumbprint, sizeof thumbprint });
			form += mine ? 4 : 6;
		} else {
			buf_add_u8(&text, (uint8_t)*form++);
		}
	}
	*ret = buf_ok(&text) ? arena_str(probe_arena(p), buf_bytes(&text)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}

/* The authorization of a new order of a new account, with its challenge. */
struct trial {
	struct actor *who;
	struct order_of *order;
	const char *token;
};

static enum err_code begin(struct probe *p, struct trial *t, struct err *e)
{
	struct http_client_answer x;

	TRY(make_account(p, &t->who, e));
	TRY(make_order(p, t->who, NULL, &t->order, e));
	TRY(probe_ask(p, &ASK(.url = t->order->authz[0], .as = t->who), &x, e));
	t->token = challenge_member(p, x.body, challenge_index(p, x.body, "http-01"), "token");
	if (!t->token || !t->order->challenge)
		FAIL(e, NOT_FOUND, "the server offers no http-01 challenge for %s", probe_name(p, 0));
	return ERR_OK;
}

/* The challenge is answered by what the form says, until there is a result: that of `url`, judged or not. */
static enum err_code try_form(
    struct probe *p, const struct trial *t, const char *form, const char *url, bool judged, struct http_client_answer *ret, struct err *e)
{
	struct http_client_answer x;
	const char *text;

	TRY(fill_in(p, form, t->token, t->who->key, &text, e));
	TRY(probe_serve(p, t->token, text, e));
	enum err_code rc = probe_ask(p, &ASK(.url = t->order->challenge, .as = t->who, .payload = "{}"), &x, e);
	if (rc == ERR_OK)
		rc = poll_status(p, &ASK(.judged = judged, .url = url, .as = t->who), ret, e);
	TRY(probe_serve(p, t->token, NULL, NULL));
	return rc;
}

static enum err_code answered(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct trial t;

	TRY(begin(p, &t, e));
	TRY(try_form(p, &t, c->arg, t.order->authz[0], true, &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, "status", c->value, e);
}

/* The challenge's member after a wrong answer. */
static enum err_code explained(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct trial t;

	TRY(begin(p, &t, e));
	TRY(try_form(p, &t, "$TOKEN.$OTHER", t.order->challenge, true, &x, e));
	TRY(want_status(&x, 200, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

/* Invalid is for ever: the right answer comes too late. */
static enum err_code too_late(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	struct trial t;

	(void)c;
	TRY(begin(p, &t, e));
	TRY(try_form(p, &t, "$TOKEN.$OTHER", t.order->authz[0], false, &x, e));
	TRY(try_form(p, &t, "$TOKEN.$OWN", t.order->authz[0], true, &y, e));
	TRY(want_status(&y, 200, e));
	return want_text(p, &y, "status", "invalid", e);
}

#define SEC "RFC 8555 §8.3"
#define REFUSED(id, must, form) \
	CASE("http-01/" id, SEC, MUST, must, answered, M_JSON("status", "\"valid\""), .arg = (form), .value = "invalid")

static const struct probe_case rows[] = {
	CASE("http-01/right", SEC, MUST, "The key authorization makes the authorization valid.", answered, M_JSON("status", "\"invalid\""),
	    .arg = "$TOKEN.$OWN", .value = "valid"),
	CASE("http-01/line-end", SEC, SHOULD, "The end of a line behind the key authorization is ignored.", answered,
	    M_JSON("status", "\"invalid\""), .arg = "$TOKEN.$OWN\r\n", .value = "valid"),
	CASE("http-01/white-space", SEC, SHOULD, "All white space behind the key authorization is ignored, blanks too.", answered,
	    M_JSON("status", "\"invalid\""), .arg = "$TOKEN.$OWN \t \n\n", .value = "valid"),
	REFUSED("another-key", "The key authorization of another account's key is refused.", "$TOKEN.$OTHER"),
	REFUSED("another-token", "A key authorization for another token is refused.", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.$OWN"),
	REFUSED("token-alone", "The token without a thumbprint is refused.", "$TOKEN"),
	REFUSED("token-and-dot", "The token with an empty thumbprint is refused.", "$TOKEN."),
	REFUSED("thumbprint-alone", "A thumbprint without the token is refused.", ".$OWN"),
	REFUSED("empty", "An empty answer is refused.", ""),
	REFUSED("more-before", "Something before the key authorization is refused.", "x$TOKEN.$OWN"),
	REFUSED("more-behind", "Something behind the key authorization is refused.", "$TOKEN.$OWN.x"),
	REFUSED("inside-a-page", "A page that has the key authorization inside is refused.", "<html>\n$TOKEN.$OWN\n</html>\n"),
	CASE("http-01/error", "RFC 8555 §6.7", SHOULD, "A wrong answer is told as incorrectResponse.", explained, M_LOSE("error.type"),
	    .arg = "error.type", .value = "urn:ietf:params:acme:error:incorrectResponse"),
	CASE("http-01/too-late", "RFC 8555 §7.1.6", MUST, "An authorization that is invalid stays so.", too_late,
	    M_JSON("status", "\"valid\"")),
};
CASE_TABLE(http01_cases, rows);
