/*
 * A service in a test: the real loop and the real HTTP server on a loopback port, everything that
 * it depends on faked. The test is the client: a plain socket, so that it can also go away.
 */
#ifndef FAKE_STACK_H
#define FAKE_STACK_H

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include "fake_backends.h"

#include <stdbool.h>

enum { STACK_PATIENCE_MS = 10000, STACK_ANSWER_BYTES = 65536 };

/* fake_backends_open(), and a server listening with `routes` and GET /ping. */
void stack_open(const struct http_route *routes, size_t count);
struct http_server *stack_server(void);
void stack_close(void);

#define STACK_WAIT_FOR(condition)                                                                  \
    do {                                                                                           \
        uint64_t stack_end_ms_ = clock_monotonic_ms() + STACK_PATIENCE_MS;                         \
        while (!(condition) && clock_monotonic_ms() < stack_end_ms_) {                             \
            loop_tick(backends.loop, 1);                                                           \
        }                                                                                          \
        ck_assert_msg(condition, "waited in vain for " #condition);                                \
    } while (0)

/* Run what is ready now. */
void stack_settle(void);

int stack_connect(void);
/* `headers`: lines with their CRLF, "" for none; `body` NULL: none, else it is application/json. */
void stack_send(int fd, const char *method, const char *target, const char *headers,
                const char *body);

struct stack_answer {
    int status;
    char headers[4096];
    char body[STACK_ANSWER_BYTES];
};

/*
 * The one answer of `fd`, in static memory. The test fails when none comes, or when another one
 * follows it; the connection must still be usable.
 */
const struct stack_answer *stack_receive(int fd);
/* stack_receive() with this status, and close. */
const struct stack_answer *stack_expect(int fd, int status);
/* No answer has come so far. */
bool stack_is_silent(int fd);

#endif
