#include "agent/frame.h"

#include <stdlib.h>
#include <unistd.h>

enum err_code frame_folder(const struct given *g, struct arena *a, const char **ret, struct err *e)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME"), *given = given_value(g, "folder", NULL);

	if (given || geteuid() == 0) {
		*ret = given ? given : CLIENT_ROOT_FOLDER;
		return ERR_OK;
	}
	if ((!data || *data != '/') && (!home || *home != '/'))
		FAIL(e, CONFIG, "neither XDG_DATA_HOME nor HOME says where to put certificates: give --folder DIR");
	struct bytes path = data && *data == '/' ? arena_fmt(a, "%s/chancery", data) : arena_fmt(a, "%s/.local/share/chancery", home);
	if (!path.ptr)
		FAIL(e, NOMEM, "no memory");
	*ret = (const char *)path.ptr;
	return ERR_OK;
}
