/* link: t/unit/fake_cache.c */
/*
 * runtime/flow/lookup: whatever the cache and the source do, everybody is answered once. The cache
 * is the fake one, the source is the test.
 */
#include "base/clock.h"
#include "runtime/flow/lookup.h"
#include "runtime/telemetry/log.h"
#include "runtime/telemetry/metrics.h"

#include "fake_cache.h"
#include "unit.h"

#include <stdio.h>

enum { ASKERS_MAX = 16, BATCH_MAX = 8, FETCHES_MAX = 3, SOURCES_MAX = 16 };
enum { LONG_MS = 100000, SHORT_MS = 20, PATIENCE_MS = 5000 };

struct asker {
    struct flow flow;
    size_t tag;
    int64_t id;
    int64_t answer;
};

struct question {
    struct lookup_question base;
    size_t tag;
};

/* What became of each, by its tag. */
static struct ending {
    size_t times;
    enum err err;
    int64_t answer;
} endings[ASKERS_MAX];

static struct loop *loop;
static struct flow_pool pool;
static struct flow_kind kind;
static struct lookup lookup;
static struct lookup_round *rounds[SOURCES_MAX];
static struct lookup_fetch *fetches[SOURCES_MAX];
static size_t pool_size = ASKERS_MAX;
static size_t round_count, fetch_count, tag_count, gives;
static enum err give_err;
static struct metric hits, misses;

/* ---- who asks ---- */

static enum flow_rc ask_step(struct flow *flow) {
    struct asker *asker = (struct asker *)flow;
    struct question question = { { flow_wait(flow), asker->id }, asker->tag };
    enum err err = lookup_ask(&lookup, &question);
    return err == ERR_OK ? FLOW_WAIT : flow_fail(flow, err, NULL);
}

static void end_with(struct flow *flow, enum err err) {
    struct asker *asker = (struct asker *)flow;
    endings[asker->tag].times++;
    endings[asker->tag].err = err;
    endings[asker->tag].answer = asker->answer;
}

static enum flow_rc end_step(struct flow *flow) {
    end_with(flow, ERR_OK);
    return FLOW_END;
}

static void fail_step(struct flow *flow) {
    end_with(flow, flow->err);
}

static const struct flow_step STEPS[] = { { "ask", ask_step }, { "end", end_step } };

static size_t ask(int64_t id) {
    struct flow *flow = flow_open(&pool);
    ck_assert_ptr_nonnull(flow);
    ((struct asker *)flow)->id = id;
    ((struct asker *)flow)->tag = tag_count;
    flow_start(flow);
    return tag_count++;
}

static void settle(void) {
    for (int i = 0; i < 4; i++) {
        loop_tick(loop, 0);
    }
}

static void expect_waiting(size_t tag) {
    settle();
    ck_assert_uint_eq(endings[tag].times, 0);
}

static void expect(size_t tag, enum err err, int64_t answer) {
    settle();
    ck_assert_msg(endings[tag].times == 1 && endings[tag].err == err &&
                      (err != ERR_OK || endings[tag].answer == answer),
                  "asker %zu: %zu times, %s, %lld", tag, endings[tag].times,
                  err_name(endings[tag].err), (long long)endings[tag].answer);
}

/* ---- what answers ---- */

static enum err give(const struct lookup_question *question, const void *answer) {
    struct asker *asker = (struct asker *)question->wait.flow;
    ck_assert(flow_wait_is_live(question->wait));
    ck_assert_uint_eq(asker->tag, ((const struct question *)question)->tag);
    ck_assert_int_eq(asker->id, question->id);
    asker->answer = *(const int64_t *)answer;
    gives++;
    return give_err;
}

static void key(int64_t id, char out[CACHE_KEY_BYTES_MAX + 1]) {
    snprintf(out, CACHE_KEY_BYTES_MAX + 1, "thing:%lld", (long long)id);
}

/* A value is a number; "broken" is none. */
static bool read_cached(struct lookup_round *round, int64_t id, const struct cache_value *value) {
    if (value->value.data == NULL || value->value.data[0] == 'b') {
        return false;
    }
    int64_t answer = strtoll(value->value.data, NULL, 10);
    lookup_answer(round, id, ERR_OK, &answer);
    return true;
}

static void read_round(struct lookup_round *round) {
    ck_assert_uint_lt(round_count, SOURCES_MAX);
    rounds[round_count++] = round;
}

