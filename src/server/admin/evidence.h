/* `chancery-ca show`: what the log has of one certificate, and whether it holds. */
#ifndef CHANCERY_SERVER_ADMIN_EVIDENCE_H
#define CHANCERY_SERVER_ADMIN_EVIDENCE_H

#include "jose/jws.h"
#include "server/admin/log_verify.h"
#include "server/signer/record_event.h"

enum evidence_rule {
#define X(code, name, text) EVIDENCE_##code,
#include "server/admin/evidence_rule.def"
#undef X
	EVIDENCE__MAX
};
extern const struct evidence_row {
	const char *name, *text;
} evidence_rows[EVIDENCE__MAX];

/* Unknown: what is needed for the look is not there, or has changed since (a profile, for example). */
enum evidence_outcome { EVIDENCE_NONE, EVIDENCE_HOLDS, EVIDENCE_FAILS, EVIDENCE_UNKNOWN };
struct evidence_check {
	enum evidence_outcome outcome; /* NONE: there is nothing to look at, as with a void serial number */
	char detail[256];              /* of FAILS and UNKNOWN */
};

/* All memory is the arena's. */
struct evidence {
	uint8_t serial[SERIAL_SIZE];
	struct log_summary log;
	struct intent intent;
	uint64_t intent_record, result_record, void_record; /* sequences; 0: there is none */
	int64_t intent_ms, result_ms;
	struct bytes certificate;         /* DER; empty for a void serial number */
	struct cert cert;                 /* with certificate */
	char issuer[ISSUER_NAME_MAX + 1]; /* "": of none that the log has */
	struct bytes void_reason;
	bool revoked;
	struct revocation revocation; /* the first one */
	uint64_t revocation_record;
	/* Of a client's alone: */
	struct issue issue;
	struct jws finalize, new_order; /* of issue; url NULL where they cannot be read */
	struct receipt *receipts;
	size_t n_receipts;
	struct evidence_check checks[EVIDENCE__MAX];
};

/* Reads and checks the whole log on the way. NOT_FOUND: it has no such serial number. IO: it is damaged. As log_verify(). */
enum err_code evidence_find(
    struct arena *a, const struct settings *s, const uint8_t serial[SERIAL_SIZE], struct evidence *ret, struct err *e) MUST_USE;
/* How many do not hold. */
size_t evidence_failed(const struct evidence *v);

#endif
