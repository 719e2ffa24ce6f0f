/*
 * The parts of the product service, wired in app.c and used by one file per use case.
 */
#ifndef PRODUCT_APP_H
#define PRODUCT_APP_H

#include "runtime/broker/broker.h"
#include "runtime/cache/cache.h"
#include "runtime/flow/batcher.h"
#include "runtime/flow/flow.h"
#include "runtime/flow/lookup.h"
#include "runtime/http/server.h"
#include "runtime/loop/loop.h"
#include "runtime/messages/consumer.h"
#include "runtime/messages/id_block.h"
#include "runtime/messages/outbox.h"
#include "runtime/pg/pg.h"

enum product_queue { PRODUCT_QUEUE_ORDER_CREATED };

struct app {
    struct loop *loop;
    struct pg *pg;
    struct cache *cache;
    struct broker *broker;
    struct outbox outbox;
    struct id_block product_ids;
    struct id_block outbox_ids;
    struct http_server *server;
    struct batcher inserts; /* create_product.c */
    struct lookup reads;    /* get_product.c */
    struct batcher pages;   /* list_products.c */
    struct batcher changes; /* change_products.c */
    struct consumer orders; /* order_created.c */
    struct flow_pool create_flows, get_flows, list_flows, change_flows;
};

extern struct app app;

enum err app_start(struct loop *loop);
void app_drain(void);
void app_stop(void);

/* Each use case prepares its batcher and flows. */
MUST_CHECK enum err create_product_init(void);
MUST_CHECK enum err get_product_init(void);
MUST_CHECK enum err list_products_init(void);
MUST_CHECK enum err change_product_init(void);
MUST_CHECK enum err order_created_init(void);

/* Handlers for the route table. */
void create_product(struct http_exchange *exchange, void *ctx);
void get_product(struct http_exchange *exchange, void *ctx);
void list_products(struct http_exchange *exchange, void *ctx);
void patch_product(struct http_exchange *exchange, void *ctx);
void restock_product(struct http_exchange *exchange, void *ctx);

#endif
