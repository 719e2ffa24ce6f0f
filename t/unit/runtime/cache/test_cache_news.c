/*
 * What is put by who only hears of it, perhaps late (cache_refresh), and forgotten by who did not
 * hear (cache_forget), against a real Redis.
 */
#include "cache_fixture.h"

static void refresh(const char *key, const char *value, int64_t version) {
    struct outcome outcome = { 0 };
    struct cache_put put = put_of(key, value, version);
    cache_refresh(cache, &put, 1, note_done, &outcome);
    WAIT_FOR(outcome.calls == 1);
    ck_assert_int_eq(outcome.err, ERR_OK);
}

START_TEST(news_replaces_what_is_older_and_fills_nothing) {
    uint64_t epoch = cache_epoch(cache);
    refresh("product:1", "v5", 5);
    expect("product:1", "(none)", 5);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v4", 4), ERR_OK); /* it asked before the news */
    expect("product:1", "(none)", 5);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v5", 5), ERR_OK);
    expect("product:1", "v5", 5);
    refresh("product:1", "v4", 4);
    refresh("product:1", "v5 again", 5);
    expect("product:1", "v5", 5);
    refresh("product:1", "v10", 10);
    expect("product:1", "v10", 10);
    ck_assert_int_gt(strtol(redis("TTL product:1"), NULL, 10), 50);
    ck_assert_int_gt(strtol(redis("TTL version:product:1"), NULL, 10), 300);
}
END_TEST

START_TEST(late_news_of_what_redis_forgot) {
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v7", 7), ERR_OK);
    redis("DEL product:1 version:product:1"); /* evicted, or expired */
    refresh("product:1", "v6", 6);
    expect("product:1", "(none)", 6);
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v7", 7), ERR_OK);
    redis("DEL version:product:1"); /* only its version: nobody knows which one is older */
    refresh("product:1", "v6", 6);
    expect("product:1", "(none)", 6);
}
END_TEST

START_TEST(what_was_put_can_be_forgotten_on_one_connection) {
    uint64_t epoch = cache_epoch(cache);
    static const char *const KEYS[] = { "product:1" };
    struct outcome asked = { .wanted = 1 };
    ck_assert_int_eq(put_newer(epoch, "product:1", "v3", 3), ERR_OK);
    ck_assert_int_eq(put_unchanged(epoch, "orders:product:1", "[1]", 0), ERR_OK);
    struct cache_put put = put_of("product:2", "v1", 1);
    cache_put_newer(cache, epoch, &put, 1, NULL, NULL); /* on its way */
    cache_get(cache, KEYS, 1, note_values, &asked);
    cache_forget(cache, 0);
    ck_assert(!cache_is_ready(cache));
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_uint_eq(asked.calls, 1);
    ck_assert_str_eq(asked.values[0], "v3"); /* before it */
    expect("product:1", "(none)", 3);
    expect("product:2", "(none)", 1);
    expect("orders:product:1", "(none)", 0);
    ck_assert_uint_ne(cache_epoch(cache), epoch);
    ck_assert_int_eq(put_newer(epoch, "product:1", "v3", 3), ERR_OK); /* it asked before */
    expect("product:1", "(none)", 3);
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:1", "v3", 3), ERR_OK);
    expect("product:1", "v3", 3);
    throwaway_kill(&server);
    WAIT_FOR(!cache_is_ready(cache));
    cache_forget(cache, 0); /* the next connect does it */
}
END_TEST

START_TEST(what_was_put_while_it_forgets_can_be_forgotten) {
    struct outcome outcome = { 0 };
    struct cache_put put = put_of("product:1", "v3", 3);
    ck_assert_int_eq(put_newer(cache_epoch(cache), "product:2", "v1", 1), ERR_OK);
    ck_assert_int_eq(put_unchanged(cache_epoch(cache), "orders:product:1", "[1]", 0), ERR_OK);
    cache_forget(cache, 1);
    WAIT_FOR(cache_is_ready(cache));
    expect("product:2", "v1", 1);
    expect("orders:product:1", "(none)", 0);
    cache_forget(cache, 1);
    cache_put_newer(cache, CACHE_EPOCH_ANY, &put, 1, note_done, &outcome); /* a writer may */
    cache_forget(cache, 0);
    cache_forget(cache, 1);
    ck_assert(!cache_is_ready(cache));
    WAIT_FOR(cache_is_ready(cache));
    ck_assert_int_eq(outcome.calls, 1);
    expect("product:1", "(none)", 3);
    expect("product:2", "(none)", 1);
}
END_TEST

int main(void) {
    if (throwaway_redis_program() == NULL) {
        return throwaway_skip("redis-server");
    }
    Suite *suite = suite_create("cache_news");
    TCase *tcase = tcase_create("cache_news");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, news_replaces_what_is_older_and_fills_nothing);
    tcase_add_test(tcase, late_news_of_what_redis_forgot);
    tcase_add_test(tcase, what_was_put_can_be_forgotten_on_one_connection);
    tcase_add_test(tcase, what_was_put_while_it_forgets_can_be_forgotten);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
