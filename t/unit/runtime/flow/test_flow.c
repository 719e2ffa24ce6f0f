/* runtime/flow/flow: steps, waits, late answers, deadlines, pools. */
#include "base/clock.h"
#include "runtime/flow/flow.h"
#include "runtime/telemetry/log.h"

#include "unit.h"

#include <signal.h>

enum { DEADLINE_MS = 100000, PATIENCE_MS = 5000, POOL = 3 };

struct tale {
    struct flow flow;
    int mark;
    struct flow_wait wait; /* what was joined last */
};

static struct loop *loop;
static struct flow_pool pool;
static struct flow_kind kind;
static char story[128];
static struct flow_wait waits[POOL + 1]; /* by the flow's mark; outlive the flow */
static enum err failed_with;
static const char *failed_message;
static const char *on_fail; /* noted by answer_failure() */

static void note(const char *letter) {
    size_t length = strlen(story);
    ck_assert_uint_lt(length, sizeof(story) - 1);
    story[length] = *letter;
    story[length + 1] = '\0';
}

static enum flow_rc say_a(struct flow *flow) {
    (void)flow;
    note("a");
    return FLOW_NEXT;
}

static enum flow_rc join(struct flow *flow) {
    struct tale *tale = (struct tale *)flow;
    note("j");
    waits[tale->mark] = flow_wait(flow);
    return FLOW_WAIT;
}

static enum flow_rc join_and_wake(struct flow *flow) {
    struct tale *tale = (struct tale *)flow;
    note("w");
    waits[tale->mark] = flow_wait(flow);
    flow_wake(waits[tale->mark],
              ERR_OK); /* answered before it returns, as by a cache that is down */
    ck_assert_str_eq(story + strlen(story) - 1, "w");
    return FLOW_WAIT;
}

static enum flow_rc refuse(struct flow *flow) {
    note("r");
    return flow_fail(flow, ERR_INVALID, "no");
}

/* The join was refused: it waits for something that will never come. */
static enum flow_rc join_and_refuse(struct flow *flow) {
    struct tale *tale = (struct tale *)flow;
    waits[tale->mark] = flow_wait(flow);
    return flow_fail(flow, ERR_BUSY, NULL);
}

static enum flow_rc end(struct flow *flow) {
    (void)flow;
    note("e");
    return FLOW_END;
}

static void answer_failure(struct flow *flow) {
    note(on_fail);
    failed_with = flow->err;
    failed_message = flow->message;
}

static const struct flow_step *steps_of(flow_step_fn *first, flow_step_fn *second,
                                        flow_step_fn *third) {
    static struct flow_step steps[3];
    steps[0] = (struct flow_step){ "first", first };
    steps[1] = (struct flow_step){ "second", second };
    steps[2] = (struct flow_step){ "third", third };
    return steps;
}

static void open_pool(flow_step_fn *first, flow_step_fn *second, flow_step_fn *third,
                      uint32_t deadline_ms) {
    kind = (struct flow_kind){ .name = "tale",
                               .steps = steps_of(first, second, third),
                               .step_count = 3,
                               .fail = answer_failure,
                               .flow_bytes = sizeof(struct tale),
                               .deadline_ms = deadline_ms };
    ck_assert_int_eq(flow_pool_init(&pool, loop, &kind, POOL), ERR_OK);
}

static struct flow *start(int mark) {
    struct flow *flow = flow_open(&pool);
    ck_assert_ptr_nonnull(flow);
    ck_assert_int_eq(((struct tale *)flow)->mark, 0);
    ((struct tale *)flow)->mark = mark;
    flow_start(flow);
    return flow;
}

static void setup(void) {
    log_init("test", LOG_ERROR, 2);
    story[0] = '\0';
    on_fail = "F";
    failed_with = ERR_OK;
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
}

static void teardown(void) {
    ck_assert_uint_eq(flow_count(), 0);
    flow_pool_done(&pool);
    flow_pool_done(&pool);
    loop_destroy(loop);
}

