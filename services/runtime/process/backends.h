/*
 * What every service of this kind stands on: database, cache, broker, outbox and HTTP server; and
 * how all of it begins and ends. What is a service's own is in the tables of its app.c.
 *
 *   start  database → cache → broker → outbox → consumers → the parts, in their order → server;
 *          the database is connected when Redis has said what it knows of it (witness.h)
 *   drain  no new work → answers → the consumers' transactions → events → deletion of confirmed
 *          rows → service_drained(), within the time that service_drain_left_ms() leaves
 *   stop   cache, broker, database: whatever is under way ends with its connection; then the
 *          parts, the last one first; then the server, consumers and outbox
 */
#ifndef RUNTIME_PROCESS_BACKENDS_H
#define RUNTIME_PROCESS_BACKENDS_H

#include "config.h"
#include "runtime/broker/broker.h"
#include "runtime/cache/cache.h"
#include "runtime/flow/flow.h"
#include "runtime/http/server.h"
#include "runtime/messages/consumer.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"
#include "runtime/telemetry/metrics.h"
#include "witness.h"

/* The service that this process is, and its connections. */
struct backends {
    const struct app *app;
    bool is_draining; /* readyz says so, with 503 */
    struct loop *loop;
    struct pg *pg;
    struct cache *cache;
    struct broker *broker;
    struct outbox outbox;
    struct http_server *server;
};

extern struct backends backends;

/* A queue that the service consumes, or that others consume and that must exist. */
struct app_queue {
    const char *name;          /* "order.created.product-service" */
    const char *routing_key;   /* bound with it */
    const char *consumer_name; /* for logs: "order_created" */
    /* item_bytes, decode, run; their ctx is the struct consumer. NULL: it is another service's */
    const struct consumer_options *consumer;
};

/* One file with something to open: batchers, pools of flows, timers. Any function may be NULL. */
struct part {
    const char *name;
    enum err (*open)(void);
    void (*close)(void);     /* also when it was never opened */
    void (*stop)(void);      /* in a drain, when all requests are answered: begin nothing more */
    bool (*is_idle)(void);   /* after that: nothing is under way any more */
    void (*broker_up)(void); /* the broker takes messages again */
};

/* A service, as its app.c describes it; main.c runs it. */
struct app {
    const char *name;                    /* "order-service" */
    const char *summary;                 /* one sentence for --help */
    const struct config_local *locals;   /* its own defaults and examples of shared options */
    const struct config_option *options; /* those that it has besides, up to a name NULL; or NULL */
    struct metric *metrics;
    size_t metric_count;
    const struct pg_statement *const *statements; /* NULL ends the list */
    const struct pg_migration *migrations;
    const struct pg_sequence *sequences; /* a table NULL ends the list */
    const char *first_sql;               /* as in struct pg_options */
    void (*on_database_ready)(void);     /* or NULL */
    /* Append what to do when the database was restored: a command (witness.h). */
    void (*cure)(const struct witness_loss *loss, struct buf *out);
    const char *const *cache_prefixes; /* NULL ends the list */
    size_t cache_own_prefix;           /* from this one on: what is kept of its own database */
    bool cache_hears_events; /* all values go when the broker is back: it may have lost some */
    const char *exchange;
    const char *source; /* of its events: "/order-service" */
    const struct app_queue *queues;
    size_t queue_count;
    const struct http_route *routes;
    size_t route_count;
    const struct part *parts;
    size_t part_count;
};

/* The tables of these names, with their sizes. */
#define APP_TABLES(ROUTES, QUEUES, PARTS)                                                          \
    .routes = (ROUTES), .route_count = sizeof(ROUTES) / sizeof((ROUTES)[0]), .queues = (QUEUES),   \
    .queue_count = sizeof(QUEUES) / sizeof((QUEUES)[0]), .parts = (PARTS),                         \
    .part_count = sizeof(PARTS) / sizeof((PARTS)[0])

/* How the events of this process leave, without callbacks. */
struct teller_options backends_telling(void);

extern const struct app APP; /* the service's, for main.c */

/* service.start, .drain and .stop of backends.app, which main.c has set. */
MUST_CHECK enum err backends_start(struct loop *loop);
void backends_drain(void);
void backends_stop(void);

/*
 * For a part's open: a pool of at most `count` requests of one kind, each of which may take
 * REQUEST_DEADLINE_MS.
 */
MUST_CHECK static inline enum err backends_open_flows(struct flow_pool *pool,
                                                      struct flow_kind *kind, size_t count) {
    kind->deadline_ms = (uint32_t)config_shared.request_deadline_ms;
    return flow_pool_init(pool, backends.loop, kind, count);
}

/* ---- health.c ---- */

/*
 * /livez, /readyz and /metrics, the same for every service.
 *
 * livez: the process runs its loop. readyz: 200 while every required component is up, else 503 with
 * Retry-After; either way
 * {"status":"ready"|"degraded"|"unavailable"|"draining","components":{"database":"up",…}}.
 * "degraded": something that is not required is down, and what can be served is served.
 */

void health_get_livez(struct http_exchange *exchange, void *ctx);
void health_get_readyz(struct http_exchange *exchange, void *ctx);
void health_get_metrics(struct http_exchange *exchange, void *ctx);

/* For the route table. */
#define HEALTH_ROUTES                                                                              \
    { "GET", "/livez", "livez", health_get_livez, NULL },                                          \
        { "GET", "/readyz", "readyz", health_get_readyz, NULL }, {                                 \
        "GET", "/metrics", "metrics", health_get_metrics, NULL                                     \
    }

#endif
