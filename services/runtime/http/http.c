/* What a handler sees of a request, and how it answers: http.h. */
#include "base/buf.h"
#include "base/json_write.h"
#include "base/percent.h"
#include "base/random.h"
#include "runtime/telemetry/log.h"
#include "server_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { RETRY_AFTER_S = 1, ERROR_BYTES_MAX = 64 * 1024 };

static struct http_connection *connection_of(const struct http_exchange *exchange) {
    return CONTAINER_OF(exchange, struct http_connection, exchange);
}

static struct str view(const struct http_exchange *exchange, struct http_span span) {
    if (span.length == 0) { /* present but empty, or nothing received at all */
        return STR("");
    }
    return (struct str){ buf_bytes(&connection_of(exchange)->in) + span.offset, span.length };
}

static const struct http_parser *parser_of(const struct http_exchange *exchange) {
    return &connection_of(exchange)->parser;
}

/* {"statusCode":…,"message":"…","errors":…}; the last two may be NULL. 503 gets Retry-After. */
static void reply_status(struct http_exchange *exchange, int status, const char *message,
                         const char *errors_json, const char *allow);

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
    exchange->route = NULL;
    exchange->path = STR("");
    exchange->query = STR("");
    exchange->match.param_count = 0;
    exchange->request_id[0] = '\0';
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
    if (!percent_normalize(path, bytes, &length)) {
        return ERR_INVALID;
    }
    exchange->path = (struct str){ bytes, length };
    return ERR_OK;
}

void http_exchange_begin(struct http_exchange *exchange) {
    struct http_server *server = connection_of(exchange)->server;
    char allow[HTTP_ALLOW_BYTES_MAX];
    reset(exchange);
    split_target(exchange);
    enum err err = normalize_path(exchange);
    if (err == ERR_OK) {
        err = http_router_match(server->router, http_method(exchange), exchange->path,
                                &exchange->match);
    }
    if (err == ERR_OK) {
        exchange->route = &server->options.routes[exchange->match.route];
        exchange->route->handler(exchange, exchange->route->ctx);
        return;
    }
    exchange->match.param_count = 0;
    if (err == ERR_METHOD) {
        http_router_allow(server->router, exchange->path, allow);
    }
    const char *message = err == ERR_INVALID     ? "The path has a malformed percent-encoding"
                          : err == ERR_NOT_FOUND ? "There is no such resource"
                                                 : err_message(err);
    reply_status(exchange, err_http_status(err), message, NULL, err == ERR_METHOD ? allow : NULL);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *message) {
    connection_of(exchange)->closing = true;
    reset(exchange);
    reply_status(exchange, status, message, NULL, NULL);
}

/* ---- the request ---- */

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

/* The first of that name behind `after`; NULL: none. */
static const struct http_header *find(const struct http_exchange *exchange, const char *name,
                                      const struct http_header *after) {
    const struct http_connection *connection = connection_of(exchange);
    return http_parser_find(&connection->parser, buf_bytes(&connection->in), name, after);
}

struct str http_header(const struct http_exchange *exchange, const char *name) {
    const struct http_header *header = find(exchange, name, NULL);
    return header == NULL ? (struct str){ NULL, 0 } : view(exchange, header->value);
}

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

/* `wait=5`, `WAIT = "5"; x`, at most `max_s`; -1: it is another preference, or malformed. */
static int64_t read_wait(struct str one, unsigned max_s) {
    static const char NAME[] = "wait";
    const char *end = one.data + one.len, *at = skip_space(one.data, end);
    int64_t seconds = 0;
    if ((size_t)(end - at) < sizeof(NAME) || strncasecmp(at, NAME, sizeof(NAME) - 1) != 0) {
        return -1;
    }
    at = skip_space(at + sizeof(NAME) - 1, end);
    if (at == end || *at != '=') {
        return -1;
    }
    at = skip_space(at + 1, end);
    bool is_quoted = at < end && *at == '"';
    const char *first = at += is_quoted;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        seconds = seconds * 10 + (*at - '0');
        seconds = seconds > max_s ? max_s : seconds;
    }
    if (at == first || (is_quoted && (at == end || *at != '"'))) {
        return -1;
    }
    at = skip_space(at + is_quoted, end);
    return at == end || *at == ';' ? seconds : -1;
}

/* Up to a comma that is in no quoted string (RFC 9110 §5.6.4), or all of it. */
static size_t element_length(struct str list) {
    bool is_quoted = false;
    size_t i = 0;
    for (; i < list.len && (is_quoted || list.data[i] != ','); i++) {
        if (list.data[i] == '"') {
            is_quoted = !is_quoted;
        } else if (list.data[i] == '\\' && is_quoted && i + 1 < list.len) {
            i++;
        }
    }
    return i;
}

unsigned http_prefer_wait_s(const struct http_exchange *exchange, unsigned max_s) {
    const struct http_header *header = find(exchange, "Prefer", NULL);
    for (; header != NULL; header = find(exchange, "Prefer", header)) {
        struct str list = view(exchange, header->value);
        while (list.len > 0) {
            size_t length = element_length(list);
            int64_t seconds = read_wait((struct str){ list.data, length }, max_s);
            if (seconds >= 0) {
                return (unsigned)seconds;
            }
            length += length < list.len; /* the comma */
            list = (struct str){ list.data + length, list.len - length };
        }
    }
    return 0;
}

