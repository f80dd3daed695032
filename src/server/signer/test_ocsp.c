#include "server/signer/test_ocsp.h"

#include "pki/cert.h"
#include "server/ocsp_message.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static X509 *issuer_of(const struct world *w)
{
	BIO *in = BIO_new_mem_buf(w->issuer_pem.ptr, (int)w->issuer_pem.len);
	X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);

	BIO_free(in);
	assert_non_null(x);
	return x;
}

static struct bytes octets(struct world *w, const ASN1_STRING *s)
{
	return arena_copy(w->a, (struct bytes){ ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) });
}

static void write_question(struct world *w, struct bytes serial, struct buf *out)
{
	struct ocsp_request r = { .n_ids = 1 };
	ASN1_OCTET_STRING *name = NULL, *key = NULL;
	ASN1_INTEGER *none = ASN1_INTEGER_new();
	X509 *issuer = issuer_of(w);

	OCSP_CERTID *id = OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(issuer), X509_get0_pubkey_bitstr(issuer), none);
	assert_int_equal(OCSP_id_get0_info(&name, NULL, &key, NULL, id), 1);
	r.ids[0] = (struct ocsp_id){ .hash = OCSP_SHA1, .name_hash = octets(w, name), .key_hash = octets(w, key), .serial = serial };
	OCSP_CERTID_free(id);
	ASN1_INTEGER_free(none);
	X509_free(issuer);
	ocsp_ask_write(&r, out);
	assert_true(buf_ok(out));
}

static int64_t seconds(const ASN1_GENERALIZEDTIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, rest = 0;

	if (!t) {
		ASN1_TIME_free(epoch);
		return 0;
	}
	assert_int_equal(ASN1_TIME_diff(&days, &rest, epoch, t), 1);
	ASN1_TIME_free(epoch);
	return (int64_t)days * 86400 + rest;
}

static void see_responder(struct world *w, X509 *x, struct ocsp_seen *ret)
{
	struct bytes serial = octets(w, X509_get0_serialNumber(x));

	assert_int_equal(serial.len, SERIAL_SIZE);
	memcpy(ret->responder, serial.ptr, SERIAL_SIZE);
	ret->responder_not_after_s = seconds(X509_get0_notAfter(x));
}

static void see(struct world *w, struct bytes der, struct bytes serial, struct ocsp_seen *ret)
{
	const unsigned char *p = der.ptr;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)der.len);
	OCSP_BASICRESP *answer = OCSP_response_get1_basic(response);
	ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *until = NULL;
	ASN1_INTEGER *number = NULL;
	X509 *issuer = issuer_of(w), *signer = NULL;

	assert_non_null(answer);
	assert_int_equal(OCSP_resp_get0_signer(answer, &signer, NULL), 1);
	assert_int_equal(X509_verify(signer, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(OCSP_basic_verify(answer, NULL, NULL, OCSP_NOVERIFY), 1);
	assert_int_equal(OCSP_resp_count(answer), 1);
	OCSP_SINGLERESP *one = OCSP_resp_get0(answer, 0);
	assert_int_equal(OCSP_id_get0_info(NULL, NULL, NULL, &number, (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one)), 1);
	assert_true(bytes_eq(octets(w, number), serial));
	ret->reason = -1;
	ret->status = OCSP_single_get0_status(one, &ret->reason, &revoked, &from, &until);
	ret->revoked_s = seconds(revoked);
	ret->this_update_s = seconds(from);
	ret->next_update_s = seconds(until);
	see_responder(w, signer, ret);
	X509_free(issuer);
	OCSP_BASICRESP_free(answer);
	OCSP_RESPONSE_free(response);
}

enum err_code ask_ocsp(struct world *w, struct bytes serial, struct ocsp_seen *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(1024), out = buf_new(CHANNEL_BODY_MAX);
	struct err fatal = { 0 };
	struct ocsp_done d;

	*e = (struct err){ 0 };
	write_question(w, serial, &body);
	enum err_code rc = signer_ocsp(w->s, buf_bytes(&body), &out, e, &fatal);
	if (rc != ERR_OK || e->code != ERR_OK)
		return rc != ERR_OK ? rc : e->code;
	assert_int_equal(ocsp_done_read(buf_bytes(&out), &d, NULL), ERR_OK);
	see(w, d.response, serial, ret);
	assert_true(d.this_update_s == ret->this_update_s && d.next_update_s == ret->next_update_s);
	assert_true(ret->next_update_s <= ret->responder_not_after_s && ret->this_update_s == test_seam.wall_ms / 1000);
	return ERR_OK;
}
