/* The HTTP server, request by request: what is answered to what, on real loopback sockets. */
#include "base/random.h"
#include "runtime/telemetry/metrics.h"

#include "http_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static bool has(const char *text) {
    return strstr(answer, text) != NULL;
}

/* ---- answers ---- */

START_TEST(answer_has_the_headers_promised_and_no_other) {
    int fd = client_open();
    client_send(fd, "GET /full HTTP/1.1\r\nHost: a\r\nX-Request-Id: a.B_c:1-2\r\n\r\n");
    expect_answer(fd, "201", "\r\n\r\n{}");
    ck_assert(has("HTTP/1.1 201 Created\r\n") && has("\r\nX-Request-Id: a.B_c:1-2\r\n"));
    ck_assert(has("\r\nContent-Type: application/json\r\n") && has("\r\nContent-Length: 2\r\n"));
    ck_assert(has("\r\nLocation: /a/1\r\n") && has("\r\nETag: \"1\"\r\n"));
    ck_assert(has("\r\nLink: </a>; rel=\"next\"\r\n") && has("\r\nCache-Control: no-store\r\n"));
    ck_assert(has("\r\nDate: ") && strstr(answer, " GMT\r\n") - strstr(answer, "Date: ") == 31);
    ck_assert(!has("Server:") && !has("Connection:") && !has("Retry-After") && !has("Allow"));
    close(fd);
}
END_TEST

START_TEST(not_modified_has_no_body_and_no_length) {
    int fd = client_open();
    client_send(fd, GET("/empty") GET("/show"));
    expect_answer(fd, "304", "show|/show||");
    ck_assert(has("ETag: \"1\"\r\n\r\nHTTP/1.1 200 OK\r\n"));
    close(fd);
}
END_TEST

START_TEST(error_is_json_with_escapes_and_retry_after) {
    int fd = client_open();
    client_send(fd, GET("/fail"));
    expect_answer(fd, "503",
                  "\r\n\r\n{\"statusCode\":503,\"message\":\"say "
                  "\\\"please\\\"\",\"errors\":[{\"path\":\"/a\"}]}");
    ck_assert(has("\r\nRetry-After: 1\r\n"));
    close(fd);
}
END_TEST

static const struct {
    const char *request;
    const char *status;
    const char *end;
    bool closes;
} EXCHANGES[] = {
    { GET("/show"), "200", "show|/show||", false },
    { GET("/show?a=b&c"), "200", "show|/show|a=b&c|", false },
    { GET("http://other:1/show?x"), "200", "show|/show|x|", false },
    { GET("http://other?x"), "404", "}", false },
    { GET("/param/a%20b"), "200", "\r\n\r\na%20b", false },
    { GET("/param/literal"), "200", "literal|/param/literal||", false },
    { GET("/param/"), "404", "}", false },
    { GET("/param/a/b"), "404", "}", false },
    { GET("/show/"), "404", "}", false },
    { GET("/%73h%6Fw"), "200", "show|/show||", false },
    { GET("/show%2F"), "404", "}", false },
    { GET("/show%00"), "404", "}", false },
    { GET("/sho%w"), "400", "\"The path has a malformed percent-encoding\"}", false },
    { GET("/show%"), "400", "}", false },
    { GET("/%73how?%"), "200", "show|/show|%|", false }, /* the query is not the path's */
    { GET("/"), "404", "{\"statusCode\":404,\"message\":\"There is no such resource\"}", false },
    { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "404", "}", false },
    { "PUT /show HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx", "405", "}", false },
    { "get /show HTTP/1.1\r\nHost: a\r\n\r\n", "405", "}", false },
    { "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "200",
      "show_post|/show||body", false },
    { "POST /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nbo\r\n2;x\r\ndy\r\n0\r\nT: t\r\n\r\n",
      "200", "show_post|/show||body", false },
    { "GET /show HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200", "show|/show||", true },
    { "GET /show HTTP/1.0\r\n\r\n", "200", "show|/show||", true },
    { "GET /show HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200", "show|/show||", false },
    /* refused: answered, and closed */
    { "GET /show HTTP/1.1\r\n\r\n", "400", "}", true },
    { "GET /show HTTP/1.1\nHost: a\n\n", "400", "}", true },
    { "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
      "400", "}", true },
    { "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413", "}", true },
    { "POST /show HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n",
      "413", "}", true },
    { "POST /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", "413", "}",
      true },
    { "POST /show HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", "417", "}", true },
    { "GET /show HTTP/3.0\r\n", "505", "}", true },
    { "BREW /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501", "}", true },
};

