#include "order_events.h"

#include "contract/contract.h"

#include <inttypes.h>

enum err order_created_event(struct arena *arena, const struct order *order, struct trace trace,
                             int64_t now_ms, struct outbox_event *ret_event) {
    struct order_created event = {
        .order_id = order->id,
        .product_id = order->product_id,
        .quantity = order->quantity,
        .created_ms = order->created_ms,
        .request_id = trace.request_id,
    };
    struct buf body;
    buf_init(&body, 0);
    contract_write_order_created(&event, now_ms, &body);
    *ret_event =
        (struct outbox_event){ .id = order->id, .routing_key = KEY_ORDER_CREATED, .trace = trace };
    return outbox_event_finish(ret_event, arena, &body, KEY_ORDER_CREATED "-%" PRId64, order->id);
}
