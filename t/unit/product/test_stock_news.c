/* link: services/product/stock_news.c services/product/product_set.c services/product/product.c
 *       services/product/statements.c t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c
 *       t/unit/fake_backends.c */
/* services/product/stock_news: the first state at once, then the newest of each product. */
#include "product/parts.h"
#include "product/stock_news.h"

#include "base/clock.h"

#include "fake_backends.h"
#include "unit.h"

#include <stdio.h>

static struct changed_product items[STOCK_NEWS_PRODUCTS_MAX + 1];

/* A consumer whose segment is left to the test, and acknowledged when nothing holds it. */
static struct consumer consumer;
static struct consumer_segment *segment;
static struct broker_delivery delivery;

static enum err decode(void *ctx, struct arena *arena, const struct event *event, void *item,
                       const char **ret_why) {
    (void)ctx, (void)arena, (void)event, (void)item, (void)ret_why;
    return ERR_OK;
}

static void run(void *ctx, struct consumer_segment *next) {
    (void)ctx;
    segment = next;
}

static void setup(void) {
    static const struct consumer_options OPTIONS = { .item_bytes = 1,
                                                     .decode = decode,
                                                     .run = run };
    fake_backends_open();
    fake_backends_consume(&consumer, &OPTIONS, 0, 1);
    delivery = fake_delivery("id", "{}");
    consumer_on_deliveries(&consumer, fake_batch(0, &delivery, 1), 1);
    ck_assert_ptr_nonnull(segment);
    ck_assert_int_eq(stock_news_open(), ERR_OK);
}

static void teardown(void) {
    stock_news_close();
    consumer_close(&consumer);
    fake_backends_close();
}

/* `count` products from `first_id` on, all of them at this version. */
static void add(int64_t first_id, size_t count, int64_t version) {
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct changed_product){ .product = { .id = first_id + (int64_t)i,
                                                          .version = version,
                                                          .name = "thing",
                                                          .name_length = 5 },
                                             .changed = true,
                                             .trace = { "r-1", "", "" } };
    }
    stock_news_add(&(struct product_set){ items, count }, segment);
}

static size_t told(int64_t id, int64_t version) {
    char part[64];
    snprintf(part, sizeof(part), "product.updated-%lld-v%lld-", (long long)id, (long long)version);
    return fake_broker_count(part);
}

static void wait_ms(uint64_t ms) {
    uint64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        loop_tick(backends.loop, 1);
    }
}

START_TEST(the_first_goes_at_once_and_then_the_newest_of_each) {
    add(1, 2, 1);
    ck_assert_uint_eq(fake_broker.published, 2);
    ck_assert_uint_eq(told(1, 1) + told(2, 1), 2);
    ck_assert_uint_eq(fake_broker_count("\"requestid\":\"r-1\""), 2);
    add(1, 1, 2);
    add(1, 1, 3);
    add(3, 1, 7);
    ck_assert_uint_eq(fake_broker.published, 2);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(fake_broker.published, 4);
    ck_assert_uint_eq(told(1, 2), 0);
    ck_assert_uint_eq(told(1, 3) + told(3, 7), 2);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(fake_broker.published, 4);
    add(1, 1, 4); /* quiet for so long: at once again */
    ck_assert_uint_eq(told(1, 4), 1);
}
END_TEST

START_TEST(what_has_not_changed_is_no_news_unless_it_is_told_again) {
    items[0] =
        (struct changed_product){ .product = { .id = 1, .version = 5 }, .trace = { "", "", "" } };
    stock_news_add(&(struct product_set){ items, 1 }, segment);
    ck_assert_uint_eq(fake_broker.published, 0);
    items[0].told = true;
    stock_news_add(&(struct product_set){ items, 1 }, segment);
    ck_assert_uint_eq(told(1, 5), 1);
}
END_TEST

START_TEST(while_the_broker_is_away_they_gather) {
    fake_broker.state = _i == 0 ? BROKER_DOWN : BROKER_BLOCKED;
    add(1, 1, 1);
    add(1, 1, 2);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(fake_broker.published, 0);
    fake_broker.state = BROKER_UP;
    stock_news_broker_up();
    ck_assert_uint_eq(told(1, 1), 0);
    ck_assert_uint_eq(told(1, 2), 1);
}
END_TEST

START_TEST(what_the_broker_has_no_room_for_is_told_after_the_pause) {
    add(9, 1, 1);
    consumer_segment_done(segment, ERR_OK);
    consumer_on_deliveries(&consumer, fake_batch(0, &delivery, 1), 1);
    fake_broker.publish_err = ERR_BUSY;
    add(1, 2, 2);
    consumer_segment_done(segment, ERR_OK);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1, 2) + told(2, 2), 0);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    fake_broker.publish_err = ERR_OK;
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1, 2) + told(2, 2), 2);
    ck_assert_uint_eq(fake_broker.acks[0], 2);
}
END_TEST

/* At the limit they wait; one more, and the round ends early. */
START_TEST(more_than_there_is_room_for_end_the_round) {
    add(1, 1, 1);
    add(1000, STOCK_NEWS_PRODUCTS_MAX, 1);
    ck_assert_uint_eq(told(1000, 1), 0);
    add(5000, 1, 1);
    ck_assert_uint_eq(told(1000, 1), 1);
    ck_assert_uint_eq(told(1000 + STOCK_NEWS_PRODUCTS_MAX - 1, 1), 1);
    ck_assert_uint_eq(told(5000, 1), 0);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(5000, 1), 1);
}
END_TEST

