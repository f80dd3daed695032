#include "server/front/charges.h"

#include "acme/ip_range.h"
#include "base/clock.h"
#include "base/codec.h"

#include <string.h>

#define ACCOUNT_SHOWN "this account"
#define NAME_KEY_MAX  (STORE_ACCOUNT_ID + DNS_NAME_MAX + 2)

/* --- accounts --- */

struct account_charges {
	char host[LIMIT_ADDRESS_SIZE], range[LIMIT_ADDRESS_SIZE];
	struct limit_charge v[2];
};

static void account_charges(const uint8_t address[16], struct account_charges *ret)
{
	ret->v[0] =
	    (struct limit_charge){ .limit = LIMIT_ACCOUNTS_ADDRESS, .key = bytes_str(limit_address_key(address, false, ret->host)) };
	ret->v[1] = (struct limit_charge){ .limit = LIMIT_ACCOUNTS_RANGE, .key = bytes_str(limit_address_key(address, true, ret->range)) };
}

enum err_code charge_new_account(struct front *f, const uint8_t address[16], int64_t now_ms, struct err *e)
{
	struct account_charges c;

	account_charges(address, &c);
	return limits_spend(f->limits, f->settings, c.v, 2, now_ms, e);
}

void refund_new_account(struct front *f, const uint8_t address[16], int64_t now_ms)
{
	struct account_charges c;

	account_charges(address, &c);
	limits_refund(f->limits, f->settings, c.v, 2, now_ms);
}

/* --- certificates --- */

struct charges {
	struct limit_charge v[LIMIT_CHARGES_MAX];
	size_t n;
};

static void add(struct charges *c, const struct limit_charge *one)
{
	if (c->n < LIMIT_CHARGES_MAX) /* at most two for each of STORE_NAMES_MAX names, and two more */
		c->v[c->n++] = *one;
}
_Static_assert(STORE_NAMES_MAX * 2 + 2 <= LIMIT_CHARGES_MAX, "an order's charges have room");

/* For a name the domain that somebody registered, for an address the host. */
static struct bytes domain_of(struct front *f, struct arena *a, const struct identifier *id)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct names_policy *names = f->names;
	uint8_t raw[16];
	char text[LIMIT_ADDRESS_SIZE];

	if (id->type == IDENTIFIER_DNS)
		return registered_domain(names->suffixes, &names->private, id->value);
	if (identifier_ip_bytes(id, raw) == 4) {
		memcpy(raw + 12, raw, 4);
		memcpy(raw, mapped, sizeof mapped);
	}
	return arena_copy(a, bytes_str(limit_address_key(raw, false, text)));
}

/* Each domain once: a certificate is one, however many of its names are in it. */
static void add_domain(struct charges *c, struct bytes domain, enum limit_mode mode)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].limit == LIMIT_DOMAIN && bytes_eq(c->v[i].key, domain))
			return;
	add(c, &(struct limit_charge){ .limit = LIMIT_DOMAIN, .mode = mode, .key = domain });
}

/* All names, in their order: orders have them sorted. */
static enum err_code names_key(struct arena *a, const struct identifier *ids, size_t n, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf key = buf_new(STORE_NAMES_MAX * (DNS_NAME_MAX + 8));

	for (size_t i = 0; i < n; i++)
		buf_add_fmt(&key, "%s%.*s\n", ids[i].wildcard ? "*." : "", BYTES_FMT(ids[i].value));
	*ret = arena_copy(a, buf_bytes(&key));
	if (!buf_ok(&key) || !ret->ptr)
		FAIL(e, NOMEM, "no memory for rate limits");
	return ERR_OK;
}

static enum err_code add_certificate(
    struct front *f, struct arena *a, const struct store_order *order, enum limit_mode mode, struct charges *c, struct err *e)
{
	struct limit_charge names = { .limit = LIMIT_NAMES, .mode = mode, .shown = BYTES_LIT("this set of names") };
	const struct settings *s = f->settings;

	/* Every order and certificate comes by here: keys of limits that are off are not made. */
	for (size_t i = 0; i < order->n_identifiers && s->limit_domain.count > 0; i++) {
		struct bytes domain = domain_of(f, a, &order->identifiers[i]);
		if (!domain.ptr)
			FAIL(e, NOMEM, "no memory for rate limits");
		add_domain(c, domain, mode);
	}
	if (s->limit_names.count == 0)
		return ERR_OK;
	TRY(names_key(a, order->identifiers, order->n_identifiers, &names.key, e));
	add(c, &names);
	return ERR_OK;
}

