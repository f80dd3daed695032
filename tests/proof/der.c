/* Each reader of pki/der.c from every state that one of up to 256 bytes can be in. */
#include "pki/der.h"

#include <__fc_builtin.h>

static uint8_t block[256];

static void read_one(struct bytes in, int what)
{
	struct der d = der_of(in);
	int tag = Frama_C_interval(0, 255);

	d.failed = Frama_C_interval(0, 1);
	switch (what) {
	case 0:
		der_more(&d);
		der_peek(&d);
		break;
	case 1:
		der_get(&d, tag);
		break;
	case 2:
		der_get_element(&d);
		break;
	case 3:
		der_enter(&d, tag);
		break;
	case 4:
		der_get_unsigned(&d);
		break;
	case 5:
		der_get_bool(&d);
		break;
	case 6:
		der_get_bits(&d);
		break;
	default:
		der_get_time(&d);
		break;
	}
	(void)der_end(&d, ERR_MALFORMED, "a structure", NULL);
}

int main(void)
{
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX);
	int what = Frama_C_interval(0, 7);

	//@ split n;
	Frama_C_make_unknown((char *)block, sizeof block);
	struct bytes in = { block + 256 - n, n };
	//@ split what;
	read_one(in, what);
	return 0;
}
