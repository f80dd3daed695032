/* A segment of any bytes, with its checksums put right so that what lies behind them is reached: replayed or refused with a reason,
 * and what was replayed has an unbroken chain. */
#include "base/seam.h"
#include "server/signer/log_index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file = -1;

static int open_file(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir, (void)path, (void)flags, (void)mode;
	return dup(file);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* Puts head, checksums and, where `chain` says so, sequence and chain right. */
static void put_right(uint8_t *p, size_t size, bool chain)
{
	CLEANUP(buf_free_p) struct buf head = buf_new(SEGMENT_HEAD_SIZE), record = buf_new(RECORD_SIZE_MAX + RECORD_HEAD_SIZE);
	struct segment_head h = { .number = 1, .first_sequence = 1 };
	struct chain c = { 0 };

	segment_head_write(&h, &head);
	memcpy(p, head.ptr, head.len);
	chain_of_head(buf_bytes(&head), c.value);
	uint32_t salt_crc = crc32c(0, BYTES_ARRAY(h.salt));
	for (size_t at = SEGMENT_HEAD_SIZE; at < size;) {
		size_t n = record_size((struct bytes){ p + at, size - at });
		if (n == 0 || n > size - at)
			break;
		if (chain) {
			buf_reset(&record);
			size_t mark = record_begin(&record);
			buf_add(&record, (struct bytes){ p + at + RECORD_HEAD_SIZE, n - RECORD_HEAD_SIZE });
			record_end(&record, mark, (enum log_type)p[at + 24], 0, (int64_t)c.sequence, salt_crc, &c);
			memcpy(p + at, record.ptr, n);
		} else {
			uint32_t crc = crc32c(salt_crc, (struct bytes){ p + at, 4 });
			put_u32(p + at + 4, crc32c(crc, (struct bytes){ p + at + 8, n - 8 }));
		}
		at += n;
	}
}

static enum err_code visit(void *ctx, uint64_t at, const struct record *r, struct err *e)
{
	const struct log_entry *entry;

	TRY(log_index_take(ctx, at, r, &entry, e));
	if (entry && entry->offset != at)
		abort();
	return ERR_OK;
}

static void replay(bool open)
{
	struct chain c = { 0 };
	struct segment_end end;
	struct log_index x;
	struct segment g;
	struct err e = { 0 };

	if (segment_open(-1, 1, 0, NULL, open ? SEGMENT_AHEAD_ONE : SEGMENT_AHEAD_ALL, &g, &e) != ERR_OK)
		return;
	log_index_init(&x, 1);
	enum err_code rc = segment_replay(&g, open, &c, visit, &x, &end, &e);
	if (rc != ERR_OK && e.detail[0] == 0)
		abort();
	if (rc == ERR_OK && (end.end + end.torn > g.size || end.last >= end.end || (!open && end.torn > 0)))
		abort();
	log_index_free(&x);
	segment_close(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seam s;

	if (size < 1 + SEGMENT_HEAD_SIZE || size > 1u << 18)
		return 0;
	if (file < 0) {
		crypto_init();
		file = memfd_create("segment", MFD_CLOEXEC);
		s = seam_libc;
		s.openat = open_file;
		seam = &s;
	}
	uint8_t *p = malloc(size - 1);
	if (!p)
		return 0;
	memcpy(p, data + 1, size - 1);
	if (data[0] & 1)
		put_right(p, size - 1, (data[0] & 2) != 0);
	if (ftruncate(file, 0) != 0 || pwrite(file, p, size - 1, 0) != (ssize_t)(size - 1))
		abort();
	replay((data[0] & 4) != 0);
	free(p);
	return 0;
}
