/*
 * What an order needs to know of its product: that it exists, and its price.
 *
 * From order-redis `product:{id}`, one MGET for everyone who asks in a tick; else from the product
 * service over HTTP, once for all who wait for that product, which fills the cache. Advisory: the
 * product service decides on stock.
 */
#ifndef ORDER_PRODUCT_LOOKUP_H
#define ORDER_PRODUCT_LOOKUP_H

#include "base/err.h"
#include "base/trace.h"
#include "runtime/flow/flow.h"

#include <stdint.h>

/*
 * Wake the flow with *ret_price_cents set (while it still waits), or with ERR_NOT_FOUND,
 * ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_BAD_REPLY. `trace` is passed on; its strings must stay while
 * the flow waits. ERR_BUSY when too many wait.
 */
MUST_CHECK enum err product_lookup(struct flow_wait wait, int64_t product_id, struct trace trace,
                                   int64_t *ret_price_cents);

#endif