enum err_code charge_certificate(
    struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms, struct err *e)
{
	struct charges c = { .n = 0 };

	if (exempt)
		return ERR_OK;
	TRY(add_certificate(f, a, order, LIMIT_SPEND, &c, e));
	return limits_spend(f->limits, f->settings, c.v, c.n, now_ms, e);
}

void refund_certificate(struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms)
{
	struct charges c = { .n = 0 };

	if (!exempt && add_certificate(f, a, order, LIMIT_SPEND, &c, NULL) == ERR_OK)
		limits_refund(f->limits, f->settings, c.v, c.n, now_ms);
}

/* --- validations and orders --- */

/* The key is of the account and the name, the name alone is shown. */
static struct limit_charge failures_of(
    const uint8_t account[STORE_ACCOUNT_ID], const struct identifier *id, enum limit_mode mode, uint8_t key[NAME_KEY_MAX])
{
	size_t n = STORE_ACCOUNT_ID, len = id->value.len < DNS_NAME_MAX ? id->value.len : DNS_NAME_MAX;

	memcpy(key, account, STORE_ACCOUNT_ID);
	if (id->wildcard) {
		memcpy(key + n, "*.", 2);
		n += 2;
	}
	memcpy(key + n, id->value.ptr, len);
	return (struct limit_charge){ .limit = LIMIT_FAILURES,
		.mode = mode,
		.key = { key, n + len },
		.shown = { key + STORE_ACCOUNT_ID, n + len - STORE_ACCOUNT_ID } };
}

static struct limit_charge order_of(const struct store_order *order)
{
	return (struct limit_charge){ .limit = LIMIT_ORDERS, .key = BYTES_ARRAY(order->account), .shown = BYTES_LIT(ACCOUNT_SHOWN) };
}

enum err_code charge_new_order(
    struct front *f, struct arena *a, const struct store_order *order, bool exempt, int64_t now_ms, struct err *e)
{
	struct charges c = { .n = 0 };
	uint8_t(*keys)[NAME_KEY_MAX] = arena_array(a, order->n_identifiers, sizeof *keys);

	if (!keys)
		FAIL(e, NOMEM, "no memory for rate limits");
	if (!exempt) {
		struct limit_charge one = order_of(order);
		add(&c, &one);
		TRY(add_certificate(f, a, order, LIMIT_CHECK, &c, e));
	}
	for (size_t i = 0; i < order->n_identifiers; i++) {
		struct limit_charge one = failures_of(order->account, &order->identifiers[i], LIMIT_CHECK, keys[i]);
		add(&c, &one);
	}
	return limits_spend(f->limits, f->settings, c.v, c.n, now_ms, e);
}

void refund_new_order(struct front *f, const struct store_order *order, bool exempt, int64_t now_ms)
{
	struct limit_charge one = order_of(order);

	if (!exempt)
		limits_refund(f->limits, f->settings, &one, 1, now_ms);
}

enum err_code charge_validation(
    struct front *f, const uint8_t account[STORE_ACCOUNT_ID], const struct identifier *id, int64_t now_ms, struct err *e)
{
	uint8_t key[NAME_KEY_MAX];
	struct limit_charge one = failures_of(account, id, LIMIT_CHECK, key);

	return limits_spend(f->limits, f->settings, &one, 1, now_ms, e);
}

void charge_failed_validation(struct front *f, const uint8_t account[STORE_ACCOUNT_ID], const struct identifier *id, int64_t now_ms)
{
	uint8_t key[NAME_KEY_MAX];
	struct limit_charge one = failures_of(account, id, LIMIT_RECORD, key);

	MAY_FAIL(limits_spend(f->limits, f->settings, &one, 1, now_ms, NULL)); /* what is recorded is never refused */
}

/* --- forgetting --- */

/* The host or the range of an address. */
static enum err_code address_key(struct arena *a, struct bytes text, bool range, struct bytes *ret, struct err *e)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char key[LIMIT_ADDRESS_SIZE];
	uint8_t raw[16];

	switch (ip_bytes(text, raw)) {
	case 0:
		FAIL(e, CONFIG, "it is counted for an address, like 192.0.2.1");
	case 4:
		memcpy(raw + 12, raw, 4);
		memcpy(raw, mapped, sizeof mapped);
	}
	*ret = arena_copy(a, bytes_str(limit_address_key(raw, range, key)));
	return ERR_OK;
}

