#include "crypto/sig_form.h"

#include "crypto/tlv.h"

#include <string.h>

size_t ecdsa_to_der(struct bytes jose, size_t width, uint8_t *der)
{
	if (jose.len != 2 * width || width == 0 || width > 48)
		return 0;
	struct bytes r = bytes_slice(jose, 0, width), s = bytes_slice(jose, width, jose.len);
	uint8_t *p = tlv_put_head(der, TLV_SEQUENCE, tlv_uint_size(r) + tlv_uint_size(s));

	p = tlv_put_uint(p, r);
	p = tlv_put_uint(p, s);
	return (size_t)(p - der);
}

static void put_padded(struct bytes number, size_t width, uint8_t *out)
{
	memset(out, 0, width - number.len);
	memcpy(out + width - number.len, number.ptr, number.len);
}

bool ecdsa_from_der(struct bytes der, size_t width, uint8_t *out)
{
	struct bytes content, r, s;

	if (!tlv_take(&der, TLV_SEQUENCE, &content) || der.len > 0 || !tlv_take_uint(&content, &r) || !tlv_take_uint(&content, &s) ||
	    content.len > 0 || r.len > width || s.len > width)
		return false;
	if (out) {
		put_padded(r, width, out);
		put_padded(s, width, out + width);
	}
	return true;
}
