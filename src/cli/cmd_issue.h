/* chancery issue: gets a certificate and puts it where servers read it. */
#ifndef CHANCERY_CLI_CMD_ISSUE_H
#define CHANCERY_CLI_CMD_ISSUE_H

#include "agent/config.h"
#include "agent/inventory.h"
#include "cli/options.h"

extern const struct given_option issue_options[];
extern const size_t n_issue_options;

struct issue_run {
	const struct given *given; /* with all defaults */
	const char *name;          /* of its folder; NULL: made of the first of its names */
	const char *const *names;
	size_t n_names;
	bool force, again; /* again: a renewal, which is due by the certificate's life, or as the CA says */
	bool rehearsal;    /* nothing is kept */
	bool tests;        /* CAs that have an entry for tests are asked by that */
	const char *ca;    /* this one of its CAs alone; NULL: in their order */
	bool json;
};
/* The same wishes with another CA in the place of the old one, and the rest as it is. */
enum err_code issue_other_ca(const struct given *from, const char *old, const char *other, struct given *ret, struct err *e) MUST_USE;
/* Our certificates, or these: with what was wished of them among the options of issue. As inventory_read(). */
enum err_code issue_inventory(
    const struct config *config, struct arena *a, const char *const *only, size_t n_only, struct inventory *ret, struct err *e) MUST_USE;
/* For a command about our certificates, those of its arguments or all: reads them and calls run; its exit code. */
int issue_with_inventory(struct cli *c, int (*run)(struct cli *c, const struct config *config, const struct inventory *all));
/* One certificate, told as issue does; its exit code. */
int issue_run(struct crew *crew, const struct config *config, const struct issue_run *what);
extern const struct cli_command issue_command;

#endif
