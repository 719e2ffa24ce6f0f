/* runtime/http/router: which route a path means. */
#include "runtime/http/router.h"

#include "unit.h"

#include <string.h>

static void handle(struct http_exchange *exchange, void *ctx) {
    (void)exchange;
    (void)ctx;
}

#define ROUTE(method, pattern)                                                                     \
    { method, pattern, pattern, handle, NULL }

static const struct http_route ROUTES[] = {
    ROUTE("GET", "/orders/{id}"),                /* 0 */
    ROUTE("POST", "/orders"),                    /* 1 */
    ROUTE("GET", "/orders/product/{productId}"), /* 2 */
    ROUTE("GET", "/{a}/{b}/{c}"),                /* 3 */
    ROUTE("GET", "/orders/latest"),              /* 4 */
    ROUTE("PATCH", "/orders/{id}"),              /* 5 */
    ROUTE("HEAD", "/orders"),                    /* 6 */
    ROUTE("GET", "/"),                           /* 7 */
    ROUTE("DELETE", "/{a}/{b}/{c}/{d}"),         /* 8 */
};

static const struct {
    const char *method;
    const char *path;
    enum err err;
    size_t route;
    const char *params[HTTP_PATH_PARAMS_MAX];
} MATCHES[] = {
    { "GET", "/", ERR_OK, 7, { NULL } },
    { "POST", "/orders", ERR_OK, 1, { NULL } },
    { "HEAD", "/orders", ERR_OK, 6, { NULL } },
    { "GET", "/orders/7", ERR_OK, 0, { "7" } },
    { "HEAD", "/orders/7", ERR_OK, 0, { "7" } },
    { "PATCH", "/orders/7", ERR_OK, 5, { "7" } },
    { "GET", "/orders/latest", ERR_OK, 4, { NULL } },
    { "HEAD", "/orders/latest", ERR_OK, 4, { NULL } },
    { "PATCH", "/orders/latest", ERR_OK, 5, { "latest" } }, /* only the template has the method */
    { "GET", "/orders/product/9", ERR_OK, 2, { "9" } },
    { "GET", "/orders/x/9", ERR_OK, 3, { "orders", "x", "9" } },
    { "DELETE", "/1/2/3/4", ERR_OK, 8, { "1", "2", "3", "4" } },
    { "GET", "/orders", ERR_METHOD, 0, { NULL } },
    { "POST", "/orders/7", ERR_METHOD, 0, { NULL } },
    { "post", "/orders", ERR_METHOD, 0, { NULL } },
    { "POSTS", "/orders", ERR_METHOD, 0, { NULL } },
    { "GET", "", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "orders", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/order", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/Orders/7", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/orders/", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/orders//", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "//orders/7", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/orders/product/9/", ERR_NOT_FOUND, 0, { NULL } },
    { "GET", "/1/2/3/4/5/6/7/8/9/10", ERR_NOT_FOUND, 0, { NULL } },
};

START_TEST(route_is_found) {
    struct http_router *router;
    struct http_match match = { .param_count = 0 };
    ck_assert_int_eq(http_router_open(ROUTES, UNIT_COUNT(ROUTES), &router), ERR_OK);
    enum err err =
        http_router_match(router, str_of(MATCHES[_i].method), str_of(MATCHES[_i].path), &match);
    ck_assert_msg(err == MATCHES[_i].err, "%s %s: %s", MATCHES[_i].method, MATCHES[_i].path,
                  err_name(err));
    if (err == ERR_OK) {
        ck_assert_uint_eq(match.route, MATCHES[_i].route);
        for (size_t i = 0; i < match.param_count; i++) {
            ck_assert(str_equal(match.params[i], str_of(MATCHES[_i].params[i])));
        }
        ck_assert(match.param_count == HTTP_PATH_PARAMS_MAX ||
                  MATCHES[_i].params[match.param_count] == NULL);
    }
    http_router_close(router);
}
END_TEST

START_TEST(allow_lists_what_the_path_can) {
    static const struct {
        const char *path;
        const char *allow;
    } paths[] = {
        { "/orders", "HEAD, POST" },
        { "/orders/7", "GET, HEAD, PATCH" },
        { "/orders/latest", "GET, HEAD, PATCH" },
        { "/nothing", "" },
    };
    struct http_router *router;
    ck_assert_int_eq(http_router_open(ROUTES, UNIT_COUNT(ROUTES), &router), ERR_OK);
    for (size_t i = 0; i < UNIT_COUNT(paths); i++) {
        char allow[HTTP_ALLOW_BYTES_MAX];
        http_router_allow(router, str_of(paths[i].path), allow);
        if (i == 0) { /* the order of the routes is not promised */
            ck_assert(strcmp(allow, paths[0].allow) == 0 || strcmp(allow, "POST, HEAD") == 0);
        } else {
            ck_assert_str_eq(allow, paths[i].allow);
        }
    }
    http_router_close(router);
}
END_TEST

START_TEST(router_without_routes_finds_nothing) {
    struct http_router *router;
    struct http_match match;
    ck_assert_int_eq(http_router_open(NULL, 0, &router), ERR_OK);
    ck_assert_int_eq(http_router_match(router, STR("GET"), STR("/"), &match), ERR_NOT_FOUND);
    http_router_close(router);
    http_router_close(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_router");
    TCase *router = tcase_create("router");
    tcase_add_loop_test(router, route_is_found, 0, UNIT_COUNT(MATCHES));
    tcase_add_test(router, allow_lists_what_the_path_can);
    tcase_add_test(router, router_without_routes_finds_nothing);
    suite_add_tcase(suite, router);
    return unit_run(suite);
}
