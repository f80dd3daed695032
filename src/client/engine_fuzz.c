/* A CA that answers whatever it likes: the engine comes to an end within its bounds, and what it then tells is text. The input is its answers, one after the
 * other: each begins with a byte 0xff, a byte for the status and one for the headers; a header's line is "name: value", and an empty line is before the body. Where
 * there is no more answer, the connection is lost. */
#include "client/client_impl.h"

#include "base/clock.h"
#include "base/seam.h"
#include "crypto/digest.h"

#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 200 /* of one run: more are more than its bounds allow */
#define FIELDS_MAX   16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct ca {
	struct bytes rest;
	unsigned asked;
};

static struct chancery_key *account_key, *leaf_key;
static int64_t now_ms;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int64_t played_ms(void)
{
	return now_ms;
}

/* --- answers --- */

static struct bytes next_answer(struct ca *ca)
{
	struct bytes answer = ca->rest;
	const uint8_t *end = ca->rest.len > 1 ? memchr(ca->rest.ptr + 1, 0xff, ca->rest.len - 1) : NULL;

	if (end)
		answer.len = (size_t)(end - answer.ptr);
	ca->rest = bytes_slice(ca->rest, answer.len, ca->rest.len);
	return answer;
}

static void put_header(struct http_client_answer *to, struct bytes name, struct bytes value)
{
	struct bytes *member = http_client_answer_member(to, name);

	if (member)
		*member = value;
	to->fields[to->n_fields++] = (struct http_client_field){ name, value };
}

static void read_headers(struct bytes *text, struct http_client_answer *to)
{
	struct bytes line, name, value, rest;

	while (to->n_fields < FIELDS_MAX && bytes_split(*text, '\n', &line, &rest)) {
		*text = rest;
		if (line.len == 0)
			return;
		if (bytes_split(line, ':', &name, &value))
			put_header(to, name, bytes_slice(value, 1, value.len));
	}
}

static enum err_code exchange(
    void *ctx, struct arena *a, const struct http_client_request *q, struct http_client_answer *ret, struct err *e)
{
	static const int statuses[] = { 200, 201, 204, 400, 403, 404, 409, 429, 500, 503 };
	struct ca *ca = ctx;
	struct http_client_answer x = { .fields = arena_array(a, FIELDS_MAX + 1, sizeof *x.fields) };

	require(++ca->asked < REQUESTS_MAX && q->timeout_ms > 0 && strncmp(q->url, "https://", 8) == 0);
	struct bytes answer = arena_copy(a, next_answer(ca));
	if (answer.len < 3 || !x.fields)
		FAIL(e, CONNECTION, "the connection is lost");
	x.status = statuses[answer.ptr[1] % (sizeof statuses / sizeof *statuses)];
	if (answer.ptr[2] & 1)
		put_header(&x, BYTES_LIT("replay-nonce"), BYTES_LIT("nonce"));
	answer = bytes_slice(answer, 3, answer.len);
	read_headers(&answer, &x);
	x.body = answer;
	*ret = x;
	return ERR_OK;
}

static enum err_code wait_until(void *ctx, int64_t until_ms, struct err *e)
{
	(void)ctx;
	(void)e;
	require(until_ms > now_ms);
	now_ms = until_ms;
	return ERR_OK;
}

static enum err_code call(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e)
{
	(void)ctx;
	(void)until_ms;
	(void)e;
	*ret = c->f(c->arg);
	return ERR_OK;
}

/* --- what it does --- */

static int deploy(void *ctx, const struct chancery_challenge *c)
{
	unsigned *open = ctx;

	require(c->token && c->name && c->key_authorization && !strpbrk(c->token, "/ \n"));
	++*open;
	return 0;
}

static void clean_up(void *ctx, const struct chancery_challenge *c)
{
	unsigned *open = ctx;

	(void)c;
	--*open;
}

static void require_text(const char *text)
{
	for (; *text; text++)
		require((uint8_t)*text >= ' ' && *text != 0x7f);
}

static void check(struct chancery_client *c, enum chancery_result rc, const struct ca *ca)
{
	const struct chancery_error *x = chancery_client_error(c);

	require(rc == CHANCERY_OK || *chancery_error_message(x));
	require(ca->asked > 0 || rc != CHANCERY_OK);
	require_text(chancery_error_message(x));
	require_text(chancery_error_type(x));
	for (size_t i = 0; i < chancery_error_sub_count(x); i++) {
		require_text(chancery_error_sub_name(x, i));
		require_text(chancery_error_sub_detail(x, i));
	}
}

/* The key of the certificates in the corpus: nobody's. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0z9wvmv3tukq2soY\n"
			  "YW3pbnWu6zkStzmNh1JUWo/lRWahRANCAAT848LyYCiBU7NpxHI+Gp/tVTwLJJVk\n"
			  "WdGG8mrWaBzKa9YOBc9Mf8oSrUJALZ+jw05Zfz05++P8AGF13X+Ddg5H\n"
			  "-----END PRIVATE KEY-----\n";

static void begin(void)
{
	static struct seam s;

	if (account_key)
		return;
	crypto_init();
	s = seam_libc;
	s.wall_ms = s.monotonic_ms = played_ms;
	seam = &s;
	require(chancery_key_from_pem(pem, sizeof pem - 1, &account_key) == CHANCERY_OK &&
		chancery_key_from_pem(pem, sizeof pem - 1, &leaf_key) == CHANCERY_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "www.example.org", "example.org" };
	struct ca ca = { .rest = { data, size } };
	const struct session_io io = { &ca, exchange, wait_until, call };
	struct chancery_certificate *certificate = NULL;
	unsigned open = 0;

	if (size < 1 || size > 32768)
		return 0;
	begin();
	now_ms = INT64_C(1795593600000);
	struct chancery_client *c = chancery_client_new("https://ca.test/directory");
	require(c && chancery_client_set_account_key(c, account_key) == CHANCERY_OK &&
		chancery_client_set_solver(c, "http-01", deploy, clean_up, &open) == CHANCERY_OK &&
		chancery_client_set_solver(c, "dns-01", deploy, clean_up, &open) == CHANCERY_OK);
	(void)chancery_client_set_terms_agreed(c, !(data[0] & 16));
	if (data[0] & 8)
		require(chancery_client_set_external_account(c, "kid", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U") == CHANCERY_OK &&
			chancery_client_add_contact(c, "mailto:ops@example.org") == CHANCERY_OK);
	if (data[0] & 1)
		(void)chancery_client_set_preferred_chain(c, "Root B");
	if (data[0] & 2)
		(void)chancery_client_set_resume(c, "https://ca.test/order/1");
	c->io = &io;
	ca.rest = bytes_slice(ca.rest, 1, ca.rest.len);
	check(c, chancery_client_issue(c, names, data[0] & 4 ? 2 : 1, leaf_key, &certificate), &ca);
	require(open == 0);
	chancery_certificate_free(certificate);
	chancery_client_free(c);
	return 0;
}
