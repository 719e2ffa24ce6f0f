/* link: t/unit/fake_broker.c t/unit/fake_pg.c */
/*
 * runtime/messages/consumer, what is under way at once: segments that overlap, answers and the
 * acknowledgement, rows that others have locked.
 */
#include "consumer_fixture.h"

/* ---- several segments and batches ---- */

START_TEST(the_next_batch_begins_when_this_one_has_passed) {
    held = true;
    deliver_numbers(0, 2);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 0);
    struct consumer_segment *first = segment;
    consumer_segment_passed(first);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1); /* once */
    consumer_segment_passed(first);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1);
    deliver_numbers(2, 3);
    ck_assert_uint_eq(run_count, 2);
    struct consumer_segment *second = segment;
    ck_assert_ptr_ne(first, second);
    finish_segment(second);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1); /* in any order */
    ck_assert(fake_broker.batches[1].ended);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 2);
    finish_segment(first);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 2);
    ck_assert_int_eq(applied[0] + applied[1] + applied[2] + applied[3] + applied[4], 5);
}
END_TEST

START_TEST(no_third_segment_begins_and_none_before_a_repetition_has_passed) {
    held = true;
    deliver_numbers(0, 1);
    struct consumer_segment *first = segment;
    consumer_segment_passed(first);
    deliver_numbers(1, 1);
    consumer_segment_passed(segment);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1); /* the third waits in the broker */
    finish_segment(segment);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 2);
    deliver_numbers(2, 1);
    finish_segment(segment);
    consumer_segment_done(first, ERR_UNAVAILABLE); /* what had passed failed after all */
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 3);
    deliver_numbers(3, 1);
    ck_assert_uint_eq(run_count, 3); /* it waits for the repetition */
    wait_for_runs(4);
    ck_assert_int_eq(runs[3].first, 0);
    consumer_segment_passed(segment);
    ck_assert_uint_eq(run_count, 5);
}
END_TEST

START_TEST(as_many_batches_as_there_is_room_for_are_in_hand) {
    struct teller_event event = { .routing_key = "answer", .message_id = "a", .body = STR("{}") };
    held = true;
    for (int i = 0; i < CONSUMER_BATCHES_MAX; i++) {
        ck_assert_uint_eq(fake_broker.asked[QUEUE], (size_t)i);
        deliver_numbers(i, 1);
        consumer_answer(segment, &event, 1);
        finish();
    }
    ck_assert_uint_eq(fake_broker.asked[QUEUE], CONSUMER_BATCHES_MAX - 1);
    fake_broker_fates(true, teller_on_published);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], CONSUMER_BATCHES_MAX);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], CONSUMER_BATCHES_MAX);
}
END_TEST

/* ---- gathering under load ---- */

enum { LARGE = CONSUMER_GATHER_FROM, LARGE_MAX = 2 * LARGE };

static void open_large(void) {
    struct consumer_options options = options_of(QUEUE);
    options.batch_max = LARGE_MAX;
    consumer_close(&consumer);
    ck_assert_int_eq(consumer_open(&consumer, loop, &fake_broker, &options), ERR_OK);
    held = true;
}

static void deliver_many(size_t count) {
    static const char *const ONES[LARGE_MAX] = { [0 ... LARGE_MAX - 1] = "1" };
    deliver_texts(ONES, count);
}

static void tick_for(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
}

/* 0: few events, 1: a full segment, which has a backlog behind it */
START_TEST(the_next_batch_is_asked_for_at_once_without_load) {
    open_large();
    deliver_many(_i == 0 ? LARGE - 1 : LARGE_MAX);
    tick_for(5);
    finish();
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1);
}
END_TEST

/* 0: when it ends, 1: when it has passed */
START_TEST(under_load_the_next_batch_gathers_first) {
    open_large();
    deliver_many(LARGE);
    uint64_t begin_ms = clock_monotonic_ms();
    tick_for(5);
    uint64_t passed_ms = clock_monotonic_ms();
    if (_i == 1) {
        consumer_segment_passed(segment);
    }
    if (_i == 0) {
        finish();
    }
    while (fake_broker.asked[QUEUE] == 0 && clock_monotonic_ms() < begin_ms + PATIENCE_MS) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1);
    ck_assert_uint_ge(clock_monotonic_ms() - passed_ms, 4);
    if (_i == 1) {
        finish();
        ck_assert_uint_eq(fake_broker.asked[QUEUE], 1);
    }
}
END_TEST

