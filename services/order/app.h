/*
 * The parts of the order service, wired in app.c and used by one file per use case.
 */
#ifndef ORDER_APP_H
#define ORDER_APP_H

#include "runtime/broker/broker.h"
#include "runtime/cache/cache.h"
#include "runtime/flow/batcher.h"
#include "runtime/flow/flow.h"
#include "runtime/flow/lookup.h"
#include "runtime/http/client.h"
#include "runtime/http/server.h"
#include "runtime/loop/loop.h"
#include "runtime/messages/consumer.h"
#include "runtime/messages/id_block.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

enum order_queue {
    ORDER_QUEUE_ORDER_UPDATED,
    ORDER_QUEUE_PRODUCT_CREATED,
    ORDER_QUEUE_PRODUCT_UPDATED,
    ORDER_QUEUES
};

struct app {
    struct loop *loop;
    struct pg *pg;
    struct cache *cache;
    struct broker *broker;
    struct http_client *products; /* the product service */
    struct outbox outbox;
    struct id_block order_ids;
    struct http_server *server;
    struct batcher key_reads;                /* idempotency.c */
    struct lookup lookups;                   /* product_lookup.c */
    struct batcher inserts;                  /* order_store.c */
    struct lookup reads;                     /* get_order.c */
    struct lookup first_pages;               /* list_orders.c */
    struct batcher later_pages;              /* list_orders.c */
    struct consumer consumers[ORDER_QUEUES]; /* order_updated.c, product_updated.c */
    struct flow_pool create_flows, get_flows, list_flows;
};

extern struct app app;

enum err app_start(struct loop *loop);
void app_drain(void);
void app_stop(void);

/* Each use case prepares its batchers, flows and timers. */
MUST_CHECK enum err create_order_init(void);
MUST_CHECK enum err get_order_init(void);
MUST_CHECK enum err list_orders_init(void);
MUST_CHECK enum err idempotency_init(void);
void idempotency_done(void);
MUST_CHECK enum err product_lookup_init(void);
void product_lookup_done(void);
MUST_CHECK enum err order_store_init(void);
MUST_CHECK enum err order_updated_init(void);
MUST_CHECK enum err product_updated_init(void);
void reconcile_start(void);
void reconcile_stop(void);
bool reconcile_is_idle(void);

/* Handlers for the route table. */
void create_order(struct http_exchange *exchange, void *ctx);
void get_order(struct http_exchange *exchange, void *ctx);
void list_orders(struct http_exchange *exchange, void *ctx);

#endif
