/* Questions about certificates for the signer's tests, and what OpenSSL reads in the answers. */
#ifndef CHANCERY_SERVER_SIGNER_TEST_OCSP_H
#define CHANCERY_SERVER_SIGNER_TEST_OCSP_H

#include "server/signer/test_world.h"

struct ocsp_seen {
	int status, reason; /* OpenSSL's V_OCSP_CERTSTATUS_*; the reason is -1 where there is none */
	int64_t revoked_s, this_update_s, next_update_s;
	uint8_t responder[SERIAL_SIZE]; /* the signer's certificate, which the issuer has signed */
	int64_t responder_not_after_s;
};
/* Asks the signer of one certificate in the first issuer's name. The answer is verified, or the test fails. */
enum err_code ask_ocsp(struct world *w, struct bytes serial, struct ocsp_seen *ret, struct err *e);

#endif
