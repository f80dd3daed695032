/* How server/messages.c reads what other processes send: every body of any length. It takes bodies apart by base/wire.h alone (wire.c here looks at that), which
 * stands here as whatever it may give. */
#include "base/codec.h"
#include "base/wire.h"

#include <__fc_builtin.h>

static uint8_t block[256];

/* Whether the body has ended: from a field on that nobody knows all are empty, and the end tells it. The analysis keeps the two apart. */
int cut;

static struct bytes any_span(const uint8_t *p, size_t n)
{
	cut = cut || Frama_C_interval(0, 1);
	return cut ? (struct bytes){ (const uint8_t *)"", 0 } : (struct bytes){ p, n };
}

static struct bytes any_fixed(size_t n)
{
	return any_span(block + sizeof block - n, n);
}

static struct bytes any_bytes(size_t max)
{
	return any_span(block, (size_t)Frama_C_interval(0, max < sizeof block ? (int)max : (int)sizeof block));
}

#define wire_of(body)        ((struct wire){ .rest = (body) })
#define wire_u8(w)           ((uint8_t)Frama_C_interval(0, UINT8_MAX))
#define wire_u16(w)          ((uint16_t)Frama_C_interval(0, UINT16_MAX))
#define wire_u32(w)          Frama_C_unsigned_int_interval(0, UINT32_MAX)
#define wire_u64(w)          Frama_C_unsigned_long_long_interval(0, UINT64_MAX)
#define wire_fixed(w, n)     any_fixed(n)
#define wire_bytes(w, max)   any_bytes(max)
#define wire_end(w, what, e) (cut || Frama_C_interval(0, 1) ? ERR_MALFORMED : ERR_OK)

#include "base/arena.h"

static struct bytes room[1024];

static struct bytes *any_array(size_t n)
{
	return Frama_C_interval(0, 1) && n <= sizeof room / sizeof *room ? room : NULL;
}

#define arena_array(a, n, size) any_array(n)

/* codec.c here looks at these. */
enum err_code hex_decode(struct bytes in, uint8_t *out, size_t out_len, struct err *e)
{
	(void)in, (void)e;
	Frama_C_make_unknown((char *)out, out_len);
	return Frama_C_interval(0, 1) ? ERR_MALFORMED : ERR_OK;
}

enum err_code base64url_decode_fixed(struct bytes in, uint8_t *out, size_t out_len, struct err *e)
{
	return hex_decode(in, out, out_len, e);
}

void hex_encode(struct bytes in, char *out)
{
	Frama_C_make_unknown(out, HEX_LEN(in.len));
	out[HEX_LEN(in.len)] = '\0';
}

#include "server/messages.c"

/* Paths and URLs of each length, of a CA whose own has some lengths. */
static void read_text(void)
{
	size_t n = (size_t)Frama_C_interval(0, LENGTH_MAX), of_base = (size_t)Frama_C_interval(0, 2) * 20;
	uint8_t id[ORDER_ID_SIZE], shard;
	struct bytes text, base;

	//@ split n;
	//@ split of_base;
	text = (struct bytes){ block + sizeof block - n, n };
	base = (struct bytes){ block, of_base };
	(void)crl_path_read(text, id, &shard);
	(void)finalize_url_read(base, text, id, NULL);
}

int main(void)
{
	static struct revoked_new revoked_new[REVOKED_NEW_MAX];
	static struct crl_new lists[CRL_NEW_MAX];
	struct arena *a = NULL;
	struct bytes body = { block, (size_t)Frama_C_interval(0, 256) }, detail;
	enum err_code code;
	size_t n;

	Frama_C_make_unknown((char *)block, sizeof block);
	(void)validate_read(body, &(struct validate){ 0 }, NULL);
	cut = 0;
	(void)validated_read(body, &(struct validated){ 0 }, NULL);
	cut = 0;
	(void)issue_read(a, body, &(struct issue){ 0 }, NULL);
	cut = 0;
	(void)issued_read(body, &(struct issued){ 0 }, NULL);
	cut = 0;
	(void)problem_read(body, &code, &detail, NULL);
	cut = 0;
	(void)account_evidence_read(body, &(struct account_evidence){ 0 }, NULL);
	cut = 0;
	(void)revoke_read(a, body, &(struct revoke){ 0 }, NULL);
	cut = 0;
	(void)revoked_read(body, &(struct revoked){ 0 }, NULL);
	cut = 0;
	(void)sign_read(body, &(struct sign){ 0 }, NULL);
	cut = 0;
	(void)limits_reset_read(body, &(struct limits_reset){ 0 }, NULL);
	cut = 0;
	(void)revoked_new_read(body, revoked_new, &n, NULL);
	cut = 0;
	(void)crl_new_read(body, lists, &n, NULL);
	cut = 0;
	(void)crl_get_read(body, &(struct crl_get){ 0 }, NULL);
	cut = 0;
	(void)crl_part_read(body, &(struct crl_part){ 0 }, NULL);
	cut = 0;
	(void)hello_ok_read(body, &(struct hello_ok){ 0 }, NULL);
	cut = 0;
	struct message answer = { .type = (uint16_t)Frama_C_interval(0, MESSAGE__MAX), .body = body };
	(void)issued_answer(&answer, &(struct issued){ 0 }, NULL);
	read_text();
	return 0;
}
