/* Request bodies: which media types an operation takes, and which schema judges what. */
#include "openapi/document/media.h"
#include "openapi_fixture.h"
#include "unit.h"

/*
 * Ranges that overlap; each schema asks for another member, so that errors tell which one it was.
 */
static const char *const document =
    HEAD "{\"/a\":{\"post\":{" OK ",\"requestBody\":{\"content\":{"
         "\"*/*\":{\"schema\":{\"required\":[\"any\"]}},"
         "\"application/*\":{\"schema\":{\"required\":[\"application\"]}},"
         "\"application/*+json\":{\"schema\":{\"required\":[\"suffix\"]}},"
         "\"application/json\":{\"schema\":{\"required\":[\"json\"]}},"
         "\"application/json; version=2\":{\"schema\":{\"required\":[\"two\"]}},"
         "\"application/vnd.x+json;a=\\\"1;2\\\"\":{},"
         "\"text/plain\":{\"schema\":{\"required\":[\"text\"]}}}}}},"
         "\"/b\":{\"post\":{" OK ",\"requestBody\":{\"content\":{\"application/json\":{}}}}}}}";

static const struct {
    const char *path;
    const char *type;
    bool is_taken;
    const char
        *missing; /* the member that the schema asks for; NULL: the body is not looked into */
} bodies[] = {
    { "/a", "application/json", true, "json" },
    { "/a", "Application/JSON ; Charset=UTF-8", true, "json" },
    { "/a", "application/json; charset=\"us-ascii\"; x=y", true, "json" },
    { "/a", "application/json;version=2", true, "two" },
    { "/a", "application/json; VERSION=\"2\"; charset=utf-8", true, "two" },
    { "/a", "application/json;version=3", true, "json" },
    { "/a", "application/problem+json", true, "suffix" },
    { "/a", "application/+json", true, NULL },
    { "/a", "application/vnd.x+json", true, "suffix" },
    { "/a", "application/vnd.x+json; a=\"1;2\"", true, "" },
    { "/a", "application/vnd.x+json; a=\"\\1;2\"", true, "" },
    { "/a", "text/json", true, "any" },
    { "/a", "application/xml", true, NULL },
    { "/a", "text/plain; charset=latin1", true, NULL },
    { "/a", "application/json; charset=latin1", false, NULL },
    { "/a", "application/json; charset=utf-16", false, NULL },
    { "/a", "application/json;", true, "json" },
    { "/a", "application/json; ;", true, "json" },
    { "/a", "application/json; a", false, NULL },
    { "/a", "application/json; a=", false, NULL },
    { "/a", "application/json; a=\"", false, NULL },
    { "/a", "application/json; a=\"\\", false, NULL },
    { "/a", "application/json, text/plain", false, NULL },
    { "/a", "application", false, NULL },
    { "/a", "/json", false, NULL },
    { "/a", "application/", false, NULL },
    { "/a", "", false, NULL },
    { "/b", "application/json", true, "" },
    { "/b", "application/jsonp", false, NULL },
    { "/b", "application/problem+json", false, NULL },
    { "/b", "text/json", false, NULL },
};

START_TEST(media_types_choose_the_schema) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc = load(document);
    struct report report;
    struct match match;
    char wanted[200];
    char errors[200];

    ck_assert_str_eq(message, "");
    report_init(&report, arena, 32);
    request_match(doc, str("POST"), str(bodies[_i].path), &match);
    ck_assert(request_takes_media(match.operation, str(bodies[_i].type)) == bodies[_i].is_taken);
    if (bodies[_i].is_taken) {
        const char *missing = bodies[_i].missing;
        const char *body = missing != NULL ? "{}" : "{";

        wanted[0] = '\0';
        if (missing != NULL && missing[0] != '\0') {
            snprintf(wanted, sizeof(wanted), " required: must have required property '%s'",
                     missing);
        }
        ck_assert(request_body(match.operation, str(bodies[_i].type), body, strlen(body), NULL,
                               &report) == (wanted[0] == '\0'));
        render(&report, errors, sizeof(errors));
        ck_assert_str_eq(errors, wanted);
    }
    document_free(doc);
    arena_close(arena);
}
END_TEST

/* The requestBody object by itself, through references, required or not. */
START_TEST(a_body_may_be_required) {
    struct document *doc = load(
        HEAD "{\"/a\":{\"post\":{" OK ",\"requestBody\":{\"$ref\":\"#/components/requestBodies/"
             "One\"}},\"put\":{" OK ",\"requestBody\":{\"content\":{\"text/plain\":{}}}},"
             "\"get\":{" OK "}}},\"components\":{\"requestBodies\":{\"One\":{\"$ref\":"
             "\"#/components/requestBodies/Two\"},\"Two\":{\"required\":true,\"content\":{"
             "\"application/json\":{}}}}}}");
    struct match match;

    ck_assert_str_eq(message, "");
    request_match(doc, str("POST"), str("/a"), &match);
    ck_assert(match.operation->takes_body && match.operation->body_required);
    ck_assert(request_takes_media(match.operation, str("application/json")));
    request_match(doc, str("PUT"), str("/a"), &match);
    ck_assert(match.operation->takes_body && !match.operation->body_required);
    request_match(doc, str("GET"), str("/a"), &match);
    ck_assert(!match.operation->takes_body && !match.operation->body_required);
    document_free(doc);
}
END_TEST

