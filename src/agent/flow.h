/* One certificate, from what is wanted of it to its files: whether it is due, the order, the switch. What issue, renew and the daemon do. */
#ifndef CHANCERY_AGENT_FLOW_H
#define CHANCERY_AGENT_FLOW_H

#include "agent/deploy.h"
#include "agent/due.h"
#include "agent/issue_call.h"

#define FLOW_STATE_FILE "state.json" /* beside the generations (agent/state.h) */

/* What the user is told on the way; context is the caller's. */
struct flow_watch {
	chancery_progress_fn *progress;
	void *context;
	void (*deployed)(void *context, const struct deploy_step *step); /* each step of a deployment; may be NULL */
};
struct flow_wish {
	bool force;      /* also what is not due */
	bool again;      /* a renewal: the CA is asked whether it is due (RFC 9773), and back-off counts */
	bool rehearsal;  /* one is got and thrown away: nothing is switched, deployed or remembered of the certificate */
	bool configured; /* chancery.conf says what is wanted, so nothing of it is kept beside the certificate */
	const char *ca;  /* this one of the wish's CAs alone; NULL: in their order */
};

enum flow_end {
	FLOW_ISSUED,
	FLOW_NOTHING,
	FLOW_WAITING, /* due, but not to be tried before waits_until_s, or no CA may be asked before: then the outcome says why */
	FLOW_REHEARSED,
	FLOW_DEPLOYED, /* what an earlier run has got is put to use */
	FLOW_FAILED,
	FLOW_UNDEPLOYED, /* the certificate is there, and is not put to use, or a hook failed */
};
/* Texts are in the arena of the wish. */
struct flow_report {
	enum flow_end end;
	const char *live; /* the folder where the files are; NULL: it did not come to that */
	int64_t not_before_s, not_after_s;
	struct due due;
	int64_t waits_until_s;           /* FLOW_WAITING; else not 0 where no CA may be asked before: the outcome tells why */
	const char *ca, *server;         /* the last that was asked: its name, its directory */
	struct issued issued;            /* FLOW_ISSUED, FLOW_UNDEPLOYED */
	struct outcome outcome;          /* FLOW_FAILED, FLOW_UNDEPLOYED */
	const struct deploy_job *deploy; /* NULL: it did not come to that */
};

/* Never fails but in *ret. */
void flow_run(
    struct crew *crew, const struct wish *w, const struct flow_wish *how, const struct flow_watch *watch, struct flow_report *ret);

#endif
