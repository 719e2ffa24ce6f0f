/* services/runtime/flow/gather.h: for how long what comes after a batch gathers, at each edge. */
#include "runtime/flow/gather.h"

#include "unit.h"

enum { FROM = 8, MS_MAX = 6 };

static const struct {
    size_t count;
    uint64_t took_us;
    uint64_t most_us; /* it gathers no longer than this, and at least for half of it */
} CASES[] = {
    { 0, 2000, 0 },
    { FROM - 1, 2000, 0 },
    { FROM, 2000, 2000 },
    { GATHER_MUCH - 1, 2000, 2000 },
    { GATHER_MUCH, 2000, 4000 },
    { FROM, 7000, 6000 },
    { GATHER_MUCH, 3000, 6000 },
    { GATHER_MUCH, 4000, 6000 },
    { GATHER_MUCH, UINT64_MAX, 6000 }, /* it is under way */
};

START_TEST(what_comes_after_a_batch_gathers) {
    struct gather gather = { FROM, MS_MAX, 0 };
    gather_after(&gather, CASES[_i].count, CASES[_i].took_us);
    uint64_t left_ms = gather_left_ms(&gather);
    ck_assert_uint_le(left_ms, CASES[_i].most_us / 1000);
    ck_assert_uint_ge(left_ms, CASES[_i].most_us / 2000);
}
END_TEST

START_TEST(with_from_0_nothing_gathers) {
    struct gather gather = { 0, MS_MAX, 0 };
    gather_after(&gather, 1000, 5000);
    ck_assert_uint_eq(gather_left_ms(&gather), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gather");
    TCase *tcase = tcase_create("gather");
    tcase_add_loop_test(tcase, what_comes_after_a_batch_gathers, 0, (int)UNIT_COUNT(CASES));
    tcase_add_test(tcase, with_from_0_nothing_gathers);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