START_TEST(a_full_segment_ends_the_gathering) {
    open_large();
    deliver_many(LARGE);
    tick_for(5);
    consumer_segment_passed(segment); /* gathers from now on */
    struct consumer_segment *first = segment;
    fake_broker.asked[QUEUE] = 0;
    deliver_many(LARGE_MAX);
    consumer_segment_passed(segment);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 0); /* two are under way */
    finish();
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 1);
    finish_segment(first);
}
END_TEST

START_TEST(stopping_while_the_next_batch_gathers) {
    open_large();
    deliver_many(LARGE);
    tick_for(5);
    finish();
    consumer_stop(&consumer);
    tick_for(CONSUMER_GATHER_MS + 20);
    ck_assert_uint_eq(fake_broker.asked[QUEUE], 0);
}
END_TEST

/* ---- answers ---- */

static void answer(void) {
    struct teller_event events[] = {
        { .routing_key = "answer", .message_id = "a", .body = STR("{}") },
        { .routing_key = "answer", .message_id = "b", .body = STR("{}") },
    };
    consumer_answer(segment, events, 2);
}

START_TEST(the_acknowledgement_waits_for_a_hold) {
    held = true;
    deliver(3);
    struct consumer_hold first = consumer_hold(segment), second = consumer_hold(segment);
    finish();
    ck_assert(!consumer_is_idle(&consumer));
    consumer_release(&first, true);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    consumer_release(&second, true);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert(consumer_is_idle(&consumer));
    consumer_release(&second, true); /* its batch is gone */
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
}
END_TEST

START_TEST(the_acknowledgement_follows_the_confirm_of_every_answer) {
    held = true;
    deliver(3);
    answer();
    finish();
    ck_assert_uint_eq(fake_broker.published, 2);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    ck_assert(!consumer_is_idle(&consumer));
    fake_broker.published = 1; /* one of them is confirmed */
    fake_broker_fates(true, teller_on_published);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    fake_broker.published = 2;
    fake_broker_fates(true, teller_on_published);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert(consumer_is_idle(&consumer));
    tick_for(2 * ANSWER_MS);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
}
END_TEST

START_TEST(an_answer_without_a_confirm_is_waited_for_so_long) {
    held = true;
    deliver(3);
    answer();
    finish();
    tick_for(ANSWER_MS / 2);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    tick_for(ANSWER_MS);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    fake_broker_fates(_i == 0, teller_on_published); /* too late: harmless */
    ck_assert_uint_eq(fake_broker.acks[QUEUE] + fake_broker.returns[QUEUE], 1);
}
END_TEST

/* A memory alarm: 0: before the answer, 1: after it. Or it never ends while the queue is full. */
START_TEST(a_broker_that_blocks_publishers_has_its_acknowledgement_at_once) {
    held = true;
    deliver(3);
    if (_i == 0) {
        fake_broker.state = BROKER_BLOCKED;
        fake_broker.publish_err = ERR_UNAVAILABLE;
    }
    answer();
    finish();
    fake_broker.state = BROKER_BLOCKED;
    consumer_on_broker_state(&consumer, BROKER_BLOCKED);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
}
END_TEST

/* 0: nacked, 1: lost with its connection, 2: not taken, it was away. The question comes again. */
START_TEST(a_refused_answer_returns_the_question) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    consumer.options.answer_timeout_ms = 2 * PATIENCE_MS;
    held = true;
    deliver(3);
    fake_broker.publish_err = _i == 2 ? ERR_UNAVAILABLE : ERR_OK;
    answer();
    finish();
    if (_i == 1) {
        fake_broker.state = BROKER_DOWN;
        consumer_on_broker_state(&consumer, BROKER_DOWN);
    }
    fake_broker_fates(false, teller_on_published);
    if (_i == 1) {
        tick_for(1500);
        ck_assert_uint_eq(fake_broker.returns[QUEUE], 0); /* nothing to return to */
        fake_broker.state = BROKER_UP;
        consumer_on_broker_state(&consumer, BROKER_UP);
    }
    while (fake_broker.returns[QUEUE] == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(fake_broker.returns[QUEUE], 1);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
}
END_TEST

