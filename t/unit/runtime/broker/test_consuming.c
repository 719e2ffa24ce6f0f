/* link: t/unit/broker_rig.c t/unit/fake_amqp.c */
/* runtime/broker/broker, consuming: batches, acknowledgements, parking, lost connections. */
#include "broker_rig.h"
#include "unit.h"

#include <string.h>
#include <unistd.h>

/* Both connections of the broker, whichever comes first. For scripts. */
static struct fake_connection *publisher;
static struct fake_connection *consumer;

static void accept_both(void) {
    static unsigned expected_ups;
    expected_ups++;
    struct fake_connection *first = fake_accept(&server);
    struct fake_connection *second = fake_accept(&server);
    bool in_order = strcmp(first->name, "publisher") == 0;
    publisher = in_order ? first : second;
    consumer = in_order ? second : first;
    ck_assert_str_eq(publisher->name, "publisher");
    ck_assert_str_eq(consumer->name, "consumer");
    while (up_count < expected_ups) { /* what is to be parked before that comes again */
        usleep(1000);
    }
}

static void deliver(uint64_t tag, const char *message_id) {
    fake_deliver(consumer, QUEUE_CHANNEL, tag, message_id, "{}", 2);
}

static void expect_ack(uint64_t tag) {
    const struct fake_event *event = fake_expect(consumer, FAKE_ACK);
    ck_assert_uint_eq(event->channel, QUEUE_CHANNEL);
    ck_assert_uint_eq(event->tag, tag);
    ck_assert(event->multiple);
}

static void expect_end(void) {
    fake_expect(consumer, FAKE_END);
    fake_expect(publisher, FAKE_END);
    fake_close(consumer);
    fake_close(publisher);
}

static void set_up_queue(void) {
    set_up();
    with_queue();
}

static void close_all(void) {
    close_broker(2000);
    end_script();
}

/* ---- batches ---- */

static void script_batches(void) {
    accept_both();
    deliver(1, "m1");
    expect_ack(1);
    deliver(2, "m2");
    ck_assert(fake_is_silent(consumer, 100)); /* the loop keeps it */
    for (uint64_t tag = 3; tag <= 8; tag++) {
        char id[3] = { 'm', (char)('0' + tag), '\0' };
        deliver(tag, id);
    }
    expect_ack(2);
    expect_ack(5);
    expect_ack(8);
    expect_end();
}

START_TEST(what_arrives_meanwhile_is_the_next_batch) {
    start_script(script_batches);
    open_broker();
    until(batches, "[m1]");
    ck_assert(broker_is_consuming(broker));
    ack_at_once = false;
    until(batches, "[m1][m2]");
    tick_for(300);
    ck_assert_str_eq(batches, "[m1][m2]"); /* nothing more before it is asked for */
    ack_at_once = true;
    broker_ack(broker, last_batch);
    broker_next(broker, 0);
    until(batches, "[m1][m2][m3 m4 m5][m6 m7 m8]");
    close_all();
    ck_assert(fake_saw(&server, "dead-letters order.created.unit\n"
                                "queue.bind order.created.unit events order.created\n"));
    ck_assert(fake_saw(&server, "basic.consume order.created.unit\n"));
}
END_TEST

static void script_odd(void) {
    static char long_id[130];
    static char body[BROKER_BODY_BYTES_MAX];
    memset(long_id, 'x', sizeof(long_id) - 1);
    memset(body, 'b', sizeof(body));
    accept_both();
    fake_deliver(consumer, QUEUE_CHANNEL, 1, NULL, "", 0);
    expect_ack(1);
    fake_deliver(consumer, QUEUE_CHANNEL, 2, long_id, "{}", 2);
    expect_ack(2);
    long_id[BROKER_ID_BYTES_MAX] = '\0';
    fake_deliver(consumer, QUEUE_CHANNEL, 3, long_id, body, sizeof(body));
    expect_ack(3);
    expect_end();
}

