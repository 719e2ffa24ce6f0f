/* Names that both services and the outside rely on: exchange, routing keys, queues, cache keys. */
#ifndef CONTRACT_NAMES_H
#define CONTRACT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define EXCHANGE_EVENTS "events"

#define KEY_ORDER_CREATED "order.created"
#define KEY_ORDER_UPDATED "order.updated"
#define KEY_PRODUCT_CREATED "product.created"
#define KEY_PRODUCT_UPDATED "product.updated"

/* Queue name: <routing key>.<consuming service> */
#define QUEUE_ORDER_CREATED KEY_ORDER_CREATED ".product-service"
#define QUEUE_ORDER_UPDATED KEY_ORDER_UPDATED ".order-service"
#define QUEUE_PRODUCT_CREATED KEY_PRODUCT_CREATED ".order-service"
#define QUEUE_PRODUCT_UPDATED KEY_PRODUCT_UPDATED ".order-service"

#define CACHE_PREFIX_PRODUCT "product:"
#define CACHE_PREFIX_ORDERS "orders:product:"

enum {
    CACHE_NAME_BYTES = 48,
    CACHE_PRODUCT_TTL_S = 600,      /* product-redis product:{id} */
    CACHE_PRODUCT_COPY_TTL_S = 300, /* order-redis product:{id} */
    CACHE_ORDERS_TTL_S = 600,       /* order-redis orders:product:{id} */
};

/* "product:7", "orders:product:7" */
void cache_key_product(int64_t product_id, char out[CACHE_NAME_BYTES]);
void cache_key_orders(int64_t product_id, char out[CACHE_NAME_BYTES]);

#endif
