/*
 * What the use cases of the order service stand on: the connections (backends.pg, .cache, .outbox,
 * …); and what each of them gives to the tables in app.c, which no use case sees.
 */
#ifndef ORDER_PARTS_H
#define ORDER_PARTS_H

#include "runtime/process/backends.h"

/* ROUTES */
void create_order(struct http_exchange *exchange, void *ctx);
void cancel_order(struct http_exchange *exchange, void *ctx);
void get_order(struct http_exchange *exchange, void *ctx);
void list_orders(struct http_exchange *exchange, void *ctx);
void search_orders(struct http_exchange *exchange, void *ctx);

/* QUEUES */
extern const struct consumer_options order_updated_consumer;
extern const struct consumer_options product_updated_consumer;

/* PARTS: batchers, pools of flows, timers */
MUST_CHECK enum err backlog_open(void);
MUST_CHECK enum err create_order_open(void);
void create_order_close(void);
MUST_CHECK enum err cancel_order_open(void);
void cancel_order_close(void);
MUST_CHECK enum err cancellations_open(void);
void cancellations_close(void);
void cancellations_stop(void);
bool cancellations_is_idle(void);
void cancellations_broker_up(void);
MUST_CHECK enum err idempotency_open(void);
void idempotency_close(void);
MUST_CHECK enum err product_lookup_open(void);
void product_lookup_close(void);
MUST_CHECK enum err order_store_open(void);
void order_store_close(void);
MUST_CHECK enum err get_order_open(void);
void get_order_close(void);
MUST_CHECK enum err list_orders_open(void);
void list_orders_close(void);
MUST_CHECK enum err order_read_open(void);
void order_read_close(void);
MUST_CHECK enum err product_updated_open(void);
MUST_CHECK enum err outcome_wait_open(void);
void outcome_wait_close(void);
bool outcome_wait_is_idle(void);
MUST_CHECK enum err search_orders_open(void);
void search_orders_close(void);
MUST_CHECK enum err telling_open(void);
void telling_close(void);
void telling_stop(void);
bool telling_is_idle(void);
void telling_broker_up(void);

#endif
