/* What chancery issue prints: lines for a person, or one JSON object. */
#ifndef CHANCERY_CLI_ISSUE_REPORT_H
#define CHANCERY_CLI_ISSUE_REPORT_H

#include "agent/deploy.h"
#include "agent/due.h"
#include "agent/outcome.h"
#include "cli/options.h"

struct issue_report {
	bool json;
	const char *const *names;
	size_t n_names;
	const char *server, *ca; /* the CA's directory, and what it is called here; may be NULL */
	const struct due *due;   /* when it is due, and why; may be NULL */
	const char *live;        /* the folder where the files are */
	int64_t not_before_s, not_after_s;
	/* Of a fresh certificate. */
	const char *account_url, *order_url, *certificate_url;
	const struct deploy_job *deploy; /* NULL: none was begun */
};

/* chancery_progress_fn; the context is the report. Asks to stop once SIGINT or SIGTERM came. */
chancery_progress_fn report_progress;
/* From now on SIGINT and SIGTERM end the issuance in good order: what was put in place for the CA is taken away. */
void report_catch_signals(void);

/* Whether one has come since report_catch_signals(). */
bool report_interrupted(void);

void report_issued(const struct issue_report *r);
/* What an earlier run has got is put to use. */
void report_deployed(const struct issue_report *r);
/* It is due, and may not be tried yet. */
void report_waiting(const struct issue_report *r, int64_t until_s, const struct outcome *why);
void report_rehearsed(const struct issue_report *r);
void report_nothing_to_do(const struct issue_report *r);
/* Each prints "chancery: ..." to stderr, or the object to stdout, and returns EXIT_FAILED. */
int report_failed(const struct issue_report *r, const struct outcome *outcome);
/* The certificate is there, and is not put to use. */
int report_undeployed(const struct issue_report *r, const struct outcome *outcome);
int report_failed_here(const struct issue_report *r, const struct err *e);

#endif