static void fetch_one(struct lookup_fetch *fetch) {
    ck_assert_uint_lt(fetch_count, SOURCES_MAX);
    fetches[fetch_count++] = fetch;
}

static void answer(struct lookup_round *round, int64_t id, int64_t value) {
    lookup_answer(round, id, ERR_OK, &value);
}

static void fetched(struct lookup_fetch *fetch, int64_t value) {
    lookup_fetched(fetch, ERR_OK, &value);
}

/* ---- set up ---- */

static void open_lookup(bool cached, bool by_fetch, uint32_t deadline_ms) {
    struct lookup_options options = { .question_bytes = sizeof(struct question),
                                      .queue_max = ASKERS_MAX - 2,
                                      .batch_max = BATCH_MAX,
                                      .inflight_max = 2,
                                      .fetches_max = FETCHES_MAX,
                                      .cache = &fake_cache,
                                      .cache_key = cached ? key : NULL,
                                      .read_cached = read_cached,
                                      .read = by_fetch ? NULL : read_round,
                                      .fetch = by_fetch ? fetch_one : NULL,
                                      .give = give,
                                      .hits = &hits,
                                      .misses = &misses };
    kind = (struct flow_kind){ .name = "asker",
                               .steps = STEPS,
                               .step_count = UNIT_COUNT(STEPS),
                               .fail = fail_step,
                               .flow_bytes = sizeof(struct asker),
                               .deadline_ms = deadline_ms };
    ck_assert_int_eq(flow_pool_init(&pool, loop, &kind, pool_size), ERR_OK);
    ck_assert_int_eq(lookup_init(&lookup, loop, &options), ERR_OK);
}

static void setup(void) {
    log_init("test", LOG_LEVELS, 2);
    fake_cache_reset();
    ck_assert_int_eq(loop_create(&loop), ERR_OK);
}

/* Everybody was answered, and nothing is held. */
static void teardown(void) {
    settle();
    ck_assert_uint_eq(flow_count(), 0);
    ck_assert(batcher_is_idle(&lookup.batcher));
    for (size_t tag = 0; tag < tag_count; tag++) {
        ck_assert_uint_eq(endings[tag].times, 1);
    }
    lookup_done(&lookup);
    lookup_done(&lookup);
    flow_pool_done(&pool);
    loop_destroy(loop);
    fake_cache_reset();
}

static void wait_for_deadline(size_t tag) {
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (endings[tag].times == 0 && clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 1);
    }
    expect(tag, ERR_TIMEOUT, 0);
}

/* ---- rounds ---- */

START_TEST(what_is_in_the_cache_needs_no_source) {
    open_lookup(true, false, LONG_MS);
    fake_cache_set("thing:1", "10", 1);
    fake_cache_set("thing:2", "20", 1);
    size_t one = ask(1), two = ask(2);
    settle();
    ck_assert_uint_eq(fake_cache.op_count, 1); /* one MGET for both */
    fake_cache_run();
    expect(one, ERR_OK, 10);
    expect(two, ERR_OK, 20);
    ck_assert_uint_eq(round_count, 0);
    ck_assert_int_eq(atomic_load(&hits.value), 2);
    ck_assert_int_eq(atomic_load(&misses.value), 0);
}
END_TEST

START_TEST(what_is_missing_is_one_query) {
    open_lookup(true, false, LONG_MS);
    fake_cache_set("thing:2", "20", 1);
    fake_cache_set("thing:3", NULL, 7);
    fake_cache_set("thing:4", "broken", 1);
    size_t one = ask(1), two = ask(2), three = ask(3), four = ask(4);
    settle();
    fake_cache_run();
    expect(two, ERR_OK, 20); /* does not wait for the others */
    ck_assert_uint_eq(round_count, 1);
    ck_assert_uint_eq(rounds[0]->count, 3);
    ck_assert_uint_eq(rounds[0]->epoch, fake_cache.epoch);
    static const int64_t IDS[] = { 1, 3, 4 }, VERSIONS[] = { 0, 7, 1 };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(rounds[0]->ids[i], IDS[i]);
        ck_assert_int_eq(rounds[0]->versions[i], VERSIONS[i]);
    }
    ck_assert_int_eq(atomic_load(&hits.value), 1);
    ck_assert_int_eq(atomic_load(&misses.value), 3);
    answer(rounds[0], 4, 40);
    expect(four, ERR_OK, 40); /* at once, not with the last one */
    expect_waiting(one);
    answer(rounds[0], 1, 10);
    lookup_end(rounds[0], ERR_OK);
    expect(one, ERR_OK, 10);
    expect(three, ERR_NOT_FOUND, 0);
}
END_TEST

