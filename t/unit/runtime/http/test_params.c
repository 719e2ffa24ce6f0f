/* link: t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_stack.c
 *       t/unit/fake_backends.c */
/* runtime/http, parameters: path ids and query integers, and how problems are answered. */
#include "runtime/http/http.h"

#include "fake_stack.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>

/* /id/{id}?n=: what was read, or 499; /problems?n=: so many problems */
static void show(struct http_exchange *exchange, void *ctx) {
    int64_t id = 0, number = 0;
    char text[64];
    (void)ctx;
    bool ok = http_path_id(exchange, 0, &id) == ERR_OK &&
              http_query_int(exchange, "n", 1, 1000, 100, &number) == ERR_OK;
    int length = snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, id, number);
    http_reply(exchange, &(struct http_reply){ .status = ok ? 200 : 499,
                                               .body = text,
                                               .body_length = (size_t)length });
}

static void problems(struct http_exchange *exchange, void *ctx) {
    static const struct http_problem PROBLEMS[] = {
        { "/a", "minimum", "must be >= 1" },
        { "path/\"x\"", "type", "must be an \"integer\"" },
    };
    (void)ctx;
    int64_t count = 0;
    ck_assert_int_eq(http_query_int(exchange, "n", 1, 2, 1, &count), ERR_OK);
    http_reply_invalid(exchange, PROBLEMS, (size_t)count);
}

static const struct http_route ROUTES[] = {
    { "GET", "/id/{id}", "show", show, NULL },
    { "GET", "/problems", "problems", problems, NULL },
};

static void setup(void) {
    stack_open(ROUTES, UNIT_COUNT(ROUTES));
}

static const struct stack_answer *get(const char *target, int status) {
    int fd = stack_connect();
    stack_send(fd, "GET", target, "", NULL);
    return stack_expect(fd, status);
}

static const struct {
    const char *target;
    const char *read; /* NULL: refused */
} CASES[] = {
    { "/id/1", "1 100" },
    { "/id/9223372036854775807", "9223372036854775807 100" },
    { "/id/1?n=1", "1 1" },
    { "/id/1?n=1000", "1 1000" },
    { "/id/1?m=5", "1 100" },
    { "/id/1?n=%31%30", "1 10" },
    { "/id/0", NULL },
    { "/id/00", NULL },
    { "/id/01", NULL },
    { "/id/+1", NULL },
    { "/id/-1", NULL },
    { "/id/1.0", NULL },
    { "/id/1e3", NULL },
    { "/id/%31%30", "10 100" },
    { "/id/%2F1", NULL },
    { "/id/1%00", NULL },
    { "/id/1%20", NULL },
    { "/id/9223372036854775808", NULL },
    { "/id/99999999999999999999", NULL },
    { "/id/1?n=0", NULL },
    { "/id/1?n=1001", NULL },
    { "/id/1?n=", NULL },
    { "/id/1?n", NULL },
    { "/id/1?n=-1", NULL },
    { "/id/1?n=1.0", NULL },
    { "/id/1?n=+1", NULL },
    { "/id/1?n=5&n=5", NULL },
    { "/id/1?n=%zz", NULL },
    { "/id/1?n=5%00", NULL },
};

START_TEST(integers_are_read_strictly) {
    const struct stack_answer *answer = get(CASES[_i].target, CASES[_i].read == NULL ? 499 : 200);
    if (CASES[_i].read != NULL) {
        ck_assert_str_eq(answer->body, CASES[_i].read);
    }
}
END_TEST

START_TEST(one_problem_is_named_in_the_message) {
    ck_assert_str_eq(
        get("/problems?n=1", 400)->body,
        "{\"statusCode\":400,\"message\":\"/a must be >= 1\",\"errors\":[{\"path\":\"/a\","
        "\"keyword\":\"minimum\",\"message\":\"must be >= 1\"}]}");
}
END_TEST

START_TEST(several_problems_are_a_list) {
    ck_assert_str_eq(get("/problems?n=2", 400)->body,
                     "{\"statusCode\":400,\"message\":\"The request is not valid\",\"errors\":["
                     "{\"path\":\"/a\",\"keyword\":\"minimum\",\"message\":\"must be >= 1\"},"
                     "{\"path\":\"path/\\\"x\\\"\",\"keyword\":\"type\","
                     "\"message\":\"must be an \\\"integer\\\"\"}]}");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_params");
    TCase *tcase = tcase_create("http_params");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, stack_close);
    tcase_add_loop_test(tcase, integers_are_read_strictly, 0, (int)UNIT_COUNT(CASES));
    tcase_add_test(tcase, one_problem_is_named_in_the_message);
    tcase_add_test(tcase, several_problems_are_a_list);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