START_TEST(steps_run_at_once_until_the_end) {
    open_pool(say_a, say_a, end, DEADLINE_MS);
    start(0);
    ck_assert_str_eq(story, "aae");
}
END_TEST

START_TEST(waking_queues_and_never_runs_a_step) {
    open_pool(join, say_a, end, DEADLINE_MS);
    start(0);
    ck_assert_uint_eq(flow_count(), 1);
    ck_assert(flow_wait_is_live(waits[0]));
    flow_wake(waits[0], ERR_OK);
    ck_assert(!flow_wait_is_live(waits[0]));
    flow_wake(waits[0], ERR_INTERNAL); /* once is enough */
    ck_assert_str_eq(story, "j");
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jae");
}
END_TEST

START_TEST(an_answer_inside_the_join_is_fine) {
    open_pool(join_and_wake, join_and_wake, end, DEADLINE_MS);
    start(0);
    ck_assert_str_eq(story, "w");
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "wwe");
}
END_TEST

START_TEST(a_wait_that_ends_with_an_error_fails_the_flow) {
    open_pool(join, say_a, end, DEADLINE_MS);
    start(0);
    flow_wake(waits[0], ERR_UNAVAILABLE);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jF");
    ck_assert_int_eq(failed_with, ERR_UNAVAILABLE);
    ck_assert_ptr_null(failed_message);
}
END_TEST

START_TEST(a_step_that_refuses_fails_the_flow) {
    open_pool(say_a, refuse, end, DEADLINE_MS);
    start(0);
    ck_assert_str_eq(story, "arF");
    ck_assert_int_eq(failed_with, ERR_INVALID);
    ck_assert_str_eq(failed_message, "no");
}
END_TEST

START_TEST(a_refused_join_leaves_no_wait) {
    open_pool(join_and_refuse, say_a, end, DEADLINE_MS);
    start(0);
    ck_assert_str_eq(story, "F");
    ck_assert_int_eq(failed_with, ERR_BUSY);
    ck_assert(!flow_wait_is_live(waits[0]));
    flow_wake(waits[0], ERR_OK);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "F");
}
END_TEST

START_TEST(an_answer_to_an_earlier_wait_is_dropped) {
    open_pool(join, join, end, DEADLINE_MS);
    start(0);
    struct flow_wait earlier = waits[0];
    flow_wake(earlier, ERR_OK);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jj");
    ck_assert(!flow_wait_is_live(earlier));
    flow_wake(earlier, ERR_INTERNAL);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jj");
    flow_wake(waits[0], ERR_OK);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jje");
}
END_TEST

START_TEST(an_answer_for_a_flow_that_is_gone_does_not_reach_the_next_one) {
    open_pool(join, say_a, end, DEADLINE_MS);
    struct flow *gone = start(0);
    struct flow_wait late = waits[0];
    flow_wake(late, ERR_UNAVAILABLE);
    loop_tick(loop, 0);
    for (int i = 0; i < POOL; i++) { /* one of them has its memory */
        struct flow *flow = start(i + 1);
        if (flow == gone) {
            story[0] = '\0';
        }
    }
    ck_assert(!flow_wait_is_live(late));
    flow_wake(late, ERR_OK);
    loop_tick(loop, 0);
    ck_assert_uint_eq(flow_count(), POOL);
    for (int i = 0; i < POOL; i++) {
        flow_wake(waits[i + 1], ERR_OK);
    }
    loop_tick(loop, 0);
}
END_TEST

static void expect_failure(void) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (failed_with == ERR_OK && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 5);
    }
}

START_TEST(the_deadline_fails_a_flow_that_waits) {
    open_pool(join, say_a, end, 20);
    start(0);
    expect_failure();
    ck_assert_str_eq(story, "jF");
    ck_assert_int_eq(failed_with, ERR_TIMEOUT);
    ck_assert(!flow_wait_is_live(waits[0]));
    flow_wake(waits[0], ERR_OK);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jF");
}
END_TEST

static void wake_first(void *ctx) {
    (void)ctx;
    flow_wake(waits[0], ERR_OK);
}

