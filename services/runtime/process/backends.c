#include "backends.h"

#include "config.h"
#include "service.h"

enum {
    CONNECT_TIMEOUT_MS = 3000,
    RECONNECT_BASE_MS = 50,
    RECONNECT_CAP_MS = 2000,
    HEADER_BYTES_MAX = 16384,
    SWEEP_BATCH_MAX = 500,
    DRAIN_POLL_MS = 10,
    DRAIN_RESERVE_MS = 3000, /* for the broker, when a consumer's transaction does not end */
    DRAIN_LAST_MS = 300,     /* a row that is not deleted is sent again, and harmless */
};

/* ---- options ---- */

struct pg_options backends_pg_options(void) {
    return (struct pg_options){
        .host = config_shared.db_host,
        .port = (uint16_t)config_shared.db_port,
        .user = config_shared.db_user,
        .password = config_shared.db_password,
        .database = config_shared.db_name,
        .application_name = config_shared.service_name,
        .connections = (size_t)config_shared.db_connections,
        .deadline_ms = (uint32_t)config_shared.db_deadline_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
        .statements = { [1] = OUTBOX_STATEMENTS }, /* [0] is for the service's own */
    };
}

struct cache_options backends_cache_options(void) {
    return (struct cache_options){
        .host = config_shared.redis_host,
        .port = (uint16_t)config_shared.redis_port,
        .deadline_ms = (uint32_t)config_shared.redis_deadline_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
    };
}

struct broker_options backends_broker_options(void) {
    return (struct broker_options){
        .url = config_shared.rabbitmq_url,
        .connection_name = config_shared.service_name,
        .heartbeat_s = (uint32_t)config_shared.rabbitmq_heartbeat_s,
        .rpc_timeout_ms = CONNECT_TIMEOUT_MS,
        .publish_queue_max = (size_t)config_shared.publish_queue_max,
        .publish_inflight_max = (size_t)config_shared.publish_inflight_max,
        .prefetch = (uint16_t)config_shared.rabbitmq_prefetch,
        .batch_max = (size_t)config_shared.consumer_batch_max,
        .backoff_base_ms = RECONNECT_BASE_MS,
        .backoff_cap_ms = RECONNECT_CAP_MS,
    };
}

struct outbox_options backends_outbox_options(void) {
    return (struct outbox_options){
        .sweep_interval_ms = (uint32_t)config_shared.outbox_sweep_ms,
        .sweep_batch_max = SWEEP_BATCH_MAX,
        .backlog_below = (size_t)config_shared.publish_queue_max / 2,
    };
}

struct http_server_options backends_server_options(void) {
    return (struct http_server_options){
        .address = config_shared.listen_address,
        .port = (uint16_t)config_shared.port,
        .connections_max = (size_t)config_shared.http_connections_max,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = (size_t)config_shared.http_body_bytes_max,
        .idle_timeout_ms = (uint32_t)config_shared.http_idle_timeout_ms,
        .request_timeout_ms = (uint32_t)config_shared.http_request_timeout_ms,
        .write_timeout_ms = (uint32_t)config_shared.http_request_timeout_ms,
    };
}

/* ---- drain: each step begins the next one, or looks again a little later ---- */

static struct backends draining;
static struct loop_timer timer;

static void wait_for_consumers(void *ctx);
static void close_broker(void);
static void wait_for_outbox(void *ctx);

static void look_again(loop_fn *step) {
    loop_timer_init(&timer, step, NULL);
    loop_timer_start(draining.loop, &timer, DRAIN_POLL_MS);
}

static void answered(void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < draining.consumer_count; i++) {
        consumer_stop(&draining.consumers[i]);
    }
    if (draining.stop != NULL) {
        draining.stop();
    }
    wait_for_consumers(NULL);
}

static bool consumers_are_idle(void) {
    for (size_t i = 0; i < draining.consumer_count; i++) {
        if (!consumer_is_idle(&draining.consumers[i])) {
            return false;
        }
    }
    return true;
}

/* A transaction under way ends, and its batch is acknowledged; no other one begins. */
static void wait_for_consumers(void *ctx) {
    (void)ctx;
    if (consumers_are_idle() || service_drain_left_ms() < DRAIN_RESERVE_MS) {
        close_broker();
    } else {
        look_again(wait_for_consumers);
    }
}

static void close_broker(void) {
    outbox_stop(draining.outbox);
    /* what the broker does not get in time is in the outbox */
    broker_close(draining.broker, service_drain_left_ms() / 2, wait_for_outbox, NULL);
}

static void wait_for_outbox(void *ctx) {
    bool idle = outbox_is_idle(draining.outbox) && (draining.is_idle == NULL || draining.is_idle());
    (void)ctx;
    if (idle || service_drain_left_ms() < DRAIN_LAST_MS) {
        service_drained();
    } else {
        look_again(wait_for_outbox);
    }
}

void backends_drain(const struct backends *backends) {
    draining = *backends;
    http_server_drain(draining.server, answered, NULL);
}
