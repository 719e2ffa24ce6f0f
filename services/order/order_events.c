#include "order_events.h"

#include "contract/events.h"
#include "contract/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_ID_BYTES = 48 };

/* An empty text needs no memory. */
static bool copy_text(struct arena *arena, struct str text, struct str *ret_copy) {
    *ret_copy = (struct str){ NULL, 0 };
    if (text.len > 0) {
        *ret_copy = (struct str){ arena_copy(arena, text.data, text.len), text.len };
    }
    return text.len == 0 || ret_copy->data != NULL;
}

enum err order_created_event(struct arena *arena, const struct order *order, struct str traceparent,
                             struct str tracestate, int64_t now_ms,
                             struct outbox_event *ret_event) {
    struct str request_id = str_of(order->request_id);
    struct order_created event = {
        .order_id = order->id,
        .product_id = order->product_id,
        .quantity = order->quantity,
        .created_ms = order->created_ms,
        .request_id = request_id,
    };
    struct buf body;
    buf_init(&body, 0);
    order_created_encode(&event, now_ms, &body);
    size_t length = buf_length(&body);
    char *body_copy = body.failed ? NULL : arena_copy(arena, buf_bytes(&body), length);
    buf_free(&body);
    char *message_id = arena_alloc(arena, MESSAGE_ID_BYTES);
    struct str request_copy, parent_copy, state_copy;
    if (body_copy == NULL || message_id == NULL || !copy_text(arena, request_id, &request_copy) ||
        !copy_text(arena, traceparent, &parent_copy) ||
        !copy_text(arena, tracestate, &state_copy)) {
        return ERR_NO_MEMORY;
    }
    int written = snprintf(message_id, MESSAGE_ID_BYTES, KEY_ORDER_CREATED "-%" PRId64, order->id);
    *ret_event = (struct outbox_event){
        .id = order->id,
        .routing_key = KEY_ORDER_CREATED,
        .message_id = { message_id, (size_t)written },
        .correlation_id = request_copy,
        .traceparent = parent_copy,
        .tracestate = state_copy,
        .body = { body_copy, length },
    };
    return ERR_OK;
}
