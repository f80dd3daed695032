#include "server/front/questions.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "server/front/charges.h"
#include "server/front/key_rules.h"
#include "server/front/limits.h"
#include "server/front/question_filter.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_DEFAULT 100
#define PAGE          500 /* ids of one look at the database */

struct questions {
	struct front *front;
	pthread_t thread;
	int listener, wake;
};

/* A question on its way. */
struct asked {
	struct front *f;
	struct question q;
	struct arena *a, *row; /* of the question; of the row in hand */
	struct json_out *w;
	enum store_table table;
	uint8_t at[STORE_ACCOUNT_ID]; /* the id that was looked at last */
	size_t n, limit;
};

/* --- what is told --- */

static void put_id(struct json_out *w, const char *name, const uint8_t *id, size_t n)
{
	char text[BASE64URL_LEN(STORE_ACCOUNT_ID) + 1];

	base64url_encode((struct bytes){ id, n }, text);
	json_put_member_str(w, name, text);
}

static void put_hex(struct json_out *w, const char *name, struct bytes v)
{
	char text[HEX_LEN(64) + 1];

	hex_encode(bytes_slice(v, 0, 64), text);
	json_put_member_str(w, name, text);
}

static void put_names(struct asked *k, const struct cert *c)
{
	struct identifier id;

	json_put_key(k->w, "names");
	json_put_array(k->w);
	for (size_t i = 0; i < c->n_names; i++)
		if (identifier_from_san(k->row, &c->names[i], &id, NULL) == ERR_OK)
			json_put_string(k->w, identifier_display(k->row, &id));
	json_end_array(k->w);
}

static void put_shown(struct asked *k, const struct store_certificate *c)
{
	struct shown v[STORE_NAMES_MAX];
	size_t n;

	json_put_key(k->w, "validations");
	json_put_array(k->w);
	if (certificate_shown(k->f, k->row, c, v, &n, NULL) == ERR_OK)
		for (size_t i = 0; i < n; i++) {
			json_put_object(k->w);
			json_put_member(k->w, "name", identifier_display(k->row, &v[i].name));
			json_put_member_str(k->w, "method", challenge_type_name(v[i].method));
			json_put_member_uint(k->w, "time", (uint64_t)v[i].time_s);
			json_end_object(k->w);
		}
	json_end_array(k->w);
}

static void put_certificate(struct asked *k, const struct store_certificate *c, const struct cert *parts)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	char issuer[ISSUER_NAME_MAX + 1];

	issuer_name_of(k->f->key_rules, parts->authority_key_id, issuer);
	put_hex(k->w, "serial", BYTES_ARRAY(c->serial));
	put_names(k, parts);
	json_put_member_uint(k->w, "notBefore", (uint64_t)c->not_before_s);
	json_put_member_uint(k->w, "notAfter", (uint64_t)c->not_after_s);
	json_put_member_str(k->w, "issuer", issuer);
	if (key_from_spki(parts->spki, &key, NULL) == ERR_OK) {
		json_put_member_str(k->w, "keyType", key_type_name(key_type(key)));
		json_put_member_uint(k->w, "keyBits", key_bits(key));
	}
	put_id(k->w, "account", c->account, STORE_ACCOUNT_ID);
	put_id(k->w, "order", c->order, STORE_ORDER_ID);
	if (c->revoked_s) {
		json_put_member_uint(k->w, "revoked", (uint64_t)c->revoked_s);
		json_put_member_uint(k->w, "reason", c->reason);
	}
	if (c->replaced)
		put_id(k->w, "replacedBy", c->replaced_by, STORE_ORDER_ID);
	put_shown(k, c);
}

static enum err_code look_at_certificate(struct asked *k, const uint8_t *id, bool *ret, struct err *e)
{
	struct store_certificate c;
	struct cert parts;

