/* What base/bytes.c promises of the spans that it gives, for spans of any length: they lie in the one that they were taken from. All that takes a span apart does
 * so by these two, which is why http_whole.c may leave them out. */
#include "base/bytes.h"

/*@ predicate readable(struct bytes b) = b.len > 0 ==> \valid_read(b.ptr + (0 .. b.len - 1)); */

/*@ requires readable(a);
  @ assigns \nothing;
  @ ensures \let t = to < a.len ? to : a.len;
  @         \let f = from < t ? from : t;
  @         \result.len == t - f && (a.ptr != \null ==> \result.ptr == a.ptr + f);
  @ ensures readable(\result);
  @*/
struct bytes bytes_slice(struct bytes a, size_t from, size_t to);

/*@ requires readable(a) && \valid(ret_head) && \valid(ret_tail) && \separated(ret_head, ret_tail);
  @ assigns *ret_head, *ret_tail;
  @ ensures \result == \true ==> ret_head->len + 1 + ret_tail->len == a.len;
  @ ensures \result == \true ==> ret_head->ptr == a.ptr && ret_tail->ptr == a.ptr + ret_head->len + 1;
  @ ensures \result == \true ==> readable(*ret_head) && readable(*ret_tail);
  @ ensures \result == \false ==> *ret_head == \old(*ret_head) && *ret_tail == \old(*ret_tail);
  @*/
bool bytes_split(struct bytes a, uint8_t sep, struct bytes *ret_head, struct bytes *ret_tail);

#include <string.h>

/* memchr(), as far as it matters here; Frama-C's own contract of it says what WP cannot read. */
/*@ requires n > 0 ==> \valid_read(s + (0 .. n - 1));
  @ assigns \result \from s, n;
  @ ensures \result == \null || \exists integer i; 0 <= i < n && \result == s + i;
  @*/
const uint8_t *find_byte(const uint8_t *s, int c, size_t n);
#define memchr find_byte

#include "base/bytes.c"
