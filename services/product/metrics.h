/* The product service's own counters. */
#ifndef PRODUCT_METRICS_H
#define PRODUCT_METRICS_H

#include "runtime/telemetry/metrics.h"

enum product_metric {
    M_ORDERS_DONE,
    M_ORDERS_OUT_OF_STOCK,
    M_ORDERS_PRODUCT_NOT_FOUND,
    M_ORDERS_REPEATED,
    M_ORDERS_CONFLICTING,
    M_CANCELLED_RETURNED,
    M_CANCELLED_KEPT,
    M_CANCELLED_REPEATED,
    M_CANCELLED_CONFLICTING,
    M_BOOKS_BALANCED,
    M_PRODUCTS_CREATED,
    M_PRODUCTS_CHANGED,
    M_CACHE_HITS,
    M_CACHE_MISSES,
    M_DECISION_BATCH,
    M_READ_BATCH,
    PRODUCT_METRIC_COUNT
};

extern struct metric product_metrics[PRODUCT_METRIC_COUNT];

#endif
