#include "server/validator/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_ARENA     4096
#define POLICY_ARENA_MAX (1u << 20)
#define DEADLINE_MOST_S  100 /* the front waits for two minutes */

struct policy *policy_hold(struct policy *p)
{
	p->references++;
	return p;
}

void policy_release(struct policy *p)
{
	if (!p || --p->references > 0)
		return;
	resolver_free(p->resolver);
	if (p->arena)
		arena_free(p->arena);
	free(p);
}

bool policy_has_port(const struct policy *p, uint16_t port)
{
	for (size_t i = 0; i < p->n_redirect_ports; i++)
		if (p->redirect_ports[i] == port)
			return true;
	return port == p->http_port;
}

static enum err_code read_port(struct bytes text, uint16_t *ret, struct err *e)
{
	unsigned long n = 0;

	for (size_t i = 0; i < text.len && n < 65536; i++)
		n = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? n * 10 + (unsigned long)(text.ptr[i] - '0') : 65536;
	if (n == 0 || n > 65535)
		FAIL(e, CONFIG, "the redirect port \"%.*s\" is no number from 1 to 65535", BYTES_FMT(text));
	*ret = (uint16_t)n;
	return ERR_OK;
}

static enum err_code read_names(struct policy *p, const struct suffixes *suffixes, const struct settings *s, struct err *e)
{
	size_t n = s->policy_private_suffixes.n;
	struct bytes *private = arena_array(p->arena, n + 1, sizeof *private);

	for (size_t i = 0; private && i < n; i++) {
		private[i] = arena_copy(p->arena, s->policy_private_suffixes.v[i]);
		if (!private[i].ptr)
		private = NULL;
	}
	if (!private)
		FAIL(e, NOMEM, "no memory for the settings");
	p->names = (struct names_policy){ .suffixes = suffixes, .private = { private, n } };
	return settings_name_policy(p->arena, s, &p->names.rules, e);
}

static enum err_code fill(
    struct policy *p, struct event_base *base, const struct suffixes *suffixes, const struct settings *s, struct err *e)
{
	struct resolver_config config = {
		.forward = s->resolver.v, .n_forward = s->resolver.n, .anchors = s->trust_anchors.v, .n_anchors = s->trust_anchors.n
	};

	p->issuer_domain = arena_copy(p->arena, s->caa_identity);
	p->redirect_ports = arena_array(p->arena, s->redirect_ports.n ? s->redirect_ports.n : 1, sizeof *p->redirect_ports);
	if (!p->issuer_domain.ptr || !p->redirect_ports)
		FAIL(e, NOMEM, "no memory for the settings");
	if (s->http_port == 0 || s->http_port > 65535)
		FAIL(e, CONFIG, "http-port is a number from 1 to 65535");
	if (s->tls_port == 0 || s->tls_port > 65535)
		FAIL(e, CONFIG, "tls-port is a number from 1 to 65535");
	if (s->validation_deadline == 0 || s->validation_deadline > DEADLINE_MOST_S)
		FAIL(e, CONFIG, "the validator's deadline is 1s to %ds", DEADLINE_MOST_S);
	for (size_t i = 0; i < s->redirect_ports.n; i++)
		TRY(read_port(s->redirect_ports.v[i], &p->redirect_ports[i], e));
	p->n_redirect_ports = s->redirect_ports.n;
	p->http_port = (uint16_t)s->http_port;
	p->tls_port = (uint16_t)s->tls_port;
	p->deadline_ms = (int64_t)s->validation_deadline * 1000;
	TRY(address_policy_read(p->arena, s->allow_addresses.v, s->allow_addresses.n, &p->addresses, e));
	TRY(read_names(p, suffixes, s, e));
	return resolver_new(base, &config, &p->resolver, e);
}

enum err_code policy_new(
    struct event_base *base, const struct suffixes *suffixes, const struct settings *s, struct policy **ret, struct err *e)
{
	CLEANUP(policy_release_p) struct policy *p = calloc(1, sizeof *p);

	errno = 0;
	if (!p)
		FAIL(e, NOMEM, "no memory for the settings");
	p->references = 1;
	p->arena = arena_new(POLICY_ARENA, POLICY_ARENA_MAX);
	if (!p->arena)
		FAIL(e, NOMEM, "no memory for the settings");
	TRY(fill(p, base, suffixes, s, e));
	*ret = TAKE(p);
	return ERR_OK;
}