static enum err_code name_of(struct arena *a, struct bytes text, struct identifier *ret, struct err *e)
{
	uint8_t raw[16];

	return identifier_parse(a, ip_bytes(text, raw) ? BYTES_LIT("ip") : BYTES_LIT("dns"), text, ret, e);
}

static enum err_code domain_key(struct front *f, struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	struct identifier id;

	TRY(name_of(a, text, &id, e));
	*ret = domain_of(f, a, &id);
	return ERR_OK;
}

static enum err_code account_id(struct bytes text, uint8_t ret[STORE_ACCOUNT_ID], struct err *e)
{
	if (base64url_decode_fixed(text, ret, STORE_ACCOUNT_ID, NULL) != ERR_OK)
		FAIL(e, CONFIG, "it is counted for an account: the last part of its URL");
	return ERR_OK;
}

/* "ACCOUNT NAME" */
static enum err_code failures_key(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	uint8_t account[STORE_ACCOUNT_ID], key[NAME_KEY_MAX];
	struct bytes of = text, name = BYTES_LIT("");
	struct identifier id;

	(void)bytes_split(text, ' ', &of, &name);
	TRY(account_id(of, account, e));
	TRY(name_of(a, name, &id, e));
	*ret = arena_copy(a, failures_of(account, &id, LIMIT_CHECK, key).key);
	return ERR_OK;
}

/* "one.example,two.example" */
static enum err_code names_of(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	struct identifier ids[STORE_NAMES_MAX];
	struct bytes name, rest = text;
	size_t n = 0;

	for (bool more = true; more; n++) {
		if (n == STORE_NAMES_MAX)
			FAIL(e, CONFIG, "at most %d names", STORE_NAMES_MAX);
		more = bytes_split(rest, ',', &name, &rest);
		TRY(name_of(a, more ? name : rest, &ids[n], e));
	}
	return names_key(a, ids, identifier_sort(ids, n), ret, e);
}

static enum err_code key_of(struct front *f, struct arena *a, enum limit l, struct bytes text, struct bytes *ret, struct err *e)
{
	uint8_t account[STORE_ACCOUNT_ID];

	switch (l) {
	case LIMIT_ACCOUNTS_ADDRESS:
	case LIMIT_ACCOUNTS_RANGE:
		return address_key(a, text, l == LIMIT_ACCOUNTS_RANGE, ret, e);
	case LIMIT_ORDERS:
		TRY(account_id(text, account, e));
		*ret = arena_copy(a, BYTES_ARRAY(account));
		return ERR_OK;
	case LIMIT_DOMAIN:
		return domain_key(f, a, text, ret, e);
	case LIMIT_NAMES:
		return names_of(a, text, ret, e);
	case LIMIT_FAILURES:
		return failures_key(a, text, ret, e);
	case LIMIT__MAX:
		break;
	}
	FAIL(e, CONFIG, "there is no such limit");
}

/* In the arena. */
static enum err_code find_counted(
    struct front *f, struct arena *a, struct bytes limit, struct bytes text, enum limit *ret_limit, struct bytes *ret_key, struct err *e)
{
	if (!a)
		FAIL(e, NOMEM, "no memory for rate limits");
	*ret_limit = LIMIT__MAX;
	*ret_key = BYTES_NONE;
	(void)limit_from_name(limit, ret_limit);
	TRY(key_of(f, a, *ret_limit, text, ret_key, e));
	if (!ret_key->ptr)
		FAIL(e, NOMEM, "no memory for rate limits");
	return ERR_OK;
}

enum err_code charges_forget(struct front *f, struct bytes limit, struct bytes text, bool *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct bytes key;
	enum limit l;

	TRY(find_counted(f, a, limit, text, &l, &key, e));
	*ret = limits_forget(f->limits, l, key, clock_wall_ms());
	return ERR_OK;
}

enum err_code charges_look(struct front *f, struct bytes limit, struct bytes text, struct limit_state *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct bytes key;
	enum limit l;

	TRY(find_counted(f, a, limit, text, &l, &key, e));
	*ret = limits_look(f->limits, f->settings, l, key, clock_wall_ms());
	return ERR_OK;
}
