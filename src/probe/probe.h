/* The conformance suite: one case for each requirement of the ACME standards, held against any server by the URL of its directory. */
#ifndef CHANCERY_PROBE_PROBE_H
#define CHANCERY_PROBE_PROBE_H

#include "base/arena.h"
#include "base/err.h"

#define PROBE_NAMES_MAX 16

enum probe_level { MUST, SHOULD };
enum probe_result { PROBE_PASSED, PROBE_FAILED, PROBE_SKIPPED, PROBE_COULD_NOT_RUN, PROBE__MAX };

const char *probe_level_name(enum probe_level l);
const char *probe_result_name(enum probe_result r);

struct probe_case;
const char *probe_case_id(const struct probe_case *c);          /* "new-nonce/head-200": the resource, then what is looked at */
const char *probe_case_section(const struct probe_case *c);     /* "RFC 8555 §7.2" */
const char *probe_case_requirement(const struct probe_case *c); /* one sentence */
enum probe_level probe_case_level(const struct probe_case *c);
/* All there are, sorted by resource. */
const struct probe_case *const *probe_cases(size_t *ret_n);
/* Whether an id matches a pattern in which '*' stands for any characters. */
bool probe_matches(const char *pattern, const char *id);

struct probe_options {
	const char *directory_url, *ca_file; /* ca_file NULL: the system's */
	const char *names[PROBE_NAMES_MAX];  /* DNS names that lead to this machine as the server sees them */
	size_t n_names;
	uint16_t http_port;   /* where the server looks for http-01's answers */
	const char *contact;  /* of the accounts; NULL: none */
	const char *eab_kid;  /* NULL: none */
	struct bytes eab_key; /* decoded */
	/* Told each request and answer in one line; may be NULL. */
	void (*tell)(void *ctx, const char *line);
	void *tell_ctx;
};

struct probe;
/* Options are copied, what they point to is not. CONFIG: a URL that is none, a port that cannot be had. */
enum err_code probe_new(const struct probe_options *o, struct probe **ret, struct err *e) MUST_USE;
void probe_free(struct probe *p);
DEFINE_CLEANUP(struct probe *, probe_free);

/* Runs one. ret_seen: what was seen when it did not pass, or why it was not run; empty when it passed. */
enum probe_result probe_run(struct probe *p, const struct probe_case *c, struct err *ret_seen);

#endif