START_TEST(request_is_answered) {
    check_exchange(EXCHANGES[_i].request, EXCHANGES[_i].status, EXCHANGES[_i].end,
                   EXCHANGES[_i].closes);
}
END_TEST

START_TEST(request_is_answered_byte_by_byte) {
    const char *request = EXCHANGES[_i].request;
    int fd = client_open();
    for (size_t i = 0; request[i] != '\0'; i++) {
        if (send(fd, &request[i], 1, MSG_NOSIGNAL) != 1) {
            break; /* refused meanwhile */
        }
        loop_tick(loop, 1);
    }
    expect_answer(fd, EXCHANGES[_i].status, EXCHANGES[_i].end);
    close(fd);
    wait_connections(0);
}
END_TEST

START_TEST(wrong_method_tells_the_right_ones) {
    int fd = client_open();
    client_send(fd, "DELETE /show HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_answer(fd, "405", "}");
    ck_assert(has("\r\nAllow: GET, HEAD, POST\r\n"));
    close(fd);
}
END_TEST

START_TEST(head_is_get_without_its_body) {
    int fd = client_open();
    client_send(fd, "HEAD /show HTTP/1.1\r\nHost: a\r\n\r\n" GET("/nothing"));
    expect_answer(fd, "200", "There is no such resource");
    ck_assert(has("Content-Length: 12\r\n") && has("\r\n\r\nHTTP/1.1 404"));
    close(fd);
}
END_TEST

START_TEST(request_id_is_kept_or_made) {
    static const struct {
        const char *headers;
        const char *kept; /* NULL: a new one */
    } ids[] = {
        { "X-Request-Id: 1\r\n", "1" },     { "", NULL },
        { "X-Request-Id:\r\n", NULL },      { "X-Request-Id: a b\r\n", NULL },
        { "X-Request-Id: a\"b\r\n", NULL }, { "X-Request-Id: a\r\nX-Request-Id: b\r\n", NULL },
    };
    for (size_t i = 0; i < UNIT_COUNT(ids); i++) {
        char text[400];
        int fd = client_open();
        snprintf(text, sizeof(text), "GET /show HTTP/1.1\r\nHost: a\r\n%s\r\n", ids[i].headers);
        client_send(fd, text);
        expect_answer(fd, "200", "show|");
        const char *id = strstr(answer, "\r\nX-Request-Id: ") + strlen("\r\nX-Request-Id: ");
        size_t length = strcspn(id, "\r");
        if (ids[i].kept != NULL) {
            ck_assert(length == strlen(ids[i].kept) && strncmp(id, ids[i].kept, length) == 0);
        } else {
            ck_assert_uint_eq(length, RANDOM_UUID_BYTES - 1);
            ck_assert_int_eq(id[14], '4');
        }
        close(fd);
    }
}
END_TEST

START_TEST(request_id_is_echoed_when_the_rest_is_refused) {
    check_exchange("GET /show HTTP/1.1\r\nX-Request-Id: mine\r\n Folded: x\r\n\r\n", "400", "}",
                   true);
    int fd = client_open();
    client_send(fd, "POST / HTTP/1.1\r\nX-Request-Id: mine\r\nContent-Length: x\r\n\r\n");
    expect_answer(fd, "400", "}");
    ck_assert(has("\r\nX-Request-Id: mine\r\n"));
    close(fd);
}
END_TEST

/* ---- limits ---- */