START_TEST(without_room_or_broker_the_next_change_tells) {
    fake_broker.state = BROKER_DOWN;
    add(1000, STOCK_NEWS_PRODUCTS_MAX + 1, 1);
    fake_broker.state = BROKER_UP;
    stock_news_broker_up();
    ck_assert_uint_eq(told(1000 + STOCK_NEWS_PRODUCTS_MAX - 1, 1), 1);
    ck_assert_uint_eq(told(1000 + STOCK_NEWS_PRODUCTS_MAX, 1), 0);
}
END_TEST

/* Two connections may tell of their commits in the other order. */
START_TEST(an_older_state_replaces_none) {
    add(9, 1, 1);
    add(1, 1, 3);
    add(1, 1, 2);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1, 3), 1);
    ck_assert_uint_eq(told(1, 2), 0);
}
END_TEST

START_TEST(the_acknowledgement_follows_the_news) {
    add(9, 1, 1);
    consumer_segment_done(segment, ERR_OK);
    ck_assert_uint_eq(fake_broker.acks[0], 1); /* they had left at once */
    consumer_on_deliveries(&consumer, fake_batch(0, &delivery, 1), 1);
    add(1, 1, 2);
    consumer_segment_done(segment, ERR_OK);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1, 2), 1);
    ck_assert_uint_eq(fake_broker.acks[0], 2);
}
END_TEST

START_TEST(news_hold_up_no_acknowledgement_for_a_broker_that_takes_none) {
    add(9, 1, 1);
    fake_broker.state = BROKER_BLOCKED;
    add(1, 1, 2);
    consumer_segment_done(segment, ERR_OK);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
}
END_TEST

/* The next delivery's. */
static void next_delivery(void) {
    consumer_segment_done(segment, ERR_OK);
    consumer_on_deliveries(&consumer, fake_batch(0, &delivery, 1), 1);
}

/* It is refused when it stops, or before that, or after: the order comes again, and its news. */
START_TEST(what_could_not_be_told_when_it_stopped_comes_again) {
    add(9, 1, 1);
    next_delivery();
    fake_broker.publish_err = ERR_BUSY;
    if (_i == 0) {
        add(1, 1, 2);
    }
    stock_news_stop();
    if (_i == 1) {
        add(1, 1, 2);
    }
    consumer_stop(&consumer);
    consumer_segment_done(segment, ERR_OK);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    ck_assert(consumer_is_idle(&consumer));
}
END_TEST

/* RabbitMQ sends no more than the prefetch. */
START_TEST(when_many_deliveries_wait_the_round_ends_early) {
    config_shared.rabbitmq_prefetch = 4;
    add(9, 1, 1);
    next_delivery();
    add(1, 1, 2);
    ck_assert_uint_eq(told(1, 2), 0); /* one waits */
    next_delivery();
    add(1, 1, 3);
    ck_assert_uint_eq(told(1, 3), 1); /* two are half of four */
}
END_TEST

START_TEST(only_what_was_refused_is_told_again) {
    add(9, 1, 1);
    fake_broker.publish_err = ERR_BUSY;
    fake_broker.publish_ok_left = 1;
    add(1, 3, 2);
    wait_ms(STOCK_NEWS_PAUSE_MS + 20);
    fake_broker.publish_err = ERR_OK;
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1, 2), 1);
    ck_assert_uint_eq(told(2, 2) + told(3, 2), 2);
}
END_TEST

START_TEST(without_room_the_delivery_comes_again) {
    add(9, 1, 1);
    next_delivery();
    fake_broker.publish_err = ERR_BUSY;
    add(1000, STOCK_NEWS_PRODUCTS_MAX, 1);
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    add(5000, 1, 1);
    consumer_segment_done(segment, ERR_OK);
    fake_broker.publish_err = ERR_OK;
    wait_ms(STOCK_NEWS_PAUSE_MS + 50);
    ck_assert_uint_eq(told(1000, 1), 1);
    ck_assert_uint_eq(told(5000, 1), 0);
    ck_assert_uint_eq(fake_broker.acks[0], 1);
    wait_ms(1500);
    ck_assert_uint_eq(fake_broker.returns[0], 1);
}
END_TEST

START_TEST(stopping_tells_what_has_gathered_and_then_at_once) {
    add(1, 1, 1);
    add(1, 1, 2);
    stock_news_stop();
    ck_assert_uint_eq(told(1, 2), 1);
    add(1, 1, 3);
    ck_assert_uint_eq(told(1, 3), 1);
}
END_TEST

START_TEST(closing_without_having_been_opened) {
    stock_news_close();
    stock_news_close();
    ck_assert_int_eq(stock_news_open(), ERR_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stock_news");
    TCase *tcase = tcase_create("stock_news");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_first_goes_at_once_and_then_the_newest_of_each);
    tcase_add_test(tcase, what_has_not_changed_is_no_news_unless_it_is_told_again);
    tcase_add_loop_test(tcase, while_the_broker_is_away_they_gather, 0, 2);
    tcase_add_test(tcase, what_the_broker_has_no_room_for_is_told_after_the_pause);
    tcase_add_test(tcase, more_than_there_is_room_for_end_the_round);
    tcase_add_test(tcase, without_room_or_broker_the_next_change_tells);
    tcase_add_test(tcase, an_older_state_replaces_none);
    tcase_add_test(tcase, the_acknowledgement_follows_the_news);
    tcase_add_test(tcase, news_hold_up_no_acknowledgement_for_a_broker_that_takes_none);
    tcase_add_loop_test(tcase, what_could_not_be_told_when_it_stopped_comes_again, 0, 2);
    tcase_add_test(tcase, when_many_deliveries_wait_the_round_ends_early);
    tcase_add_test(tcase, only_what_was_refused_is_told_again);
    tcase_add_test(tcase, without_room_the_delivery_comes_again);
    tcase_add_test(tcase, stopping_tells_what_has_gathered_and_then_at_once);
    tcase_add_test(tcase, closing_without_having_been_opened);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
