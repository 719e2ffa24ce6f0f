/*
 * The roof of the product service: what it answers, what it hears, and what it consists of. It
 * keeps the catalogue and decides on stock; begin to read at ROUTES.
 */
#include "metrics.h"
#include "parts.h"
#include "product.h"
#include "statements.h"

#include "contract/books.h"
#include "contract/cache_notice.h"
#include "contract/contract.h"
#include "contract/key_expiry.h"

static const struct http_route ROUTES[] = {
    { "POST", "/products", "create_product", create_product, NULL },
    { "GET", "/products", "list_products", list_products, NULL },
    { "GET", "/products/{id}", "get_product", get_product, NULL },
    { "PATCH", "/products/{id}", "patch_product", change_product_patch, NULL },
    { "POST", "/products/{id}/restock", "restock_product", change_product_restock, NULL },
    { "POST", "/products/{id}/adjust", "adjust_product", change_product_adjust, NULL },
    HEALTH_ROUTES,
};

static const struct app_queue QUEUES[] = {
    { QUEUE_ORDER_CREATED, KEY_ORDER_CREATED, "order_created", &order_created_consumer },
    { QUEUE_ORDER_CANCELLED, KEY_ORDER_CANCELLED, "order_cancelled", &order_cancelled_consumer },
    { QUEUE_ORDER_UPDATED, KEY_ORDER_UPDATED, NULL, NULL },
    { QUEUE_PRODUCT_CREATED, KEY_PRODUCT_CREATED, NULL, NULL },
    { QUEUE_PRODUCT_UPDATED, KEY_PRODUCT_UPDATED, NULL, NULL },
};

static enum err open_outbox_ids(void) {
    id_block_init(&outbox_ids, backends.pg, &SQL_NEXT_OUTBOX_IDS, OUTBOX_ID_BLOCK);
    return ERR_OK;
}

static enum err open_books(void) {
    return books_open(&SQL_PRODUCT_BOOKS);
}

static const struct part PARTS[] = {
    { "outbox ids", open_outbox_ids, NULL, NULL, NULL, NULL },
    { "product_keys", product_keys_open, product_keys_close, NULL, NULL, NULL },
    { "books", open_books, books_close, books_stop, books_is_idle, NULL },
    { "cache_notice", cache_notice_open, cache_notice_close, cache_notice_stop,
      cache_notice_is_idle, NULL },
    { "key_expiry", key_expiry_open, key_expiry_close, key_expiry_stop, key_expiry_is_idle, NULL },
    { "create_product", create_product_open, create_product_close, NULL, NULL, NULL },
    { "get_product", get_product_open, get_product_close, NULL, NULL, NULL },
    { "list_products", list_products_open, list_products_close, NULL, NULL, NULL },
    { "change_product", change_product_open, change_product_close, NULL, NULL, NULL },
    { "stock_news", stock_news_open, stock_news_close, stock_news_stop, NULL,
      stock_news_broker_up },
};

static const struct config_local LOCALS[] = {
    { "SERVICE_NAME", "product-service" },
    { "PORT", "3001" },
    { "DB_PORT", "5433" },
    { "DB_USER", "product" },
    { "DB_NAME", "product" },
    { "REDIS_PORT", "6381" },
    { NULL, NULL },
};

/* What was decided and is lost, is decided again. */
static void cure(const struct witness_loss *loss, struct buf *out) {
    buf_appendf(out, "./prodorder psql order -c \"SELECT tell_again('%s')\"", loss->from);
}

static const char *const CACHE_PREFIXES[] = { CACHE_PREFIX_PRODUCT, NULL };

const struct app APP = {
    .name = "product-service",
    .summary = "Keeps the catalogue and decides on stock.",
    .locals = LOCALS,
    .metrics = product_metrics,
    .metric_count = PRODUCT_METRIC_COUNT,
    .statements = PRODUCT_STATEMENTS,
    .migrations = PRODUCT_MIGRATIONS,
    .sequences = PRODUCT_SEQUENCES,
    .first_sql = "SELECT begin_epoch_if_due();",
    .on_database_ready = epoch_on_database_ready,
    .cure = cure,
    .cache_prefixes = CACHE_PREFIXES,
    .exchange = EXCHANGE_EVENTS,
    .source = SOURCE_PRODUCT_SERVICE,
    APP_TABLES(ROUTES, QUEUES, PARTS),
};
