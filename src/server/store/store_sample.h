/* For tests: objects made from a number, and the whole store as text. */
#ifndef CHANCERY_SERVER_STORE_STORE_SAMPLE_H
#define CHANCERY_SERVER_STORE_STORE_SAMPLE_H

#include "server/store/store.h"

#define SAMPLE_NAMES 3 /* most names of a sample's order */

/* An order with all that belongs to it; views into itself, so it stays where it was made. */
struct sample {
	struct store_account account;
	struct store_order order;
	struct identifier identifiers[SAMPLE_NAMES];
	uint8_t authz_ids[SAMPLE_NAMES][STORE_AUTHZ_ID];
	struct store_authz authz[SAMPLE_NAMES];
	struct store_certificate certificate;
	char names[SAMPLE_NAMES][48], token[44];
	uint8_t body[3000]; /* what JWS, DER and receipts are cut from */
	struct bytes finalize, control, caa, problem;
};

/* The order number n with so many names; those with the same account number have the same account. */
void sample_make(struct sample *s, uint32_t account, uint32_t n, size_t names);
/* The end of a validation of its i-th name. */
struct store_validation sample_validation(const struct sample *s, size_t i, bool valid);

/* The steps from nothing to a certificate, all of which must succeed. */
enum err_code sample_add(struct store *st, const struct sample *s, struct err *e) MUST_USE;
enum err_code sample_validate(struct store *st, const struct sample *s, size_t i, bool valid, struct err *e) MUST_USE;
enum err_code sample_finalize(struct store *st, const struct sample *s, struct err *e) MUST_USE;

/* Appends all that the store has of this sample, as text: equal texts mean equal rows. */
void sample_dump(struct store *st, const struct sample *s, struct buf *out);

#endif