START_TEST(limits_are_exact) {
    char *text = malloc(70000);
    /* the request line: 8192 bytes without CRLF */
    for (int extra = 0; extra <= 1; extra++) {
        size_t padding = 8192 - strlen("GET /show? HTTP/1.1") + (size_t)extra;
        size_t length = (size_t)snprintf(text, 70000, "GET /show?%0*d HTTP/1.1\r\nHost: a\r\n\r\n",
                                         (int)padding, 0);
        ck_assert_uint_gt(length, 8192);
        check_exchange(text, extra == 0 ? "200" : "414", extra == 0 ? "show|" : "}", extra == 1);
    }
    /* the header section: header_bytes_max */
    for (int extra = 0; extra <= 1; extra++) {
        size_t padding = 2048 - strlen("Host: a\r\nX: \r\n\r\n") + (size_t)extra;
        snprintf(text, 70000, "GET /show HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", (int)padding, 0);
        check_exchange(text, extra == 0 ? "200" : "431", extra == 0 ? "show|" : "}", extra == 1);
    }
    /* the body: body_bytes_max, one over it is in the table */
    int head =
        snprintf(text, 70000, "POST /show HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
    memset(text + head, 'b', 65536);
    text[head + 65536] = '\0';
    check_exchange(text, "200", "bbbb", false);
    free(text);
}
END_TEST

/* Tiny chunks with long framing: 65536 bytes of data arrive in almost a megabyte. */
START_TEST(chunk_framing_does_not_count_as_body) {
    int fd = client_open();
    client_send(fd, "POST /show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1024; i++) {
        char chunks[64 * 15 + 1] = "";
        for (int k = 0; k < 64; k++) {
            memcpy(chunks + k * 15, "0000000001\r\nx\r\n", 16);
        }
        client_send(fd, chunks);
        loop_tick(loop, 0);
    }
    client_send(fd, "0\r\n\r\n");
    expect_answer(fd, "200", "show_post|/show||xxxxxxxx");
    ck_assert(has("\r\nContent-Length: 65553\r\n"));
    close(fd);
}
END_TEST

/* ---- 100-continue ---- */

#define EXPECTING                                                                                  \
    "POST /show HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

START_TEST(continue_is_sent_to_who_waits_for_it) {
    int fd = client_open();
    client_send(fd, EXPECTING);
    ck_assert(receive(fd, "\r\n\r\n"));
    ck_assert_str_eq(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "body");
    expect_answer(fd, "200", "show_post|/show||body");
    close(fd);
}
END_TEST

START_TEST(continue_is_not_sent_to_who_did_not_wait) {
    int fd = client_open();
    client_send(fd, EXPECTING "b");
    run_for(20);
    client_send(fd, "ody");
    expect_answer(fd, "200", "show_post|/show||body");
    client_send(
        fd, "POST /show HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    expect_answer(fd, "200", "show_post|/show||");
    close(fd);
}
END_TEST

/* ---- pipelining ---- */

START_TEST(pipelined_requests_are_answered_in_order_in_one_write) {
    int fd = client_open();
    client_send(fd, GET("/show?1") "\r\n" GET("/param/2") GET("/nothing") GET("/show?4"));
    run_for(20);
    expect_answer(fd, "200", "show|/show|4|");
    const char *first = strstr(answer, "show|/show|1|");
    const char *second = strstr(answer, "\r\n\r\n2HTTP");
    const char *third = strstr(answer, "There is no such resource");
    ck_assert(first != NULL && second > first && third > second);
    close(fd);
}
END_TEST

START_TEST(pipelined_request_waits_for_the_answer_before_it) {
    int fd = client_open();
    client_send(fd, GET("/hold?1") GET("/hold?2") GET("/show?3"));
    wait_held(1);
    run_for(20);
    ck_assert_uint_eq(held_count, 1);
    reply_text(held[0], "one", 3);
    wait_held(2);
    reply_text(held[1], "two", 3);
    expect_answer(fd, "200", "show|/show|3|");
    ck_assert(strstr(answer, "one") != NULL && strstr(answer, "two") > strstr(answer, "one"));
    close(fd);
}
END_TEST

/* What comes while a handler works must not move the request under it. */
START_TEST(request_stays_where_it_is_while_more_arrives) {
    int fd = client_open();
    client_send(
        fd, "POST /hold?query HTTP/1.1\r\nHost: a\r\nX: value\r\nContent-Length: 4\r\n\r\nbody");
    wait_held(1);
    struct str path = http_path(held[0]), query = http_query(held[0]), body = http_body(held[0]);
    struct str value = http_header(held[0], "x");
    int sent = 0;
    for (int i = 0; i < 2000; i++) {
        const char *request = GET("/show?0123456789012345678901234567890123456789");
        ssize_t count = send(fd, request, strlen(request), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count != (ssize_t)strlen(request)) {
            ck_assert_int_lt(count, 0);
            break;
        }
        sent++;
        loop_tick(loop, 0);
    }
    ck_assert(str_equal(path, STR("/hold")) && str_equal(query, STR("query")));
    ck_assert(str_equal(body, STR("body")) && str_equal(value, STR("value")));
    ck_assert_ptr_null(http_header(held[0], "Y").data);
    reply_text(held[0], "held", 4);
    int answered = -1; /* the first is of the held one */
    for (uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
         answered < sent && clock_monotonic_ms() < end_ms;) {
        loop_tick(loop, 1);
        ssize_t count = recv(fd, answer, ANSWER_BYTES_MAX, MSG_DONTWAIT);
        answer[count > 0 ? count : 0] = '\0';
        for (const char *at = answer; (at = strstr(at, "Date: ")) != NULL; at++) {
            answered++;
        }
    }
    ck_assert_int_eq(answered, sent);
    close(fd);
}
END_TEST

/* ---- what handlers ask ---- */

static void hold(int fd, const char *request) {
    client_send(fd, request);
    wait_held(held_count + 1);
}

START_TEST(query_parameters_are_decoded_or_refused) {
    static const struct {
        const char *query;
        enum err err;
        const char *value;
    } queries[] = {
        { "limit=10", ERR_OK, "10" },
        { "a=b&limit=%31%2f%C3%a4+&c", ERR_OK, "1/\xc3\xa4+" },
        { "l%69mit=x", ERR_OK, "x" },
        { "limit=", ERR_OK, "" },
        { "limit", ERR_OK, "" },
        { "&&limit=a=b&", ERR_OK, "a=b" },
        { "", ERR_NOT_FOUND, NULL },
        { "limits=1&Limit=2&limi=3&=limit", ERR_NOT_FOUND, NULL },
        { "limit=1&limit=2", ERR_INVALID, NULL },
        { "limit=1&limi%74=1", ERR_INVALID, NULL },
        { "limit=%", ERR_INVALID, NULL },
        { "limit=%4", ERR_INVALID, NULL },
        { "limit=%4g", ERR_INVALID, NULL },
        { "limit=%00", ERR_INVALID, NULL },
        { "%zz=1", ERR_NOT_FOUND, NULL },
    };
    int fd = client_open();
    for (size_t i = 0; i < UNIT_COUNT(queries); i++) {
        char request[200];
        struct str value = { NULL, 0 };
        held_count = 0;
        snprintf(request, sizeof(request), "GET /hold?%s HTTP/1.1\r\nHost: a\r\n\r\n",
                 queries[i].query);
        hold(fd, request);
        enum err err = http_query_param(held[0], "limit", &value);
        ck_assert_msg(err == queries[i].err, "%s: %s", queries[i].query, err_name(err));
        if (err == ERR_OK) {
            ck_assert_str_eq(value.data, queries[i].value);
            ck_assert_uint_eq(value.len, strlen(queries[i].value));
        }
        reply_text(held[0], "", 0);
    }
    close(fd);
}
END_TEST

START_TEST(media_type_is_recognised) {
    static const struct {
        const char *type;
        bool is_json;
    } types[] = {
        { "application/json", true },
        { "Application/JSON;charset=utf-8", true },
        { "application/json ; charset=utf-8", true },
        { "application/jsonp", false },
        { "application/json5", false },
        { "application/jso", false },
        { "text/plain", false },
        { "", false },
    };
    int fd = client_open();
    for (size_t i = 0; i < UNIT_COUNT(types); i++) {
        char request[200];
        held_count = 0;
        snprintf(request, sizeof(request),
                 "GET /hold HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\n\r\n", types[i].type);
        hold(fd, request);
        ck_assert_msg(http_body_is_json(held[0]) == types[i].is_json, "%s", types[i].type);
        reply_text(held[0], "", 0);
    }
    close(fd);
}
END_TEST

#define TRACEPARENT "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

START_TEST(tracestate_goes_with_a_traceparent) {
    static const struct {
        const char *headers, *state;
    } requests[] = {
        { TRACEPARENT "tracestate: a=1\r\nTraceState: , b=2\t\r\n", "a=1,b=2" },
        { TRACEPARENT, "" },
        { TRACEPARENT "tracestate:\r\n", "" },
        { TRACEPARENT "tracestate: a=1\r\ntracestate: B=2\r\n", "" },
        { "tracestate: a=1\r\n", "" },
        { "traceparent: 00-0\r\ntracestate: a=1\r\n", "" },
        { TRACEPARENT TRACEPARENT "tracestate: a=1\r\n", "" }, /* two parents are none */
    };
    int fd = client_open();
    for (size_t i = 0; i < UNIT_COUNT(requests); i++) {
        char request[400];
        held_count = 0;
        snprintf(request, sizeof(request), "GET /hold HTTP/1.1\r\nHost: a\r\n%s\r\n",
                 requests[i].headers);
        hold(fd, request);
        ck_assert_str_eq(http_tracestate(held[0]), requests[i].state);
        struct trace trace = http_trace(held[0]);
        ck_assert_ptr_eq(trace.state, http_tracestate(held[0])); /* read once */
        ck_assert_ptr_eq(trace.parent, http_traceparent(held[0]));
        ck_assert_ptr_eq(trace.request_id, http_request_id(held[0]));
        reply_text(held[0], "", 0);
    }
    close(fd);
}
END_TEST

START_TEST(trace_context_is_read_once_it_is_valid) {
    int fd = client_open();
    hold(fd, "GET /hold HTTP/1.1\r\nHost: a\r\nTraceparent: "
             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    ck_assert_str_eq(http_traceparent(held[0]),
                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    ck_assert_str_eq(http_traceparent(held[0]),
                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    reply_text(held[0], "", 0);
    hold(fd, "GET /hold HTTP/1.1\r\nHost: a\r\ntraceparent: 00-0\r\n\r\n");
    ck_assert_str_eq(http_traceparent(held[1]), "");
    reply_text(held[1], "", 0);
    hold(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_str_eq(http_traceparent(held[2]), "");
    const char *id = http_request_id(held[2]);
    ck_assert_ptr_eq(id, http_request_id(held[2]));
    ck_assert_ptr_nonnull(arena_alloc(http_arena(held[2]), 100000));
    ck_assert_uint_le(http_started_us(held[2]), clock_monotonic_us());
    reply_text(held[2], "", 0);
    close(fd);
}
END_TEST

/* ---- metrics ---- */

static bool rendered(const char *line) {
    struct buf out;
    buf_init(&out, 0);
    metrics_render(&out);
    buf_append_char(&out, '\0');
    bool found = strstr(buf_bytes(&out), line) != NULL;
    buf_free(&out);
    return found;
}

START_TEST(requests_are_counted_by_route_and_class) {
    int fd = client_open();
    client_send(fd, GET("/show") GET("/show") GET("/fail") GET("/nothing"));
    expect_answer(fd, "200", "There is no such resource");
    ck_assert(rendered("\nprodorder_http_requests_total{route=\"show\",class=\"2xx\"} 2\n"));
    ck_assert(rendered("\nprodorder_http_requests_total{route=\"fail\",class=\"5xx\"} 1\n"));
    ck_assert(rendered("\nprodorder_http_requests_total{route=\"none\",class=\"4xx\"} 1\n"));
    ck_assert(rendered("\nprodorder_http_request_seconds_count{route=\"show\"} 2\n"));
    ck_assert(rendered("\nprodorder_http_connections 1\n"));
    ck_assert(rendered("\nprodorder_http_parse_errors_total 0\n"));
    client_send(fd, "\n");
    expect_answer(fd, "400", "}");
    ck_assert(rendered("\nprodorder_http_parse_errors_total 1\n"));
    close(fd);
    wait_connections(0);
    ck_assert(rendered("\nprodorder_http_connections 0\n"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_server");
    TCase *tests = tcase_create("requests");
    tcase_add_checked_fixture(tests, setup_server, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, answer_has_the_headers_promised_and_no_other);
    tcase_add_test(tests, not_modified_has_no_body_and_no_length);
    tcase_add_test(tests, error_is_json_with_escapes_and_retry_after);
    tcase_add_loop_test(tests, request_is_answered, 0, UNIT_COUNT(EXCHANGES));
    tcase_add_loop_test(tests, request_is_answered_byte_by_byte, 0, UNIT_COUNT(EXCHANGES));
    tcase_add_test(tests, wrong_method_tells_the_right_ones);
    tcase_add_test(tests, head_is_get_without_its_body);
    tcase_add_test(tests, request_id_is_kept_or_made);
    tcase_add_test(tests, request_id_is_echoed_when_the_rest_is_refused);
    tcase_add_test(tests, limits_are_exact);
    tcase_add_test(tests, chunk_framing_does_not_count_as_body);
    tcase_add_test(tests, continue_is_sent_to_who_waits_for_it);
    tcase_add_test(tests, continue_is_not_sent_to_who_did_not_wait);
    tcase_add_test(tests, pipelined_requests_are_answered_in_order_in_one_write);
    tcase_add_test(tests, pipelined_request_waits_for_the_answer_before_it);
    tcase_add_test(tests, request_stays_where_it_is_while_more_arrives);
    tcase_add_test(tests, query_parameters_are_decoded_or_refused);
    tcase_add_test(tests, media_type_is_recognised);
    tcase_add_test(tests, trace_context_is_read_once_it_is_valid);
    tcase_add_test(tests, tracestate_goes_with_a_traceparent);
    tcase_add_test(tests, requests_are_counted_by_route_and_class);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
