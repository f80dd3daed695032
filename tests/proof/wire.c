/* Each reader and writer of base/wire.c, from every state that a reader of up to 256 bytes can be in; what is left is again such a state. */
#include "base/wire.h"

#include <__fc_builtin.h>

static uint8_t block[256];

/* What was taken and what is left lie where the input did. */
static void look(struct bytes taken, const struct wire *w)
{
	//@ assert taken: \valid_read(taken.ptr + (0 .. taken.len - 1));
	//@ assert rest: w->rest.len == 0 || \valid_read(w->rest.ptr + (0 .. w->rest.len - 1));
}

static void read_one(struct bytes in, int what, uint32_t len)
{
	struct wire w = wire_of(in);
	struct bytes taken = { (const uint8_t *)"", 0 };

	w.failed = Frama_C_interval(0, 1);
	switch (what) {
	case 0:
		wire_u8(&w);
		break;
	case 1:
		wire_u16(&w);
		break;
	case 2:
		wire_u32(&w);
		break;
	case 3:
		wire_u64(&w);
		break;
	case 4:
		taken = wire_fixed(&w, len);
		break;
	default:
		/* The length that stands there; of the others each is refused alike. */
		if (in.len >= 4) {
			block[256 - in.len] = block[257 - in.len] = 0;
			block[258 - in.len] = (uint8_t)(len >> 8);
			block[259 - in.len] = (uint8_t)len;
		}
		taken = wire_bytes(&w, (size_t)Frama_C_interval(0, 300));
	}
	look(taken, &w);
	(void)wire_end(&w, "a message", NULL);
}

static void read_too_long(struct bytes in)
{
	struct wire w = wire_of(in);

	if (in.len >= 4)
		block[256 - in.len] = (uint8_t)Frama_C_interval(1, 255);
	wire_bytes(&w, (size_t)Frama_C_interval(0, 300));
}

static void write(struct bytes in)
{
	struct buf b = buf_new(300);

	wire_put_u8(&b, 1);
	wire_put_u16(&b, 2);
	wire_put_u32(&b, 3);
	wire_put_u64(&b, 4);
	wire_put_bytes(&b, in);
	wire_put_fixed(&b, in);
	buf_free(&b);
}

int main(void)
{
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX);
	int what = Frama_C_interval(0, 5), how = Frama_C_interval(0, 7);

	//@ split n;
	Frama_C_make_unknown((char *)block, sizeof block);
	struct bytes in = { block + 256 - n, n };
	read_too_long(in);
	if (n == 0 || n == 1 || n == 256)
		write(in);
	/* None, one, what is there to the last byte and around it, with and without the four of a length, and the most. */
	size_t len[8] = { 0, 1, n, n + 1, n < 4 ? 0 : n - 4, n < 5 ? 0 : n - 5, n < 3 ? 0 : n - 3, 256 };
	//@ split what;
	//@ split how;
	read_one(in, what, (uint32_t)len[how]);
	return 0;
}
