/* OCSP and the lists, asked for by a front that would have them say something else: whatever it asks, what is signed says what the log says. Read by
 * OpenSSL. One certificate of account A is revoked, another is not. */
#include "attack.h"

#include "pki/crl.h"
#include "server/ocsp_message.h"

#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>

#define STRANGE_NONCE 33

static X509 *issuer_of(struct attacker *w)
{
	struct bytes der = issuers_own(w);
	const unsigned char *p = der.ptr;

	return d2i_X509(NULL, &p, (long)der.len);
}

static struct bytes octets(struct attacker *w, const ASN1_STRING *s)
{
	return copy_of(w->a, (struct bytes){ ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) });
}

static struct ocsp_id id_of(struct attacker *w, enum ocsp_hash hash, struct bytes serial)
{
	struct ocsp_id id = { .hash = hash, .serial = serial };
	ASN1_OCTET_STRING *name = NULL, *key = NULL;
	ASN1_INTEGER *none = ASN1_INTEGER_new();
	X509 *issuer = issuer_of(w);

	OCSP_CERTID *c = OCSP_cert_id_new(hash == OCSP_SHA1 || hash == OCSP_SHA1_NULL ? EVP_sha1() : EVP_sha256(),
	    X509_get_subject_name(issuer), X509_get0_pubkey_bitstr(issuer), none);
	if (c && OCSP_id_get0_info(&name, NULL, &key, NULL, c)) {
		id.name_hash = octets(w, name);
		id.key_hash = octets(w, key);
	}
	OCSP_CERTID_free(c);
	ASN1_INTEGER_free(none);
	X509_free(issuer);
	return id;
}

static struct bytes body_of(struct attacker *w, const struct ocsp_request *r)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);

	ocsp_ask_write(r, &out);
	return copy_of(w->a, buf_bytes(&out));
}

/* What OpenSSL makes of one single answer: whether that is what the log says. */
static const char *judge(struct attacker *w, OCSP_SINGLERESP *one)
{
	ASN1_INTEGER *number = NULL;
	int reason = 0;
	int status = OCSP_single_get0_status(one, &reason, NULL, NULL, NULL);

	if (!OCSP_id_get0_info(NULL, NULL, NULL, &number, (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one)))
		return "it has no serial number";
	struct bytes serial = octets(w, number);
	if (bytes_eq(serial, w->revoked_serial))
		return status == V_OCSP_CERTSTATUS_REVOKED && reason == CRL_SUPERSEDED
			   ? NULL
			   : "a revoked certificate is not revoked, or for another reason";
	if (bytes_eq(serial, w->good_serial))
		return status == V_OCSP_CERTSTATUS_GOOD ? NULL : "a good certificate is not good";
	return status == V_OCSP_CERTSTATUS_UNKNOWN ? NULL : "a certificate that there is not is known";
}

static const char *judge_all(struct attacker *w, OCSP_BASICRESP *answer)
{
	X509 *issuer = issuer_of(w), *signer = NULL;
	const char *wrong = NULL;

	if (!OCSP_resp_get0_signer(answer, &signer, NULL) || X509_verify(signer, X509_get0_pubkey(issuer)) != 1 ||
	    OCSP_basic_verify(answer, NULL, NULL, OCSP_NOVERIFY) != 1)
		wrong = "it is not signed by whom the issuer has certified";
	for (int i = 0; !wrong && i < OCSP_resp_count(answer); i++)
		wrong = judge(w, OCSP_resp_get0(answer, i));
	X509_free(issuer);
	return wrong;
}

/* Asks. NULL: what came is the truth, or a refusal, whose code is in *ret_code. */
static const char *ask(struct attacker *w, struct bytes body, enum err_code *ret_code)
{
	struct message m = { 0 };
	struct ocsp_done d;
	struct err e = { 0 };

	if (!link_ask(w, &w->signer, MESSAGE_OCSP, body, &m))
		return "no answer";
	*ret_code = answer_check(&m, &e);
	if (*ret_code != ERR_OK)
		return NULL;
	if (m.type != MESSAGE_OCSP_OK || ocsp_done_read(m.body, &d, &e) != ERR_OK)
		return "an answer that is none";
	const unsigned char *p = d.response.ptr;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)d.response.len);
	OCSP_BASICRESP *answer = response ? OCSP_response_get1_basic(response) : NULL;
	const char *wrong = answer ? judge_all(w, answer) : "OpenSSL cannot read the answer";
	OCSP_BASICRESP_free(answer);
	OCSP_RESPONSE_free(response);
	return wrong;
}

static void expect(struct attacker *w, const char *name, struct bytes body, enum err_code code)
{
	enum err_code got = ERR_OK;
	const char *wrong = ask(w, body, &got);

	report(w, name, !wrong && got == code, "%s", wrong ? wrong : err_name(got));
}

