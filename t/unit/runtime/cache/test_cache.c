/* link: t/unit/fake_names.c */
/*
 * runtime/cache/cache against a real Redis that each test starts for itself: the three rules that
 * keep stale values out, and a server that stops, dies and comes back.
 */
#include "cache_fixture.h"
#include "fake_names.h"

/* ---- values with a version of their own ---- */

START_TEST(the_newest_version_stays) {
    uint64_t epoch = cache_epoch(cache);
    expect("product:1", "(none)", 0);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v2", 2), ERR_OK);
    expect("product:1", "v2", 2);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_OK); /* a slow filler */
    expect("product:1", "v2", 2);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v10", 10), ERR_OK); /* numbers, not texts */
    expect("product:1", "v10", 10);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v9", 9), ERR_OK);
    expect("product:1", "v10", 10);
}
END_TEST

START_TEST(a_value_that_expired_is_filled_again_but_not_with_an_older_one) {
    uint64_t epoch = cache_epoch(cache);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v3", 3), ERR_OK);
    redis("DEL product:1");
    expect("product:1", "(none)", 3);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v2", 2), ERR_OK);
    expect("product:1", "(none)", 3);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v3", 3), ERR_OK);
    expect("product:1", "v3", 3);
}
END_TEST

START_TEST(values_and_versions_expire_the_versions_later) {
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v3", 3), ERR_OK);
    long value_s = strtol(redis("TTL product:1"), NULL, 10);
    long version_s = strtol(redis("TTL version:product:1"), NULL, 10);
    ck_assert_int_le(value_s, 60);
    ck_assert_int_gt(value_s, 50);
    ck_assert_int_gt(version_s, value_s + 200);
}
END_TEST

