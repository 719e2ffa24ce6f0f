/* Storing orders: insert batches with idempotency keys; they are told after the commit. */
#ifndef ORDER_ORDER_STORE_H
#define ORDER_ORDER_STORE_H

#include "base/err.h"
#include "base/trace.h"
#include "order.h"
#include "runtime/flow/flow.h"

#include <stdint.h>

struct new_order {
    int64_t product_id;
    int64_t quantity;
    int64_t unit_price_cents;
    struct trace trace;          /* copied, like all strings here */
    uint64_t started_us;         /* when its request began, for the log */
    const char *idempotency_key; /* NULL when there is none; claimed by the flow, idempotency.h */
};

/*
 * Queue one order for the next insert batch. The flow wakes after the commit, when the lists that
 * show the order have been dropped from the cache, with *ret_order set (while it still waits).
 * ERR_CONFLICT: another process has just stored the key. ERR_UNAVAILABLE: it is not known whether
 * the order was stored. From here on the store holds the claim on the key, and releases it. Returns
 * ERR_BUSY when too many orders wait; the claim is then still the flow's.
 */
MUST_CHECK enum err order_store_insert(struct flow_wait wait, const struct new_order *order,
                                       struct order *ret_order);

/* Orders have been fulfilled: those that are held back for the backlog may be due. */
void order_store_go_on(void);

#endif
