/* The signer's log, checked on its way, up to a record that was whole when its segment was looked at. */
#include "server/admin/backup_inside.h"

#include "os/file.h"
#include "server/signer/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 5 /* a segment that is being written can look torn in its middle for the moment of one write */

/* Of the segment alone, where the log is not read from its beginning. */
static enum err_code check_segment(
    int dir, uint32_t number, bool open, struct segment *ret, struct chain *c, uint64_t *ret_end, struct err *e)
{
	struct segment_end end;
	struct segment g;
	struct chain at = *c;

	TRY(segment_open(dir, number, O_RDONLY | O_NOFOLLOW, NULL, SEGMENT_AHEAD_ALL, &g, e));
	enum err_code rc = segment_replay(&g, open, &at, NULL, NULL, &end, e);
	if (rc != ERR_OK) {
		segment_close(&g);
		return rc;
	}
	*ret = g;
	*ret_end = end.end;
	*c = at;
	return ERR_OK;
}

static enum err_code put_segment(struct making *m, int dir, uint32_t number, bool last, struct chain *c, struct err *e)
{
	char name[SEGMENT_NAME_SIZE], path[64];
	enum err_code rc = ERR_IO;
	struct segment g;
	uint64_t end = 0;

	for (int i = 0; rc == ERR_IO && i < (last ? TRIES : 1); i++)
		rc = check_segment(dir, number, last, &g, c, &end, e);
	TRY(rc);
	if (number == 1)
		memcpy(m->report->manifest.instance, g.head.instance, INSTANCE_SIZE);
	segment_name(number, "seg", name);
	(void)snprintf(path, sizeof path, "signer/log/%s", name);
	rc = backup_put_file(m, path, "signer", 0600, g.fd, end, e);
	segment_close(&g);
	return rc;
}

/* How many segments there are, without gaps from the first. */
static uint32_t last_segment(int dir)
{
	char name[SEGMENT_NAME_SIZE];
	uint32_t n = 0;

	for (;;) {
		segment_name(n + 1, "seg", name);
		if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			return n;
		n++;
	}
}

/* The last one is settled before any is read: one that is begun meanwhile is of the next backup. */
enum err_code backup_log(struct making *m, struct err *e)
{
	CLEANUP(close_p) int dir = openat(m->signer.fd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct chain c = { 0 };

	if (dir < 0)
		FAIL(e, IO, "%s/log: %s", m->signer.path, strerror(errno));
	uint32_t last = last_segment(dir);
	errno = 0;
	if (last == 0)
		FAIL(e, IO, "%s/log: the log's first segment is missing: there is nothing that a backup could be made of", m->signer.path);
	for (uint32_t number = 1; number <= last; number++)
		TRY(put_segment(m, dir, number, number == last, &c, e));
	m->report->segments = last;
	m->report->manifest.log_sequence = c.sequence;
	return ERR_OK;
}
