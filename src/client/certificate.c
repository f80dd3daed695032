/* The public handle of a certificate. */
#include "client/certificate.h"

#include <stdlib.h>

void chancery_certificate_free(struct chancery_certificate *certificate)
{
	if (!certificate)
		return;
	free(certificate->fullchain);
	free(certificate->leaf);
	free(certificate->url);
	free(certificate->order_url);
	free(certificate->account_url);
	free(certificate);
}

static const char *with_len(const char *s, size_t len, size_t *ret_len)
{
	if (ret_len)
		*ret_len = len;
	return s;
}

const char *chancery_certificate_fullchain(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->fullchain, certificate->fullchain_len, ret_len);
}

const char *chancery_certificate_leaf(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->leaf, certificate->leaf_len, ret_len);
}

const char *chancery_certificate_chain(const struct chancery_certificate *certificate, size_t *ret_len)
{
	return with_len(certificate->fullchain + certificate->leaf_len, certificate->fullchain_len - certificate->leaf_len, ret_len);
}

int64_t chancery_certificate_not_before(const struct chancery_certificate *certificate)
{
	return certificate->not_before_s;
}

int64_t chancery_certificate_not_after(const struct chancery_certificate *certificate)
{
	return certificate->not_after_s;
}

const char *chancery_certificate_url(const struct chancery_certificate *certificate)
{
	return certificate->url;
}

const char *chancery_certificate_order_url(const struct chancery_certificate *certificate)
{
	return certificate->order_url;
}

const char *chancery_certificate_account_url(const struct chancery_certificate *certificate)
{
	return certificate->account_url;
}
