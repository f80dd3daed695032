/* The fixed template of the CA's own TLS certificate: exactly the configured names, the default profile, and few of them. The front
 * has its key anyway and asks for nothing but the signature (DESIGN §2). */
#include "server/signer/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static enum err_code configured_name(struct arena *a, struct bytes text, struct san *ret, struct err *e)
{
	uint8_t ip[16];
	char *z = arena_str(a, text);

	if (!z)
		FAIL(e, NOMEM, "no memory for a name");
	for (char *p = z; *p; p++) /* as csr_parse() does */
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	size_t ip_len = inet_pton(AF_INET, z, ip) == 1 ? 4 : inet_pton(AF_INET6, z, ip) == 1 ? 16 : 0;
	*ret =
	    (struct san){ .type = ip_len ? SAN_IP : SAN_DNS, .value = ip_len ? arena_copy(a, (struct bytes){ ip, ip_len }) : bytes_str(z) };
	if (!ret->value.ptr)
		FAIL(e, NOMEM, "no memory for a name");
	return ERR_OK;
}

const struct profile *tls_profile(const struct signer *s)
{
	for (size_t i = 0; i < s->settings.n_profiles; i++)
		if (s->settings.profiles[i].purposes & PROFILE_SERVER_AUTH)
			return &s->settings.profiles[i];
	return &s->settings.profiles[0];
}

enum err_code tls_names_check(const struct signer *s, struct arena *a, const struct csr *csr, struct err *e)
{
	const struct settings_list *names = &s->settings.tls_names;
	struct san *v = arena_array(a, names->n + 1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for names");
	for (size_t i = 0; i < names->n; i++)
		TRY(configured_name(a, names->v[i], &v[i], e));
	size_t n = san_sort(v, names->n);
	bool same = n == csr->n_names;
	for (size_t i = 0; same && i < n; i++)
		same = san_cmp(&v[i], &csr->names[i]) == 0;
	errno = 0;
	if (!same)
		FAIL(e, REJECTED_IDENTIFIER, "the CSR's names are not exactly the configured tls-names");
	return ERR_OK;
}

enum err_code tls_rate_check(const struct signer *s, int64_t now_ms, struct err *e)
{
	const struct tls_past *t = &s->tls;
	int64_t wait_ms = 0;

	if (t->n > 0)
		wait_ms = t->time_ms[(t->n - 1) % TLS_PER_DAY] + TLS_EACH_MS - now_ms;
	if (t->n >= TLS_PER_DAY && t->time_ms[t->n % TLS_PER_DAY] + DAY_MS - now_ms > wait_ms)
		wait_ms = t->time_ms[t->n % TLS_PER_DAY] + DAY_MS - now_ms;
	errno = 0;
	if (wait_ms <= 0)
		return ERR_OK;
	(void)err_set(e, ERR_RATE_LIMITED, __FILE__, __LINE__, "at most one TLS certificate an hour and %d a day", TLS_PER_DAY);
	if (e)
		e->retry_after_s = (uint32_t)((wait_ms + 999) / 1000);
	return ERR_RATE_LIMITED;
}

bool tls_is_repeated(const struct signer *s, const uint8_t csr_digest[SHA256_SIZE], int64_t now_ms)
{
	const struct tls_past *t = &s->tls;

	return t->segment != 0 && memcmp(t->csr_digest, csr_digest, SHA256_SIZE) == 0 &&
	       now_ms - t->time_ms[(t->n - 1) % TLS_PER_DAY] < TLS_EACH_MS;
}

void tls_remember(struct signer *s, const struct log_entry *n)
{
	struct tls_past *t = &s->tls;

	t->time_ms[t->n++ % TLS_PER_DAY] = n->time_ms;
	memcpy(t->csr_digest, n->csr_digest, sizeof t->csr_digest);
	t->segment = n->segment;
	t->offset = n->offset;
}
