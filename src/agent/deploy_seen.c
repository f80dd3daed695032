/* Where a certificate is served, and whether it is: seen from outside. */
#include "agent/deploy_target.h"

#include "agent/served_call.h"
#include "base/clock.h"
#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define IN_A_ROW    3 /* looks that must find it: old workers may still accept for a moment */
#define LOOK_MS     5000
#define PAUSE_MS    50
#define PAUSE_MAX   800
#define PEM_MAX     STORAGE_FILE_MAX
#define NAME_TO_ASK "www"

/* --- where --- */

const char *deploy_first_name(const struct deploy_job *j)
{
	for (size_t i = 0; i < j->n_names; i++)
		if (j->names[i][0] != '*' && !endpoint_is_address(j->names[i]))
			return j->names[i];
	/* Of a wildcard: any name below it. */
	for (size_t i = 0; i < j->n_names; i++)
		if (j->names[i][0] == '*')
			return (const char *)arena_fmt(j->arena, NAME_TO_ASK "%s", j->names[i] + 1).ptr;
	return NULL;
}

void deploy_place_add(struct deploy_run *r, const char *host, uint16_t port, enum endpoint_start start, const char *name)
{
	struct deploy_places *p = r->places;
	struct endpoint at = { .host = host, .port = port, .start = start, .name = name };

	/* A listener for all addresses is asked at this machine's own. */
	if (!*host || strcmp(host, "0.0.0.0") == 0)
		at.host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		at.host = "::1";
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].host, at.host) == 0 && p->v[i].port == port)
			return;
	const char *scheme = start == ENDPOINT_TLS ? "" : endpoint_start_name(start), *v6 = strchr(at.host, ':');
	at.text = (const char *)arena_fmt(r->arena, "%s%s%s%s%s:%u%s%s", scheme, *scheme ? "://" : "", v6 ? "[" : "", at.host,
	    v6 ? "]" : "", port, name ? "/" : "", name ? name : "")
		      .ptr;
	if (at.text && p->n < DEPLOY_ENDPOINTS_MAX)
		p->v[p->n++] = at;
}

/* The name to ask this site for: one of its own that is in the certificate. */
static const char *name_of(const struct deploy_run *r, const struct web_site *s)
{
	for (size_t i = 0; i < s->names.n; i++)
		for (size_t k = 0; k < r->job->n_names; k++)
			if (strcmp(s->names.v[i], r->job->names[k]) == 0 && s->names.v[i][0] != '*' && !endpoint_is_address(s->names.v[i]))
				return s->names.v[i];
	return deploy_first_name(r->job);
}

static bool site_uses(const struct deploy_run *r, const struct web_site *s)
{
	for (size_t i = 0; i < s->certificates.n; i++)
		if (deploy_is_ours(r, s->certificates.v[i]))
			return true;
	return false;
}

enum deploy_use deploy_uses_web(struct deploy_run *r, const struct web_config *c)
{
	enum deploy_use use = c->whole ? DEPLOY_USES_NOT : DEPLOY_UNKNOWN;

	for (size_t i = 0; i < c->n; i++) {
		const struct web_site *s = &c->sites[i];
		if (!site_uses(r, s))
			continue;
		use = DEPLOY_USES;
		for (size_t k = 0; k < s->n_listens; k++)
			if (s->listens[k].tls)
				deploy_place_add(r, s->listens[k].address, s->listens[k].port, ENDPOINT_TLS, name_of(r, s));
	}
	return use;
}

/* --- looking --- */

static enum err_code read_leaf(struct deploy_job *j, const char *file, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(PEM_MAX);

	TRY(file_read(AT_FDCWD, deploy_path(j, file), PEM_MAX, &pem, e));
	struct bytes text = buf_bytes(&pem);
	return pem_next(j->arena, &text, "CERTIFICATE", ret, e);
}

static void pause_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		continue;
}

