/* What is done at a CA, from its beginning to its end. */
#include "base/clock.h"
#include "client/client_impl.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (16u << 20)

static enum err_code work_open(struct work *w, const struct session_io *io, struct chancery_error *error, struct err *e)
{
	struct chancery_client *c = w->client;
	struct session *s = &w->s;

	s->error = error;
	s->io = *io;
	s->account = c->account;
	s->progress = c->progress;
	s->progress_context = c->progress_context;
	s->deadline_ms = clock_monotonic_ms() + (int64_t)c->timeout_s * 1000;
	s->arena = arena_new(16384, ARENA_MAX);
	s->scratch = arena_new(16384, ARENA_MAX);
	if (!s->arena || !s->scratch)
		FAIL(e, NOMEM, "no memory to talk to a CA");
	return ERR_OK;
}

static void work_close(struct work *w)
{
	arena_free(w->s.arena);
	arena_free(w->s.scratch);
}

enum err_code work_directory(struct work *w, struct err *e)
{
	TRY(session_tell(&w->s, e, CHANCERY_STEP_DIRECTORY, "directory %s", w->client->directory_url));
	return session_open(&w->s, w->client->directory_url, e);
}

enum err_code work_account(struct work *w, struct err *e)
{
	struct chancery_client *c = w->client;
	struct account_wish wish = { .n_contacts = c->n_contacts,
		.terms_agreed = c->terms_agreed,
		.only_existing = c->only_existing,
		.eab_kid = c->eab_kid,
		.eab_key = c->eab_key };

	if (!c->account)
		FAIL(e, CONFIG, "no account key is set");
	for (size_t k = 0; k < c->n_contacts; k++)
		wish.contacts[k] = c->contacts[k];
	TRY(work_directory(w, e));
	TRY(account_open(&w->s, &wish, e));
	free(c->account_url);
	c->account_url = strdup(w->s.account_url);
	if (!c->account_url)
		FAIL(e, NOMEM, "no memory for the account's URL");
	return session_tell(&w->s, e, CHANCERY_STEP_ACCOUNT, "account %s", w->s.account_url);
}

enum err_code client_http(const struct chancery_client *c, struct http_client **ret, struct err *e)
{
	CLEANUP(http_client_free_p) struct http_client *http = NULL;

	TRY(http_client_new(c->ca_file, c->user_agent, &http, e));
	if (c->ca_pem)
		TRY(http_client_set_ca(http, bytes_str(c->ca_pem), e));
	*ret = TAKE(http);
	return ERR_OK;
}

void operation_do(struct chancery_client *c, const struct session_io *io, struct operation *o)
{
	CLEANUP(work_close) struct work w = { .client = c };
	struct err e = { 0 };

	enum err_code rc = work_open(&w, io, &o->error, &e);
	if (rc == ERR_OK)
		rc = o->run(&w, o, &e);
	(void)failure_finish(&o->error, rc, w.s.doing, &e);
}

enum chancery_result client_end(struct chancery_client *c, struct operation *o)
{
	failure_reset(&c->error);
	c->error = o->error; /* with what it owns */
	o->error = (struct chancery_error){ .result = CHANCERY_OK };
	return c->error.result;
}

enum chancery_result client_run(struct chancery_client *c, struct operation *o)
{
	CLEANUP(http_client_free_p) struct http_client *http = NULL;
	struct err e = { 0 };

	if (client_is_busy(c))
		return CHANCERY_USAGE;
	enum err_code rc = client_http(c, &http, &e);
	const struct session_io io = c->io ? *c->io : session_io_blocking(http);
	c->busy = true;
	if (rc == ERR_OK)
		operation_do(c, &io, o);
	else
		(void)failure_finish(&o->error, rc, NULL, &e);
	c->busy = false;
	return client_end(c, o);
}
