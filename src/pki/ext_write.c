#include "pki/ext_write.h"

struct extension extension_open(struct buf *b, enum oid id, bool critical)
{
	struct extension x;

	x.whole = der_open(b, DER_SEQUENCE);
	der_put_oid(b, oid_hex(id));
	if (critical) /* DEFAULT FALSE is not encoded (X.690 §11.5) */
		der_put_bool(b, true);
	x.value = der_open(b, DER_OCTET_STRING);
	return x;
}

void extension_close(struct buf *b, struct extension x)
{
	der_close(b, x.value);
	der_close(b, x.whole);
}

void san_write(const struct san *names, size_t n_names, bool critical, struct buf *out)
{
	struct extension x = extension_open(out, OID_SUBJECT_ALT_NAME, critical);
	struct der_mark s = der_open(out, DER_SEQUENCE);

	for (size_t i = 0; i < n_names; i++)
		der_put(out, names[i].type == SAN_DNS ? DER_CONTEXT(2) : DER_CONTEXT(7), names[i].value);
	der_close(out, s);
	extension_close(out, x);
}

/* Issuer and serial, which it might have as well, would bind the holder to one certificate of its issuer. */
void authority_key_id_write(struct bytes key_id, struct buf *out)
{
	struct extension x = extension_open(out, OID_AUTHORITY_KEY_ID, false);
	struct der_mark s = der_open(out, DER_SEQUENCE);

	der_put(out, DER_CONTEXT(0), key_id);
	der_close(out, s);
	extension_close(out, x);
}

void distribution_point_write(struct bytes url, struct buf *out)
{
	/* The field's own [0] is explicit, as the type is a CHOICE (X.680 §31.2.7); the next [0] is the choice, fullName. */
	struct der_mark field = der_open(out, DER_CONTEXT_CONSTRUCTED(0)), full_name = der_open(out, DER_CONTEXT_CONSTRUCTED(0));

	der_put(out, DER_CONTEXT(6), url);
	der_close(out, full_name);
	der_close(out, field);
}

void tls_feature_write(struct buf *out)
{
	struct extension x = extension_open(out, OID_TLS_FEATURE, false);

	der_put_hex(out, "3003020105");
	extension_close(out, x);
}