/* A queue of ours that has no room for all of them: it would have none the next time, either. */
START_TEST(answers_that_have_no_room_are_given_up) {
    held = true;
    deliver(3);
    fake_broker.publish_err = ERR_BUSY;
    fake_broker.publish_ok_left = 1;
    answer();
    finish();
    fake_broker_fates(true, teller_on_published);
    tick_for(2 * ANSWER_MS);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert_uint_eq(fake_broker.returns[QUEUE], 0);
}
END_TEST

/* ---- rows that others have locked ---- */

static unsigned locked_rows; /* a bit each */
static struct consumer retrying;

static enum err refuse_locked(int item) {
    return (locked_rows & 1u << item) != 0 ? ERR_LOCKED : ERR_OK;
}

/* The database says which of those that it is asked for are locked. */
static void answer_find(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_pg.waiting == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    const struct fake_pg_request *request = fake_pg_expect(FAKE_PG_RUN, &FIND_LOCKED);
    PGresult *rows = fake_rows(1);
    unsigned asked = 0;
    for (size_t i = 0; i < fake_param_count(&request->calls[0], 0); i++) {
        asked |= 1u << fake_param_int8_at(&request->calls[0], 0, i);
    }
    for (int64_t row = 0; row < 32; row++) {
        if ((locked_rows & asked & 1u << row) != 0) {
            fake_row(rows, "i", row);
        }
    }
    fake_pg_answer(rows, NULL, NULL);
}

START_TEST(events_of_locked_rows_are_set_aside_and_the_others_go_on) {
    verdict = refuse_locked;
    locked_rows = 1u << 2 | 1u << 5;
    deliver(8);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 0);
    answer_find();
    ck_assert_uint_eq(fake_broker.aside_count, 2);
    ck_assert_ptr_eq(fake_broker.aside[0].delivery, &deliveries[2]);
    ck_assert_ptr_eq(fake_broker.aside[1].delivery, &deliveries[5]);
    ck_assert_str_eq(fake_broker.aside[0].reason, "locked");
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(applied[i], i == 2 || i == 5 ? 0 : 1);
    }
    size_t before = run_count; /* whose row is known to be locked does not wait for it again */
    deliver_numbers(1, 2);
    ck_assert_uint_eq(run_count, before + 1);
    ck_assert_uint_eq(runs[before].count, 1);
    ck_assert_uint_eq(fake_broker.aside_count, 3);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 2);
}
END_TEST

START_TEST(a_locked_row_among_many_events_of_a_message_takes_only_its_own_with_it) {
    const char *texts[] = { batch_of(1, 3, "number") };
    verdict = refuse_locked;
    locked_rows = 1u << 2;
    deliver_texts(texts, 1);
    answer_find();
    ck_assert_uint_eq(fake_broker.aside_count, 1);
    ck_assert_ptr_nonnull(strstr(fake_broker.aside[0].body, "\"id\":\"e-2\""));
    ck_assert_ptr_null(strstr(fake_broker.aside[0].body, "e-1"));
    ck_assert_int_eq(applied[1] + applied[3], 2);
}
END_TEST

START_TEST(a_lock_that_is_gone_when_it_is_looked_for_costs_a_repetition) {
    verdict = refuse_locked;
    locked_rows = 1;
    deliver(2);
    locked_rows = 0;
    answer_find();
    wait_for_ack();
    ck_assert_uint_eq(fake_broker.aside_count, 0);
    ck_assert_int_eq(applied[0] + applied[1], 2);
}
END_TEST

START_TEST(rows_cannot_be_looked_for_and_the_segment_is_repeated) {
    verdict = refuse_locked;
    locked_rows = 1;
    deliver(2);
    fake_pg_fail(ERR_UNAVAILABLE);
    locked_rows = 0;
    wait_for_ack();
    ck_assert_int_eq(applied[0] + applied[1], 2);
}
END_TEST

static void open_retrying(void) {
    struct consumer_options options = options_of(QUEUE + 1);
    options.main = &consumer;
    ck_assert_int_eq(consumer_open(&retrying, loop, &fake_broker, &options), ERR_OK);
}

