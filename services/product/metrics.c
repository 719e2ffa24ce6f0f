/* The product service's counters by name. */
#include "metrics.h"

#include "contract/books.h"

#define DECIDED "prodorder_orders_decided_total", METRIC_COUNTER, "Orders decided, by outcome"
#define CANCELLED                                                                                  \
    "prodorder_cancellations_total", METRIC_COUNTER,                                               \
        "Cancelled orders, by what became of their stock"
#define LOOKUPS "prodorder_product_cache_lookups_total", METRIC_COUNTER, "Product cache lookups"

struct metric product_metrics[PRODUCT_METRIC_COUNT] = {
    [M_ORDERS_DONE] = { DECIDED, "outcome=\"done\"" },
    [M_ORDERS_OUT_OF_STOCK] = { DECIDED, "outcome=\"out_of_stock\"" },
    [M_ORDERS_PRODUCT_NOT_FOUND] = { DECIDED, "outcome=\"product_not_found\"" },
    [M_ORDERS_REPEATED] = { DECIDED, "outcome=\"repeated\"" },
    [M_ORDERS_CONFLICTING] = { DECIDED, "outcome=\"conflict\"" },
    [M_CANCELLED_RETURNED] = { CANCELLED, "stock=\"returned\"" },
    [M_CANCELLED_KEPT] = { CANCELLED, "stock=\"not_taken\"" },
    [M_CANCELLED_REPEATED] = { CANCELLED, "stock=\"repeated\"" },
    [M_CANCELLED_CONFLICTING] = { CANCELLED, "stock=\"conflict\"" },
    [M_BOOKS_BALANCED] = { "prodorder_books_balanced", METRIC_GAUGE,
                           "1: what this service sees is right, and so was the last audit; else 0",
                           .read = books_balanced },
    [M_PRODUCTS_CREATED] = { "prodorder_products_created_total", METRIC_COUNTER,
                             "Products created" },
    [M_PRODUCTS_CHANGED] = { "prodorder_products_changed_total", METRIC_COUNTER,
                             "Changes of price, name or stock through the API" },
    [M_CACHE_HITS] = { LOOKUPS, "result=\"hit\"" },
    [M_CACHE_MISSES] = { LOOKUPS, "result=\"miss\"" },
    [M_DECISION_BATCH] = { "prodorder_decision_batch_orders", METRIC_HISTOGRAM_SIZE,
                           "Orders decided in one transaction" },
    [M_READ_BATCH] = { "prodorder_product_read_batch_products", METRIC_HISTOGRAM_SIZE,
                       "Product reads answered together" },
};
