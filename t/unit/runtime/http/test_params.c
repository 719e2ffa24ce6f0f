/* link: t/unit/fake_pg.c t/unit/fake_cache.c t/unit/fake_broker.c t/unit/fake_stack.c
 *       t/unit/fake_backends.c */
/* runtime/http: path ids and query integers, how problems are answered, Prefer: wait. */
#include "runtime/http/http.h"

#include "fake_stack.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* How long the request is willing to wait, at most 10 s; which is said to be applied. */
static void prefer(struct http_exchange *exchange, void *ctx) {
    char text[16];
    (void)ctx;
    unsigned wait_s = http_prefer_wait_s(exchange, 10);
    int length = snprintf(text, sizeof(text), "%u", wait_s);
    http_reply(exchange, &(struct http_reply){ .status = 200,
                                               .body = text,
                                               .body_length = (size_t)length,
                                               .waited_s = wait_s });
}

static const struct http_route ROUTES[] = {
    { "GET", "/id/{id}", "show", show, NULL },
    { "GET", "/problems", "problems", problems, NULL },
    { "GET", "/prefer", "prefer", prefer, NULL },
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

static const struct {
    const char *headers;
    unsigned wait_s; /* 0: none, or not understood */
} PREFERENCES[] = {
    { "", 0 },
    { "Prefer: wait=1\r\n", 1 },
    { "Prefer: wait=10\r\n", 10 },
    { "Prefer: wait=11\r\n", 10 },
    { "Prefer: wait=4294967297\r\n", 10 },
    { "Prefer: wait=9223372036854775807\r\n", 10 },
    { "Prefer: wait=99999999999999999999\r\n", 10 },
    { "Prefer: wait=007\r\n", 7 },
    { "prefer: WAIT=5\r\n", 5 },
    { "Prefer: wait=\"5\"\r\n", 5 },
    { "Prefer: \t wait \t=\t 5 \t\r\n", 5 },
    { "Prefer: wait=5; why=\"none\"\r\n", 5 },
    { "Prefer: wait=5;why\r\n", 5 },
    { "Prefer: respond-async, wait=5\r\n", 5 },
    { "Prefer: respond-async,wait=5,x=1\r\n", 5 },
    { "Prefer: ,, wait=5\r\n", 5 },
    { "Prefer: x=\"a, wait=3\", wait=5\r\n", 5 },
    { "Prefer: x=\"a\\\", wait=3\", wait=5\r\n", 5 },
    { "Prefer: respond-async\r\nPrefer: wait=5\r\n", 5 },
    { "Prefer: wait=5\r\nPrefer: wait=6\r\n", 5 }, /* the first counts, RFC 7240 §2 */
    { "Prefer: wait=5, wait=6\r\n", 5 },
    { "Prefer: wait=0, wait=6\r\n", 0 },
    { "Prefer: wait=0\r\n", 0 },
    { "Prefer: wait\r\n", 0 },
    { "Prefer: wait=\r\n", 0 },
    { "Prefer: wait=\"\"\r\n", 0 },
    { "Prefer: wait=x\r\n", 0 },
    { "Prefer: wait=5x\r\n", 0 },
    { "Prefer: wait=1.5\r\n", 0 },
    { "Prefer: wait=1e3\r\n", 0 },
    { "Prefer: wait=-1\r\n", 0 },
    { "Prefer: wait=+1\r\n", 0 },
    { "Prefer: wait5\r\n", 0 },
    { "Prefer: wait 5\r\n", 0 },
    { "Prefer: wait==5\r\n", 0 },
    { "Prefer: wait=\"5\r\n", 0 },
    { "Prefer: waiting=5\r\n", 0 },
    { "Prefer: await=5\r\n", 0 },
    { "Prefer: x; wait=5\r\n", 0 }, /* a parameter of another one */
    { "Prefer: wai\r\n", 0 },
    { "Prefer:\r\n", 0 },
};

START_TEST(how_long_to_wait_is_one_of_many_preferences) {
    char wanted[16], applied[48];
    int fd = stack_connect();
    stack_send(fd, "GET", "/prefer", PREFERENCES[_i].headers, NULL);
    const struct stack_answer *answer = stack_expect(fd, 200);
    snprintf(wanted, sizeof(wanted), "%u", PREFERENCES[_i].wait_s);
    ck_assert_msg(strcmp(answer->body, wanted) == 0, "%s: %s", PREFERENCES[_i].headers,
                  answer->body);
    snprintf(applied, sizeof(applied), "\r\nPreference-Applied: wait=%s\r\n", wanted);
    ck_assert_int_eq(strstr(answer->headers, applied) != NULL, PREFERENCES[_i].wait_s > 0);
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
    tcase_add_loop_test(tcase, how_long_to_wait_is_one_of_many_preferences, 0,
                        (int)UNIT_COUNT(PREFERENCES));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
