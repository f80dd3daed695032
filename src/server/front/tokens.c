#include "server/front/tokens.h"

#include "base/clock.h"
#include "base/codec.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STOCK_MAX 4096 /* an order of a hundred names takes three hundred: one for each challenge */
#define STOCK_LOW 2048
#define FRESH_MS  (86400 * INT64_C(1000)) /* a token is accepted for seven days; ours go to an order that lives for hours */
#define ASK_MS    5000

struct tokens {
	struct peer *validator;
	pthread_mutex_t lock;
	bool asking;
	size_t n;
	int64_t oldest_ms; /* when the oldest of the stock came */
	char stock[STOCK_MAX][TOKEN_LEN];
};

enum err_code tokens_new(struct peer *validator, struct tokens **ret, struct err *e)
{
	struct tokens *t = calloc(1, sizeof *t);

	if (!t)
		FAIL(e, NOMEM, "no memory for tokens");
	t->validator = validator;
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return ERR_OK;
}

void tokens_free(struct tokens *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* On the control thread. */
static void stock_arrived(void *ctx, enum err_code code, const struct message *answer)
{
	struct tokens *t = ctx;
	bool some = false;

	pthread_mutex_lock(&t->lock);
	t->asking = false;
	if (code == ERR_OK && answer->type == MESSAGE_TOKENS) {
		if (t->n == 0)
			t->oldest_ms = clock_wall_ms();
		for (size_t i = 0; i + TOKEN_LEN <= answer->body.len && t->n < STOCK_MAX; i += TOKEN_LEN)
			if (base64url_is(bytes_slice(answer->body, i, i + TOKEN_LEN))) {
				memcpy(t->stock[t->n++], answer->body.ptr + i, TOKEN_LEN);
				some = true;
			}
	}
	pthread_mutex_unlock(&t->lock);
	if (some) /* else the next tick asks: a validator that gives none is not asked in a circle */
		tokens_refill(t);
}

void tokens_refill(struct tokens *t)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(4);

	int64_t age_ms;

	pthread_mutex_lock(&t->lock);
	age_ms = clock_wall_ms() - t->oldest_ms;
	if (age_ms > FRESH_MS || age_ms < 0) /* the validator takes none from the future either: the clock was set back */
		t->n = 0;
	bool ask = !t->asking && t->n < STOCK_LOW;
	t->asking = t->asking || ask;
	pthread_mutex_unlock(&t->lock);
	if (!ask)
		return;
	wire_put_u32(&body, TOKENS_MAX);
	if (peer_ask(t->validator, MESSAGE_TOKENS_ASK, buf_bytes(&body), ASK_MS, stock_arrived, t, NULL) == ERR_OK)
		return;
	pthread_mutex_lock(&t->lock);
	t->asking = false;
	pthread_mutex_unlock(&t->lock);
}

enum err_code tokens_take(struct tokens *t, struct arena *a, struct bytes *out, size_t n, struct err *e)
{
	char *p = arena_alloc(a, n * TOKEN_LEN + 1);

	if (!p)
		FAIL(e, NOMEM, "no memory for tokens");
	tokens_refill(t);
	pthread_mutex_lock(&t->lock);
	bool enough = t->n >= n;
	for (size_t i = 0; enough && i < n; i++) {
		memcpy(p + i * TOKEN_LEN, t->stock[--t->n], TOKEN_LEN);
		out[i] = (struct bytes){ (uint8_t *)p + i * TOKEN_LEN, TOKEN_LEN };
	}
	pthread_mutex_unlock(&t->lock);
	if (enough)
		return ERR_OK;
	err_set(e, ERR_BUSY, __FILE__, __LINE__, "no challenge tokens in stock: the validator is away or slow");
	if (e)
		e->retry_after_s = 1;
	return ERR_BUSY;
}
