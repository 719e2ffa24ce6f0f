/*
 * The HTTP server, connection by connection: clients that leave, stall or come in crowds;
 * deadlines; drain.
 */
#include "http_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void setup_short_deadlines(void) {
    struct http_server_options options = default_options();
    options.idle_timeout_ms = 200;
    options.request_timeout_ms = 150;
    options.write_timeout_ms = 150;
    setup_loop();
    open_server(options);
}

/* close() that sends a reset instead of FIN. */
static void client_reset(int fd) {
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}

/* ---- clients that leave ---- */

START_TEST(half_closed_client_gets_its_answers) {
    int fd = client_open();
    client_send(fd, GET("/hold") GET("/show"));
    shutdown(fd, SHUT_WR);
    wait_held(1);
    run_for(20);
    reply_text(held[0], "late", 4);
    ck_assert(receive(fd, NULL));
    ck_assert(strstr(answer, "\r\n\r\nlateHTTP/1.1 200 OK") != NULL);
    ck_assert(strstr(answer, "show|/show||") != NULL);
    close(fd);
    wait_connections(0);
}
END_TEST

START_TEST(half_request_then_end_is_400) {
    static const char *const halves[] = {
        "GET /show HT",
        GET("/show") "G",
        "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(halves); i++) {
        int fd = client_open();
        client_send(fd, halves[i]);
        shutdown(fd, SHUT_WR);
        ck_assert(receive(fd, NULL));
        ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
        ck_assert_ptr_nonnull(strstr(answer, "closed inside a message"));
        close(fd);
    }
    wait_connections(0);
}
END_TEST

START_TEST(silent_client_that_ends_gets_nothing) {
    int fd = client_open();
    shutdown(fd, SHUT_WR);
    ck_assert(is_closed(fd));
    close(fd);
    wait_connections(0);
}
END_TEST

START_TEST(exchange_survives_its_client) {
    for (int reset = 0; reset <= 1; reset++) {
        int fd = client_open();
        held_count = 0;
        client_send(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        wait_held(1);
        if (reset == 1) {
            client_reset(fd);
        } else {
            close(fd);
        }
        run_for(20);
        ck_assert_uint_eq(http_server_connection_count(server), 1);
        ck_assert(str_equal(http_body(held[0]), STR("body")));
        ck_assert_ptr_nonnull(http_request_id(held[0]));
        reply_text(held[0], "nobody", 6);
        wait_connections(0);
    }
}
END_TEST

START_TEST(client_may_leave_at_any_byte) {
    const char *request =
        "POST /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for (size_t length = 0; length <= strlen(request); length++) {
        int fd = client_open();
        ck_assert_int_eq(send(fd, request, length, MSG_NOSIGNAL), (ssize_t)length);
        run_for(0);
        client_reset(fd);
    }
    wait_connections(0);
}
END_TEST

