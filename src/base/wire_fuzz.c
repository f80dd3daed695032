/* A message made by a shape: what decodes encodes back to the same bytes, and no reader leaves its input. The input is a
 * shape of one letter a field, a newline, and the message. */
#include "base/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Reads one field and writes it again. */
static void copy_field(struct wire *w, uint8_t field, struct buf *b)
{
	switch (field) {
	case '1':
		wire_put_u8(b, wire_u8(w));
		break;
	case '2':
		wire_put_u16(b, wire_u16(w));
		break;
	case '4':
		wire_put_u32(b, wire_u32(w));
		break;
	case '8':
		wire_put_u64(b, wire_u64(w));
		break;
	case 'b':
		wire_put_bytes(b, wire_bytes(w, 1000));
		break;
	case 'f':
		wire_put_fixed(b, wire_fixed(w, 20));
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1 << 21);
	struct bytes shape, message;
	struct err e;

	if (!bytes_split((struct bytes){ data, size }, '\n', &shape, &message))
		return 0;
	struct wire w = wire_of(message);
	for (size_t i = 0; i < shape.len && i < 1000; i++) {
		bool failed = w.failed;
		copy_field(&w, shape.ptr[i], &b);
		require(w.rest.len <= message.len && w.rest.ptr + w.rest.len == message.ptr + message.len);
		require(!failed || w.failed);
	}
	if (wire_end(&w, "the message", &e) == ERR_OK)
		require(buf_ok(&b) && bytes_eq(buf_bytes(&b), message));
	else
		require(e.code == ERR_MALFORMED && (w.failed || w.rest.len > 0));
	return 0;
}
