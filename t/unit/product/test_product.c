/* link: services/product/product.c services/product/product_set.c services/product/statements.c
 *       t/unit/fake_pg.c t/unit/fake_cache.c */
/* services/product/product and product_set: JSON, entity tags, sets of locked rows. */
#include "product/parts.h"
#include "product/product.h"
#include "product/product_set.h"
#include "product/statements.h"

#include "fake_cache.h"
#include "fake_pg.h"
#include "unit.h"

struct backends backends;

static const struct {
    const char *header;
    int64_t version;
    bool matches;
} TAGS[] = {
    { "\"7\"", 7, true },
    { "W/\"7\"", 7, true },
    { "*", 7, true },
    { "\"6\", \"7\"", 7, true },
    { "\"6\",W/\"7\"", 7, true },
    { " \t\"6\" ,\t \"7\"  ", 7, true },
    { "\"9223372036854775807\"", INT64_MAX, true },
    { "", 7, false },
    { " , ,", 7, false },
    { "\"8\"", 7, false },
    { "7", 7, false },
    { "\"07\"", 7, false },
    { "\"77\"", 7, false },
    { "\"7", 7, false },
    { "7\"", 7, false },
    { "W/", 7, false },
    { "W/7", 7, false },
    { "w/\"7\"", 7, false },
    { "\"*\"", 7, false },
    { "**", 7, false },
};

START_TEST(entity_tags_match_by_version) {
    /* a copy of exact length: reading past it would be seen by ASan */
    size_t length = strlen(TAGS[_i].header);
    char *copy = malloc(length + 1);
    memcpy(copy, TAGS[_i].header, length);
    char *exact = realloc(copy, length == 0 ? 1 : length);
    bool matches = product_etag_matches((struct str){ exact, length }, TAGS[_i].version);
    free(exact);
    ck_assert_msg(matches == TAGS[_i].matches, "%s", TAGS[_i].header);
}
END_TEST

START_TEST(an_entity_tag_is_the_version) {
    char tag[PRODUCT_ETAG_BYTES];
    product_etag(INT64_MAX, tag);
    ck_assert_str_eq(tag, "\"9223372036854775807\"");
}
END_TEST

START_TEST(a_row_becomes_the_public_json) {
    char json[512];
    struct product product;
    struct buf out;
    PGresult *result = fake_rows(7);
    fake_row(result, "itiiiTT", INT64_C(1), "\"\xC3\xA9\"", INT64_C(999999999999), INT64_C(0),
             INT64_C(3), INT64_C(0), INT64_C(253402300799999));
    struct pg_rows rows = { .handle = result, .count = 1 };
    product_from_row(&rows, 0, &product);
    PQclear(result);
    buf_init(&out, 0);
    product_encode(&product, &out);
    snprintf(json, sizeof(json), "%.*s", (int)buf_length(&out), buf_bytes(&out));
    buf_free(&out);
    ck_assert_str_eq(json,
                     "{\"id\":1,\"name\":\"\\\"\xC3\xA9\\\"\",\"price\":9999999999.99,\"qty\":0,"
                     "\"createdAt\":\"1970-01-01T00:00:00.000Z\","
                     "\"updatedAt\":\"9999-12-31T23:59:59.999Z\"}");
    ck_assert_int_eq(product.version, 3);
}
END_TEST

START_TEST(ids_are_sorted_and_each_is_there_once) {
    int64_t ids[] = { 5, INT64_MAX, 1, 5, 5, 2, 1 };
    static const int64_t WANTED[] = { 1, 2, 5, INT64_MAX };
    struct arena arena;
    arena_init(&arena, 4096);
    struct pg_call call = product_set_lock_call(&arena, ids, UNIT_COUNT(ids));
    ck_assert_ptr_eq(call.statement, &SQL_PRODUCT_LOCK);
    ck_assert_uint_eq(fake_param_count(&call, 0), UNIT_COUNT(WANTED));
    for (size_t i = 0; i < UNIT_COUNT(WANTED); i++) {
        ck_assert_int_eq(fake_param_int8_at(&call, 0, i), WANTED[i]);
    }
    call = product_set_lock_call(&arena, ids, 0);
    ck_assert_uint_eq(fake_param_count(&call, 0), 0);
    call = product_set_lock_call(&arena, ids, 1);
    ck_assert_uint_eq(fake_param_count(&call, 0), 1);
    arena_done(&arena);
}
END_TEST

START_TEST(only_what_changed_gets_a_version) {
    struct arena arena;
    struct product_set set;
    struct teller_event events[3];
    PGresult *result = fake_rows(7);
    for (int64_t id = 1; id <= 3; id++) {
        fake_row(result, "itiiiTT", id, "x", INT64_C(1), INT64_C(1), id * 10, INT64_C(5000),
                 INT64_C(5000));
    }
    struct pg_rows rows = { .handle = result, .count = 3 };
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(product_set_read(&arena, &rows, &set), ERR_OK);
    PQclear(result);
    ck_assert_ptr_null(product_set_find(&set, 4));
    product_set_find(&set, 1)->changed = product_set_find(&set, 3)->changed = true;
    set.items[0].trace = set.items[1].trace = (struct trace){ "", "", "" };
    set.items[2].trace = (struct trace){ "request", "trace", "a=1" };
    ck_assert_uint_eq(product_set_changed_count(&set), 2);
    set.items[1].told = true; /* once more, as it is */
    product_set_finish(&set, 4000);
    ck_assert_uint_eq(product_set_events(&arena, &set, events), 3);
    ck_assert_int_eq(set.items[0].product.version, 11);
    ck_assert_int_eq(set.items[1].product.version, 20);
    ck_assert_int_eq(set.items[2].product.version, 31);
    ck_assert_int_eq(set.items[2].product.updated_ms, 5000); /* the clock stepped back */
    ck_assert_str_eq(events[0].message_id, "product.updated-1-v11-5000");
    ck_assert_str_eq(events[1].message_id, "product.updated-2-v20-5000");
    ck_assert_str_eq(events[2].message_id, "product.updated-3-v31-5000");
    ck_assert_str_eq(events[2].trace.request_id, "request");
    ck_assert_str_eq(events[2].trace.parent, "trace");
    ck_assert_str_eq(events[2].trace.state, "a=1");
    struct pg_call call = product_set_update_call(&arena, &set);
    ck_assert_uint_eq(fake_param_count(&call, 0), 2);
    ck_assert_int_eq(fake_param_int8_at(&call, 0, 1), 3);
    ck_assert_int_eq(fake_param_int8_at(&call, 4, 1), 31);
    arena_done(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("product");
    TCase *tcase = tcase_create("product");
    tcase_add_loop_test(tcase, entity_tags_match_by_version, 0, (int)UNIT_COUNT(TAGS));
    tcase_add_test(tcase, an_entity_tag_is_the_version);
    tcase_add_test(tcase, a_row_becomes_the_public_json);
    tcase_add_test(tcase, ids_are_sorted_and_each_is_there_once);
    tcase_add_test(tcase, only_what_changed_gets_a_version);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
