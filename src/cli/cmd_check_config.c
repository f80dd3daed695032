#include "cli/cmd_check_config.h"

#include "agent/config.h"
#include "agent/frame.h"
#include "base/json.h"

#include <string.h>

static const struct given_option check_config_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "json", NULL, false, "Prints one JSON object." },
};

static void put_json(const struct config *config, struct bytes messages, bool good)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1u << 20);
	struct json_out w = json_out_to(&text);
	struct bytes line;

	json_put_object(&w);
	json_put_member_str(&w, "result", good ? "good" : "wrong");
	if (config->path)
		json_put_member_str(&w, "file", config->path);
	json_put_member_uint(&w, "certificates", config->n_certs);
	json_put_key(&w, "messages");
	json_put_array(&w);
	while (bytes_split(messages, '\n', &line, &messages))
		json_put_string(&w, line);
	json_end_array(&w);
	json_end_object(&w);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
}

static int cmd_check_config(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	CLEANUP(buf_free_p) struct buf messages = buf_new(1u << 20);
	struct config config = { .path = NULL };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	bool good = config_load(&c->given, a, &config, &messages, &e) == ERR_OK;
	if (!good && messages.len == 0)
		return cli_fail(c, &e);
	if (cli_flag(c, "json")) {
		put_json(&config, buf_bytes(&messages), good);
	} else if (!good) {
		fprintf(stderr, "%.*s", BYTES_FMT(buf_bytes(&messages)));
	} else if (!config.path) {
		printf(
		    "There is no configuration; none is needed. What certificates are wanted is kept beside them in %s.\n", config.folder);
	} else {
		printf("%s is good: %zu certificate%s, %zu CA%s known.\n", config.path, config.n_certs, config.n_certs == 1 ? "" : "s",
		    config.cas.n, config.cas.n == 1 ? "" : "s");
	}
	return good ? EXIT_DONE : EXIT_FAILED;
}

const struct cli_command check_config_command = { "check-config", "",
	"Says all that is wrong with the configuration, each with its file and line.", CLI_OPTIONS(check_config_options), 0, 0,
	cmd_check_config };
