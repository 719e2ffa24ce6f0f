/* services/contract: what other programs rely on, letter by letter. */
#include "contract/contract.h"

#include "unit.h"

#include <stdint.h>
#include <string.h>

START_TEST(events_and_queues) {
    ck_assert_str_eq(EXCHANGE_EVENTS, "events");
    ck_assert_str_eq(QUEUE_ORDER_CREATED, "order.created.product-service");
    ck_assert_str_eq(QUEUE_ORDER_UPDATED, "order.updated.order-service");
    ck_assert_str_eq(QUEUE_PRODUCT_CREATED, "product.created.order-service");
    ck_assert_str_eq(QUEUE_PRODUCT_UPDATED, "product.updated.order-service");
}
END_TEST

static const struct {
    int64_t id;
    const char *product, *orders;
} KEYS[] = {
    { 1, "product:1", "orders:product:1" },
    { 1234567, "product:1234567", "orders:product:1234567" },
    { INT64_MAX, "product:9223372036854775807", "orders:product:9223372036854775807" },
};

START_TEST(cache_keys) {
    char key[CACHE_NAME_BYTES];
    contract_product_key(KEYS[_i].id, key);
    ck_assert_str_eq(key, KEYS[_i].product);
    contract_orders_key(KEYS[_i].id, key);
    ck_assert_str_eq(key, KEYS[_i].orders);
}
END_TEST

START_TEST(lifetimes) {
    ck_assert_int_eq(CACHE_PRODUCT_TTL_S, 600);
    ck_assert_int_eq(CACHE_PRODUCT_COPY_TTL_S, 300);
    ck_assert_int_eq(CACHE_ORDERS_TTL_S, 600);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("names");
    TCase *tcase = tcase_create("names");
    tcase_add_test(tcase, events_and_queues);
    tcase_add_loop_test(tcase, cache_keys, 0, (int)UNIT_COUNT(KEYS));
    tcase_add_test(tcase, lifetimes);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
