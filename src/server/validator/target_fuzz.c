/* A redirect's Location, as any web server may send it: what is followed names the host that was checked, and no other. */
#include "server/validator/target.h"

#include "acme/identifier.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read back from the URL that would be fetched. */
static void check_part(CURLU *u, CURLUPart which, unsigned flags, struct bytes want)
{
	char *text = NULL;

	if (curl_url_get(u, which, &text, flags) != CURLUE_OK || !bytes_eq_str(want, text))
		abort();
	curl_free(text);
}

static void check(struct arena *a, const struct identifier *validated, const struct target *t)
{
	struct bytes host = t->host;
	struct identifier id;
	CURLU *u = curl_url();
	char *none = NULL;

	if (!u || curl_url_set(u, CURLUPART_URL, (const char *)t->url.ptr, 0) != CURLUE_OK)
		abort();
	if (t->is_address && memchr(t->host.ptr, ':', t->host.len))
		host = arena_fmt(a, "[%.*s]", BYTES_FMT(t->host));
	check_part(u, CURLUPART_HOST, 0, host);
	check_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, t->port == 80 ? BYTES_LIT("80") : BYTES_LIT("443"));
	if (curl_url_get(u, CURLUPART_USER, &none, 0) == CURLUE_OK || curl_url_get(u, CURLUPART_FRAGMENT, &none, 0) == CURLUE_OK)
		abort();
	curl_url_cleanup(u);
	if (t->is_address && !(validated->type == IDENTIFIER_IP && bytes_eq(t->host, validated->value)))
		abort();
	if (!t->is_address &&
	    (identifier_parse(a, BYTES_LIT("dns"), t->host, &id, NULL) != ERR_OK || !bytes_eq(id.value, t->host) || id.wildcard))
		abort();
	if (!bytes_starts_with(t->url, BYTES_LIT("http://")) && !bytes_starts_with(t->url, BYTES_LIT("https://")))
		abort();
	for (size_t i = 0; i < t->url.len; i++)
		if (t->url.ptr[i] <= ' ' || t->url.ptr[i] == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	uint16_t ports[] = { 80, 443 };
	const struct policy p = { .http_port = 80, .redirect_ports = ports, .n_redirect_ports = 2 };
	const struct identifier ids[] = { { .value = BYTES_LIT("example.org") }, { IDENTIFIER_IP, BYTES_LIT("192.0.2.7"), false },
		{ IDENTIFIER_IP, BYTES_LIT("2001:db8::7"), false } };
	struct target first, next;

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		if (!a || target_first(a, &p, &ids[i], BYTES_LIT("token"), &first, NULL) != ERR_OK)
			abort();
		if (target_follow(a, &p, &ids[i], &first, (struct bytes){ data, size }, &next, NULL) == ERR_OK)
			check(a, &ids[i], &next);
	}
	return 0;
}
