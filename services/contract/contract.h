/*
 * What the two services promise each other: names, limits, how an order ends, and the events member
 * by member. (openapi.json says the limits to the outside.)
 */
#ifndef CONTRACT_CONTRACT_H
#define CONTRACT_CONTRACT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/trace.h"
#include "runtime/http/http.h"
#include "runtime/messages/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- names that the outside relies on too: exchange, routing keys, queues, cache keys ---- */

#define EXCHANGE_EVENTS "events"

/* Of an event, its type, too. */
#define KEY_ORDER_CREATED "order.created"
#define KEY_ORDER_UPDATED "order.updated"
#define KEY_ORDER_CANCELLED "order.cancelled"
#define KEY_PRODUCT_CREATED "product.created"
#define KEY_PRODUCT_UPDATED "product.updated"

/* The source of the events of each. */
#define SOURCE_ORDER_SERVICE "/order-service"
#define SOURCE_PRODUCT_SERVICE "/product-service"

/* Queue name: <routing key>.<consuming service> */
#define QUEUE_ORDER_CREATED KEY_ORDER_CREATED ".product-service"
#define QUEUE_ORDER_CANCELLED KEY_ORDER_CANCELLED ".product-service"
#define QUEUE_ORDER_UPDATED KEY_ORDER_UPDATED ".order-service"
#define QUEUE_PRODUCT_CREATED KEY_PRODUCT_CREATED ".order-service"
#define QUEUE_PRODUCT_UPDATED KEY_PRODUCT_UPDATED ".order-service"

#define CACHE_PREFIX_PRODUCT "product:"
#define CACHE_PREFIX_ORDERS "orders:product:"

enum {
    CACHE_NAME_BYTES = 48,
    CACHE_PRODUCT_TTL_S = 600,      /* product-redis product:{id} */
    CACHE_PRODUCT_COPY_TTL_S = 300, /* order-redis product:{id} */
    CACHE_ORDERS_TTL_S = 600,       /* order-redis orders:product:{id} */
};

/* "product:7", "orders:product:7" */
void contract_product_key(int64_t product_id, char out[CACHE_NAME_BYTES]);
void contract_orders_key(int64_t product_id, char out[CACHE_NAME_BYTES]);

/* ---- limits ---- */

#define PRICE_CENTS_MAX INT64_C(999999999999) /* 9 999 999 999.99 */
#define STOCK_QTY_MAX INT64_C(2147483647)
#define ORDER_QUANTITY_MAX INT64_C(1000000) /* of a restock too */

enum {
    PRICE_DECIMALS = 2,
    PRODUCT_NAME_CHARACTERS_MAX = 200,
    PRODUCT_NAME_BYTES_MAX = 800, /* UTF-8: four bytes a character */
    ADJUST_REASON_CHARACTERS_MAX = 200,
    ADJUST_REASON_BYTES_MAX = 800,
    IDEMPOTENCY_KEY_BYTES_MAX = 255,
    PAGE_LIMIT_DEFAULT = 100,
    PAGE_LIMIT_MAX = 1000,
};

/* total = unit price × quantity always fits int64_t */
_Static_assert(PRICE_CENTS_MAX <= INT64_MAX / ORDER_QUANTITY_MAX, "total price overflows");

/* ---- how an order ends ---- */

enum order_status { ORDER_WAITING, ORDER_DONE, ORDER_REJECTED, ORDER_CANCELLED, ORDER_STATUSES };

/* Why an order was rejected; REASON_NONE for any other. */
enum order_reason { REASON_NONE, REASON_OUT_OF_STOCK, REASON_PRODUCT_NOT_FOUND, ORDER_REASONS };

const char *contract_status_name(enum order_status status);
const char *contract_reason_name(enum order_reason reason); /* NULL for REASON_NONE */
/* False when `name` is none of them. An absent reason (.data NULL) is REASON_NONE. */
bool contract_status_parse(struct str name, enum order_status *ret_status);
bool contract_reason_parse(struct str name, enum order_reason *ret_reason);

/* ---- events ---- */

/*
 * order.created: order-service → product-service. An order is (order_id, created_ms): after an
 * order database was restored to an earlier moment its ids come again.
 */
