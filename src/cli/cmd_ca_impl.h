/* What the verbs of `chancery ca` have. Private to cmd_ca*.c. */
#ifndef CHANCERY_CLI_CMD_CA_IMPL_H
#define CHANCERY_CLI_CMD_CA_IMPL_H

#include "agent/config.h"
#include "base/json.h"
#include "cli/options.h"

struct ca_work {
	struct cli *c;
	struct arena *arena;
	struct config config;
	bool json;
};
/* Each prints what it has done; its exit code, or a failure to be told. */
enum err_code ca_verb_list(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
enum err_code ca_verb_add(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
enum err_code ca_verb_remove(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
enum err_code ca_verb_test(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
enum err_code ca_verb_switch(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
enum err_code ca_verb_drill(struct ca_work *w, int *ret_exit, struct err *e) MUST_USE;
/* The entry of the argument; CONFIG lists those there are. */
enum err_code ca_of_argument(const struct ca_work *w, const char *name, const struct ca **ret, struct err *e) MUST_USE;

#endif