struct str http_path_param(const struct http_exchange *exchange, size_t index) {
    assert(index < exchange->match.param_count);
    return exchange->match.params[index];
}

const char *http_route_name(const struct http_exchange *exchange) {
    return exchange->route == NULL ? "none" : exchange->route->name;
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
    const struct http_header *header = find(exchange, name, NULL);
    bool is_single = header != NULL && find(exchange, name, header) == NULL;
    return is_single ? view(exchange, header->value) : (struct str){ NULL, 0 };
}

const char *http_request_id(struct http_exchange *exchange) {
    if (exchange->request_id[0] != '\0') {
        return exchange->request_id;
    }
    struct str given = single_header(exchange, "X-Request-Id");
    if (trace_request_id_is_valid(given)) {
        memcpy(exchange->request_id, given.data, given.len);
        exchange->request_id[given.len] = '\0';
    } else {
        random_uuid(exchange->request_id);
    }
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
    const struct http_header *header = find(exchange, "tracestate", NULL);
    if (header == NULL || http_traceparent(exchange)[0] == '\0') {
        return "";
    }
    struct trace_state state = { 0 };
    for (; header != NULL; header = find(exchange, "tracestate", header)) {
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

/* ---- parameters ---- */

static bool name_is(struct str encoded, const char *name) {
    size_t position = 0;
    for (; position < encoded.len; name++) {
        int byte = percent_next(encoded, &position);
        if (*name == '\0' || byte != (unsigned char)*name) {
            return false;
        }
    }
    return *name == '\0';
}

/* No value of ours contains %00, which C strings would hide. */
static enum err decode(struct arena *arena, struct str encoded, struct str *ret_value) {
    char *bytes = arena_alloc(arena, encoded.len + 1);
    size_t length = 0;
    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    if (!percent_decode(encoded, bytes, &length) || memchr(bytes, '\0', length) != NULL) {
        return ERR_INVALID;
    }
    bytes[length] = '\0';
    *ret_value = (struct str){ bytes, length };
    return ERR_OK;
}

enum err http_query_param(struct http_exchange *exchange, const char *name, struct str *ret_value) {
    struct str rest = http_query(exchange);
    struct str found = { NULL, 0 };
    while (rest.len > 0) {
        const char *ampersand = memchr(rest.data, '&', rest.len);
        size_t length = ampersand == NULL ? rest.len : (size_t)(ampersand - rest.data);
        const char *equals = memchr(rest.data, '=', length);
        size_t name_length = equals == NULL ? length : (size_t)(equals - rest.data);
        if (name_is((struct str){ rest.data, name_length }, name)) {
            if (found.data != NULL) {
                return ERR_INVALID;
            }
            size_t skipped = equals == NULL ? length : name_length + 1;
            found = (struct str){ rest.data + skipped, length - skipped };
        }
        length += ampersand != NULL;
        rest = (struct str){ rest.data + length, rest.len - length };
    }
    return found.data == NULL ? ERR_NOT_FOUND : decode(http_arena(exchange), found, ret_value);
}

/* Digits only, no leading zero, at most INT64_MAX. */
static enum err parse_digits(struct str text, int64_t *ret_value) {
    int64_t value = 0;
    if (text.len == 0 || text.len > 19 || (text.data[0] == '0' && text.len > 1)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, c - '0', &value)) {
            return ERR_INVALID;
        }
    }
    *ret_value = value;
    return ERR_OK;
}

enum err http_path_id(const struct http_exchange *exchange, size_t index, int64_t *ret_id) {
    int64_t id = 0;
    if (parse_digits(http_path_param(exchange, index), &id) != ERR_OK || id == 0) {
        return ERR_INVALID;
    }
    *ret_id = id;
    return ERR_OK;
}

enum err http_query_int(struct http_exchange *exchange, const char *name, int64_t min, int64_t max,
                        int64_t fallback, int64_t *ret_value) {
    struct str text;
    int64_t value = 0;
    enum err err = http_query_param(exchange, name, &text);
    if (err == ERR_NOT_FOUND) {
        *ret_value = fallback;
        return ERR_OK;
    }
    if (err != ERR_OK || parse_digits(text, &value) != ERR_OK || value < min || value > max) {
        return ERR_INVALID;
    }
    *ret_value = value;
    return ERR_OK;
}

/* ---- page cursors ---- */

/* FNV-1a, 64 bits, with a final mix so that every digit depends on every byte. */
static uint64_t checksum(struct http_cursor cursor, const char *scope) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    unsigned char position[sizeof(cursor)];
    memcpy(position, &cursor, sizeof(cursor));
    for (size_t i = 0; i < sizeof(position); i++) {
        hash = (hash ^ position[i]) * UINT64_C(0x100000001b3);
    }
    for (; *scope != '\0'; scope++) {
        hash = (hash ^ (unsigned char)*scope) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 33);
}

