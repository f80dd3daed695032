/* A request head, and behind it a chunked body: whole and in pieces they must be read alike, and what is accepted must be
 * what the header says. */
#include "http/parse.h"

#include <stdlib.h>

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void check_view(struct bytes head, struct bytes view)
{
	if (!view.ptr)
		return;
	demand(view.ptr >= head.ptr && view.ptr + view.len <= head.ptr + head.len);
	for (size_t i = 0; i < view.len; i++)
		demand((view.ptr[i] >= 0x20 || view.ptr[i] == '\t') && view.ptr[i] < 0x7f);
}

static void check_head(struct bytes head)
{
	struct http_head h;
	struct http_fault f = { 0, NULL };

	if (!http_head_parse(head, &h, &f)) {
		demand(f.status >= 400 && f.status <= 599 && f.detail);
		return;
	}
	const struct bytes views[] = { h.method_name, h.path, h.query, h.host, h.content_type, h.user_agent, h.origin, h.accept };
	for (size_t i = 0; i < sizeof views / sizeof *views; i++)
		check_view(head, views[i]);
	demand(h.path.len > 0 && *h.path.ptr == '/' && h.host.len > 0 && h.method_name.len > 0);
	demand(!(h.has_length && h.chunked) && !(h.http10 && (h.chunked || !h.close)));
	demand((h.method != HTTP_GET && h.method != HTTP_HEAD) || (!h.chunked && h.content_length == 0));
}

static enum http_progress decode(struct bytes in, size_t step, struct buf *out, size_t *ret_used)
{
	struct http_chunked d = { 0 };
	struct http_fault f = { 0, NULL };
	enum http_progress progress = HTTP_MORE;

	*ret_used = 0;
	while (progress == HTTP_MORE && *ret_used < in.len) {
		struct bytes part = bytes_slice(in, *ret_used, *ret_used + step);
		size_t before = part.len;
		progress = http_chunked_take(&d, &part, out, &f);
		*ret_used += before - part.len;
		demand(progress != HTTP_BAD || f.status == 400 || f.status == 413);
	}
	return progress;
}

static void check_body(struct bytes in)
{
	CLEANUP(buf_free_p) struct buf whole = buf_new(BODY_MAX), pieces = buf_new(BODY_MAX);
	size_t used, used_in_pieces;
	enum http_progress progress = decode(in, in.len, &whole, &used);

	demand(progress == decode(in, 1, &pieces, &used_in_pieces));
	if (progress == HTTP_BAD)
		return;
	demand(used == used_in_pieces && bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct http_scan whole = { 0 }, pieces = { 0 };
	struct http_fault f = { 0, NULL };
	size_t len = 0, len_in_pieces = 0;
	enum http_progress progress = http_scan(&whole, in, &len, &f), in_pieces = HTTP_MORE;

	for (size_t n = 1; n <= size && in_pieces == HTTP_MORE; n++)
		in_pieces = http_scan(&pieces, bytes_slice(in, 0, n), &len_in_pieces, &f);
	demand(progress == in_pieces && len == len_in_pieces);
	if (progress == HTTP_DONE) {
		check_head(bytes_slice(in, 0, len));
		in = bytes_slice(in, len, size);
	}
	check_body(in);
	return 0;
}
