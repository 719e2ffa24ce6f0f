/* runtime/loop: timers, tasks, watches, wake-ups and backoff. */
#include "base/clock.h"
#include "runtime/loop/loop.h"

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TIMERS = 3000, PATIENCE_MS = 5000 };

static struct loop *loop;
static char story[256]; /* what happened, a letter each */

static void note(void *ctx) {
    size_t length = strlen(story);
    ck_assert_uint_lt(length, sizeof(story) - 1);
    story[length] = *(const char *)ctx;
    story[length + 1] = '\0';
}

static void setup(void) {
    story[0] = '\0';
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
}

static void teardown(void) {
    loop_destroy(loop);
}

/* Ticks until the story is as long as `wanted`, then compares. */
static void expect_story(const char *wanted) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (strlen(story) < strlen(wanted) && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    ck_assert_str_eq(story, wanted);
}

/* ---- timers ---- */

static struct loop_timer timers[TIMERS];
static uint64_t last_due_ms;
static size_t fired;

static void note_timer(void *ctx) {
    const struct loop_timer *timer = ctx;
    ck_assert_uint_ge(timer->due_ms, last_due_ms);
    ck_assert_uint_ge(loop_now_ms(loop), timer->due_ms);
    ck_assert(!loop_timer_armed(timer));
    last_due_ms = timer->due_ms;
    fired++;
}

START_TEST(timers_fire_in_order_of_due_time) {
    uint32_t state = 7;
    size_t stopped = 0;
    for (size_t i = 0; i < TIMERS; i++) { /* more than the heap has room for at first */
        state = state * 1664525u + 1013904223u;
        loop_timer_init(&timers[i], note_timer, &timers[i]);
        loop_timer_start(loop, &timers[i], (state >> 8) % 50);
    }
    for (size_t i = 0; i < TIMERS; i += 3) { /* re-armed, sooner or later; each fires once */
        state = state * 1664525u + 1013904223u;
        loop_timer_start(loop, &timers[i], (state >> 8) % 50);
    }
    for (size_t i = 0; i < TIMERS; i += 7) {
        loop_timer_stop(loop, &timers[i]);
        loop_timer_stop(loop, &timers[i]);
        stopped++;
    }
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (fired < TIMERS - stopped && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, -1);
    }
    ck_assert_uint_eq(fired, TIMERS - stopped);
    loop_tick(loop, 0);
    ck_assert_uint_eq(fired, TIMERS - stopped);
}
END_TEST

static struct loop_timer first, second;

static void stop_second(void *ctx) {
    note(ctx);
    loop_timer_stop(loop, &second);
}

START_TEST(a_due_timer_can_be_stopped_by_another) {
    loop_timer_init(&first, stop_second, "a");
    loop_timer_init(&second, note, "b");
    loop_timer_start(loop, &first, 0);
    loop_timer_start(loop, &second, 1);
    while (clock_monotonic_ms() < second.due_ms + 1) { /* both are due in the same tick */
    }
    expect_story("a");
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "a");
}
END_TEST

static void again(void *ctx) {
    note(ctx);
    if (strlen(story) < 3) {
        loop_timer_start(loop, &first, 1);
    }
}

START_TEST(a_timer_can_re_arm_itself) {
    loop_timer_init(&first, again, "a");
    loop_timer_start(loop, &first, 0);
    expect_story("aaa");
    ck_assert(!loop_timer_armed(&first));
}
END_TEST

START_TEST(waiting_ends_when_a_timer_is_due) {
    uint64_t begin_ms = clock_monotonic_ms();
    loop_timer_init(&first, note, "a");
    loop_timer_start(loop, &first, 30);
    while (story[0] == '\0') {
        loop_tick(loop, -1);
    }
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, 29);
}
END_TEST

/* ---- tasks ---- */

static struct loop_task tasks[6];

static void queue_ready(void *ctx) {
    note(ctx);
    loop_task_queue(loop, &tasks[5], LOOP_TASK_READY);
}

START_TEST(ready_tasks_run_before_flush_tasks) {
    loop_task_init(&tasks[0], queue_ready, "1"); /* a flush that makes something ready */
    loop_task_init(&tasks[1], note, "2");
    loop_task_init(&tasks[2], note, "a");
    loop_task_init(&tasks[3], note, "b");
    loop_task_init(&tasks[4], note, "x");
    loop_task_init(&tasks[5], note, "c");
    loop_task_queue(loop, &tasks[0], LOOP_TASK_FLUSH);
    loop_task_queue(loop, &tasks[1], LOOP_TASK_FLUSH);
    loop_task_queue(loop, &tasks[2], LOOP_TASK_READY);
    loop_task_queue(loop, &tasks[3], LOOP_TASK_READY);
    loop_task_queue(loop, &tasks[2], LOOP_TASK_READY); /* queued already */
    loop_task_queue(loop, &tasks[4], LOOP_TASK_FLUSH);
    loop_task_cancel(&tasks[4]);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "ab1c2");
}
END_TEST

static void queue_itself(void *ctx) {
    note(ctx);
    if (strlen(story) < 4) {
        loop_task_queue(loop, &tasks[0], LOOP_TASK_FLUSH);
    }
}

