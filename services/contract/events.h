/*
 * The events: what is said, member by member. Encoders append to a buffer; decoders ignore
 * members that they do not know and say in one sentence what is wrong with those that they do.
 * Strings of a decoded event live as long as the arena.
 */
#ifndef CONTRACT_EVENTS_H
#define CONTRACT_EVENTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "limits.h"
#include "status.h"

#include <stdint.h>

/* order.created: order-service → product-service */
struct order_created {
    int64_t order_id;
    int64_t product_id;
    int64_t quantity;
    int64_t created_ms;
    const char *request_id;
};

/* order.updated: product-service → order-service; status is done or rejected */
struct order_updated {
    int64_t order_id;
    int64_t product_id;
    enum order_status status;
    enum order_reason reason;
    int64_t updated_ms;
    const char *request_id;
};

/*
 * product.created, product.updated: product-service → order-service. The whole product, so that
 * order does not matter.
 */
struct product_event {
    int64_t id;
    struct str name;
    int64_t price_cents;
    int64_t qty;
    int64_t version;
    int64_t created_ms;
    int64_t updated_ms;
    const char *request_id;
};

/* `now_ms` becomes the member `timestamp`. */
void order_created_encode(const struct order_created *event, int64_t now_ms, struct buf *out);
void order_updated_encode(const struct order_updated *event, int64_t now_ms, struct buf *out);
void product_event_encode(const struct product_event *event, int64_t now_ms, struct buf *out);
/* The product as the order service caches it: the event without requestId and timestamp. */
void product_copy_encode(const struct product_event *event, struct buf *out);

/* ERR_INVALID: can never succeed; *ret_why (static storage) says what is wrong. */
MUST_CHECK enum err order_created_decode(struct arena *arena, const char *body, size_t length,
                                         struct order_created *ret_event, const char **ret_why);
MUST_CHECK enum err order_updated_decode(struct arena *arena, const char *body, size_t length,
                                         struct order_updated *ret_event, const char **ret_why);
/* Also reads the cached copy and the product-service's answer (which has no version: 0 then). */
MUST_CHECK enum err product_event_decode(struct arena *arena, const char *body, size_t length,
                                         struct product_event *ret_event, const char **ret_why);

#endif
