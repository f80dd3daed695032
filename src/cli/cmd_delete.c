#include "cli/cmd_delete.h"

#include "agent/frame.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/confirm.h"
#include "client/storage.h"
#include "os/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* No DNS name has an underscore, so no certificate's folder is called so. */
#define DELETED_FOLDER "_deleted"

#define SAME_SECOND_MAX 100

static const struct given_option delete_options[] = {
	YES_OPTION,
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

/* One move; to.2 and so on where one of this name was put away in the same second. */
static enum err_code move(struct arena *a, const char *from, const char *to, const char **ret, struct err *e)
{
	const char *path = to;

	for (unsigned n = 2; path && rename(from, path) != 0; n++) {
		if ((errno != ENOTEMPTY && errno != EEXIST) || n > SAME_SECOND_MAX)
			FAIL(e, IO, "%.200s: %s", from, strerror(errno));
		path = (const char *)arena_fmt(a, "%s.%u", to, n).ptr;
	}
	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	*ret = path;
	return ERR_OK;
}

/* Under the certificate's lock, so that no run is in the midst of it. */
static enum err_code put_away(const struct config *c, struct arena *a, const char *name, const char **ret, struct err *e)
{
	CLEANUP(storage_free_p) struct storage *storage = NULL;
	char time[RFC3339_SIZE], path[4096];

	TRY(storage_open(c->folder, name, &storage, e));
	rfc3339_format(clock_wall_ms() / 1000, time);
	errno = 0;
	if (snprintf(path, sizeof path, "%s/" DELETED_FOLDER, c->folder) >= (int)sizeof path)
		FAIL(e, CONFIG, "%.200s: its path is too long", c->folder);
	TRY(file_make_folder(path, 0700, e));
	const char *to = (const char *)arena_fmt(a, "%s/%s.%s", path, name, time).ptr;
	const char *from = (const char *)arena_fmt(a, "%s/%s", c->folder, name).ptr;
	if (!to || !from)
		FAIL(e, NOMEM, "no memory");
	return move(a, from, to, ret, e);
}

static enum err_code check(const struct inventory *all, const struct config *c, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].configured)
			FAIL(e, CONFIG, "%.100s is in %.200s, and would be got again: take it out there first", all->v[i].name, c->path);
	return ERR_OK;
}

static enum err_code run(struct cli *c, struct arena *a, struct json_out *j, struct err *e)
{
	struct config config;
	struct inventory all;
	const char *to;

	TRY(client_config(&c->given, a, &config, e));
	TRY(issue_inventory(&config, a, c->arguments, c->n_arguments, &all, e));
	TRY(check(&all, &config, e));
	TRY(confirm(c, "Servers that read these certificates find them no more. Delete them?", e));
	for (size_t i = 0; i < all.n; i++) {
		TRY(put_away(&config, a, all.v[i].name, &to, e));
		json_put_object(j);
		json_put_member_str(j, "name", all.v[i].name);
		json_put_member_str(j, "kept", to);
		json_end_object(j);
		if (!cli_flag(c, "json"))
			printf("%s is put away; its files are in %s.\n", all.v[i].name, to);
	}
	return ERR_OK;
}

static int cmd_delete(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out j = json_out_to(&text);
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	json_put_object(&j);
	json_put_key(&j, "deleted");
	json_put_array(&j);
	if (run(c, a, &j, &e) != ERR_OK)
		return cli_fail(c, &e);
	json_end_array(&j);
	json_end_object(&j);
	if (cli_flag(c, "json"))
		printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	return EXIT_DONE;
}

const struct cli_command delete_command = { "delete", "NAME...",
	"Puts these certificates away: nobody renews them any more. Their files are kept below _deleted; the CA is told nothing.",
	CLI_OPTIONS(delete_options), 1, 100, cmd_delete };
