#include "server/ocsp_message.h"

#include "base/wire.h"

#include <string.h>

void ocsp_ask_write(const struct ocsp_request *r, struct buf *out)
{
	wire_put_bytes(out, r->nonce.len <= OCSP_NONCE_MAX && r->nonce.ptr ? r->nonce : BYTES_LIT(""));
	wire_put_u8(out, (uint8_t)r->n_ids);
	for (size_t i = 0; i < r->n_ids; i++) {
		wire_put_u8(out, (uint8_t)r->ids[i].hash);
		wire_put_bytes(out, r->ids[i].name_hash);
		wire_put_bytes(out, r->ids[i].key_hash);
		wire_put_bytes(out, r->ids[i].serial);
	}
}

enum err_code ocsp_ask_read(struct bytes body, struct ocsp_request *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct ocsp_request r = { .nonce = wire_bytes(&w, OCSP_NONCE_MAX) };

	r.n_ids = wire_u8(&w);
	if (r.n_ids == 0 || r.n_ids > OCSP_IDS_MAX)
		FAIL(e, MALFORMED, "OCSP asks for %zu certificates, 1 to %d are possible", r.n_ids, OCSP_IDS_MAX);
	for (size_t i = 0; i < r.n_ids; i++) {
		struct ocsp_id *id = &r.ids[i];
		uint8_t hash = wire_u8(&w);
		if (hash >= OCSP_HASH__MAX)
			FAIL(e, MALFORMED, "OCSP names digest %u", hash);
		id->hash = (enum ocsp_hash)hash;
		id->name_hash = wire_bytes(&w, OCSP_HASH_MAX);
		id->key_hash = wire_bytes(&w, OCSP_HASH_MAX);
		id->serial = wire_bytes(&w, OCSP_SERIAL_MAX);
		size_t size = ocsp_hash_size(id->hash);
		if (id->name_hash.len != size || id->key_hash.len != size || id->serial.len == 0 ||
		    (id->serial.len > 1 && id->serial.ptr[0] == 0))
			FAIL(e, MALFORMED, "OCSP has an id that is none");
	}
	TRY(wire_end(&w, "OCSP", e));
	*ret = r;
	return ERR_OK;
}

void ocsp_done_write(const struct ocsp_done *d, struct buf *out)
{
	wire_put_fixed(out, BYTES_ARRAY(d->issuer));
	wire_put_u64(out, (uint64_t)d->this_update_s);
	wire_put_u64(out, (uint64_t)d->next_update_s);
	wire_put_bytes(out, d->response);
}

enum err_code ocsp_done_read(struct bytes body, struct ocsp_done *ret, struct err *e)
{
	struct wire w = wire_of(body);
	struct bytes issuer = wire_fixed(&w, ISSUER_KEY_SIZE);
	struct ocsp_done d = { .this_update_s = (int64_t)wire_u64(&w) };

	d.next_update_s = (int64_t)wire_u64(&w);
	d.response = wire_bytes(&w, OCSP_RESPONSE_SIZE_MAX);
	TRY(wire_end(&w, "OCSP_OK", e));
	memcpy(d.issuer, issuer.ptr, sizeof d.issuer);
	*ret = d;
	return ERR_OK;
}
