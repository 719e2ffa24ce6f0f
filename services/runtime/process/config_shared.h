/*
 * The options that every service of this kind has. A service begins its config struct with
 * CONFIG_SHARED, defines AT(member) as the offset of a member in it, and puts
 * CONFIG_SHARED_OPTIONS() into its table, with its name and, for .env.example, the values that it
 * has on a developer's machine.
 */
#ifndef RUNTIME_PROCESS_CONFIG_SHARED_H
#define RUNTIME_PROCESS_CONFIG_SHARED_H

#include "config.h"

#include <stddef.h>
#include <stdint.h>

extern const char *const CONFIG_LOG_LEVELS[];
extern const char *const CONFIG_AMQP_SCHEMES[];

/* clang-format off */
/* The members that these options fill. */
#define CONFIG_SHARED_MEMBERS \
    const char *service_name; \
    int64_t log_level; \
    const char *listen_address; \
    int64_t port; \
    const char *db_host; \
    int64_t db_port; \
    const char *db_user; \
    const char *db_password; \
    const char *db_name; \
    int64_t db_connections; \
    int64_t db_deadline_ms; \
    const char *redis_host; \
    int64_t redis_port; \
    int64_t redis_deadline_ms; \
    const char *rabbitmq_url; \
    int64_t rabbitmq_heartbeat_s; \
    int64_t rabbitmq_prefetch; \
    int64_t consumer_batch_max; \
    int64_t publish_queue_max; \
    int64_t publish_inflight_max; \
    int64_t outbox_sweep_ms; \
    int64_t http_connections_max; \
    int64_t http_body_bytes_max; \
    int64_t http_idle_timeout_ms; \
    int64_t http_request_timeout_ms; \
    int64_t requests_max; \
    int64_t request_deadline_ms; \
    int64_t drain_timeout_ms

struct config_shared {
    CONFIG_SHARED_MEMBERS;
};

/* In a service's config struct: the members, as its own and, in one, as `shared`. */
#define CONFIG_SHARED \
    union { \
        struct config_shared shared; \
        struct { CONFIG_SHARED_MEMBERS; }; \
    }