START_TEST(odd_deliveries_are_handed_over_as_far_as_they_can_be) {
    char expected[300] = "[][][";
    memset(expected + 5, 'x', BROKER_ID_BYTES_MAX);
    expected[5 + BROKER_ID_BYTES_MAX] = ']';
    start_script(script_odd);
    open_broker();
    until(batches, expected);
    ck_assert_uint_eq(last_body_length, BROKER_BODY_BYTES_MAX);
    close_all();
}
END_TEST

#define PARENT "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct {
    const char *traceparent, *tracestate, *read;
} TRACES[] = {
    { NULL, NULL, "|" },
    { "00-" PARENT, NULL, "00-" PARENT "|" },
    { "00-" PARENT, "a=1 , b=2", "00-" PARENT "|a=1,b=2" },
    { "01-" PARENT "-more", "a=1", "00-" PARENT "|a=1" },
    { "00-" PARENT, "A=1", "00-" PARENT "|" },
    { "00-" PARENT, "", "00-" PARENT "|" },
    { "00-trace", "a=1", "|" },
    { NULL, "a=1", "|" },
};
static int trace_case;

static void script_trace(void) {
    accept_both();
    fake_deliver_trace(consumer, QUEUE_CHANNEL, 1, TRACES[trace_case].traceparent,
                       TRACES[trace_case].tracestate);
    expect_ack(1);
    expect_end();
}

START_TEST(the_trace_context_is_handed_over_when_it_is_valid) {
    trace_case = _i;
    start_script(script_trace);
    open_broker();
    until(batches, "[]");
    ck_assert_str_eq(last_trace, TRACES[_i].read);
    close_all();
}
END_TEST

/* ---- lost connections ---- */

static void script_lose_with_a_batch_out(void) {
    accept_both();
    deliver(1, "m1");
    ck_assert(fake_is_silent(consumer, 200));
    fake_close(consumer);
    consumer = fake_accept(&server);
    deliver(1, "m1");
    expect_ack(1); /* once: the acknowledgement of the first delivery is not sent */
    ck_assert(fake_is_silent(consumer, 100));
    expect_end();
}

START_TEST(an_acknowledgement_of_an_earlier_connection_is_not_sent) {
    ack_at_once = false;
    start_script(script_lose_with_a_batch_out);
    open_broker();
    until(batches, "[m1]");
    tick_for(500); /* lost, connected again, and the second delivery waits */
    ck_assert_str_eq(batches, "[m1]");
    ack_at_once = true;
    broker_ack(broker, last_batch);
    broker_next(broker, 0);
    until(batches, "[m1][m1]");
    tick_for(200);
    close_all();
}
END_TEST

static void script_delete_queue(void) {
    accept_both();
    fake_cancel(consumer, QUEUE_CHANNEL);
    fake_expect(consumer, FAKE_END);
    fake_close(consumer);
    consumer = fake_accept(&server); /* declares again, and consumes */
    deliver(1, "m1");
    expect_ack(1);
    expect_end();
}

START_TEST(a_deleted_queue_is_declared_again) {
    start_script(script_delete_queue);
    open_broker();
    until(batches, "[m1]");
    close_all();
    const char *first = strstr(server.trace, "basic.consume");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first, "queue.declare order.created.unit\n"));
}
END_TEST

static void script_no_answer(void) {
    server.is_mute = true;
    accept_both();
    ck_assert(fake_is_silent(consumer, 2000)); /* it stays connected */
    fake_consume_ok(consumer, QUEUE_CHANNEL);
    deliver(1, "m1");
    expect_ack(1);
    expect_end();
}

START_TEST(a_queue_that_cannot_be_consumed_ends_no_connection) {
    options.rpc_timeout_ms = 1000;
    start_script(script_no_answer);
    open_broker();
    tick_for(1500);
    ck_assert(!broker_is_consuming(broker));
    until(batches, "[m1]");
    ck_assert(broker_is_consuming(broker));
    close_all();
}
END_TEST

static void script_hold_at_close(void) {
    accept_both();
    deliver(1, "m1");
    expect_end(); /* no acknowledgement: it comes again to somebody else */
}

