/* Certificates of the signer's log by what is known of them: for revoking many at once. The log is asked, as the front's database is not to be
 * believed about what is to be revoked. */
#ifndef CHANCERY_SERVER_ADMIN_SELECT_H
#define CHANCERY_SERVER_ADMIN_SELECT_H

#include "acme/policy.h"
#include "server/admin/log_verify.h"

/* All of it must fit; what is not set fits everything. */
struct select_query {
	const uint8_t *account;    /* 32 bytes: its id */
	struct bytes profile;      /* ptr NULL: any */
	const uint8_t *issuer;     /* ISSUER_KEY_SIZE: its subjectKeyIdentifier */
	const uint8_t *key_digest; /* SHA-256 of the SubjectPublicKeyInfo */
	struct bytes name;         /* a rule of acme/policy.h or a range: at least one name is covered; ptr NULL: any */
	int64_t issued_since_s, issued_until_s;
	/* Control of at least one name was shown by one of these challenge types, in this time. */
	uint32_t methods; /* a bit each; 0: any */
	int64_t validated_since_s, validated_until_s;
};
#define SELECT_ANY_TIME                                                                   \
	{                                                                                 \
		.issued_until_s = INT64_MAX / 1000, .validated_until_s = INT64_MAX / 1000 \
	}

struct selected {
	uint8_t serial[SERIAL_SIZE];
	uint8_t account[32];
	int64_t issued_s, not_after_s;
	char name[80]; /* the first one, or its beginning */
	uint32_t n_names;
};
#define SELECT_MAX (1u << 20)
struct selection {
	struct selected *v; /* malloc'd; in the order in which they were issued */
	size_t n;
};
void selection_free(struct selection *s);

/* Those of clients that have not ended and are not revoked. CONFIG: the name is no rule. As log_verify(), which it does on the way. */
enum err_code select_certificates(const struct settings *s, const struct select_query *q, struct selection *ret, struct err *e) MUST_USE;

#endif
