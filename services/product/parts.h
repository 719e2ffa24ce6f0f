/*
 * What the use cases of the product service stand on: the connections (backends.pg, .cache,
 * .outbox, …); and what each of them gives to the tables in app.c, which no use case sees.
 */
#ifndef PRODUCT_PARTS_H
#define PRODUCT_PARTS_H

#include "runtime/process/backends.h"

/* ROUTES */
void create_product(struct http_exchange *exchange, void *ctx);
void get_product(struct http_exchange *exchange, void *ctx);
void list_products(struct http_exchange *exchange, void *ctx);
void change_product_patch(struct http_exchange *exchange, void *ctx);
void change_product_restock(struct http_exchange *exchange, void *ctx);
void change_product_adjust(struct http_exchange *exchange, void *ctx);

/* QUEUES */
extern const struct consumer_options order_created_consumer;
extern const struct consumer_options order_cancelled_consumer;

/* PARTS: batchers, pools of flows, news */
MUST_CHECK enum err create_product_open(void);
void create_product_close(void);
MUST_CHECK enum err get_product_open(void);
void get_product_close(void);
MUST_CHECK enum err list_products_open(void);
void list_products_close(void);
MUST_CHECK enum err change_product_open(void);
void change_product_close(void);
MUST_CHECK enum err product_keys_open(void);
void product_keys_close(void);
MUST_CHECK enum err stock_news_open(void);
void stock_news_close(void);
void stock_news_stop(void);
void stock_news_broker_up(void);

/* The app's own */
void epoch_on_database_ready(void);

#endif
