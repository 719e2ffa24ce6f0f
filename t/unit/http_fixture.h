/*
 * For the tests of the HTTP server: a server with a few routes on a loop that the test drives, and
 * a client that is nothing but a socket. Everything is in one process and one thread.
 */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include "base/buf.h"
#include "base/clock.h"
#include "runtime/http/http.h"
#include "runtime/http/server.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 3000,
    ANSWER_BYTES_MAX = 4 * 1024 * 1024,
    HELD_MAX = 8,
    LARGE_BYTES = 16 * 1024 * 1024
};

static struct loop *loop;
static struct http_server *server;
static struct http_exchange *held[HELD_MAX]; /* exchanges that wait for release() */
static size_t held_count;
static char *answer; /* what receive_*() got, NUL-terminated */
static size_t answer_length;

/* ---- handlers ---- */

static inline void reply_text(struct http_exchange *exchange, const char *text, size_t length) {
    http_reply(exchange, &(struct http_reply){ .status = 200,
                                               .content_type = "text/plain",
                                               .body = text,
                                               .body_length = length });
}

/* Route name, path, query, parameters and body: what the server made of the request. */
static inline void handle_show(struct http_exchange *exchange, void *ctx) {
    struct buf out;
    (void)ctx;
    buf_init(&out, 0);
    struct str path = http_path(exchange), query = http_query(exchange), body = http_body(exchange);
    buf_appendf(&out, "%s|%.*s|%.*s|%.*s", http_route_name(exchange), (int)path.len, path.data,
                (int)query.len, query.data, (int)body.len, body.data);
    reply_text(exchange, buf_bytes(&out), buf_length(&out));
    buf_free(&out);
}

static inline void handle_param(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    struct str param = http_path_param(exchange, 0);
    reply_text(exchange, param.data, param.len);
}

static inline void handle_hold(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    ck_assert_uint_lt(held_count, HELD_MAX);
    held[held_count++] = exchange;
}

static inline void handle_large(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    char *bytes = malloc(LARGE_BYTES);
    memset(bytes, 'x', LARGE_BYTES);
    reply_text(exchange, bytes, LARGE_BYTES);
    free(bytes);
}

static inline void handle_full(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_reply(exchange, &(struct http_reply){ .status = 201,
                                               .body = "{}",
                                               .body_length = 2,
                                               .location = "/a/1",
                                               .etag = "\"1\"",
                                               .link = "</a>; rel=\"next\"" });
}

static inline void handle_empty(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_reply(exchange, &(struct http_reply){ .status = 304, .etag = "\"1\"" });
}

static inline void handle_fail(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_reply_error(exchange, ERR_UNAVAILABLE, "say \"please\"", "[{\"path\":\"/a\"}]");
}

static const struct http_route ROUTES[] = {
    { "GET", "/show", "show", handle_show, NULL },
    { "POST", "/show", "show_post", handle_show, NULL },
    { "GET", "/param/{x}", "param", handle_param, NULL },
    { "GET", "/param/literal", "literal", handle_show, NULL },
    { "GET", "/hold", "hold", handle_hold, NULL },
    { "POST", "/hold", "hold_post", handle_hold, NULL },
    { "GET", "/large", "large", handle_large, NULL },
    { "GET", "/full", "full", handle_full, NULL },
    { "GET", "/empty", "empty", handle_empty, NULL },
    { "GET", "/fail", "fail", handle_fail, NULL },
};

/* ---- the server ---- */

static inline struct http_server_options default_options(void) {
    return (struct http_server_options){
        .address = "127.0.0.1",
        .routes = ROUTES,
        .route_count = UNIT_COUNT(ROUTES),
        .connections_max = 8,
        .header_bytes_max = 2048,
        .body_bytes_max = 65536,
        .idle_timeout_ms = 10000,
        .request_timeout_ms = 10000,
        .write_timeout_ms = 10000,
    };
}

static inline void open_server(struct http_server_options options) {
    ck_assert_int_eq(http_server_open(loop, &options, &server), ERR_OK);
}

static inline void setup_loop(void) {
    log_init("test", LOG_ERROR, 2);
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    answer = malloc(ANSWER_BYTES_MAX + 1);
    held_count = 0;
}

static inline void setup_server(void) {
    setup_loop();
    open_server(default_options());
}

static inline void teardown(void) {
    http_server_close(server);
    server = NULL;
    loop_destroy(loop);
    free(answer);
}

static inline void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    do {
        loop_tick(loop, 1);
    } while (clock_monotonic_ms() < end_ms);
}

static inline void wait_held(size_t count) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (held_count < count && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(held_count, count);
}

static inline void wait_connections(size_t count) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (http_server_connection_count(server) != count && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(http_server_connection_count(server), count);
}

/* ---- the client ---- */

static inline int try_connect(uint16_t port) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int client_open(void) {
    int fd = try_connect(http_server_port(server));
    ck_assert_int_ge(fd, 0);
    return fd;
}

/*
 * One that takes little at a time, so that a large answer cannot disappear into the kernel's
 * buffers.
 */
static inline int client_open_small(void) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int bytes = 65536;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void client_send(int fd, const char *text) {
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/*
 * Drive the loop and receive until `until` is in the answer (NULL: until the server closes). False:
 * it never came.
 */
static inline bool receive(int fd, const char *until) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    answer_length = 0;
    answer[0] = '\0';
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
        ssize_t count =
            recv(fd, answer + answer_length, ANSWER_BYTES_MAX - answer_length, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            return count == 0 && until == NULL;
        }
        answer_length += count > 0 ? (size_t)count : 0;
        answer[answer_length] = '\0';
        if (until != NULL && strstr(answer, until) != NULL) {
            return true;
        }
    }
    return false;
}

static inline void expect_answer(int fd, const char *status, const char *end) {
    ck_assert_msg(receive(fd, end), "\"%s\" did not come, but: %s", end, answer);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, status, 3) == 0,
                  "not %s: %s", status, answer);
}

static inline bool is_closed(int fd) {
    return receive(fd, NULL) && answer_length == 0;
}

/* One request on a connection of its own; the server must close when `closes`. */
static inline void check_exchange(const char *request, const char *status, const char *end,
                                  bool closes) {
    int fd = client_open();
    client_send(fd, request);
    expect_answer(fd, status, end);
    if (closes) {
        ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
        ck_assert_msg(is_closed(fd), "still open after %s", request);
    }
    close(fd);
    wait_connections(0);
}

#endif