START_TEST(closing_does_not_wait_for_a_batch_that_is_kept) {
    ack_at_once = false;
    start_script(script_hold_at_close);
    open_broker();
    until(batches, "[m1]");
    ck_assert_uint_lt(close_broker(3000), 1000);
    end_script();
}
END_TEST

static void script_interleave(void) {
    accept_both();
    fake_deliver(consumer, QUEUE_CHANNEL, 1, "m1", "{}", 2);
    fake_deliver(consumer, QUEUE_CHANNEL + 1, 1, "n1", "{}", 2);
    fake_deliver(consumer, QUEUE_CHANNEL + 1, 2, "n2", "{}", 2);
    const struct fake_event *event = fake_expect(consumer, FAKE_ACK);
    ck_assert_uint_eq(event->channel, QUEUE_CHANNEL + 1); /* the first queue's batch is kept */
    while (event->tag < 2) {
        event = fake_expect(consumer, FAKE_ACK);
        ck_assert_uint_eq(event->channel, QUEUE_CHANNEL + 1);
    }
    ck_assert(fake_is_silent(consumer, 200));
    expect_end();
}

static void ack_second_only(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    size_t acked = 0;
    while (strstr(batches, "n2") == NULL || strstr(batches, "m1") == NULL) {
        ck_assert_uint_lt(clock_monotonic_ms(), end_ms);
        size_t before = strlen(batches);
        loop_tick(loop, 20);
        if (strchr(batches + before, 'n') != NULL) {
            broker_ack(broker, last_batch);
            broker_next(broker, 1);
            acked++;
        }
    }
    ck_assert_uint_ge(acked, 1);
}

START_TEST(a_kept_batch_holds_back_its_own_queue_only) {
    options.queues[1] = (struct broker_queue){ .name = "other", .routing_keys = { "other" } };
    ack_at_once = false;
    start_script(script_interleave);
    open_broker();
    ack_second_only();
    tick_for(300);
    close_all();
}
END_TEST

/* ---- several batches in hand ---- */

static void script_in_hand(void) {
    accept_both();
    deliver(1, "m1");
    ck_assert(fake_is_silent(consumer, 100));
    deliver(2, "m2");
    deliver(3, "m3");
    const struct fake_event *event = fake_expect(consumer, FAKE_ACK);
    for (uint64_t tag = 2; tag <= 3; tag++) { /* the older one is not covered */
        ck_assert_uint_eq(event->tag, tag);
        ck_assert(!event->multiple);
        event = tag == 2 ? fake_expect(consumer, FAKE_ACK) : event;
    }
    expect_ack(1);
    deliver(4, "m4");
    deliver(5, "m5");
    expect_ack(5);
    expect_end();
}

static void take_next(const char *expected) {
    broker_next(broker, 0);
    until(batches, expected);
}

START_TEST(batches_are_acknowledged_in_any_order) {
    ack_at_once = false;
    start_script(script_in_hand);
    open_broker();
    until(batches, "[m1]");
    struct delivery_batch *first = last_batch;
    tick_for(300);
    take_next("[m1][m2 m3]");
    broker_ack(broker, last_batch);
    tick_for(100);
    broker_ack(broker, first);
    tick_for(200);
    take_next("[m1][m2 m3][m4 m5]");
    broker_ack(broker, last_batch); /* now it is the oldest: one acknowledgement covers it */
    tick_for(200);
    close_all();
}
END_TEST

static void script_returned(void) {
    accept_both();
    deliver(1, "m1");
    ck_assert(fake_is_silent(consumer, 100));
    deliver(2, "m2");
    fake_expect(consumer, FAKE_END); /* none is acknowledged, although m2 was handled */
    fake_close(consumer);
    consumer = fake_accept(&server);
    deliver(1, "m1");
    expect_ack(1);
    expect_end();
}

START_TEST(a_returned_batch_comes_again_with_all_that_is_outstanding) {
    ack_at_once = false;
    start_script(script_returned);
    open_broker();
    until(batches, "[m1]");
    struct delivery_batch *first = last_batch;
    tick_for(300);
    take_next("[m1][m2]");
    broker_return(broker, first);
    broker_ack(broker, last_batch);
    ack_at_once = true;
    take_next("[m1][m2][m1]");
    tick_for(200);
    close_all();
}
END_TEST

