/* base/err: every error has a name, a message and a status, every status a title. */
#include "base/err.h"

#include "unit.h"

START_TEST(every_error_is_described) {
    for (enum err err = 0; err < ERR_COUNT; err++) {
        ck_assert_int_ge(err_http_status(err), 200);
        ck_assert_int_le(err_http_status(err), 599);
        ck_assert_ptr_nonnull(err_name(err));
        ck_assert_ptr_nonnull(err_message(err));
        ck_assert_str_ne(err_status_title(err_http_status(err)), "Unknown");
    }
}
END_TEST

static const struct {
    int status;
    const char *title;
} TITLES[] = {
    { 200, "OK" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 404, "Not Found" },
    { 413, "Content Too Large" },
    { 422, "Unprocessable Content" },
    { 451, "Unavailable For Legal Reasons" },
    { 499, "Client Error" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
    { 511, "Network Authentication Required" },
    { 599, "Server Error" },
    { 600, "Server Error" },
    { 299, "Unknown" },
    { 0, "Unknown" },
    { -1, "Unknown" },
};

START_TEST(statuses_have_titles) {
    ck_assert_str_eq(err_status_title(TITLES[_i].status), TITLES[_i].title);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("err");
    TCase *tests = tcase_create("err");
    tcase_add_test(tests, every_error_is_described);
    tcase_add_loop_test(tests, statuses_have_titles, 0, UNIT_COUNT(TITLES));
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
