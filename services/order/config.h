/* The order service's configuration; the table is in config.c and drives --help. */
#ifndef ORDER_CONFIG_H
#define ORDER_CONFIG_H

#include "runtime/process/config_shared.h"

#include <stddef.h>
#include <stdint.h>

struct order_config {
    CONFIG_SHARED;
    const char *product_service_url;
    int64_t product_deadline_ms;
    int64_t insert_batch_max;
    int64_t insert_inflight_max;
    int64_t reconcile_interval_ms;
    int64_t reconcile_after_ms;
};

extern struct order_config order_config;
extern const struct config_option ORDER_OPTIONS[];
extern const size_t ORDER_OPTION_COUNT;

#endif
