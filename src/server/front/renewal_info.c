#include "acme/ari.h"
#include "base/json.h"
#include "pki/cert.h"
#include "server/front/objects.h"

#define ASK_AGAIN_S        21600 /* RFC 9773 §4.3.3: clients take from a minute to a day */
#define ASK_AGAIN_URGENT_S 3600

/* The certificate of this name, if its issuer is the one that it names. */
static enum err_code find_certificate(struct acme_request *r, struct bytes text, struct store_certificate *ret, struct err *e)
{
	struct store_certificate c;
	struct ari_id id;
	struct cert parts;

	TRY(ari_id_read(r->http->arena, text, &id, e));
	if (id.serial.len != STORE_SERIAL)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	TRY(store_get_certificate(r->front->store, r->http->arena, id.serial.ptr, &c, e));
	TRY(cert_parse(r->http->arena, c.der, &parts, e));
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

/* RFC 9773 §4.2. Whoever asks, gets: what is in a certificate is public, and so is when it should be renewed. */
enum err_code get_renewal_info(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct json_out w = json_out_to(&ret->body);
	struct store_certificate c;
	struct bytes explanation = { 0 };

	TRY(find_certificate(r, r->id, &c, e));
	const struct settings_incident *incident = incident_of(s, &c);
	bool urgent = incident || c.revoked_s;
	struct ari_window window = urgent ? ari_window_past(r->now_ms / 1000) : ari_window_usual(c.not_before_s, c.not_after_s);
	if (urgent)
		explanation = incident ? incident->explanation : s->renewal_explanation;

	json_put_object(&w);
	json_put_key(&w, "suggestedWindow");
	json_put_object(&w);
	put_time(&w, "start", window.start_s);
	put_time(&w, "end", window.end_s);
	json_end_object(&w);
	if (explanation.len)
		json_put_member(&w, "explanationURL", explanation);
	json_end_object(&w);
	reply_json(ret, 200);
	reply_field(ret, "Retry-After", arena_fmt(r->http->arena, "%d", urgent ? ASK_AGAIN_URGENT_S : ASK_AGAIN_S));
	return ERR_OK;
}
