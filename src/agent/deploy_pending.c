/* FOLDER/NAME/undeployed: a certificate that has still to be put to use, "ID\n", and the generation to go back to, "ID\n" where there is one. It is written before
 * the switch and removed when all is done, so that neither a crash nor a deployment that failed is forgotten. */
#include "agent/deploy_target.h"

#include "base/clock.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "undeployed"

enum err_code deploy_pending_write(struct deploy_job *j, const char *id, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(256);

	buf_add_fmt(&text, "%s\n", id);
	if (j->previous)
		buf_add_fmt(&text, "%s\n", j->previous);
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory");
	return file_write(AT_FDCWD, deploy_path(j, FILE_NAME), 0600, buf_bytes(&text), e);
}

void deploy_pending_done(struct deploy_job *j)
{
	(void)unlink(deploy_path(j, FILE_NAME));
}

static bool is_id(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789abcdefTZ-", text.ptr[i]))
			return false;
	return text.len == STORAGE_ID_SIZE - 1;
}

/* Whether the generation is whole, and its certificate has not ended. */
static bool is_in_time(struct deploy_job *j, const char *id)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX);
	struct bytes end;
	int64_t end_s;

	return storage_read_file(j->storage, id, STORAGE_META, &text, NULL) == ERR_OK && json_check(buf_bytes(&text), NULL) == ERR_OK &&
	       json_string(j->arena, json_find(j->arena, buf_bytes(&text), "not_after"), &end, NULL) == ERR_OK &&
	       rfc3339_parse(end, &end_s, NULL) == ERR_OK && clock_wall_ms() / 1000 <= end_s;
}

bool deploy_pending_take(struct deploy_job *j)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(256);
	struct bytes first, second, rest;

	if (file_read(AT_FDCWD, deploy_path(j, FILE_NAME), 256, &text, NULL) != ERR_OK ||
	    !bytes_split(buf_bytes(&text), '\n', &first, &rest) || !is_id(first))
		return false;
	const char *id = arena_str(j->arena, first);
	if (!id || !is_in_time(j, id))
		return false;
	/* It was live already when the run ended, or was ended: then what was before it is what the file says. */
	if (j->previous && strcmp(j->previous, id) == 0) {
		j->previous = NULL;
		if (bytes_split(rest, '\n', &second, &rest) && is_id(second)) {
			memcpy(j->previous_id, second.ptr, second.len);
			j->previous = is_in_time(j, j->previous_id) ? j->previous_id : NULL;
		}
	}
	return storage_switch(j->storage, id, NULL) == ERR_OK;
}
