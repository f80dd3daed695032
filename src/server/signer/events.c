/* What the log holds beside certificates: how such a record comes into the log, and what it makes of the signer's state. */
#include "server/signer/revoke.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* What a record of each type changes. One way for both: what a start recalls, and what has just been added. */
typedef enum err_code event_take(struct signer *s, const struct record *r, struct err *e);
static event_take *const takes[UINT8_MAX + 1] = {
	[LOG_VOID] = revoked_take_void,
	[LOG_REVOKE] = revoked_take,
	[LOG_CRL] = crl_take,
	[LOG_ROLLOVER] = account_take,
	[LOG_DEACTIVATE] = account_take,
	[LOG_BIND] = account_take,
	[LOG_EAB] = eab_take,
	[LOG_ISSUER] = issuer_take,
	[LOG_BLOCK] = block_take,
};

const struct request_row request_rows[REQUEST__MAX] = {
#define X(request, reply, leaves, is_urgent, function)        \
	[REQUEST_##request] = { .message = MESSAGE_##request, \
		.answer = MESSAGE_##reply,                    \
		.record = LOG_##leaves,                       \
		.urgent = (is_urgent),                        \
		.prepare = (function) },
#include "server/signer/request.def"
#undef X
};

bool signer_request_kind(uint16_t message, enum request_kind *ret)
{
	for (unsigned k = 0; k < REQUEST__MAX; k++)
		if (request_rows[k].message == message) {
			*ret = (enum request_kind)k;
			return true;
		}
	return false;
}

uint16_t signer_answer_type(enum request_kind kind)
{
	return request_rows[kind].answer;
}

enum err_code event_recall(void *ctx, const struct record *r, struct err *e)
{
	event_take *take = takes[r->type];

	return take ? take(ctx, r, e) : ERR_OK;
}

/* The state goes ahead of the disk: whatever rests on it leaves only after the commit, and without the commit this process ends. */
enum err_code event_append(struct signer *s, enum log_type type, struct bytes body, int64_t now_ms, struct err *e)
{
	struct record r = { .type = (uint8_t)type, .time_ms = now_ms, .body = body };

	wire_put_fixed(log_begin(s->log), body);
	TRY(log_end(s->log, type, now_ms, NULL, e));
	r.sequence = log_staged_sequence(s->log);
	enum err_code rc = event_recall(s, &r, e);
	if (rc != ERR_OK)
		log_poison(s->log); /* the log and the state are not of one mind any more */
	return rc;
}

enum err_code signer_clock_check(const struct signer *s, int64_t now_ms, struct err *e)
{
	int64_t last_ms = log_position(s->log).chain.time_ms;

	errno = 0;
	if (now_ms < last_ms)
		FAIL(e, BUSY, "the clock stands %" PRId64 " ms before the log's last record", last_ms - now_ms);
	return ERR_OK;
}

enum err_code signer_place_check(struct signer *s, struct err *e)
{
	struct stat ours, there;

	if (fstat(s->log_dir, &ours) == 0 && fstatat(s->dir, FOLDER_LOG, &there, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == there.st_ino &&
	    ours.st_dev == there.st_dev)
		return ERR_OK;
	log_poison(s->log);
	FAIL(e, IO, "the signer's folder \"%s\" was removed or replaced while it was in use", FOLDER_LOG);
}

enum err_code signer_space_check(const struct signer *s, struct err *e)
{
	struct statvfs fs;

	errno = 0;
	if (fstatvfs(s->log_dir, &fs) != 0)
		FAIL(e, IO, "cannot look at the free space of the log's folder");
	if ((uint64_t)fs.f_bavail * fs.f_frsize < s->settings.reserve)
		FAIL(e, BUSY, "less space is free than the reserve of %" PRIu64 " bytes", s->settings.reserve);
	return ERR_OK;
}

enum err_code signer_add_event(struct signer *s, enum log_type type, struct bytes body, struct err *e)
{
	int64_t now_ms = clock_wall_ms();

	TRY(signer_place_check(s, e));
	TRY(signer_clock_check(s, now_ms, e));
	if (signer_space_check(s, NULL) == ERR_OK) /* a new segment takes space; a full one holds a little more */
		TRY(log_rotate(s->log, now_ms, e));
	TRY(event_append(s, type, body, now_ms, e));
	return log_commit(s->log, e);
}
