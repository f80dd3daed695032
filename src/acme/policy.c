#include "acme/policy.h"

#include <errno.h>
#include <string.h>

/* In a pattern each * stands for one or more characters; so going back to the last one is enough. */
static bool label_matches(struct bytes pattern, struct bytes label)
{
	size_t p = 0, i = 0, star = SIZE_MAX, taken = 0;

	while (i < label.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			taken = ++i;
		} else if (p < pattern.len && pattern.ptr[p] == label.ptr[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++taken;
		} else {
			return false;
		}
	}
	return p == pattern.len;
}

/* The first label and what follows its dot; tail.ptr NULL when that is all. */
static struct bytes first_label(struct bytes name, struct bytes *ret_tail)
{
	struct bytes head = name;

	*ret_tail = BYTES_NONE;
	(void)bytes_split(name, '.', &head, ret_tail);
	return head;
}

static bool name_matches(struct bytes pattern, struct bytes name)
{
	do {
		struct bytes p = first_label(pattern, &pattern), n = first_label(name, &name);
		if (!label_matches(p, n))
			return false;
	} while (pattern.ptr && name.ptr);
	return !pattern.ptr && !name.ptr;
}

static bool is_below(struct bytes name, struct bytes top)
{
	return name.len > top.len + 1 && name.ptr[name.len - top.len - 1] == '.' && bytes_ends_with(name, top);
}

static bool covers(const struct name_rule *r, struct bytes name)
{
	return r->below ? is_below(name, r->name) : name_matches(r->name, name);
}

/* Whether the rule covers any of the names directly below `parent`. */
static bool covers_a_child(const struct name_rule *r, struct bytes parent)
{
	struct bytes tail;

	if (r->below)
		return bytes_eq(parent, r->name) || is_below(parent, r->name);
	(void)first_label(r->name, &tail);
	return tail.ptr && name_matches(tail, parent);
}

/* Whether it covers each of them. */
static bool covers_children(const struct name_rule *r, struct bytes parent)
{
	struct bytes tail;

	return covers_a_child(r, parent) && (r->below || bytes_eq_str(first_label(r->name, &tail), "*"));
}

static bool denies(const struct name_rule *r, const struct identifier *id)
{
	return covers(r, id->value) || (id->wildcard && covers_a_child(r, id->value));
}

static bool allows(const struct name_rule *r, const struct identifier *id)
{
	return id->wildcard ? covers_children(r, id->value) : covers(r, id->value);
}

static enum err_code judge_name(const struct name_policy *p, const struct identifier *id, struct err *e)
{
	const char *what = id->wildcard ? "wildcard" : "name";

	for (size_t i = 0; i < p->n_deny_names; i++)
		if (denies(&p->deny_names[i], id))
			FAIL(e, REJECTED_IDENTIFIER, "this CA's policy refuses the %s, by the rule \"%s%.*s\" of deny-names", what,
			    p->deny_names[i].below ? "." : "", BYTES_FMT(p->deny_names[i].name));
	for (size_t i = 0; i < p->n_allow_names; i++)
		if (allows(&p->allow_names[i], id))
			return ERR_OK;
	if (p->n_allow_names > 0 || p->closed)
		FAIL(e, REJECTED_IDENTIFIER, "no rule of allow-names (%zu of them) covers the %s%s", p->n_allow_names, what,
		    id->wildcard ? ": one must cover every name directly below it" : "");
	return ERR_OK;
}

static enum err_code judge_address(const struct name_policy *p, const struct identifier *id, struct err *e)
{
	uint8_t raw[16];
	struct bytes address = { raw, identifier_ip_bytes(id, raw) };
	char text[IP_RANGE_TEXT_SIZE];

	if (address.len == 0)
		FAIL(e, MALFORMED, "the value is no IP address: write it as 192.0.2.1 or 2001:db8::1");
	for (size_t i = 0; i < p->n_deny_ips; i++)
		if (ip_range_has(&p->deny_ips[i], address))
			FAIL(e, REJECTED_IDENTIFIER, "this CA's policy refuses the address, by the range %s of deny-ips",
			    ip_range_text(&p->deny_ips[i], text));
	for (size_t i = 0; i < p->n_allow_ips; i++)
		if (ip_range_has(&p->allow_ips[i], address))
			return ERR_OK;
	if (p->n_allow_ips > 0 || p->closed)
		FAIL(e, REJECTED_IDENTIFIER, "no range of allow-ips (%zu of them) holds the address", p->n_allow_ips);
	return ERR_OK;
}

