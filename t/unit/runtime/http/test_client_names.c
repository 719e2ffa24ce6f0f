/* link: t/unit/fake_names.c */
/* The HTTP client and a host with several addresses, of which only one has a server. */
#include "base/clock.h"
#include "runtime/http/client.h"
#include "runtime/loop/resolver.h"
#include "runtime/telemetry/log.h"

#include "fake_names.h"
#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, DEADLINE_MS = 300 };

static struct loop *loop;
static struct http_client *client;
static int listener, quiet;
static uint16_t port;
static unsigned calls;
static enum err outcome;

static int listen_on(const char *address, uint16_t at_port, int backlog) {
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(at_port) };
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(inet_pton(AF_INET, address, &name.sin_addr), 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, length), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &length), 0);
    port = ntohs(name.sin_port);
    return fd;
}

/* Connections that nobody accepts, until another one gets no answer at all. */
static void fill_backlog(const char *address) {
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
    ck_assert_int_eq(inet_pton(AF_INET, address, &name.sin_addr), 1);
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fd, (struct sockaddr *)&name, sizeof(name));
    }
}

static void open_client(void) {
    static char url[64];
    snprintf(url, sizeof(url), "http://" FAKE_NAME ":%u", port);
    struct http_client_options options = {
        .base_url = url,
        .connections_max = 2,
        .queue_max = 2,
        .deadline_ms = DEADLINE_MS,
        .idle_timeout_ms = 1000,
        .response_bytes_max = 100,
    };
    ck_assert_int_eq(http_client_open(loop, &options, &client), ERR_OK);
}

static void setup(void) {
    quiet = open("/dev/null", O_WRONLY | O_CLOEXEC); /* failures are logged */
    log_init("test", LOG_ERROR, quiet);
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
    listener = listen_on("127.0.0.1", 0, 16);
}

static void teardown(void) {
    http_client_close(client);
    loop_destroy(loop);
    close(listener);
    close(quiet);
}

static void note(void *ctx, enum err err, const struct http_response *response) {
    (void)ctx;
    (void)response;
    calls++;
    outcome = err;
}

/* Answer a request, if one is there. */
static void serve(void) {
    static const char ANSWER[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    static int fd = -1;
    char request[1000];
    if (fd < 0) {
        fd = accept(listener, NULL, NULL);
    }
    if (fd >= 0 && recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0) {
        ck_assert_int_eq(send(fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL), (int)strlen(ANSWER));
        close(fd);
        fd = -1;
    }
}

static enum err ask(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    calls = 0;
    http_client_get(client, "/", (struct trace){ "", "", "" }, note, NULL);
    while (calls == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 2);
        serve();
    }
    ck_assert_uint_eq(calls, 1);
    return outcome;
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 2);
    }
}

/* The n-th lookup has ended, and the client knows. */
static void wait_lookup(size_t n) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_names_lookups() < n && clock_monotonic_ms() < end_ms) {
        run_for(5);
    }
    ck_assert_uint_eq(fake_names_lookups(), n);
    run_for(100);
}

/* Refused at once, refused a little later, not to be reached at all. */
static const char *const FIRST[] = { "::1", "127.0.0.2", "255.255.255.255" };

START_TEST(an_address_without_a_server_costs_no_request) {
    const char *const addresses[] = { FIRST[_i], "127.0.0.3", "127.0.0.1", NULL };
    fake_names_set(addresses);
    open_client();
    wait_lookup(1);
    ck_assert_int_eq(ask(), ERR_OK);
    ck_assert_int_eq(ask(), ERR_OK);
    ck_assert_uint_eq(fake_names_lookups(), 1);
}
END_TEST

START_TEST(without_any_server_each_address_is_tried_once) {
    static const char *const ADDRESSES[] = { "127.0.0.2", "127.0.0.3", NULL };
    fake_names_set(ADDRESSES);
    open_client();
    wait_lookup(1);
    ck_assert_int_eq(ask(), ERR_UNAVAILABLE);
}
END_TEST

START_TEST(a_server_that_does_not_accept_costs_one_request) {
    static const char *const ADDRESSES[] = { "127.0.0.2", "127.0.0.1", NULL };
    int silent = listen_on("127.0.0.2", port, 0);
    fill_backlog("127.0.0.2");
    fake_names_set(ADDRESSES);
    open_client();
    wait_lookup(1);
    ck_assert_int_eq(ask(), ERR_TIMEOUT);
    ck_assert_int_eq(ask(), ERR_OK);
    close(silent);
}
END_TEST

/* A container made anew: the name has another address. */
START_TEST(a_host_that_moves_is_found_again) {
    static const char *const BEFORE[] = { "127.0.0.2", NULL };
    static const char *const AFTER[] = { "127.0.0.1", NULL };
    fake_names_set(BEFORE);
    open_client();
    wait_lookup(1);
    run_for(RESOLVE_PAUSE_MS);
    fake_names_set(AFTER);
    ck_assert_int_eq(ask(), ERR_UNAVAILABLE);
    wait_lookup(2);
    ck_assert_int_eq(ask(), ERR_OK);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_yet_is_unavailable) {
    static const char *const ADDRESSES[] = { "127.0.0.1", NULL };
    fake_names_set(NULL);
    open_client();
    ck_assert_int_eq(ask(), ERR_UNAVAILABLE);
    wait_lookup(1);
    fake_names_set(ADDRESSES);
    run_for(RESOLVE_PAUSE_MS);
    ck_assert_int_eq(ask(), ERR_UNAVAILABLE); /* begins the lookup */
    wait_lookup(2);
    ck_assert_int_eq(ask(), ERR_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_client_names");
    TCase *tests = tcase_create("names");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, an_address_without_a_server_costs_no_request, 0,
                        (int)UNIT_COUNT(FIRST));
    tcase_add_test(tests, without_any_server_each_address_is_tried_once);
    tcase_add_test(tests, a_server_that_does_not_accept_costs_one_request);
    tcase_add_test(tests, a_host_that_moves_is_found_again);
    tcase_add_test(tests, a_name_that_does_not_resolve_yet_is_unavailable);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
