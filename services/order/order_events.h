/* order.created on its way into the outbox. */
#ifndef ORDER_ORDER_EVENTS_H
#define ORDER_ORDER_EVENTS_H

#include "base/arena.h"
#include "order.h"
#include "runtime/messages/outbox.h"

/*
 * Fill `ret_event`; the outbox row has the order's id. All its strings are copied into `arena`.
 * ERR_NO_MEMORY.
 */
MUST_CHECK enum err order_created_event(struct arena *arena, const struct order *order,
                                        struct str traceparent, struct str tracestate,
                                        int64_t now_ms, struct outbox_event *ret_event);

#endif