START_TEST(a_tick_ends_when_no_task_is_left) {
    loop_task_init(&tasks[0], queue_itself, "a");
    loop_on_tick_end(loop, note, ".");
    loop_task_queue(loop, &tasks[0], LOOP_TASK_FLUSH);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "aaaa.");
}
END_TEST

/* ---- watches ---- */

static int pipes[2][2];
static struct loop_watch watches[2];

static void open_pipes(void) {
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
    }
}

static void close_pipes(void) {
    for (int i = 0; i < 2; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
}

static void unwatch_both(void *ctx, uint32_t events) {
    ck_assert((events & EPOLLIN) != 0);
    note(ctx);
    loop_unwatch(loop, &watches[0]);
    loop_unwatch(loop, &watches[1]);
}

START_TEST(no_callback_follows_an_unwatch_in_the_same_tick) {
    open_pipes();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(loop_watch(loop, &watches[i], pipes[i][0], EPOLLIN, unwatch_both, "a"),
                         ERR_OK);
    }
    loop_tick(loop, 0); /* both are readable: whichever comes first takes the other away */
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "a");
    loop_unwatch(loop, &watches[0]);
    close_pipes();
}
END_TEST

static void note_event(void *ctx, uint32_t events) {
    (void)events;
    note(ctx);
}

START_TEST(a_watch_is_level_triggered_and_can_be_changed) {
    open_pipes();
    ck_assert_int_eq(loop_watch(loop, &watches[0], pipes[0][0], EPOLLIN, note_event, "a"), ERR_OK);
    loop_tick(loop, 0);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "aa");
    loop_watch_events(loop, &watches[0], 0);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "aa");
    loop_watch_events(loop, &watches[0], EPOLLIN);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "aaa");
    loop_unwatch(loop, &watches[0]);
    close_pipes();
}
END_TEST

START_TEST(what_cannot_be_watched_is_an_error) {
    struct loop_watch watch = { .fd = -1 };
    FILE *file = tmpfile(); /* epoll refuses regular files */
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(loop_watch(loop, &watch, fileno(file), EPOLLIN, note_event, "a"),
                     ERR_INTERNAL);
    ck_assert(!watch.active);
    loop_unwatch(loop, &watch);
    fclose(file);
}
END_TEST

/* ---- wake-ups ---- */

enum { SIGNALS = 10000 };

static struct loop_wakeup wakeup;
static atomic_int given;
static int seen;

static void take(void *ctx) {
    (void)ctx;
    seen = atomic_load(&given);
    if (seen == SIGNALS) {
        loop_stop(loop);
    }
}

static void *give(void *ctx) {
    (void)ctx;
    for (int i = 0; i < SIGNALS; i++) {
        atomic_fetch_add(&given, 1);
        loop_wakeup_signal(&wakeup);
    }
    return NULL;
}

START_TEST(no_signal_of_another_thread_is_lost) {
    pthread_t thread;
    ck_assert_int_eq(loop_wakeup_open(loop, &wakeup, take, NULL), ERR_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, give, NULL), 0);
    loop_run(loop);
    ck_assert_int_eq(seen, SIGNALS);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    loop_wakeup_close(loop, &wakeup);
    loop_wakeup_close(loop, &wakeup);
}
END_TEST

START_TEST(signals_are_coalesced) {
    ck_assert_int_eq(loop_wakeup_open(loop, &wakeup, note, "a"), ERR_OK);
    loop_wakeup_signal(&wakeup);
    loop_wakeup_signal(&wakeup);
    loop_tick(loop, 0);
    loop_tick(loop, 0);
    ck_assert_str_eq(story, "a");
    loop_wakeup_close(loop, &wakeup);
}
END_TEST

START_TEST(backoff_grows_to_its_cap) {
    struct backoff backoff = { .base_ms = 100, .cap_ms = 1000 };
    for (int round = 0; round < 200; round++) {
        uint32_t ceiling = round < 4 ? 100u << round : 1000;
        uint32_t delay_ms = loop_backoff_next_ms(&backoff);
        ck_assert_uint_ge(delay_ms, 50);
        ck_assert_uint_le(delay_ms, ceiling);
    }
    loop_backoff_reset(&backoff);
    ck_assert_uint_le(loop_backoff_next_ms(&backoff), 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("loop");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, timers_fire_in_order_of_due_time);
    tcase_add_test(tcase, a_due_timer_can_be_stopped_by_another);
    tcase_add_test(tcase, a_timer_can_re_arm_itself);
    tcase_add_test(tcase, waiting_ends_when_a_timer_is_due);
    tcase_add_test(tcase, ready_tasks_run_before_flush_tasks);
    tcase_add_test(tcase, a_tick_ends_when_no_task_is_left);
    tcase_add_test(tcase, no_callback_follows_an_unwatch_in_the_same_tick);
    tcase_add_test(tcase, a_watch_is_level_triggered_and_can_be_changed);
    tcase_add_test(tcase, what_cannot_be_watched_is_an_error);
    tcase_add_test(tcase, no_signal_of_another_thread_is_lost);
    tcase_add_test(tcase, signals_are_coalesced);
    tcase_add_test(tcase, backoff_grows_to_its_cap);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
