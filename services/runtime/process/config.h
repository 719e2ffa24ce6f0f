/*
 * Configuration from the environment (12-factor), in two plain tables: the options that both
 * services have are in config.c, those that a service has besides in its own file. Each is read
 * once, at start, into the variable that it names.
 *
 *   const struct config_option ORDER_OPTIONS[] = {
 *       { "INSERT_BATCH_MAX", CONFIG_INT, &order_config.insert_batch_max, .fallback = "256",
 *         .min = 1, .max = 512, .unit = "orders", .help = "orders in one transaction" },
 *       …
 *   };
 *
 * The tables drive --help (name, type, default, bounds, unit, text) and the check that compares
 * them with .env.example and the README. A missing or malformed value is one line that names the
 * variable, what was found (never for secrets and URLs, which hold passwords) and what is expected.
 * A variable that is set to nothing counts as not set. Text must not contain control characters.
 *
 * A secret may also come from a file, as container platforms hand them out: when DB_PASSWORD is not
 * set and DB_PASSWORD_FILE is, the value is that file's content without one line feed at its end.
 */
#ifndef RUNTIME_PROCESS_CONFIG_H
#define RUNTIME_PROCESS_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_STRING, /* value: const char *, points into the environment or the table */
    CONFIG_SECRET, /* like CONFIG_STRING, never printed; or from the file that NAME_FILE names */
    CONFIG_INT,    /* value: int64_t, decimal, within [min, max] */
    CONFIG_BOOL,   /* value: bool: true|false|1|0|yes|no|on|off */
    CONFIG_ENUM,   /* value: int64_t index into `choices` */
    CONFIG_URL,    /* value: const char *, must start with one of the `choices` schemes, e.g.
                      "amqp://" */
};

struct config_option {
    const char *name;
    enum config_type type;
    void *value;          /* where it goes; its type follows from the option's */
    bool required;        /* no default: must be set and not empty */
    const char *fallback; /* default as text; NULL with !required: empty string / 0 / false */
    int64_t min, max; /* CONFIG_INT bounds, inclusive, min < max; CONFIG_STRING, SECRET, URL: max
                         length in bytes when max > 0 */
    const char *unit; /* "ms", "bytes", … or NULL */
    const char *const *choices; /* NULL-terminated, CONFIG_ENUM and CONFIG_URL */
    const char *help;
    const char *example; /* what .env.example says when there is no default; NULL: nothing */
};

enum { CONFIG_SECRET_FILE_BYTES_MAX = 4096 };

/*
 * Read every option; on failure nothing is stored (unless a secret's file changes meanwhile).
 * Reports all problems, a line each, to `errors` and returns ERR_INVALID; the caller exits with 2.
 * Nothing else is done with the environment. Start-up only.
 */
MUST_CHECK enum err config_read(const struct config_option *options, size_t count, FILE *errors);

/* The --help table. */
void config_print_help(const struct config_option *options, size_t count, FILE *out);
/* `NAME=default` lines with comments, as .env.example has them (used by a check). */
void config_print_env_example(const struct config_option *options, size_t count, FILE *out);

/* ---- what both services have ---- */

enum { EVENTS_BATCH, EVENTS_BARE };
enum { QUEUES_QUORUM, QUEUES_CLASSIC };

struct config_shared {
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
    int64_t db_lock_timeout_ms;
    const char *redis_host;
    int64_t redis_port;
    int64_t redis_deadline_ms;
    const char *rabbitmq_url;
    int64_t rabbitmq_heartbeat_s;
    int64_t rabbitmq_prefetch;
    int64_t rabbitmq_queue_type; /* QUEUES_QUORUM, QUEUES_CLASSIC */
    int64_t consumer_batch_max;
    int64_t events_format; /* EVENTS_BATCH, EVENTS_BARE */
    int64_t events_per_message_max;
    int64_t event_message_bytes_max;
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
};

extern struct config_shared config_shared; /* filled before the service starts */

/* What is a service's own in a shared option: its default, or when required its example. */
struct config_local {
    const char *name; /* NULL ends the list */
    const char *text;
};

enum { CONFIG_OPTIONS_MAX = 64 };

/* The shared options, as they are in this service, and behind them its own; returns how many. */
size_t config_join(const struct config_local *locals, const struct config_option *own,
                   struct config_option ret_options[CONFIG_OPTIONS_MAX]);

#endif
