/* link: t/unit/fake_broker.c t/unit/fake_pg.c */
/*
 * runtime/messages/consumer: each event exactly as often as it takes. An item is a number, its
 * data, and the id of the row that it needs.
 */
#include "consumer_fixture.h"

START_TEST(a_batch_is_one_segment_and_one_acknowledgement) {
    held = true;
    deliver(5);
    ck_assert(!consumer_is_idle(&consumer));
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0); /* not before it is done */
    finish();
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert_uint_eq(run_count, 1);
    ck_assert_uint_eq(runs[0].count, 5);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
    deliver(2); /* and the next one */
    finish();
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 2);
}
END_TEST

START_TEST(what_cannot_be_decoded_is_parked_with_the_reason) {
    static const char *const TEXTS[] = { "1", "x", "3", "", "5" };
    deliver_texts(TEXTS, 5);
    ck_assert_uint_eq(runs[0].count, 3);
    ck_assert_int_eq(applied[1] + applied[3] + applied[5], 3);
    ck_assert_uint_eq(fake_broker.parked_count, 2);
    ck_assert_ptr_eq(fake_broker.parked[0].delivery, &deliveries[1]);
    ck_assert_ptr_eq(fake_broker.parked[1].delivery, &deliveries[3]);
    ck_assert_str_eq(fake_broker.parked[0].reason, "invalid");
    ck_assert_str_eq(fake_broker.parked[0].detail, "not a number");
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
}
END_TEST

START_TEST(a_batch_of_nothing_but_rubbish_is_acknowledged) {
    static const char *const TEXTS[] = { "x", "y" };
    deliver_texts(TEXTS, 2);
    ck_assert_uint_eq(run_count, 0);
    ck_assert_uint_eq(fake_broker.parked_count, 2);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
}
END_TEST

static unsigned bad_items; /* a bit each */
static enum err bad_err;

static enum err refuse_bad(int item) {
    return (bad_items & 1u << item) != 0 ? bad_err : ERR_OK;
}

/* ---- messages of many events ---- */

START_TEST(a_message_of_many_events_is_several_segments_and_one_acknowledgement) {
    const char *texts[] = { batch_of(0, 2 * BATCH_MAX + 3, "number") };
    deliver_texts(texts, 1);
    wait_for_ack();
    ck_assert_uint_eq(run_count, 3);
    ck_assert_uint_eq(runs[1].count, BATCH_MAX);
    ck_assert_int_eq(runs[2].first, 2 * BATCH_MAX);
    for (int i = 0; i < 2 * BATCH_MAX + 3; i++) {
        ck_assert_int_eq(applied[i], 1);
    }
    ck_assert_uint_eq(fake_broker.parked_count, 0);
}
END_TEST

START_TEST(small_messages_share_a_segment_with_part_of_a_large_one) {
    const char *texts[] = { "900", batch_of(0, BATCH_MAX, "number"), "901" };
    deliver_texts(texts, 3);
    wait_for_ack();
    ck_assert_uint_eq(run_count, 2);
    ck_assert_uint_eq(runs[0].count, BATCH_MAX);
    ck_assert_uint_eq(runs[1].count, 2);
    ck_assert_int_eq(applied[900] + applied[901] + applied[BATCH_MAX - 1], 3);
}
END_TEST

START_TEST(a_bad_event_is_parked_alone_and_its_neighbours_go_on) {
    const char *texts[] = { batch_of(0, 3, "number") };
    bad_items = 1u << 1;
    bad_err = ERR_REJECTED_DATA;
    verdict = refuse_bad;
    deliver_texts(texts, 1);
    wait_for_ack();
    ck_assert_int_eq(applied[0] + applied[2], 2);
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_ptr_eq(fake_broker.parked[0].delivery, &deliveries[0]);
    ck_assert_str_eq(
        fake_broker.parked[0].body,
        "[{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/t\",\"type\":\"number\","
        "\"data\":1}]");
}
END_TEST

START_TEST(an_event_of_another_type_is_parked) {
    const char *texts[] = { batch_of(0, 1, "letter") };
    deliver_texts(texts, 1);
    wait_for_ack();
    ck_assert_uint_eq(run_count, 0);
    ck_assert_str_eq(fake_broker.parked[0].reason, "invalid");
    ck_assert_str_eq(fake_broker.parked[0].detail, "type is not that of the queue");
}
END_TEST

START_TEST(a_message_without_events_is_acknowledged) {
    const char *texts[] = { batch_of(0, 0, "") };
    deliver_texts(texts, 1);
    wait_for_ack();
    ck_assert_uint_eq(run_count + fake_broker.parked_count, 0);
}
END_TEST

