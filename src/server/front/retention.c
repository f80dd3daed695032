#include "server/front/retention.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/front/front.h"

#include <inttypes.h>
#include <stdio.h>

static bool goes_on(void *ctx)
{
	struct front *f = ctx;

	return !atomic_load(&f->ending);
}

static void tell(const struct store_dropped *d)
{
	char certificates[24], orders[24], authzs[24];

	if (d->certificates + d->orders + d->authzs == 0)
		return;
	(void)snprintf(certificates, sizeof certificates, "%" PRIu64, d->certificates);
	(void)snprintf(orders, sizeof orders, "%" PRIu64, d->orders);
	(void)snprintf(authzs, sizeof authzs, "%" PRIu64, d->authzs);
	event(EVENT_INFO, "database.dropped", EVENT_STR("certificates", certificates), EVENT_STR("orders", orders),
	    EVENT_STR("authorizations", authzs));
}

void retention_run(void *ctx)
{
	struct front *f = ctx;
	const struct settings *s = f->settings;
	struct store_dropped d;
	struct err e = { 0 };

	if (atomic_exchange(&f->dropping, true))
		return;
	if (store_drop_ended(f->store, clock_wall_ms() / 1000 - (int64_t)s->keep, goes_on, f, &d, &e) != ERR_OK)
		event_error(EVENT_WARNING, "database.not_dropped", &e);
	tell(&d);
	atomic_fetch_add(&f->dropped, d.certificates + d.orders + d.authzs);
	atomic_store(&f->dropping, false);
}
