#include "agent/tsig_key.h"

#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_MAX 8192

static const struct {
	const char *name, *of_ldns;
} algorithms[] = {
	{ "hmac-sha256", "hmac-sha256." },
	{ "hmac-sha384", "hmac-sha384." },
	{ "hmac-sha512", "hmac-sha512." },
	{ "hmac-sha224", "hmac-sha224." },
	{ "hmac-sha1", "hmac-sha1." },
};

/* The word behind `keyword`, with or without quotation marks, up to its end; false: there is none, or it has no room. */
static bool word_after(const char *text, const char *keyword, char *out, size_t size)
{
	const char *p = strstr(text, keyword);

	if (!p)
		return false;
	p += strlen(keyword);
	p += strspn(p, " \t\r\n\"");
	size_t n = strcspn(p, " \t\r\n\";{");
	if (n == 0 || n >= size)
		return false;
	memcpy(out, p, n);
	out[n] = 0;
	return true;
}

enum err_code tsig_key_read(const char *path, struct tsig_key *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new_secret(KEY_FILE_MAX + 1);
	struct tsig_key k = { .secret = buf_new_secret(1024) };
	char algorithm[64], secret[1000];
	const char *of_ldns = NULL;

	TRY(file_read_private(path, KEY_FILE_MAX, &text, e));
	buf_add_u8(&text, 0);
	const char *in = (const char *)text.ptr;
	bool read = word_after(in, "key", k.name, sizeof k.name) && word_after(in, "algorithm", algorithm, sizeof algorithm) &&
		    word_after(in, "secret", secret, sizeof secret);
	for (size_t i = 0; read && i < sizeof algorithms / sizeof *algorithms; i++)
		of_ldns = strcasecmp(algorithms[i].name, algorithm) == 0 ? algorithms[i].of_ldns : of_ldns;
	errno = 0;
	if (!read)
		FAIL(e, CONFIG,
		    "%.200s: it is no TSIG key as tsig-keygen writes one: key \"NAME\" { algorithm hmac-sha256; secret \"BASE64\"; };",
		    path);
	if (!of_ldns)
		FAIL(e, CONFIG, "%.200s: the algorithm %.40s is not known: hmac-sha256, -sha384, -sha512, -sha224 and -sha1 are", path,
		    algorithm);
	(void)snprintf(k.algorithm, sizeof k.algorithm, "%s", of_ldns);
	buf_add(&k.secret, (struct bytes){ (const uint8_t *)secret, strlen(secret) + 1 });
	crypto_wipe(secret, sizeof secret);
	if (!buf_ok(&k.secret))
		FAIL(e, NOMEM, "no memory for a key");
	*ret = k;
	return ERR_OK;
}

void tsig_key_free(struct tsig_key *k)
{
	buf_free(&k->secret);
}

enum err_code tsig_key_set(struct tsig_key *k, struct bytes name, struct bytes algorithm, struct bytes secret, struct err *e)
{
	struct tsig_key new = { .secret = buf_new_secret(1024) };

	(void)snprintf(new.name, sizeof new.name, "%.*s", BYTES_FMT(name));
	(void)snprintf(new.algorithm, sizeof new.algorithm, "%.*s", BYTES_FMT(algorithm));
	buf_add(&new.secret, secret);
	buf_add_u8(&new.secret, 0);
	errno = 0;
	if (!buf_ok(&new.secret))
		FAIL(e, NOMEM, "no memory for a key");
	*k = new;
	return ERR_OK;
}
