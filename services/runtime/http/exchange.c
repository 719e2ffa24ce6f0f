#include "base/percent.h"
#include "server_private.h"

#include <assert.h>
#include <string.h>

struct http_connection *http_exchange_connection(const struct http_exchange *exchange) {
    return CONTAINER_OF(exchange, struct http_connection, exchange);
}

static struct str view(const struct http_exchange *exchange, struct http_span span) {
    const struct http_connection *connection = http_exchange_connection(exchange);
    if (span.length == 0) { /* present but empty, or nothing received at all */
        return STR("");
    }
    return (struct str){ buf_bytes(&connection->in) + span.offset, span.length };
}

static const struct http_parser *parser_of(const struct http_exchange *exchange) {
    return &http_exchange_connection(exchange)->parser;
}

/* ---- begin ---- */

/* "/orders?limit=1", or in absolute form "http://host/orders?limit=1": path and query. */
static void split_target(struct http_exchange *exchange) {
    struct str target = view(exchange, parser_of(exchange)->target);
    if (target.data[0] != '/' && target.len > 1) {
        const char *colon = memchr(target.data, ':', target.len); /* the parser has seen "://" */
        size_t skipped = (size_t)(colon - target.data) + strlen("://");
        while (skipped < target.len && target.data[skipped] != '/' && target.data[skipped] != '?') {
            skipped++;
        }
        target = (struct str){ target.data + skipped, target.len - skipped };
    }
    const char *mark = memchr(target.data, '?', target.len);
    size_t path_length = mark == NULL ? target.len : (size_t)(mark - target.data);
    exchange->path = path_length == 0 ? STR("/") : (struct str){ target.data, path_length };
    exchange->query =
        mark == NULL ? STR("") : (struct str){ mark + 1, target.len - path_length - 1 };
}

static void reset(struct http_exchange *exchange) {
    exchange->active = true;
    exchange->route = HTTP_METRICS_NO_ROUTE;
    exchange->path = STR("");
    exchange->query = STR("");
    exchange->match.param_count = 0;
    exchange->request_id_known = false;
    exchange->traceparent_known = false;
    exchange->tracestate = NULL;
    exchange->started_us = clock_monotonic_us();
}

/* Only a path with a '%' needs it. */
static enum err normalize_path(struct http_exchange *exchange) {
    struct str path = exchange->path;
    if (memchr(path.data, '%', path.len) == NULL) {
        return ERR_OK;
    }
    size_t length = 0;
    char *bytes = arena_alloc(&exchange->arena, path.len);
    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    if (!http_percent_normalize(path, bytes, &length)) {
        return ERR_INVALID;
    }
    exchange->path = (struct str){ bytes, length };
    return ERR_OK;
}

void http_exchange_begin(struct http_exchange *exchange) {
    struct http_server *server = http_exchange_connection(exchange)->server;
    reset(exchange);
    split_target(exchange);
    enum err err = normalize_path(exchange);
    if (err != ERR_OK) {
        http_reply_error(exchange, err,
                         err == ERR_INVALID ? "The path has a malformed percent-encoding" : NULL,
                         NULL);
        return;
    }
    err =
        http_router_match(server->router, http_method(exchange), exchange->path, &exchange->match);
    if (err == ERR_METHOD) {
        char allow[HTTP_ALLOW_BYTES_MAX];
        http_router_allow(server->router, exchange->path, allow);
        http_reply_status(exchange, 405, err_message(ERR_METHOD), NULL, allow);
        return;
    }
    if (err != ERR_OK) {
        exchange->match.param_count = 0;
        http_reply_error(exchange, err, err == ERR_NOT_FOUND ? "There is no such resource" : NULL,
                         NULL);
        return;
    }
    const struct http_route *route = &server->options.routes[exchange->match.route];
    exchange->route = exchange->match.route;
    route->handler(exchange, route->ctx);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *message) {
    http_exchange_connection(exchange)->closing = true;
    reset(exchange);
    http_reply_status(exchange, status, message, NULL, NULL);
}

/* ---- what handlers ask ---- */

struct str http_method(const struct http_exchange *exchange) {
    return view(exchange, parser_of(exchange)->method);
}