START_TEST(several_at_once_each_by_its_own_version) {
    static const char *const KEYS[] = { "product:1", "product:2", "product:3", "product:4" };
    struct outcome outcome = { 0 };
    struct cache_put puts[] = { put_of(KEYS[0], "a5", 5), put_of(KEYS[1], "b1", 1),
                                put_of(KEYS[2], "", 7) };
    ck_assert_int_eq(put_newer(cache_epoch(cache), KEYS[1], "b2", 2), ERR_OK);
    cache_put_newer(cache, cache_epoch(cache), puts, 3, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    const struct outcome *read = get(KEYS, 4);
    ck_assert_str_eq(read->values[0], "a5");
    ck_assert_str_eq(read->values[1], "b2");
    ck_assert_str_eq(read->values[2], ""); /* empty, but there */
    ck_assert_str_eq(read->values[3], "(none)");
    ck_assert_int_eq(read->versions[0], 5);
    ck_assert_int_eq(read->versions[1], 2);
    ck_assert_int_eq(read->versions[2], 7);
    ck_assert_int_eq(read->versions[3], 0);
    ck_assert_str_eq(redis("GET product:1"), "a5"); /* plain for everybody */
}
END_TEST

START_TEST(as_many_keys_as_allowed) {
    static char names[CACHE_KEYS_MAX][CACHE_KEY_BYTES_MAX + 1];
    static const char *keys[CACHE_KEYS_MAX];
    static struct cache_put puts[CACHE_KEYS_MAX];
    struct outcome outcome = { 0 };
    for (size_t i = 0; i < CACHE_KEYS_MAX; i++) { /* names as long as allowed */
        snprintf(names[i], sizeof(names[i]), "product:%0*zu", CACHE_KEY_BYTES_MAX - 8, i);
        keys[i] = names[i];
        puts[i] = put_of(keys[i], "x", INT64_C(9007199254740991));
    }
    cache_put_newer(cache, cache_epoch(cache), puts, CACHE_KEYS_MAX, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    ck_assert_int_eq(outcome.err, ERR_OK);
    outcome = (struct outcome){ .wanted = VALUES_MAX };
    cache_get(cache, keys, CACHE_KEYS_MAX, note_values, &outcome);
    WAIT_FOR(outcome.calls == 1);
    ck_assert_str_eq(outcome.values[VALUES_MAX - 1], "x");
    ck_assert_int_eq(outcome.versions[0], INT64_C(9007199254740991));
    ck_assert_int_eq(invalidate(keys, CACHE_KEYS_MAX), ERR_OK);
    expect(keys[CACHE_KEYS_MAX - 1], "(none)", INT64_C(9007199254740992));
}
END_TEST

/* ---- values without: lists and their counters ---- */

START_TEST(a_list_is_filled_when_nobody_wrote_meanwhile) {
    static const char *const KEYS[] = { "orders:product:1" };
    uint64_t epoch = cache_epoch(cache);
    expect(KEYS[0], "(none)", 0);
    ck_assert_int_eq(put_unchanged(epoch, KEYS[0], "[1]", 0), ERR_OK);
    expect(KEYS[0], "[1]", 0);
    ck_assert_int_eq(invalidate(KEYS, 1), ERR_OK);
    expect(KEYS[0], "(none)", 1);
    ck_assert_int_eq(put_unchanged(epoch, KEYS[0], "[1]", 0), ERR_OK); /* read before the write */
    expect(KEYS[0], "(none)", 1);
    ck_assert_int_eq(put_unchanged(epoch, KEYS[0], "[2,1]", 1), ERR_OK);
    expect(KEYS[0], "[2,1]", 1);
    ck_assert_int_gt(strtol(redis("TTL version:orders:product:1"), NULL, 10), 3600);
}
END_TEST

START_TEST(commands_of_one_connection_run_in_order) {
    static const char *const KEYS[] = { "orders:product:1" };
    struct outcome dropped = { 0 }, read = { .wanted = 1 };
    ck_assert_int_eq(put_unchanged(cache_epoch(cache), KEYS[0], "[1]", 0), ERR_OK);
    cache_invalidate(cache, KEYS, 1, note_done, &dropped);
    cache_get(cache, KEYS, 1, note_values, &read); /* without waiting: it sees the write */
    WAIT_FOR(read.calls == 1);
    ck_assert_uint_eq(dropped.calls, 1);
    ck_assert_str_eq(read.values[0], "(none)");
}
END_TEST

START_TEST(nobody_needs_to_be_told) {
    static const char *const KEYS[] = { "product:1" };
    struct cache_put put = put_of("product:1", "v1", 1);
    cache_put_newer(cache, cache_epoch(cache), &put, 1, NULL, NULL);
    expect("product:1", "v1", 1);
    cache_put_unchanged(cache, cache_epoch(cache), &put, NULL, NULL);
    cache_invalidate(cache, KEYS, 1, NULL, NULL);
    expect("product:1", "(none)", 2);
}
END_TEST

/* ---- connections ---- */

/* Reconnect now, as after an unknown write. */
static void reconnect(void) {
    cache_reset(cache, "test");
    ck_assert(!cache_is_ready(cache));
    WAIT_FOR(cache_is_ready(cache));
}

START_TEST(each_connect_drops_our_values_and_nothing_else) {
    for (int i = 0; i < 3000; i++) { /* more than one SCAN returns */
        redisAppendCommand(client, "SET product:%d old", i);
    }
    for (int i = 0; i < 3000; i++) {
        void *reply = NULL;
        ck_assert_int_eq(redisGetReply(client, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
    redis("SET orders:product:7 old");
    redis("SET version:product:1 5");
    redis("SET elsewhere 1");
    reconnect();
    expect("product:1", "(none)", 5); /* what was served once stays the least that may be served */
    expect("product:2999", "(none)", 0);
    expect("orders:product:7", "(none)", 0);
    ck_assert_str_eq(redis("GET elsewhere"), "1");
    ck_assert_str_eq(redis("DBSIZE"), "3"); /* with the generation */
}
END_TEST

START_TEST(a_put_that_began_under_an_earlier_connection_is_not_made) {
    uint64_t epoch = cache_epoch(cache);
    reconnect();
    ck_assert_uint_ne(cache_epoch(cache), epoch);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_OK);
    ck_assert_int_eq(put_unchanged(epoch, "orders:product:1", "[1]", 0), ERR_OK);
    expect("product:1", "(none)", 0);
    expect("orders:product:1", "(none)", 0);
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_OK);
    expect("product:1", "v1", 1);
}
END_TEST

/* A writer whose put was refused meanwhile may have committed what this reader did not see. */
START_TEST(a_put_that_began_before_the_cache_was_ready_is_not_made) {
    cache_reset(cache, "test");
    while (!cache_is_ready(cache)) {
        uint64_t epoch = cache_epoch(cache);
        loop_tick(loop, 1);
        if (cache_is_ready(cache)) {
            ck_assert_uint_ne(cache_epoch(cache), epoch);
            ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_OK);
        }
    }
    expect("product:1", "(none)", 0);
}
END_TEST

static void expect_refused(void) {
    static const char *const KEYS[] = { "product:1" };
    struct outcome outcomes[4] = { { .wanted = 1 } };
    struct cache_put put = put_of("product:1", "v1", 1);
    uint64_t missed = cache_missed(cache);
    ck_assert(!cache_is_ready(cache));
    cache_get(cache, KEYS, 1, note_values, &outcomes[0]);
    cache_put_newer(cache, cache_epoch(cache), &put, 1, note_done, &outcomes[1]);
    cache_put_unchanged(cache, cache_epoch(cache), &put, note_done, &outcomes[2]);
    cache_invalidate(cache, KEYS, 1, note_done, &outcomes[3]);
    cache_put_newer(cache, cache_epoch(cache), &put, 1, NULL, NULL);
    for (size_t i = 0; i < 4; i++) { /* at once: a cache that is down costs no time */
        ck_assert_uint_eq(outcomes[i].calls, 1);
        ck_assert_int_eq(outcomes[i].err, ERR_UNAVAILABLE);
    }
    ck_assert_uint_eq(cache_missed(cache) - missed, 1); /* a filler's write is missed by nobody */
}

START_TEST(a_server_that_dies_and_comes_back) {
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_OK);
    throwaway_kill(&server);
    WAIT_FOR(!cache_is_ready(cache));
    expect_refused();
    throwaway_redis_start(&server);
    WAIT_FOR(cache_is_ready(cache));
    expect("product:1", "(none)", 0);
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_OK);
    expect("product:1", "v1", 1);
}
END_TEST

