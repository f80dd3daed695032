/* chancery-ca-signer: the process that holds the CA's key. Two channels, one poll(2) loop, nothing else: everything that it decides
 * is in the library beside this file. Whatever the front sends can at worst be refused; only a log that cannot be trusted any more
 * ends this process (DESIGN §2). */
#include "base/clock.h"
#include "base/event.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "os/sanitized.h"
#include "server/child.h"
#include "server/signer/operators.h"
#include "server/signer/signer.h"
#include "server/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROUND_ARENA        (256u << 10)
#define ROUND_ARENA_MAX    (64u << 20)
#define CHECKPOINT_RECORDS 1000
#define CHECKPOINT_MS      60000
#define FIRST_LISTS_MS     500
#define OCSP_WAITING_MAX   32 /* the credits of OCSP */
#define OCSP_A_TURN        8  /* then certificates have their turn */
#define LISTS_MAX          (ISSUERS_MAX * (SHARDS_MAX + 1))

struct server {
	struct child child;
	struct signer *signer;
	struct operators *operators;
	struct channel *front; /* NULL: there is none now */
	struct crl_new lists[LISTS_MAX];
	struct signer_news news;
	bool hello; /* the front has said HELLO on this channel */
	bool stop;
	struct err broken;   /* why we cannot go on; code ERR_OK: we can */
	struct arena *arena; /* of a round */
	struct signer_request batch[SIGNER_BATCH_MAX];
	uint32_t ids[SIGNER_BATCH_MAX];
	size_t n;
	struct bytes questions[OCSP_WAITING_MAX]; /* OCSP, in order; in memory of their own */
	uint32_t question_ids[OCSP_WAITING_MAX];
	size_t n_questions;
	uint64_t refused_turn;       /* requests before HELLO */
	uint64_t checkpoint_records; /* in the log at the last checkpoint */
	int64_t checkpoint_due_ms;   /* monotonic; 0: nothing new since */
};

static void drop_questions(struct server *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)v->questions[i].ptr);
	v->n_questions -= n;
	memmove(v->questions, v->questions + n, v->n_questions * sizeof *v->questions);
	memmove(v->question_ids, v->question_ids + n, v->n_questions * sizeof *v->question_ids);
}

static void drop_front(struct server *v)
{
	if (v->front)
		channel_free(v->front);
	v->front = NULL;
	v->hello = false;
	drop_questions(v, v->n_questions); /* whoever asked is gone */
}

/* A front that is gone, or does not read what it is told, has only itself to blame. A socket that fails by itself is another thing: nobody makes a
 * new one while both processes live, so that we end, and begin anew. So is an answer that is lost here, which would hold its credit for ever. */
static void send_front(struct server *v, uint16_t type, uint32_t id, struct bytes body)
{
	struct err e = { 0 };

	if (!v->front || channel_send(v->front, type, id, body, &e) == ERR_OK)
		return;
	event_error(EVENT_WARNING, "front.send", &e);
	if (e.code == ERR_CLOSED)
		drop_front(v);
	else if (e.code == ERR_IO || message_rules[type].answers)
		v->broken = e;
}

/* The same for what there is no memory to write. */
static void send_written(struct server *v, uint16_t type, uint32_t id, const struct buf *body)
{
	if (buf_ok(body))
		send_front(v, type, id, buf_bytes(body));
	else
		err_set(&v->broken, ERR_NOMEM, __FILE__, __LINE__, "no memory for a message %s", message_rules[type].name);
}

static void send_refused(struct server *v, uint32_t id, enum err_code code, const char *detail)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);

	problem_write(code, bytes_str(detail), &out);
	send_written(v, MESSAGE_REFUSED, id, &out);
}

static void send_answer(struct server *v, const struct signer_request *r, uint32_t id)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);

	if (r->kind == REQUEST_ISSUE || r->kind == REQUEST_ISSUE_TLS)
		issued_write(&r->issued, &out);
	else
		buf_add(&out, r->answer);
	if (buf_ok(&out))
		send_front(v, signer_answer_type(r->kind), id, buf_bytes(&out));
	else
		send_refused(v, id, ERR_NOMEM, "no memory for an answer");
}

static void tell_lists(struct server *v, const struct crl_new *lists, size_t n)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);

	for (size_t i = 0; v->hello && i < n; i += CRL_NEW_MAX) {
		buf_reset(&out);
		crl_new_write(lists + i, n - i < CRL_NEW_MAX ? n - i : CRL_NEW_MAX, &out);
		send_written(v, MESSAGE_CRL_NEW, 0, &out);
	}
}

