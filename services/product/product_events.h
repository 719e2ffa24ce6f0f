/* product.created and product.updated on their way into the outbox. */
#ifndef PRODUCT_PRODUCT_EVENTS_H
#define PRODUCT_PRODUCT_EVENTS_H

#include "base/arena.h"
#include "product.h"
#include "runtime/messages/outbox.h"

/* Fill `ret_event` (id: the outbox row's). Body and message id are in `arena`, `trace` must stay. ERR_NO_MEMORY. */
MUST_CHECK enum err product_outbox_event(struct arena *arena, const char *routing_key,
                                         const struct product *product, struct trace trace,
                                         int64_t outbox_id, struct outbox_event *ret_event);

#endif
