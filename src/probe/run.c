#include "base/codec.h"
#include "crypto/digest.h"
#include "probe/probe_impl.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MEMORY  (64u << 20)
#define CASE_MEMORY (32u << 20)

const char *probe_level_name(enum probe_level l)
{
	return l == MUST ? "MUST" : "SHOULD";
}

const char *probe_result_name(enum probe_result r)
{
	static const char *const names[PROBE__MAX] = { "passed", "failed", "skipped", "could not run" };

	return names[r];
}

const char *probe_case_id(const struct probe_case *c)
{
	return c->id;
}

const char *probe_case_section(const struct probe_case *c)
{
	return c->section;
}

const char *probe_case_requirement(const struct probe_case *c)
{
	return c->must;
}

enum probe_level probe_case_level(const struct probe_case *c)
{
	return c->level;
}

bool probe_matches(const char *pattern, const char *id)
{
	const char *star = NULL, *from = NULL;

	/* The last star takes one character more each time that what follows does not fit. */
	while (*id) {
		if (*pattern == '*') {
			star = pattern++;
			from = id;
		} else if (*pattern == *id) {
			pattern++;
			id++;
		} else if (star) {
			pattern = star + 1;
			id = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == 0;
}

/* --- the run --- */

static enum err_code fill(struct probe *p, const struct probe_options *o, struct err *e)
{
	p->options = *o;
	p->arena = arena_new(65536, RUN_MEMORY);
	p->of_case = arena_new(65536, CASE_MEMORY);
	p->scratch = p->of_case;
	if (!p->arena || !p->of_case)
		FAIL(e, NOMEM, "no memory for a run");
	TRY(http_client_new(o->ca_file, "chancery-probe/" CHANCERY_VERSION, &p->http, e));
	return http01_listener_new(NULL, o->http_port, &p->listener, e);
}

enum err_code probe_new(const struct probe_options *o, struct probe **ret, struct err *e)
{
	CLEANUP(probe_free_p) struct probe *p = calloc(1, sizeof *p);

	crypto_init();
	if (!p)
		FAIL(e, NOMEM, "no memory for a run");
	TRY(fill(p, o, e));
	*ret = TAKE(p);
	return ERR_OK;
}

static void drop_keys(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		key_free(k->v[i]);
	k->n = 0;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	drop_keys(&p->keys);
	drop_keys(&p->kept_keys);
	http01_listener_free(p->listener);
	http_client_free(p->http);
	arena_free(p->arena);
	arena_free(p->of_case);
	free(p);
}

static const char *missing(unsigned features)
{
	static const char *const names[] = { "pre-authorization (newAuthz)", "renewal information", "profiles",
		"external account binding, or no key of it was given", "terms of service", "revocation", "key rollover" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (features & (1u << i))
			return names[i];
	return "this";
}

enum probe_result probe_run(struct probe *p, const struct probe_case *c, struct err *ret_seen)
{
	struct err e = { 0 };

	drop_keys(&p->keys);
	arena_reset(p->of_case);
	p->scratch = p->of_case;
	p->judged = 0;
	*ret_seen = e;
	enum err_code rc = probe_open(p, &e);
	if (rc == ERR_OK && (c->needs & ~p->features) != 0)
		rc = err_set(&e, ERR_NOT_FOUND, __FILE__, __LINE__, "the server does not offer %s", missing(c->needs & ~p->features));
	if (rc == ERR_OK)
		rc = c->run(p, c, &e);
	if (rc == ERR_OK)
		return PROBE_PASSED;
	*ret_seen = e;
	return rc == ERR_CONFIRM ? PROBE_FAILED : rc == ERR_NOT_FOUND ? PROBE_SKIPPED : PROBE_COULD_NOT_RUN;
}

/* --- what cases may know of it --- */

const char *probe_url(const struct probe *p, enum directory_url u)
{
	return p->urls[u];
}

const char *probe_directory_url(const struct probe *p)
{
	return p->options.directory_url;
}

struct bytes probe_meta(const struct probe *p)
{
	return p->meta;
}

const char *probe_name(const struct probe *p, size_t i)
{
	return i < p->options.n_names ? p->options.names[i] : NULL;
}

const struct probe_options *probe_options(const struct probe *p)
{
	return &p->options;
}

struct arena *probe_arena(const struct probe *p)
{
	return p->scratch;
}