enum err_code name_policy_judge(const struct name_policy *p, const struct identifier *id, struct err *e)
{
	errno = 0;
	return id->type == IDENTIFIER_DNS ? judge_name(p, id, e) : judge_address(p, id, e);
}

/* A rule is a name once its leading dot is off and each * is a letter: so the names' own rules hold for it. */
static enum err_code read_rule(struct arena *a, struct bytes text, struct name_rule *ret, struct err *e)
{
	bool below = bytes_starts_with(text, BYTES_LIT("."));
	struct bytes name = below ? bytes_slice(text, 1, text.len) : text;
	uint8_t lower[DNS_NAME_MAX], plain[DNS_NAME_MAX];
	struct identifier id;
	struct err why = { 0 };

	if (below && memchr(name.ptr, '*', name.len))
		FAIL(e, CONFIG, "a rule is a suffix (.example.org) or a pattern (*.example.org), not both");
	if (name.len > DNS_NAME_MAX)
		FAIL(e, CONFIG, "a rule has at most %d characters", DNS_NAME_MAX);
	for (size_t i = 0; i < name.len; i++) {
		lower[i] = (uint8_t)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32 : name.ptr[i]);
		plain[i] = lower[i] == '*' ? 'a' : lower[i];
	}
	if (identifier_parse(a, BYTES_LIT("dns"), (struct bytes){ plain, name.len }, &id, &why) != ERR_OK)
		FAIL(e, CONFIG, "a rule is a name (example.org), a suffix (.example.org) or a pattern (web-*.example.org): %s", why.detail);
	struct bytes copy = arena_copy(a, (struct bytes){ lower, name.len });
	if (!copy.ptr)
		FAIL(e, NOMEM, "no memory for a rule");
	*ret = (struct name_rule){ .name = copy, .below = below };
	return ERR_OK;
}

enum err_code name_rule_check(struct bytes text, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 4096);
	struct name_rule rule;

	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory for a rule");
	return read_rule(a, text, &rule, e);
}

static enum err_code read_rules(struct arena *a, const struct bytes *texts, size_t n, struct name_rule **ret, struct err *e)
{
	struct name_rule *v = arena_array(a, n + 1, sizeof *v);
	struct err why = { 0 };

	if (!v)
		FAIL(e, NOMEM, "no memory for the policy's rules");
	for (size_t i = 0; i < n; i++)
		if (read_rule(a, texts[i], &v[i], &why) != ERR_OK)
			FAIL(e, CONFIG, "\"%.*s\": %s", BYTES_FMT(bytes_slice(texts[i], 0, 100)), why.detail);
	*ret = v;
	return ERR_OK;
}

static enum err_code read_ranges(struct arena *a, const struct bytes *texts, size_t n, struct ip_range **ret, struct err *e)
{
	struct ip_range *v = arena_array(a, n + 1, sizeof *v);
	struct err why = { 0 };

	if (!v)
		FAIL(e, NOMEM, "no memory for the policy's ranges");
	for (size_t i = 0; i < n; i++)
		if (ip_range_parse(texts[i], &v[i], &why) != ERR_OK)
			FAIL(e, CONFIG, "\"%.*s\": %s", BYTES_FMT(bytes_slice(texts[i], 0, 100)), why.detail);
	*ret = v;
	return ERR_OK;
}

enum err_code name_policy_read(struct arena *a, const struct name_policy_texts *t, struct name_policy *ret, struct err *e)
{
	struct name_policy p = { .n_allow_names = t->n_allow_names,
		.n_deny_names = t->n_deny_names,
		.n_allow_ips = t->n_allow_ips,
		.n_deny_ips = t->n_deny_ips,
		.closed = t->closed };

	errno = 0;
	TRY(read_rules(a, t->allow_names, t->n_allow_names, &p.allow_names, e));
	TRY(read_rules(a, t->deny_names, t->n_deny_names, &p.deny_names, e));
	TRY(read_ranges(a, t->allow_ips, t->n_allow_ips, &p.allow_ips, e));
	TRY(read_ranges(a, t->deny_ips, t->n_deny_ips, &p.deny_ips, e));
	*ret = p;
	return ERR_OK;
}
