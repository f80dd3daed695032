/* How http/parse.c's other functions go on from there. They read no byte but through those of http_leaves.c, which stand here as whatever they may do;
 * they take spans apart by base/bytes.h alone, whose contract WP proves. */
#include "base/bytes.h"

#include <__fc_builtin.h>

static bool either(void)
{
	return Frama_C_interval(0, 1);
}

static bool split_anywhere(struct bytes a, struct bytes *ret_head, struct bytes *ret_tail)
{
	size_t at = (size_t)Frama_C_interval(0, 255);

	if (at >= a.len)
		return false;
	*ret_head = (struct bytes){ a.ptr, at };
	*ret_tail = (struct bytes){ a.ptr + at + 1, a.len - at - 1 };
	return true;
}

static void add_or_fail(struct buf *b)
{
	b->failed = either();
}

#define bytes_split(a, sep, head, tail) split_anywhere(a, head, tail)
#define bytes_starts_with(a, prefix)    either()
#define bytes_ends_with(a, suffix)      either()
#define bytes_eq_str(a, s)              either()
#define buf_add(b, in)                  add_or_fail(b)

#include "http/parse.c"

/* What http_leaves.c goes through. */
/*@ assigns \result \from \nothing; ensures \result == 0 || \result == 1; */
static bool is_token(struct bytes b);
/*@ assigns \result \from \nothing; ensures \result == 0 || \result == 1; */
static bool is_same_nocase(struct bytes b, const char *lower);
/*@ assigns \result \from \nothing; ensures \result == 0 || \result == 1; */
static bool is_same_host(struct bytes a, struct bytes b);
/*@ assigns \result \from b; */
static struct bytes trim(struct bytes b);
/*@ assigns \result, *f \from \nothing; ensures \result == 0 || \result == 1; */
static bool check_value(struct bytes v, bool known, struct http_fault *f);
/*@ assigns \result, *f, h->content_length, h->has_length \from \nothing; ensures \result == 0 || \result == 1; ensures h->has_length == 0 || h->has_length == 1; */
static bool parse_length(struct bytes v, struct http_head *h, struct http_fault *f);
/*@ assigns \result \from \nothing; ensures \result == 0 || \result == 1; */
static bool check_host(struct bytes v);
/*@ assigns \result, *f, *encoded_slash \from \nothing; ensures \result == 0 || \result == 1; ensures *encoded_slash == 0 || *encoded_slash == 1; */
static bool check_path(struct bytes path, bool *encoded_slash, struct http_fault *f);
/*@ assigns \result, *f \from \nothing; ensures \result == 0 || \result == 1; */
static bool check_query(struct bytes query, struct http_fault *f);
/*@ assigns \result, *f, h->http10 \from \nothing; ensures \result == 0 || \result == 1; ensures h->http10 == 0 || h->http10 == 1; */
static bool parse_version(struct bytes v, struct http_head *h, struct http_fault *f);
/*@ assigns \result \from \nothing; ensures 0 <= \result <= FIELD__OTHER; */
static enum field field_of(struct bytes name);

static uint8_t block[256];

static void begin_head(struct bytes in)
{
	struct http_fault f;
	struct http_head h;
	struct http_scan s = { 0 };
	size_t len;

	s.line = (size_t)Frama_C_interval(0, 256);
	s.at = s.line + (size_t)Frama_C_interval(0, 256);
	http_scan(&s, in, &len, &f);
	http_head_parse(in, &h, &f);
}

static void end_head(struct bytes in)
{
	struct http_head h = { .http10 = either(), .chunked = either(), .has_length = either() };
	struct http_fault f;

	h.method = (enum http_method)Frama_C_interval(0, HTTP_OTHER);
	h.content_length = Frama_C_unsigned_long_long_interval(0, UINT64_MAX);
	h.host = either() ? in : BYTES_NONE;
	check_head(&h, either() ? in : BYTES_NONE, &f);
}

static void body(struct bytes in)
{
	struct http_chunked d = { 0 };
	struct buf out = buf_new(100);
	struct http_fault f;

	d.state = (enum http_chunk_state)Frama_C_interval(CHUNK_SIZE, CHUNK_LAST_LF);
	d.digits = (unsigned)Frama_C_interval(0, CHUNK_DIGITS_MAX);
	d.left = Frama_C_unsigned_long_long_interval(0, 0xffffffff);
	http_chunked_take(&d, &in, &out, &f);
}

int main(void)
{
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX);

	//@ split n;
	Frama_C_make_unknown((char *)block, sizeof block);
	struct bytes in = { block + 256 - n, n };
	begin_head(in);
	end_head(in);
	body(in);
	return 0;
}
