/* Known-weak RSA keys (Baseline Requirements §6.1.1.3). */
#include "crypto/key_impl.h"

#include <openssl/bn.h>

#define PRIME_MAX      751 /* the last below 752 */
#define ROCA_PRIME_MAX 167
#define FERMAT_ROUNDS  110
#define POWER_MAX      428 /* 757, the least that is left, to the power of 429 has more than KEY_RSA_BITS_MAX bits */
#define POWER_DOUBT    64  /* bits: how sure to be that a number is a power */

DEFINE_CLEANUP(BIGNUM *, BN_free);
DEFINE_CLEANUP(BN_CTX *, BN_CTX_free);

static bool is_small_prime(unsigned p)
{
	for (unsigned d = 3; d * d <= p; d += 2)
		if (p % d == 0)
			return false;
	return true;
}

/* Whether r is a power of 65537 modulo the prime p. */
static bool is_power(unsigned r, unsigned p)
{
	unsigned x = 1;

	do {
		if (x == r)
			return true;
		x = x * (65537 % p) % p;
	} while (x != 1);
	return false;
}

/* Both in one pass of remainders. ROCA (CVE-2017-15361): the weak library's primes are k * M + (65537^a mod M), M the product of
 * the first primes, so a modulus is a power of 65537 modulo each of them; of others about one in 2^27 is. The primes up to 167
 * are the discriminators of the published detector. */
static enum err_code check_remainders(const BIGNUM *n, struct err *e)
{
	bool roca = true;

	for (unsigned p = 3; p <= PRIME_MAX; p += 2) {
		if (!is_small_prime(p))
			continue;
		BN_ULONG r = BN_mod_word(n, p);
		if (r == (BN_ULONG)-1)
			return CRYPTO_ERR(e, "remainder");
		if (r == 0)
			FAIL(e, BAD_PUBLIC_KEY, "the RSA modulus is divisible by %u", p);
		if (p <= ROCA_PRIME_MAX && !is_power((unsigned)r, p))
			roca = false;
	}
	if (roca)
		FAIL(e, BAD_PUBLIC_KEY, "the RSA key was made by a weak generator (ROCA, CVE-2017-15361)");
	return ERR_OK;
}

static unsigned power_mod(unsigned x, unsigned exponent, unsigned m)
{
	uint64_t square = x % m, y = 1;

	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			y = y * square % m;
		square = square * square % m;
	}
	return (unsigned)y;
}

/* Whether n is a k-th power, k an odd prime, as its remainders tell. Modulo a prime r = 1 (mod k) one number in k is one; r after r is
 * asked until no doubt is left, which for numbers that are none is soon over. */
static enum err_code check_power(const BIGNUM *n, unsigned k, struct err *e)
{
	unsigned each = 0, sure = 0;

	while (k >> (each + 1))
		each++; /* bits that one r gives: floor(log2(k)) */
	for (unsigned r = 2 * k + 1; sure < POWER_DOUBT; r += 2 * k) {
		if (!is_small_prime(r))
			continue;
		BN_ULONG x = BN_mod_word(n, r);
		if (x == (BN_ULONG)-1)
			return CRYPTO_ERR(e, "remainder");
		if (x != 0 && power_mod((unsigned)x, (r - 1) / k, r) != 1)
			return ERR_OK;
		sure += each;
	}
	FAIL(e, BAD_PUBLIC_KEY, "the RSA modulus is a power of another number");
}

/* "not the power of a prime" (Baseline Requirements §6.1.6). Squares are Fermat's, in the first round. */
static enum err_code check_powers(const BIGNUM *n, struct err *e)
{
	for (unsigned k = 3; k <= POWER_MAX; k += 2)
		if (is_small_prime(k))
			TRY(check_power(n, k, e));
	return ERR_OK;
}

/* root = floor(sqrt(n)), by Newton's method from above. */
static bool square_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *next CLEANUP(BN_free_p) = BN_new();

	BN_zero(root);
	if (BN_is_zero(n))
		return next != NULL;
	if (!next || !BN_set_bit(next, (BN_num_bits(n) + 1) / 2))
		return false;
	do {
		if (!BN_copy(root, next) || !BN_div(next, NULL, n, root, ctx) || !BN_add(next, next, root) || !BN_rshift1(next, next))
			return false;
	} while (BN_cmp(next, root) < 0);
	return true;
}

/* Squares leave few remainders: these two moduli let one number in 100 through to the costly test. */
static bool maybe_square(const BIGNUM *n)
{
	/* Bit r is set when r is a square modulo 64. */
	static const uint64_t squares_mod_64 = 0x0202021202030213u;
	BN_ULONG r = BN_mod_word(n, 63u * 65u * 11u);

	if ((squares_mod_64 >> (BN_mod_word(n, 64) & 63) & 1) == 0)
		return false;
	for (unsigned m = 0; m < 3; m++) {
		static const unsigned moduli[] = { 63, 65, 11 };
		bool found = false;
		for (unsigned x = 0; x < moduli[m] && !found; x++)
			found = x * x % moduli[m] == r % moduli[m];
		if (!found)
			return false;
	}
	return true;
}

/* Two primes near each other: n = a^2 - b^2 with a hardly above the root of n (Fermat; CVE-2022-26320). */
static enum err_code check_fermat(const BIGNUM *n, struct err *e)
{
	BN_CTX *ctx CLEANUP(BN_CTX_free_p) = BN_CTX_new();
	BIGNUM *a CLEANUP(BN_free_p) = BN_new(), *b2 CLEANUP(BN_free_p) = BN_new();
	BIGNUM *root CLEANUP(BN_free_p) = BN_new(), *square CLEANUP(BN_free_p) = BN_new();

	if (!ctx || !a || !b2 || !root || !square || !square_root(a, n, ctx) || !BN_sqr(b2, a, ctx))
		return CRYPTO_ERR(e, "Fermat's factorisation");
	/* a = ceil(sqrt(n)); b2 = a^2 - n, then by a^2 -> (a + 1)^2. */
	if (BN_cmp(b2, n) < 0 && (!BN_add_word(a, 1) || !BN_sqr(b2, a, ctx)))
		return CRYPTO_ERR(e, "Fermat's factorisation");
	if (!BN_sub(b2, b2, n))
		return CRYPTO_ERR(e, "Fermat's factorisation");
	for (int round = 0; round < FERMAT_ROUNDS; round++) {
		if (maybe_square(b2)) {
			if (!square_root(root, b2, ctx) || !BN_sqr(square, root, ctx))
				return CRYPTO_ERR(e, "Fermat's factorisation");
			if (BN_cmp(square, b2) == 0)
				FAIL(e, BAD_PUBLIC_KEY, "the RSA modulus has two factors near each other (Fermat)");
		}
		if (!BN_add(b2, b2, a) || !BN_add(b2, b2, a) || !BN_add_word(b2, 1) || !BN_add_word(a, 1))
			return CRYPTO_ERR(e, "Fermat's factorisation");
	}
	return ERR_OK;
}

enum err_code key_check_weak(const struct key *k, struct err *e)
{
	if (k->type != KEY_RSA)
		return ERR_OK;
	BIGNUM *n CLEANUP(BN_free_p) = BN_bin2bn(k->first.ptr, (int)k->first.len, NULL);
	if (!n)
		return CRYPTO_ERR(e, "an RSA modulus");
	TRY(check_remainders(n, e));
	TRY(check_powers(n, e));
	return check_fermat(n, e);
}
