#include "app.h"

#include "config.h"
#include "metrics.h"
#include "schema.h"

#include "common/health.h"
#include "common/log.h"
#include "common/service.h"
#include "contract/names.h"

#include <string.h>

struct app app;

enum {
    RECONNECT_BASE_MS = 50,
    RECONNECT_CAP_MS = 2000,
    CONNECT_TIMEOUT_MS = 3000,
    DRAIN_POLL_MS = 10,
    DRAIN_RESERVE_MS = 3000, /* for the broker, when a consumer's transaction does not end */
    DRAIN_LAST_MS = 300,     /* a row that is not deleted is sent again, and harmless */
    SWEEP_BATCH_MAX = 500,
    DATABASE_REQUESTS_MAX =
        64, /* the sum of what all batchers and consumers may have under way, and room */
};

static const struct http_route ROUTES[] = {
    { "POST", "/products", "create_product", create_product, NULL },
    { "GET", "/products", "list_products", list_products, NULL },
    { "GET", "/products/{id}", "get_product", get_product, NULL },
    { "PATCH", "/products/{id}", "patch_product", patch_product, NULL },
    { "POST", "/products/{id}/restock", "restock_product", restock_product, NULL },
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
    (void)queue;
    consumer_on_deliveries(&app.orders, app.broker, deliveries, count);
}

static enum err open_database(void) {
    struct pg_options options = {
        .host = product_config.db_host,
        .port = (uint16_t)product_config.db_port,
        .user = product_config.db_user,
        .password = product_config.db_password,
        .database = product_config.db_name,
        .application_name = product_config.service_name,
        .connections = (size_t)product_config.db_connections,
        .requests_max = DATABASE_REQUESTS_MAX,
        .deadline_ms = (uint32_t)product_config.db_deadline_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
        .statements = PRODUCT_SQL,
        .statement_count = PRODUCT_STATEMENTS,
    };
    options.migrations = product_migrations(&options.migration_count);
    enum err err = pg_open(app.loop, &options, &app.pg);
    if (err == ERR_OK) {
        id_block_init(&app.product_ids, app.pg, SQL_NEXT_PRODUCT_IDS, PRODUCT_ID_BLOCK);
        id_block_init(&app.outbox_ids, app.pg, SQL_NEXT_OUTBOX_IDS, OUTBOX_ID_BLOCK);
    }
    return err;
}

static enum err open_cache(void) {
    static const char *const PREFIXES[] = { CACHE_PREFIX_PRODUCT, NULL };
    struct cache_options options = {
        .host = product_config.redis_host,
        .port = (uint16_t)product_config.redis_port,
        .deadline_ms = (uint32_t)product_config.redis_deadline_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
        .prefixes = PREFIXES,
    };
    return cache_open(app.loop, &options, &app.cache);
}

static enum err open_broker(void) {
    static const struct broker_queue OTHERS[] = {
        { QUEUE_ORDER_UPDATED, { KEY_ORDER_UPDATED, NULL } },
        { QUEUE_PRODUCT_CREATED, { KEY_PRODUCT_CREATED, NULL } },
        { QUEUE_PRODUCT_UPDATED, { KEY_PRODUCT_UPDATED, NULL } },
    };
    static const struct broker_callbacks CALLBACKS = { on_broker_state, on_published,
                                                       on_deliveries };
    struct broker_options options = {
        .url = product_config.rabbitmq_url,
        .connection_name = product_config.service_name,
        .exchange = EXCHANGE_EVENTS,
        .queues = { [PRODUCT_QUEUE_ORDER_CREATED] = { QUEUE_ORDER_CREATED,
                                                      { KEY_ORDER_CREATED, NULL } } },
        .declare_only = OTHERS,
        .declare_only_count = sizeof(OTHERS) / sizeof(OTHERS[0]),
        .heartbeat_s = (uint32_t)product_config.rabbitmq_heartbeat_s,
        .rpc_timeout_ms = CONNECT_TIMEOUT_MS,
        .publish_queue_max = (size_t)product_config.publish_queue_max,
        .publish_inflight_max = (size_t)product_config.publish_inflight_max,
        .prefetch = (uint16_t)product_config.rabbitmq_prefetch,
        .batch_max = (size_t)product_config.consumer_batch_max,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
    };
    return broker_open(app.loop, &options, &CALLBACKS, NULL, &app.broker);
}