START_TEST(commands_under_way_when_the_server_dies_end_once) {
    static const char *const KEYS[] = { "product:1" };
    struct outcome outcomes[3] = { { .wanted = 1 } };
    struct cache_put put = put_of("product:1", "v1", 1);
    throwaway_freeze(&server);
    cache_get(cache, KEYS, 1, note_values, &outcomes[0]);
    cache_put_newer(cache, cache_epoch(cache), &put, 1, note_done, &outcomes[1]);
    cache_invalidate(cache, KEYS, 1, note_done, &outcomes[2]);
    loop_tick(loop, 0);
    ck_assert_uint_eq(outcomes[0].calls, 0);
    throwaway_kill(&server);
    for (size_t i = 0; i < 3; i++) {
        WAIT_FOR(outcomes[i].calls == 1);
        ck_assert_int_eq(outcomes[i].err, ERR_UNAVAILABLE);
    }
    expect_refused();
}
END_TEST

START_TEST(a_server_that_does_not_answer_is_given_up_at_the_deadline) {
    static const char *const KEYS[] = { "product:1" };
    struct outcome outcome = { .wanted = 1 };
    uint64_t begin_ms = clock_monotonic_ms();
    throwaway_freeze(&server);
    cache_get(cache, KEYS, 1, note_values, &outcome);
    WAIT_FOR(outcome.calls == 1);
    ck_assert_int_eq(outcome.err, ERR_UNAVAILABLE);
    ck_assert_uint_ge(clock_monotonic_ms() - begin_ms, DEADLINE_MS - 5);
    expect_refused();
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    WAIT_FOR(cache_is_ready(cache));
    expect("product:1", "(none)", 0);
}
END_TEST

