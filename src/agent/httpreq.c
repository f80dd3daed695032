#include "agent/httpreq.h"

#include "base/json.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LOGIN_MAX 4096
#define CA_MAX    65536
#define MARGIN_MS 5000

enum err_code httpreq_check(const char *url, struct err *e)
{
	size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

	if (scheme == 0)
		FAIL(e, CONFIG, "--hook %.200s: this dialect asks a service at a URL, https://... or http://...", url);
	if (memchr(url + scheme, '@', strcspn(url + scheme, "/?#")))
		FAIL(e, CONFIG, "--hook: the URL has a name or a password in it, which everybody can read: give them by --hook-login FILE");
	if (strpbrk(url, "?# \t\r\n"))
		FAIL(e, CONFIG, "--hook %.200s: /present and /cleanup come behind it, so nothing like ?... or #... can be in it", url);
	return ERR_OK;
}

/* The value of the line NAME=value, without the quotation marks that env files may have around it. ptr NULL: there is no such line. */
static struct bytes value_in(struct bytes text, const char *name)
{
	struct bytes line, key, value;

	while (text.len > 0) {
		if (!bytes_split(text, '\n', &line, &text)) {
			line = text;
			text.len = 0;
		}
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (!bytes_split(line, '=', &key, &value) || !bytes_eq(key, bytes_str(name)))
			continue;
		uint8_t mark = value.len >= 2 ? value.ptr[0] : 0;
		if ((mark == '"' || mark == '\'') && value.ptr[value.len - 1] == mark)
			value = bytes_slice(value, 1, value.len - 1);
		return value;
	}
	return BYTES_NONE;
}

static enum err_code put_login(const char *path, struct json_out *j, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(LOGIN_MAX);

	if (!path)
		return ERR_OK;
	TRY(file_read_private(path, LOGIN_MAX, &text, e));
	struct bytes user = value_in(buf_bytes(&text), "HTTPREQ_USERNAME"), password = value_in(buf_bytes(&text), "HTTPREQ_PASSWORD");
	errno = 0;
	if (!user.ptr || !password.ptr)
		FAIL(e, CONFIG, "%.200s: the lines HTTPREQ_USERNAME=... and HTTPREQ_PASSWORD=... are wanted", path);
	json_put_member(j, "user", user);
	json_put_member(j, "password", password);
	return ERR_OK;
}

static enum err_code put_ca(const char *path, struct json_out *j, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(CA_MAX);

	if (!path)
		return ERR_OK;
	TRY(file_read(AT_FDCWD, path, CA_MAX, &pem, e));
	json_put_member(j, "ca_pem", buf_bytes(&pem));
	return ERR_OK;
}

enum err_code httpreq_call(const struct httpreq *h, struct crew *crew, const char *action, struct bytes object, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 1u << 20);
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	size_t len = strlen(h->url);
	struct bytes answer;
	struct peer *net;

	while (len > 0 && h->url[len - 1] == '/')
		len--;
	struct bytes url = a ? arena_fmt(a, "%.*s/%s", (int)len, h->url, action) : BYTES_NONE;
	json_put_object(&j);
	json_put_member(&j, "url", url);
	json_put_member_bool(&j, "plain_http", true);
	json_put_member_uint(&j, "timeout_ms", (uint64_t)h->timeout_s * 1000);
	TRY(put_login(h->login, &j, e));
	TRY(put_ca(h->ca_file, &j, e));
	json_put_key(&j, "body");
	json_put_raw(&j, object);
	json_end_object(&j);
	errno = 0;
	if (!url.ptr || !buf_ok(&json))
		FAIL(e, NOMEM, "no memory to ask %.200s", h->url);
	TRY(crew_poster(crew, &net, e));
	struct peer_call c = { .name = "webhook", .json = buf_bytes(&json), .fd = -1, .timeout_ms = h->timeout_s * 1000 + MARGIN_MS };
	return peer_call(net, a, &c, &answer, e);
}
