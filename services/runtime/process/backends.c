/* Connections: how all of it begins and ends. */
#include "backends.h"

#include "service.h"

#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    /* the sum of what all batchers and consumers of a service may have under way, and room */
    DATABASE_REQUESTS_MAX = 66,
    HEADER_BYTES_MAX = 16384,
    SWEEP_BATCH_MAX = 500,
    DRAIN_POLL_MS = 10,
    DRAIN_RESERVE_MS = 3000, /* for the broker, when a consumer's transaction does not end */
    DRAIN_LAST_MS = 300,     /* a row that is not deleted is sent again, and harmless */
};

struct backends backends;

static struct consumer consumers[BROKER_QUEUES_MAX]; /* by the broker's number of the queue */
static size_t consumer_count;

/* ---- start ---- */

/*
 * It may be another database than before, and what Redis has of that one void. What it has of the
 * other service's is not, and may be all that is left of it.
 */
static void on_database_ready(void) {
    witness_on_database_ready();
    if (backends.app->on_database_ready != NULL) {
        backends.app->on_database_ready();
    }
    cache_forget(backends.cache, backends.app->cache_own_prefix);
}

static enum err open_database(void) {
    struct pg_options options = {
        .host = config_shared.db_host,
        .port = (uint16_t)config_shared.db_port,
        .user = config_shared.db_user,
        .password = config_shared.db_password,
        .database = config_shared.db_name,
        .application_name = config_shared.service_name,
        .connections = (size_t)config_shared.db_connections,
        .deadline_ms = (uint32_t)config_shared.db_deadline_ms,
        .lock_timeout_ms = (uint32_t)config_shared.db_lock_timeout_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = BACKOFF_BASE_MS,
        .backoff_cap_ms = BACKOFF_CAP_MS,
        .requests_max = DATABASE_REQUESTS_MAX,
        .statements = { backends.app->statements, OUTBOX_STATEMENTS, WITNESS_STATEMENTS },
        .migrations = backends.app->migrations,
        .sequences = backends.app->sequences,
        .first_sql = backends.app->first_sql,
        .on_ready = on_database_ready,
        .waits = true,
    };
    return pg_open(backends.loop, &options, &backends.pg);
}

static enum err open_cache(void) {
    struct cache_options options = {
        .host = config_shared.redis_host,
        .port = (uint16_t)config_shared.redis_port,
        .deadline_ms = (uint32_t)config_shared.redis_deadline_ms,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .backoff_base_ms = BACKOFF_BASE_MS,
        .backoff_cap_ms = BACKOFF_CAP_MS,
        .prefixes = backends.app->cache_prefixes,
    };
    return cache_open(backends.loop, &options, &backends.cache);
}

static void on_broker_state(void *ctx, enum broker_state state) {
    static enum broker_state before = BROKER_DOWN;
    (void)ctx;
    if (before == BROKER_DOWN && state != BROKER_DOWN && backends.app->cache_hears_events) {
        cache_forget(backends.cache, 0);
    }
    before = state;
    outbox_on_broker_state(&backends.outbox, state);
    for (size_t i = 0; i < consumer_count; i++) {
        consumer_on_broker_state(&consumers[i], state);
    }
    for (size_t i = 0; state == BROKER_UP && i < backends.app->part_count; i++) {
        if (backends.app->parts[i].broker_up != NULL) {
            backends.app->parts[i].broker_up();
        }
    }
}

static void on_published(void *ctx, const uint64_t *cookies, size_t count, bool confirmed) {
    (void)ctx;
    teller_on_published(cookies, count, confirmed);
    outbox_look(&backends.outbox);
}

struct teller_options backends_telling(void) {
    return (struct teller_options){
        .events_per_message_max = (size_t)config_shared.events_per_message_max,
        .event_message_bytes_max = (size_t)config_shared.event_message_bytes_max,
        .bare = config_shared.events_format == EVENTS_BARE,
    };
}

static void on_deliveries(void *ctx, size_t queue, struct broker_delivery *deliveries,
                          size_t count) {
    (void)ctx;
    consumer_on_deliveries(&consumers[queue], deliveries, count);
}

