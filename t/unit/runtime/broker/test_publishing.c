/* link: t/unit/broker_rig.c t/unit/fake_amqp.c */
/* runtime/broker/broker, publishing: every turn that a connection can take, every fate once. */
#include "broker_rig.h"
#include "runtime/broker/private.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- publishing ---- */

static void script_confirm_two(void) {
    struct fake_connection *connection = fake_accept(&server);
    const struct fake_event *event = fake_expect(connection, FAKE_PUBLISH);
    ck_assert_str_eq(event->exchange, "events");
    ck_assert_str_eq(event->routing_key, "order.created");
    ck_assert_str_eq(event->body, "{\"orderId\":1}");
    ck_assert(fake_has_property(event, "application/json"));
    ck_assert(fake_has_property(event, "\x02m0"));
    ck_assert(fake_has_property(event, "\x09request-7"));
    ck_assert(fake_has_property(event, "\x0btraceparent"));
    ck_assert(fake_has_property(event, "00-trace"));
    ck_assert(fake_has_property(event, "\x0atracestate"));
    ck_assert(fake_has_property(event, "a=1"));
    event = fake_expect(connection, FAKE_PUBLISH);
    ck_assert(fake_has_property(event, "\x0btraceparent"));
    ck_assert(!fake_has_property(event, "tracestate"));
    fake_confirm(connection, 2, true, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(confirmed_messages_are_reported_once) {
    start_script(script_confirm_two);
    open_broker();
    ck_assert_int_eq(publish(0), ERR_UNAVAILABLE); /* not connected yet */
    until(states, "U");
    publish_all(0, 2);
    until(fates, "yy..............................");
    close_broker(2000);
    end_script();
    ck_assert_str_eq(states, "UD");
}
END_TEST

static void script_nack_and_return(void) {
    struct fake_connection *connection = fake_accept(&server);
    for (int i = 0; i < 4; i++) {
        fake_expect(connection, FAKE_PUBLISH);
    }
    fake_confirm(connection, 4, false, true); /* out of order */
    fake_return(connection, "order.created", "m1");
    fake_confirm(connection, 1, false, false);
    fake_confirm(connection, 3, true, true);
    fake_expect(connection, FAKE_END); /* to declare the topology again */
    fake_close(connection);
    connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_return(connection, "order.created", "m4");
    fake_confirm(connection, 1, false, true);
    ck_assert(fake_is_silent(connection, 200)); /* but not each time */
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 2, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(refused_and_returned_messages_are_not_confirmed) {
    start_script(script_nack_and_return);
    open_broker();
    until(states, "U");
    publish_all(0, 4);
    until(fates, "nnyy............................");
    until(states, "UDU");
    publish_all(4, 5);
    until(fates, "nnyyn...........................");
    tick_for(300);
    publish_all(5, 6);
    until(fates, "nnyyny..........................");
    close_broker(2000);
    end_script();
}
END_TEST

static void script_lose_then_confirm(void) {
    struct fake_connection *connection = fake_accept(&server);
    for (int i = 0; i < 3; i++) {
        fake_expect(connection, FAKE_PUBLISH);
    }
    fake_confirm(connection, 2, false, true);
    fake_close(connection);
    connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 1, false, true); /* a new channel counts from 1 */
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(what_is_in_flight_when_the_connection_ends_is_not_confirmed) {
    start_script(script_lose_then_confirm);
    open_broker();
    until(states, "U");
    publish_all(0, 3);
    until(fates, "nyn.............................");
    until(states, "UDU");
    publish_all(3, 4);
    until(fates, "nyny............................");
    close_broker(2000);
    end_script();
}
END_TEST

static void script_confirm_what_was_not_sent(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 2, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(a_confirm_for_nothing_ends_the_connection) {
    start_script(script_confirm_what_was_not_sent);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(fates, "n...............................");
    end_script();
    close_broker(1000);
}
END_TEST

static void script_block(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_block(connection, "low on memory");
    ck_assert(fake_is_silent(connection, 200));
    fake_unblock(connection);
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(a_blocked_broker_keeps_what_was_sent_and_takes_nothing_new) {
    start_script(script_block);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(states, "UB");
    ck_assert_int_eq(broker_publish_state(broker), BROKER_BLOCKED);
    ck_assert_int_eq(publish(1), ERR_UNAVAILABLE);
    until(fates, "y...............................");
    until(states, "UBU");
    close_broker(2000);
    end_script();
}
END_TEST

static _Atomic bool is_reporting; /* the loop is inside on_state(BROKER_BLOCKED) */

static void script_block_then_end(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_expect(connection, FAKE_PUBLISH);
    fake_block(connection, "low on memory");
    while (!is_reporting) {
        usleep(1000);
    }
    fake_close(connection);
}

/*
 * The loop is held between its looks at the state and at the fates until the connection has ended.
 */
static void wait_for_two_fates(enum broker_state state) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    is_reporting = state == BROKER_BLOCKED;
    while (is_reporting && broker_metrics[M_UNCONFIRMED].value < 2) {
        ck_assert_uint_lt(clock_monotonic_ms(), end_ms);
        usleep(1000);
    }
}

START_TEST(whoever_hears_that_a_message_is_lost_has_heard_of_the_connections_end) {
    during_state = wait_for_two_fates;
    start_script(script_block_then_end);
    open_broker();
    until(states, "U");
    publish_all(0, 2);
    until(fates, "nn..............................");
    end_script();
    close_broker(1000);
    ck_assert_str_eq(told, "UBDnn");
}
END_TEST

static void script_never_confirm(void) {
    struct fake_connection *connection = fake_accept(&server);
    while (fake_next(connection)->kind == FAKE_PUBLISH) {
    }
    fake_close(connection);
}

/* It answers heartbeats and reads, but confirms only the first. */
static void script_confirm_one_of_two(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_PUBLISH);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
    connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(a_broker_that_does_not_confirm_is_connected_to_anew) {
    options.confirm_timeout_ms = 400;
    start_script(script_confirm_one_of_two);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(fates, "y...............................");
    tick_for(600); /* nothing is open: nothing to wait for */
    ck_assert_str_eq(states, "U");
    uint64_t begin_ms = clock_monotonic_ms();
    publish_all(1, 2);
    until(fates, "yn..............................");
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, 390);
    until(states, "UDU");
    publish_all(2, 3);
    until(fates, "yny.............................");
    close_broker(2000);
    end_script();
}
END_TEST

static void script_block_for_long(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_block(connection, "low on memory");
    ck_assert(fake_is_silent(connection, 900));
    fake_unblock(connection);
    ck_assert(fake_is_silent(connection, 200));
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(a_blocked_broker_may_take_its_time_for_confirms) {
    options.confirm_timeout_ms = 400;
    start_script(script_block_for_long);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(fates, "y...............................");
    ck_assert_str_eq(states, "UBU");
    close_broker(2000);
    end_script();
}
END_TEST

START_TEST(the_window_and_the_queue_are_bounded) {
    options.publish_inflight_max = 2;
    options.publish_queue_max = 3;
    start_script(script_never_confirm);
    open_broker();
    until(states, "U");
    publish_all(0, 2);
    tick_for(100); /* both are sent */
    publish_all(2, 5);
    ck_assert_int_eq(publish(5), ERR_BUSY);
    ck_assert_uint_ge(close_broker(300), 300);
    end_script();
    ck_assert_str_eq(fates, "nnnnn...........................");
}
END_TEST

START_TEST(sizes_are_checked_at_their_edges) {
    static char body[BROKER_BODY_BYTES_MAX + 1];
    static const struct {
        size_t routing_key, id, traceparent, tracestate, body;
        enum err err;
    } cases[] = {
        { 255, 128, 55, 512, 65536, ERR_OK }, { 256, 1, 1, 1, 1, ERR_TOO_LARGE },
        { 1, 129, 1, 1, 1, ERR_TOO_LARGE },   { 1, 1, 56, 1, 1, ERR_TOO_LARGE },
        { 1, 1, 1, 513, 1, ERR_TOO_LARGE },   { 1, 1, 1, 1, 65537, ERR_TOO_LARGE },
    };
    char key[257] = "", id[130] = "", trace[57] = "", state[514] = "";
    memset(key, 'k', cases[_i].routing_key);
    memset(id, 'i', cases[_i].id);
    memset(trace, 't', cases[_i].traceparent);
    memset(state, 's', cases[_i].tracestate);
    struct broker_message message = { .routing_key = key,
                                      .content_type = "application/json",
                                      .message_id = id,
                                      .trace = { id, trace, state },
                                      .body = body,
                                      .body_length = cases[_i].body };
    start_script(script_never_confirm);
    open_broker();
    until(states, "U");
    ck_assert_int_eq(broker_publish(broker, &message, 0), cases[_i].err);
    close_broker(100);
    end_script();
}
END_TEST

/* ---- heartbeats ---- */

static void script_beat(void) {
    struct fake_connection *connection = fake_accept(&server);
    for (int i = 0; i < 6; i++) { /* three seconds: longer than two intervals of silence */
        ck_assert_int_eq(fake_next(connection)->kind, FAKE_HEARTBEAT);
        fake_heartbeat(connection);
    }
    while (fake_next(connection)->kind == FAKE_HEARTBEAT) { /* no answer any more */
    }
    ck_assert_int_eq(connection->event.kind, FAKE_END);
    fake_close(connection);
}

START_TEST(heartbeats_keep_an_idle_connection_and_find_a_dead_one) {
    server.heartbeat_s = 1;
    start_script(script_beat);
    open_broker();
    until(states, "U");
    uint64_t start_ms = clock_monotonic_ms();
    until(states, "UD");
    ck_assert_uint_ge(clock_monotonic_ms() - start_ms, 4000);
    end_script();
    close_broker(500);
}
END_TEST

START_TEST(a_malformed_url_is_refused_without_its_password) {
    static const char *const urls[] = { "http://guest:s3cret@127.0.0.1", "amqp://a:s3cret@b:99999",
                                        "amqps://guest:s3cret@127.0.0.1" };
    char text[4096] = "";
    int fd = memfd_create("log", MFD_CLOEXEC);
    log_init("unit", LOG_DEBUG, fd);
    options.url = urls[_i];
    ck_assert_int_eq(try_open_broker(), ERR_INVALID);
    log_flush();
    ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(text, "broker URL"));
    ck_assert_ptr_null(strstr(text, "s3cret"));
    loop_destroy(loop);
}
END_TEST

/* ---- closing ---- */

START_TEST(closing_works_when_nobody_listens) {
    fake_unlisten(&server);
    open_broker();
    tick_for(100);
    ck_assert_uint_lt(close_broker(2000), 500);
}
END_TEST

START_TEST(closing_works_when_the_server_does_not_answer) {
    with_queue(); /* nobody accepts: both threads wait for the greeting */
    open_broker();
    tick_for(100);
    uint64_t took_ms = close_broker(300);
    ck_assert_uint_ge(took_ms, 300);
    ck_assert_uint_lt(took_ms, 1000);
}
END_TEST

static void script_block_for_good(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    fake_block(connection, "low on disk");
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(closing_works_when_the_broker_blocks) {
    start_script(script_block_for_good);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    until(states, "UB");
    ck_assert_uint_lt(close_broker(300), 1500);
    end_script();
    ck_assert_str_eq(fates, "n...............................");
}
END_TEST

static void script_confirm_late(void) {
    struct fake_connection *connection = fake_accept(&server);
    fake_expect(connection, FAKE_PUBLISH);
    usleep(200000);
    fake_confirm(connection, 1, false, true);
    fake_expect(connection, FAKE_END);
    fake_close(connection);
}

START_TEST(closing_waits_for_confirms_and_refuses_new_messages) {
    start_script(script_confirm_late);
    open_broker();
    until(states, "U");
    publish_all(0, 1);
    broker_close(broker, 3000, on_broker_closed, NULL);
    ck_assert_int_eq(publish(1), ERR_DRAINING);
    while (!is_closed) {
        loop_tick(loop, 20);
    }
    ck_assert_str_eq(fates, "y...............................");
    broker_free(broker);
    end_script();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("broker_publishing");
    TCase *tcase = tcase_create("broker_publishing");
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, confirmed_messages_are_reported_once);
    tcase_add_test(tcase, refused_and_returned_messages_are_not_confirmed);
    tcase_add_test(tcase, what_is_in_flight_when_the_connection_ends_is_not_confirmed);
    tcase_add_test(tcase, a_confirm_for_nothing_ends_the_connection);
    tcase_add_test(tcase, a_blocked_broker_keeps_what_was_sent_and_takes_nothing_new);
    tcase_add_test(tcase, a_broker_that_does_not_confirm_is_connected_to_anew);
    tcase_add_test(tcase, whoever_hears_that_a_message_is_lost_has_heard_of_the_connections_end);
    tcase_add_test(tcase, a_blocked_broker_may_take_its_time_for_confirms);
    tcase_add_test(tcase, the_window_and_the_queue_are_bounded);
    tcase_add_loop_test(tcase, sizes_are_checked_at_their_edges, 0, 5);
    tcase_add_test(tcase, heartbeats_keep_an_idle_connection_and_find_a_dead_one);
    tcase_add_loop_test(tcase, a_malformed_url_is_refused_without_its_password, 0, 3);
    tcase_add_test(tcase, closing_works_when_nobody_listens);
    tcase_add_test(tcase, closing_works_when_the_server_does_not_answer);
    tcase_add_test(tcase, closing_works_when_the_broker_blocks);
    tcase_add_test(tcase, closing_waits_for_confirms_and_refuses_new_messages);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
