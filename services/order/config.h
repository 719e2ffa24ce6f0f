/* The order service's configuration; the table is in config.c and drives --help. */
#ifndef ORDER_CONFIG_H
#define ORDER_CONFIG_H

#include "common/config.h"

#include <stddef.h>
#include <stdint.h>

struct order_config {
    const char *service_name;
    int64_t log_level;
    const char *listen_address;
    int64_t port;
    const char *db_host;
    int64_t db_port;
    const char *db_user;
    const char *db_password;
    const char *db_name;
    int64_t db_connections;
    int64_t db_deadline_ms;
    const char *redis_host;
    int64_t redis_port;
    int64_t redis_deadline_ms;
    const char *rabbitmq_url;
    int64_t rabbitmq_heartbeat_s;
    int64_t rabbitmq_prefetch;
    int64_t consumer_batch_max;
    int64_t publish_queue_max;
    int64_t publish_inflight_max;
    int64_t outbox_sweep_ms;
    int64_t http_connections_max;
    int64_t http_body_bytes_max;
    int64_t http_idle_timeout_ms;
    int64_t http_request_timeout_ms;
    int64_t requests_max;
    int64_t request_deadline_ms;
    int64_t drain_timeout_ms;
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
