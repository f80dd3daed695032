#include "pki/name.h"

#include <stdlib.h>

#define DNS_NAME_MAX  253
#define DNS_LABEL_MAX 63

int san_cmp(const struct san *a, const struct san *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return bytes_cmp(a->value, b->value);
}

static int compare(const void *a, const void *b)
{
	return san_cmp(a, b);
}

size_t san_sort(struct san *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof *v, compare);
	for (size_t i = 1; i < n; i++)
		if (san_cmp(&v[kept], &v[i]) != 0)
			v[++kept] = v[i];
	return kept + 1;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 1034 §3.5 as RFC 1123 §2.1 relaxes it: letters, digits and hyphens, no hyphen at an edge. */
static bool label_ok(struct bytes label)
{
	if (label.len == 0 || label.len > DNS_LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!is_digit(label.ptr[i]) && !(label.ptr[i] >= 'a' && label.ptr[i] <= 'z') && label.ptr[i] != '-')
			return false;
	return true;
}

static bool all_digits(struct bytes label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!is_digit(label.ptr[i]))
			return false;
	return true;
}

bool san_dns_ok(struct bytes name)
{
	struct bytes rest = name, label, tail;

	if (name.len == 0 || name.len > DNS_NAME_MAX)
		return false;
	if (bytes_starts_with(name, BYTES_LIT("*.")))
		rest = bytes_slice(name, 2, name.len);
	while (bytes_split(rest, '.', &label, &tail)) {
		if (!label_ok(label))
			return false;
		rest = tail;
	}
	/* A last label of digits alone makes the whole readable as an IPv4 address (WHATWG URL "ends in a number"). */
	return label_ok(rest) && !all_digits(rest);
}

bool san_ip_ok(struct bytes address)
{
	struct bytes mapped = BYTES_LIT("\0\0\0\0\0\0\0\0\0\0\xff\xff");

	return address.len == 4 || (address.len == 16 && !bytes_starts_with(address, mapped));
}