struct str http_path(const struct http_exchange *exchange) {
    return exchange->path;
}

struct str http_query(const struct http_exchange *exchange) {
    return exchange->query;
}

struct str http_body(const struct http_exchange *exchange) {
    return view(exchange, parser_of(exchange)->body);
}

struct str http_header(const struct http_exchange *exchange, const char *name) {
    const struct http_connection *connection = http_exchange_connection(exchange);
    const struct http_header *header =
        http_parser_find(&connection->parser, buf_bytes(&connection->in), name);
    return header == NULL ? (struct str){ NULL, 0 } : view(exchange, header->value);
}

struct str http_path_param(const struct http_exchange *exchange, size_t index) {
    assert(index < exchange->match.param_count);
    return exchange->match.params[index];
}

const char *http_route_name(const struct http_exchange *exchange) {
    const struct http_server *server = http_exchange_connection(exchange)->server;
    return exchange->route == HTTP_METRICS_NO_ROUTE ? "none"
                                                    : server->options.routes[exchange->route].name;
}

struct arena *http_arena(struct http_exchange *exchange) {
    return &exchange->arena;
}

uint64_t http_started_us(const struct http_exchange *exchange) {
    return exchange->started_us;
}

/* RFC 9110 §8.3.1: the media type ends at white space or at its parameters. */
bool http_body_is_json(const struct http_exchange *exchange) {
    static const char json[] = "application/json";
    struct str type = http_header(exchange, "Content-Type");
    size_t length = sizeof(json) - 1;
    if (type.len < length || strncasecmp(type.data, json, length) != 0) {
        return false;
    }
    while (length < type.len && (type.data[length] == ' ' || type.data[length] == '\t')) {
        length++;
    }
    return length == type.len || type.data[length] == ';';
}

/* The value of a header that is there exactly once. */
static struct str single_header(const struct http_exchange *exchange, const char *name) {
    const struct http_connection *connection = http_exchange_connection(exchange);
    const struct http_header *header;
    if (!http_parser_find_single(&connection->parser, buf_bytes(&connection->in), name, &header)) {
        return (struct str){ NULL, 0 };
    }
    return view(exchange, header->value);
}

const char *http_request_id(struct http_exchange *exchange) {
    if (exchange->request_id_known) {
        return exchange->request_id;
    }
    struct str given = single_header(exchange, "X-Request-Id");
    if (trace_request_id_is_valid(given)) {
        memcpy(exchange->request_id, given.data, given.len);
        exchange->request_id[given.len] = '\0';
    } else {
        clock_uuid4(exchange->request_id);
    }
    exchange->request_id_known = true;
    return exchange->request_id;
}

const char *http_traceparent(struct http_exchange *exchange) {
    if (!exchange->traceparent_known) {
        struct str given = single_header(exchange, "traceparent");
        if (given.data == NULL || !trace_parent_read(given, exchange->traceparent)) {
            exchange->traceparent[0] = '\0';
        }
        exchange->traceparent_known = true;
    }
    return exchange->traceparent;
}

static const char *read_tracestate(struct http_exchange *exchange) {
    const struct http_connection *connection = http_exchange_connection(exchange);
    const char *bytes = buf_bytes(&connection->in);
    const struct http_header *header = http_parser_find(&connection->parser, bytes, "tracestate");
    if (header == NULL || http_traceparent(exchange)[0] == '\0') {
        return "";
    }
    struct trace_state state = { 0 };
    for (; header != NULL;
         header = http_parser_find_next(&connection->parser, bytes, "tracestate", header)) {
        trace_state_add(&state, view(exchange, header->value));
    }
    const char *text = arena_copy(&exchange->arena, state.text, state.length);
    return text == NULL ? "" : text;
}

const char *http_tracestate(struct http_exchange *exchange) {
    if (exchange->tracestate == NULL) {
        exchange->tracestate = read_tracestate(exchange);
    }
    return exchange->tracestate;
}

struct trace http_trace(struct http_exchange *exchange) {
    return (struct trace){ .request_id = http_request_id(exchange),
                           .parent = http_traceparent(exchange),
                           .state = http_tracestate(exchange) };
}