START_TEST(an_idle_connection_has_no_deadline) {
    uint64_t epoch = cache_epoch(cache), end_ms = clock_monotonic_ms() + 2 * DEADLINE_MS;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(loop, 5);
    }
    ck_assert(cache_is_ready(cache));
    ck_assert_uint_eq(cache_epoch(cache), epoch);
    expect("product:1", "(none)", 0);
}
END_TEST

/* An error reply leaves the value unknown: the connection begins afresh. */
START_TEST(an_error_reply_empties_the_cache) {
    uint64_t epoch = cache_epoch(cache);
    ck_assert_int_eq(put_newer(epoch, "product:2", "v1", 1), ERR_OK);
    redis("CONFIG SET maxmemory 1");
    ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_UNAVAILABLE);
    redis("CONFIG SET maxmemory 0");
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_uint_ne(cache_epoch(cache), epoch);
    expect("product:2", "(none)", 1);
}
END_TEST

/* A Redis that takes connections and reads, but refuses our keys. */
START_TEST(errors_of_every_write_slow_the_reconnects_down) {
    cache_close(cache);
    open_cache_at("127.0.0.1", 1000);
    WAIT_FOR(cache_is_ready(cache));
    unsigned connects = 0;
    redis("ACL SETUSER default resetkeys ~version:generation");
    for (uint64_t end_ms = clock_monotonic_ms() + 2000; clock_monotonic_ms() < end_ms;) {
        if (cache_is_ready(cache)) {
            ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_UNAVAILABLE);
            connects++;
        }
        loop_tick(loop, 2);
    }
    ck_assert_msg(connects >= 2 && connects <= 25, "%u connects", connects);
    redis("ACL SETUSER default allkeys");
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_OK);
    uint64_t begin_ms = clock_monotonic_ms();
    cache_reset(cache, "test"); /* after a write that was made, at once */
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_uint_lt(clock_monotonic_ms() - begin_ms, 200);
}
END_TEST

/* Without writes there is no cache: not even a generation can begin. */
START_TEST(a_redis_that_takes_no_writes_is_not_ready) {
    redis("CONFIG SET maxmemory 1");
    cache_reset(cache, "test");
    for (uint64_t end_ms = clock_monotonic_ms() + 300; clock_monotonic_ms() < end_ms;) {
        loop_tick(loop, 5);
        ck_assert(!cache_is_ready(cache));
    }
    redis("CONFIG SET maxmemory 0");
    WAIT_FOR(cache_is_ready(cache));
}
END_TEST

/* ---- two processes ---- */

/*
 * Another process asks the database, this one loses Redis, commits, and cannot tell: what the other
 * one fills now is old, whether it is a list or has a version.
 */
START_TEST(another_process_does_not_fill_across_a_cleaning) {
    struct cache *ours = cache;
    open_cache();
    WAIT_FOR(cache_is_ready(cache));
    expect("orders:product:1", "(none)", 0);
    uint64_t epoch = cache_epoch(cache);
    struct cache *other = cache;
    cache = ours;
    reconnect();
    ck_assert_uint_ne(cache_epoch(ours), epoch);
    cache = other;
    ck_assert_uint_eq(cache_epoch(other), epoch); /* it has not heard of it */
    ck_assert_int_eq(put_unchanged(epoch, "orders:product:1", "[old]", 0), ERR_OK);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_OK);
    ck_assert_str_eq(redis("GET orders:product:1"), "(none)");
    ck_assert_str_eq(redis("GET product:1"), "(none)");
    ck_assert_int_eq(put_newer(CACHE_EPOCH_ANY, "product:1", "v2", 2), ERR_OK); /* committed */
    expect("product:1", "v2", 2);
    ck_assert_uint_eq(cache_epoch(other), cache_epoch(ours)); /* now it has */
    ck_assert_int_eq(put_unchanged(cache_epoch(other), "orders:product:1", "[2]", 0), ERR_OK);
    expect("orders:product:1", "[2]", 0);
    cache_close(ours);
}
END_TEST