START_TEST(who_asks_for_the_same_is_one_id) {
    open_lookup(true, false, LONG_MS);
    size_t first = ask(5), other = ask(6), second = ask(5);
    settle();
    ck_assert_uint_eq(fake_cache.ops[0].count, 2);
    fake_cache_run();
    ck_assert_uint_eq(rounds[0]->count, 2);
    answer(rounds[0], 5, 50);
    answer(rounds[0], 5, 51); /* nobody waits any more */
    lookup_end(rounds[0], ERR_OK);
    expect(first, ERR_OK, 50);
    expect(second, ERR_OK, 50);
    expect(other, ERR_NOT_FOUND, 0);
    ck_assert_uint_eq(gives, 2);
}
END_TEST

START_TEST(a_reader_never_joins_a_query_that_was_sent_before) {
    open_lookup(true, false, LONG_MS);
    size_t early = ask(1);
    settle();
    fake_cache_run();
    size_t late = ask(1);
    settle();
    fake_cache_run();
    ck_assert_uint_eq(round_count, 2);
    answer(rounds[1], 1, 11);
    lookup_end(rounds[1], ERR_OK);
    expect(late, ERR_OK, 11);
    expect_waiting(early);
    answer(rounds[0], 1, 10);
    lookup_end(rounds[0], ERR_OK);
    expect(early, ERR_OK, 10);
}
END_TEST

START_TEST(without_a_cache_all_goes_to_the_source) {
    open_lookup(false, false, LONG_MS);
    fake_cache_set("thing:1", "10", 1);
    size_t one = ask(1), same = ask(1), two = ask(2);
    settle();
    ck_assert_uint_eq(fake_cache.op_count, 0);
    ck_assert_uint_eq(rounds[0]->count, 2);
    answer(rounds[0], 1, 12);
    lookup_end(rounds[0], ERR_OK);
    expect(one, ERR_OK, 12);
    expect(same, ERR_OK, 12);
    expect(two, ERR_NOT_FOUND, 0);
}
END_TEST

/* How a dependency can fail. */
static const enum err FAILURES[] = { ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_INTERNAL, ERR_NO_MEMORY };

START_TEST(a_source_that_fails_fails_all_who_wait) {
    open_lookup(true, false, LONG_MS);
    fake_cache_set("thing:3", "30", 1);
    size_t one = ask(1), two = ask(2), three = ask(3);
    settle();
    fake_cache_run();
    lookup_end(rounds[0], FAILURES[_i]);
    expect(one, FAILURES[_i], 0);
    expect(two, FAILURES[_i], 0);
    expect(three, ERR_OK, 30);
}
END_TEST

START_TEST(one_bad_row_fails_only_its_readers) {
    open_lookup(false, false, LONG_MS);
    size_t bad = ask(1), good = ask(2);
    settle();
    lookup_answer(rounds[0], 1, FAILURES[_i], NULL);
    answer(rounds[0], 2, 20);
    lookup_end(rounds[0], ERR_OK);
    expect(bad, FAILURES[_i], 0);
    expect(good, ERR_OK, 20);
}
END_TEST

START_TEST(an_answer_that_cannot_be_given_fails_the_asker) {
    open_lookup(false, _i == 1, LONG_MS);
    give_err = ERR_NO_MEMORY;
    size_t one = ask(1);
    settle();
    if (_i == 1) {
        fetched(fetches[0], 10);
    } else {
        answer(rounds[0], 1, 10);
        lookup_end(rounds[0], ERR_OK);
    }
    expect(one, ERR_NO_MEMORY, 0);
}
END_TEST

START_TEST(a_cache_that_is_down_is_a_miss) {
    open_lookup(true, false, LONG_MS);
    fake_cache_set("thing:1", "10", 1);
    fake_cache.up = _i == 1;
    size_t one = ask(1);
    settle();
    if (_i == 1) { /* lost while it was asked */
        fake_cache_lose();
    }
    ck_assert_uint_eq(rounds[0]->count, 1);
    ck_assert_int_eq(rounds[0]->versions[0], -1);
    answer(rounds[0], 1, 11);
    lookup_end(rounds[0], ERR_OK);
    expect(one, ERR_OK, 11);
    ck_assert_int_eq(atomic_load(&misses.value), 1);
}
END_TEST

