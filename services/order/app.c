#include "app.h"

#include "config.h"
#include "metrics.h"
#include "statements.h"

#include "contract/names.h"
#include "runtime/process/backends.h"
#include "runtime/process/config.h"
#include "runtime/process/health.h"
#include "runtime/process/service.h"
#include "runtime/telemetry/log.h"

struct app app;

/* The sum of what all batchers and consumers may have under way, and room. */
enum { DATABASE_REQUESTS_MAX = 64 };

static const struct http_route ROUTES[] = {
    { "POST", "/orders", "create_order", create_order, NULL },
    { "GET", "/orders/{id}", "get_order", get_order, NULL },
    { "GET", "/orders/product/{productId}", "list_orders", list_orders, NULL },
    HEALTH_ROUTES,
};

/* ---- health ---- */

static bool database_is_up(void) {
    return pg_is_ready(app.pg);
}

static bool cache_is_up(void) {
    return cache_is_ready(app.cache);
}

static bool broker_is_up(void) {
    return broker_publish_state(app.broker) == BROKER_UP && broker_is_consuming(app.broker);
}

static const struct health_component COMPONENTS[] = {
    { "database", true, database_is_up },
    { "cache", false, cache_is_up },
    { "broker", false, broker_is_up },
};

/* ---- start ---- */

static void on_broker_state(void *ctx, enum broker_state state) {
    (void)ctx;
    outbox_on_broker_state(&app.outbox, state);
}

static void on_published(void *ctx, const uint64_t *cookies, size_t count, bool confirmed) {
    (void)ctx;
    outbox_on_published(&app.outbox, cookies, count, confirmed);
}

static void on_deliveries(void *ctx, size_t queue, struct broker_delivery *deliveries,
                          size_t count) {
    (void)ctx;
    consumer_on_deliveries(&app.consumers[queue], app.broker, deliveries, count);
}

static enum err open_database(void) {
    struct pg_options options = backends_pg_options();
    options.requests_max = DATABASE_REQUESTS_MAX;
    options.statements[0] = ORDER_STATEMENTS;
    options.migrations = ORDER_MIGRATIONS;
    options.migration_count = ORDER_MIGRATION_COUNT;
    enum err err = pg_open(app.loop, &options, &app.pg);
    if (err == ERR_OK) {
        id_block_init(&app.order_ids, app.pg, &SQL_NEXT_ORDER_IDS, ORDER_ID_BLOCK);
    }
    return err;
}

static enum err open_cache(void) {
    static const char *const PREFIXES[] = { CACHE_PREFIX_PRODUCT, CACHE_PREFIX_ORDERS, NULL };
    struct cache_options options = backends_cache_options();
    options.prefixes = PREFIXES;
    return cache_open(app.loop, &options, &app.cache);
}

static enum err open_broker(void) {
    static const struct broker_queue OTHERS[] = {
        { QUEUE_ORDER_CREATED, { KEY_ORDER_CREATED, NULL } },
    };
    static const struct broker_callbacks CALLBACKS = { on_broker_state, on_published,
                                                       on_deliveries };
    struct broker_options options = backends_broker_options();
    options.exchange = EXCHANGE_EVENTS;
    options.queues[ORDER_QUEUE_ORDER_UPDATED] =
        (struct broker_queue){ QUEUE_ORDER_UPDATED, { KEY_ORDER_UPDATED, NULL } };
    options.queues[ORDER_QUEUE_PRODUCT_CREATED] =
        (struct broker_queue){ QUEUE_PRODUCT_CREATED, { KEY_PRODUCT_CREATED, NULL } };
    options.queues[ORDER_QUEUE_PRODUCT_UPDATED] =
        (struct broker_queue){ QUEUE_PRODUCT_UPDATED, { KEY_PRODUCT_UPDATED, NULL } };
    options.declare_only = OTHERS;
    options.declare_only_count = sizeof(OTHERS) / sizeof(OTHERS[0]);
    return broker_open(app.loop, &options, &CALLBACKS, NULL, &app.broker);
}

static enum err open_outbox(void) {
    struct outbox_options options = backends_outbox_options();
    return outbox_open(&app.outbox, app.loop, app.pg, app.broker, &options);
}

static enum err open_products(void) {
    struct http_client_options options = {
        .base_url = order_config.product_service_url,
        .connections_max = 8,
        .queue_max = 1024,
        .deadline_ms = (uint32_t)order_config.product_deadline_ms,
        .idle_timeout_ms = 30000,
        .response_bytes_max = 65536,
    };
    return http_client_open(app.loop, &options, &app.products);
}

static enum err open_server(void) {
    struct http_server_options options = backends_server_options();
    options.routes = ROUTES;
    options.route_count = sizeof(ROUTES) / sizeof(ROUTES[0]);
    return http_server_open(app.loop, &options, &app.server);
}

enum err app_start(struct loop *loop) {
    static enum err (*const PARTS[])(void) = {
        open_database,       open_cache,         open_products,        idempotency_init,
        product_lookup_init, order_store_init,   create_order_init,    get_order_init,
        list_orders_init,    order_updated_init, product_updated_init, open_broker,
        open_outbox,         open_server,
    };
    app.loop = loop;
    metrics_register(order_metrics, ORDER_METRIC_COUNT);
    health_init(COMPONENTS, sizeof(COMPONENTS) / sizeof(COMPONENTS[0]));
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        enum err err = PARTS[i]();
        if (err != ERR_OK) {
            return err;
        }
    }
    reconcile_start();
    log_info("service started", LOG_STR("address", config_shared.listen_address),
             LOG_INT("port", http_server_port(app.server)));
    return ERR_OK;
}

/* ---- the end ---- */

void app_drain(void) {
    health_set_draining();
    backends_drain(&(struct backends){
        .loop = app.loop,
        .server = app.server,
        .consumers = app.consumers,
        .consumer_count = ORDER_QUEUES,
        .broker = app.broker,
        .outbox = &app.outbox,
        .stop = reconcile_stop,
        .is_idle = reconcile_is_idle,
    });
}

void app_stop(void) {
    http_server_close(app.server);
    http_client_close(app.products);
    broker_free(app.broker);
    pg_close(app.pg);
    cache_close(app.cache);
    for (size_t i = 0; i < ORDER_QUEUES; i++) {
        consumer_close(&app.consumers[i]);
    }
    idempotency_done();
    product_lookup_done();
    batcher_done(&app.inserts);
    lookup_done(&app.reads);
    lookup_done(&app.first_pages);
    batcher_done(&app.later_pages);
    outbox_close(&app.outbox);
    flow_pool_done(&app.create_flows);
    flow_pool_done(&app.get_flows);
    flow_pool_done(&app.list_flows);
}
