#include "names/suffix.h"

#include <errno.h>
#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

struct suffixes {
	psl_ctx_t *list;
};

void suffixes_free(struct suffixes *s)
{
	if (!s)
		return;
	psl_free(s->list);
	free(s);
}

enum err_code suffixes_open(struct suffixes **ret, struct err *e)
{
	CLEANUP(suffixes_free_p) struct suffixes *s = calloc(1, sizeof *s);

	errno = 0;
	if (!s)
		FAIL(e, NOMEM, "no memory for the public suffix list");
	s->list = psl_latest(NULL);
	/* A library that was built without a list, and no file: every top level would be unknown, or known, to it. */
	if (!s->list || !psl_is_public_suffix2(s->list, "com", PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE))
		FAIL(e, IO, "there is no public suffix list: install the package publicsuffix");
	*ret = TAKE(s);
	return ERR_OK;
}

static bool text_of(struct bytes name, char out[DNS_NAME_MAX + 1])
{
	if (name.len == 0 || name.len > DNS_NAME_MAX || memchr(name.ptr, 0, name.len))
		return false;
	memcpy(out, name.ptr, name.len);
	out[name.len] = 0;
	return true;
}

static bool ends_with(struct bytes name, struct bytes suffix)
{
	if (suffix.len == 0 || name.len < suffix.len || (name.len > suffix.len && name.ptr[name.len - suffix.len - 1] != '.'))
		return false;
	struct bytes end = bytes_slice(name, name.len - suffix.len, name.len);
	for (size_t i = 0; i < end.len; i++) {
		uint8_t c = suffix.ptr[i];
		if (end.ptr[i] != (c >= 'A' && c <= 'Z' ? c + 32 : c))
			return false;
	}
	return true;
}

/* Length of the longest private suffix that the name is or ends in; 0: none. */
static size_t private_length(const struct private_suffixes *p, struct bytes name)
{
	size_t longest = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].len > longest && ends_with(name, p->v[i]))
			longest = p->v[i].len;
	return longest;
}

/* By the ICANN section, without its rule "*" for whatever it does not know. The parent of a wildcard rule counts too: *.ck makes ck one. */
static bool is_icann(const struct suffixes *s, const char *name)
{
	return psl_is_public_suffix2(s->list, name, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}

/* Top levels and zones that the list has and public DNS has no hosts in. */
static const char *special_zone(struct bytes name)
{
	static const struct {
		const char *zone, *why;
	} zones[] = {
		{ "onion", ".onion names are not in DNS (RFC 7686), and their proof of control is not offered here" },
		{ "in-addr.arpa", "names of IP reverse zones are not certified (Baseline Requirements 4.2.2)" },
		{ "ip6.arpa", "names of IP reverse zones are not certified (Baseline Requirements 4.2.2)" },
	};

	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (ends_with(name, bytes_str(zones[i].zone)))
			return zones[i].why;
	return NULL;
}

enum err_code suffix_judge(const struct suffixes *s, const struct private_suffixes *p, const struct identifier *id, struct err *e)
{
	char name[DNS_NAME_MAX + 1];

	errno = 0;
	if (id->type != IDENTIFIER_DNS)
		return ERR_OK;
	if (!text_of(id->value, name))
		FAIL(e, MALFORMED, "a name has 1 to %d characters, not %zu", DNS_NAME_MAX, id->value.len);
	const char *dot = strrchr(name, '.'), *top = dot ? dot + 1 : name, *special = special_zone(id->value);
	if (is_icann(s, name) && !special)
		FAIL(e, REJECTED_IDENTIFIER, "%sis a public suffix, under which many have their names%s",
		    id->wildcard ? "the wildcard's base " : "the name ",
		    id->wildcard ? ": a wildcard may not stand directly below it" : "");
	if (private_length(p, id->value) > 0)
		return ERR_OK;
	if (special)
		FAIL(e, REJECTED_IDENTIFIER, "%s", special);
	if (!is_icann(s, top))
		FAIL(e, REJECTED_IDENTIFIER,
		    "the top level \"%s\" is not one of public DNS, and this CA's configuration does not name it, or this name, under private-suffixes",
		    top);
	return ERR_OK;
}

struct bytes registered_domain(const struct suffixes *s, const struct private_suffixes *p, struct bytes name)
{
	char text[DNS_NAME_MAX + 1];
	size_t suffix = private_length(p, name);

	if (suffix > 0) {
		size_t from = name.len - suffix;
		if (from > 0)
			from--; /* the dot */
		while (from > 0 && name.ptr[from - 1] != '.')
			from--;
		return bytes_slice(name, from, name.len);
	}
	if (!text_of(name, text))
		return name;
	const char *domain = psl_registrable_domain(s->list, text);
	return domain ? bytes_slice(name, (size_t)(domain - text), name.len) : name;
}
