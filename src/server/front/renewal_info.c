#include "server/front/renewal.h"

#include "base/json.h"
#include "pki/cert.h"
#include "server/front/objects.h"

#define ASK_AGAIN_S      21600 /* RFC 9773 §4.3.3: clients take from a minute to a day */
#define ASK_AGAIN_SOON_S 3600

enum err_code renewal_certificate(struct front *f, struct arena *a, struct bytes text, struct store_certificate *ret, struct err *e)
{
	struct store_certificate c;
	struct ari_id id;
	struct cert parts;

	TRY(ari_id_read(a, text, &id, e));
	if (id.serial.len != STORE_SERIAL)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	TRY(store_get_certificate(f->store, a, id.serial.ptr, &c, e));
	TRY(cert_parse(a, c.der, &parts, e));
	if (!bytes_eq(parts.authority_key_id, id.key_id))
		FAIL(e, NOT_FOUND, "there is no such certificate");
	*ret = c;
	return ERR_OK;
}

static const struct settings_incident *incident_of(const struct settings *s, const struct store_certificate *c)
{
	for (size_t i = 0; i < s->n_incidents; i++)
		if (c->not_before_s >= s->incidents[i].from_s && c->not_before_s <= s->incidents[i].until_s)
			return &s->incidents[i];
	return NULL;
}

struct renewal renewal_of(const struct settings *s, const struct store_certificate *c, int64_t now_s)
{
	const struct settings_incident *incident = incident_of(s, c);

	if (!incident && !c->revoked_s)
		return (struct renewal){ .window = ari_window_usual(c->not_before_s, c->not_after_s) };
	return (struct renewal){ ari_window_past(now_s), incident ? incident->explanation : s->renewal_explanation };
}

bool renewal_is_due(struct front *f, struct arena *a, const struct store_order *order)
{
	struct store_certificate c;

	if (!order->replaces.len || renewal_certificate(f, a, order->replaces, &c, NULL) != ERR_OK)
		return false;
	return renewal_of(f->settings, &c, order->created_s).window.start_s <= order->created_s;
}

/* RFC 9773 §4.2. Whoever asks, gets: what is in a certificate is public, and so is when it should be renewed. */
enum err_code get_renewal_info(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct json_out w = json_out_to(&ret->body);
	struct store_certificate c;

	TRY(renewal_certificate(r->front, r->http->arena, r->id, &c, e));
	struct renewal renewal = renewal_of(r->front->settings, &c, r->now_ms / 1000);
	bool soon = renewal.window.start_s < r->now_ms / 1000 + ASK_AGAIN_S; /* an urgent one has begun already */

	json_put_object(&w);
	json_put_key(&w, "suggestedWindow");
	json_put_object(&w);
	put_time(&w, "start", renewal.window.start_s);
	put_time(&w, "end", renewal.window.end_s);
	json_end_object(&w);
	if (renewal.explanation.len)
		json_put_member(&w, "explanationURL", renewal.explanation);
	json_end_object(&w);
	reply_json(ret, 200);
	reply_field(ret, "Retry-After", arena_fmt(r->http->arena, "%d", soon ? ASK_AGAIN_SOON_S : ASK_AGAIN_S));
	return ERR_OK;
}
