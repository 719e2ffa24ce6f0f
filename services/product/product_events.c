#include "product_events.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

enum { MESSAGE_ID_BYTES = 80 };

enum err product_outbox_event(struct arena *arena, const char *routing_key,
                              const struct product *product, struct cause cause, int64_t outbox_id,
                              struct outbox_event *ret_event) {
    struct product_event event = product_to_event(product, cause.request_id);
    char *message_id = arena_alloc(arena, MESSAGE_ID_BYTES);
    struct buf body;
    buf_init(&body, 0);
    product_event_encode(&event, clock_unix_ms(), &body);
    char *copy = body.failed ? NULL : arena_copy(arena, buf_bytes(&body), buf_length(&body));
    size_t length = buf_length(&body);
    buf_free(&body);
    if (message_id == NULL || copy == NULL) {
        return ERR_NO_MEMORY;
    }
    int written = snprintf(message_id, MESSAGE_ID_BYTES, "%s-%" PRId64 "-v%" PRId64, routing_key,
                           product->id, product->version);
    *ret_event = (struct outbox_event){
        .id = outbox_id,
        .routing_key = routing_key,
        .message_id = { message_id, (size_t)written },
        .correlation_id = cause.request_id,
        .traceparent = cause.traceparent,
        .tracestate = cause.tracestate,
        .body = { copy, length },
    };
    return ERR_OK;
}