START_TEST(cache_and_source_down_is_an_error_at_once) {
    open_lookup(true, _i == 1, LONG_MS);
    fake_cache.up = false;
    size_t one = ask(1);
    settle();
    if (_i == 1) {
        lookup_fetched(fetches[0], ERR_UNAVAILABLE, NULL);
    } else {
        lookup_end(rounds[0], ERR_UNAVAILABLE);
    }
    expect(one, ERR_UNAVAILABLE, 0);
}
END_TEST

START_TEST(who_met_its_deadline_is_not_answered_again) {
    open_lookup(true, false, SHORT_MS);
    fake_cache_set("thing:1", _i == 0 ? "10" : "broken", 1);
    size_t one = ask(1);
    settle();
    if (_i == 0) { /* while the cache is asked */
        wait_for_deadline(one);
        fake_cache_run();
    } else {
        fake_cache_run();
        wait_for_deadline(one);
        if (_i == 1) {
            answer(rounds[0], 1, 10);
        }
        lookup_end(rounds[0], _i == 3 ? ERR_UNAVAILABLE : ERR_OK);
    }
    settle();
    ck_assert_uint_eq(gives, 0);
    ck_assert_uint_eq(endings[one].times, 1);
}
END_TEST

START_TEST(a_late_answer_does_not_reach_the_next_flow_in_the_same_memory) {
    pool_size = 1;
    open_lookup(false, false, SHORT_MS);
    size_t early = ask(1);
    settle();
    wait_for_deadline(early);
    size_t late = ask(1);
    settle();
    answer(rounds[0], 1, 10);
    lookup_end(rounds[0], ERR_OK);
    expect_waiting(late);
    answer(rounds[1], 1, 11);
    lookup_end(rounds[1], ERR_OK);
    expect(late, ERR_OK, 11);
}
END_TEST

START_TEST(more_than_the_queue_holds_are_busy) {
    open_lookup(false, false, LONG_MS);
    for (int64_t id = 1; id <= ASKERS_MAX; id++) {
        (void)ask(id);
    }
    expect(ASKERS_MAX - 2, ERR_BUSY, 0);
    expect(ASKERS_MAX - 1, ERR_BUSY, 0);
    ck_assert_uint_eq(round_count, 2); /* BATCH_MAX ids each, and no third one meanwhile */
    ck_assert_uint_eq(rounds[0]->count, BATCH_MAX);
    lookup_end(rounds[0], ERR_OK);
    lookup_end(rounds[1], ERR_OK);
    expect(0, ERR_NOT_FOUND, 0);
}
END_TEST

/* ---- fetches ---- */

START_TEST(whoever_asks_meanwhile_joins_the_fetch) {
    open_lookup(true, true, LONG_MS);
    size_t first = ask(1), second = ask(1);
    settle();
    fake_cache_run();
    size_t third = ask(1);
    settle();
    fake_cache_run();
    ck_assert_uint_eq(fetch_count, 1);
    ck_assert_int_eq(fetches[0]->id, 1);
    ck_assert_uint_eq(fetches[0]->epoch, fake_cache.epoch);
    ck_assert_uint_eq(fetches[0]->waiter_count, 3);
    ck_assert_uint_eq(LOOKUP_WAITER(fetches[0], struct question, 2)->tag, third);
    fetched(fetches[0], 10);
    expect(first, ERR_OK, 10);
    expect(second, ERR_OK, 10);
    expect(third, ERR_OK, 10);
    size_t later = ask(1); /* that one is over */
    settle();
    fake_cache_run();
    ck_assert_uint_eq(fetch_count, 2);
    fetched(fetches[1], 11);
    expect(later, ERR_OK, 11);
}
END_TEST

START_TEST(a_slow_source_holds_up_nobody_else) {
    open_lookup(true, true, LONG_MS);
    fake_cache_set("thing:9", "90", 1);
    size_t slow[3];
    for (int64_t id = 1; id <= 3; id++) { /* more than rounds at once */
        slow[id - 1] = ask(id);
        settle();
        fake_cache_run();
    }
    size_t quick = ask(9);
    settle();
    fake_cache_run();
    expect(quick, ERR_OK, 90);
    for (size_t i = 3; i > 0; i--) { /* in any order */
        expect_waiting(slow[i - 1]);
        fetched(fetches[i - 1], (int64_t)i);
        expect(slow[i - 1], ERR_OK, (int64_t)i);
    }
}
END_TEST

