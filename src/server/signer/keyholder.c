/* Keys that are in a token: the keyholder signs, asked over a channel while this process waits. What it gives is verified before anybody gets it
 * (key_sign()), so that it can withhold signatures and nothing else. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "os/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS      5000 /* for one signature */
#define PAUSE_MIN_MS 2000 /* after one that did not come: until then nobody waits again, so that all else goes on; doubled with each */
#define PAUSE_MAX_MS 30000

/* What a token's key needs to be signed with; lives in the signer's arena. */
struct elsewhere {
	struct signer *s;
	struct bytes uri;
};

enum err_code keyholder_ready(const struct signer *s, const struct ca_issuer *i, struct err *e)
{
	errno = 0;
	if (!i->in_token)
		return ERR_OK;
	if (!s->keyholder.channel)
		FAIL(e, BUSY, "the process with the token that holds the key of the issuer %s is not there", i->name);
	if (clock_monotonic_ms() < s->keyholder.pause_until_ms)
		FAIL(e, BUSY, "the token that holds the key of the issuer %s does not sign now", i->name);
	return ERR_OK;
}

void signer_keyholder(struct signer *s, struct channel *c)
{
	if (s->keyholder.channel)
		channel_free(s->keyholder.channel);
	s->keyholder.channel = c;
}

static enum err_code pause_after(struct signer *s, const char *why, struct err *e)
{
	int64_t twice = 2 * s->keyholder.pause_ms;

	s->keyholder.pause_ms = twice < PAUSE_MIN_MS ? PAUSE_MIN_MS : twice > PAUSE_MAX_MS ? PAUSE_MAX_MS : twice;
	s->keyholder.pause_until_ms = clock_monotonic_ms() + s->keyholder.pause_ms;
	errno = 0;
	FAIL(e, BUSY, "the token has not signed: %s", why);
}

static enum err_code take_answer(struct signer *s, const struct message *m, uint8_t *sig, size_t *ret_len, struct err *e)
{
	enum err_code code;
	struct bytes detail;
	char why[300];

	if (m->type == MESSAGE_SIGNED && m->body.len > 0 && m->body.len <= KEY_SIG_SIZE_MAX) {
		memcpy(sig, m->body.ptr, m->body.len);
		*ret_len = m->body.len;
		s->keyholder.pause_ms = 0;
		return ERR_OK;
	}
	if (m->type != MESSAGE_UNSIGNED || problem_read(m->body, &code, &detail, NULL) != ERR_OK)
		return pause_after(s, "its answer makes no sense", e);
	(void)snprintf(why, sizeof why, "%.*s", BYTES_FMT(bytes_slice(detail, 0, 250)));
	return pause_after(s, why, e);
}

static enum err_code ended(struct signer *s, struct err *e)
{
	signer_keyholder(s, NULL);
	return pause_after(s, "the process with it has ended", e);
}

static enum err_code await(struct signer *s, uint32_t id, uint8_t *sig, size_t *ret_len, struct err *e)
{
	int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
	struct channel *c = s->keyholder.channel;
	struct message m;

	for (;;) {
		enum err_code rc = channel_receive(c, &m, NULL);
		if (rc == ERR_OK && m.id == id)
			return take_answer(s, &m, sig, ret_len, e);
		if (rc == ERR_OK)
			continue; /* to a question that nobody waits for any more */
		if (rc != ERR_AGAIN)
			return ended(s, e);
		if (wait_fd(channel_fd(c), false, deadline_ms, NULL) != ERR_OK)
			return pause_after(s, "it does not answer", e);
	}
}

static enum err_code sign(void *ctx, const struct key *k, struct bytes digest, uint8_t *sig, size_t *ret_len, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	const struct elsewhere *w = ctx;
	struct signer *s = w->s;
	struct sign q = { .uri = w->uri, .type = (uint8_t)key_type(k), .digest = digest };

	errno = 0;
	if (!s->keyholder.channel)
		FAIL(e, BUSY, "the process with the token is not there");
	if (clock_monotonic_ms() < s->keyholder.pause_until_ms)
		FAIL(e, BUSY, "the token does not sign now");
	sign_write(&q, &out);
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for a signature");
	uint32_t id = ++s->keyholder.next_id;
	enum err_code rc = channel_send(s->keyholder.channel, MESSAGE_SIGN, id, buf_bytes(&out), NULL);
	if (rc == ERR_CLOSED || rc == ERR_IO)
		return ended(s, e);
	if (rc != ERR_OK)
		return pause_after(s, "earlier questions still wait for it", e);
	return await(s, id, sig, ret_len, e);
}

enum err_code keyholder_key(struct signer *s, struct bytes uri, struct bytes spki, struct key **ret, struct err *e)
{
	struct elsewhere *w = arena_new_obj(s->arena, struct elsewhere);
	struct bytes line = uri, rest;

	errno = 0;
	if (!w)
		FAIL(e, NOMEM, "no memory for a key");
	(void)bytes_split(uri, '\n', &line, &rest);
	if (line.len > SIGN_URI_MAX)
		FAIL(e, CONFIG, "a key's URI has at most %d characters", SIGN_URI_MAX);
	*w = (struct elsewhere){ .s = s, .uri = arena_copy(s->arena, line) };
	if (!w->uri.ptr)
		FAIL(e, NOMEM, "no memory for a key");
	return key_elsewhere(spki, sign, w, ret, e);
}
