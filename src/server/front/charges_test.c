#include "server/front/charges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1790000000000

struct world {
	struct front f;
	struct settings settings;
	struct names_policy names;
	struct arena *arena;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	w->arena = arena_new(4096, 4u << 20);
	assert_non_null(w->arena);
	assert_int_equal(suffixes_open(&w->f.suffixes, NULL), ERR_OK);
	assert_int_equal(limits_new(1024, &w->f.limits, NULL), ERR_OK);
	w->names.suffixes = w->f.suffixes;
	w->f.names = &w->names;
	w->f.settings = &w->settings;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	limits_free(w->f.limits);
	suffixes_free(w->f.suffixes);
	arena_free(w->arena);
	free(w);
	return 0;
}

/* An order of the account 1 or 2 for these names and addresses, "" for none. */
static struct store_order order_of(struct world *w, uint8_t account, const char *const *values)
{
	struct store_order o = { .identifiers = arena_array(w->arena, 8, sizeof *o.identifiers) };

	assert_non_null(o.identifiers);
	memset(o.account, account, sizeof o.account);
	for (; *values; values++) {
		struct bytes v = bytes_str(*values);
		bool ip = strspn(*values, "0123456789.") == v.len || strchr(*values, ':');
		assert_int_equal(
		    identifier_parse(w->arena, bytes_str(ip ? "ip" : "dns"), v, &o.identifiers[o.n_identifiers++], NULL), ERR_OK);
	}
	o.n_identifiers = identifier_sort(o.identifiers, o.n_identifiers);
	return o;
}
#define ORDER(account, ...) order_of(w, account, (const char *const[]){ __VA_ARGS__, NULL })

static enum err_code certify(struct world *w, struct store_order o)
{
	return charge_certificate(&w->f, w->arena, &o, false, NOW, NULL);
}

static enum err_code order(struct world *w, struct store_order o)
{
	return charge_new_order(&w->f, w->arena, &o, false, NOW, NULL);
}

static void a_certificate_counts_once_for_each_domain(void **state)
{
	struct world *w = *state;

	w->settings.limit_domain = (struct settings_rate){ 1, 3600 };
	assert_int_equal(certify(w, ORDER(1, "a.example.org", "b.example.org", "*.example.org", "example.net")), ERR_OK);
	assert_int_equal(certify(w, ORDER(2, "example.org")), ERR_RATE_LIMITED);
	assert_int_equal(certify(w, ORDER(2, "x.example.net", "example.com")), ERR_RATE_LIMITED);
	assert_int_equal(certify(w, ORDER(2, "example.com")), ERR_OK); /* the one before was not charged for it */
	assert_int_equal(certify(w, ORDER(1, "alice.github.io")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "bob.github.io")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "www.bob.github.io")), ERR_RATE_LIMITED);
}

static void an_address_counts_for_its_host(void **state)
{
	struct world *w = *state;

	w->settings.limit_domain = (struct settings_rate){ 1, 3600 };
	assert_int_equal(certify(w, ORDER(1, "192.0.2.1", "2001:db8:1:2::1", "2001:db8:1:2::2")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "192.0.2.1")), ERR_RATE_LIMITED);
	assert_int_equal(certify(w, ORDER(1, "192.0.2.2")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "2001:db8:1:2:ffff::1")), ERR_RATE_LIMITED);
	assert_int_equal(certify(w, ORDER(1, "2001:db8:1:3::1")), ERR_OK);
}

static void sets_of_names_are_told_apart(void **state)
{
	struct world *w = *state;

	w->settings.limit_names = (struct settings_rate){ 1, 3600 };
	assert_int_equal(certify(w, ORDER(1, "a.example.org", "b.example.org")), ERR_OK);
	assert_int_equal(certify(w, ORDER(2, "b.example.org", "A.example.org")), ERR_RATE_LIMITED);
	assert_int_equal(certify(w, ORDER(1, "a.example.org")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "example.org")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "*.example.org")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "*.example.org")), ERR_RATE_LIMITED);
}

static void orders_only_look_at_what_certificates_count(void **state)
{
	struct world *w = *state;

	w->settings.limit_domain = w->settings.limit_names = (struct settings_rate){ 1, 3600 };
	w->settings.limit_orders = (struct settings_rate){ 3, 3600 };
	assert_int_equal(order(w, ORDER(1, "example.org")), ERR_OK);
	assert_int_equal(order(w, ORDER(1, "example.org")), ERR_OK);
	assert_int_equal(certify(w, ORDER(1, "example.org")), ERR_OK);
	assert_int_equal(order(w, ORDER(1, "www.example.org")), ERR_RATE_LIMITED); /* for the domain: it is not the account's third */
	struct store_order third = ORDER(1, "example.com");
	assert_int_equal(order(w, third), ERR_OK);
	assert_int_equal(order(w, ORDER(1, "example.com")), ERR_RATE_LIMITED);
	refund_new_order(&w->f, &third, false, NOW);
	assert_int_equal(order(w, ORDER(1, "example.com")), ERR_OK);
	assert_int_equal(order(w, ORDER(2, "example.com")), ERR_OK);
}

