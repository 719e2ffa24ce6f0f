/* link: services/order/order.c t/unit/fake_pg.c */
/* services/order/order: from the row to the public JSON, money exact. */
#include "order/order.h"

#include "fake_pg.h"
#include "unit.h"

#include <stdio.h>

static const struct {
    int64_t unit_cents, quantity;
    const char *unit, *total;
} PRICES[] = {
    { 0, 1, "0.00", "0.00" },
    { 1, 1, "0.01", "0.01" },
    { 1, 1000000, "0.01", "10000.00" },
    { 10, 3, "0.10", "0.30" },
    { 1990, 3, "19.90", "59.70" },
    { 29, 100, "0.29", "29.00" }, /* 0.29 * 100 is 28.999999999999996 in binary */
    { 999999999999, 1000000, "9999999999.99", "9999999999990000.00" },
};

START_TEST(money_is_exact) {
    char json[512], wanted[512];
    struct order order;
    struct buf out;
    PGresult *result = fake_rows(12);
    fake_row(result, "ttiiiiittTTt", "before", "it", INT64_MAX, INT64_C(7), PRICES[_i].quantity,
             PRICES[_i].unit_cents, PRICES[_i].unit_cents * PRICES[_i].quantity, "rejected",
             "out_of_stock", INT64_C(1795367792123), INT64_C(1795367792124), "a.b:c_d-e");
    struct pg_rows rows = { .handle = result, .count = 1 };
    ck_assert_int_eq(order_from_row(&rows, 0, 2, &order), ERR_OK);
    PQclear(result);
    buf_init(&out, 0);
    order_encode(&order, &out);
    snprintf(json, sizeof(json), "%.*s", (int)buf_length(&out), buf_bytes(&out));
    buf_free(&out);
    snprintf(
        wanted, sizeof(wanted),
        "{\"id\":9223372036854775807,\"productId\":7,\"quantity\":%lld,\"unitPrice\":%s,"
        "\"totalPrice\":%s,\"status\":\"rejected\",\"reason\":\"out_of_stock\","
        "\"createdAt\":\"2026-11-22T17:16:32.123Z\",\"updatedAt\":\"2026-11-22T17:16:32.124Z\","
        "\"requestId\":\"a.b:c_d-e\"}",
        (long long)PRICES[_i].quantity, PRICES[_i].unit, PRICES[_i].total);
    ck_assert_str_eq(json, wanted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order");
    TCase *tcase = tcase_create("order");
    tcase_add_loop_test(tcase, money_is_exact, 0, (int)UNIT_COUNT(PRICES));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
