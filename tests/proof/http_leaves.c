/* The functions of http/parse.c that read bytes, each over every span of up to 256 bytes: exact ones, which end where their block ends or begin where it
 * begins, so that whatever reads outside is outside of the block too. */
#include "http/parse.c"

#include <__fc_builtin.h>

static uint8_t block[256], other[256];

int main(void)
{
	struct http_head h;
	struct http_fault f;
	uint8_t c;
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX), i;
	int at_end = Frama_C_interval(0, 1), what = Frama_C_interval(0, 16);
	bool slash = false;

	//@ split n;
	//@ split at_end;
	Frama_C_make_unknown((char *)block, sizeof block);
	Frama_C_make_unknown((char *)other, sizeof other);
	Frama_C_make_unknown((char *)&h, sizeof h);
	struct bytes in = { at_end ? block + 256 - n : block, n };
	switch (what) {
	case 0:
		is_token(in);
		break;
	case 1:
		trim(in);
		break;
	case 2:
		check_value(in, Frama_C_interval(0, 1), &f);
		break;
	case 3:
		parse_length(in, &h, &f);
		break;
	case 4:
		check_port(in, (size_t)Frama_C_interval(0, 300));
		break;
	case 5:
		check_host(in);
		break;
	case 6:
		check_path(in, &slash, &f);
		break;
	case 7:
		check_query(in, &f);
		break;
	case 8:
		parse_version(in, &h, &f);
		break;
	case 9:
		method_of(in);
		break;
	case 10:
		field_of(in);
		break;
	case 11:
		is_same_host(in, (struct bytes){ at_end ? other + 256 - n : other, n });
		break;
	case 12:
		is_same_nocase(in, "chunked");
		break;
	default:
		break;
	}
	return 0;
}