/* "application/json;p0=0;p1=1...", or a content object with that many media types. */
static void number(char *out, size_t bytes, unsigned count, const char *format) {
    size_t len = strlen(out);

    for (unsigned i = 0; i < count; i++) {
        len += (size_t)snprintf(out + len, bytes - len, "%s%u", format, i);
        out[len++] = format[0] == ';' ? 'x' : '"';
        len += (size_t)snprintf(out + len, bytes - len, "%s", format[0] == ';' ? "=1" : ":{}");
    }
}

START_TEST(limit_of_parameters) {
    struct media media;
    char type[400];

    snprintf(type, sizeof(type), "application/json");
    number(type, sizeof(type), MEDIA_PARAMS_MAX, "; p");
    ck_assert(media_parse(str(type), &media));
    ck_assert_uint_eq(media.param_count, MEDIA_PARAMS_MAX);
    snprintf(type, sizeof(type), "application/json");
    number(type, sizeof(type), MEDIA_PARAMS_MAX + 1, "; p");
    ck_assert(!media_parse(str(type), &media));
}
END_TEST

START_TEST(limit_of_media_types) {
    for (unsigned more = 0; more < 2; more++) {
        char types[4000] = "";
        char text[6000];
        struct document *doc;

        number(types, sizeof(types), DOCUMENT_MEDIA_TYPES_MAX + more, ",\"a/b");
        snprintf(text, sizeof(text),
                 HEAD "{\"/a\":{\"post\":{" OK ",\"requestBody\":{\"content\":{%s}}}}}}",
                 types + 1);
        doc = load(text);
        ck_assert((doc != NULL) == (more == 0));
        document_free(doc);
    }
    ck_assert_str_eq(message, "doc.json: #/paths/~1a/post/requestBody/content: must have from 1 to "
                              "32 media types");
}
END_TEST

/* Each limit at its edge, by default and as asked for. */
static const struct {
    unsigned depth;
    unsigned values;
    const struct json_scan_limits *limits;
    const char *errors;
} limits[] = {
    { REQUEST_BODY_DEPTH_MAX, 0, NULL, "" },
    { REQUEST_BODY_DEPTH_MAX + 1, 0, NULL,
      " json: JSON at line 1, column 65 is nested too deeply: " },
    { 3, 0, &(struct json_scan_limits){ .depth_max = 3, .values_max = 100 }, "" },
    { 4, 0, &(struct json_scan_limits){ .depth_max = 3, .values_max = 100 },
      " json: JSON at line 1, column 4 is nested too deeply: " },
    { 1, REQUEST_BODY_VALUES_MAX - 1, NULL, "" },
    { 1, REQUEST_BODY_VALUES_MAX, NULL, " json: " },
    { 1, 9, &(struct json_scan_limits){ .depth_max = 3, .values_max = 10 }, "" },
    { 1, 10, &(struct json_scan_limits){ .depth_max = 3, .values_max = 10 }, " json: " },
};

START_TEST(limits_of_a_body) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc = load(document);
    size_t bytes = 2 * (limits[_i].depth + limits[_i].values) + 1;
    char *body = malloc(bytes);
    struct report report;
    struct match match;
    char errors[300];
    size_t len = 0;

    memset(body, '[', limits[_i].depth);
    len = limits[_i].depth;
    for (unsigned i = 0; i < limits[_i].values; i++) {
        body[len++] = '1';
        body[len++] = ',';
    }
    len -= limits[_i].values > 0;
    memset(body + len, ']', limits[_i].depth);
    len += limits[_i].depth;
    report_init(&report, arena, 32);
    request_match(doc, str("POST"), str("/b"), &match);
    ck_assert(request_body(match.operation, str("application/json"), body, len, limits[_i].limits,
                           &report) == (limits[_i].errors[0] == '\0'));
    render(&report, errors, sizeof(errors));
    ck_assert_msg(strncmp(errors, limits[_i].errors, strlen(limits[_i].errors)) == 0, "%s", errors);
    free(body);
    document_free(doc);
    arena_close(arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_media");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, media_types_choose_the_schema, 0, (int)UNIT_COUNT(bodies));
    tcase_add_test(tcase, a_body_may_be_required);
    tcase_add_test(tcase, limit_of_parameters);
    tcase_add_test(tcase, limit_of_media_types);
    tcase_add_loop_test(tcase, limits_of_a_body, 0, (int)UNIT_COUNT(limits));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
