/*
 * The HTTP client against a scripted server: every test plays the server's part, byte for byte, on
 * real loopback sockets, and drives the loop itself.
 */
#include "base/clock.h"
#include "runtime/http/client.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000, OUTCOMES_MAX = 16, CONNECTIONS_MAX = 2, QUEUE_MAX = 2, BODY_MAX = 4096 };

struct outcome {
    unsigned calls;
    enum err err;
    int status;
    char body[BODY_MAX + 1];
    char etag[64];
};

#define NO_TRACE ((struct trace){ "", "", "" })

static struct loop *loop;
static struct http_client *client;
static int listener = -1;
static uint16_t port;
static struct outcome outcomes[OUTCOMES_MAX];

static void note_outcome(void *ctx, enum err err, const struct http_response *response) {
    struct outcome *outcome = ctx;
    outcome->calls++;
    outcome->err = err;
    ck_assert((err == ERR_OK) == (response != NULL));
    if (response != NULL) {
        outcome->status = response->status;
        memcpy(outcome->body, response->body.data, response->body.len);
        outcome->body[response->body.len] = '\0';
        snprintf(outcome->etag, sizeof(outcome->etag), "%.*s", (int)response->etag.len,
                 response->etag.data == NULL ? "" : response->etag.data);
    }
}

/* ---- the scripted server ---- */

static void open_listener(void) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 16), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    port = ntohs(address.sin_port);
}

static bool readable(int fd) {
    struct pollfd wanted = { .fd = fd, .events = POLLIN };
    return poll(&wanted, 1, 0) == 1;
}

/* Drive the loop until `fd` can be read (true), or until patience ends. */
static bool wait_readable(int fd) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (!readable(fd)) {
        if (clock_monotonic_ms() > end_ms) {
            return false;
        }
        loop_tick(loop, 2);
    }
    return true;
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 2);
    }
}

static int server_accept(void) {
    ck_assert_msg(wait_readable(listener), "the client does not connect");
    return accept(listener, NULL, NULL);
}

/* One whole request, NUL-terminated in a static buffer. */
static const char *server_read(int fd) {
    static char bytes[8192];
    size_t length = 0;
    do {
        ck_assert_msg(wait_readable(fd), "no request comes");
        ssize_t count = recv(fd, bytes + length, sizeof(bytes) - 1 - length, 0);
        ck_assert_msg(count > 0, "the client has closed");
        length += (size_t)count;
        bytes[length] = '\0';
    } while (strstr(bytes, "\r\n\r\n") == NULL);
    return bytes;
}

static void server_send(int fd, const char *text) {
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool server_sees_close(int fd) {
    char byte;
    return wait_readable(fd) && recv(fd, &byte, 1, 0) <= 0;
}

/* ---- the client ---- */

static void open_client(uint32_t deadline_ms, uint32_t idle_timeout_ms) {
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    struct http_client_options options = {
        .base_url = url,
        .connections_max = CONNECTIONS_MAX,
        .queue_max = QUEUE_MAX,
        .deadline_ms = deadline_ms,
        .idle_timeout_ms = idle_timeout_ms,
        .response_bytes_max = BODY_MAX,
    };
    ck_assert_int_eq(http_client_open(loop, &options, &client), ERR_OK);
}

static struct outcome *ask(size_t index, const char *target) {
    http_client_get(client, target, NO_TRACE, note_outcome, &outcomes[index]);
    ck_assert_msg(outcomes[index].calls == 0, "called from inside http_client_get()");
    return &outcomes[index];
}

static void wait_outcome(const struct outcome *outcome) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (outcome->calls == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 2);
    }
    ck_assert_uint_eq(outcome->calls, 1);
}

static void expect_status(const struct outcome *outcome, int status, const char *body) {
    wait_outcome(outcome);
    ck_assert_int_eq(outcome->err, ERR_OK);
    ck_assert_int_eq(outcome->status, status);
    ck_assert_str_eq(outcome->body, body);
}

static void expect_err(const struct outcome *outcome, enum err err) {
    wait_outcome(outcome);
    ck_assert_msg(outcome->err == err, "%s, not %s", err_name(outcome->err), err_name(err));
}

static void setup(void) {
    log_init("test", LOG_ERROR, 2);
    memset(outcomes, 0, sizeof(outcomes));
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    open_listener();
    open_client(2000, 10000);
}