START_TEST(a_fetch_that_fails_fails_all_who_wait_for_it) {
    open_lookup(true, true, LONG_MS);
    size_t one = ask(1), same = ask(1), two = ask(2);
    settle();
    fake_cache_run();
    enum err err = _i < (int)UNIT_COUNT(FAILURES) ? FAILURES[_i] : ERR_NOT_FOUND;
    lookup_fetched(fetches[0], err, NULL);
    expect(one, err, 0);
    expect(same, err, 0);
    expect_waiting(two);
    fetched(fetches[1], 20);
    expect(two, ERR_OK, 20);
}
END_TEST

START_TEST(more_ids_than_may_be_fetched_at_once_are_busy) {
    open_lookup(false, true, LONG_MS);
    for (int64_t id = 1; id <= FETCHES_MAX + 1; id++) {
        (void)ask(id);
    }
    expect(FETCHES_MAX, ERR_BUSY, 0);
    size_t joined = ask(1); /* no id more */
    settle();
    ck_assert_uint_eq(fetch_count, FETCHES_MAX);
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        fetched(fetches[i], 1);
    }
    expect(joined, ERR_OK, 1);
}
END_TEST

START_TEST(a_fetch_may_outlive_who_asked) {
    open_lookup(true, true, SHORT_MS);
    size_t one = ask(1);
    settle();
    if (_i == 0) { /* gone before the source is asked: nobody wants it */
        wait_for_deadline(one);
        fake_cache_run();
        ck_assert_uint_eq(fetch_count, 0);
        return;
    }
    fake_cache_run();
    wait_for_deadline(one);
    size_t late = ask(1); /* joins the one that is under way */
    settle();
    fake_cache_run();
    ck_assert_uint_eq(fetch_count, 1);
    fetched(fetches[0], 10);
    expect(late, ERR_OK, 10);
    ck_assert_uint_eq(gives, 1);
    ck_assert_uint_eq(endings[one].times, 1);
}
END_TEST

START_TEST(many_may_wait_for_one) {
    open_lookup(false, true, LONG_MS);
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        (void)ask(1);
        settle();
    }
    ck_assert_uint_eq(fetches[0]->waiter_count, ASKERS_MAX);
    fetched(fetches[0], 10);
    for (size_t tag = 0; tag < ASKERS_MAX; tag++) {
        expect(tag, ERR_OK, 10);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lookup");
    TCase *tcase = tcase_create("lookup");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_is_in_the_cache_needs_no_source);
    tcase_add_test(tcase, what_is_missing_is_one_query);
    tcase_add_test(tcase, who_asks_for_the_same_is_one_id);
    tcase_add_test(tcase, a_reader_never_joins_a_query_that_was_sent_before);
    tcase_add_test(tcase, without_a_cache_all_goes_to_the_source);
    tcase_add_loop_test(tcase, a_source_that_fails_fails_all_who_wait, 0, UNIT_COUNT(FAILURES));
    tcase_add_loop_test(tcase, one_bad_row_fails_only_its_readers, 0, UNIT_COUNT(FAILURES));
    tcase_add_loop_test(tcase, an_answer_that_cannot_be_given_fails_the_asker, 0, 2);
    tcase_add_loop_test(tcase, a_cache_that_is_down_is_a_miss, 0, 2);
    tcase_add_loop_test(tcase, cache_and_source_down_is_an_error_at_once, 0, 2);
    tcase_add_loop_test(tcase, who_met_its_deadline_is_not_answered_again, 0, 4);
    tcase_add_test(tcase, a_late_answer_does_not_reach_the_next_flow_in_the_same_memory);
    tcase_add_test(tcase, more_than_the_queue_holds_are_busy);
    tcase_add_test(tcase, whoever_asks_meanwhile_joins_the_fetch);
    tcase_add_test(tcase, a_slow_source_holds_up_nobody_else);
    tcase_add_loop_test(tcase, a_fetch_that_fails_fails_all_who_wait_for_it, 0,
                        UNIT_COUNT(FAILURES) + 1);
    tcase_add_test(tcase, more_ids_than_may_be_fetched_at_once_are_busy);
    tcase_add_loop_test(tcase, a_fetch_may_outlive_who_asked, 0, 2);
    tcase_add_test(tcase, many_may_wait_for_one);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
