/* What the client remembers from run to run: of each certificate (FOLDER/NAME/state.json) and of whom it asks (memory.h). Written as a whole; one that is broken is
 * as good as none, for nothing in it is needed to get a certificate. */
#ifndef CHANCERY_AGENT_STATE_H
#define CHANCERY_AGENT_STATE_H

#include "agent/outcome.h"

#define STATE_TEXT_MAX 512

/* Times in seconds since 1970; 0: never, or not known. */
struct state {
	int64_t last_try_s, last_success_s;
	uint64_t failures;    /* in a row */
	int64_t not_before_s; /* when it may be tried again by itself */
	int64_t set_back_s;   /* when that was decided */
	uint64_t asked;       /* 1: the CA has asked for it; 0: it is our own back-off */
	int64_t failing_since_s;
	/* Of the last failure; "" where there was none since the last success. about: blame.h. */
	char message[STATE_TEXT_MAX], hint[STATE_TEXT_MAX], type[STATE_TEXT_MAX], fault[32], about[32];
	char ca[STATE_TEXT_MAX]; /* of a certificate: the last that issued it; of one at a CA: what that is called */
	/* Of a certificate: the CA's window of renewal (RFC 9773), and when to ask for it again. */
	int64_t window_start_s, window_end_s, ask_s;
	char explanation[STATE_TEXT_MAX];
	/* Of a certificate: what was seen of what its server shows. */
	int64_t served_s;
	char served[STATE_TEXT_MAX]; /* "": the right one; else what is wrong */
	/* Of a certificate: which generation's owner was alerted last, and at how many days before its end. */
	char alerted[64];
	uint64_t alerted_days;
};

/* All zero, and ERR_OK, where there is none. Any other code: what cannot be read, and why; *ret is all zero then too. */
enum err_code state_read(const char *path, struct state *ret, struct err *e) MUST_USE;
/* The same for whoever writes it later: one that is broken is moved aside, to PATH.broken. told: "", or what there is to tell of that. */
void state_take(const char *path, struct state *ret, char told[STATE_TEXT_MAX]);
/* mode 0644, as nothing in it is secret. */
enum err_code state_write(const char *path, const struct state *s, struct err *e) MUST_USE;

void state_succeeded(struct state *s, int64_t now_s);
/* Notes the failure and when to try again: longer each time (from what the outcome's blame says up to six hours, and up to a quarter more, by chance), and not
 * before the CA says. */
void state_failed(struct state *s, const struct outcome *out, int64_t now_s);
/* Nothing failed, but there is nothing to be tried before: why, in words. */
void state_wait(struct state *s, int64_t until_s, const char *why, int64_t now_s);
/* Whether it is to be left alone now. Nothing waits longer than was decided: a clock that was wrong then, or is set back, keeps nobody off for good. */
bool state_waits(const struct state *s, int64_t now_s);

#endif
