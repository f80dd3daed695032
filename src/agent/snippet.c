#include "agent/snippet.h"

#include "base/codec.h"
#include "crypto/key.h"
#include "jose/jwk.h"

#include <errno.h>
#include <string.h>

/* What stands before and behind the thumbprint. */
static const struct {
	const char *server, *before, *behind;
} snippets[] = {
	{ "nginx",
	    "# In each server block of port 80.\n"
	    "location ~ \"^/\\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$\" {\n"
	    "\tdefault_type application/octet-stream;\n"
	    "\treturn 200 \"$1.",
	    "\";\n}\n" },
	{ "apache",
	    "# In each virtual host of port 80; needs mod_rewrite.\n"
	    "RewriteEngine on\n"
	    "RewriteRule \"^/\\.well-known/acme-challenge/[-_a-zA-Z0-9]+$\" \"-\" [L,R=200]\n"
	    "<LocationMatch \"^/\\.well-known/acme-challenge/(?<token>[-_a-zA-Z0-9]+)$\">\n"
	    "\tErrorDocument 200 \"%{env:MATCH_TOKEN}.",
	    "\"\n</LocationMatch>\n" },
	{ "haproxy",
	    "# In each frontend of port 80.\n"
	    "http-request return status 200 content-type application/octet-stream lf-string \"%[path,field(-1,/)].",
	    "\" if { path -m reg ^/\\.well-known/acme-challenge/[-_a-zA-Z0-9]+$ }\n" },
};

enum err_code snippet_thumbprint(struct bytes spki, char ret[CHANCERY_THUMBPRINT_SIZE], struct err *e)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	uint8_t thumbprint[THUMBPRINT_SIZE];

	TRY(key_from_spki(spki, &key, e));
	jwk_thumbprint(key, thumbprint);
	base64url_encode(BYTES_ARRAY(thumbprint), ret);
	return ERR_OK;
}

enum err_code snippet_of(struct arena *a, const char *server, const char *thumbprint, const char **ret, struct err *e)
{
	errno = 0;
	for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++) {
		if (strcmp(snippets[i].server, server) != 0)
			continue;
		*ret = (const char *)arena_fmt(a, "%s%s%s", snippets[i].before, thumbprint, snippets[i].behind).ptr;
		if (!*ret)
			FAIL(e, NOMEM, "no memory");
		return ERR_OK;
	}
	FAIL(e, CONFIG, "account snippet WEB-SERVER: nginx, apache and haproxy are known");
}