/* Answer and deadline in one tick: timers run before tasks, so the deadline wins, once. */
START_TEST(an_answer_in_the_tick_of_the_deadline) {
    struct loop_timer timer;
    open_pool(join, say_a, end, 2);
    loop_timer_init(&timer, wake_first, NULL);
    start(0);
    loop_timer_start(loop, &timer, 1);
    while (clock_monotonic_ms() < loop_now_ms(loop) + 3) {
    }
    loop_tick(loop, 0);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "jF");
    ck_assert_int_eq(failed_with, ERR_TIMEOUT);
}
END_TEST

START_TEST(a_flow_that_ended_has_no_deadline) {
    open_pool(join, say_a, end, 10);
    start(0);
    uint64_t started_ms = clock_monotonic_ms();
    flow_wake(waits[0], ERR_OK);
    do {
        loop_tick(loop, 1);
    } while (clock_monotonic_ms() < started_ms + 30);
    ck_assert_str_eq(story, "jae");
}
END_TEST

START_TEST(an_exhausted_pool_gives_null_until_one_comes_back) {
    open_pool(join, say_a, end, DEADLINE_MS);
    for (int i = 0; i < POOL; i++) {
        start(i);
    }
    ck_assert_ptr_null(flow_open(&pool));
    flow_wake(waits[1], ERR_OK);
    loop_tick(loop, 0);
    ck_assert_uint_eq(flow_count(), POOL - 1);
    start(1); /* its own members are zero again: start() looks */
    for (int i = 0; i < POOL; i++) {
        flow_wake(waits[i], ERR_OK);
    }
    loop_tick(loop, 0);
}
END_TEST

/* By the tick's clock; 0: more time than it had, 1: less, which changes nothing. */
START_TEST(a_flow_may_be_given_more_time) {
    enum { SHORT_MS = 40, LONGER_MS = 200, LESS_MS = 1 };
    open_pool(join, join, end, SHORT_MS);
    struct flow *flow = start(0);
    uint64_t begin_ms = loop_now_ms(loop);
    flow_wake(waits[0], ERR_OK);
    loop_tick(loop, 0);
    flow_extend(flow, _i == 0 ? LONGER_MS : LESS_MS);
    expect_failure();
    ck_assert_int_eq(failed_with, ERR_TIMEOUT);
    ck_assert_uint_ge(loop_now_ms(loop) - begin_ms, _i == 0 ? LONGER_MS : SHORT_MS);
    ck_assert_str_eq(story, "jjF");
}
END_TEST

static enum flow_rc wait_twice(struct flow *flow) {
    (void)flow_wait(flow);
    (void)flow_wait(flow);
    return FLOW_WAIT;
}

START_TEST(two_waits_at_once_are_a_bug) {
    open_pool(wait_twice, say_a, end, DEADLINE_MS);
    start(0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("flow");
    TCase *tcase = tcase_create("flow");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, steps_run_at_once_until_the_end);
    tcase_add_test(tcase, waking_queues_and_never_runs_a_step);
    tcase_add_test(tcase, an_answer_inside_the_join_is_fine);
    tcase_add_test(tcase, a_wait_that_ends_with_an_error_fails_the_flow);
    tcase_add_test(tcase, a_step_that_refuses_fails_the_flow);
    tcase_add_test(tcase, a_refused_join_leaves_no_wait);
    tcase_add_test(tcase, an_answer_to_an_earlier_wait_is_dropped);
    tcase_add_test(tcase, an_answer_for_a_flow_that_is_gone_does_not_reach_the_next_one);
    tcase_add_test(tcase, the_deadline_fails_a_flow_that_waits);
    tcase_add_test(tcase, an_answer_in_the_tick_of_the_deadline);
    tcase_add_test(tcase, a_flow_that_ended_has_no_deadline);
    tcase_add_loop_test(tcase, a_flow_may_be_given_more_time, 0, 2);
    tcase_add_test(tcase, an_exhausted_pool_gives_null_until_one_comes_back);
    tcase_add_test_raise_signal(tcase, two_waits_at_once_are_a_bug, SIGABRT);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