/* By the kinds of keys: a server with both shows the one that it likes better. */
struct expected {
	struct bytes leaf[DEPLOY_KEYS_MAX], previous[DEPLOY_KEYS_MAX]; /* ptr NULL: there is none */
};

static bool is_one(struct bytes leaf, const struct bytes of[DEPLOY_KEYS_MAX])
{
	for (size_t i = 0; i < DEPLOY_KEYS_MAX; i++)
		if (of[i].ptr && bytes_eq(leaf, of[i]))
			return true;
	return false;
}

/* One look; what is wrong into why. */
static bool look(struct deploy_job *j, const struct endpoint *at, const struct expected *x, int64_t left_ms, struct err *why)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct served s = { .n = 0 };

	*why = (struct err){ 0 };
	if (!a) {
		(void)err_set(why, ERR_NOMEM, __FILE__, __LINE__, "no memory to look at %.200s", at->text);
		return false;
	}
	if (served_call(j->crew, a, at, (uint32_t)(left_ms < LOOK_MS ? left_ms : LOOK_MS), &s, why) != ERR_OK)
		return false;
	if (is_one(s.certificates[0], x->leaf))
		return true;
	bool old = is_one(s.certificates[0], x->previous);
	(void)err_set(
	    why, ERR_TLS, __FILE__, __LINE__, "%.200s serves %s", at->text, old ? "the previous certificate" : "another certificate");
	return false;
}

static enum err_code wait_for(
    struct deploy_job *j, const struct endpoint *at, const struct expected *x, int64_t deadline_ms, uint32_t wait_s, struct err *e)
{
	struct err why = { 0 };
	int64_t pause = PAUSE_MS, left_ms;
	int found = 0;

	/* At least once, also when those before have used up the time. */
	do {
		left_ms = deadline_ms - clock_monotonic_ms();
		bool good = look(j, at, x, left_ms > 1000 ? left_ms : 1000, &why);
		found = good ? found + 1 : 0;
		if (found == IN_A_ROW)
			return ERR_OK;
		pause_ms(good ? PAUSE_MS : pause);
		pause = good || pause >= PAUSE_MAX ? pause : pause * 2;
	} while (clock_monotonic_ms() < deadline_ms || found > 0);
	errno = 0;
	FAIL(e, TLS, "%.250s, %u s after it was reloaded", why.detail, wait_s);
}

static enum err_code read_expected(struct deploy_job *j, struct expected *ret, struct err *e)
{
	char file[128];

	for (size_t i = 0; i < j->n_suffixes; i++) {
		(void)snprintf(file, sizeof file, "live/cert%.32s.pem", j->suffixes[i]);
		TRY(read_leaf(j, file, &ret->leaf[i], e));
		(void)snprintf(file, sizeof file, "generations/%.40s/cert%.32s.pem", j->previous ? j->previous : "", j->suffixes[i]);
		if (j->previous)
			MAY_FAIL(read_leaf(j, file, &ret->previous[i], NULL)); /* then it is called another one */
	}
	return ERR_OK;
}

enum err_code deploy_look_all(struct deploy_job *j, enum deploy_kind kind, const struct deploy_places *at, uint32_t wait_s, struct err *e)
{
	const char *good = kind == DEPLOY_LOOK ? "serves the new certificate" : "serves the previous certificate";
	struct expected x = { .previous = { BYTES_NONE } };
	int64_t deadline_ms = clock_monotonic_ms() + (int64_t)wait_s * 1000;

	TRY(read_expected(j, &x, e));
	for (size_t i = 0; i < at->n; i++) {
		struct err why = { 0 };
		enum err_code rc = wait_for(j, &at->v[i], &x, deadline_ms, wait_s, &why);
		deploy_note(j, kind, at->v[i].text, rc == ERR_OK, rc == ERR_OK ? good : why.detail);
		if (rc != ERR_OK) {
			(void)err_set(e, rc, __FILE__, __LINE__, "%s", why.detail);
			return rc;
		}
	}
	return ERR_OK;
}
