/* Checkpoints: where the log stood, signed with log.key. They lie in the folder, in the front's store and in backups; a log that
 * does not reach the newest one has lost certificates, and the start must stop (DESIGN §2). */
#include "server/signer/checkpoint.h"

#include "server/signer/state.h"

#include "base/clock.h"
#include "base/event.h"
#include "os/file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHECKPOINT_LABEL   "chancery checkpoint"
#define CHECKPOINT_VERSION 1
#define SIGNATURE_SIZE     64

static void put_body(const struct checkpoint *c, struct buf *out)
{
	wire_put_bytes(out, BYTES_LIT(CHECKPOINT_LABEL));
	wire_put_u8(out, CHECKPOINT_VERSION);
	wire_put_fixed(out, BYTES_ARRAY(c->instance));
	wire_put_u32(out, c->at.segment);
	wire_put_u64(out, c->at.offset);
	wire_put_u64(out, c->at.chain.sequence);
	wire_put_fixed(out, BYTES_ARRAY(c->at.chain.value));
	wire_put_u64(out, (uint64_t)c->at.chain.time_ms);
	wire_put_u64(out, (uint64_t)c->made_ms);
}

enum err_code checkpoint_read(
    const struct key *log_key, const uint8_t instance[INSTANCE_SIZE], struct bytes in, struct checkpoint *ret, struct err *e)
{
	struct checkpoint c = { 0 };
	size_t body_len = in.len > SIGNATURE_SIZE ? in.len - SIGNATURE_SIZE : 0;
	struct bytes body = bytes_slice(in, 0, body_len);

	errno = 0;
	if (key_verify(log_key, SIG_FORM_X509, body, bytes_slice(in, body_len, in.len), NULL) != ERR_OK)
		FAIL(e, MALFORMED, "a checkpoint that this signer has not signed");
	struct wire w = wire_of(body);
	bool label = bytes_eq_str(wire_bytes(&w, sizeof CHECKPOINT_LABEL), CHECKPOINT_LABEL);
	uint8_t version = wire_u8(&w);
	struct bytes of = wire_fixed(&w, INSTANCE_SIZE);
	c.at.segment = wire_u32(&w);
	c.at.offset = wire_u64(&w);
	c.at.chain.sequence = wire_u64(&w);
	struct bytes chain = wire_fixed(&w, SHA256_SIZE);
	c.at.chain.time_ms = (int64_t)wire_u64(&w);
	c.made_ms = (int64_t)wire_u64(&w);
	TRY(wire_end(&w, "a checkpoint", e));
	if (!label || version != CHECKPOINT_VERSION || !bytes_eq(of, (struct bytes){ instance, INSTANCE_SIZE }))
		FAIL(e, MALFORMED, "a checkpoint of another CA or version");
	memcpy(c.instance, instance, INSTANCE_SIZE);
	memcpy(c.at.chain.value, chain.ptr, SHA256_SIZE);
	*ret = c;
	return ERR_OK;
}

static enum err_code compare(struct signer *s, struct arena *a, const struct checkpoint *c, struct err *e)
{
	struct log_position now = log_position(s->log);
	struct record r;

	errno = 0;
	if (c->at.chain.sequence > now.chain.sequence)
		FAIL(e, IO,
		    "the log is shorter than its checkpoint: it ends with record %" PRIu64 ", the checkpoint has seen record %" PRIu64
		    " (segment %u, offset %" PRIu64
		    "). Put the newer log back, from a later backup or the old disk: chancery-ca(8), BACKUP",
		    now.chain.sequence, c->at.chain.sequence, c->at.segment, c->at.offset);
	if (log_read(s->log, a, c->at.segment, c->at.offset, &r, NULL) != ERR_OK || r.sequence != c->at.chain.sequence ||
	    memcmp(r.chain, c->at.chain.value, sizeof r.chain) != 0)
		FAIL(e, IO,
		    "the log differs from its checkpoint at record %" PRIu64 " (segment %u, offset %" PRIu64
		    "). Put the log back that belongs to it, from a backup: chancery-ca(8), BACKUP",
		    c->at.chain.sequence, c->at.segment, c->at.offset);
	return ERR_OK;
}

static enum err_code compare_fresh(struct signer *s, const struct checkpoint *c, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, RECORD_SIZE_MAX + 65536);

	if (!a)
		FAIL(e, NOMEM, "no memory to compare a checkpoint");
	return compare(s, a, c, e);
}

enum err_code signer_compare(struct signer *s, struct bytes checkpoint, struct err *e)
{
	struct checkpoint c;

	if (checkpoint.len == 0)
		return ERR_OK;
	if (checkpoint_read(s->log_key, s->identity.instance, checkpoint, &c, NULL) != ERR_OK) {
		s->counts.checkpoints_ignored++;
		event_limited(&s->ignored_events, EVENT_WARNING, "checkpoint.ignored", EVENT_STR("why", "this signer has not signed it"));
		return ERR_OK;
	}
	return compare_fresh(s, &c, e);
}

enum err_code checkpoint_check_file(struct signer *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf in = buf_new(CHECKPOINT_MAX);
	struct checkpoint c;

	enum err_code rc = file_read(s->dir, FILE_CHECKPOINT, CHECKPOINT_MAX, &in, e);
	if (rc == ERR_NOT_FOUND) /* none was due yet */
		return ERR_OK;
	TRY(rc);
	errno = 0;
	if (checkpoint_read(s->log_key, s->identity.instance, buf_bytes(&in), &c, NULL) != ERR_OK)
		FAIL(e, IO, "the signer's file \"%s\" is damaged: find out why before you remove it", FILE_CHECKPOINT);
	return compare_fresh(s, &c, e);
}

static enum err_code make(struct signer *s, struct buf *out, struct err *e)
{
	struct checkpoint c = { .at = log_position(s->log), .made_ms = clock_wall_ms() };
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t sig_len, from = out->len;

	memcpy(c.instance, s->identity.instance, sizeof c.instance);
	put_body(&c, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for a checkpoint");
	TRY(key_sign(s->log_key, SIG_FORM_X509, bytes_slice(buf_bytes(out), from, out->len), sig, &sig_len, e));
	wire_put_fixed(out, (struct bytes){ sig, sig_len });
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for a checkpoint");
	return file_write(s->dir, FILE_CHECKPOINT, 0600, bytes_slice(buf_bytes(out), from, out->len), e);
}

enum err_code signer_checkpoint(struct signer *s, struct buf *out, struct err *e)
{
	errno = 0;
	if (log_poisoned(s->log))
		FAIL(e, IO, "the log has failed before: only a new start may go on");
	enum err_code rc = make(s, out, e);
	if (rc == ERR_IO)
		log_poison(s->log); /* a disk that fails one sync is not trusted with the next */
	return rc;
}
