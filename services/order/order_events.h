/* order.created on its way into the outbox. */
#ifndef ORDER_ORDER_EVENTS_H
#define ORDER_ORDER_EVENTS_H

#include "base/arena.h"
#include "order.h"
#include "runtime/messages/outbox.h"

/*
 * Fill `ret_event`; the outbox row has the order's id. Message id and body are in `arena`, `trace`
 * must stay. ERR_NO_MEMORY.
 */
MUST_CHECK enum err order_created_event(struct arena *arena, const struct order *order,
                                        struct trace trace, int64_t now_ms,
                                        struct outbox_event *ret_event);

#endif
