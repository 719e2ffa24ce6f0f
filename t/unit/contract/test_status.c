/* services/contract: names of states and reasons, both ways. */
#include "contract/contract.h"

#include "unit.h"

START_TEST(states_have_the_contract_s_names) {
    static const char *const NAMES[] = { "waiting", "done", "rejected", "cancelled" };
    ck_assert_uint_eq(UNIT_COUNT(NAMES), ORDER_STATUSES);
    for (int i = 0; i < ORDER_STATUSES; i++) {
        enum order_status status = ORDER_STATUSES;
        ck_assert_str_eq(contract_status_name((enum order_status)i), NAMES[i]);
        ck_assert(contract_status_parse(str_of(NAMES[i]), &status));
        ck_assert_int_eq(status, i);
    }
}
END_TEST

START_TEST(reasons_have_the_contract_s_names) {
    static const char *const NAMES[] = { NULL, "out_of_stock", "product_not_found" };
    ck_assert_uint_eq(UNIT_COUNT(NAMES), ORDER_REASONS);
    for (int i = 0; i < ORDER_REASONS; i++) {
        enum order_reason reason = ORDER_REASONS;
        const char *name = contract_reason_name((enum order_reason)i);
        ck_assert(NAMES[i] == NULL ? name == NULL : strcmp(name, NAMES[i]) == 0);
        ck_assert(contract_reason_parse(str_of(NAMES[i]), &reason));
        ck_assert_int_eq(reason, i);
    }
}
END_TEST

static const char *const STRANGERS[] = { "", "Done", "done ", "don", "donee", "none", "null" };

START_TEST(other_names_are_refused) {
    enum order_status status = ORDER_DONE;
    enum order_reason reason = REASON_OUT_OF_STOCK;
    ck_assert(!contract_status_parse(str_of(STRANGERS[_i]), &status));
    ck_assert(!contract_reason_parse(str_of(STRANGERS[_i]), &reason));
    ck_assert_int_eq(status, ORDER_DONE);
    ck_assert_int_eq(reason, REASON_OUT_OF_STOCK);
}
END_TEST

START_TEST(an_absent_state_is_no_state) {
    enum order_status status = ORDER_DONE;
    ck_assert(!contract_status_parse((struct str){ NULL, 0 }, &status));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("status");
    TCase *tcase = tcase_create("status");
    tcase_add_test(tcase, states_have_the_contract_s_names);
    tcase_add_test(tcase, reasons_have_the_contract_s_names);
    tcase_add_loop_test(tcase, other_names_are_refused, 0, (int)UNIT_COUNT(STRANGERS));
    tcase_add_test(tcase, an_absent_state_is_no_state);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