static void script_returned_late(void) {
    accept_both();
    deliver(1, "old");
    ck_assert(fake_is_silent(consumer, 200));
    fake_close(consumer);
    consumer = fake_accept(&server);
    deliver(1, "m1");
    ck_assert(fake_is_silent(consumer, 200));
    deliver(2, "m2");
    fake_expect(consumer, FAKE_END); /* m1 is not covered */
    fake_close(consumer);
    consumer = fake_accept(&server);
    deliver(1, "m1");
    expect_ack(1);
    expect_end();
}

START_TEST(a_batch_of_an_earlier_connection_does_not_keep_a_returned_one_from_coming_again) {
    ack_at_once = false;
    start_script(script_returned_late);
    open_broker();
    until(batches, "[old]");
    struct delivery_batch *old = last_batch;
    tick_for(300);
    take_next("[old][m1]");
    struct delivery_batch *first = last_batch;
    tick_for(300);
    take_next("[old][m1][m2]");
    broker_return(broker, first);
    broker_return(broker, old);
    broker_ack(broker, last_batch);
    ack_at_once = true;
    take_next("[old][m1][m2][m1]");
    tick_for(200);
    close_all();
}
END_TEST

/* RabbitMQ counts messages: who sends large ones has fewer under way. */
static char large_body[BROKER_BODY_BYTES_MAX];

static void script_large(void) {
    memset(large_body, 'x', sizeof(large_body));
    accept_both();
    uint64_t tag = 1;
    for (; tag < BROKER_IN_HAND_BYTES_MAX / sizeof(large_body); tag++) {
        fake_deliver(consumer, QUEUE_CHANNEL, tag, "m", large_body, sizeof(large_body));
    }
    ck_assert(fake_is_silent(consumer, 200)); /* below the limit; properties count, too */
    fake_deliver(consumer, QUEUE_CHANNEL, tag, "m", large_body, sizeof(large_body));
    fake_expect(consumer, FAKE_END);
    fake_close(consumer);
    consumer = fake_accept(&server);
    expect_end();
}