/* The answer must reach a client that was still sending: no reset may overtake it. */
START_TEST(refused_client_can_still_read_its_answer) {
    int fd = client_open();
    char *more = malloc(200001);
    memset(more, 'x', 200000);
    more[200000] = '\0';
    client_send(fd, "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        run_for(5);
        client_send(fd, more);
    }
    free(more);
    ck_assert(receive(fd, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 413 "));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    close(fd);
    wait_connections(0);
}
END_TEST

START_TEST(refused_client_is_not_listened_to_for_ever) {
    static char more[65536];
    int fd = client_open();
    client_send(fd, "bad\r\n");
    size_t sent = 0;
    while (sent < (size_t)16 * 1024 * 1024) {
        ssize_t count = send(fd, more, sizeof(more), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) {
            break;
        }
        sent += count > 0 ? (size_t)count : 0;
        loop_tick(loop, 1);
    }
    ck_assert_uint_lt(sent, (size_t)16 * 1024 * 1024);
    close(fd);
    wait_connections(0);
}
END_TEST

/* ---- clients that read slowly ---- */

START_TEST(large_answer_arrives_whole) {
    int fd = client_open_small();
    client_send(fd, GET("/large") GET("/show"));
    size_t total = 0;
    char tail[16] = "";
    for (uint64_t end_ms = clock_monotonic_ms() + 5 * PATIENCE_MS; clock_monotonic_ms() < end_ms;) {
        loop_tick(loop, 0);
        ssize_t count = recv(fd, answer, 100000, MSG_DONTWAIT);
        total += count > 0 ? (size_t)count : 0;
        if (count >= 12) {
            memcpy(tail, answer + count - 12, 12);
        }
        if (strcmp(tail, "show|/show||") == 0) {
            break;
        }
    }
    ck_assert_str_eq(tail, "show|/show||");
    ck_assert_uint_gt(total, LARGE_BYTES);
    close(fd);
}
END_TEST

START_TEST(client_that_does_not_read_is_closed) {
    int fd = client_open_small();
    client_send(fd, GET("/large"));
    uint64_t start_ms = clock_monotonic_ms();
    wait_connections(1);
    wait_connections(0);
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    ck_assert_msg(took_ms >= 140 && took_ms < 1500, "%lu ms", (unsigned long)took_ms);
    size_t total = 0;
    for (ssize_t count; (count = recv(fd, answer, ANSWER_BYTES_MAX, 0)) > 0;) {
        total += (size_t)count;
    }
    ck_assert_msg(total < LARGE_BYTES,
                  "the answer fitted into the kernel's buffers: nothing was tested");
    close(fd);
}
END_TEST

/* Answers pile up only to a limit: then the server stops reading requests. */
START_TEST(client_that_only_sends_is_not_buffered_for_ever) {
    int fd = client_open();
    size_t sent = 0;
    size_t sent_before = 1;
    while (sent != sent_before) {
        sent_before = sent;
        for (int i = 0; i < 200; i++) {
            ssize_t count =
                send(fd, GET("/full"), strlen(GET("/full")), MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += count > 0 ? (size_t)count : 0;
            loop_tick(loop, 0);
        }
        ck_assert_uint_lt(sent, (size_t)64 * 1024 * 1024);
    }
    ck_assert_uint_eq(http_server_connection_count(server), 1);
    close(fd);
    wait_connections(0);
}
END_TEST

/* Blocked on a client that must read first, with a request of it waiting in the socket. */
START_TEST(loop_does_not_spin_on_input_that_it_does_not_want) {
    int fd = client_open_small();
    client_send(fd, GET("/large"));
    run_for(30);
    client_send(fd, GET("/show"));
    unsigned ticks = 0;
    for (uint64_t end_ms = clock_monotonic_ms() + 100; clock_monotonic_ms() < end_ms; ticks++) {
        loop_tick(loop, 20);
    }
    ck_assert_msg(ticks < 30, "%u ticks", ticks);
    close(fd);
}
END_TEST

/* ---- deadlines ---- */

static uint64_t ms_until_closed(int fd) {
    uint64_t start_ms = clock_monotonic_ms();
    ck_assert_msg(receive(fd, NULL), "never closed");
    return clock_monotonic_ms() - start_ms;
}

START_TEST(idle_connection_is_closed) {
    int fd = client_open();
    uint64_t took_ms = ms_until_closed(fd);
    ck_assert_msg(took_ms >= 190 && took_ms < 1000, "%lu ms", (unsigned long)took_ms);
    ck_assert_uint_eq(answer_length, 0);
    close(fd);
    fd = client_open();
    client_send(fd, GET("/show"));
    expect_answer(fd, "200", "show|/show||");
    took_ms = ms_until_closed(fd);
    ck_assert_msg(took_ms >= 190 && took_ms < 1000, "%lu ms", (unsigned long)took_ms);
    close(fd);
}
END_TEST

START_TEST(slow_request_is_408_however_it_drips) {
    int fd = client_open();
    uint64_t start_ms = clock_monotonic_ms();
    struct pollfd answered = { .fd = fd, .events = POLLIN };
    while (poll(&answered, 1, 0) == 0 && clock_monotonic_ms() - start_ms < PATIENCE_MS) {
        client_send(fd, "G"); /* the method may be long, but not for ever */
        run_for(20);
    }
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    ck_assert_msg(took_ms >= 140 && took_ms < 550, "%lu ms", (unsigned long)took_ms);
    ck_assert(receive(fd, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 408 "));
    close(fd);
    wait_connections(0);
}
END_TEST

START_TEST(handler_has_all_the_time_it_needs) {
    int fd = client_open();
    client_send(fd, GET("/hold"));
    wait_held(1);
    run_for(400);
    reply_text(held[0], "late", 4);
    expect_answer(fd, "200", "late");
    close(fd);
}
END_TEST

/* ---- crowds ---- */

START_TEST(connection_over_the_limit_is_503_and_the_next_free_place_is_given) {
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = client_open();
        client_send(fds[i], GET("/show"));
        expect_answer(fds[i], "200", "show|/show||");
    }
    int over = client_open();
    client_send(over, GET("/show"));
    ck_assert(receive(over, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 503 "));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nRetry-After: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    close(over);
    close(fds[0]);
    wait_connections(7);
    fds[0] = client_open();
    client_send(fds[0], GET("/show"));
    expect_answer(fds[0], "200", "show|/show||");
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
}
END_TEST

START_TEST(refused_connections_are_bounded_too) {
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = client_open();
        loop_tick(loop, 0);
    }
    run_for(20);
    ck_assert_uint_le(http_server_connection_count(server), 8 + 64);
    for (int i = 0; i < 200; i++) {
        close(fds[i]);
    }
    wait_connections(0);
}
END_TEST

/* Out of file descriptors: the server waits, burns no time meanwhile, and goes on by itself. */
START_TEST(accept_pauses_without_file_descriptors) {
    struct rlimit limit, none;
    log_init("test", LOG_ERROR, open("/dev/null", O_WRONLY | O_CLOEXEC)); /* it says so */
    int fd = client_open();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)fd + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    client_send(fd, GET("/show"));
    unsigned ticks = 0;
    for (uint64_t end_ms = clock_monotonic_ms() + 250; clock_monotonic_ms() < end_ms; ticks++) {
        loop_tick(loop, 50);
    }
    ck_assert_uint_eq(http_server_connection_count(server), 0);
    ck_assert_msg(ticks < 30, "%u ticks", ticks);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    expect_answer(fd, "200", "show|/show||");
    close(fd);
    log_flush();
}
END_TEST

/* ---- drain ---- */

static unsigned drained_count;

static void note_drained(void *ctx) {
    ck_assert_ptr_eq(ctx, &drained_count);
    drained_count++;
}

static void drain(void) {
    drained_count = 0;
    http_server_drain(server, note_drained, &drained_count);
}

START_TEST(drain_without_connections_is_over_at_once) {
    drain();
    ck_assert_uint_eq(drained_count, 0); /* not from inside */
    run_for(0);
    ck_assert_uint_eq(drained_count, 1);
    ck_assert_int_lt(try_connect(http_server_port(server)), 0);
}
END_TEST

START_TEST(drain_finishes_what_is_under_way) {
    int busy = client_open(), reading = client_open(), idle = client_open();
    client_send(idle, GET("/show"));
    expect_answer(idle, "200", "show|/show||");
    client_send(busy, GET("/hold") GET("/show"));
    client_send(reading, "GET /sh");
    wait_held(1);
    run_for(10);
    drain();
    client_send(idle, GET("/show?late")); /* may have crossed the end: answered */
    ck_assert(receive(idle, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "show|/show|late|"));
    ck_assert_uint_eq(drained_count, 0);
    client_send(reading, "ow HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(receive(reading, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "show|/show||"));
    close(reading);
    run_for(20);
    ck_assert_uint_eq(drained_count, 0);
    reply_text(held[0], "held", 4);
    ck_assert(receive(busy, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "held"));
    ck_assert_ptr_nonnull(strstr(answer, "show|/show||")); /* pipelined behind it */
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    close(busy);
    wait_connections(0);
    run_for(10);
    ck_assert_uint_eq(drained_count, 1);
    close(idle);
}
END_TEST

/*
 * Requests that the kernel has but the server has not seen, on an old connection and on a new one.
 */
START_TEST(drain_answers_what_is_in_the_buffers) {
    int old = client_open();
    client_send(old, GET("/show"));
    expect_answer(old, "200", "show|/show||");
    client_send(old, GET("/show?old"));
    int new = client_open();
    client_send(new, GET("/show?new"));
    drain();
    ck_assert(receive(old, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "show|/show|old|"));
    ck_assert(receive(new, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "show|/show|new|"));
    close(old);
    close(new);
    run_for(20);
    ck_assert_uint_eq(drained_count, 1);
}
END_TEST

START_TEST(drain_does_not_wait_long_for_a_client_that_says_nothing) {
    int fresh = client_open(), idle = client_open();
    client_send(idle, GET("/show"));
    expect_answer(idle, "200", "show|/show||");
    run_for(10);
    drain();
    uint64_t took_ms = ms_until_closed(fresh) + ms_until_closed(idle);
    ck_assert_msg(took_ms < 1500, "%lu ms", (unsigned long)took_ms);
    run_for(10);
    ck_assert_uint_eq(drained_count, 1);
    close(fresh);
    close(idle);
}
END_TEST

/*
 * A client that stalls or dawdles has two seconds and half of one for each step, whatever it does.
 */
START_TEST(drain_does_not_wait_for_slow_clients) {
    int half = client_open(), dripping = client_open(), lingering = client_open();
    int deaf = client_open_small(), sipping = client_open_small(), busy = client_open();
    client_send(half, "GET /show HTTP/1.1\r\nHo");
    client_send(dripping, "GET /show HTTP/1.1\r\nX: ");
    client_send(lingering, GET("/show"));
    client_send(deaf, GET("/large"));
    client_send(sipping, GET("/large"));
    client_send(busy, GET("/hold"));
    wait_held(1);
    run_for(50);
    drain();
    uint64_t start_ms = clock_monotonic_ms();
    char sip[1000];
    while (http_server_connection_count(server) > 1) {
        ck_assert_msg(clock_monotonic_ms() - start_ms < 3500, "%zu connections left",
                      http_server_connection_count(server));
        send(dripping, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        recv(sipping, sip, sizeof(sip), MSG_DONTWAIT);
        run_for(10);
    }
    ck_assert_msg(clock_monotonic_ms() - start_ms >= 1900, "clients had no time");
    ck_assert(receive(half, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 408 "));
    ck_assert_uint_eq(drained_count, 0);
    reply_text(held[0], "at last", 7); /* later than all of it: a handler has its own time */
    ck_assert(receive(busy, NULL));
    ck_assert_ptr_nonnull(strstr(answer, "at last"));
    start_ms = clock_monotonic_ms();
    wait_connections(0); /* although `busy` does not close */
    ck_assert_uint_lt(clock_monotonic_ms() - start_ms, 1000);
    run_for(10);
    ck_assert_uint_eq(drained_count, 1);
}
END_TEST

/* An answer that is late and that its client does not take. */
START_TEST(drain_waits_half_a_second_for_a_late_answer_to_be_taken) {
    int deaf = client_open_small();
    client_send(deaf, GET("/hold"));
    wait_held(1);
    drain();
    run_for(1900);
    char *bytes = calloc(1, LARGE_BYTES);
    uint64_t start_ms = clock_monotonic_ms();
    reply_text(held[0], bytes, LARGE_BYTES);
    free(bytes);
    wait_connections(0);
    uint64_t took_ms = clock_monotonic_ms() - start_ms;
    ck_assert_msg(took_ms >= 450 && took_ms < 1000, "%lu ms", (unsigned long)took_ms);
    close(deaf);
}
END_TEST

START_TEST(close_drops_what_is_left) {
    int busy = client_open(), idle = client_open(), gone = client_open();
    client_send(busy, GET("/hold"));
    wait_held(1);
    client_send(gone, GET("/hold"));
    wait_held(2);
    client_reset(gone);
    client_send(idle, "GET");
    run_for(10);
    ck_assert_uint_eq(http_server_connection_count(server), 3);
    http_server_close(server);
    server = NULL;
    ck_assert(is_closed(idle));
    close(busy);
    close(idle);
}
END_TEST

/* ---- addresses ---- */

START_TEST(address_is_taken_or_refused) {
    struct http_server *other = NULL;
    struct http_server_options options = default_options();
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC); /* the refusals are logged */
    log_init("test", LOG_ERROR, quiet);
    options.address = "localhost";
    ck_assert_int_eq(http_server_open(loop, &options, &other), ERR_INVALID);
    options.address = "127.0.0.1";
    options.port = http_server_port(server);
    ck_assert_int_eq(http_server_open(loop, &options, &other), ERR_UNAVAILABLE);
    ck_assert_ptr_null(other);
    options.address = "::1";
    options.port = 0;
    enum err err = http_server_open(loop, &options, &other);
    if (err == ERR_OK) { /* a machine without IPv6 cannot */
        struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                        .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                        .sin6_port = htons(http_server_port(other)) };
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        client_send(fd, GET("/show"));
        expect_answer(fd, "200", "show|/show||");
        close(fd);
    }
    http_server_close(other);
    log_flush();
    close(quiet);
}
END_TEST

static void add_connections(Suite *suite) {
    TCase *tests = tcase_create("connections");
    tcase_add_checked_fixture(tests, setup_server, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, half_closed_client_gets_its_answers);
    tcase_add_test(tests, half_request_then_end_is_400);
    tcase_add_test(tests, silent_client_that_ends_gets_nothing);
    tcase_add_test(tests, exchange_survives_its_client);
    tcase_add_test(tests, client_may_leave_at_any_byte);
    tcase_add_test(tests, refused_client_can_still_read_its_answer);
    tcase_add_test(tests, refused_client_is_not_listened_to_for_ever);
    tcase_add_test(tests, large_answer_arrives_whole);
    tcase_add_test(tests, client_that_only_sends_is_not_buffered_for_ever);
    tcase_add_test(tests, loop_does_not_spin_on_input_that_it_does_not_want);
    tcase_add_test(tests, connection_over_the_limit_is_503_and_the_next_free_place_is_given);
    tcase_add_test(tests, refused_connections_are_bounded_too);
    tcase_add_test(tests, accept_pauses_without_file_descriptors);
    tcase_add_test(tests, address_is_taken_or_refused);
    suite_add_tcase(suite, tests);
}

static void add_deadlines(Suite *suite) {
    TCase *tests = tcase_create("deadlines");
    tcase_add_checked_fixture(tests, setup_short_deadlines, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, client_that_does_not_read_is_closed);
    tcase_add_test(tests, idle_connection_is_closed);
    tcase_add_test(tests, slow_request_is_408_however_it_drips);
    tcase_add_test(tests, handler_has_all_the_time_it_needs);
    suite_add_tcase(suite, tests);
}

static void add_drain(Suite *suite) {
    TCase *tests = tcase_create("drain");
    tcase_add_checked_fixture(tests, setup_server, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, drain_without_connections_is_over_at_once);
    tcase_add_test(tests, drain_finishes_what_is_under_way);
    tcase_add_test(tests, drain_answers_what_is_in_the_buffers);
    tcase_add_test(tests, drain_does_not_wait_long_for_a_client_that_says_nothing);
    tcase_add_test(tests, drain_does_not_wait_for_slow_clients);
    tcase_add_test(tests, drain_waits_half_a_second_for_a_late_answer_to_be_taken);
    tcase_add_test(tests, close_drops_what_is_left);
    suite_add_tcase(suite, tests);
}

int main(void) {
    Suite *suite = suite_create("http_server_life");
    add_connections(suite);
    add_deadlines(suite);
    add_drain(suite);
    return unit_run(suite);
}