/* The next one, of this queue; `main`: it hears the retry queue of that one. */
static enum err open_consumer(const struct app_queue *queue, struct consumer *main) {
    struct consumer_options options = *queue->consumer;
    options.name = queue->consumer_name;
    options.type = queue->routing_key;
    options.queue = consumer_count++;
    options.batch_max = (size_t)config_shared.consumer_batch_max;
    options.backoff_base_ms = BACKOFF_BASE_MS;
    options.backoff_cap_ms = BACKOFF_CAP_MS;
    options.telling = backends_telling();
    options.pg = backends.pg;
    options.main = main;
    return consumer_open(&consumers[options.queue], backends.loop, backends.broker, &options);
}

static enum err open_consumers(void) {
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < backends.app->queue_count; i++) {
        const struct app_queue *queue = &backends.app->queues[i];
        if (queue->consumer == NULL) {
            continue;
        }
        struct consumer *main = &consumers[consumer_count];
        err = open_consumer(queue, NULL);
        if (err == ERR_OK && queue->consumer->row != NULL) {
            err = open_consumer(queue, main);
        }
    }
    return err;
}

/* Those that are consumed, each with its retry queue, in the order of open_consumers(). */
static void name_queues(struct broker_options *options, struct broker_queue *others) {
    static char retry_names[BROKER_QUEUES_MAX][BROKER_ROUTING_KEY_BYTES_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < backends.app->queue_count; i++) {
        const struct app_queue *queue = &backends.app->queues[i];
        struct broker_queue names = { queue->name, { queue->routing_key, NULL }, NULL };
        assert(count + 1 < BROKER_QUEUES_MAX && options->declare_only_count < BROKER_QUEUES_MAX);
        if (queue->consumer == NULL) {
            others[options->declare_only_count++] = names;
            continue;
        }
        options->queues[count++] = names;
        if (queue->consumer->row != NULL) {
            snprintf(retry_names[count], sizeof(retry_names[count]), "%s" BROKER_RETRY_SUFFIX,
                     queue->name);
            options->queues[count] =
                (struct broker_queue){ .name = retry_names[count], .retry_of = queue->name };
            count++;
        }
    }
}

static enum err open_broker(void) {
    static const struct broker_callbacks CALLBACKS = { on_broker_state, on_published,
                                                       on_deliveries };
    static struct broker_queue others[BROKER_QUEUES_MAX];
    struct broker_options options = {
        .url = config_shared.rabbitmq_url,
        .connection_name = config_shared.service_name,
        .heartbeat_s = (uint32_t)config_shared.rabbitmq_heartbeat_s,
        .rpc_timeout_ms = CONNECT_TIMEOUT_MS,
        .publish_queue_max = (size_t)config_shared.publish_queue_max,
        .publish_inflight_max = (size_t)config_shared.publish_inflight_max,
        .prefetch = (uint16_t)config_shared.rabbitmq_prefetch,
        .batch_max = (size_t)config_shared.consumer_batch_max,
        .backoff_base_ms = BACKOFF_BASE_MS,
        .backoff_cap_ms = BACKOFF_CAP_MS,
        .exchange = backends.app->exchange,
        .declare_only = others,
        .classic_queues = config_shared.rabbitmq_queue_type == QUEUES_CLASSIC,
    };
    name_queues(&options, others);
    enum err err = broker_open(backends.loop, &options, &CALLBACKS, NULL, &backends.broker);
    return err == ERR_OK ? open_consumers() : err;
}

static enum err open_outbox(void) {
    struct outbox_options options = {
        .source = backends.app->source,
        .telling = backends_telling(),
        .sweep_interval_ms = (uint32_t)config_shared.outbox_sweep_ms,
        .sweep_batch_max = SWEEP_BATCH_MAX,
        .backlog_below = (size_t)config_shared.publish_queue_max / 2,
    };
    return outbox_open(&backends.outbox, backends.loop, backends.pg, backends.broker, &options);
}

static enum err open_parts(void) {
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < backends.app->part_count; i++) {
        if (backends.app->parts[i].open != NULL) {
            err = backends.app->parts[i].open();
        }
        if (err != ERR_OK) {
            log_error("a part of the service does not open",
                      LOG_STR("part", backends.app->parts[i].name),
                      LOG_STR("error", err_name(err)));
        }
    }
    return err;
}

