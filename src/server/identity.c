#include "server/identity.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>

#define IDENTITY_FILE "identity"
/* "instance " 32 hex, "receipt-key-id " number, "receipt-key " 64 hex */
#define IDENTITY_MAX 256

void identity_make(struct identity *ret)
{
	random_bytes(ret->instance, sizeof ret->instance);
	ret->key_id = 1;
	random_bytes(ret->receipt_key, sizeof ret->receipt_key);
}

/* The value of the next line, which must begin with this word. */
static enum err_code line_value(struct bytes *text, const char *word, struct bytes *ret, struct err *e)
{
	struct bytes line, value, name;

	if (!bytes_split(*text, '\n', &line, text) || !bytes_split(line, ' ', &name, &value) || !bytes_eq_str(name, word))
		FAIL(e, CONFIG, "the file %s has no line \"%s ...\" where one is due", IDENTITY_FILE, word);
	*ret = value;
	return ERR_OK;
}

enum err_code identity_read(int dir, struct identity *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf content = buf_new_secret(IDENTITY_MAX);
	struct identity i = { 0 };
	struct bytes instance, id, key;
	char number[12] = { 0 };

	TRY(file_read(dir, IDENTITY_FILE, IDENTITY_MAX, &content, e));
	struct bytes text = buf_bytes(&content);
	TRY(line_value(&text, "instance", &instance, e));
	TRY(line_value(&text, "receipt-key-id", &id, e));
	TRY(line_value(&text, "receipt-key", &key, e));
	TRY(hex_decode(instance, i.instance, sizeof i.instance, e));
	TRY(hex_decode(key, i.receipt_key, sizeof i.receipt_key, e));
	if (id.len == 0 || id.len >= sizeof number)
		FAIL(e, CONFIG, "the file %s has no number behind receipt-key-id", IDENTITY_FILE);
	memcpy(number, id.ptr, id.len);
	i.key_id = (uint32_t)strtoul(number, NULL, 10);
	*ret = i;
	crypto_wipe(&i, sizeof i);
	return ERR_OK;
}

enum err_code identity_create(int dir, const struct identity *i, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(IDENTITY_MAX);
	char instance[HEX_LEN(INSTANCE_SIZE) + 1], key[HEX_LEN(RECEIPT_KEY_SIZE) + 1];

	hex_encode(BYTES_ARRAY(i->instance), instance);
	hex_encode(BYTES_ARRAY(i->receipt_key), key);
	buf_add_fmt(&out, "instance %s\nreceipt-key-id %u\nreceipt-key %s\n", instance, i->key_id, key);
	crypto_wipe(key, sizeof key);
	if (!buf_ok(&out))
		FAIL(e, NOMEM, "no memory for the identity");
	return file_create(dir, IDENTITY_FILE, 0400, buf_bytes(&out), e);
}
