/* What the wizard has gathered, and its steps. Private to cmd_setup.c and setup_*.c. */
#ifndef CHANCERY_CLI_SETUP_H
#define CHANCERY_CLI_SETUP_H

#include "agent/web_host.h"
#include "agent/wish.h"
#include "cli/options.h"
#include "cli/terminal.h"

#define SETUP_STEPS 5

struct setup {
	const struct cli *cli;
	struct arena *arena;
	struct config config;
	struct crew crew;
	struct given given;  /* what was answered, as options of issue */
	struct given merged; /* with the configuration's defaults */
	const char *names[WISH_NAMES_MAX];
	size_t n_names;
	struct web_name *hosted; /* what this host's web servers are configured for */
	size_t n_hosted;
	bool wildcard, ip;
	bool failed; /* the order was made, and did not end well */
};
/* AGAIN: a step back. CLOSED: nobody wants to go on. */
enum err_code setup_names(struct setup *s, struct err *e) MUST_USE;
enum err_code setup_ca(struct setup *s, struct err *e) MUST_USE;
enum err_code setup_account(struct setup *s, struct err *e) MUST_USE;
enum err_code setup_control(struct setup *s, struct err *e) MUST_USE;
enum err_code setup_order(struct setup *s, struct err *e) MUST_USE;

/* Takes a name that a person typed; CONFIG with what is wrong with it. */
enum err_code setup_add_name(struct setup *s, const char *text, struct err *e) MUST_USE;
/* Sets an option in the place of what it was; NULL: not given any more. */
enum err_code setup_set(struct setup *s, const char *option, const char *value, struct err *e) MUST_USE;
/* The checks before an order, each told: the answer is reached by the names' addresses, the folder can be written to. False: something would fail. */
bool setup_check(struct setup *s);
/* Orders it, and writes the section to the configuration. */
enum err_code setup_run(struct setup *s, bool write, struct err *e) MUST_USE;

#endif
