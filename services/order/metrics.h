/* The order service's own counters. */
#ifndef ORDER_METRICS_H
#define ORDER_METRICS_H

#include "runtime/telemetry/metrics.h"

enum order_metric {
    M_ORDERS_STORED,
    M_ORDERS_REPLAYED,
    M_ORDERS_DONE,
    M_ORDERS_REJECTED,
    M_ORDERS_CANCELLED,
    M_CANCELLATIONS_TOLD_AGAIN,
    M_ORDERS_TOLD_AGAIN,
    M_ORDERS_UNKNOWN,
    M_PRODUCT_HITS,
    M_PRODUCT_MISSES,
    M_PRODUCT_FETCHES,
    M_LIST_HITS,
    M_LIST_MISSES,
    M_INSERT_BATCH,
    M_ORDERS_WAITING,
    M_OLDEST_WAITING,
    M_BOOKS_BALANCED,
    M_HOLD_SECONDS,
    M_FINISH_BATCH,
    M_FULFILMENT_SECONDS,
    ORDER_METRIC_COUNT
};

extern struct metric order_metrics[ORDER_METRIC_COUNT];

#endif