struct order_created {
    int64_t order_id;
    int64_t product_id;
    int64_t quantity;
    int64_t created_ms;
    struct trace trace;
};

/*
 * order.cancelled: order-service → product-service, until that has answered with an order.updated
 * whose status is cancelled.
 */
struct order_cancelled {
    int64_t order_id;
    int64_t product_id;
    int64_t quantity;
    int64_t created_ms; /* of the order */
    int64_t cancelled_ms;
    struct trace trace;
};

/* order.updated: product-service → order-service; status is done, rejected or cancelled */
struct order_updated {
    int64_t order_id;
    int64_t created_ms; /* of the order; received: 0 when a version before says nothing of it */
    int64_t product_id;
    int64_t quantity; /* likewise */
    enum order_status status;
    enum order_reason reason;
    int64_t updated_ms;
    struct trace trace;
};

/*
 * A product's version is an epoch, and below it how often the product has changed since that began.
 * Epochs begin with the start of the product database, which may be its first one after it was
 * restored: what was told of products in an earlier one is void, since it may be lost. 53 bits hold
 * it until the year 2242.
 */
enum { VERSION_CHANGE_BITS = 20 };
static inline int64_t contract_version_epoch(int64_t version) {
    return version >> VERSION_CHANGE_BITS;
}

/*
 * product.created, product.updated: product-service → order-service. The whole product, so that
 * order does not matter. The same is the order service's cached copy.
 */
struct told_product {
    int64_t id;
    struct str name;
    int64_t price_cents;
    int64_t qty;
    int64_t version;
    int64_t created_ms;
    int64_t updated_ms;
};

struct flow;
/*
 * The parameters `limit` and `cursor` of a list, for a step of a flow: what is wrong with them
 * becomes a problem of the flow. True: there is a cursor, and *ret_after is its position in the
 * list `scope`.
 */
bool contract_read_page(struct flow *flow, const char *scope, int64_t *ret_limit,
                        struct http_cursor *ret_after);

/*
 * The header Idempotency-Key, for a step of a flow: "" when there is none; what is wrong with it
 * becomes a problem of the flow.
 */
void contract_read_key(struct flow *flow, char ret_key[IDEMPOTENCY_KEY_BYTES_MAX + 1]);

/* Append the event, whole, to a buffer; its id is the same when it is told again. */
void contract_write_order_created(const struct order_created *event,
                                  char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out);
void contract_write_order_cancelled(const struct order_cancelled *event,
                                    char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out);
void contract_write_order_updated(const struct order_updated *event,
                                  char ret_id[EVENT_ID_BYTES_MAX + 1], struct buf *out);
/* `type` is KEY_PRODUCT_CREATED or KEY_PRODUCT_UPDATED. */
void contract_write_product_event(const char *type, const struct told_product *product,
                                  struct trace trace, char ret_id[EVENT_ID_BYTES_MAX + 1],
                                  struct buf *out);
/* The product as the order service caches it: the event's data. */
void contract_write_product(const struct told_product *product, struct buf *out);

/*
 * Members that are not known are ignored. The request id is the event's attribute, else the member
 * requestId of its data, of bare data else the message's correlation id. ERR_NO_MEMORY.
 * ERR_INVALID: it can never succeed; *ret_why (static storage) says in one sentence what is wrong.
 * Strings live as long as the arena.
 */
MUST_CHECK enum err contract_read_order_created(struct arena *arena, const struct event *event,
                                                struct order_created *ret_created,
                                                const char **ret_why);
MUST_CHECK enum err contract_read_order_cancelled(struct arena *arena, const struct event *event,
                                                  struct order_cancelled *ret_cancelled,
                                                  const char **ret_why);
MUST_CHECK enum err contract_read_order_updated(struct arena *arena, const struct event *event,
                                                struct order_updated *ret_updated,
                                                const char **ret_why);
/*
 * The data of an event, the cached copy, and the product-service's answer (which has no version: 0
 * then).
 */
MUST_CHECK enum err contract_read_product(struct arena *arena, struct str json,
                                          struct told_product *ret_product, const char **ret_why);

#endif
