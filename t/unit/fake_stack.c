#include "fake_stack.h"

#include "runtime/http/http.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUTES_MAX = 8, REQUEST_BYTES = 65536 };

static struct http_server *server;
static struct http_route routes[ROUTES_MAX];
static struct stack_answer answer;
static char received[STACK_ANSWER_BYTES + 8192];
static size_t received_length;

static void ping(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_reply(exchange, &(struct http_reply){ .status = 299, .body = "pong", .body_length = 4 });
}

void stack_open(const struct http_route *wanted, size_t count) {
    struct http_server_options options = { .address = "127.0.0.1",
                                           .routes = routes,
                                           .route_count = count + 1,
                                           .connections_max = 64,
                                           .header_bytes_max = 8192,
                                           .body_bytes_max = 65536,
                                           .idle_timeout_ms = 60000,
                                           .request_timeout_ms = 60000,
                                           .write_timeout_ms = 60000 };
    ck_assert_uint_lt(count, ROUTES_MAX);
    memcpy(routes, wanted, count * sizeof(*wanted));
    routes[count] = (struct http_route){ "GET", "/ping", "ping", ping, NULL };
    fake_backends_open();
    ck_assert_int_eq(http_server_open(backends.loop, &options, &server), ERR_OK);
}

struct http_server *stack_server(void) {
    return server;
}

void stack_close(void) {
    http_server_close(server);
    fake_backends_close();
}

void stack_settle(void) {
    for (int i = 0; i < 4; i++) {
        loop_tick(backends.loop, 0);
    }
}

int stack_connect(void) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text) {
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void stack_send(int fd, const char *method, const char *target, const char *headers,
                const char *body) {
    static char request[REQUEST_BYTES];
    int length = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: test\r\n%s", method,
                          target, headers);
    if (body == NULL) {
        length += snprintf(request + length, sizeof(request) - (size_t)length, "\r\n");
    } else {
        length += snprintf(request + length, sizeof(request) - (size_t)length,
                           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(body), body);
    }
    ck_assert_int_lt(length, REQUEST_BYTES);
    send_text(fd, request);
}

/* One answer from the front of what was received; false while it is not whole. */
static bool take_answer(void) {
    char *end = strstr(received, "\r\n\r\n");
    char *length_header = strstr(received, "\r\nContent-Length: ");
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end - received) + 4, body = 0;
    if (length_header != NULL && length_header < end) {
        body = strtoul(length_header + strlen("\r\nContent-Length: "), NULL, 10);
    }
    if (received_length < head + body) {
        return false;
    }
    ck_assert_uint_lt(head, sizeof(answer.headers));
    ck_assert_uint_lt(body, sizeof(answer.body));
    ck_assert_int_eq(strncmp(received, "HTTP/1.1 ", 9), 0);
    answer.status = (int)strtol(received + 9, NULL, 10);
    memcpy(answer.headers, received, head);
    answer.headers[head] = '\0';
    memcpy(answer.body, received + head, body);
    answer.body[body] = '\0';
    received_length -= head + body;
    memmove(received, received + head + body, received_length + 1);
    return true;
}

static void receive_answer(int fd) {
    uint64_t end_ms = clock_monotonic_ms() + STACK_PATIENCE_MS;
    while (!take_answer()) {
        ck_assert_msg(clock_monotonic_ms() < end_ms, "no answer comes");
        loop_tick(backends.loop, 1);
        ssize_t count = recv(fd, received + received_length, sizeof(received) - 1 - received_length,
                             MSG_DONTWAIT);
        ck_assert_msg(count != 0, "the server has closed the connection");
        received_length += count > 0 ? (size_t)count : 0;
        received[received_length] = '\0';
    }
}

const struct stack_answer *stack_receive(int fd) {
    static struct stack_answer first;
    received_length = 0;
    received[0] = '\0';
    receive_answer(fd);
    first = answer;
    stack_send(fd, "GET", "/ping", "", NULL);
    receive_answer(fd); /* what follows is the answer to that, and not a second one */
    ck_assert_int_eq(answer.status, 299);
    ck_assert_uint_eq(received_length, 0);
    return &first;
}

const struct stack_answer *stack_expect(int fd, int status) {
    const struct stack_answer *got = stack_receive(fd);
    ck_assert_msg(got->status == status, "wanted %d, not %s%s", status, got->headers, got->body);
    close(fd);
    return got;
}

bool stack_is_silent(int fd) {
    char byte;
    stack_settle();
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}