static enum err open_outbox(void) {
    struct outbox_options options = {
        .insert_statement = SQL_OUTBOX_INSERT,
        .claim_statement = SQL_OUTBOX_CLAIM,
        .read_statement = SQL_OUTBOX_READ,
        .release_statement = SQL_OUTBOX_RELEASE,
        .relax_statement = SQL_OUTBOX_RELAX,
        .delete_statement = SQL_OUTBOX_DELETE,
        .sweep_interval_ms = (uint32_t)product_config.outbox_sweep_ms,
        .sweep_batch_max = SWEEP_BATCH_MAX,
        .backlog_below = (size_t)product_config.publish_queue_max / 2,
    };
    return outbox_open(&app.outbox, app.loop, app.pg, app.broker, &options);
}

static enum err open_server(void) {
    struct http_server_options options = {
        .address = product_config.listen_address,
        .port = (uint16_t)product_config.port,
        .routes = ROUTES,
        .route_count = sizeof(ROUTES) / sizeof(ROUTES[0]),
        .connections_max = (size_t)product_config.http_connections_max,
        .header_bytes_max = 16384,
        .body_bytes_max = (size_t)product_config.http_body_bytes_max,
        .idle_timeout_ms = (uint32_t)product_config.http_idle_timeout_ms,
        .request_timeout_ms = (uint32_t)product_config.http_request_timeout_ms,
        .write_timeout_ms = (uint32_t)product_config.http_request_timeout_ms,
    };
    return http_server_open(app.loop, &options, &app.server);
}

enum err app_start(struct loop *loop) {
    static enum err (*const PARTS[])(void) = {
        open_database,      open_cache,          create_product_init, get_product_init,
        list_products_init, change_product_init, order_created_init,  open_broker,
        open_outbox,        open_server,
    };
    app.loop = loop;
    metrics_register(product_metrics, PRODUCT_METRIC_COUNT);
    health_init(COMPONENTS, sizeof(COMPONENTS) / sizeof(COMPONENTS[0]));
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        enum err err = PARTS[i]();
        if (err != ERR_OK) {
            return err;
        }
    }
    log_info("service started", LOG_STR("address", product_config.listen_address),
             LOG_INT("port", http_server_port(app.server)));
    return ERR_OK;
}

/* ---- drain: no new work → answers → events → confirmed rows deleted → out ---- */

static void wait_for_outbox(void *ctx) {
    static struct loop_timer timer;
    (void)ctx;
    if (outbox_is_idle(&app.outbox) || service_drain_left_ms() < DRAIN_LAST_MS) {
        service_drained();
        return;
    }
    loop_timer_init(&timer, wait_for_outbox, NULL);
    loop_timer_start(app.loop, &timer, DRAIN_POLL_MS);
}

static void close_broker(void *ctx) {
    (void)ctx;
    outbox_stop(&app.outbox);
    /* what the broker does not get in time is in the outbox */
    broker_close(app.broker, service_drain_left_ms() / 2, wait_for_outbox, NULL);
}

/* A transaction under way ends, and its batch is acknowledged; no other one begins. */
static void wait_for_consumer(void *ctx) {
    static struct loop_timer timer;
    (void)ctx;
    if (consumer_is_idle(&app.orders) || service_drain_left_ms() < DRAIN_RESERVE_MS) {
        close_broker(NULL);
        return;
    }
    loop_timer_init(&timer, wait_for_consumer, NULL);
    loop_timer_start(app.loop, &timer, DRAIN_POLL_MS);
}

static void answered(void *ctx) {
    (void)ctx;
    consumer_stop(&app.orders);
    wait_for_consumer(NULL);
}

void app_drain(void) {
    health_set_draining();
    http_server_drain(app.server, answered, NULL);
}

void app_stop(void) {
    http_server_close(app.server);
    broker_free(app.broker);
    pg_close(app.pg);
    cache_close(app.cache);
    consumer_close(&app.orders);
    batcher_done(&app.inserts);
    batcher_done(&app.reads);
    batcher_done(&app.pages);
    batcher_done(&app.changes);
    outbox_close(&app.outbox);
    flow_pool_done(&app.create_flows);
    flow_pool_done(&app.get_flows);
    flow_pool_done(&app.list_flows);
    flow_pool_done(&app.change_flows);
}