static void send_part(struct server *v, const struct message *m)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct err e = { 0 };

	if (signer_crl_part(v->signer, m->body, &out, &e) == ERR_OK)
		send_written(v, MESSAGE_CRL_PART, m->id, &out);
	else
		send_refused(v, m->id, e.code, e.detail);
}

/* What operators did, and what was revoked. All of it for a front that is new; a front that is away hears it then. */
static void tell_news(struct server *v, bool all)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);

	if (!v->hello)
		return;
	signer_news(v->signer, all, &v->news);
	for (size_t at = 0; v->news.blocks && signer_blocks_part(v->signer, &at, &out);) {
		send_written(v, MESSAGE_BLOCKS, 0, &out);
		buf_reset(&out);
		if (at == 0)
			break; /* the list is empty */
	}
	if (v->news.n_revoked) {
		revoked_new_write(v->news.revoked, v->news.n_revoked, &out);
		send_written(v, MESSAGE_REVOKED_NEW, 0, &out);
	}
	for (size_t i = 0; i < v->news.n_resets; i++) {
		buf_reset(&out);
		limits_reset_write(&v->news.resets[i], &out);
		send_written(v, MESSAGE_LIMITS_RESET, 0, &out);
	}
}

static enum err_code make_lists(struct server *v, struct err *e)
{
	struct crl_new made[SIGNER_LISTS_A_TURN];
	size_t n;

	TRY(signer_crl(v->signer, made, &n, e));
	tell_lists(v, made, n);
	return ERR_OK;
}

/* The front asks for them as soon as it is there; where they are many, or the key is slow, the rest comes while it serves. */
static enum err_code make_first_lists(struct server *v, struct err *e)
{
	int64_t until_ms = clock_monotonic_ms() + FIRST_LISTS_MS;

	do
		TRY(make_lists(v, e));
	while (signer_crl_wait_ms(v->signer) == 0 && clock_monotonic_ms() < until_ms);
	return ERR_OK;
}

static enum err_code make_checkpoint(struct server *v, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);

	TRY(signer_checkpoint(v->signer, &out, e));
	v->checkpoint_records = signer_counts(v->signer).log_records;
	v->checkpoint_due_ms = 0;
	if (v->hello)
		send_written(v, MESSAGE_CHECKPOINT, 0, &out);
	return ERR_OK;
}

/* Every CHECKPOINT_RECORDS records, or CHECKPOINT_MS after the first one that no checkpoint has seen. */
static enum err_code checkpoint_if_due(struct server *v, struct err *e)
{
	uint64_t fresh = signer_counts(v->signer).log_records - v->checkpoint_records;
	int64_t now_ms = clock_monotonic_ms();

	if (fresh == 0)
		return ERR_OK;
	if (v->checkpoint_due_ms == 0)
		v->checkpoint_due_ms = now_ms + CHECKPOINT_MS;
	return fresh >= CHECKPOINT_RECORDS || now_ms >= v->checkpoint_due_ms ? make_checkpoint(v, e) : ERR_OK;
}

/* What waits is done together: one sync for all intents, one for all results. */
static enum err_code run_round(struct server *v, struct err *e)
{
	if (v->n == 0)
		return ERR_OK;
	enum err_code rc = signer_round(v->signer, v->arena, v->batch, v->n, e);
	for (size_t i = 0; rc == ERR_OK && i < v->n; i++) {
		const struct signer_request *r = &v->batch[i];
		if (r->code == ERR_OK)
			send_answer(v, r, v->ids[i]);
		else
			send_refused(v, v->ids[i], r->code, r->why.detail);
	}
	v->n = 0;
	arena_reset(v->arena);
	return rc;
}

/* The front's newest checkpoint has come with it. A log that is shorter has lost certificates: then nothing more is issued. */
static enum err_code on_hello(struct server *v, const struct message *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct hello_ok h = { .instance = signer_instance(v->signer), .n_issuers = signer_issuers(v->signer) };

	TRY(signer_compare(v->signer, m->body, e));
	v->hello = true;
	for (size_t i = 0; i < h.n_issuers; i++)
		h.issuers[i] = signer_issuer(v->signer, i);
	hello_ok_write(&h, &out);
	send_written(v, MESSAGE_HELLO_OK, m->id, &out);
	tell_lists(v, v->lists, signer_crl_list(v->signer, v->lists, LISTS_MAX));
	tell_news(v, true);
	return ERR_OK;
}