void http_cursor_format(struct http_cursor cursor, const char *scope, char out[HTTP_CURSOR_BYTES]) {
    snprintf(out, HTTP_CURSOR_BYTES, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
             (uint64_t)cursor.major, (uint64_t)cursor.minor, checksum(cursor, scope));
}

/* It is ours when it is what we would have written. */
enum err http_cursor_parse(struct str text, const char *scope, struct http_cursor *ret_cursor) {
    char given[HTTP_CURSOR_BYTES], ours[HTTP_CURSOR_BYTES];
    uint64_t major, minor;
    if (text.len != HTTP_CURSOR_BYTES - 1) {
        return ERR_INVALID;
    }
    memcpy(given, text.data, text.len);
    given[text.len] = '\0';
    if (sscanf(given, "%16" SCNx64 "%16" SCNx64, &major, &minor) != 2) {
        return ERR_INVALID;
    }
    struct http_cursor cursor = { (int64_t)major, (int64_t)minor };
    http_cursor_format(cursor, scope, ours);
    if (strcmp(given, ours) != 0) {
        return ERR_INVALID;
    }
    *ret_cursor = cursor;
    return ERR_OK;
}

/* ---- the head of an answer ---- */

static bool has_body(int status) { /* RFC 9110 §6.4.1 */
    return status >= 200 && status != 204 && status != 304;
}

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
    buf_append_str(out, err_status_title(status));
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
    if (reply->waited_s > 0) {
        APPEND(out, "Preference-Applied: wait=");
        buf_append_int(out, reply->waited_s);
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
    struct http_connection *connection = connection_of(exchange);
    uint64_t took_us = clock_monotonic_us() - exchange->started_us;
    assert(exchange->active);
    assert(reply->status >= 200 && reply->status <= 599);
    assert(reply->body != NULL || reply->body_length == 0);
    http_server_count(connection->server, exchange->route, reply->status, took_us);
    if (connection->fd >= 0) {
        write_answer(connection, reply);
    }
    log_debug("request answered", LOG_STR("requestId", http_request_id(exchange)),
              LOG_STR("route", http_route_name(exchange)), LOG_INT("status", reply->status),
              LOG_INT("took_us", took_us), LOG_BOOL("gone", connection->fd < 0));
    http_connection_answered(connection);
}

/* Every error that is answered; successes are the use cases' to log. */
static void log_refusal(struct http_exchange *exchange, int status, const char *message) {
    if (!log_enabled(LOG_INFO)) {
        return;
    }
    struct trace trace = http_trace(exchange);
    log_info("request refused", LOG_TRACE(trace), LOG_STR("route", http_route_name(exchange)),
             LOG_INT("status", status), LOG_STR("message", message),
             LOG_INT("us", clock_monotonic_us() - exchange->started_us));
}

static void reply_status(struct http_exchange *exchange, int status, const char *message,
                         const char *errors_json, const char *allow) {
    struct json_writer writer;
    struct buf body;
    buf_init(&body, ERROR_BYTES_MAX);
    json_write_init(&writer, &body);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "statusCode", status);
    json_write_str(&writer, "message", message);
    if (errors_json != NULL) {
        json_write_raw(&writer, "errors", errors_json, strlen(errors_json));
    }
    json_write_end_object(&writer);
    struct http_reply reply = {
        .status = status,
        .body = body.failed ? "{}" : buf_bytes(&body),
        .body_length = body.failed ? strlen("{}") : buf_length(&body),
        .allow = allow,
        .retry_after_s = status == 503 ? RETRY_AFTER_S : 0,
    };
    /* what is wrong with a body is said in the body's own words: not for the log */
    log_refusal(exchange, status, errors_json == NULL ? message : err_message(ERR_INVALID));
    http_reply(exchange, &reply);
    buf_free(&body);
}

void http_reply_error(struct http_exchange *exchange, enum err err, const char *message,
                      const char *errors_json) {
    reply_status(exchange, err_http_status(err), message == NULL ? err_message(err) : message,
                 errors_json, NULL);
}

void http_reply_invalid(struct http_exchange *exchange, const struct http_problem *problems,
                        size_t count) {
    struct buf out;
    struct json_writer writer;
    char message[256] = "The request is not valid";
    if (count == 1 && problems[0].path[0] != '\0') {
        snprintf(message, sizeof(message), "%s %s", problems[0].path, problems[0].message);
    }
    buf_init(&out, 0);
    json_write_init(&writer, &out);
    json_write_begin_array(&writer, NULL);
    for (size_t i = 0; i < count; i++) {
        json_write_begin_object(&writer, NULL);
        json_write_str(&writer, "path", problems[i].path);
        json_write_str(&writer, "keyword", problems[i].keyword);
        json_write_str(&writer, "message", problems[i].message);
        json_write_end_object(&writer);
    }
    json_write_end_array(&writer);
    buf_append_char(&out, '\0');
    http_reply_error(exchange, ERR_INVALID, message, out.failed ? NULL : buf_bytes(&out));
    buf_free(&out);
}
