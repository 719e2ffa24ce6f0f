#include "server_private.h"

#include "runtime/json/json.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <string.h>

enum { RETRY_AFTER_S = 1, ERROR_BYTES_MAX = 64 * 1024 };

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

static bool has_body(int status) { /* RFC 9110 §6.4.1 */
    return status >= 200 && status != 204 && status != 304;
}

/* ---- head ---- */

#define APPEND(out, literal) buf_append(out, literal, sizeof(literal) - 1)

static void append_header(struct buf *out, const char *name_and_colon, const char *value) {
    if (value == NULL) {
        return;
    }
    assert(strpbrk(value, "\r\n") == NULL);
    buf_append_str(out, name_and_colon);
    buf_append_str(out, value);
    APPEND(out, "\r\n");
}

static void append_status_line(struct buf *out, int status) {
    APPEND(out, "HTTP/1.1 ");
    buf_append_int(out, status);
    APPEND(out, " ");
    buf_append_str(out, reason(status));
    APPEND(out, "\r\nDate: ");
}

static void append_head(struct http_connection *connection, const struct http_reply *reply) {
    struct buf *out = &connection->out;
    append_status_line(out, reply->status);
    buf_append(out, http_server_date(connection->server), HTTP_DATE_BYTES - 1);
    APPEND(out, "\r\nX-Request-Id: ");
    buf_append_str(out, http_request_id(&connection->exchange));
    APPEND(out, "\r\nCache-Control: no-store\r\n");
    if (has_body(reply->status)) {
        const char *type = reply->content_type;
        append_header(out, "Content-Type: ", type == NULL ? "application/json" : type);
        APPEND(out, "Content-Length: ");
        buf_append_int(out, (int64_t)reply->body_length);
        APPEND(out, "\r\n");
    }
    append_header(out, "Location: ", reply->location);
    append_header(out, "ETag: ", reply->etag);
    append_header(out, "Link: ", reply->link);
    append_header(out, "Allow: ", reply->allow);
    if (reply->retry_after_s > 0) {
        APPEND(out, "Retry-After: ");
        buf_append_int(out, reply->retry_after_s);
        APPEND(out, "\r\n");
    }
    if (connection->closing) {
        APPEND(out, "Connection: close\r\n");
    } else if (connection->parser.version_minor == 0) {
        APPEND(out, "Connection: keep-alive\r\n");
    }
    APPEND(out, "\r\n");
}

/* ---- answers ---- */

/*
 * While draining, pipelined requests that are here already are answered too, for the time of the
 * grace.
 */
static bool drain_ends(const struct http_connection *connection) {
    const struct http_server *server = connection->server;
    return server->draining &&
           (buf_length(&connection->in) <= connection->parser.message_bytes ||
            loop_now_ms(server->loop) - server->drain_started_ms >= HTTP_DRAIN_GRACE_MS);
}

static void write_answer(struct http_connection *connection, const struct http_reply *reply) {
    struct http_exchange *exchange = &connection->exchange;
    if (!connection->parser.keep_alive || drain_ends(connection)) {
        connection->closing = true;
    }
    append_head(connection, reply);
    if (has_body(reply->status) && !str_equal(http_method(exchange), STR("HEAD"))) {
        buf_append(&connection->out, reply->body, reply->body_length);
    }
    if (connection->out.failed) {
        log_error("answer dropped: no memory for it",
                  LOG_STR("requestId", http_request_id(exchange)),
                  LOG_INT("bytes", reply->body_length));
        http_connection_close(connection);
    }
}

void http_reply(struct http_exchange *exchange, const struct http_reply *reply) {
    struct http_connection *connection = http_exchange_connection(exchange);
    uint64_t took_us = clock_monotonic_us() - exchange->started_us;
    assert(exchange->active);
    assert(reply->status >= 200 && reply->status <= 599);
    assert(reply->body != NULL || reply->body_length == 0);
    http_metrics_request(connection->server->metrics, exchange->route, reply->status, took_us);
    if (connection->fd >= 0) {
        write_answer(connection, reply);
    }
    log_debug("request answered", LOG_STR("requestId", http_request_id(exchange)),
              LOG_STR("route", http_route_name(exchange)), LOG_INT("status", reply->status),
              LOG_INT("took_us", took_us), LOG_BOOL("gone", connection->fd < 0));
    http_connection_answered(connection);
}

/* Every error that is answered; successes are the use cases' to log. */
static void note_refusal(struct http_exchange *exchange, int status, const char *message) {
    if (!log_enabled(LOG_INFO)) {
        return;
    }
    struct trace_ids ids = trace_ids_of(str_of(http_traceparent(exchange)));
    log_info("request refused", LOG_STR("requestId", http_request_id(exchange)), LOG_TRACE(ids),
             LOG_STR("route", http_route_name(exchange)), LOG_INT("status", status),
             LOG_STR("message", message),
             LOG_INT("us", clock_monotonic_us() - exchange->started_us));
}

void http_reply_status(struct http_exchange *exchange, int status, const char *message,
                       const char *errors_json, const char *allow) {
    struct json_writer writer;
    struct buf body;
    buf_init(&body, ERROR_BYTES_MAX);
    json_writer_init(&writer, &body);
    json_begin_object(&writer, NULL);
    json_write_int(&writer, "statusCode", status);
    json_write_str(&writer, "message", message);
    if (errors_json != NULL) {
        json_write_raw(&writer, "errors", errors_json, strlen(errors_json));
    }
    json_end_object(&writer);
    struct http_reply reply = {
        .status = status,
        .body = body.failed ? "{}" : buf_bytes(&body),
        .body_length = body.failed ? strlen("{}") : buf_length(&body),
        .allow = allow,
        .retry_after_s = status == 503 ? RETRY_AFTER_S : 0,
    };
    /* what is wrong with a body is said in the body's own words: not for the log */
    note_refusal(exchange, status, errors_json == NULL ? message : err_message(ERR_INVALID));
    http_reply(exchange, &reply);
    buf_free(&body);
}

void http_reply_error(struct http_exchange *exchange, enum err err, const char *message,
                      const char *errors_json) {
    http_reply_status(exchange, err_http_status(err), message == NULL ? err_message(err) : message,
                      errors_json, NULL);
}
