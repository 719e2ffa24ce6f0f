/*
 * Idempotency-Key: the same key and the same payload give the same order again, never a second one.
 *
 * A key is claimed while its request is under way in this process (a second one meanwhile: 409).
 * What was stored before is found with one query for all who ask in a tick. Two processes that
 * store the same key at once are kept apart by the table's primary key (order_store.h,
 * ERR_CONFLICT).
 */
#ifndef ORDER_IDEMPOTENCY_H
#define ORDER_IDEMPOTENCY_H

#include "base/err.h"
#include "base/str.h"
#include "order.h"
#include "runtime/flow/flow.h"

#include <stdbool.h>

/* What the key stands for. */
struct earlier_order {
    bool found;
    int64_t product_id; /* of the first request */
    int64_t quantity;
    struct order order; /* as it was answered then: waiting */
};

/* ERR_CONFLICT: claimed already. ERR_NO_MEMORY. `key` is copied. */
MUST_CHECK enum err idempotency_claim(const char *key);
void idempotency_release(const char *key);
/*
 * Wake the flow when *ret_earlier is set (written while it still waits). `key` must stay while the
 * flow waits. ERR_BUSY.
 */
MUST_CHECK enum err idempotency_find(struct flow_wait wait, const char *key,
                                     struct earlier_order *ret_earlier);

#endif
