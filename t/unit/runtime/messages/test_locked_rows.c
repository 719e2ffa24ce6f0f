/* runtime/messages/locked_rows: found by id, growing delays, the limit. */
#include "runtime/messages/locked_rows.h"

#include "unit.h"

static struct locked_rows locked;

static void setup(void) {
    ck_assert_int_eq(locked_rows_init(&locked), ERR_OK);
}

static void teardown(void) {
    locked_rows_done(&locked);
    locked_rows_done(&locked);
}

START_TEST(rows_are_found_until_they_are_free) {
    static const int64_t IDS[] = { 5, 1, 9, 3, INT64_MAX, 4 };
    for (size_t i = 0; i < UNIT_COUNT(IDS); i++) {
        locked_rows_note(&locked, IDS[i], 0, 1000);
    }
    ck_assert_uint_eq(locked.count, UNIT_COUNT(IDS));
    ck_assert_ptr_null(locked_rows_find(&locked, 2));
    ck_assert_ptr_null(locked_rows_find(&locked, 10));
    locked_rows_forget(&locked, 2);
    locked_rows_forget(&locked, 3);
    for (size_t i = 0; i < UNIT_COUNT(IDS); i++) {
        const struct locked_row *row = locked_rows_find(&locked, IDS[i]);
        ck_assert((row != NULL) == (IDS[i] != 3));
        ck_assert(row == NULL || row->id == IDS[i]);
    }
}
END_TEST

START_TEST(the_delay_doubles_up_to_its_limit) {
    static const uint64_t DELAYS_MS[] = { 250, 500, 1000, 2000, 2000 };
    for (unsigned i = 0; i < UNIT_COUNT(DELAYS_MS); i++) {
        locked_rows_note(&locked, 7, 0, 1000);
        ck_assert_uint_eq(locked_rows_find(&locked, 7)->attempts, i + 1);
        ck_assert_uint_eq(locked_rows_find(&locked, 7)->due_ms, 1000 + DELAYS_MS[i]);
    }
    locked_rows_note(&locked, 7, 1000000, 1000); /* others have tried, too */
    ck_assert_uint_eq(locked_rows_find(&locked, 7)->attempts, 1000001);
    ck_assert_uint_eq(locked_rows_find(&locked, 7)->due_ms, 3000);
}
END_TEST

/* Of rows that became free elsewhere nobody hears any more. */
START_TEST(the_one_that_was_due_first_makes_room) {
    for (int64_t id = 1; id <= LOCKED_ROWS_MAX; id++) {
        locked_rows_note(&locked, id, 0, id == 7 ? 0 : 1000);
    }
    ck_assert_ptr_nonnull(locked_rows_find(&locked, 7));
    locked_rows_note(&locked, 7, 0, 0); /* it is there: no room is needed */
    ck_assert_uint_eq(locked.count, LOCKED_ROWS_MAX);
    locked_rows_note(&locked, LOCKED_ROWS_MAX + 1, 0, 1000);
    ck_assert_uint_eq(locked.count, LOCKED_ROWS_MAX);
    for (int64_t id = 1; id <= LOCKED_ROWS_MAX + 1; id++) {
        const struct locked_row *row = locked_rows_find(&locked, id);
        ck_assert((row != NULL) == (id != 7));
        ck_assert(row == NULL || row->attempts == 1);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("locked_rows");
    TCase *tcase = tcase_create("locked_rows");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, rows_are_found_until_they_are_free);
    tcase_add_test(tcase, the_delay_doubles_up_to_its_limit);
    tcase_add_test(tcase, the_one_that_was_due_first_makes_room);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
