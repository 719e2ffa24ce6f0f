/*
 * Cancelled orders, told to the product-service until it has answered: their rows in
 * `cancellations` are the outbox of order.cancelled. Loop thread only.
 */
#ifndef ORDER_CANCELLATIONS_H
#define ORDER_CANCELLATIONS_H

#include "order.h"

#include <stddef.h>

/* The order's order.cancelled, in `arena`; `trace` must stay. */
struct teller_event cancellations_event(struct arena *arena,
                                        const struct order_cancelled *cancelled,
                                        struct trace trace);

/*
 * Tell of orders that have just been cancelled, after the commit. Copies. What cannot be told now
 * is told from its row.
 */
void cancellations_tell(const struct teller_event *events, size_t count);

#endif
