/* The life of a connection: read → parse → handle → write → the next request, or the end. */
#include "server_private.h"

#include "runtime/telemetry/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void handle_events(void *ctx, uint32_t events);
static void run_flush(void *ctx);
static void run_advance(void *ctx);

/* ---- states ---- */

static size_t spare_bytes(const struct http_connection *connection) {
    return connection->in.capacity - connection->in.end;
}

/* Ask for exactly the events that the state can use: the watch is level-triggered. */
static void update_events(struct http_connection *connection) {
    enum http_connection_state state = connection->state;
    bool reads = state == HTTP_IDLE || state == HTTP_READING || state == HTTP_LINGERING ||
                 (state == HTTP_HANDLING && spare_bytes(connection) > 0);
    uint32_t events = 0;
    if (connection->fd < 0) {
        return;
    }
    if (reads && !connection->half_closed) {
        events |= EPOLLIN;
    }
    if (connection->blocked) {
        events |= EPOLLOUT;
    }
    loop_watch_events(connection->server->loop, &connection->watch, events);
}

void http_connection_enter(struct http_connection *connection, enum http_connection_state state) {
    struct http_server *server = connection->server;
    list_remove(&connection->node);
    list_append(&server->connections[state], &connection->node);
    connection->state = state;
    connection->deadline_ms = http_server_deadline_ms(server, state);
}

enum err http_connection_open(struct http_server *server, int fd, bool refused) {
    struct http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    if (loop_watch(server->loop, &connection->watch, fd, EPOLLIN, handle_events, connection) !=
        ERR_OK) {
        close(fd);
        free(connection);
        return ERR_INTERNAL;
    }
    list_init(&connection->node);
    connection->server = server;
    connection->fd = fd;
    connection->refused = refused;
    const struct http_limits *limits = &server->limits;
    buf_init(&connection->in, limits->start_line_bytes_max + 2 * limits->header_bytes_max +
                                  limits->body_bytes_max + (size_t)4 * HTTP_READ_BYTES);
    buf_init(&connection->out, 0);
    arena_init(&connection->exchange.arena, HTTP_ARENA_BYTES_MAX);
    http_parser_init_request(&connection->parser, limits);
    loop_task_init(&connection->flush, run_flush, connection);
    loop_task_init(&connection->advance, run_advance, connection);
    server->connection_count++;
    server->refused_count += refused;
    metrics_add(&http_server_metrics[HTTP_METRIC_CONNECTIONS], 1);
    http_connection_enter(connection, HTTP_IDLE);
    if (refused) {
        http_connection_enter(connection, HTTP_HANDLING);
        http_exchange_refuse(&connection->exchange, 503, err_message(ERR_BUSY));
    }
    return ERR_OK;
}

void http_connection_close(struct http_connection *connection) {
    struct http_server *server = connection->server;
    if (connection->fd >= 0) {
        loop_unwatch(server->loop, &connection->watch);
        close(connection->fd);
        connection->fd = -1;
        loop_task_cancel(&connection->flush);
        loop_task_cancel(&connection->advance);
    }
    if (connection->exchange.active) {
        http_connection_enter(connection, HTTP_ORPHANED);
        return;
    }
    http_connection_enter(connection, HTTP_CLOSED);
    loop_task_queue(server->loop, &server->reap, LOOP_TASK_FLUSH);
}

void http_connection_free(struct http_connection *connection) {
    assert(connection->fd < 0);
    list_remove(&connection->node);
    buf_free(&connection->in);
    buf_free(&connection->out);
    arena_done(&connection->exchange.arena);
    free(connection);
}

/* Answer a request that cannot be served, and end. */
static void refuse(struct http_connection *connection, int status, const char *message) {
    http_connection_enter(connection, HTTP_HANDLING);
    http_exchange_refuse(&connection->exchange, status, message);
}

