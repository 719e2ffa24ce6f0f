/* base/list: the intrusive list. */
#include "base/list.h"

#include "unit.h"

struct item {
    int number;
    struct list node;
};

static struct list head;
static struct item items[4];

static void setup(void) {
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].node);
    }
}

static int take(void) {
    struct list *node = list_take_first(&head);
    return node == NULL ? -1 : CONTAINER_OF(node, struct item, node)->number;
}

START_TEST(first_in_first_out) {
    ck_assert(list_is_empty(&head));
    for (int i = 0; i < 3; i++) {
        list_append(&head, &items[i].node);
    }
    ck_assert(!list_is_empty(&head));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(take(), i);
    }
    ck_assert_int_eq(take(), -1);
    ck_assert(list_is_empty(&head));
}
END_TEST

START_TEST(removal_from_any_place) {
    for (int i = 0; i < 4; i++) {
        list_append(&head, &items[i].node);
    }
    list_remove(&items[1].node);
    list_remove(&items[3].node);
    list_remove(&items[0].node);
    ck_assert_int_eq(take(), 2);
    ck_assert_int_eq(take(), -1);
}
END_TEST

START_TEST(removal_twice_is_harmless) {
    list_append(&head, &items[0].node);
    list_append(&head, &items[1].node);
    list_remove(&items[0].node);
    list_remove(&items[0].node);
    ck_assert(list_is_empty(&items[0].node));
    ck_assert_int_eq(take(), 1);
    list_remove(&items[1].node);
    list_append(&head, &items[1].node);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("list");
    TCase *tcase = tcase_create("list");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, first_in_first_out);
    tcase_add_test(tcase, removal_from_any_place);
    tcase_add_test(tcase, removal_twice_is_harmless);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
