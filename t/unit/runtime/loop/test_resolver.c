/* link: t/unit/fake_names.c */
/*
 * runtime/loop/resolver: which address comes next, and when the name is looked up again. The
 * names are faked; what the clients make of it is in the tests of pg, cache and http_client.
 */
#include "base/clock.h"
#include "runtime/loop/resolver.h"
#include "runtime/telemetry/log.h"

#include "fake_names.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static struct loop *loop;
static struct resolver resolver;
static char address[RESOLVE_ADDRESS_BYTES];
static int log_file;

static void setup(void) {
    log_file = memfd_create("log", 0);
    log_init("test", LOG_DEBUG, log_file);
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
}

static void teardown(void) {
    resolver_close(&resolver);
    loop_destroy(loop);
    log_close();
    close(log_file);
}

static size_t log_lines(const char *msg) {
    static char text[65536];
    size_t count = 0;
    log_flush();
    ssize_t length = pread(log_file, text, sizeof(text) - 1, 0);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    for (const char *found = text; (found = strstr(found, msg)) != NULL; found++) {
        count++;
    }
    return count;
}

static void open_name(const char *const *addresses) {
    fake_names_set(addresses);
    resolver_open(&resolver, loop, FAKE_NAME);
}

static bool next(void) {
    return resolver_next_address(&resolver, address);
}

/* Until no lookup is under way. */
static void wait_lookup(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (resolver.lookup != NULL && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 5);
    }
    ck_assert_ptr_null(resolver.lookup);
}

static void run_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 5);
    }
}

static void expect(const char *wanted) {
    ck_assert(next());
    ck_assert_str_eq(address, wanted);
}

static void fail_one(const char *wanted) {
    expect(wanted);
    resolver_report_failure(&resolver, address);
}

static const char *const NUMERIC[] = { "127.0.0.1", "::1", "2001:db8::7",
                                       "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" };

START_TEST(a_numeric_address_needs_no_lookup) {
    resolver_open(&resolver, loop, NUMERIC[_i]);
    for (int i = 0; i < 3; i++) {
        fail_one(NUMERIC[_i]); /* at once, and whatever happens */
        ck_assert_ptr_null(resolver.lookup);
    }
    ck_assert_uint_eq(resolver_address_count(&resolver), 1);
}
END_TEST

static const char *const TWO[] = { "::1", "127.0.0.1", NULL };
static const char *const OTHER[] = { "127.0.0.9", NULL };

START_TEST(failures_lead_from_address_to_address) {
    open_name(TWO);
    ck_assert(!next()); /* not yet */
    wait_lookup();
    ck_assert(!fake_names_were_here());
    ck_assert_uint_eq(resolver_address_count(&resolver), 2);
    expect("::1");
    fail_one("::1");
    expect("127.0.0.1");
    resolver_report_failure(&resolver, "::1"); /* another connection's: old news */
    resolver_report_failure(&resolver, "::1");
    expect("127.0.0.1"); /* stays as long as it works */
    expect("127.0.0.1");
    ck_assert_uint_eq(fake_names_lookups(), 1);
}
END_TEST

START_TEST(a_full_round_of_failures_looks_up_again) {
    open_name(TWO);
    wait_lookup();
    run_for(RESOLVE_PAUSE_MS + 50);
    fake_names_set(OTHER);
    fake_names_hold(true);
    fail_one("::1");
    ck_assert_uint_eq(fake_names_lookups(), 1);
    fail_one("127.0.0.1");
    ck_assert_ptr_nonnull(resolver.lookup);
    fail_one("::1"); /* the old ones until the new ones are known */
    fail_one("127.0.0.1");
    expect("::1");
    fake_names_hold(false);
    wait_lookup();
    expect("127.0.0.9");
    ck_assert_uint_eq(resolver_address_count(&resolver), 1);
    ck_assert_uint_eq(fake_names_lookups(), 2);
}
END_TEST

START_TEST(lookups_have_a_pause_between_them) {
    open_name(OTHER);
    wait_lookup();
    uint64_t begin_ms = clock_monotonic_ms();
    while (fake_names_lookups() == 1) {
        fail_one("127.0.0.9");
        run_for(5);
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, PATIENCE_MS);
    }
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, RESOLVE_PAUSE_MS - 50);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_tried_again_and_logged_once) {
    open_name(NULL);
    uint64_t begin_ms = clock_monotonic_ms();
    while (fake_names_lookups() < 3) {
        ck_assert(!next());
        run_for(5);
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, PATIENCE_MS);
    }
    fake_names_set(TWO);
    while (!next()) {
        run_for(5);
        ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, PATIENCE_MS);
    }
    ck_assert_str_eq(address, "::1");
    ck_assert_uint_eq(log_lines("host name does not resolve"), 1);
    ck_assert_uint_eq(log_lines("host name resolves again"), 1);
}
END_TEST

START_TEST(addresses_survive_a_name_server_that_fails) {
    open_name(TWO);
    wait_lookup();
    fake_names_set(NULL);
    run_for(RESOLVE_PAUSE_MS + 50);
    fail_one("::1");
    fail_one("127.0.0.1");
    wait_lookup();
    ck_assert_uint_eq(fake_names_lookups(), 2);
    ck_assert_uint_eq(log_lines("host name does not resolve"), 1);
    expect("::1");
}
END_TEST

START_TEST(addresses_are_bounded) {
    static const char *const MANY[] = { "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4",
                                        "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8",
                                        "127.0.0.9", NULL };
    open_name(MANY);
    wait_lookup();
    ck_assert_uint_eq(resolver_address_count(&resolver), RESOLVE_ADDRESSES_MAX);
    for (size_t i = 0; i < RESOLVE_ADDRESSES_MAX; i++) {
        fail_one(MANY[i]);
    }
    expect("127.0.0.1");
}
END_TEST

/* 0: while its thread looks up; 1: when that is done, but not yet known to the loop. */
START_TEST(closing_does_not_wait) {
    fake_names_hold(true);
    open_name(TWO);
    ck_assert_ptr_nonnull(resolver.lookup);
    if (_i == 1) {
        fake_names_hold(false);
        usleep(100 * 1000);
    }
    uint64_t begin_ms = clock_monotonic_ms();
    resolver_close(&resolver);
    resolver_close(&resolver); /* harmless */
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, 500);
    fake_names_hold(false);
    run_for(100); /* nothing comes of it */
    ck_assert_uint_eq(resolver_address_count(&resolver), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolve");
    TCase *tests = tcase_create("resolve");
    tcase_set_timeout(tests, 20);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_numeric_address_needs_no_lookup, 0, (int)UNIT_COUNT(NUMERIC));
    tcase_add_test(tests, failures_lead_from_address_to_address);
    tcase_add_test(tests, a_full_round_of_failures_looks_up_again);
    tcase_add_test(tests, lookups_have_a_pause_between_them);
    tcase_add_test(tests, a_name_that_does_not_resolve_is_tried_again_and_logged_once);
    tcase_add_test(tests, addresses_survive_a_name_server_that_fails);
    tcase_add_test(tests, addresses_are_bounded);
    tcase_add_loop_test(tests, closing_does_not_wait, 0, 2);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
