#include "crypto/tlv.h"

#include <string.h>

size_t tlv_head_size(size_t len)
{
	return len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
}

uint8_t *tlv_put_head(uint8_t *out, uint8_t tag, size_t len)
{
	*out++ = tag;
	if (len >= 0x100) {
		*out++ = 0x82;
		*out++ = (uint8_t)(len >> 8);
	} else if (len >= 0x80) {
		*out++ = 0x81;
	}
	*out++ = (uint8_t)len;
	return out;
}

/* The content of the INTEGER: no leading zeros but the one that zero itself, or a set top bit, needs. */
static struct bytes significant(struct bytes m)
{
	while (m.len > 1 && m.ptr[0] == 0)
		m = bytes_slice(m, 1, m.len);
	return m;
}

static bool needs_zero(struct bytes m)
{
	return (m.ptr[0] & 0x80) != 0;
}

size_t tlv_uint_size(struct bytes magnitude)
{
	struct bytes m = significant(magnitude);
	size_t len = m.len + (needs_zero(m) ? 1 : 0);

	return tlv_head_size(len) + len;
}

uint8_t *tlv_put_uint(uint8_t *out, struct bytes magnitude)
{
	struct bytes m = significant(magnitude);

	out = tlv_put_head(out, TLV_INTEGER, m.len + (needs_zero(m) ? 1 : 0));
	if (needs_zero(m))
		*out++ = 0;
	memcpy(out, m.ptr, m.len);
	return out + m.len;
}

bool tlv_take(struct bytes *in, uint8_t tag, struct bytes *ret_content)
{
	size_t head = 2, len;

	if (in->len < 2 || in->ptr[0] != tag)
		return false;
	len = in->ptr[1];
	if (len >= 0x80) {
		size_t more = len & 0x7f;
		if (more < 1 || more > 2 || in->len < 2 + more)
			return false;
		len = more == 1 ? in->ptr[2] : (size_t)in->ptr[2] << 8 | in->ptr[3];
		head += more;
		if (tlv_head_size(len) != head) /* X.690 §10.1: the shortest form alone */
			return false;
	}
	if (in->len - head < len)
		return false;
	*ret_content = bytes_slice(*in, head, head + len);
	*in = bytes_slice(*in, head + len, in->len);
	return true;
}

bool tlv_take_uint(struct bytes *in, struct bytes *ret_magnitude)
{
	struct bytes rest = *in, v;

	if (!tlv_take(&rest, TLV_INTEGER, &v) || v.len == 0 || (v.ptr[0] & 0x80) != 0)
		return false;
	if (v.len > 1 && v.ptr[0] == 0) {
		if ((v.ptr[1] & 0x80) == 0) /* X.690 §8.3.2: no needless zero */
			return false;
		v = bytes_slice(v, 1, v.len);
	}
	*ret_magnitude = v;
	*in = rest;
	return true;
}