#define CONFIG_SHARED_OPTIONS(name, example_port, example_db_port, example_db, example_redis_port) \
    { "PORT", CONFIG_INT, AT(port), .required = true, .example = example_port, \
      .min = 1, .max = 65535, .help = "TCP port of the HTTP server" }, \
    { "DB_HOST", CONFIG_STRING, AT(db_host), .required = true, .example = "127.0.0.1", .max = 253, \
      .help = "PostgreSQL host" }, \
    { "DB_PORT", CONFIG_INT, AT(db_port), .required = true, .example = example_db_port, \
      .min = 1, .max = 65535, .help = "PostgreSQL port" }, \
    { "DB_USER", CONFIG_STRING, AT(db_user), .required = true, .example = example_db, .max = 63, \
      .help = "PostgreSQL role; it must own the schema" }, \
    { "DB_PASSWORD", CONFIG_SECRET, AT(db_password), .required = true, .example = "change-me", \
      .max = 1024, .help = "its password, unless DB_PASSWORD_FILE names a file that holds it" }, \
    { "DB_NAME", CONFIG_STRING, AT(db_name), .required = true, .example = example_db, .max = 63, \
      .help = "database of this service" }, \
    { "REDIS_HOST", CONFIG_STRING, AT(redis_host), .required = true, .example = "127.0.0.1", \
      .max = 253, .help = "Redis host; the instance belongs to this service" }, \
    { "REDIS_PORT", CONFIG_INT, AT(redis_port), .required = true, .example = example_redis_port, \
      .min = 1, .max = 65535, .help = "Redis port" }, \
    { "RABBITMQ_URL", CONFIG_URL, AT(rabbitmq_url), .required = true, \
      .example = "amqp://guest:guest@127.0.0.1:5673/", .max = 1024, \
      .choices = CONFIG_AMQP_SCHEMES, .help = "amqp://user:password@host:port/vhost" }, \
    { "SERVICE_NAME", CONFIG_STRING, AT(service_name), .fallback = name, .max = 63, \
      .help = "name in logs and at the broker" }, \
    { "LISTEN_ADDRESS", CONFIG_STRING, AT(listen_address), .fallback = "127.0.0.1", .max = 45, \
      .help = "numeric address to listen on; 0.0.0.0 inside a container" }, \
    { "LOG_LEVEL", CONFIG_ENUM, AT(log_level), .fallback = "info", .choices = CONFIG_LOG_LEVELS, \
      .help = "least severe level that is logged" }, \
    { "DB_CONNECTIONS", CONFIG_INT, AT(db_connections), .fallback = "8", .min = 2, .max = 64, \
      .help = "connections to PostgreSQL" }, \
    { "DB_DEADLINE_MS", CONFIG_INT, AT(db_deadline_ms), .fallback = "5000", \
      .min = 100, .max = 60000, .unit = "ms", .help = "statement timeout" }, \
    { "REDIS_DEADLINE_MS", CONFIG_INT, AT(redis_deadline_ms), .fallback = "1000", \
      .min = 10, .max = 60000, \
      .unit = "ms", .help = "Redis counts as down when it does not answer for so long" }, \
    { "RABBITMQ_HEARTBEAT_S", CONFIG_INT, AT(rabbitmq_heartbeat_s), .fallback = "15", \
      .min = 1, .max = 600, .unit = "s", .help = "heartbeat of the broker connections" }, \
    { "RABBITMQ_PREFETCH", CONFIG_INT, AT(rabbitmq_prefetch), .fallback = "1000", \
      .min = 1, .max = 65535, .unit = "messages", .help = "unacknowledged deliveries per queue" }, \
    { "CONSUMER_BATCH_MAX", CONFIG_INT, AT(consumer_batch_max), .fallback = "500", \
      .min = 1, .max = 512, .unit = "messages", .help = "events in one transaction" }, \
    { "PUBLISH_QUEUE_MAX", CONFIG_INT, AT(publish_queue_max), .fallback = "16384", \
      .min = 16, .max = 1000000, .unit = "messages", \
      .help = "events waiting in memory for the broker; more wait in the outbox" }, \
    { "PUBLISH_INFLIGHT_MAX", CONFIG_INT, AT(publish_inflight_max), .fallback = "5000", \
      .min = 1, .max = 65535, .unit = "messages", .help = "events sent and not yet confirmed" }, \
    { "OUTBOX_SWEEP_MS", CONFIG_INT, AT(outbox_sweep_ms), .fallback = "1000", \
      .min = 50, .max = 60000, \
      .unit = "ms", .help = "how often the outbox is searched for events left behind" }, \
    { "HTTP_CONNECTIONS_MAX", CONFIG_INT, AT(http_connections_max), .fallback = "4096", \
      .min = 1, .max = 100000, \
      .unit = "connections", .help = "open client connections; more get 503" }, \
    { "HTTP_BODY_BYTES_MAX", CONFIG_INT, AT(http_body_bytes_max), .fallback = "1048576", \
      .min = 1024, .max = 67108864, \
      .unit = "bytes", .help = "largest request body; more is 413" }, \
    { "HTTP_IDLE_TIMEOUT_MS", CONFIG_INT, AT(http_idle_timeout_ms), .fallback = "75000", \
      .min = 100, .max = 3600000, \
      .unit = "ms", .help = "a kept-alive connection without a request is closed" }, \
    { "HTTP_REQUEST_TIMEOUT_MS", CONFIG_INT, AT(http_request_timeout_ms), .fallback = "10000", \
      .min = 100, .max = 600000, \
      .unit = "ms", .help = "from a request's first byte to its last; slower is 408" }, \
    { "REQUESTS_MAX", CONFIG_INT, AT(requests_max), .fallback = "4096", .min = 1, .max = 100000, \
      .unit = "requests", .help = "requests of one kind under way; more get 503" }, \
    { "REQUEST_DEADLINE_MS", CONFIG_INT, AT(request_deadline_ms), .fallback = "8000", \
      .min = 50, .max = 600000, .unit = "ms", .help = "time for one request; slower is 503" }, \
    { "DRAIN_TIMEOUT_MS", CONFIG_INT, AT(drain_timeout_ms), .fallback = "9000", \
      .min = 100, .max = 600000, .unit = "ms", .help = "time to finish after SIGTERM" }
/* clang-format on */

#endif
