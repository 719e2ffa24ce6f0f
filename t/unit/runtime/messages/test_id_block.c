/* link: t/unit/fake_pg.c */
/* runtime/messages/id_block: ids in blocks, each at most once. */
#include "runtime/messages/id_block.h"

#include "fake_pg.h"
#include "unit.h"

enum { BLOCK = 10 };

static const struct pg_statement STATEMENT = { "next", "SELECT nextval('ids')" };

static struct id_block block;
static unsigned calls;
static enum err last_err;

static void setup(void) {
    fake_pg_reset();
    id_block_init(&block, &fake_pg, &STATEMENT, BLOCK);
}

static void note(void *ctx, enum err err) {
    (void)ctx;
    calls++;
    last_err = err;
}

static int64_t take(size_t count) {
    int64_t first = -1;
    ck_assert_int_eq(id_block_take(&block, count, &first), ERR_OK);
    return first;
}

static void expect_busy(size_t count) {
    int64_t first = -1;
    ck_assert_int_eq(id_block_take(&block, count, &first), ERR_BUSY);
    ck_assert_int_eq(first, -1);
}

START_TEST(the_first_ids_are_waited_for) {
    expect_busy(1);
    ck_assert_uint_eq(fake_pg.asked, 0); /* asking is id_block_wait()'s */
    id_block_wait(&block, note, NULL);
    id_block_wait(&block, note, NULL);
    ck_assert_uint_eq(fake_pg.asked, 1); /* once for all */
    fake_pg_answer_ids(&STATEMENT, 100);
    ck_assert_uint_eq(calls, 2);
    ck_assert_int_eq(last_err, ERR_OK);
    ck_assert_int_eq(take(3), 100);
    ck_assert_int_eq(take(1), 103);
}
END_TEST

START_TEST(the_next_block_is_fetched_when_half_is_gone) {
    id_block_wait(&block, note, NULL);
    fake_pg_answer_ids(&STATEMENT, 100);
    ck_assert_int_eq(take(5), 100);
    ck_assert_uint_eq(fake_pg.waiting, 0);
    ck_assert_int_eq(take(1), 105);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    ck_assert_int_eq(take(1), 106);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    fake_pg_answer_ids(&STATEMENT, 500);
    ck_assert_int_eq(take(3), 107); /* the old block first */
    ck_assert_int_eq(take(10), 500);
}
END_TEST

START_TEST(what_does_not_fit_leaves_the_rest_unused) {
    id_block_wait(&block, note, NULL);
    fake_pg_answer_ids(&STATEMENT, 100);
    ck_assert_int_eq(take(8), 100);
    expect_busy(3);
    ck_assert_int_eq(take(2), 108);
    fake_pg_answer_ids(&STATEMENT, 500);
    ck_assert_int_eq(take(3), 500);
}
END_TEST

START_TEST(an_error_reaches_those_who_wait_and_is_not_final) {
    id_block_wait(&block, note, NULL);
    fake_pg_fail(ERR_UNAVAILABLE);
    ck_assert_uint_eq(calls, 1);
    ck_assert_int_eq(last_err, ERR_UNAVAILABLE);
    expect_busy(1);
    id_block_wait(&block, note, NULL);
    fake_pg_answer_ids(&STATEMENT, 100);
    ck_assert_int_eq(last_err, ERR_OK);
    ck_assert_int_eq(take(1), 100);
}
END_TEST

static int64_t taken[2];

static void take_six(void *ctx, enum err err) {
    ck_assert_int_eq(err, ERR_OK);
    calls++;
    if (id_block_take(&block, 6, ctx) != ERR_OK) {
        id_block_wait(&block, take_six, ctx);
    }
}

START_TEST(those_who_got_none_wait_again) {
    id_block_wait(&block, take_six, &taken[0]);
    id_block_wait(&block, take_six, &taken[1]);
    fake_pg_answer_ids(&STATEMENT, 100); /* enough for one of the two */
    ck_assert_int_eq(taken[0], 100);
    ck_assert_int_eq(taken[1], 0);
    fake_pg_answer_ids(&STATEMENT, 500);
    ck_assert_int_eq(taken[1], 500);
    ck_assert_uint_eq(calls, 3);
}
END_TEST

/* In hand, fetched ahead, and on its way: all of it is from before. */
START_TEST(ids_that_are_given_up_are_not_used) {
    int64_t first = 0;
    id_block_wait(&block, note, NULL);
    fake_pg_answer_ids(&STATEMENT, 100);
    ck_assert_int_eq(take(6), 100);
    ck_assert_uint_eq(fake_pg.waiting, 1);
    if (_i == 0) {
        fake_pg_answer_ids(&STATEMENT, 110);
    }
    id_block_drop(&block);
    expect_busy(1);
    id_block_wait(&block, note, NULL);
    if (_i == 1) {
        fake_pg_answer_ids(&STATEMENT, 110);
        ck_assert_uint_eq(calls, 2);
        ck_assert_int_eq(id_block_take(&block, 1, &first), ERR_BUSY); /* whoever waits, waits on */
        id_block_wait(&block, note, NULL);
    }
    fake_pg_answer_ids(&STATEMENT, 500);
    ck_assert_int_eq(take(1), 500);
}
END_TEST

START_TEST(no_id_is_given_twice) {
    int64_t next_block = 1000, last = 0;
    uint32_t state = 1;
    for (int i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        size_t count = (state >> 8) % BLOCK + 1;
        int64_t first = 0;
        if (id_block_take(&block, count, &first) == ERR_OK) {
            ck_assert_int_gt(first, last);
            ck_assert_int_le(first % BLOCK + (int64_t)count, BLOCK); /* never across two blocks */
            last = first + (int64_t)count - 1;
        } else if (fake_pg.waiting == 0) {
            id_block_wait(&block, note, NULL);
        }
        if (fake_pg.waiting > 0 && (state >> 24) % 3 == 0) {
            fake_pg_answer_ids(&STATEMENT, next_block);
            next_block += BLOCK * (1 + (state >> 28) % 2); /* another process took one between */
        }
    }
    while (fake_pg.waiting > 0) {
        fake_pg_fail(ERR_UNAVAILABLE);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("id_block");
    TCase *tcase = tcase_create("id_block");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, the_first_ids_are_waited_for);
    tcase_add_test(tcase, the_next_block_is_fetched_when_half_is_gone);
    tcase_add_test(tcase, what_does_not_fit_leaves_the_rest_unused);
    tcase_add_test(tcase, an_error_reaches_those_who_wait_and_is_not_final);
    tcase_add_test(tcase, those_who_got_none_wait_again);
    tcase_add_loop_test(tcase, ids_that_are_given_up_are_not_used, 0, 2);
    tcase_add_test(tcase, no_id_is_given_twice);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
