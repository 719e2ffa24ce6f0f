#include "product_events.h"

#include "base/clock.h"

#include <inttypes.h>

enum err product_outbox_event(struct arena *arena, const char *routing_key,
                              const struct product *product, struct trace trace, int64_t outbox_id,
                              struct outbox_event *ret_event) {
    struct told_product event = product_to_event(product, trace.request_id);
    struct buf body;
    buf_init(&body, 0);
    contract_write_product_event(&event, clock_unix_ms(), &body);
    *ret_event =
        (struct outbox_event){ .id = outbox_id, .routing_key = routing_key, .trace = trace };
    return outbox_event_finish(ret_event, arena, &body, "%s-%" PRId64 "-v%" PRId64, routing_key,
                               product->id, product->version);
}