	enum err_code rc = store_get_certificate(k->f->store, k->row, id, &c, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	TRY(cert_parse(k->row, c.der, &parts, e));
	*ret = certificate_fits(k->f, k->row, &k->q, &c, &parts);
	if (*ret) {
		json_put_object(k->w);
		put_certificate(k, &c, &parts);
		json_end_object(k->w);
	}
	return ERR_OK;
}

static void put_order(struct asked *k, const struct store_order *o)
{
	put_id(k->w, "id", o->id, STORE_ORDER_ID);
	put_id(k->w, "account", o->account, STORE_ACCOUNT_ID);
	json_put_member_str(k->w, "state", order_state_name(o->state));
	json_put_member_uint(k->w, "created", (uint64_t)o->created_s);
	json_put_member_uint(k->w, "expires", (uint64_t)o->expires_s);
	if (o->profile.len)
		json_put_member(k->w, "profile", o->profile);
	json_put_key(k->w, "names");
	json_put_array(k->w);
	for (size_t i = 0; i < o->n_identifiers; i++)
		json_put_string(k->w, identifier_display(k->row, &o->identifiers[i]));
	json_end_array(k->w);
	if (o->state == ORDER_VALID)
		put_hex(k->w, "serial", BYTES_ARRAY(o->serial));
	if (o->problem.len) {
		json_put_key(k->w, "problem");
		json_put_raw(k->w, o->problem);
	}
}

static enum err_code look_at_order(struct asked *k, const uint8_t *id, bool *ret, struct err *e)
{
	struct store_order o;

	enum err_code rc = store_get_order(k->f->store, k->row, id, &o, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	*ret = order_fits(k->row, &k->q, &o);
	if (*ret) {
		json_put_object(k->w);
		put_order(k, &o);
		json_end_object(k->w);
	}
	return ERR_OK;
}

static enum err_code look_at_account(struct asked *k, const uint8_t *id, bool *ret, struct err *e)
{
	struct store_account v;

