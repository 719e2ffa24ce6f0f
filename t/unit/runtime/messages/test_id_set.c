/* runtime/messages/id_set: against a plain array of flags. */
#include "runtime/messages/id_set.h"

#include "unit.h"

#include <stdbool.h>

enum { IDS = 4000 };

static struct id_set set;

static void setup(void) {
    set = (struct id_set){ 0 };
}

static void teardown(void) {
    id_set_done(&set);
}

START_TEST(empty_set) {
    ck_assert(!id_set_has(&set, 1));
    ck_assert_int_eq(id_set_mark(&set, 1), 0);
    id_set_remove(&set, 1);
    ck_assert_uint_eq(set.count, 0);
}
END_TEST

START_TEST(adding_twice_and_removing_twice) {
    ck_assert_int_eq(id_set_add(&set, 7, 5), ERR_OK);
    ck_assert_int_eq(id_set_add(&set, 7, 1), ERR_OK);
    ck_assert_uint_eq(set.count, 1);
    ck_assert_int_eq(id_set_mark(&set, 7), 5);
    id_set_remove(&set, 7);
    id_set_remove(&set, 7);
    ck_assert_uint_eq(set.count, 0);
    ck_assert(!id_set_has(&set, 7));
    ck_assert_int_eq(id_set_mark(&set, 7), 0);
}
END_TEST

START_TEST(extremes) {
    ck_assert_int_eq(id_set_add(&set, INT64_MAX, 0), ERR_OK);
    ck_assert_int_eq(id_set_add(&set, 1, 0), ERR_OK);
    ck_assert(id_set_has(&set, INT64_MAX) && id_set_has(&set, 1));
    ck_assert(!id_set_has(&set, INT64_MAX - 1));
}
END_TEST

/* Ids far apart that fall on the same slots: removal must not cut anybody's probe sequence. */
static int64_t id_of(size_t i, int stride) {
    return stride == 0 ? (int64_t)i + 1 : (int64_t)i * (INT64_C(1) << stride) + 1;
}

START_TEST(random_operations_agree_with_the_model) {
    static const int STRIDES[] = { 0, 10, 20, 40 };
    static bool model[IDS];
    uint32_t state = (uint32_t)_i + 1;
    size_t count = 0;
    for (int round = 0; round < 200000; round++) {
        state = state * 1664525u + 1013904223u;
        size_t i = (state >> 8) % IDS;
        int64_t id = id_of(i, STRIDES[_i]);
        bool grow = round % 50000 < 25000;
        if ((state >> 24) % 4 < (grow ? 3u : 1u)) {
            ck_assert_int_eq(id_set_add(&set, id, -id), ERR_OK);
            count += !model[i];
            model[i] = true;
        } else {
            id_set_remove(&set, id);
            count -= model[i];
            model[i] = false;
        }
        ck_assert_uint_eq(set.count, count);
        ck_assert(id_set_has(&set, id) == model[i]);
        ck_assert_int_eq(id_set_mark(&set, id), model[i] ? -id : 0);
        if (round % 20000 == 0) {
            for (size_t k = 0; k < IDS; k++) {
                ck_assert(id_set_has(&set, id_of(k, STRIDES[_i])) == model[k]);
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("id_set");
    TCase *tcase = tcase_create("id_set");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, empty_set);
    tcase_add_test(tcase, adding_twice_and_removing_twice);
    tcase_add_test(tcase, extremes);
    tcase_add_loop_test(tcase, random_operations_agree_with_the_model, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