/* The message's bytes live only until the next one is received. */
static void enqueue(struct server *v, const struct message *m, enum request_kind kind)
{
	struct signer_request *r = &v->batch[v->n];

	*r = (struct signer_request){ .kind = kind, .request = m->request, .body = arena_copy(v->arena, m->body) };
	if (!r->body.ptr) {
		send_refused(v, m->id, ERR_NOMEM, "no memory for a request");
		return;
	}
	v->ids[v->n++] = m->id;
}

/* Certificates come first: answers are given after the round. */
static void enqueue_question(struct server *v, const struct message *m)
{
	uint8_t *copy = v->n_questions < OCSP_WAITING_MAX ? malloc(m->body.len + 1) : NULL;

	if (!copy) {
		send_refused(v, m->id, ERR_BUSY, "too many questions wait");
		return;
	}
	memcpy(copy, m->body.ptr, m->body.len);
	v->questions[v->n_questions] = (struct bytes){ copy, m->body.len };
	v->question_ids[v->n_questions++] = m->id;
}

static enum err_code answer_question(struct server *v, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct err why = { 0 };
	uint32_t id = v->question_ids[0];

	enum err_code rc = signer_ocsp(v->signer, v->questions[0], &out, &why, e);
	drop_questions(v, 1);
	TRY(rc);
	if (why.code == ERR_OK) {
		send_written(v, MESSAGE_OCSP_OK, id, &out);
		return ERR_OK;
	}
	if (why.code != ERR_UNAUTHORIZED)
		event_error(EVENT_WARNING, "ocsp.refused", &why);
	send_refused(v, id, why.code, why.detail);
	return ERR_OK;
}

static enum err_code answer_questions(struct server *v, struct err *e)
{
	for (size_t i = 0; i < OCSP_A_TURN && v->n_questions > 0; i++)
		TRY(answer_question(v, e));
	return ERR_OK;
}

static enum err_code on_front_message(struct server *v, const struct message *m, struct err *e)
{
	enum request_kind kind;

	if (m->type == MESSAGE_HELLO)
		return on_hello(v, m, e);
	if (!v->hello) {
		v->refused_turn++;
		send_refused(v, m->id, ERR_UNAUTHORIZED, "HELLO must be the first message on a channel");
	} else if (m->type == MESSAGE_CRL_GET) {
		send_part(v, m);
	} else if (m->type == MESSAGE_OCSP) {
		enqueue_question(v, m);
	} else if (signer_request_kind(m->type, &kind)) {
		enqueue(v, m, kind);
	}
	return ERR_OK;
}

/* Takes what waits, at most a round's worth: the parent's messages have their turn in between. */
static enum err_code serve_front(struct server *v, struct err *e)
{
	for (size_t i = 0; v->front && i < SIGNER_BATCH_MAX; i++) {
		struct message m;
		struct err why = { 0 };
		enum err_code rc = channel_receive(v->front, &m, &why);
		if (rc == ERR_AGAIN)
			break;
		if (rc != ERR_OK && rc != ERR_CLOSED) {
			*e = why;
			return rc;
		}
		if (rc == ERR_CLOSED) {
			event_error(EVENT_NOTICE, "front.gone", &why);
			drop_front(v);
			v->n = 0; /* whoever asked is gone */
			arena_reset(v->arena);
			break;
		}
		TRY(on_front_message(v, &m, e));
	}
	return run_round(v, e);
}

/* {"main": seconds since 1970}: when each one's certificate ends. */
static void put_issuers(const struct signer *s, struct json_out *w)
{
	json_put_key(w, "issuers_not_after_s");
	json_put_object(w);
	for (size_t i = 0; i < signer_issuers(s); i++) {
		char name[ISSUER_NAME_MAX + 1];
		struct bytes text = signer_issuer(s, i).name;
		memcpy(name, text.ptr, text.len);
		name[text.len] = '\0';
		json_put_member_uint(w, name, (uint64_t)signer_issuer_not_after_s(s, i));
	}
	json_end_object(w);
}