static enum err open_server(void) {
    struct http_server_options options = {
        .address = config_shared.listen_address,
        .port = (uint16_t)config_shared.port,
        .connections_max = (size_t)config_shared.http_connections_max,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = (size_t)config_shared.http_body_bytes_max,
        .idle_timeout_ms = (uint32_t)config_shared.http_idle_timeout_ms,
        .request_timeout_ms = (uint32_t)config_shared.http_request_timeout_ms,
        .write_timeout_ms = (uint32_t)config_shared.http_request_timeout_ms,
        .routes = backends.app->routes,
        .route_count = backends.app->route_count,
    };
    return http_server_open(backends.loop, &options, &backends.server);
}

static enum err open_witness(void) {
    witness_open(&(struct witness_options){ .loop = backends.loop,
                                            .pg = backends.pg,
                                            .cache = backends.cache,
                                            .service = backends.app->name,
                                            .sequences = backends.app->sequences,
                                            .cure = backends.app->cure });
    return ERR_OK;
}

enum err backends_start(struct loop *loop) {
    static enum err (*const STEPS[])(void) = {
        open_database, open_cache, open_broker, open_outbox, open_parts, open_witness, open_server,
    };
    backends.loop = loop;
    metrics_register(backends.app->metrics, backends.app->metric_count);
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        enum err err = STEPS[i]();
        if (err != ERR_OK) {
            return err;
        }
    }
    log_info("service started", LOG_STR("address", config_shared.listen_address),
             LOG_INT("port", http_server_port(backends.server)));
    return ERR_OK;
}

/* ---- drain: each step begins the next one, or looks again a little later ---- */

static struct loop_timer timer;

static void wait_for_consumers(void *ctx);
static void close_broker(void);
static void wait_for_outbox(void *ctx);

static void look_again(loop_fn *step) {
    loop_timer_init(&timer, step, NULL);
    loop_timer_start(backends.loop, &timer, DRAIN_POLL_MS);
}

static void answered(void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < consumer_count; i++) {
        consumer_stop(&consumers[i]);
    }
    for (size_t i = 0; i < backends.app->part_count; i++) {
        if (backends.app->parts[i].stop != NULL) {
            backends.app->parts[i].stop();
        }
    }
    wait_for_consumers(NULL);
}

static bool consumers_are_idle(void) {
    for (size_t i = 0; i < consumer_count; i++) {
        if (!consumer_is_idle(&consumers[i])) {
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
    witness_close();
    outbox_stop(&backends.outbox);
    /* what the broker does not get in time is in the outbox */
    broker_close(backends.broker, service_drain_left_ms() / 2, wait_for_outbox, NULL);
}

static bool parts_are_idle(void) {
    for (size_t i = 0; i < backends.app->part_count; i++) {
        if (backends.app->parts[i].is_idle != NULL && !backends.app->parts[i].is_idle()) {
            return false;
        }
    }
    return true;
}

static void wait_for_outbox(void *ctx) {
    bool idle = outbox_is_idle(&backends.outbox) && parts_are_idle();
    (void)ctx;
    if (idle || service_drain_left_ms() < DRAIN_LAST_MS) {
        service_drained();
    } else {
        look_again(wait_for_outbox);
    }
}

void backends_drain(void) {
    backends.is_draining = true;
    http_server_drain(backends.server, answered, NULL);
}

/* ---- stop ---- */

void backends_stop(void) {
    witness_close();
    cache_close(backends.cache); /* first: who waited for it turns to the database or a part */
    broker_free(backends.broker);
    pg_close(backends.pg);
    for (size_t i = backends.app->part_count; i > 0; i--) {
        if (backends.app->parts[i - 1].close != NULL) {
            backends.app->parts[i - 1].close();
        }
    }
    http_server_close(backends.server); /* last: who ended until here may have read its request */
    for (size_t i = 0; i < consumer_count; i++) {
        consumer_close(&consumers[i]);
    }
    outbox_close(&backends.outbox);
}
