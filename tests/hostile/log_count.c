/* log_count FOLDER: goes through a signer's issuance log and prints how many records of each type it holds, "result 3". */
#include "server/signer/record.h"
#include "server/signer/signer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static enum err_code count(void *ctx, unsigned type, uint64_t sequence, int64_t time_ms, struct bytes body, struct err *e)
{
	unsigned *n = ctx;

	(void)sequence;
	(void)time_ms;
	(void)body;
	if (type > 255)
		FAIL(e, MALFORMED, "a record of type %u", type);
	n[type]++;
	return ERR_OK;
}

int main(int argc, char **argv)
{
	static unsigned n[256];
	struct err e = { 0 };
	int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	crypto_init();
	if (dir < 0 || signer_log_walk(dir, count, n, &e) != ERR_OK) {
		fprintf(stderr, "log_count: %s\n", dir < 0 ? "which folder?" : e.detail);
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < 256; i++)
		if (n[i])
			printf("%s %u\n", log_type_name(i) ? log_type_name(i) : "unknown", n[i]);
	return EXIT_SUCCESS;
}