	enum err_code rc = store_get_account(k->f->store, k->row, id, &v, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	*ret = account_fits(&k->q, &v);
	if (!*ret)
		return ERR_OK;
	json_put_object(k->w);
	put_id(k->w, "id", v.id, STORE_ACCOUNT_ID);
	json_put_member(k->w, "url", account_url(k->row, k->f->settings->base_url, v.id));
	json_put_member_str(k->w, "state", account_state_name(v.state));
	json_put_member_uint(k->w, "created", (uint64_t)v.created_s);
	json_put_key(k->w, "contacts");
	json_put_raw(k->w, v.contacts.len ? v.contacts : BYTES_LIT("[]"));
	if (v.terms_url.len)
		json_put_member(k->w, "terms", v.terms_url);
	if (v.eab_kid.len)
		json_put_member(k->w, "kid", v.eab_kid);
	json_end_object(k->w);
	return ERR_OK;
}

static const struct {
	const char *command;
	enum store_table table;
	enum err_code (*look)(struct asked *k, const uint8_t *id, bool *ret, struct err *e);
} kinds[] = {
	{ "certificates", STORE_CERTIFICATES, look_at_certificate },
	{ "orders", STORE_ORDERS, look_at_order },
	{ "accounts", STORE_ACCOUNTS, look_at_account },
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* --- going through --- */

/* Where it begins: behind the cursor, at the one that is asked for, or at the newest of the time. False: at the very first. */
static bool begin_at(struct asked *k, const char *command, struct err *e, enum err_code *rc)
{
	struct question *q = &k->q;
	size_t size = store_id_size(k->table);
	uint64_t until_ms = q->issued_until.set && q->issued_until.value < INT64_MAX / 1000 ? q->issued_until.value * 1000 : 0;

	*rc = ERR_OK;
	if (q->before.ptr) {
		if (base64url_decode_fixed(q->before, k->at, size, NULL) != ERR_OK)
			*rc = err_set(e, ERR_CONFIG, __FILE__, __LINE__, "\"before\" is the \"next\" of the answer before this one");
		return true;
	}
	if (!until_ms || k->table == STORE_ACCOUNTS)
		return false;
	memset(k->at, 0, sizeof k->at);
	size_t from = strcmp(command, "certificates") == 0;
	k->at[0] = 2; /* a serial number's first byte (docs/protocol/log.md) */
	for (size_t i = 0; i < 6; i++)
		k->at[from + i] = (uint8_t)(until_ms >> (40 - 8 * i));
	return true;
}

/* Whether what follows is all older than what is asked for: ids carry their time. */
static bool is_over(const struct asked *k, const uint8_t *id)
{
	uint64_t ms = 0;
	size_t from = k->table == STORE_CERTIFICATES;

	if (!k->q.issued_since.set || k->table == STORE_ACCOUNTS)
		return false;
	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | id[from + i];
	return ms / 1000 < k->q.issued_since.value;
}

/* One object by its own name. */
static enum err_code look_at_one(struct asked *k, size_t kind, const uint8_t *id, struct err *e)
{
	bool fits = false;

	TRY(kinds[kind].look(k, id, &fits, e));
	k->n += fits;
	return ERR_OK;
}

static enum err_code look_at_page(struct asked *k, size_t kind, const uint8_t *ids, size_t n, bool *over, struct err *e)
{
	size_t size = store_id_size(k->table);

	for (size_t i = 0; i < n && !*over && k->n < k->limit && k->w->out->len < QUESTION_ANSWER_MAX / 2; i++) {
		*over = is_over(k, ids + i * size);
		if (*over)
			break;
		arena_reset(k->row);
		TRY(look_at_one(k, kind, ids + i * size, e));
		memcpy(k->at, ids + i * size, size);
	}
	return ERR_OK;
}

static enum err_code go_through(struct asked *k, size_t kind, bool *ret_more, struct err *e)
{
	uint8_t *ids = arena_array(k->a, PAGE, STORE_ACCOUNT_ID);
	enum err_code rc;
	bool begun = begin_at(k, kinds[kind].command, e, &rc), over = false;

	TRY(rc);
	if (!ids)
		FAIL(e, NOMEM, "no memory for a question");
	for (size_t looked = 0; looked < QUESTION_SCAN_MAX; looked += PAGE) {
		size_t n;
		TRY(store_scan(k->f->store, k->table, begun ? k->at : NULL, PAGE, ids, &n, e));
		begun = true;
		TRY(look_at_page(k, kind, ids, n, &over, e));
		*ret_more =
		    !over && (n == PAGE || (n > 0 && memcmp(k->at, ids + (n - 1) * store_id_size(k->table), store_id_size(k->table)) != 0));
		if (!*ret_more || k->n >= k->limit || k->w->out->len >= QUESTION_ANSWER_MAX / 2)
			return ERR_OK;
	}
	return ERR_OK;
}

static enum err_code answer_kind(struct asked *k, size_t kind, struct err *e)
{
	char next[BASE64URL_LEN(STORE_ACCOUNT_ID) + 1];
	bool more = false;

	k->table = kinds[kind].table;
	json_put_key(k->w, kinds[kind].command);
	json_put_array(k->w);
	if (k->table == STORE_CERTIFICATES && k->q.serial.ptr)
		TRY(look_at_one(k, kind, k->q.serial_number, e));
	else if (k->table == STORE_ACCOUNTS && k->q.account.ptr)
		TRY(look_at_one(k, kind, k->q.account_id, e));
	else
		TRY(go_through(k, kind, &more, e));
	json_end_array(k->w);
	if (more) {
		base64url_encode((struct bytes){ k->at, store_id_size(k->table) }, next);
		json_put_member_str(k->w, "next", next);
	}
	return ERR_OK;
}

static enum err_code answer_limit(struct asked *k, struct err *e)
{
	struct limit_state state;

	errno = 0;
	if (!k->q.what.ptr || !k->q.value.ptr)
		FAIL(e, CONFIG, "\"what\" names a rate limit and \"value\" what it counts for");
	TRY(charges_look(k->f, k->q.what, k->q.value, &state, e));
	json_put_member(k->w, "what", k->q.what);
	json_put_member(k->w, "value", k->q.value);
	json_put_member_uint(k->w, "count", state.count);
	json_put_member_uint(k->w, "period", state.period_s);
	json_put_member_uint(k->w, "left", state.left);
	json_put_member_uint(k->w, "next", (uint64_t)state.next_ms / 1000);
	return ERR_OK;
}

static enum err_code answer(struct asked *k, struct bytes line, struct err *e)
{
	TRY(question_read(k->f, k->a, line, &k->q, e));
	errno = 0;
	k->limit = k->q.limit.set ? k->q.limit.value : LIMIT_DEFAULT;
	if (k->limit < 1 || k->limit > QUESTION_LIMIT_MAX)
		FAIL(e, CONFIG, "limit is 1 to %d", QUESTION_LIMIT_MAX);
	for (size_t i = 0; i < KINDS; i++)
		if (bytes_eq_str(k->q.command, kinds[i].command))
			return answer_kind(k, i, e);
	if (bytes_eq_str(k->q.command, "limit"))
		return answer_limit(k, e);
	FAIL(e, CONFIG, "unknown command; there are certificates, orders, accounts and limit");
}

static void answer_line(struct front *f, struct bytes line, struct buf *out)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 8u << 20), *row = arena_new(65536, 8u << 20);
	struct json_out w = json_out_to(out);
	struct asked k = { .f = f, .a = a, .row = row, .w = &w };
	struct err e = { 0 };

