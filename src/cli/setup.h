/* What the wizard has gathered, its steps and its checks. Private to cmd_setup.c and setup_*.c. */
#ifndef CHANCERY_CLI_SETUP_H
#define CHANCERY_CLI_SETUP_H

#include "agent/ca_directory.h"
#include "agent/web_host.h"
#include "agent/wish.h"
#include "cli/options.h"
#include "cli/terminal.h"

#define SETUP_STEPS      5
#define SETUP_CHECKS_MAX 1024

/* What came of a check; a warning stops nothing. */
enum setup_outcome { SETUP_GOOD, SETUP_WARNING, SETUP_FAILED };
struct setup_check {
	const char *check; /* what was looked at: a name of docs/schema/client/setup.json */
	const char *of;    /* a name, a CA, a path; "": it is about all */
	enum setup_outcome outcome;
	const char *detail, *hint; /* hint: what to do; "": nothing */
};
/* A CA's directory, asked for once in a run of checks. */
struct setup_directory {
	const char *url; /* NULL: an empty place */
	enum err_code code;
	struct err why;
	struct ca_directory d;
};

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
	struct setup_directory directories[CA_WISHES_MAX];
	struct setup_check *checks;
	size_t n_checks;
	bool json;               /* nothing is told but one object in the end */
	bool bound[CA_LIST_MAX]; /* entries of the list whose binding was asked for, to be kept with the order */
	const char *new_key,
	    *new_key_folders; /* an account key that was made before the order, and the top folder made for it; NULL: none */
	bool ordered;         /* from now on something is changed */
	bool failed;          /* the order was made, and did not end well */
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
/* One more of an option that repeats. */
enum err_code setup_add(struct setup *s, const char *option, const char *value, struct err *e) MUST_USE;
/* The wish that the answers make. */
enum err_code setup_wish(struct setup *s, struct wish *ret, struct err *e) MUST_USE;
/* The folder that this host's web server shows the first name from; NULL: not known. */
const char *setup_hosted_root(const struct setup *s);

/* What a CA says of itself, asked for once; never NULL. */
const struct setup_directory *setup_directory(struct setup *s, const struct ca_wish *ca);
/* The CA of this name, by what was answered. */
enum err_code setup_ca_wish(struct setup *s, const char *name, struct ca_wish *ret, struct err *e) MUST_USE;
/* Tells whether the CA can be asked and what time it is there; stand_by: nothing of it is worse than a warning. False: it would fail. */
bool setup_check_ca(struct setup *s, const struct ca_wish *ca, bool stand_by);
/* All that can be looked at before an order, each told and noted: CAs, clock, terms, places, CAA, the way control is shown. *ret: nothing would fail. CLOSED: stopped. */
enum err_code setup_check(struct setup *s, bool *ret, struct err *e) MUST_USE;
/* Whether an account of the CA is made only by the order, so that the terms have to be agreed to. */
bool setup_is_new_account(const struct ca_wish *ca);

/* Orders it, and writes the section to the configuration. */
enum err_code setup_run(struct setup *s, bool write, struct err *e) MUST_USE;
/* The members of the object that --json prints, as far as they are known without an order; config: what would be written. */
void setup_put(struct setup *s, const char *result, const struct err *why, struct json_out *j);

#endif