static void teardown(void) {
    http_client_close(client);
    loop_destroy(loop);
    close(listener);
}

static void reopen(uint32_t deadline_ms, uint32_t idle_timeout_ms) {
    http_client_close(client);
    open_client(deadline_ms, idle_timeout_ms);
}

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* ---- answers ---- */

START_TEST(request_is_well_formed_and_answer_is_handed_over) {
    struct outcome *outcome = &outcomes[0];
    http_client_get(client, "/products/7?x=1", (struct trace){ "req-1", "00-trace", "a=1" },
                    note_outcome, outcome);
    int fd = server_accept();
    const char *request = server_read(fd);
    char host[64];
    snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", port);
    ck_assert(strncmp(request, "GET /products/7?x=1 HTTP/1.1\r\n", 30) == 0);
    ck_assert_ptr_nonnull(strstr(request, host));
    ck_assert_ptr_nonnull(strstr(request, "\r\nX-Request-Id: req-1\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\ntraceparent: 00-trace\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\ntracestate: a=1\r\n"));
    server_send(fd, "HTTP/1.1 404 Not Found\r\netag: \"3\"\r\nContent-Length: 4\r\n\r\nnone");
    expect_status(outcome, 404, "none");
    ck_assert_str_eq(outcome->etag, "\"3\"");
    close(fd);
}
END_TEST

START_TEST(empty_trace_headers_are_left_out) {
    http_client_get(client, "/", NO_TRACE, note_outcome, &outcomes[0]);
    int fd = server_accept();
    const char *request = server_read(fd);
    ck_assert_ptr_null(strcasestr(request, "X-Request-Id"));
    ck_assert_ptr_null(strcasestr(request, "traceparent"));
    ck_assert_ptr_null(strcasestr(request, "tracestate"));
    server_send(fd, OK_HI);
    expect_status(&outcomes[0], 200, "hi");
    close(fd);
}
END_TEST

static const struct {
    const char *reply;
    bool then_close;
    enum err err;
    int status;
    const char *body;
} REPLIES[] = {
    { OK_HI, false, ERR_OK, 200, "hi" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", false,
      ERR_OK, 200, "hi" },
    { "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", false, ERR_OK, 304, "" },
    { "HTTP/1.1 204 No Content\r\n\r\n", false, ERR_OK, 204, "" },
    { "HTTP/1.0 200 OK\r\n\r\nuntil close", true, ERR_OK, 200, "until close" },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HI, false,
      ERR_OK, 200, "hi" },
    { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true, ERR_OK, 503,
      "" },
    { "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, ERR_BAD_REPLY, 0, "" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n", false, ERR_BAD_REPLY, 0, "" },
    { "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", false, ERR_BAD_REPLY, 0, "" },
    { "SSH-2.0-x\r\n", false, ERR_BAD_REPLY, 0, "" },
    { "", true, ERR_UNAVAILABLE, 0, "" },
    { "HTTP/1.1 200 OK\r\nContent-Le", true, ERR_UNAVAILABLE, 0, "" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, ERR_UNAVAILABLE, 0, "" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", true, ERR_UNAVAILABLE, 0,
      "" },
};

static void play_reply(const char *reply, bool then_close, bool drip) {
    int fd = server_accept();
    server_read(fd);
    for (size_t i = 0; drip && reply[i] != '\0' && outcomes[0].calls == 0; i++) {
        const char byte[] = { reply[i], '\0' };
        server_send(fd, byte);
        loop_tick(loop, 20);
    }
    if (!drip) {
        server_send(fd, reply);
    }
    if (then_close) {
        shutdown(fd, SHUT_WR);
    }
    wait_outcome(&outcomes[0]);
    close(fd);
}

static void check_reply(bool drip) {
    for (size_t i = 0; i < UNIT_COUNT(REPLIES); i++) {
        memset(outcomes, 0, sizeof(outcomes));
        reopen(2000, 10000);
        ask(0, "/x");
        play_reply(REPLIES[i].reply, REPLIES[i].then_close, drip);
        ck_assert_msg(outcomes[0].err == REPLIES[i].err, "%s: %s", REPLIES[i].reply,
                      err_name(outcomes[0].err));
        ck_assert_int_eq(outcomes[0].status, REPLIES[i].status);
        ck_assert_str_eq(outcomes[0].body, REPLIES[i].body);
    }
}

START_TEST(every_reply_has_its_outcome) {
    check_reply(false);
}
END_TEST

