/* One question as it was asked, and whether what there is fits it. */
#ifndef CHANCERY_SERVER_FRONT_QUESTION_FILTER_H
#define CHANCERY_SERVER_FRONT_QUESTION_FILTER_H

#include "base/json.h"
#include "pki/cert.h"
#include "server/front/front.h"

struct question {
	struct bytes command, serial, name, account, issuer, key_type, method, state, contact, kid, before, what, value;
	struct json_uint issued_since, issued_until, expires_after, expires_before, validated_since, validated_until, limit;
	struct json_bool revoked;
	/* What it comes to. */
	struct name_policy names; /* whatever it refuses is covered by the rule in name */
	uint8_t account_id[STORE_ACCOUNT_ID], issuer_key[ISSUER_KEY_SIZE], serial_number[STORE_SERIAL];
	enum key_type key;
	enum challenge_type challenge;
};
/* CONFIG, with what is allowed. */
enum err_code question_read(struct front *f, struct arena *a, struct bytes line, struct question *ret, struct err *e) MUST_USE;

/* parts: of c. */
bool certificate_fits(
    struct front *f, struct arena *a, const struct question *q, const struct store_certificate *c, const struct cert *parts);
bool order_fits(struct arena *a, const struct question *q, const struct store_order *o);
bool account_fits(const struct question *q, const struct store_account *v);

/* How control of the certificate's names was shown, by its order. NOT_FOUND: that is in the database no more. */
struct shown {
	struct identifier name;
	enum challenge_type method;
	int64_t time_s;
};
enum err_code certificate_shown(struct front *f, struct arena *a, const struct store_certificate *c, struct shown v[STORE_NAMES_MAX],
    size_t *ret_n, struct err *e) MUST_USE;

#endif
