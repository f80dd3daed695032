#include "dns/context.h"

#include "dns/resolver_config.h"

#include <errno.h>
#include <stdlib.h>

#include <unbound-event.h>

#define CONFIG_ARENA     1024
#define CONFIG_ARENA_MAX (256u << 10)

struct context {
	struct contexts *all;
	struct ub_ctx *ub;
	unsigned under_way;
	bool spent;
	size_t n_names;
	uint64_t names[CONTEXT_NAMES_MAX]; /* digests of those it was asked for: two that are alike only cost a context */
};

struct contexts {
	struct event_base *base;
	struct arena *arena;
	struct resolver_config config;
	bool validating;
	struct context *kept, *newest; /* newest: the fresh one that is asked now, or NULL */
	unsigned n_fresh, made;
};

bool contexts_validate(const struct contexts *c)
{
	return c->validating;
}

unsigned contexts_made(const struct contexts *c)
{
	return c->made;
}

struct ub_ctx *context_of(const struct context *x)
{
	return x->ub;
}

static void context_free(struct context *x)
{
	if (!x)
		return;
	if (x->ub)
		ub_ctx_delete(x->ub);
	free(x);
}
DEFINE_CLEANUP(struct context *, context_free);

static enum err_code make(struct contexts *c, bool fresh, struct context **ret, struct err *e)
{
	CLEANUP(context_free_p) struct context *x = calloc(1, sizeof *x);

	errno = 0;
	if (!x)
		FAIL(e, NOMEM, "no memory for the resolver");
	x->all = c;
	x->ub = ub_ctx_create_event(c->base);
	if (!x->ub)
		FAIL(e, NOMEM, "libunbound does not start");
	TRY(resolver_configure(x->ub, &c->config, fresh, &c->validating, e));
	c->made++;
	*ret = TAKE(x);
	return ERR_OK;
}

static const struct bytes *copy_list(struct arena *a, const struct bytes *v, size_t n)
{
	struct bytes *copy = arena_array(a, n + 1, sizeof *copy);

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = arena_copy(a, v[i]);
		if (!copy[i].ptr)
			return NULL;
	}
	return copy;
}

enum err_code contexts_new(struct event_base *base, const struct resolver_config *config, struct contexts **ret, struct err *e)
{
	CLEANUP(contexts_free_p) struct contexts *c = calloc(1, sizeof *c);

	errno = 0;
	if (!c)
		FAIL(e, NOMEM, "no memory for the resolver");
	c->base = base;
	c->config = *config;
	c->arena = arena_new(CONFIG_ARENA, CONFIG_ARENA_MAX);
	if (!c->arena)
		FAIL(e, NOMEM, "no memory for the resolver");
	c->config.forward = copy_list(c->arena, config->forward, config->n_forward);
	c->config.anchors = copy_list(c->arena, config->anchors, config->n_anchors);
	if (!c->config.forward || !c->config.anchors)
		FAIL(e, NOMEM, "no memory for the resolver");
	TRY(make(c, false, &c->kept, e));
	*ret = TAKE(c);
	return ERR_OK;
}

void contexts_free(struct contexts *c)
{
	if (!c)
		return;
	context_free(c->newest);
	context_free(c->kept);
	if (c->arena)
		arena_free(c->arena);
	free(c);
}

/* FNV-1a, 64 bits. */
static uint64_t digest(struct bytes name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.ptr[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool serves(const struct context *x, uint64_t name)
{
	if (x->spent || x->n_names == CONTEXT_NAMES_MAX)
		return false;
	for (size_t i = 0; i < x->n_names; i++)
		if (x->names[i] == name)
			return false;
	return true;
}

/* One that is followed by another lives on for what is under way. */
static void retire(struct contexts *c)
{
	struct context *x = c->newest;

	c->newest = NULL;
	x->spent = true;
	if (x->under_way == 0) {
		c->n_fresh--;
		context_free(x);
	}
}

static enum err_code take_fresh(struct contexts *c, uint64_t name, struct err *e)
{
	if (c->newest && (serves(c->newest, name) || c->n_fresh >= CONTEXTS_MAX))
		return ERR_OK;
	if (c->newest)
		retire(c);
	TRY(make(c, true, &c->newest, e));
	c->n_fresh++;
	return ERR_OK;
}

enum err_code contexts_take(struct contexts *c, struct bytes name, bool fresh, struct context **ret, struct err *e)
{
	struct context *x = c->kept;
	uint64_t which = digest(name);

	if (fresh) {
		TRY(take_fresh(c, which, e));
		x = c->newest;
		if (x->n_names < CONTEXT_NAMES_MAX)
			x->names[x->n_names++] = which;
	}
	x->under_way++;
	*ret = x;
	return ERR_OK;
}

bool context_is_shared(const struct context *x)
{
	return x->n_names > 1;
}

void context_release(struct context *x, bool spent)
{
	struct contexts *c = x->all;

	x->under_way--;
	if (x == c->kept)
		return;
	x->spent = x->spent || spent;
	if (x == c->newest && x->spent && c->n_fresh < CONTEXTS_MAX) {
		retire(c);
	} else if (x != c->newest && x->under_way == 0) {
		c->n_fresh--;
		context_free(x);
	}
}
