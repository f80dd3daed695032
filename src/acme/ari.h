/* ACME Renewal Information (RFC 9773) without I/O: how certificates are named there, and when to renew them. */
#ifndef CHANCERY_ACME_ARI_H
#define CHANCERY_ACME_ARI_H

#include "base/arena.h"
#include "base/err.h"

#define ARI_KEY_ID_MAX 32
#define ARI_SERIAL_MAX 21

/* A certificate as its issuer's key and its serial number. */
struct ari_id {
	struct bytes key_id; /* content of authorityKeyIdentifier's keyIdentifier */
	struct bytes serial; /* content of the serial number's INTEGER, with a leading zero where it has one */
};
/* RFC 9773 §4.1: base64url of both with a dot between. MALFORMED with the form that is right. */
enum err_code ari_id_read(struct arena *a, struct bytes text, struct ari_id *ret, struct err *e) MUST_USE;

struct ari_window {
	int64_t start_s, end_s; /* start < end */
};
/* The usual window: two thirds into the lifetime (half, when it is below ten days), a fiftieth of it wide. not_after_s is the last
 * second that the certificate holds. Never past the certificate's end. */
struct ari_window ari_window_usual(int64_t not_before_s, int64_t not_after_s);
/* For a certificate that must be replaced at once: wholly past (§4.2), as clients then renew without waiting. */
struct ari_window ari_window_past(int64_t now_s);

#endif
