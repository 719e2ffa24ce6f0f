/* /livez, /readyz and /metrics. */
#include "backends.h"

#include "base/buf.h"
#include "base/json_write.h"
#include "runtime/http/http.h"
#include "runtime/telemetry/metrics.h"

enum { RETRY_AFTER_S = 1 };

static bool database_is_up(void) {
    return pg_is_ready(backends.pg);
}

static bool cache_is_up(void) {
    return cache_is_ready(backends.cache);
}

static bool broker_is_up(void) {
    return broker_publish_state(backends.broker) == BROKER_UP &&
           broker_is_consuming(backends.broker);
}

static const struct {
    const char *name;
    bool required;
    bool (*is_up)(void);
} COMPONENTS[] = {
    { "database", true, database_is_up },
    { "cache", false, cache_is_up },
    { "broker", false, broker_is_up },
};

enum { COMPONENT_COUNT = sizeof(COMPONENTS) / sizeof(COMPONENTS[0]) };

static void reply_buffer(struct http_exchange *exchange, int status, const char *content_type,
                         struct buf *out) {
    struct http_reply reply = {
        .status = status,
        .content_type = content_type,
        .body = buf_bytes(out),
        .body_length = buf_length(out),
        .retry_after_s = status == 503 ? RETRY_AFTER_S : 0,
    };
    if (out->failed) {
        http_reply_error(exchange, ERR_NO_MEMORY, NULL, NULL);
    } else {
        http_reply(exchange, &reply);
    }
    buf_free(out);
}

void health_get_livez(struct http_exchange *exchange, void *ctx) {
    static const char BODY[] = "{\"status\":\"alive\"}";
    (void)ctx;
    http_reply(exchange, &(struct http_reply){
                             .status = 200, .body = BODY, .body_length = sizeof(BODY) - 1 });
}

static const char *overall(bool *ret_serving) {
    bool all_up = true;
    *ret_serving = !backends.is_draining;
    for (size_t i = 0; i < COMPONENT_COUNT; i++) {
        bool up = COMPONENTS[i].is_up();
        all_up = all_up && up;
        *ret_serving = *ret_serving && (up || !COMPONENTS[i].required);
    }
    if (backends.is_draining) {
        return "draining";
    }
    if (!*ret_serving) {
        return "unavailable";
    }
    return all_up ? "ready" : "degraded";
}

void health_get_readyz(struct http_exchange *exchange, void *ctx) {
    struct buf out;
    struct json_writer writer;
    bool serving;
    (void)ctx;
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_object(&writer, NULL);
    json_write_str(&writer, "status", overall(&serving));
    json_write_begin_object(&writer, "components");
    for (size_t i = 0; i < COMPONENT_COUNT; i++) {
        json_write_str(&writer, COMPONENTS[i].name, COMPONENTS[i].is_up() ? "up" : "down");
    }
    json_write_end_object(&writer);
    json_write_end_object(&writer);
    reply_buffer(exchange, serving ? 200 : 503, NULL, &out);
}

void health_get_metrics(struct http_exchange *exchange, void *ctx) {
    struct buf out;
    (void)ctx;
    buf_init(&out, 0);
    metrics_render(&out);
    reply_buffer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}
