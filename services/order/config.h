/* What of the configuration only the order service has; the table is in config.c. */
#ifndef ORDER_CONFIG_H
#define ORDER_CONFIG_H

#include "runtime/process/config.h"

#include <stdint.h>

struct order_config {
    const char *product_service_url;
    int64_t product_deadline_ms;
    int64_t insert_batch_max;
    int64_t insert_inflight_max;
    int64_t reconcile_interval_ms;
    int64_t reconcile_after_ms;
    int64_t orders_waiting_max;
};

extern struct order_config order_config;
extern const struct config_option ORDER_OPTIONS[]; /* a name NULL ends them */

#endif
