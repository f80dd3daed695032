/* The reader over any bytes: it stays within them, it ends, and what it takes is what the writer writes. */
#include "pki/der.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A taken element, written again, is the same bytes: there is one encoding of a length. */
static void check_again(struct bytes element, int tag, struct bytes content)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(element.len);

	der_put(&b, tag, content);
	check(buf_ok(&b) && bytes_eq(buf_bytes(&b), element));
}

static void check_values(struct der d)
{
	struct der u = d, t = d, o = d, bits = d;
	struct buf b CLEANUP(buf_free_p) = buf_new(1 << 20);
	struct bytes element = der_get_element(&d), v = der_get_unsigned(&u);

	if (!u.failed) {
		der_put_unsigned(&b, v);
		check(bytes_eq(buf_bytes(&b), element));
	}
	int64_t at = der_get_time(&t);
	buf_reset(&b);
	if (!t.failed) {
		der_put_time(&b, at);
		check(bytes_eq(buf_bytes(&b), element));
	}
	bool flag = der_get_bool(&o);
	buf_reset(&b);
	if (!o.failed) {
		der_put_bool(&b, flag);
		check(bytes_eq(buf_bytes(&b), element));
	}
	v = der_get_bits(&bits);
	buf_reset(&b);
	if (!bits.failed) {
		der_put_bits(&b, v);
		check(bytes_eq(buf_bytes(&b), element));
	}
}

static void walk(struct der d, unsigned depth)
{
	while (der_more(&d)) {
		size_t before = d.rest.len;
		struct der look = d, child = d;
		int tag = der_peek(&d);
		check_values(d);
		struct bytes element = der_get_element(&d), content = der_get(&look, tag);
		check(d.failed == look.failed);
		if (d.failed)
			break;
		check(d.rest.len < before && element.len == before - d.rest.len && content.len <= element.len);
		check_again(element, tag, content);
		if ((tag & 0x20) && depth < DEPTH_MAX)
			walk(der_enter(&child, tag), depth + 1);
	}
	check(!der_more(&d) && der_peek(&d) == -1);
	check(der_end(&d, ERR_MALFORMED, "the input", NULL) == (d.failed ? ERR_MALFORMED : ERR_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk(der_of((struct bytes){ data, size }), 0);
	return 0;
}
