/* log_count FOLDER: goes through a signer's issuance log and prints how many records of each type it holds, "result 3". */
#include "server/signer/record.h"
#include "server/signer/signer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static enum err_code count(void *ctx, const struct record *r, struct err *e)
{
	unsigned *n = ctx;

	(void)e;
	n[r->type]++;
	return ERR_OK;
}

int main(int argc, char **argv)
{
	static unsigned n[256];
	struct err e = { 0 };
	int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	crypto_init();
	if (dir < 0 || signer_log_walk(dir, count, n, NULL, &e) != ERR_OK) {
		fprintf(stderr, "log_count: %s\n", dir < 0 ? "which folder?" : e.detail);
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < 256; i++)
		if (n[i])
			printf("%s %u\n", log_type_name(i) ? log_type_name(i) : "unknown", n[i]);
	return EXIT_SUCCESS;
}
