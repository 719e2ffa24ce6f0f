/* runtime/flow/claims: each key once, whatever else is claimed. */
#include "runtime/flow/claims.h"

#include "unit.h"

#include <signal.h>
#include <stdio.h>

enum { MANY = 3 * CLAIMS_BUCKETS };

static struct claims claims;

static void teardown(void) {
    claims_done(&claims);
}

static const char *key_of(int i) {
    static char key[16];
    snprintf(key, sizeof(key), "key-%d", i);
    return key;
}

START_TEST(a_key_is_claimed_once_until_it_is_released) {
    char key[] = "k-1";
    ck_assert_int_eq(claims_take(&claims, key), ERR_OK);
    ck_assert_int_eq(claims_take(&claims, "k-1"), ERR_CONFLICT);
    ck_assert_int_eq(claims_take(&claims, "k-10"), ERR_OK);
    ck_assert_int_eq(claims_take(&claims, ""), ERR_OK);
    key[2] = '2'; /* the claim has a copy */
    ck_assert_int_eq(claims_take(&claims, "k-1"), ERR_CONFLICT);
    claims_release(&claims, "k-1");
    ck_assert_int_eq(claims_take(&claims, "k-1"), ERR_OK);
    ck_assert_int_eq(claims_take(&claims, "k-10"), ERR_CONFLICT);
}
END_TEST

/* More than there are buckets; released from the front, the middle and the end of their chains. */
START_TEST(many_keys_do_not_disturb_each_other) {
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(claims_take(&claims, key_of(i)), ERR_OK);
    }
    for (int i = 0; i < MANY; i += 3) {
        claims_release(&claims, key_of(i));
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(claims_take(&claims, key_of(i)), i % 3 == 0 ? ERR_OK : ERR_CONFLICT);
    }
}
END_TEST

START_TEST(they_are_empty_again_afterwards) {
    ck_assert_int_eq(claims_take(&claims, "k-1"), ERR_OK);
    claims_done(&claims);
    claims_done(&claims);
    ck_assert_int_eq(claims_take(&claims, "k-1"), ERR_OK);
}
END_TEST

START_TEST(a_release_without_a_claim_is_a_bug) {
    claims_release(&claims, "k-1");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("claims");
    TCase *tcase = tcase_create("claims");
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, a_key_is_claimed_once_until_it_is_released);
    tcase_add_test(tcase, many_keys_do_not_disturb_each_other);
    tcase_add_test(tcase, they_are_empty_again_afterwards);
    tcase_add_test_raise_signal(tcase, a_release_without_a_claim_is_a_bug, SIGABRT);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
