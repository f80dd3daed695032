/* Publication over plain HTTP, with the test as the signer behind it. */
#include "http/response.h"
#include "pki/crl.h"
#include "server/front/test_publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Polls until the list that the signer has now is served. */
static void wait_served(struct world *w)
{
	for (int i = 0; i < 500; i++) {
		struct buf in;
		world_turn(w);
		struct bytes body = world_ask(w, &in, "GET", LIST_PATH, "");
		bool same = bytes_eq(body, buf_bytes(&w->list));
		buf_free(&in);
		if (same)
			return;
	}
	fail_msg("the signer's list is never served");
}

static void a_list_of_many_parts_is_served_whole(void **state)
{
	struct world *w = world_new();
	struct buf in;
	char etag[64] = "", fields[128], date[HTTP_DATE_SIZE];

	(void)state;
	world_make_list(w, 7, LIST_ENTRIES);
	assert_true(w->list.len > 2 * CRL_PART_MAX);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	(void)world_ask(w, &in, "HEAD", LIST_PATH, "");
	assert_true(says(&in, "HTTP/1.1 200 OK\r\n") && says(&in, "Content-Type: application/pkix-crl\r\n"));
	http_date(w->made_s, date);
	(void)snprintf(fields, sizeof fields, "Last-Modified: %s\r\n", date);
	assert_true(says(&in, fields) && says(&in, "Cache-Control: public, max-age="));
	(void)snprintf(fields, sizeof fields, "Content-Length: %zu\r\n", w->list.len);
	assert_true(says(&in, fields));
	buf_add_u8(&in, 0);
	assert_int_equal(sscanf(strstr((const char *)in.ptr, "ETag: "), "ETag: %63s", etag), 1);
	buf_free(&in);
	(void)snprintf(fields, sizeof fields, "If-None-Match: \"other\", W/%s\r\n", etag);
	assert_int_equal(world_ask(w, &in, "GET", LIST_PATH, fields).len, 0);
	assert_true(says(&in, "HTTP/1.1 304 Not Modified\r\n") && says(&in, etag));
	buf_free(&in);
	world_free(w);
}

static void a_newer_list_takes_its_place_even_while_it_is_fetched(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_make_list(w, 7, LIST_ENTRIES);
	w->switches = 2;
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	assert_int_equal(w->number, 8);
	world_make_list(w, 9, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	world_free(w);
}

static void an_older_list_than_announced_is_not_served_nor_asked_for_without_end(void **state)
{
	struct world *w = world_new();

	(void)state;
	world_make_list(w, 7, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	struct crl_new later = w->notice;
	later.number = 9;
	world_make_list(w, 6, 2);
	w->asked = 0;
	publish_lists_are_new(w->front.publish, &later, 1);
	for (int i = 0; i < 50; i++)
		world_turn(w);
	assert_in_range(w->asked, 1, 2);
	struct buf in;
	assert_false(bytes_eq(world_ask(w, &in, "GET", LIST_PATH, ""), buf_bytes(&w->list)));
	assert_true(says(&in, "HTTP/1.1 200 OK\r\n"));
	buf_free(&in);
	world_free(w);
}

static void nothing_else_is_there(void **state)
{
	struct world *w = world_new();
	struct buf in;
	static const struct {
		const char *method, *path, *status;
	} asked[] = { { "GET", "/directory", "404" }, { "GET", "/", "404" }, { "GET", LIST_PATH, "404" }, { "GET", "/crl/00.crl", "404" },
		{ "POST", LIST_PATH, "405" }, { "OPTIONS", LIST_PATH, "405" } };

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		(void)world_ask(w, &in, asked[i].method, asked[i].path, "");
		assert_true(says(&in, asked[i].status));
		buf_free(&in);
	}
	/* A list that is announced and not there yet */
	world_make_list(w, 7, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	(void)world_ask(w, &in, "GET", LIST_PATH, "");
	assert_true(says(&in, "HTTP/1.1 503 ") && says(&in, "Retry-After: "));
	buf_free(&in);
	wait_served(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_list_of_many_parts_is_served_whole),
		cmocka_unit_test(a_newer_list_takes_its_place_even_while_it_is_fetched),
		cmocka_unit_test(an_older_list_than_announced_is_not_served_nor_asked_for_without_end),
		cmocka_unit_test(nothing_else_is_there) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
