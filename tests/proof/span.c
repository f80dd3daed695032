/* Every function of base/bytes.c on spans of up to 256 bytes, exact ones: they end where their block ends. What bytes_slice() and bytes_split() give is WP's to prove. */
#include "base/bytes.h"

#include <__fc_builtin.h>

static uint8_t block[256], other[256];

static void read_two(struct bytes a, struct bytes b)
{
	bytes_eq(a, b);
	bytes_cmp(a, b);
	bytes_starts_with(a, b);
	bytes_ends_with(a, b);
}

static void read_one(struct bytes a)
{
	struct bytes head, tail;

	bytes_eq_str(a, "chancery");
	bytes_split(a, (uint8_t)Frama_C_interval(0, 255), &head, &tail);
	bytes_slice(a, Frama_C_unsigned_long_long_interval(0, SIZE_MAX), Frama_C_unsigned_long_long_interval(0, SIZE_MAX));
}

/* Through a buffer of any maximum that is of interest, and back. */
static void write_it(struct bytes a, size_t max)
{
	struct buf b = Frama_C_interval(0, 1) ? buf_new(max) : buf_new_secret(max);

	buf_add(&b, a);
	buf_add_u8(&b, 1);
	buf_consume(&b, a.len / 2);
	buf_add_str(&b, "chancery");
	buf_fit(&b);
	if (buf_ok(&b))
		bytes_eq(buf_bytes(&b), a);
	buf_reset(&b);
	buf_add(&b, a);
	buf_free_p(&b);
}

int main(void)
{
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX);
	int what = Frama_C_interval(0, 4), fd = Frama_C_interval(-1, 10);

	//@ split n;
	//@ split what;
	Frama_C_make_unknown((char *)block, sizeof block);
	Frama_C_make_unknown((char *)other, sizeof other);
	/* An empty one, the same length, one less, one more, and the most. */
	size_t m = what == 0 ? 0 : what == 1 ? n : what == 2 ? (n ? n - 1 : 0) : what == 3 && n < 256 ? n + 1 : 256;
	struct bytes a = { block + 256 - n, n };
	read_one(a);
	read_two(a, (struct bytes){ other + 256 - m, m });
	if (n == 0 || n == 1 || n == 256)
		write_it(a, m);
	close_p(&fd);
	return 0;
}