/* Nobody knows how many events it has: it is parked as it came. */
START_TEST(a_batch_that_cannot_be_read_is_parked_whole) {
    static const char *const REASONS[] = { "malformed", "too_large" };
    static const char *const DETAILS[] = { "the batch is not JSON", "more than 1000 events" };
    const char *texts[] = { _i == 0 ? "[{\"specversion\":\"1.0\"},{]"
                                    : batch_of(0, EVENT_COUNT_MAX + 1, "number"),
                            "7" };
    deliver_texts(texts, 2);
    wait_for_ack();
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_str_eq(fake_broker.parked[0].reason, REASONS[_i]);
    ck_assert_str_eq(fake_broker.parked[0].detail, DETAILS[_i]);
    ck_assert_str_eq(fake_broker.parked[0].body, "");
    ck_assert_int_eq(applied[7], 1);
}
END_TEST

/* As product.updated without Redis: each ends at once, and the next begins. */
static uintptr_t lowest_stack, highest_stack;

static enum err note_stack(int item) {
    int here = item;
    uintptr_t at = (uintptr_t)&here;
    lowest_stack = lowest_stack == 0 || at < lowest_stack ? at : lowest_stack;
    highest_stack = at > highest_stack ? at : highest_stack;
    return ERR_OK;
}

START_TEST(segments_that_end_at_once_do_not_fill_the_stack) {
    const char *texts[BATCH_MAX];
    for (size_t i = 0; i < BATCH_MAX; i++) {
        texts[i] = "[{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"/t\",\"type\":\"number\","
                   "\"data\":1},{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"/t\","
                   "\"type\":\"number\",\"data\":2}]";
    }
    consumer.options.batch_max = 1;
    verdict = note_stack;
    deliver_texts(texts, BATCH_MAX);
    ck_assert_uint_eq(run_count, 2 * BATCH_MAX);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert_uint_eq(highest_stack - lowest_stack, 0);
}
END_TEST

START_TEST(a_batch_may_have_as_many_events_as_the_limit) {
    const char *texts[] = { batch_of(0, EVENT_COUNT_MAX, "number") };
    deliver_texts(texts, 1);
    wait_for_ack();
    ck_assert_int_eq(applied[0] + applied[EVENT_COUNT_MAX - 1], 2);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
}
END_TEST

/* ---- bad data ---- */

static const unsigned BAD_SETS[] = {
    0x0001, 0x8000, 0x0100, 0x0080, 0x0003, 0x8001, 0x5555, 0xFFFF, 0x0FF0, 0x1010,
};

static const char *reason_of(enum err err) {
    return err == ERR_REJECTED_DATA   ? "refused"
           : err == ERR_TOO_LARGE     ? "too_large"
           : err == ERR_UNPROCESSABLE ? "conflict"
                                      : "failed";
}

static void check_isolation(void) {
    wait_for_ack();
    size_t next = 0;
    for (int i = 0; i < BATCH_MAX; i++) {
        bool bad = (bad_items & 1u << i) != 0;
        ck_assert_int_eq(applied[i], bad ? 0 : 1);
        if (bad) {
            ck_assert_ptr_eq(fake_broker.parked[next].delivery, &deliveries[i]);
            ck_assert_str_eq(fake_broker.parked[next].reason, reason_of(bad_err));
            next++;
        }
    }
    ck_assert_uint_eq(fake_broker.parked_count, next);
}

START_TEST(halving_parks_exactly_the_bad_items) {
    bad_items = BAD_SETS[_i];
    static const enum err BAD[] = { ERR_REJECTED_DATA, ERR_TOO_LARGE, ERR_UNPROCESSABLE };
    bad_err = BAD[_i % 3];
    verdict = refuse_bad;
    deliver(BATCH_MAX);
    check_isolation();
}
END_TEST

START_TEST(one_bad_item_costs_a_logarithm_of_attempts) {
    bad_items = 1u << 11;
    bad_err = ERR_REJECTED_DATA;
    verdict = refuse_bad;
    deliver(BATCH_MAX);
    check_isolation();
    ck_assert_uint_le(run_count, 12);
}
END_TEST