void http_connection_expire(struct http_connection *connection) {
    if (connection->state == HTTP_READING || connection->state == HTTP_WRITING) {
        metrics_add(&http_server_metrics[HTTP_METRIC_TIMEOUTS], 1);
    }
    if (connection->state == HTTP_READING) {
        refuse(connection, 408, "The request did not arrive in time");
    } else {
        http_connection_close(connection);
    }
}

/* ---- the end: half close, then drop what comes, so that the client can read its answer ---- */

static void linger(struct http_connection *connection) {
    buf_free(&connection->in);
    if (connection->half_closed || shutdown(connection->fd, SHUT_WR) != 0) {
        http_connection_close(connection);
        return;
    }
    http_connection_enter(connection, HTTP_LINGERING);
    update_events(connection);
}

static void drop_input(struct http_connection *connection) {
    char dropped[16384];
    ssize_t count = recv(connection->fd, dropped, sizeof(dropped), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    connection->lingered_bytes += count > 0 ? (size_t)count : 0;
    if (count <= 0 || connection->lingered_bytes > HTTP_LINGER_BYTES_MAX) {
        http_connection_close(connection);
    }
}

/* ---- write ---- */

static void give_back(struct buf *buf) {
    if (buf_length(buf) == 0 && buf->capacity > HTTP_KEEP_BYTES_MAX) {
        buf_free(buf);
    }
}

/* Nothing is left to parse for now: what does that mean for the connection? */
static void settle(struct http_connection *connection) {
    struct http_server *server = connection->server;
    if (connection->fd < 0) {
        return;
    }
    if (buf_length(&connection->out) > 0) {
        if (!connection->blocked) {
            loop_task_queue(server->loop, &connection->flush, LOOP_TASK_FLUSH);
        }
    } else if (connection->state == HTTP_IDLE && connection->half_closed) {
        http_connection_close(connection);
        return;
    }
    if (connection->state == HTTP_IDLE) {
        give_back(&connection->in);
    }
    update_events(connection);
}

/* Parse and handle until more input is needed, an answer is owed, or the client must read first. */
static void advance(struct http_connection *connection);

static void all_sent(struct http_connection *connection) {
    give_back(&connection->out);
    if (connection->state == HTTP_WRITING && connection->closing) {
        linger(connection);
        return;
    }
    if (connection->state == HTTP_WRITING) {
        http_connection_enter(connection, HTTP_IDLE);
    }
    advance(connection);
}

static void run_flush(void *ctx) {
    struct http_connection *connection = ctx;
    struct buf *out = &connection->out;
    while (buf_length(out) > 0) {
        ssize_t count = send(connection->fd, buf_bytes(out), buf_length(out), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            break;
        }
        if (count < 0) {
            http_connection_close(connection);
            return;
        }
        buf_consume(out, (size_t)count);
    }
    connection->blocked = buf_length(out) > 0;
    if (!connection->blocked) {
        all_sent(connection);
        return;
    }
    bool renews = !connection->server->draining || connection->state != HTTP_WRITING;
    if (connection->state != HTTP_HANDLING && renews) {
        http_connection_enter(connection, HTTP_WRITING);
    }
    update_events(connection);
}

/* ---- parse ---- */

static bool may_parse(const struct http_connection *connection) {
    return (connection->state == HTTP_IDLE || connection->state == HTTP_READING) &&
           !connection->closing && buf_length(&connection->in) > 0 &&
           buf_length(&connection->out) < HTTP_OUT_BYTES_HIGH;
}

static void need_more(struct http_connection *connection) {
    struct buf *in = &connection->in;
    if (connection->half_closed) {
        enum http_parse_result result = http_parser_finish(&connection->parser);
        assert(result == HTTP_PARSE_ERROR);
        (void)result;
        refuse(connection, connection->parser.status, connection->parser.error);
        return;
    }
    in->end = in->start + http_parser_compact(&connection->parser, buf_length(in));
}

/* RFC 9110 §10.1.1: only for a client that is still waiting. */
static void answer_expectation(struct http_connection *connection) {
    static const char answer[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_parser *parser = &connection->parser;
    if (parser->expect_continue && buf_length(&connection->in) == parser->position) {
        buf_append(&connection->out, answer, sizeof(answer) - 1);
    }
}

/* False: nothing more can be done with the input that is here. */
static bool parse_on(struct http_connection *connection) {
    struct buf *in = &connection->in;
    if (connection->state == HTTP_IDLE) {
        http_connection_enter(connection, HTTP_READING);
    }
    switch (http_parser_run(&connection->parser, buf_bytes(in), buf_length(in))) {
    case HTTP_PARSE_MORE: need_more(connection); return false;
    case HTTP_PARSE_HEADERS: answer_expectation(connection); return true;
    case HTTP_PARSE_DONE:
        http_connection_enter(connection, HTTP_HANDLING);
        http_exchange_begin(&connection->exchange);
        return true;
    case HTTP_PARSE_ERROR: break;
    }
    metrics_add(&http_server_metrics[HTTP_METRIC_MALFORMED], 1);
    refuse(connection, connection->parser.status, connection->parser.error);
    return false;
}

static void advance(struct http_connection *connection) {
    if (connection->advancing) {
        return;
    }
    connection->advancing = true;
    while (may_parse(connection) && parse_on(connection)) {
    }
    connection->advancing = false;
    settle(connection);
}

static void run_advance(void *ctx) {
    advance(ctx);
}

void http_connection_answered(struct http_connection *connection) {
    struct http_exchange *exchange = &connection->exchange;
    exchange->active = false;
    arena_reset(&exchange->arena);
    if (connection->fd < 0) {
        http_connection_close(connection);
        return;
    }
    if (connection->closing) {
        buf_clear(&connection->in);
        http_connection_enter(connection, HTTP_WRITING);
    } else {
        buf_consume(&connection->in, connection->parser.message_bytes);
        http_parser_init_request(&connection->parser, &connection->server->limits);
        http_connection_enter(connection, connection->blocked ? HTTP_WRITING : HTTP_IDLE);
    }
    if (connection->advancing) {
        return;
    }
    if (may_parse(connection)) {
        loop_task_queue(connection->server->loop, &connection->advance, LOOP_TASK_READY);
    } else {
        settle(connection);
    }
}

/* ---- read ---- */

/*
 * Where to read to. While a handler works, its views point into the buffer: it must not move, so
 * only room that is there already is used.
 */
static char *read_room(struct http_connection *connection, size_t *ret_bytes) {
    struct buf *in = &connection->in;
    char *room = in->data == NULL ? NULL : in->data + in->end;
    if (connection->state != HTTP_HANDLING && spare_bytes(connection) < HTTP_READ_BYTES / 4) {
        room = buf_reserve(in, HTTP_READ_BYTES);
    }
    *ret_bytes = room == NULL ? 0 : spare_bytes(connection);
    return room;
}

void http_connection_read(struct http_connection *connection) {
    size_t bytes;
    char *room = read_room(connection, &bytes);
    if (bytes == 0) {
        if (connection->state != HTTP_HANDLING) {
            log_error("connection closed: no memory to read a request");
            http_connection_close(connection);
        }
        return;
    }
    ssize_t count = recv(connection->fd, room, bytes, 0);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            http_connection_close(connection);
        }
        return;
    }
    if (count == 0) {
        connection->half_closed = true;
    } else {
        buf_commit(&connection->in, (size_t)count);
    }
    advance(connection);
}

static void handle_events(void *ctx, uint32_t events) {
    struct http_connection *connection = ctx;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) { /* reset: nothing more to read or write */
        http_connection_close(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        run_flush(connection);
    }
    if ((events & EPOLLIN) == 0 || connection->fd < 0) {
        return;
    }
    if (connection->state == HTTP_LINGERING) {
        drop_input(connection);
    } else if (connection->state != HTTP_WRITING) {
        http_connection_read(connection);
    }
}