/* What was set aside, from the retry queue: two events. */
static void deliver_again(int a, int b, unsigned attempts) {
    struct broker_delivery *batch = &deliveries[delivered];
    int numbers[] = { a, b };
    for (int i = 0; i < 2; i++) {
        char *body = bodies[delivered];
        snprintf(body, sizeof(bodies[0]), "%d", numbers[i]);
        batch[i] = fake_delivery("id", body);
        batch[i].attempts = attempts;
        delivered++;
    }
    consumer_on_deliveries(&retrying, fake_batch(QUEUE + 1, batch, 2), 2);
}

static void wait_for_asking(size_t count) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fake_broker.asked[QUEUE + 1] < count && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_uint_eq(fake_broker.asked[QUEUE + 1], count);
}

START_TEST(what_was_set_aside_is_tried_again_after_a_growing_delay) {
    static const uint64_t DELAYS_MS[] = { 250, 500, 1000 };
    open_retrying();
    verdict = refuse_locked;
    locked_rows = 1u << 3;
    deliver_numbers(3, 1);
    answer_find();
    deliver_again(3, 3, 1); /* it is not due: back, untried, and acknowledged */
    ck_assert_uint_eq(run_count, 1);
    ck_assert_uint_eq(fake_broker.aside_count, 3);
    ck_assert_uint_eq(fake_broker.aside[2].attempts, 1);
    ck_assert_uint_eq(fake_broker.acks[QUEUE + 1], 1);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t start_ms = loop_now_ms(loop);
        size_t before = run_count;
        deliver_numbers(4, 1); /* the others do not wait for that */
        ck_assert_int_eq(applied[4], (int)i + 1);
        wait_for_asking(i + 1);
        ck_assert_uint_ge(loop_now_ms(loop) - start_ms, DELAYS_MS[i]);
        deliver_again(3, 3, i + 1);
        ck_assert_uint_eq(run_count, before + 2);
        answer_find();
        ck_assert_uint_eq(fake_broker.aside_count, 3 + 2 * (i + 1));
        ck_assert_uint_eq(fake_broker.aside[2 + 2 * (i + 1)].attempts, i + 2);
        ck_assert_uint_eq(fake_broker.acks[QUEUE + 1], i + 2);
    }
    locked_rows = 0;
    wait_for_asking(4);
    deliver_again(3, 3, 4);
    ck_assert_int_eq(applied[3], 2);
    ck_assert_uint_eq(fake_broker.asked[QUEUE + 1], 5); /* free: no delay … */
    deliver_again(3, 3, 4);
    deliver_numbers(3, 1); /* … and no detour, for anybody */
    ck_assert_int_eq(applied[3], 5);
    consumer_close(&retrying);
}
END_TEST

/* Their attempt costs time: who does not need them goes before, and as long as some can go … */
START_TEST(events_of_free_rows_do_not_wait_for_those_of_locked_ones) {
    open_retrying();
    verdict = refuse_locked;
    locked_rows = 1u << 3;
    deliver_numbers(3, 1);
    answer_find();
    size_t before = run_count;
    deliver_again(3, 5, 1);
    ck_assert_uint_eq(run_count, before + 1);
    ck_assert_int_eq(applied[5], 1);
    ck_assert_uint_eq(fake_broker.asked[QUEUE + 1], 1); /* … the next are asked for at once */
    deliver_again(3, 3, 1);
    ck_assert_uint_eq(fake_broker.asked[QUEUE + 1], 1);
    wait_for_asking(2);
    deliver_again(3, 5, 1);
    ck_assert_int_eq(runs[before + 1].first, 5);
    ck_assert_int_eq(runs[before + 2].first, 3);
    answer_find();
    ck_assert_uint_eq(fake_broker.acks[QUEUE + 1], 3);
    consumer_close(&retrying);
}
END_TEST