START_TEST(large_deliveries_lower_the_prefetch) {
    options.prefetch = 100;
    options.batch_max = 100;
    ack_at_once = false;
    start_script(script_large);
    open_broker();
    tick_for(1500);
    close_all();
    const char *first = strstr(server.trace, "basic.qos 100\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first, "basic.qos 8\n"));
}
END_TEST

/* ---- setting aside ---- */

static void script_aside(void) {
    accept_both();
    deliver(1, "busy");
    const struct fake_event *event = fake_expect(publisher, FAKE_PUBLISH);
    ck_assert_str_eq(event->exchange, "");
    ck_assert_str_eq(event->routing_key, "order.created.unit.retry");
    ck_assert_str_eq(event->body, "[7]");
    ck_assert(fake_has_property(event, "x-prodorder-attempts"));
    ck_assert(fake_has_property(event, "\x01"
                                       "1"));
    usleep(200000);
    fake_confirm(publisher, 1, false, true);
    expect_ack(1);
    expect_end();
}

START_TEST(what_is_set_aside_goes_to_the_retry_queue_and_is_then_acknowledged) {
    options.queues[1] = (struct broker_queue){ .name = "order.created.unit.retry",
                                               .retry_of = "order.created.unit" };
    aside_id = "busy";
    start_script(script_aside);
    open_broker();
    until(batches, "[busy]");
    ck_assert_uint_eq(last_attempts, 0);
    tick_for(400);
    close_all();
    ck_assert(fake_saw(&server, "queue.declare order.created.unit.retry\n"
                                "dead-letters order.created.unit.retry\n"));
    ck_assert(!fake_saw(&server, "order.created.unit.retry.dlq"));
}
END_TEST

/* ---- parking ---- */

static const struct fake_event *expect_copy(const char *reason) {
    const struct fake_event *event = fake_expect(publisher, FAKE_PUBLISH);
    ck_assert_str_eq(event->exchange, "");
    ck_assert_str_eq(event->routing_key, "order.created.unit.dlq");
    ck_assert(fake_has_property(event, "x-prodorder-reason"));
    ck_assert(fake_has_property(event, reason));
    ck_assert(fake_has_property(event, "x-prodorder-queue"));
    ck_assert(fake_has_property(event, "x-prodorder-time"));
    return event;
}

static void script_park(void) {
    accept_both();
    deliver(1, "m1");
    deliver(2, "bad");
    const struct fake_event *event = expect_copy("malformed");
    ck_assert_str_eq(event->body, "{}");
    ck_assert(fake_has_property(event, "\x03"
                                       "bad"));
    while (!fake_is_silent(consumer, 200)) { /* at most m1's, had it come in a batch of its own */
        expect_ack(1);
    }
    fake_confirm(publisher, 1, false, true);
    expect_ack(2);
    expect_end();
}

START_TEST(a_batch_is_acknowledged_after_its_parked_copy_is_confirmed) {
    park_id = "bad";
    start_script(script_park);
    open_broker();
    while (strstr(batches, "bad]") == NULL) {
        loop_tick(loop, 20);
    }
    tick_for(400);
    close_all();
}
END_TEST

static void script_copy_refused(void) {
    accept_both();
    deliver(1, "bad");
    expect_copy("malformed");
    fake_confirm(publisher, 1, false, false);
    fake_expect(consumer, FAKE_END); /* no acknowledgement */
    fake_close(consumer);
    consumer = fake_accept(&server);
    deliver(1, "bad");
    expect_copy("malformed");
    fake_confirm(publisher, 2, false, true);
    expect_ack(1);
    expect_end();
}

/* The dead-letter queue is gone: both connections are recycled, and declare it again. */
static void script_copy_returned(void) {
    accept_both();
    deliver(1, "bad");
    expect_copy("malformed");
    fake_return(publisher, "order.created.unit.dlq", "bad");
    fake_confirm(publisher, 1, false, true);
    fake_expect(consumer, FAKE_END);
    fake_expect(publisher, FAKE_END);
    fake_close(consumer);
    fake_close(publisher);
    accept_both();
    deliver(1, "bad");
    expect_copy("malformed");
    fake_confirm(publisher, 1, false, true);
    expect_ack(1);
    expect_end();
}

START_TEST(a_failed_copy_makes_the_delivery_come_again) {
    park_id = "bad";
    start_script(_i == 0 ? script_copy_refused : script_copy_returned);
    open_broker();
    until(batches, "[bad][bad]");
    tick_for(300);
    close_all();
}
END_TEST

/*
 * The smallest frames there are, and headers that fill them: 0: many, of which most stay; 1: one,
 * that cannot.
 */
static int small_frames_case;

static void script_small_frames(void) {
    accept_both();
    if (small_frames_case == 0) {
        fake_deliver_headers(consumer, QUEUE_CHANNEL, 1, 40, 90);
    } else {
        fake_deliver_headers(consumer, QUEUE_CHANNEL, 1, 1, 4000);
    }
    const struct fake_event *event = expect_copy("malformed");
    ck_assert_str_eq(event->body, "{}");
    ck_assert(fake_has_property(event, "h0") == (small_frames_case == 0));
    ck_assert(fake_has_property(event, "h35") == (small_frames_case == 0));
    ck_assert(!fake_has_property(event, "h39"));
    fake_confirm(publisher, 1, false, true);
    expect_ack(1);
    expect_end();
}

START_TEST(a_copy_fits_into_the_frames_of_the_broker) {
    server.frame_bytes_max = 4096;
    small_frames_case = _i;
    park_id = "";
    start_script(script_small_frames);
    open_broker();
    until(batches, "[]");
    tick_for(300);
    close_all();
}
END_TEST

static char big_body[BROKER_PARK_BODY_BYTES_MAX + 1];

static void script_too_large(void) {
    memset(big_body, 'x', sizeof(big_body));
    accept_both();
    fake_deliver(consumer, QUEUE_CHANNEL, 1, "big", big_body, BROKER_BODY_BYTES_MAX + 1);
    const struct fake_event *event = expect_copy("too_large");
    ck_assert_uint_eq(event->body_length, BROKER_BODY_BYTES_MAX + 1);
    fake_confirm(publisher, 1, false, true);
    expect_ack(1);
    fake_deliver(consumer, QUEUE_CHANNEL, 2, "bigger", big_body, BROKER_PARK_BODY_BYTES_MAX);
    event = expect_copy("too_large"); /* in several frames, both ways */
    ck_assert_uint_eq(event->body_length, BROKER_PARK_BODY_BYTES_MAX);
    ck_assert_mem_eq(event->body, big_body, BROKER_PARK_BODY_BYTES_MAX);
    fake_confirm(publisher, 2, false, true);
    expect_ack(2);
    fake_deliver(consumer, QUEUE_CHANNEL, 3, "biggest", big_body, sizeof(big_body));
    ck_assert_uint_eq(fake_expect(consumer, FAKE_REJECT)->tag, 3);
    deliver(4, "m4");
    expect_ack(4);
    expect_end();
}

START_TEST(what_is_too_large_is_parked_and_never_handed_over) {
    start_script(script_too_large);
    open_broker();
    until(batches, "[m4]");
    close_all();
}
END_TEST

static void script_close_while_parking(void) {
    accept_both();
    deliver(1, "bad");
    expect_copy("malformed");
    ck_assert(fake_is_silent(consumer, 300));
    fake_confirm(publisher, 1, false, true);
    expect_ack(1);
    expect_end();
}

START_TEST(closing_waits_for_an_acknowledgement_that_waits_for_its_copy) {
    park_id = "bad";
    start_script(script_close_while_parking);
    open_broker();
    until(batches, "[bad]");
    uint64_t took_ms = close_broker(3000);
    ck_assert_uint_ge(took_ms, 200);
    ck_assert_uint_lt(took_ms, 2000);
    end_script();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("broker_consuming");
    TCase *tcase = tcase_create("broker_consuming");
    tcase_add_checked_fixture(tcase, set_up_queue, NULL);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, what_arrives_meanwhile_is_the_next_batch);
    tcase_add_test(tcase, odd_deliveries_are_handed_over_as_far_as_they_can_be);
    tcase_add_loop_test(tcase, the_trace_context_is_handed_over_when_it_is_valid, 0,
                        UNIT_COUNT(TRACES));
    tcase_add_test(tcase, an_acknowledgement_of_an_earlier_connection_is_not_sent);
    tcase_add_test(tcase, a_deleted_queue_is_declared_again);
    tcase_add_test(tcase, a_queue_that_cannot_be_consumed_ends_no_connection);
    tcase_add_test(tcase, closing_does_not_wait_for_a_batch_that_is_kept);
    tcase_add_test(tcase, a_kept_batch_holds_back_its_own_queue_only);
    tcase_add_test(tcase, batches_are_acknowledged_in_any_order);
    tcase_add_test(tcase, a_returned_batch_comes_again_with_all_that_is_outstanding);
    tcase_add_test(tcase,
                   a_batch_of_an_earlier_connection_does_not_keep_a_returned_one_from_coming_again);
    tcase_add_test(tcase, large_deliveries_lower_the_prefetch);
    tcase_add_test(tcase, what_is_set_aside_goes_to_the_retry_queue_and_is_then_acknowledged);
    tcase_add_test(tcase, a_batch_is_acknowledged_after_its_parked_copy_is_confirmed);
    tcase_add_loop_test(tcase, a_failed_copy_makes_the_delivery_come_again, 0, 2);
    tcase_add_loop_test(tcase, a_copy_fits_into_the_frames_of_the_broker, 0, 2);
    tcase_add_test(tcase, what_is_too_large_is_parked_and_never_handed_over);
    tcase_add_test(tcase, closing_waits_for_an_acknowledgement_that_waits_for_its_copy);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
