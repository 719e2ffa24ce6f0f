/*
 * The roof of the order service: what it answers, what it hears, and what it consists of. It takes
 * orders and follows them to their end; begin to read at ROUTES.
 */
#include "config.h"
#include "metrics.h"
#include "parts.h"
#include "statements.h"

#include "contract/books.h"
#include "contract/cache_notice.h"
#include "contract/contract.h"
#include "contract/key_expiry.h"

#include <inttypes.h>

static const struct http_route ROUTES[] = {
    { "POST", "/orders", "create_order", create_order, NULL },
    { "POST", "/orders/{id}/cancel", "cancel_order", cancel_order, NULL },
    { "GET", "/orders/{id}", "get_order", get_order, NULL },
    { "GET", "/orders", "search_orders", search_orders, NULL },
    { "GET", "/orders/product/{productId}", "list_orders", list_orders, NULL },
    HEALTH_ROUTES,
};

static const struct app_queue QUEUES[] = {
    { QUEUE_ORDER_UPDATED, KEY_ORDER_UPDATED, "order_updated", &order_updated_consumer },
    { QUEUE_PRODUCT_CREATED, KEY_PRODUCT_CREATED, "product_created", &product_updated_consumer },
    { QUEUE_PRODUCT_UPDATED, KEY_PRODUCT_UPDATED, "product_updated", &product_updated_consumer },
    { QUEUE_ORDER_CREATED, KEY_ORDER_CREATED, NULL, NULL },
    { QUEUE_ORDER_CANCELLED, KEY_ORDER_CANCELLED, NULL, NULL },
};

static enum err open_books(void) {
    return books_open(&SQL_ORDER_BOOKS);
}

static const struct part PARTS[] = {
    { "backlog", backlog_open, NULL, NULL, NULL, NULL },
    { "telling", telling_open, telling_close, telling_stop, telling_is_idle, telling_broker_up },
    { "cancellations", cancellations_open, cancellations_close, cancellations_stop,
      cancellations_is_idle, cancellations_broker_up },
    { "order_read", order_read_open, order_read_close, NULL, NULL, NULL },
    { "outcome_wait", outcome_wait_open, outcome_wait_close, NULL, outcome_wait_is_idle, NULL },
    { "cancel_order", cancel_order_open, cancel_order_close, NULL, NULL, NULL },
    { "create_order", create_order_open, create_order_close, NULL, NULL, NULL },
    { "idempotency", idempotency_open, idempotency_close, NULL, NULL, NULL },
    { "books", open_books, books_close, books_stop, books_is_idle, NULL },
    { "cache_notice", cache_notice_open, cache_notice_close, cache_notice_stop,
      cache_notice_is_idle, NULL },
    { "key_expiry", key_expiry_open, key_expiry_close, key_expiry_stop, key_expiry_is_idle, NULL },
    { "product_lookup", product_lookup_open, product_lookup_close, NULL, NULL, NULL },
    { "product_updated", product_updated_open, NULL, NULL, NULL, NULL },
    { "order_store", order_store_open, order_store_close, NULL, NULL, NULL },
    { "get_order", get_order_open, get_order_close, NULL, NULL, NULL },
    { "list_orders", list_orders_open, list_orders_close, NULL, NULL, NULL },
    { "search_orders", search_orders_open, search_orders_close, NULL, NULL, NULL },
};

static const struct config_local LOCALS[] = {
    { "SERVICE_NAME", "order-service" },
    { "PORT", "3002" },
    { "DB_PORT", "5434" },
    { "DB_USER", "order" },
    { "DB_NAME", "order" },
    { "REDIS_PORT", "6382" },
    { NULL, NULL },
};

/* What waits is told again by itself. What is lost and was decided, the ledger names. */
static void cure(const struct witness_loss *loss, struct buf *out) {
    buf_appendf(out,
                "./prodorder psql product -c \"SELECT order_id, order_created_at, product_id,"
                " quantity, status FROM stock_ledger WHERE order_id > %" PRId64
                " AND order_id <= %" PRId64 " ORDER BY order_id\"",
                loss->last_id, loss->noted_id + WITNESS_MARGIN_IDS - 1);
}

static const char *const CACHE_PREFIXES[] = { CACHE_PREFIX_PRODUCT, CACHE_PREFIX_ORDERS, NULL };

const struct app APP = {
    .name = "order-service",
    .summary = "Takes orders, stores them, and follows them to their end.",
    .locals = LOCALS,
    .options = ORDER_OPTIONS,
    .metrics = order_metrics,
    .metric_count = ORDER_METRIC_COUNT,
    .statements = ORDER_STATEMENTS,
    .migrations = ORDER_MIGRATIONS,
    .sequences = ORDER_SEQUENCES,
    .cure = cure,
    .cache_prefixes = CACHE_PREFIXES,
    .cache_own_prefix = 1,
    .cache_hears_events = true,
    .exchange = EXCHANGE_EVENTS,
    .source = SOURCE_ORDER_SERVICE,
    APP_TABLES(ROUTES, QUEUES, PARTS),
};
