/* link: services/product/stock.c services/contract/contract.c */
/*
 * services/product/stock: who gets the stock. A table of small cases, and random batches against a
 * model that is as naive as possible: one order after the other, a list of what was decided.
 */
#include "product/stock.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { ORDERS_MAX = 64, LEVELS_MAX = 8 };

struct want {
    enum order_status status;
    enum order_reason reason;
};

#define DONE                                                                                       \
    { ORDER_DONE, REASON_NONE }
#define SOLD_OUT                                                                                   \
    { ORDER_REJECTED, REASON_OUT_OF_STOCK }
#define UNKNOWN                                                                                    \
    { ORDER_REJECTED, REASON_PRODUCT_NOT_FOUND }

/*
 * {order, its createdAt, product, quantity, known}, then what is wanted; product 1 has `qty`,
 * product 2 has 100.
 */
static const struct {
    const char *name;
    int64_t qty;
    struct stock_order orders[6];
    struct want wants[6];
    int64_t taken;
} CASES[] = {
    { "one fits", 5, { { 1, 0, 1, 5, .known = false } }, { DONE }, 5 },
    { "one is too large", 5, { { 1, 0, 1, 6, .known = false } }, { SOLD_OUT }, 0 },
    { "nothing is left", 0, { { 1, 0, 1, 1, .known = false } }, { SOLD_OUT }, 0 },
    { "no such product", 5, { { 1, 0, 9, 1, .known = false } }, { UNKNOWN }, 0 },
    { "first come, first served",
      5,
      { { 9, 0, 1, 3, .known = false },
        { 1, 0, 1, 3, .known = false },
        { 5, 0, 1, 2, .known = false } },
      { DONE, SOLD_OUT, DONE },
      5 },
    { "a rejected one takes nothing",
      5,
      { { 1, 0, 1, 6, .known = false }, { 2, 0, 1, 5, .known = false } },
      { SOLD_OUT, DONE },
      5 },
    { "products do not share",
      1,
      { { 1, 0, 1, 1, .known = false },
        { 2, 0, 2, 100, .known = false },
        { 3, 0, 1, 1, .known = false } },
      { DONE, DONE, SOLD_OUT },
      1 },
    { "a copy takes nothing",
      10,
      { { 1, 0, 1, 4, .known = false },
        { 1, 0, 1, 4, .known = false },
        { 1, 0, 1, 4, .known = false } },
      { DONE, DONE, DONE },
      4 },
    { "a copy of a rejected one stays rejected",
      3,
      { { 1, 0, 1, 4, .known = false },
        { 2, 0, 1, 3, .known = false },
        { 1, 0, 1, 4, .known = false } },
      { SOLD_OUT, DONE, SOLD_OUT },
      3 },
    { "the first copy counts, and its place",
      4,
      { { 7, 0, 1, 4, .known = false },
        { 2, 0, 1, 1, .known = false },
        { 7, 0, 1, 4, .known = false } },
      { DONE, SOLD_OUT, DONE },
      4 },
    { "the ledger knows it: done stays done",
      0,
      { { 1, 0, 1, 4, .known = true, .status = ORDER_DONE } },
      { DONE },
      0 },
    { "the ledger knows it: rejected stays, though there is stock",
      10,
      { { 1, 0, 1, 4, .known = true, .status = ORDER_REJECTED, .reason = REASON_OUT_OF_STOCK },
        { 2, 0, 1, 4, .known = false } },
      { SOLD_OUT, DONE },
      4 },
    { "the ledger knows both copies",
      10,
      { { 1, 0, 9, 4, .known = true, .status = ORDER_REJECTED, .reason = REASON_PRODUCT_NOT_FOUND },
        { 1, 0, 9, 4, .known = true, .status = ORDER_REJECTED,
          .reason = REASON_PRODUCT_NOT_FOUND } },
      { UNKNOWN, UNKNOWN },
      0 },
    { "the same id at another time is another order",
      10,
      { { 1, 5, 1, 4, .known = false },
        { 1, 6, 1, 4, .known = false },
        { 1, 5, 1, 4, .known = false } },
      { DONE, DONE, DONE },
      8 },
    { "the largest numbers",
      INT64_C(2147483647),
      { { INT64_MAX, 0, 1, 1000000, .known = false },
        { INT64_MAX - 1, 0, INT64_MAX, 1, .known = false } },
      { DONE, UNKNOWN },
      1000000 },
};

START_TEST(small_cases) {
    struct stock_level levels[] = { { 1, CASES[_i].qty, 0 }, { 2, 100, 0 } };
    struct stock_order orders[6];
    struct stock_order *pointers[6], *scratch[6];
    size_t count = 0;
    memcpy(orders, CASES[_i].orders, sizeof(orders));
    while (count < 6 && orders[count].order_id != 0) {
        pointers[count] = &orders[count];
        count++;
    }
    stock_decide(levels, 2, pointers, count, scratch);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(orders[i].status == CASES[_i].wants[i].status &&
                          orders[i].reason == CASES[_i].wants[i].reason,
                      "%s: order at place %zu is %s", CASES[_i].name, i,
                      contract_status_name(orders[i].status));
    }
    ck_assert_int_eq(levels[0].taken, CASES[_i].taken);
    ck_assert_int_eq(levels[0].qty, CASES[_i].qty - CASES[_i].taken);
}
END_TEST