/* A write that came while the values are dropped: another process might have filled behind us. */
START_TEST(writes_are_made_while_the_cache_is_cleaned) {
    static const char *const KEYS[] = { "orders:product:1" };
    for (int i = 0; i < 20000; i++) {
        redisAppendCommand(client, "SET product:%d old", i);
    }
    for (int i = 0; i < 20000; i++) {
        void *reply = NULL;
        ck_assert_int_eq(redisGetReply(client, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
    struct outcome outcome = { 0 };
    cache_reset(cache, "test");
    do { /* refused at once until then */
        ck_assert(!cache_is_ready(cache));
        outcome = (struct outcome){ 0 };
        cache_invalidate(cache, KEYS, 1, note_done, &outcome);
        if (outcome.calls == 1) {
            ck_assert_int_eq(outcome.err, ERR_UNAVAILABLE);
            loop_tick(loop, 5);
        }
    } while (outcome.calls == 1);
    ck_assert(!cache_is_ready(cache));
    WAIT_FOR(outcome.calls == 1);
    ck_assert_int_eq(outcome.err, ERR_OK);
    WAIT_FOR(cache_is_ready(cache));
    expect(KEYS[0], "(none)", 1);
    expect("product:19999", "(none)", 0);
}
END_TEST

/* Whatever stands in the place of a version: it counts as none, and nothing breaks. */
static const char *const GARBAGE[] = {
    "SET %s nonsense", "SET %s -5",      "SET %s 5x",
    "SET %s 007",      "SET %s inf",     "SET %s 1e3",
    "RPUSH %s a b",    "HSET %s a b",    "SET %s 99999999999999999",
    "SET %s 0x10",     "APPEND %s \"\"", "DEL %s"
};

static void spoil(const char *format, const char *version_key) {
    char command[200];
    size_t before = (size_t)(strstr(format, "%s") - format);
    snprintf(command, sizeof(command), "%.*s%s%s", (int)before, format, version_key,
             format + before + 2);
    void *reply = redisCommand(client, command);
    ck_assert_ptr_nonnull(reply);
    freeReplyObject(reply);
}

START_TEST(a_version_that_is_none_is_replaced) {
    static const char *const LIST[] = { "orders:product:1" };
    uint64_t epoch = cache_epoch(cache);
    spoil(GARBAGE[_i], "version:product:1");
    expect("product:1", "(none)", 0);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v1", 1), ERR_OK);
    expect("product:1", "v1", 1);
    spoil(GARBAGE[_i], "version:orders:product:1");
    expect(LIST[0], "(none)", 0);
    ck_assert_int_eq(put_unchanged(epoch, LIST[0], "[1]", 0), ERR_OK);
    expect(LIST[0], "[1]", 0);
    ck_assert_int_eq(invalidate(LIST, 1), ERR_OK);
    int64_t counter = get_one(LIST[0])->versions[0];
    ck_assert_int_gt(counter, 0);
    ck_assert_int_eq(put_unchanged(epoch, LIST[0], "[1]", 0), ERR_OK); /* read before the write */
    expect(LIST[0], "(none)", counter);
    ck_assert_uint_eq(cache_epoch(cache), epoch); /* the connection stayed */
    spoil(GARBAGE[_i], "version:generation");
    expect(LIST[0], "(none)", counter);
    ck_assert_int_eq(put_unchanged(cache_epoch(cache), LIST[0], "[1]", counter), ERR_OK);
    expect(LIST[0], "[1]", counter);
    reconnect();
    ck_assert_uint_gt(cache_epoch(cache), epoch);
}
END_TEST

START_TEST(scripts_are_loaded_again_when_the_server_forgot_them) {
    redis("SCRIPT FLUSH");
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_UNAVAILABLE);
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v1", 1), ERR_OK);
    expect("product:1", "v1", 1);
}
END_TEST

/* Nobody listens on the first address of the name, which itself is not there from the beginning. */
START_TEST(the_address_with_the_server_is_found) {
    static const char *const ADDRESSES[] = { "127.0.0.2", "127.0.0.1", NULL };
    cache_close(cache);
    fake_names_set(NULL);
    open_cache_at(FAKE_NAME, 20);
    WAIT_FOR(fake_names_lookups() == 1);
    fake_names_set(ADDRESSES);
    WAIT_FOR(cache_is_ready(cache));
    size_t lookups = fake_names_lookups();
    throwaway_stop(&server);
    WAIT_FOR(!cache_is_ready(cache));
    WAIT_FOR(fake_names_lookups() > lookups); /* the server may have moved */
}
END_TEST

START_TEST(closing_ends_what_is_under_way) {
    static const char *const KEYS[] = { "product:1" };
    struct outcome outcome = { .wanted = 1 };
    cache_get(cache, KEYS, 1, note_values, &outcome);
    cache_close(cache);
    cache = NULL;
    ck_assert_uint_eq(outcome.calls, 1);
    ck_assert_int_eq(outcome.err, ERR_UNAVAILABLE);
    loop_tick(loop, 0);
}
END_TEST

static Suite *cache_suite(void) {
    Suite *suite = suite_create("cache");
    TCase *tcase = tcase_create("cache");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_newest_version_stays);
    tcase_add_test(tcase, a_value_that_expired_is_filled_again_but_not_with_an_older_one);
    tcase_add_test(tcase, values_and_versions_expire_the_versions_later);
    tcase_add_test(tcase, several_at_once_each_by_its_own_version);
    tcase_add_test(tcase, as_many_keys_as_allowed);
    tcase_add_test(tcase, a_list_is_filled_when_nobody_wrote_meanwhile);
    tcase_add_test(tcase, commands_of_one_connection_run_in_order);
    tcase_add_test(tcase, nobody_needs_to_be_told);
    tcase_add_test(tcase, each_connect_drops_our_values_and_nothing_else);
    tcase_add_test(tcase, a_put_that_began_under_an_earlier_connection_is_not_made);
    tcase_add_test(tcase, a_put_that_began_before_the_cache_was_ready_is_not_made);
    tcase_add_test(tcase, a_server_that_dies_and_comes_back);
    tcase_add_test(tcase, commands_under_way_when_the_server_dies_end_once);
    tcase_add_test(tcase, a_server_that_does_not_answer_is_given_up_at_the_deadline);
    tcase_add_test(tcase, an_idle_connection_has_no_deadline);
    tcase_add_test(tcase, an_error_reply_empties_the_cache);
    tcase_add_test(tcase, errors_of_every_write_slow_the_reconnects_down);
    tcase_add_test(tcase, a_redis_that_takes_no_writes_is_not_ready);
    tcase_add_test(tcase, another_process_does_not_fill_across_a_cleaning);
    tcase_add_test(tcase, writes_are_made_while_the_cache_is_cleaned);
    tcase_add_loop_test(tcase, a_version_that_is_none_is_replaced, 0, (int)UNIT_COUNT(GARBAGE));
    tcase_add_test(tcase, scripts_are_loaded_again_when_the_server_forgot_them);
    tcase_add_test(tcase, the_address_with_the_server_is_found);
    tcase_add_test(tcase, closing_ends_what_is_under_way);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void) {
    if (throwaway_redis_program() == NULL) {
        return throwaway_skip("redis-server");
    }
    return unit_run(cache_suite());
}
