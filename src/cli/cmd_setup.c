#include "cli/cmd_setup.h"

#include "agent/frame.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/issue_report.h"
#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct given_option setup_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/wish.def"
#undef X
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "yes", NULL, false, "Asks nothing: names and options say all; checks, orders and writes the configuration." },
	{ "no-config", NULL, false, "Writes no section to chancery.conf; what is wanted is kept beside the certificate." },
	{ "json", NULL, false,
	    "With --yes: prints one JSON object: the checks, the order, the command and the configuration that say the same." },
};

static const struct {
	const char *title;
	enum err_code (*run)(struct setup *s, struct err *e);
} steps[SETUP_STEPS] = { { "Which names?", setup_names }, { "Which certificate authority?", setup_ca },
	{ "Account and keys", setup_account }, { "How is control of the names shown?", setup_control }, { "The order", setup_order } };

static enum err_code walk(struct setup *s, struct err *e)
{
	terminal_say(
	    "This gets a certificate and keeps it renewed. Enter takes what stands in brackets; \"?\" explains, \"back\" goes one step back; Ctrl-C "
	    "ends, and nothing is changed.");
	for (size_t i = 0; i < SETUP_STEPS;) {
		terminal_step((unsigned)i + 1, SETUP_STEPS, steps[i].title);
		enum err_code rc = steps[i].run(s, e);
		if (rc == ERR_AGAIN)
			i -= i > 0;
		else if (rc != ERR_OK)
			return rc;
		else
			i++;
	}
	return ERR_OK;
}

/* Without a terminal: all of it is on the command line. */
static enum err_code run_unasked(struct setup *s, struct err *e)
{
	bool good;

	errno = 0;
	if (s->n_names == 0)
		FAIL(e, CONFIG, "setup --yes needs names: chancery setup NAME... --ca NAME --yes");
	TRY(setup_check(s, &good, e));
	errno = 0;
	if (!good)
		FAIL(e, CONFIG, "nothing is ordered: %s", s->json ? "a check has failed" : "what is told above would fail");
	return setup_run(s, !given_flag(&s->cli->given, "no-config"), e);
}

/* An account key that was made for the web server's lines, and the folders of it, when no order has used it. */
static void leave_nothing(const struct setup *s)
{
	const char *accounts = ca_wish_account_folder(s->config.folder, s->arena);

	if (s->ordered || !s->new_key)
		return;
	(void)unlink(s->new_key);
	if (s->new_key_folders && accounts)
		(void)rmdir(accounts);
	if (s->new_key_folders && s->new_key_folders != accounts)
		(void)rmdir(s->new_key_folders);
}

static int tell_failure(struct setup *s, const struct err *why)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(2u << 20);
	struct json_out j = json_out_to(&text);

	if (!s->json)
		return cli_fail(s->cli, why);
	json_put_object(&j);
	setup_put(s, "failed", why, &j);
	json_end_object(&j);
	printf("%.*s\n", BYTES_FMT(buf_bytes(&text)));
	return EXIT_FAILED;
}

static enum err_code begin(struct setup *s, struct err *e)
{
	bool whole;

	struct given named = s->cli->given;
	const char *path = given_value(&named, "config", NULL);

	/* One that is named and not there yet is written at the end. */
	for (size_t i = 0; path && access(path, F_OK) != 0 && i < named.n; i++)
		if (strcmp(named.v[i].option->name, "config") == 0)
			named.v[i--] = named.v[--named.n];
	TRY(client_config(&named, s->arena, &s->config, e));
	s->crew.users = s->config.users;
	s->given = (struct given){ .options = issue_options, .n_options = n_issue_options };
	for (size_t i = 0; i < s->cli->given.n; i++) {
		struct given_one one = s->cli->given.v[i];
		bool output = strcmp(one.option->name, "json") == 0;
		one.option = given_option(&s->given, bytes_str(one.option->name));
		if (one.option && !output)
			TRY(given_add(&s->given, &one, e));
	}
	for (size_t i = 0; i < s->cli->n_arguments; i++)
		TRY(setup_add_name(s, s->cli->arguments[i], e));
	if (web_host_names(s->arena, NULL, &s->hosted, &s->n_hosted, &whole, NULL) != ERR_OK)
		s->n_hosted = 0; /* then names are typed */
	return ERR_OK;
}

static int cmd_setup(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	struct setup *s = a ? arena_new_obj(a, struct setup) : NULL;
	struct err e = { 0 };

	if (!s)
		return EXIT_FAILED;
	s->cli = c;
	s->arena = a;
	s->json = cli_flag(c, "json");
	s->checks = arena_array(a, SETUP_CHECKS_MAX, sizeof *s->checks);
	if (!s->checks)
		return EXIT_FAILED;
	report_catch_signals();
	enum err_code rc = begin(s, &e);
	if (rc == ERR_OK && !cli_flag(c, "yes") && (s->json || !terminal_is_there()))
		rc = err_set(&e, ERR_CONFIG, __FILE__, __LINE__, "%s",
		    s->json ? "setup --json asks nothing: say all of it and --yes"
			    : "setup asks at a terminal; without one, say all of it and --yes");
	if (rc == ERR_OK)
		rc = cli_flag(c, "yes") ? run_unasked(s, &e) : walk(s, &e);
	crew_close(&s->crew);
	leave_nothing(s);
	if (rc != ERR_OK)
		return tell_failure(s, &e);
	return s->failed ? EXIT_FAILED : EXIT_DONE;
}

const struct cli_command setup_command = { "setup", "[NAME...]",
	"Asks for all that a certificate needs, in five steps, tries it before anything is ordered, gets it, and writes it to chancery.conf. What chancery without any word does at a terminal.",
	CLI_OPTIONS(setup_options), 0, 100, cmd_setup };