START_TEST(nothing_to_decide_is_fine) {
    struct stock_level level = { 1, 5, 0 };
    struct stock_order order = { 1, 0, 1, 5, .known = false };
    struct stock_order *pointers[] = { &order }, *scratch[1];
    stock_decide(&level, 1, pointers, 0, scratch);
    ck_assert_int_eq(level.qty, 5);
    stock_decide(NULL, 0, pointers, 1, scratch);
    ck_assert_int_eq(order.status, ORDER_REJECTED);
    ck_assert_int_eq(order.reason, REASON_PRODUCT_NOT_FOUND);
}
END_TEST

START_TEST(levels_are_found_by_product) {
    struct stock_level levels[] = { { 2, 0, 0 }, { 5, 0, 0 }, { INT64_MAX, 0, 0 } };
    ck_assert_ptr_eq(stock_find_level(levels, 3, 2), &levels[0]);
    ck_assert_ptr_eq(stock_find_level(levels, 3, 5), &levels[1]);
    ck_assert_ptr_eq(stock_find_level(levels, 3, INT64_MAX), &levels[2]);
    ck_assert_ptr_null(stock_find_level(levels, 3, 1));
    ck_assert_ptr_null(stock_find_level(levels, 3, 3));
    ck_assert_ptr_null(stock_find_level(NULL, 0, 3));
}
END_TEST

/* ---- random batches against the model ---- */

static uint32_t random_state;

static uint32_t below(uint32_t limit) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

struct batch {
    struct stock_level levels[LEVELS_MAX];
    size_t level_count;
    struct stock_order orders[ORDERS_MAX];
    size_t order_count;
};

static void make_batch(struct batch *batch) {
    batch->level_count = below(LEVELS_MAX + 1);
    for (size_t i = 0; i < batch->level_count; i++) {
        batch->levels[i] =
            (struct stock_level){ .product_id = (int64_t)(i + 1) * 2, .qty = below(40) };
    }
    batch->order_count = below(ORDERS_MAX) + 1;
    for (size_t i = 0; i < batch->order_count; i++) {
        struct stock_order *order = &batch->orders[i];
        if (i > 0 && below(4) == 0) {
            *order = batch->orders[below((uint32_t)i)]; /* a copy, of a known one too */
            continue;
        }
        *order =
            (struct stock_order){ .order_id = 1000 - (int64_t)(i / 2) * (below(2) == 0 ? 1 : -1),
                                  .created_ms = (int64_t)i % 2, /* ids come again */
                                  .product_id = below(LEVELS_MAX * 2 + 2) + 1,
                                  .quantity = below(12) + 1 };
        if (below(6) == 0) {
            order->known = true;
            order->status = below(2) == 0 ? ORDER_DONE : ORDER_REJECTED;
            order->reason = order->status == ORDER_DONE ? REASON_NONE : REASON_OUT_OF_STOCK;
        }
    }
}

static struct want decide_naively(struct stock_level *levels, size_t level_count,
                                  const struct stock_order *order) {
    for (size_t i = 0; i < level_count; i++) {
        if (levels[i].product_id != order->product_id) {
            continue;
        }
        if (levels[i].qty < order->quantity) {
            return (struct want)SOLD_OUT;
        }
        levels[i].qty -= order->quantity;
        return (struct want)DONE;
    }
    return (struct want)UNKNOWN;
}

static void model(struct batch *batch, struct want *wants) {
    for (size_t i = 0; i < batch->order_count; i++) {
        const struct stock_order *order = &batch->orders[i];
        size_t k = 0;
        while (k < i && (batch->orders[k].order_id != order->order_id ||
                         batch->orders[k].created_ms != order->created_ms)) {
            k++;
        }
        if (k < i) {
            wants[i] = wants[k];
        } else if (order->known) {
            wants[i] = (struct want){ order->status, order->reason };
        } else {
            wants[i] = decide_naively(batch->levels, batch->level_count, order);
        }
    }
}

START_TEST(random_batches_agree_with_the_model) {
    for (uint32_t seed = 1; seed <= 3000; seed++) {
        struct batch batch, expected;
        struct want wants[ORDERS_MAX];
        int64_t before[LEVELS_MAX];
        struct stock_order *pointers[ORDERS_MAX], *scratch[ORDERS_MAX];
        random_state = seed;
        make_batch(&batch);
        expected = batch;
        for (size_t i = 0; i < batch.level_count; i++) {
            before[i] = batch.levels[i].qty;
        }
        model(&expected, wants);
        for (size_t i = 0; i < batch.order_count; i++) {
            pointers[i] = &batch.orders[i];
        }
        stock_decide(batch.levels, batch.level_count, pointers, batch.order_count, scratch);
        for (size_t i = 0; i < batch.order_count; i++) {
            ck_assert_msg(batch.orders[i].status == wants[i].status &&
                              batch.orders[i].reason == wants[i].reason,
                          "seed %u, place %zu", seed, i);
        }
        for (size_t i = 0; i < batch.level_count; i++) {
            const struct stock_level *level = &batch.levels[i];
            ck_assert_msg(level->qty == expected.levels[i].qty && level->qty >= 0,
                          "seed %u: product %lld has %lld", seed, (long long)level->product_id,
                          (long long)level->qty);
            ck_assert_int_eq(level->taken + level->qty, before[i]);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stock");
    TCase *tcase = tcase_create("stock");
    tcase_add_loop_test(tcase, small_cases, 0, (int)UNIT_COUNT(CASES));
    tcase_add_test(tcase, nothing_to_decide_is_fine);
    tcase_add_test(tcase, levels_are_found_by_product);
    tcase_add_test(tcase, random_batches_agree_with_the_model);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
