#include "server/front/accept.h"

#include <string.h>
#include <strings.h>

static struct bytes trim(struct bytes v)
{
	while (v.len > 0 && (*v.ptr == ' ' || *v.ptr == '\t'))
		v = bytes_slice(v, 1, v.len);
	while (v.len > 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
		v.len--;
	return v;
}

/* Takes what stands before the separator off *rest; false at the end. */
static bool next(struct bytes *rest, uint8_t separator, struct bytes *ret)
{
	struct bytes head, tail = BYTES_NONE;

	if (!rest->ptr)
		return false;
	if (!bytes_split(*rest, separator, &head, &tail))
		head = *rest;
	*rest = tail;
	*ret = trim(head);
	return true;
}

static bool same(struct bytes a, const char *b, size_t n)
{
	return a.len == n && strncasecmp((const char *)a.ptr, b, n) == 0;
}

/* How well a range names the type: 3 exactly, 2 "type" with any subtype, 1 everything, 0 not. */
static int fits(struct bytes range, const char *type)
{
	struct bytes major, minor;
	size_t slash = strcspn(type, "/");

	if (same(range, type, strlen(type)))
		return 3;
	if (!bytes_split(range, '/', &major, &minor) || !bytes_eq_str(minor, "*"))
		return 0;
	return same(major, type, slash) ? 2 : bytes_eq_str(major, "*") ? 1 : 0;
}

/* "q=0", "q=0.0", ...: not wanted. */
static bool is_zero_weight(struct bytes parameter)
{
	if (parameter.len < 3 || strncasecmp((const char *)parameter.ptr, "q=0", 3) != 0)
		return false;
	for (size_t i = 3; i < parameter.len; i++)
		if (parameter.ptr[i] != '.' && parameter.ptr[i] != '0')
			return false;
	return true;
}

bool accept_takes(struct bytes field, const char *type)
{
	struct bytes element, parameter, rest = field;
	int best = 0;
	bool taken = true;

	if (trim(field).len == 0)
		return true;
	while (next(&rest, ',', &element)) {
		struct bytes range, parts = element;
		bool zero = false;
		(void)next(&parts, ';', &range);
		while (next(&parts, ';', &parameter))
			zero = zero || is_zero_weight(parameter);
		int how = fits(range, type);
		if (how > best) { /* the most exact range decides */
			best = how;
			taken = !zero;
		}
	}
	return best > 0 && taken;
}