START_TEST(an_internal_error_is_repeated_and_then_isolated) {
    bad_items = 1u << 2;
    bad_err = ERR_INTERNAL;
    verdict = refuse_bad;
    deliver(4);
    ck_assert_uint_eq(run_count, 1); /* the next one after a delay */
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_broker.acks[QUEUE] == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(fake_broker.parked_count, 1);
    ck_assert_ptr_eq(fake_broker.parked[0].delivery, &deliveries[2]);
    ck_assert_int_eq(applied[0] + applied[1] + applied[3], 3);
    ck_assert_int_eq(applied[2], 0);
    ck_assert_uint_ge(run_count, 6); /* five repetitions of the whole batch */
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(runs[i].count, 4);
    }
    ck_assert_uint_lt(runs[6].count, 4);
}
END_TEST

/* ---- a dependency that is away ---- */

static const enum err AWAY[] = { ERR_UNAVAILABLE, ERR_TIMEOUT,   ERR_CONFLICT, ERR_BUSY,
                                 ERR_NO_MEMORY,   ERR_DUPLICATE, ERR_TAKEN_ID };

START_TEST(anything_else_is_repeated_until_it_succeeds) {
    held = true;
    deliver(3);
    for (size_t attempt = 1; attempt <= 20; attempt++) {
        consumer_segment_done(segment, AWAY[_i]);
        ck_assert(consumer_is_idle(&consumer)); /* between two attempts */
        ck_assert_uint_eq(run_count, attempt);
        wait_for_runs(attempt + 1);
        ck_assert_uint_eq(runs[attempt].count, 3);
    }
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    ck_assert_uint_eq(fake_broker.parked_count, 0);
    finish();
    wait_for_ack();
    ck_assert_int_eq(applied[0] + applied[1] + applied[2], 3);
}
END_TEST

/* ---- stop ---- */

START_TEST(stopping_waits_for_the_last_segment_and_acknowledges_it) {
    held = true;
    deliver(3);
    consumer_stop(&consumer);
    ck_assert(!consumer_is_idle(&consumer));
    finish();
    ck_assert(consumer_is_idle(&consumer));
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    deliver(1); /* ignored */
    ck_assert_uint_eq(run_count, 1);
}
END_TEST

START_TEST(stopping_in_the_middle_of_a_batch_acknowledges_nothing) {
    held = true;
    deliver(4);
    consumer_segment_done(segment, ERR_REJECTED_DATA); /* halved */
    ck_assert_uint_eq(runs[1].count, 2);
    consumer_stop(&consumer);
    finish();
    ck_assert(consumer_is_idle(&consumer));
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    ck_assert_uint_eq(run_count, 2);
}
END_TEST

START_TEST(stopping_between_two_attempts_makes_no_other) {
    held = true;
    deliver(3);
    consumer_segment_done(segment, ERR_UNAVAILABLE);
    consumer_stop(&consumer);
    uint64_t end_ms = clock_monotonic_ms() + 30; /* longer than the longest delay */
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(run_count, 1);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("consumer");
    TCase *tcase = tcase_create("consumer");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_batch_is_one_segment_and_one_acknowledgement);
    tcase_add_test(tcase, what_cannot_be_decoded_is_parked_with_the_reason);
    tcase_add_test(tcase, a_message_of_many_events_is_several_segments_and_one_acknowledgement);
    tcase_add_test(tcase, small_messages_share_a_segment_with_part_of_a_large_one);
    tcase_add_test(tcase, a_bad_event_is_parked_alone_and_its_neighbours_go_on);
    tcase_add_test(tcase, an_event_of_another_type_is_parked);
    tcase_add_test(tcase, segments_that_end_at_once_do_not_fill_the_stack);
    tcase_add_test(tcase, a_message_without_events_is_acknowledged);
    tcase_add_loop_test(tcase, a_batch_that_cannot_be_read_is_parked_whole, 0, 2);
    tcase_add_test(tcase, a_batch_may_have_as_many_events_as_the_limit);
    tcase_add_test(tcase, a_batch_of_nothing_but_rubbish_is_acknowledged);
    tcase_add_loop_test(tcase, halving_parks_exactly_the_bad_items, 0, (int)UNIT_COUNT(BAD_SETS));
    tcase_add_test(tcase, one_bad_item_costs_a_logarithm_of_attempts);
    tcase_add_test(tcase, an_internal_error_is_repeated_and_then_isolated);
    tcase_add_loop_test(tcase, anything_else_is_repeated_until_it_succeeds, 0,
                        (int)UNIT_COUNT(AWAY));
    tcase_add_test(tcase, stopping_waits_for_the_last_segment_and_acknowledges_it);
    tcase_add_test(tcase, stopping_in_the_middle_of_a_batch_acknowledges_nothing);
    tcase_add_test(tcase, stopping_between_two_attempts_makes_no_other);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
