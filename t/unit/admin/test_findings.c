/* link: services/admin/findings.c */
/* services/admin/findings: what is kept, and what two looks have in common. */
#include "admin/findings.h"

#include "unit.h"

#include <string.h>

static struct finding finding, before;

static void setup(void) {
    memset(&finding, 0, sizeof(finding));
    memset(&before, 0, sizeof(before));
}

START_TEST(names_are_kept_in_their_order) {
    findings_add_id(&finding, INT64_MAX);
    findings_add(&finding, "order.created.product-service");
    ck_assert_int_eq(finding.broken, 2);
    ck_assert_uint_eq(finding.name_count, 2);
    ck_assert_str_eq(finding.names[0], "9223372036854775807");
    ck_assert_str_eq(finding.names[1], "order.created.product-service");
}
END_TEST

START_TEST(a_long_name_is_cut) {
    char name[FINDINGS_NAME_BYTES + 10];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    findings_add(&finding, name);
    ck_assert_uint_eq(strlen(finding.names[0]), FINDINGS_NAME_BYTES - 1);
}
END_TEST

static void add_ids(struct finding *to, int64_t first, int64_t last) {
    for (int64_t id = first; id <= last; id++) {
        findings_add_id(to, id);
    }
}

START_TEST(those_beyond_are_counted) {
    add_ids(&finding, 1, FINDINGS_NAMES_MAX + 1);
    ck_assert_int_eq(finding.broken, FINDINGS_NAMES_MAX + 1);
    ck_assert_uint_eq(finding.name_count, FINDINGS_NAMES_MAX);
}
END_TEST

START_TEST(what_both_looks_have_is_kept) {
    add_ids(&before, 1, 4);
    add_ids(&finding, 3, 6);
    findings_keep(&finding, &before);
    ck_assert_int_eq(finding.broken, 2);
    ck_assert_uint_eq(finding.name_count, 2);
    ck_assert_str_eq(finding.names[0], "3");
    ck_assert_str_eq(finding.names[1], "4");
}
END_TEST

START_TEST(looks_without_a_name_in_common_find_nothing) {
    add_ids(&before, 1, 2);
    add_ids(&finding, 3, 4);
    findings_keep(&finding, &before);
    ck_assert_int_eq(finding.broken, 0);
}
END_TEST

START_TEST(what_had_no_room_stays) {
    add_ids(&before, 1, FINDINGS_NAMES_MAX + 1); /* 1001 may be any */
    add_ids(&finding, 5001, 5001 + FINDINGS_NAMES_MAX);
    findings_keep(&finding, &before);
    ck_assert_int_eq(finding.broken, FINDINGS_NAMES_MAX + 1);
    ck_assert_uint_eq(finding.name_count, FINDINGS_NAMES_MAX);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("findings");
    TCase *tcase = tcase_create("findings");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, names_are_kept_in_their_order);
    tcase_add_test(tcase, a_long_name_is_cut);
    tcase_add_test(tcase, those_beyond_are_counted);
    tcase_add_test(tcase, what_both_looks_have_is_kept);
    tcase_add_test(tcase, looks_without_a_name_in_common_find_nothing);
    tcase_add_test(tcase, what_had_no_room_stays);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