static void put_counts(struct server *v, struct json_out *w)
{
	struct signer_counts c = signer_counts(v->signer);

	json_put_member_uint(w, "issued", c.issued);
	json_put_member_uint(w, "repeated", c.repeated);
	json_put_member_uint(w, "tls", c.tls);
	json_put_member_uint(w, "voided", c.voided);
	json_put_member_uint(w, "ocsp", c.ocsp);
	json_put_member_uint(w, "blocked", c.blocked);
	json_put_member_uint(w, "rollovers", c.rollovers);
	json_put_member_uint(w, "deactivated", c.deactivated);
	json_put_member_uint(w, "bound", c.bound);
	json_put_member_uint(w, "checkpoints_ignored", c.checkpoints_ignored);
	json_put_member_uint(w, "log_records", c.log_records);
	json_put_member_uint(w, "log_bytes", c.log_bytes);
	json_put_member_uint(w, "log_segments", c.log_segments);
	json_put_member_uint(w, "syncs", c.syncs);
	json_put_member_uint(w, "revoked", c.revoked);
	json_put_member_uint(w, "keys_compromised", c.keys_compromised);
	json_put_member_uint(w, "crl_number", c.crl_number);
	json_put_member_uint(w, "crl_size", c.crl_size);
	json_put_member_uint(w, "crl_lists", c.crl_lists);
	int64_t age_s = c.crl_number ? clock_wall_ms() / 1000 - c.crl_oldest_s : 0;
	json_put_member_uint(w, "crl_ends_s", (uint64_t)c.crl_ends_s);
	json_put_member_uint(w, "root_crl_ends_s", (uint64_t)c.root_crl_ends_s);
	json_put_member_uint(w, "crl_age_s", age_s < 0 ? 0 : (uint64_t)age_s);
	json_put_member_uint(w, "refused_turn", v->refused_turn);
	json_put_member_uint(w, "free_bytes", signer_free_bytes(v->signer));
	json_put_member_uint(w, "reserve_bytes", c.reserve_bytes);
	json_put_member_uint(w, "log_time_s", (uint64_t)c.log_time_s);
	put_issuers(v->signer, w);
	status_put_errors(w, "refused", c.refused);
}

static enum err_code on_status(struct server *v, uint32_t id, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);
	struct json_out w = json_out_to(&out);

	json_put_object(&w);
	put_counts(v, &w);
	json_put_member_bool(&w, "front", v->hello);
	if (v->front)
		status_put_channel(&w, "front_channel", channel_counts(v->front));
	json_end_object(&w);
	return channel_send(v->child.parent, MESSAGE_SIGNER_STATUS, id, buf_bytes(&out), e);
}

/* A channel to a new front or keyholder, in the place of the one that died. */
static enum err_code on_peer(struct server *v, const struct message *m, struct err *e)
{
	if (m->body.len == 1 && m->body.ptr[0] == PROCESS_KEYHOLDER) {
		struct channel *c;
		TRY(server_channel_new(m->fd, PROCESS_SIGNER, PROCESS_KEYHOLDER, &c, e));
		signer_keyholder(v->signer, c);
		return ERR_OK;
	}
	if (m->body.len != 1 || m->body.ptr[0] != PROCESS_FRONT) {
		if (m->fd >= 0)
			close(m->fd);
		return ERR_OK;
	}
	drop_front(v);
	return server_channel_new(m->fd, PROCESS_SIGNER, PROCESS_FRONT, &v->front, e);
}

/* Settings that do not hold leave the old in force. */
static enum err_code on_settings(struct server *v, const struct message *m, struct err *e)
{
	struct err why = { 0 };

	if (child_settings(&v->child, m, &why) == ERR_OK && signer_settings(v->signer, &v->child.settings, &why) == ERR_OK)
		return child_ready(&v->child, e);
	return child_keeps_settings(&v->child, &why, e);
}

static enum err_code on_parent_message(void *ctx, const struct message *m, struct err *e)
{
	struct server *v = ctx;

	if (m->type == MESSAGE_SETTINGS_SIGNER)
		return on_settings(v, m, e);
	if (m->type == MESSAGE_STATUS_SIGNER)
		return on_status(v, m->id, e);
	if (m->type == MESSAGE_STOP_SIGNER)
		v->stop = true;
	else if (m->type == MESSAGE_PEER_SIGNER)
		return on_peer(v, m, e);
	else if (m->type == MESSAGE_LISTENER_OPERATORS)
		operators_listen_on(v->operators, m->fd);
	else if (m->type == MESSAGE_BLOCKLIST_SIGNER)
		TRY(child_blocklist(&v->child, m, e));
	else if (m->fd >= 0)
		close(m->fd);
	return ERR_OK;
}

