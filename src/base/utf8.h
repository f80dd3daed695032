/* UTF-8 as RFC 3629 has it, character by character. Text from the JSON reader is checked already. */
#ifndef CHANCERY_BASE_UTF8_H
#define CHANCERY_BASE_UTF8_H

#include "base/bytes.h"

/* The bytes that the character at p takes (p < end), or 0 when there is no well-formed one: no overlong form, no
 * surrogate, nothing over U+10FFFF, not cut by end. *ret_c may be NULL and is written on success only. */
size_t utf8_get(const uint8_t *p, const uint8_t *end, uint32_t *ret_c);
/* Writes a character that is no surrogate and at most U+10FFFF; returns how many bytes it took. */
size_t utf8_put(uint32_t c, uint8_t out[4]);
/* False for what would move a terminal's cursor, end a line, hide or reorder text: C0, DEL, C1, U+2028 and U+2029, the
 * invisible and bidirectional formatting characters, the byte order mark and what is no character. */
bool utf8_is_printable(uint32_t c);

#endif