	json_put_object(&w);
	enum err_code rc = a && row ? answer(&k, line, &e) : err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "no memory for a question");
	if (rc == ERR_OK && !buf_ok(out))
		rc = err_set(&e, ERR_TOO_LARGE, __FILE__, __LINE__, "the answer is too large: ask for fewer at a time");
	if (rc != ERR_OK) {
		buf_reset(out);
		w = json_out_to(out);
		json_put_object(&w);
		json_put_member_str(&w, "error", e.detail);
	}
	json_end_object(&w);
	buf_add_u8(out, '\n');
}

/* --- the socket --- */

/* False: the time is over, or the thread is to end. */
static bool wait_for(const struct questions *q, int fd, short events, int64_t deadline_ms)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = q->wake, .events = POLLIN } };
	int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - clock_monotonic_ms();

	if (deadline_ms != INT64_MAX && left <= 0)
		return false;
	int n = poll(p, 2, (int)left);
	return n < 0 ? errno == EINTR : n > 0 && p[1].revents == 0;
}

static void send_all(const struct questions *q, int fd, struct bytes out)
{
	int64_t deadline = clock_monotonic_ms() + QUESTION_MS;

	for (size_t at = 0; at < out.len && wait_for(q, fd, POLLOUT, deadline);) {
		ssize_t n = send(fd, out.ptr + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		at += n > 0 ? (size_t)n : 0;
	}
}

static void serve_one(const struct questions *q, int fd)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(QUESTION_ANSWER_MAX + 65536);
	int64_t deadline = clock_monotonic_ms() + QUESTION_MS;
	char line[QUESTION_LINE_MAX];

	for (size_t len = 0; len < sizeof line && wait_for(q, fd, POLLIN, deadline);) {
		ssize_t n = recv(fd, line + len, sizeof line - len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		len += n > 0 ? (size_t)n : 0;
		const char *end = memchr(line, '\n', len);
		if (!end)
			continue;
		answer_line(q->front, (struct bytes){ (const uint8_t *)line, (size_t)(end - line) }, &out);
		send_all(q, fd, buf_bytes(&out));
		return;
	}
}

static void *run(void *ctx)
{
	struct questions *q = ctx;

	while (wait_for(q, q->listener, POLLIN, INT64_MAX)) {
		CLEANUP(close_p) int fd = accept4(q->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			serve_one(q, fd);
	}
	return NULL;
}

enum err_code questions_start(struct front *f, int *listener, struct questions **ret, struct err *e)
{
	struct questions *q = calloc(1, sizeof *q);

	if (!q)
		FAIL(e, NOMEM, "no memory for operators' questions");
	*q = (struct questions){ .front = f, .listener = *listener, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (q->wake < 0 || pthread_create(&q->thread, NULL, run, q) != 0) {
		close_p(&q->wake);
		free(q);
		FAIL(e, NOMEM, "cannot start the thread for operators' questions");
	}
	*listener = -1;
	*ret = q;
	return ERR_OK;
}

void questions_stop(struct questions *q)
{
	if (!q)
		return;
	if (write(q->wake, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		errno = 0; /* it cannot be full */
	pthread_join(q->thread, NULL);
	close_p(&q->wake);
	close_p(&q->listener);
	free(q);
}
