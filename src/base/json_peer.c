#include "base/json_peer.h"

#include <jansson.h>

bool json_peer_accepts(struct bytes text, bool *ret_own)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	bool accepted = root != NULL;

	*ret_own = false;
	if (!accepted) {
		enum json_error_code code = json_error_code(&error);
		*ret_own = code == json_error_numeric_overflow || code == json_error_null_character || code == json_error_null_byte_in_key;
	}
	json_decref(root);
	return accepted;
}

bool json_peer_string(struct bytes text, struct buf *out)
{
	json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY, NULL);
	bool is_string = json_is_string(root);

	if (is_string)
		buf_add(out, (struct bytes){ (const uint8_t *)json_string_value(root), json_string_length(root) });
	json_decref(root);
	return is_string;
}