static int poll_timeout(const struct server *v)
{
	int operators_ms = operators_timeout(v->operators);
	int64_t left = signer_crl_wait_ms(v->signer), checkpoint = v->checkpoint_due_ms - clock_monotonic_ms();

	if (v->checkpoint_due_ms != 0 && checkpoint < left)
		left = checkpoint;
	if (operators_ms >= 0 && operators_ms < left)
		left = operators_ms;
	return left < 0 || v->n_questions > 0 ? 0 : (int)left;
}

static short wanted(const struct channel *c)
{
	return channel_wants_write(c) ? POLLIN | POLLOUT : POLLIN;
}

static enum err_code flush(struct server *v, struct err *e)
{
	if (channel_wants_write(v->child.parent))
		TRY(channel_flush(v->child.parent, e));
	if (!v->front || !channel_wants_write(v->front))
		return ERR_OK;
	enum err_code rc = channel_flush(v->front, e);
	if (rc != ERR_CLOSED)
		return rc;
	drop_front(v);
	return ERR_OK;
}

static enum err_code serve(struct server *v, struct err *e)
{
	TRY(make_first_lists(v, e));
	while (!v->stop) {
		struct pollfd p[2 + OPERATORS_FDS] = { { .fd = channel_fd(v->child.parent), .events = wanted(v->child.parent) } };
		p[1] = (struct pollfd){ .fd = v->front ? channel_fd(v->front) : -1, .events = v->front ? wanted(v->front) : 0 };
		int n = poll(p, 2 + operators_poll(v->operators, p + 2), poll_timeout(v));
		if (n < 0 && errno != EINTR)
			FAIL(e, IO, "cannot wait for messages");
		TRY(flush(v, e));
		TRY(serve_front(v, e));
		TRY(answer_questions(v, e));
		TRY(child_serve_parent(&v->child, on_parent_message, v, &v->stop, e));
		TRY(operators_serve(v->operators, v->signer, e));
		tell_news(v, false);
		TRY(make_lists(v, e));
		TRY(checkpoint_if_due(v, e));
		if (v->broken.code != ERR_OK) {
			*e = v->broken;
			return e->code;
		}
	}
	return make_checkpoint(v, e);
}

/* The first line of the passphrase's file; it is not kept. */
static enum err_code open_signer(struct server *v, struct err *e)
{
	uint8_t text[KEY_PASSPHRASE_MAX] = { 0 };
	bool given = v->child.passphrase >= 0;
	struct bytes line;

	TRY(child_read_secret(&v->child, "signer.passphrase-file", text, sizeof text, &line, e));
	errno = 0;
	if (given && line.len == 0)
		FAIL(e, CONFIG, "signer.passphrase-file has no passphrase in its first line");
	enum err_code rc = signer_open_with(v->child.folder, &v->child.settings, line, &v->signer, e);
	crypto_wipe(text, sizeof text);
	return rc;
}

/* Keys and log are opened before the jail; in it, only the folder is left (DESIGN §2). */
static enum err_code start(struct server *v, struct err *e)
{
	TRY(child_start(PROCESS_SIGNER, &v->child, e));
	v->arena = arena_new(ROUND_ARENA, ROUND_ARENA_MAX);
	v->operators = operators_new();
	if (!v->arena || !v->operators)
		FAIL(e, NOMEM, "no memory to start");
	TRY(open_signer(v, e));
	signer_block(v->signer, v->child.blocked);
	v->checkpoint_records = signer_counts(v->signer).log_records;
	(void)mlockall(MCL_CURRENT); /* keys stay out of swap where the limit allows it */
	TRY(child_jail(&v->child, e));
	if (!SANITIZED_ADDRESS) /* LeakSanitizer's search at the end needs what the filter forbids; see child_jail() */
		TRY(jail_seccomp_signer(&v->child.layers, e));
	return child_ready(&v->child, e);
}

int main(void)
{
	static struct server v;
	struct err e = { 0 };

	enum err_code rc = start(&v, &e);
	if (rc == ERR_OK)
		rc = serve(&v, &e);
	if (rc != ERR_OK)
		child_failed(&v.child, &e);
	drop_front(&v);
	operators_free(v.operators);
	signer_close(v.signer);
	arena_free(v.arena);
	child_free(&v.child);
	return rc == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