START_TEST(every_reply_has_its_outcome_when_it_drips) {
    check_reply(true);
}
END_TEST

START_TEST(too_many_interim_answers_are_refused) {
    ask(0, "/x");
    int fd = server_accept();
    server_read(fd);
    for (int i = 0; i < 9; i++) {
        server_send(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    expect_err(&outcomes[0], ERR_BAD_REPLY);
    close(fd);
}
END_TEST

START_TEST(body_at_its_limit_is_taken) {
    char reply[BODY_MAX + 100];
    int head =
        snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    memset(reply + head, 'x', BODY_MAX);
    reply[head + BODY_MAX] = '\0';
    ask(0, "/x");
    int fd = server_accept();
    server_read(fd);
    server_send(fd, reply);
    wait_outcome(&outcomes[0]);
    ck_assert_int_eq(outcomes[0].err, ERR_OK);
    ck_assert_uint_eq(strlen(outcomes[0].body), BODY_MAX);
    close(fd);
}
END_TEST

/* ---- connections ---- */

START_TEST(connection_is_used_again) {
    ask(0, "/1");
    int fd = server_accept();
    server_read(fd);
    server_send(fd, OK_HI);
    expect_status(&outcomes[0], 200, "hi");
    ask(1, "/2");
    ck_assert(strncmp(server_read(fd), "GET /2 ", 7) == 0);
    server_send(fd, OK_HI);
    expect_status(&outcomes[1], 200, "hi");
    ck_assert(!readable(listener));
    close(fd);
}
END_TEST

START_TEST(connection_is_not_used_again_after_close_or_surplus) {
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        OK_HI "surplus",
    };
    for (size_t i = 0; i < 3; i++) {
        ask(i, "/1");
        int fd = server_accept();
        server_read(fd);
        server_send(fd, replies[i]);
        expect_status(&outcomes[i], 200, "hi");
        ck_assert(server_sees_close(fd));
        close(fd);
    }
}
END_TEST

START_TEST(unused_connection_is_closed_after_its_idle_timeout) {
    reopen(2000, 100);
    ask(0, "/1");
    int fd = server_accept();
    server_read(fd);
    server_send(fd, OK_HI);
    expect_status(&outcomes[0], 200, "hi");
    uint64_t start_ms = clock_monotonic_ms();
    ck_assert(server_sees_close(fd));
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    ck_assert_msg(took_ms >= 90 && took_ms < 1000, "%lu ms", (unsigned long)took_ms);
    close(fd);
}
END_TEST

/* Two connections with a request each, both answered and idle. */
static void make_two_idle(int fds[2]) {
    ask(0, "/a");
    ask(1, "/b");
    for (int i = 0; i < 2; i++) {
        fds[i] = server_accept();
        server_read(fds[i]);
    }
    for (int i = 0; i < 2; i++) {
        server_send(fds[i], OK_HI);
    }
    expect_status(&outcomes[0], 200, "hi");
    expect_status(&outcomes[1], 200, "hi");
}

/* The server closes both while the request is on its way: only a new connection can help. */
START_TEST(stale_connections_are_replaced_once) {
    int fds[2];
    make_two_idle(fds);
    ask(2, "/c");
    close(fds[0]);
    close(fds[1]);
    int fd = server_accept();
    ck_assert(strncmp(server_read(fd), "GET /c ", 7) == 0);
    server_send(fd, OK_HI);
    expect_status(&outcomes[2], 200, "hi");
    close(fd);
}
END_TEST

START_TEST(stale_connection_after_reading_the_request_is_replaced_once) {
    int fds[2];
    make_two_idle(fds);
    ask(2, "/c");
    for (int i = 0; i < 100 && !readable(fds[0]) && !readable(fds[1]); i++) {
        loop_tick(loop, 2);
    }
    int used = readable(fds[1]) ? fds[1] : fds[0];
    server_read(used);
    close(used); /* the other is still open, and must not be trusted */
    int fd = server_accept();
    ck_assert(strncmp(server_read(fd), "GET /c ", 7) == 0);
    close(fd); /* a second time is once too often */
    expect_err(&outcomes[2], ERR_UNAVAILABLE);
    close(used == fds[0] ? fds[1] : fds[0]);
}
END_TEST

START_TEST(request_is_not_repeated_after_a_response_byte) {
    ask(0, "/1");
    int fd = server_accept();
    server_read(fd);
    server_send(fd, OK_HI);
    expect_status(&outcomes[0], 200, "hi");
    ask(1, "/2");
    server_read(fd);
    server_send(fd, "H");
    run_for(20);
    close(fd);
    expect_err(&outcomes[1], ERR_UNAVAILABLE);
    ck_assert(!readable(listener));
}
END_TEST

START_TEST(refused_connection_is_unavailable_and_recovers) {
    close(listener);
    ask(0, "/1");
    expect_err(&outcomes[0], ERR_UNAVAILABLE);
    open_listener();
    reopen(2000, 10000);
    ask(1, "/2");
    int fd = server_accept();
    server_read(fd);
    server_send(fd, OK_HI);
    expect_status(&outcomes[1], 200, "hi");
    close(fd);
}
END_TEST

/* ---- limits ---- */

START_TEST(requests_over_the_connections_wait_and_over_the_queue_are_refused) {
    int fds[CONNECTIONS_MAX];
    for (size_t i = 0; i < CONNECTIONS_MAX + QUEUE_MAX + 1; i++) {
        ask(i, "/1");
    }
    expect_err(&outcomes[CONNECTIONS_MAX + QUEUE_MAX], ERR_BUSY);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        fds[i] = server_accept();
        server_read(fds[i]);
    }
    run_for(20);
    ck_assert(!readable(listener));
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        server_send(fds[i], OK_HI);
    }
    for (size_t i = 0; i < QUEUE_MAX; i++) {
        server_read(fds[i]);
        server_send(fds[i], OK_HI);
    }
    for (size_t i = 0; i < CONNECTIONS_MAX + QUEUE_MAX; i++) {
        expect_status(&outcomes[i], 200, "hi");
    }
    ask(CONNECTIONS_MAX + QUEUE_MAX + 1, "/again");
    run_for(10);
    ck_assert_uint_eq(outcomes[CONNECTIONS_MAX + QUEUE_MAX + 1].calls, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(deadline_covers_answer_and_queue) {
    reopen(100, 10000);
    for (size_t i = 0; i < CONNECTIONS_MAX + 1; i++) {
        ask(i, "/1");
    }
    int fd = server_accept();
    server_read(fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    uint64_t start_ms = clock_monotonic_ms();
    for (size_t i = 0; i < CONNECTIONS_MAX + 1; i++) {
        expect_err(&outcomes[i], ERR_TIMEOUT);
    }
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    ck_assert_msg(took_ms < 1000, "%lu ms", (unsigned long)took_ms);
    ck_assert(server_sees_close(fd)); /* an answer that comes late must not meet the next request */
    close(fd);
}
END_TEST

START_TEST(deadline_is_kept_request_by_request) {
    reopen(150, 10000);
    ask(0, "/1");
    int fd = server_accept();
    server_read(fd);
    run_for(100);
    ask(1, "/2");
    expect_err(&outcomes[0], ERR_TIMEOUT);
    ck_assert_uint_eq(outcomes[1].calls, 0);
    expect_err(&outcomes[1], ERR_TIMEOUT);
    close(fd);
}
END_TEST

START_TEST(bad_target_is_invalid) {
    static char too_long[HTTP_CLIENT_TARGET_BYTES_MAX + 2];
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[0] = '/';
    const char *targets[] = { "", "x", "/a b", "/a\r\nX: y", "/a#b", "/\x80", too_long };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        memset(outcomes, 0, sizeof(outcomes));
        ask(0, targets[i]);
        expect_err(&outcomes[0], ERR_INVALID);
    }
    too_long[HTTP_CLIENT_TARGET_BYTES_MAX] = '\0';
    memset(outcomes, 0, sizeof(outcomes));
    ask(0, too_long);
    ck_assert(strncmp(server_read(server_accept()), "GET /xxx", 8) == 0);
}
END_TEST

START_TEST(close_ends_what_is_pending) {
    for (size_t i = 0; i < CONNECTIONS_MAX + QUEUE_MAX; i++) {
        ask(i, "/1");
    }
    int fd = server_accept();
    server_read(fd);
    http_client_close(client);
    client = NULL;
    for (size_t i = 0; i < CONNECTIONS_MAX + QUEUE_MAX; i++) {
        ck_assert_uint_eq(outcomes[i].calls, 1);
        ck_assert_int_eq(outcomes[i].err, ERR_UNAVAILABLE);
    }
    ck_assert(server_sees_close(fd));
    close(fd);
}
END_TEST

/* ---- the URL ---- */

static const struct {
    const char *url;
    enum err err;
} URLS[] = {
    { "http://127.0.0.1:3001", ERR_OK },
    { "http://127.0.0.1:3001/", ERR_OK },
    { "HTTP://127.0.0.1", ERR_OK },
    { "http://localhost:1", ERR_OK },
    { "http://[::1]:65535", ERR_OK },
    { "http://[::1]", ERR_OK },
    { "https://127.0.0.1:3001", ERR_INVALID },
    { "127.0.0.1:3001", ERR_INVALID },
    { "http://", ERR_INVALID },
    { "http://:3001", ERR_INVALID },
    { "http://127.0.0.1:", ERR_INVALID },
    { "http://127.0.0.1:0", ERR_INVALID },
    { "http://127.0.0.1:65536", ERR_INVALID },
    { "http://127.0.0.1:30x1", ERR_INVALID },
    { "http://127.0.0.1:3001/products", ERR_INVALID },
    { "http://127.0.0.1:3001?x", ERR_INVALID },
    { "http://user@127.0.0.1:3001", ERR_INVALID },
    { "http://user:pass@127.0.0.1:3001", ERR_INVALID },
    { "http://[::1", ERR_INVALID },
    { "http://[::1]x:80", ERR_INVALID },
    { "http://::1:80", ERR_INVALID },
    { "http://a b", ERR_INVALID },
};

START_TEST(url_is_taken_or_refused) {
    struct http_client_options options = {
        .base_url = URLS[_i].url,
        .connections_max = 1,
        .deadline_ms = 1,
        .idle_timeout_ms = 1,
    };
    struct http_client *opened = NULL;
    FILE *quiet = fopen("/dev/null", "w"); /* the refusals are logged */
    log_init("test", LOG_ERROR, fileno(quiet));
    enum err err = http_client_open(loop, &options, &opened);
    ck_assert_msg(err == URLS[_i].err, "%s: %s", URLS[_i].url, err_name(err));
    http_client_close(opened);
    log_flush();
    fclose(quiet);
}
END_TEST

static void add_answers(Suite *suite) {
    TCase *answers = tcase_create("answers");
    tcase_add_checked_fixture(answers, setup, teardown);
    tcase_set_timeout(answers, 30);
    tcase_add_test(answers, request_is_well_formed_and_answer_is_handed_over);
    tcase_add_test(answers, empty_trace_headers_are_left_out);
    tcase_add_test(answers, every_reply_has_its_outcome);
    tcase_add_test(answers, every_reply_has_its_outcome_when_it_drips);
    tcase_add_test(answers, too_many_interim_answers_are_refused);
    tcase_add_test(answers, body_at_its_limit_is_taken);
    suite_add_tcase(suite, answers);
}

static void add_connections(Suite *suite) {
    TCase *connections = tcase_create("connections");
    tcase_add_checked_fixture(connections, setup, teardown);
    tcase_set_timeout(connections, 30);
    tcase_add_test(connections, connection_is_used_again);
    tcase_add_test(connections, connection_is_not_used_again_after_close_or_surplus);
    tcase_add_test(connections, unused_connection_is_closed_after_its_idle_timeout);
    tcase_add_test(connections, stale_connections_are_replaced_once);
    tcase_add_test(connections, stale_connection_after_reading_the_request_is_replaced_once);
    tcase_add_test(connections, request_is_not_repeated_after_a_response_byte);
    tcase_add_test(connections, refused_connection_is_unavailable_and_recovers);
    suite_add_tcase(suite, connections);
}

static void add_limits(Suite *suite) {
    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_set_timeout(limits, 30);
    tcase_add_test(limits, requests_over_the_connections_wait_and_over_the_queue_are_refused);
    tcase_add_test(limits, deadline_covers_answer_and_queue);
    tcase_add_test(limits, deadline_is_kept_request_by_request);
    tcase_add_test(limits, bad_target_is_invalid);
    tcase_add_test(limits, close_ends_what_is_pending);
    tcase_add_loop_test(limits, url_is_taken_or_refused, 0, UNIT_COUNT(URLS));
    suite_add_tcase(suite, limits);
}

int main(void) {
    Suite *suite = suite_create("http_client");
    add_answers(suite);
    add_connections(suite);
    add_limits(suite);
    return unit_run(suite);
}
