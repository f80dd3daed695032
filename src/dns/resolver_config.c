#include "dns/resolver_config.h"

#include "os/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The root zone's key signing keys of 2017 and 2024 (https://data.iana.org/root-anchors/). */
static const char *const builtin_anchors[] = {
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

struct option {
	const char *option, *value;
};

static const struct option options[] = {
	{ "use-caps-for-id:", "no" }, /* breaks on servers that do not keep the case; DNSSEC and port randomness do this work */
	{ "harden-glue:", "yes" },
	{ "harden-dnssec-stripped:", "yes" },
	{ "harden-below-nxdomain:", "yes" },
	{ "harden-algo-downgrade:", "yes" },
	{ "harden-large-queries:", "yes" },
	{ "harden-short-bufsize:", "yes" },
	{ "harden-referral-path:", "no" }, /* no standard, and asks others' servers many times more */
	{ "qname-minimisation:", "yes" },
	{ "aggressive-nsec:", "no" },
	{ "edns-buffer-size:", "1232" }, /* no fragments: an off-path attacker could replace the second one */
	{ "val-permissive-mode:", "no" },
	{ "val-clean-additional:", "yes" },
	{ "val-log-level:", "2" }, /* only so are reasons given with bogus answers; the log itself goes nowhere */
	{ "serve-expired:", "no" },
	{ "prefetch:", "no" },
	{ "minimal-responses:", "no" },
	/* An applicant who mended a record should not wait for a cache of ours. */
	{ "cache-max-ttl:", "60" },
	{ "cache-max-negative-ttl:", "10" },
	{ "val-bogus-ttl:", "10" },
	{ "infra-host-ttl:", "60" },
	{ "infra-keep-probing:", "yes" },
	/* All bounded: whoever orders certificates chooses the names that we ask for. */
	{ "msg-cache-size:", "4m" },
	{ "rrset-cache-size:", "8m" },
	{ "key-cache-size:", "2m" },
	{ "neg-cache-size:", "1m" },
	{ "infra-cache-numhosts:", "4000" },
	{ "outgoing-range:", "1024" },
	{ "outgoing-num-tcp:", "64" },
	{ "num-queries-per-thread:", "4096" },
};

/* In the place of those above. Lifetimes are not among them: libunbound has one limit for all contexts of a process. */
static const struct option fresh_options[] = {
	{ "msg-cache-size:", "256k" },
	{ "rrset-cache-size:", "512k" },
	{ "key-cache-size:", "256k" },
	{ "neg-cache-size:", "64k" },
	{ "msg-cache-slabs:", "1" },
	{ "rrset-cache-slabs:", "1" },
	{ "key-cache-slabs:", "1" },
	{ "infra-cache-slabs:", "1" },
	{ "infra-cache-numhosts:", "1000" },
	{ "outgoing-range:", "512" },
	{ "outgoing-num-tcp:", "16" },
	{ "num-queries-per-thread:", "1024" },
};

static enum err_code set_option(struct ub_ctx *ctx, const char *option, const char *value, struct err *e)
{
	int rc = ub_ctx_set_option(ctx, option, value);

	if (rc != 0)
		FAIL(e, CONFIG, "libunbound does not take %s %s: %s", option, value, ub_strerror(rc));
	return ERR_OK;
}

static enum err_code set_options(struct ub_ctx *ctx, const struct option *v, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		TRY(set_option(ctx, v[i].option, v[i].value, e));
	return ERR_OK;
}

static enum err_code set_forwarders(struct ub_ctx *ctx, const struct resolver_config *c, struct err *e)
{
	struct address to;
	char text[ADDRESS_HOST_MAX + 8]; /* as libunbound writes it */

	for (size_t i = 0; i < c->n_forward; i++) {
		TRY(address_parse(c->forward[i], ADDRESS_DNS_PORT, &to, e));
		(void)snprintf(text, sizeof text, "%s@%u", to.host, (unsigned)to.port);
		int rc = ub_ctx_set_fwd(ctx, text);
		if (rc != 0)
			FAIL(e, CONFIG, "libunbound does not take the resolver %s: %s", text, ub_strerror(rc));
	}
	return ERR_OK;
}

static enum err_code add_anchor(struct ub_ctx *ctx, const char *ds, struct err *e)
{
	int rc = ub_ctx_add_ta(ctx, ds);

	if (rc != 0)
		FAIL(e, CONFIG, "libunbound does not take the trust anchor %s: %s", ds, ub_strerror(rc));
	return ERR_OK;
}

static enum err_code add_anchors(struct ub_ctx *ctx, const struct resolver_config *c, struct err *e)
{
	char text[512];

	for (size_t i = 0; i < c->n_anchors; i++) {
		struct bytes anchor = c->anchors[i];
		if (bytes_eq_str(anchor, "none") || anchor.len == 0 || anchor.len >= sizeof text)
			FAIL(e, CONFIG, "a trust anchor is \"builtin\" or a DS record; \"none\" stands alone");
		if (bytes_eq_str(anchor, "builtin")) {
			for (size_t k = 0; k < sizeof builtin_anchors / sizeof *builtin_anchors; k++)
				TRY(add_anchor(ctx, builtin_anchors[k], e));
			continue;
		}
		(void)snprintf(text, sizeof text, "%.*s", BYTES_FMT(anchor));
		TRY(add_anchor(ctx, text, e));
	}
	return ERR_OK;
}

/* libunbound answers for names of private networks itself, with "no such name" (RFC 6303, 6761, 8375). Whoever names a resolver
 * of his own knows better: a company's zone may well lie below test. or home.arpa. This also makes libunbound read all that was
 * set, so that a trust anchor that is none is found now and not at the first question. */
static enum err_code open_private_zones(struct ub_ctx *ctx, bool forwarding, struct err *e)
{
	static const char *const zones[] = { "test.", "home.arpa." };
	static const char *const nothing[] = { "chancery.invalid." };
	const char *const *v = forwarding ? zones : nothing;

	for (size_t i = 0; i < (forwarding ? sizeof zones / sizeof *zones : 1); i++) {
		int rc = ub_ctx_zone_remove(ctx, v[i]);
		if (rc != 0)
			FAIL(e, CONFIG, "libunbound does not start: %s (is every trust anchor a DS record?)", ub_strerror(rc));
	}
	return ERR_OK;
}

enum err_code resolver_configure(struct ub_ctx *ctx, const struct resolver_config *c, bool fresh, bool *ret_validating, struct err *e)
{
	bool validating = !(c->n_anchors == 1 && bytes_eq_str(c->anchors[0], "none"));

	errno = 0;
	if (c->n_anchors == 0)
		FAIL(e, CONFIG, "no trust anchors: write \"none\" to go without DNSSEC validation");
	(void)ub_ctx_debugout(ctx, NULL); /* it would write to standard error */
	TRY(set_option(ctx, "module-config:", validating ? "validator iterator" : "iterator", e));
	TRY(set_options(ctx, options, sizeof options / sizeof *options, e));
	if (fresh)
		TRY(set_options(ctx, fresh_options, sizeof fresh_options / sizeof *fresh_options, e));
	/* A zone's owner could delegate to our own loopback; only a resolver that the operator named may lie there. */
	TRY(set_option(ctx, "do-not-query-localhost:", c->n_forward ? "no" : "yes", e));
	TRY(set_forwarders(ctx, c, e));
	if (validating)
		TRY(add_anchors(ctx, c, e));
	TRY(open_private_zones(ctx, c->n_forward > 0, e));
	*ret_validating = validating;
	return ERR_OK;
}