static void strange_questions(struct attacker *w)
{
	static const uint8_t fresh[SERIAL_SIZE] = { 2, 1 }, zeros[OCSP_SERIAL_MAX] = { 0 }, nonce[STRANGE_NONCE] = { 9 };
	struct ocsp_request r;
#define CASE(name, code, ...)                                         \
	do {                                                          \
		arena_reset(w->a);                                    \
		r = (struct ocsp_request){ .n_ids = 2 };              \
		r.ids[0] = id_of(w, OCSP_SHA1, w->revoked_serial);    \
		r.ids[1] = id_of(w, OCSP_SHA256, w->good_serial);     \
		__VA_ARGS__;                                          \
		expect(w, "OCSP: " name, body_of(w, &r), ERR_##code); \
	} while (0)

	CASE("control: one that is revoked and one that is not", OK, (void)0);
	CASE("the same sixteen times", OK,
	    for (r.n_ids = 0; r.n_ids < OCSP_IDS_MAX; r.n_ids++) r.ids[r.n_ids] = id_of(w, OCSP_SHA1, w->revoked_serial));
	CASE("a serial that nobody has", OK, r.ids[0].serial = BYTES_ARRAY(fresh));
	CASE("the revoked one's serial, shortened", OK, r.ids[0].serial = bytes_slice(w->revoked_serial, 0, SERIAL_SIZE - 1));
	CASE("the revoked one's serial behind a zero", MALFORMED, uint8_t *p = arena_alloc(w->a, SERIAL_SIZE + 1); p[0] = 0;
	     memcpy(p + 1, w->revoked_serial.ptr, SERIAL_SIZE); r.ids[0].serial = ((struct bytes){ p, SERIAL_SIZE + 1 }));
	CASE("a long serial of zeros", MALFORMED, r.ids[0].serial = BYTES_ARRAY(zeros));
	CASE("no serial", MALFORMED, r.ids[0].serial = BYTES_LIT(""));
	CASE("another issuer's certificates", UNAUTHORIZED, r.ids[0].key_hash = r.ids[1].key_hash = BYTES_LIT("01234567890123456789");
	     r.n_ids = 1);
	CASE("two issuers' certificates", UNAUTHORIZED, r.ids[1] = id_of(w, OCSP_SHA1, w->good_serial);
	     r.ids[1].name_hash = BYTES_LIT("01234567890123456789"));
	CASE("a digest of another length", MALFORMED, r.ids[0].key_hash = bytes_slice(r.ids[0].key_hash, 0, 19));
	CASE("no certificate", MALFORMED, r.n_ids = 0);
	CASE("a nonce", OK, r.nonce = ((struct bytes){ nonce, OCSP_NONCE_MAX }));
#undef CASE
	arena_reset(w->a);
	CLEANUP(buf_free_p) struct buf raw = buf_new(CHANNEL_BODY_MAX);
	wire_put_bytes(&raw, BYTES_ARRAY(nonce));
	wire_put_u8(&raw, OCSP_IDS_MAX + 1);
	expect(w, "OCSP: a nonce that is too long", buf_bytes(&raw), ERR_MALFORMED);
	buf_reset(&raw);
	wire_put_bytes(&raw, BYTES_LIT(""));
	wire_put_u8(&raw, OCSP_IDS_MAX + 1);
	expect(w, "OCSP: more certificates than one answer has", buf_bytes(&raw), ERR_MALFORMED);
	expect(w, "OCSP: nothing", BYTES_LIT(""), ERR_MALFORMED);
}

/* One bit of each byte of a good question: the answer is a refusal, or still the truth. */
static void flip_question(struct attacker *w)
{
	struct ocsp_request r = { .n_ids = 2 };
	const char *wrong = NULL;
	size_t refused = 0;

	arena_reset(w->a);
	r.ids[0] = id_of(w, OCSP_SHA1, w->revoked_serial);
	r.ids[1] = id_of(w, OCSP_SHA1, w->good_serial);
	struct bytes body = copy_of(w->kept, body_of(w, &r));
	for (size_t at = 0; !wrong && at < body.len; at++) {
		enum err_code code = ERR_OK;
		arena_reset(w->a);
		uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, body).ptr;
		copy[at] ^= (uint8_t)(1u << at % 8);
		wrong = ask(w, (struct bytes){ copy, body.len }, &code);
		refused += code != ERR_OK;
	}
	report(w, "OCSP: a bit of each byte of a question flipped", !wrong && refused > 0 && refused < body.len, "%s",
	    wrong ? wrong : "all, or none, refused");
}

/* What the signer tells the front, told to the signer. */
static void notices_turned_round(struct attacker *w)
{
	CLEANUP(buf_free_p) struct buf revoked = buf_new(1024), lists = buf_new(1024);
	struct crl_new older = w->list;

	arena_reset(w->a);
	wire_put_u16(&revoked, 1);
	wire_put_fixed(&revoked, w->good_serial);
	wire_put_u64(&revoked, 1);
	wire_put_u8(&revoked, CRL_KEY_COMPROMISE);
	older.number = 0;
	crl_new_write(&older, 1, &lists);
	(void)link_send(w, &w->signer, MESSAGE_REVOKED_NEW, buf_bytes(&revoked));
	(void)link_send(w, &w->signer, MESSAGE_CRL_NEW, buf_bytes(&lists));
	(void)link_send(w, &w->signer, MESSAGE_BLOCKS, BYTES_LIT("\x01\x00\x00"));
	struct ocsp_request r = { .n_ids = 2 };
	r.ids[0] = id_of(w, OCSP_SHA256, w->revoked_serial);
	r.ids[1] = id_of(w, OCSP_SHA256, w->good_serial);
	expect(w, "OCSP: after notices that are the signer's to send", body_of(w, &r), ERR_OK);
}

void attack_ocsp(struct attacker *w)
{
	w->revoked_serial = copy_of(w->kept, serial_of(w));
	honest_issuance(w, "control: an issuance that is not revoked", PROOF_A);
	w->good_serial = copy_of(w->kept, serial_of(w));
	strange_questions(w);
	flip_question(w);
	notices_turned_round(w);
}

void revoked_after_it_all(struct attacker *w)
{
	struct ocsp_request r = { .n_ids = 2 };

	arena_reset(w->a);
	r.ids[0] = id_of(w, OCSP_SHA1, w->revoked_serial);
	r.ids[1] = id_of(w, OCSP_SHA1, w->good_serial);
	expect(w, "OCSP after it all", body_of(w, &r), ERR_OK);
	list_after_it_all(w);
}
