#include "cli/cmd_daemon.h"

#include "agent/frame.h"
#include "agent/standing.h"
#include "base/clock.h"
#include "base/codec.h"
#include "cli/afterwards.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/issue_report.h"
#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define LOOK_MOST_S  (6 * 3600) /* also when nothing is due: files and clocks change */
#define LOOK_LEAST_S 5
#define LOOK_AGAIN_S 300 /* after one that could not be made: what stood in its way may be gone */

static const struct given_option daemon_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
};

static void renew_one(struct crew *crew, const struct config *config, const struct inventory_item *item)
{
	const struct issue_run what = {
		.given = item->given, .name = item->name, .names = item->names, .n_names = item->n_names, .again = true
	};

	printf("%s\n", item->name);
	fflush(stdout);
	(void)issue_run(crew, config, &what); /* how it went is told, and remembered in its state */
	fflush(stdout);
}

/* Whether there is something to do or to ask for; what waits after a failure waits in silence. */
static bool wants_a_look(const struct standing *s, int64_t now_s)
{
	if (s->item->unmanaged || s->item->wrong || state_waits(&s->state, now_s))
		return false;
	return s->state.failures > 0 || s->due.now || s->state.ask_s <= now_s;
}

static enum err_code look_once(const struct cli *c, int64_t *ret_next_s, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	int64_t now_s = clock_wall_ms() / 1000;
	struct config config;
	struct inventory all;

	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory");
	TRY(client_config(&c->given, a, &config, e));
	TRY(issue_inventory(&config, a, NULL, 0, &all, e));
	CLEANUP(crew_close) struct crew crew = { .users = config.users };
	if (all.n == 0)
		printf("There are no certificates in %s yet, and none are configured: there is nothing to do.\n", config.folder);
	for (size_t i = 0; i < all.n && !report_interrupted(); i++) {
		struct standing s;
		if (all.v[i].wrong)
			fprintf(stderr, "chancery: %s\n", all.v[i].wrong);
		standing_of(&config, a, &all.v[i], now_s, &s);
		if (wants_a_look(&s, now_s))
			renew_one(&crew, &config, &all.v[i]);
	}
	(void)afterwards(&config, &crew, false, ret_next_s); /* what failed is told, and tried again */
	return ERR_OK;
}

static volatile sig_atomic_t hung_up;

static void note_hangup(int number)
{
	(void)number;
	hung_up = 1;
}

/* Until it is time, or a signal says so; false: to end. Signals are blocked but while it waits and while it works, so that none is lost in between. */
static bool wait_until(int64_t next_s)
{
	int64_t now_s = clock_wall_ms() / 1000, wait_s = next_s - now_s;
	char at[RFC3339_SIZE], status[64];
	uint16_t chance;
	sigset_t wanted;

	wait_s = wait_s > LOOK_MOST_S ? LOOK_MOST_S : wait_s < LOOK_LEAST_S ? LOOK_LEAST_S : wait_s;
	random_bytes(&chance, sizeof chance);
	wait_s += wait_s * chance / 65536 / 16; /* not all hosts at once */
	rfc3339_format(now_s + wait_s, at);
	(void)snprintf(status, sizeof status, "STATUS=Looks again at %s", at);
	service_notify(status);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGHUP);
	const struct timespec t = { wait_s, 0 };
	int got = hung_up ? SIGHUP : sigtimedwait(&wanted, NULL, &t);
	hung_up = 0;
	return got != SIGTERM && got != SIGINT;
}

static int cmd_daemon(struct cli *c)
{
	const struct sigaction hangup = { .sa_handler = note_hangup, .sa_flags = SA_RESTART };
	sigset_t ours, before;
	bool go_on = true;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	(void)sigaction(SIGHUP, &hangup, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* whoever reads what it says may go away before it */
	(void)pthread_sigmask(SIG_BLOCK, &ours, &before);
	service_notify("READY=1");
	while (go_on) {
		int64_t next_s = clock_wall_ms() / 1000 + LOOK_AGAIN_S;
		struct err e = { 0 };
		report_catch_signals();
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (look_once(c, &next_s, &e) != ERR_OK)
			(void)cli_fail(c, &e); /* what is wrong may be mended until SIGHUP, or the next look */
		fflush(stdout);
		(void)pthread_sigmask(SIG_BLOCK, &ours, NULL);
		go_on = !report_interrupted() && wait_until(next_s);
	}
	service_notify("STOPPING=1");
	return EXIT_DONE;
}

const struct cli_command daemon_command = { "daemon", "",
	"Stays, and renews each certificate when it is time; alerts and metrics as chancery.conf says. What keeps it from that is told, and it looks again some minutes later. SIGHUP: looks at once, with the configuration read anew.",
	CLI_OPTIONS(daemon_options), 0, 0, cmd_daemon };