static void a_certificate_that_does_not_come_is_given_back(void **state)
{
	struct world *w = *state;
	struct store_order o = ORDER(1, "a.example.org", "example.net");

	w->settings.limit_domain = w->settings.limit_names = (struct settings_rate){ 1, 3600 };
	for (int i = 0; i < 5; i++) {
		assert_int_equal(certify(w, o), ERR_OK);
		assert_int_equal(certify(w, o), ERR_RATE_LIMITED);
		refund_certificate(&w->f, w->arena, &o, false, NOW);
	}
	assert_int_equal(limits_counts(w->f.limits, NOW).entries, 0);
}

static void a_renewal_is_exempt(void **state)
{
	struct world *w = *state;
	struct store_order o = ORDER(1, "example.org");

	w->settings.limit_domain = w->settings.limit_names = w->settings.limit_orders = (struct settings_rate){ 1, 3600 };
	w->settings.limit_failures = (struct settings_rate){ 1, 3600 };
	assert_int_equal(order(w, o), ERR_OK);
	assert_int_equal(certify(w, o), ERR_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(charge_new_order(&w->f, w->arena, &o, true, NOW, NULL), ERR_OK);
		assert_int_equal(charge_certificate(&w->f, w->arena, &o, true, NOW, NULL), ERR_OK);
		refund_certificate(&w->f, w->arena, &o, true, NOW); /* what was not charged is not given back */
		refund_new_order(&w->f, &o, true, NOW);
	}
	assert_int_equal(certify(w, o), ERR_RATE_LIMITED);
	assert_int_equal(order(w, ORDER(1, "example.com")), ERR_RATE_LIMITED);
	/* not from failed validations: each of them makes us ask somebody's host */
	charge_failed_validation(&w->f, o.account, &o.identifiers[0], NOW);
	assert_int_equal(charge_new_order(&w->f, w->arena, &o, true, NOW, NULL), ERR_RATE_LIMITED);
}

static void failed_validations_count_for_account_and_name(void **state)
{
	struct world *w = *state;
	struct store_order plain = ORDER(1, "example.org"), wild = ORDER(1, "*.example.org"), other = ORDER(2, "example.org");
	struct err e = { 0 };

	w->settings.limit_failures = (struct settings_rate){ 1, 3600 };
	assert_int_equal(charge_validation(&w->f, plain.account, &plain.identifiers[0], NOW, NULL), ERR_OK);
	charge_failed_validation(&w->f, plain.account, &plain.identifiers[0], NOW);
	assert_int_equal(charge_validation(&w->f, plain.account, &plain.identifiers[0], NOW, &e), ERR_RATE_LIMITED);
	assert_non_null(strstr(e.detail, "failed validations of example.org:"));
	assert_int_equal(order(w, plain), ERR_RATE_LIMITED);
	assert_int_equal(charge_validation(&w->f, wild.account, &wild.identifiers[0], NOW, NULL), ERR_OK);
	assert_int_equal(charge_validation(&w->f, other.account, &other.identifiers[0], NOW, NULL), ERR_OK);
	charge_failed_validation(&w->f, wild.account, &wild.identifiers[0], NOW);
	assert_int_equal(charge_validation(&w->f, wild.account, &wild.identifiers[0], NOW, &e), ERR_RATE_LIMITED);
	assert_non_null(strstr(e.detail, "failed validations of *.example.org:"));
}

static void accounts_count_for_address_and_range(void **state)
{
	static const uint8_t one[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 }, two[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 2 };
	struct world *w = *state;

	w->settings.limit_accounts_address = (struct settings_rate){ 1, 3600 };
	w->settings.limit_accounts_range = (struct settings_rate){ 2, 3600 };
	assert_int_equal(charge_new_account(&w->f, one, NOW, NULL), ERR_OK);
	assert_int_equal(charge_new_account(&w->f, one, NOW, NULL), ERR_RATE_LIMITED);
	refund_new_account(&w->f, one, NOW);
	assert_int_equal(charge_new_account(&w->f, one, NOW, NULL), ERR_OK);
	assert_int_equal(charge_new_account(&w->f, two, NOW, NULL), ERR_OK);
	refund_new_account(&w->f, two, NOW);
	assert_int_equal(charge_new_account(&w->f, two, NOW, NULL), ERR_OK);
	w->settings.limit_accounts_address = (struct settings_rate){ 9, 3600 };
	assert_int_equal(charge_new_account(&w->f, two, NOW, NULL), ERR_RATE_LIMITED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = { T(a_certificate_counts_once_for_each_domain), T(an_address_counts_for_its_host),
		T(sets_of_names_are_told_apart), T(orders_only_look_at_what_certificates_count),
		T(a_certificate_that_does_not_come_is_given_back), T(a_renewal_is_exempt), T(failed_validations_count_for_account_and_name),
		T(accounts_count_for_address_and_range) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