/* Row 3 stays locked, 5 is free again, and its event is behind many of 3: they go round. */
START_TEST(an_overdue_row_is_looked_for_behind_the_events_of_others) {
    open_retrying();
    locked_rows_note(&consumer.locked, 3, 0, loop_now_ms(loop) + 600000); /* not due in this test */
    locked_rows_note(&consumer.locked, 5, 0, loop_now_ms(loop) - 250);
    uint64_t start_ms = loop_now_ms(loop);
    for (size_t i = 0; i < 5; i++) {
        deliver_again(3, 3, 1);
        ck_assert_uint_eq(fake_broker.aside_count, 2 * (i + 1));
        wait_for_asking(i + 1);
    }
    ck_assert_uint_ge(loop_now_ms(loop) - start_ms, 5 * 50); /* not as fast as they can */
    deliver_again(5, 3, 1);
    ck_assert_int_eq(applied[5], 1);
    consumer_close(&retrying);
}
END_TEST

/* Another replica has set it aside: this one knows nothing of it, and tries. */
START_TEST(the_attempts_of_others_count_for_the_delay) {
    open_retrying();
    verdict = refuse_locked;
    locked_rows = 1u << 3;
    uint64_t start_ms = loop_now_ms(loop);
    deliver_again(3, 3, 3);
    answer_find();
    ck_assert_uint_eq(fake_broker.aside_count, 2);
    ck_assert_uint_eq(locked_rows_find(&consumer.locked, 3)->attempts, 4);
    ck_assert_uint_ge(locked_rows_find(&consumer.locked, 3)->due_ms, start_ms + 2000);
    consumer_close(&retrying);
}
END_TEST

/* Many were locked here and became free elsewhere: the next one is set aside all the same. */
START_TEST(a_row_is_set_aside_however_many_have_been_locked_before) {
    for (int64_t id = 0; id < LOCKED_ROWS_MAX; id++) {
        locked_rows_note(&consumer.locked, 1000 + id, 0, 0);
    }
    verdict = refuse_locked;
    locked_rows = 1u << 3;
    deliver_numbers(2, 3);
    answer_find();
    ck_assert_uint_eq(fake_broker.aside_count, 1);
    ck_assert_uint_eq(fake_broker.acks[QUEUE], 1);
    ck_assert_int_eq(applied[2] + applied[4], 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("consumer_overlap");
    TCase *tcase = tcase_create("consumer_overlap");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_next_batch_begins_when_this_one_has_passed);
    tcase_add_test(tcase, no_third_segment_begins_and_none_before_a_repetition_has_passed);
    tcase_add_test(tcase, as_many_batches_as_there_is_room_for_are_in_hand);
    tcase_add_loop_test(tcase, the_next_batch_is_asked_for_at_once_without_load, 0, 2);
    tcase_add_loop_test(tcase, under_load_the_next_batch_gathers_first, 0, 2);
    tcase_add_test(tcase, a_full_segment_ends_the_gathering);
    tcase_add_test(tcase, stopping_while_the_next_batch_gathers);
    tcase_add_test(tcase, the_acknowledgement_waits_for_a_hold);
    tcase_add_test(tcase, the_acknowledgement_follows_the_confirm_of_every_answer);
    tcase_add_loop_test(tcase, an_answer_without_a_confirm_is_waited_for_so_long, 0, 2);
    tcase_add_loop_test(tcase, a_broker_that_blocks_publishers_has_its_acknowledgement_at_once, 0,
                        2);
    tcase_add_loop_test(tcase, a_refused_answer_returns_the_question, 0, 3);
    tcase_add_test(tcase, events_of_locked_rows_are_set_aside_and_the_others_go_on);
    tcase_add_test(tcase, a_locked_row_among_many_events_of_a_message_takes_only_its_own_with_it);
    tcase_add_test(tcase, a_lock_that_is_gone_when_it_is_looked_for_costs_a_repetition);
    tcase_add_test(tcase, rows_cannot_be_looked_for_and_the_segment_is_repeated);
    tcase_add_test(tcase, what_was_set_aside_is_tried_again_after_a_growing_delay);
    tcase_add_test(tcase, events_of_free_rows_do_not_wait_for_those_of_locked_ones);
    tcase_add_test(tcase, answers_that_have_no_room_are_given_up);
    tcase_add_test(tcase, an_overdue_row_is_looked_for_behind_the_events_of_others);
    tcase_add_test(tcase, the_attempts_of_others_count_for_the_delay);
    tcase_add_test(tcase, a_row_is_set_aside_however_many_have_been_locked_before);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
