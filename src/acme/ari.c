#include "acme/ari.h"

#include "base/codec.h"

#include <errno.h>

#define SHORT_LIVED_S (10 * 86400)
#define PAST_FROM_S   3600
#define PAST_TO_S     1800

enum err_code ari_id_read(struct arena *a, struct bytes text, struct ari_id *ret, struct err *e)
{
	struct bytes head, tail;
	struct ari_id id;

	errno = 0;
	if (!bytes_split(text, '.', &head, &tail) || head.len > BASE64URL_LEN(ARI_KEY_ID_MAX) || tail.len > BASE64URL_LEN(ARI_SERIAL_MAX) ||
	    base64url_decode(a, head, &id.key_id, NULL) != ERR_OK || base64url_decode(a, tail, &id.serial, NULL) != ERR_OK ||
	    id.key_id.len == 0 || id.serial.len == 0)
		FAIL(e, MALFORMED,
		    "a certificate is named by the base64url form of its authority key identifier, a dot, and that of its serial number (RFC "
		    "9773 section 4.1)");
	*ret = id;
	return ERR_OK;
}

struct ari_window ari_window_usual(int64_t not_before_s, int64_t not_after_s)
{
	int64_t lifetime = not_after_s - not_before_s + 1;
	int64_t ideal = not_after_s - (lifetime < SHORT_LIVED_S ? lifetime / 2 : lifetime / 3), margin = lifetime / 100;
	struct ari_window w = { ideal - margin, ideal + margin };

	if (w.end_s > not_after_s)
		w.end_s = not_after_s;
	if (w.end_s <= w.start_s) /* a lifetime of seconds */
		w.start_s = w.end_s - 1;
	return w;
}

struct ari_window ari_window_past(int64_t now_s)
{
	return (struct ari_window){ now_s - PAST_FROM_S, now_s - PAST_TO_S };
}
