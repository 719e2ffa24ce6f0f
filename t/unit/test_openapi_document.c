/* OpenAPI documents: what is refused and why; routes, parameters, bodies. */
#include "openapi/document.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static char message[1024];

/* Collects the lines, each after a newline but the first. */
static void note(void *user, const char *line) {
    size_t len = strlen(message);

    (void)user;
    snprintf(message + len, sizeof(message) - len, "%s%s", len > 0 ? "\n" : "", line);
}

static struct oa_document *load(const char *text) {
    message[0] = '\0';
    return oa_document_parse("doc.json", text, strlen(text), note, NULL);
}

static struct oa_str str(const char *text) {
    return (struct oa_str){ text, strlen(text) };
}

#define INFO "\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"}"
#define HEAD "{" INFO ",\"paths\":"
#define OK "\"responses\":{\"200\":{\"description\":\"d\"}}"
#define GET(members) HEAD "{\"/a\":{\"get\":{" members OK "}}}}"
#define PARAM(members) HEAD "{\"/a/{id}\":{\"get\":{\"parameters\":[{" members "}]," OK "}}}}"
#define QUERY(schema)                                                                              \
    GET("\"parameters\":[{\"name\":\"q\",\"in\":\"query\",\"schema\":" schema "}],")
#define BODY(schema)                                                                               \
    HEAD "{\"/a\":{\"post\":{\"requestBody\":{\"required\":true,\"content\":{"                     \
         "\"application/json\":{\"schema\":" schema "}}}," OK "}}}}"

static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    { "{", "doc.json: line 1, column 2: unexpected end of text" },
    { "{\"a\":1,\n\"a\":2}", "doc.json: line 2, column 5: duplicate member name in an object" },
    { "[]", "doc.json: #: an OpenAPI document must be an object" },
    { "{\"paths\":{}}", "doc.json: #: an OpenAPI document must have the member \"openapi\"" },
    { "{\"openapi\":\"3.0.3\",\"paths\":{}}",
      "doc.json: #/openapi: must be a version 3.1, for example \"3.1.0\"" },
    { "{" INFO "}", "doc.json: #: an OpenAPI document must have the member \"paths\"" },
    { HEAD "{\"a\":{}}}", "doc.json: #/paths/a: a path must begin with '/'" },
    { HEAD "{\"/x{id}\":{}}}",
      "doc.json: #/paths/~1x{id}: a template must be a whole segment between slashes: {name}" },
    { HEAD "{\"/{}\":{}}}",
      "doc.json: #/paths/~1{}: a template must be a whole segment between slashes: {name}" },
    { HEAD "{\"/a\":[]}}", "doc.json: #/paths/~1a: a path item must be an object" },
    { HEAD "{\"/a\":{\"fetch\":{}}}}", "doc.json: #/paths/~1a/fetch: \"fetch\" is not a member of "
                                       "a path item; did you mean \"patch\"?" },
    { HEAD "{\"/a\":{\"get\":1}}}", "doc.json: #/paths/~1a/get: an operation must be an object" },
    { GET("\"operationId\":1,"), "doc.json: #/paths/~1a/get/operationId: must be a string" },
    { HEAD "{\"/a\":{\"get\":{\"responses\":{}}}}}",
      "doc.json: #/paths/~1a/get/responses: must be an object with at least one response" },
    { HEAD "{\"/a\":{\"get\":{\"responses\":{\"20\":{\"description\":\"\"}}}}}}",
      "doc.json: #/paths/~1a/get/responses/20: must be a status (200), a range (2XX) or default" },
    { HEAD "{\"/a\":{\"get\":{\"responses\":{\"200\":{}}}}}}",
      "doc.json: #/paths/~1a/get/responses/200: a response must have the member \"description\"" },
    { HEAD "{\"/{a}\":{\"get\":{\"parameters\":[{\"name\":\"a\",\"in\":\"path\",\"required\":true,"
           "\"schema\":{}}]," OK "}},\"/{b}\":{}}}",
      "doc.json: #/paths/~1{b}: matches the same requests as \"/{a}\"" },
    { PARAM("\"in\":\"path\",\"required\":true,\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0: a parameter must have the member \"name\"" },
    { PARAM("\"name\":\"id\",\"in\":\"body\",\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0/in: must be \"path\", \"query\", "
      "\"header\" or \"cookie\"" },
    { PARAM("\"name\":\"id\",\"in\":\"path\",\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0/required: must be true for a path parameter" },
    { PARAM("\"name\":\"no\",\"in\":\"path\",\"required\":true,\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0: the path has no template {no}" },
    { PARAM("\"name\":\"q\",\"in\":\"query\",\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get: the path parameter \"id\" is not described" },
    { PARAM("\"name\":\"id\",\"in\":\"path\",\"required\":true"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0: a parameter must have either \"schema\" or "
      "\"content\"" },
    { PARAM("\"name\":\"id\",\"in\":\"path\",\"required\":true,\"style\":\"label\",\"schema\":{}"),
      "doc.json: #/paths/~1a~1{id}/get/parameters/0/style: the style \"label\" is not supported, "
      "\"simple\" is" },
    { GET("\"parameters\":[{\"$ref\":\"#/nowhere\"}],"),
      "doc.json: #/paths/~1a/get/parameters/0: the reference \"#/nowhere\" leads nowhere" },
    { GET("\"parameters\":[{\"$ref\":\"other.json\"}],"),
      "doc.json: #/paths/~1a/get/parameters/0: only references within the document (\"#/...\") are "
      "supported" },
    { QUERY("1"),
      "doc.json: #/paths/~1a/get/parameters/0/schema: a schema must be an object, true or "
      "false" },
    { QUERY("{\"type\":\"int\"}"),
      "doc.json: #/paths/~1a/get/parameters/0/schema/type: \"int\" is not a type; types "
      "are null, boolean, object, array, number, string and integer" },
    { BODY("{\"minimun\":1}"),
      "doc.json: #/paths/~1a/post/requestBody/content/application~1json/schema/minimun: "
      "\"minimun\" is not a member of a schema; did you mean \"minimum\"?" },
    { BODY("{\"minLength\":-1}"),
      "doc.json: #/paths/~1a/post/requestBody/content/application~1json/schema/minLength: must be "
      "an "
      "integer from 0 to 999999999999999" },
    { BODY("{\"multipleOf\":0}"),
      "doc.json: #/paths/~1a/post/requestBody/content/application~1json/schema/multipleOf: must be "
      "greater than 0" },
    { BODY("{\"properties\":{\"a\":{\"required\":\"b\"}}}"),
      "doc.json: "
      "#/paths/~1a/post/requestBody/content/application~1json/schema/properties/a/required: "
      "must be an array of names" },
    { BODY("{\"$ref\":\"#/paths/~1a/post/requestBody/content/application~1json/schema\"}"),
      "doc.json: #/paths/~1a/post/requestBody/content/application~1json/schema/$ref: the reference "
      "\"#/paths/~1a/post/requestBody/content/application~1json/schema\" "
      "leads back to itself" },
    { BODY("{\"enum\":[]}"),
      "doc.json: #/paths/~1a/post/requestBody/content/application~1json/schema/enum: must be an "
      "array "
      "with at least one value" },
    { HEAD "{\"/a\":{\"post\":{\"requestBody\":{}," OK "}}}}",
      "doc.json: #/paths/~1a/post/requestBody: a request body must have the member "
      "\"content\"" },
    { HEAD "{\"/a\":{\"post\":{\"requestBody\":{\"content\":{\"text\":{}}}," OK "}}}}",
      "doc.json: #/paths/~1a/post/requestBody/content/text: must be a media type such as "
      "application/json, with at most 8 parameters" },
};

START_TEST(a_mistake_is_named) {
    ck_assert_ptr_null(load(mistakes[_i].text));
    ck_assert_str_eq(message, mistakes[_i].message);
}
END_TEST

START_TEST(a_pattern_that_is_none) {
    ck_assert_ptr_null(load(BODY("{\"pattern\":\"(\"}")));
    ck_assert_ptr_nonnull(strstr(message, "/schema/pattern: "));
}
END_TEST

START_TEST(a_file_that_is_not_there) {
    ck_assert_ptr_null(oa_document_load("/nonexistent.json", note, NULL));
    ck_assert_str_eq(message, "/nonexistent.json: cannot be opened: No such file or directory");
}
END_TEST

#define ID "\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{}}],"

START_TEST(routes_are_found) {
    static const struct {
        const char *method;
        const char *path;
        enum oa_route route;
        const char *what; /* operation or Allow */
    } cases[] = {
        { "GET", "/o/7", OA_ROUTE_FOUND, "one" },
        { "HEAD", "/o/7", OA_ROUTE_FOUND, "one" },
        { "GET", "/o/top", OA_ROUTE_FOUND, "literal" },
        { "GET", "/o/%74op", OA_ROUTE_FOUND, "literal" },
        { "GET", "/o/a%2Fb", OA_ROUTE_FOUND, "one" },
        { "POST", "/o/7", OA_ROUTE_NO_METHOD, "GET, HEAD, DELETE" },
        { "get", "/o/7", OA_ROUTE_NO_METHOD, "GET, HEAD, DELETE" },
        { "HEAD", "/o", OA_ROUTE_NO_METHOD, "POST" },
        { "POST", "/o", OA_ROUTE_FOUND, "POST /o" },
        { "GET", "/o/", OA_ROUTE_NO_PATH, NULL },
        { "GET", "/o/7/", OA_ROUTE_NO_PATH, NULL },
        { "GET", "/o/7/x", OA_ROUTE_NO_PATH, NULL },
        { "GET", "", OA_ROUTE_NO_PATH, NULL },
        { "GET", "/%6", OA_ROUTE_NO_PATH, NULL },
        { "GET", "//o/7", OA_ROUTE_NO_PATH, NULL },
    };
    struct oa_document *doc = load(
        HEAD "{\"/o/{id}\":{\"get\":{\"operationId\":\"one\"," ID OK "},\"delete\":{" ID OK "}},"
             "\"/o\":{\"post\":{" OK "}},"
             "\"/o/top\":{\"get\":{\"operationId\":\"literal\"," OK "}}}}");
    struct oa_match match;

    ck_assert_str_eq(message, "");
    oa_document_route(doc, str(cases[_i].method), str(cases[_i].path), &match);
    ck_assert_int_eq(match.route, cases[_i].route);
    if (match.route == OA_ROUTE_FOUND) {
        ck_assert(oa_str_is(match.operation->id, cases[_i].what));
    } else if (match.route == OA_ROUTE_NO_METHOD) {
        ck_assert(oa_str_is(match.allow, cases[_i].what));
    }
    oa_document_free(doc);
}
END_TEST

START_TEST(declared_statuses) {
    struct oa_document *doc =
        load(HEAD "{\"/a\":{\"get\":{\"responses\":{"
                  "\"404\":{\"description\":\"\"},\"201\":{\"description\":\"\"},"
                  "\"5XX\":{\"description\":\"\"},\"default\":{\"description\":\"\"}"
                  "}}}}}");
    struct oa_match match;

    ck_assert_ptr_nonnull(doc);
    oa_document_route(doc, str("GET"), str("/a"), &match);
    ck_assert_uint_eq(match.operation->success_status, 201);
    ck_assert(oa_operation_declares(match.operation, 404));
    ck_assert(oa_operation_declares(match.operation, 599));
    ck_assert(!oa_operation_declares(match.operation, 200));
    ck_assert(!oa_operation_declares(match.operation, 600));
    oa_document_free(doc);
}
END_TEST

/* Errors as "path keyword message; ...", in order. */
static void render(const struct oa_report *report, char *out, size_t bytes) {
    size_t len = 0;

    out[0] = '\0';
    for (const struct oa_error *e = report->first; e != NULL; e = e->next) {
        len += (size_t)snprintf(out + len, bytes - len, "%s%.*s %.*s: %.*s", len > 0 ? "; " : "",
                                (int)e->path.len, e->path.data, (int)e->keyword.len,
                                e->keyword.data, (int)e->message.len, e->message.data);
    }
}

static const struct {
    const char *schema;
    const char *body;
    const char *errors;
} bodies[] = {
    { "true", "1", "" },
    { "false", "1", " false: must not be present" },
    { "{}", "{\"a\":[]}", "" },
    { "{\"type\":\"integer\"}", "1.0", "" },
    { "{\"type\":\"integer\"}", "1.5", " type: must be integer" },
    { "{\"type\":[\"string\",\"null\"]}", "null", "" },
    { "{\"type\":[\"string\",\"null\"]}", "true", " type: must be null or string" },
    { "{\"type\":\"boolean\"}", "false", "" },
    { "{\"minimum\":1}", "\"x\"", "" },
    { "{\"minimum\":1}", "0.99999999999999999999", " minimum: must be >= 1" },
    { "{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "0", " exclusiveMinimum: must be > 0" },
    { "{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "1.0", " exclusiveMaximum: must be < 1" },
    { "{\"multipleOf\":0.01}", "0.29", "" },
    { "{\"multipleOf\":0.01}", "0.295", " multipleOf: must be a multiple of 0.01" },
    { "{\"minLength\":2}", "\"\xf0\x9f\x98\x80\"", " minLength: must have at least 2 characters" },
    { "{\"maxLength\":1}", "\"\\ud83d\\ude00\"", "" },
    { "{\"pattern\":\"^[a-z]+$\"}", "\"ab\\n\"", " pattern: must match the pattern ^[a-z]+$" },
    { "{\"pattern\":\"^\\\\d$\"}", "\"\xd9\xa1\"", " pattern: must match the pattern ^\\d$" },
    { "{\"pattern\":\"\\\\S\"}", "\"\\u3000\\ufeff \"", " pattern: must match the pattern \\S" },
    { "{\"pattern\":\"(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
      " pattern: takes too long to compare with the pattern (a+)+$" },
    { "{\"enum\":[1,\"a\",null]}", "1.0", "" },
    { "{\"enum\":[1,\"a\"]}", "2", " enum: must be one of [1,\"a\"]" },
    { "{\"const\":{\"a\":1}}", "{\"a\":1.0}", "" },
    { "{\"const\":1}", "true", " const: must be 1" },
    { "{\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2}", "[\"a\",1,2]",
      "/1 type: must be string; /2 type: must be string;  maxItems: must have at most 2 items" },
    { "{\"minItems\":1}", "[]", " minItems: must have at least 1 item" },
    { "{\"properties\":{\"a/b\":{\"properties\":{\"~\":{\"maximum\":1}}}}}", "{\"a/b\":{\"~\":2}}",
      "/a~1b/~0 maximum: must be <= 1" },
    { "{\"required\":[\"a\",\"b\"]}", "{\"b\":1}", " required: must have required property 'a'" },
    { "{\"additionalProperties\":{\"type\":\"null\"},\"properties\":{\"a\":true}}",
      "{\"a\":1,\"b\":null,\"c\":1}", "/c type: must be null" },
    { "{\"minProperties\":1}", "{}", " minProperties: must have at least 1 property" },
    { "{\"maxProperties\":1}", "{\"a\":1,\"b\":1}",
      " maxProperties: must have at most 1 property" },
    { "{\"title\":\"t\",\"x-y\":1,\"format\":\"date\",\"default\":1,\"examples\":[]}", "1", "" },
    { "{\"$defs\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/paths/~1a/post/requestBody/"
      "content/"
      "application~1json/schema/$defs/n\"}},\"additionalProperties\":false}},"
      "\"$ref\":\"#/paths/~1a/post/requestBody/content/application~1json/schema/$defs/n\"}",
      "{\"next\":{\"next\":{\"x\":1}}}",
      "/next/next/x additionalProperties: must NOT have additional property 'x'" },
    { "{}", "{\"a\":\n tru}", " json: malformed JSON at line 2, column 2: expected a value" },
};

START_TEST(bodies_are_judged) {
    char text[2048];
    char errors[2048];
    struct oa_arena *arena = oa_arena_open(1 << 20);
    struct oa_document *doc;
    struct oa_report report;
    struct oa_match match;

    snprintf(text, sizeof(text), "%s%s%s",
             HEAD
             "{\"/a\":{\"post\":{\"requestBody\":{\"content\":{\"application/json\":{\"schema\":",
             bodies[_i].schema, "}}}," OK "}}}}");
    doc = load(text);
    ck_assert_str_eq(message, "");
    oa_document_route(doc, str("POST"), str("/a"), &match);
    oa_report_init(&report, arena, 32);
    ck_assert(oa_check_body(match.operation, str("application/json"), bodies[_i].body,
                            strlen(bodies[_i].body), NULL,
                            &report) == (bodies[_i].errors[0] == '\0'));
    render(&report, errors, sizeof(errors));
    ck_assert_str_eq(errors, bodies[_i].errors);
    oa_document_free(doc);
    oa_arena_close(arena);
}
END_TEST

START_TEST(errors_are_counted_up_to_the_limit) {
    struct oa_arena *arena = oa_arena_open(1 << 20);
    struct oa_document *doc = load(BODY("{\"items\":{\"type\":\"null\"}}"));
    struct oa_report report;
    struct oa_match match;

    oa_document_route(doc, str("POST"), str("/a"), &match);
    oa_report_init(&report, arena, 3);
    ck_assert(
        !oa_check_body(match.operation, str("application/json"), "[1,2,3,4,5]", 11, NULL, &report));
    ck_assert_uint_eq(report.count, 3);
    ck_assert(oa_str_is(report.last->path, "/2"));
    oa_document_free(doc);
    oa_arena_close(arena);
}
END_TEST

START_TEST(media_types) {
    static const struct {
        const char *type;
        bool is_taken;
    } cases[] = {
        { "application/json", true },
        { "APPLICATION/JSON;charset=UTF-8", true },
        { "application/json; a=b; charset=\"utf-8\"", true },
        { "application/json; charset=latin1", false },
        { "application/jsonp", false },
        { "", false },
        { "text/json", false },
    };
    struct oa_document *doc = load(BODY("{}"));
    struct oa_match match;

    oa_document_route(doc, str("POST"), str("/a"), &match);
    ck_assert(oa_operation_takes_media(match.operation, str(cases[_i].type)) == cases[_i].is_taken);
    oa_document_free(doc);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void) {
    Suite *suite = suite_create("openapi_document");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, a_mistake_is_named, 0, COUNT(mistakes));
    tcase_add_test(tcase, a_pattern_that_is_none);
    tcase_add_test(tcase, a_file_that_is_not_there);
    tcase_add_loop_test(tcase, routes_are_found, 0, 15);
    tcase_add_test(tcase, declared_statuses);
    tcase_add_loop_test(tcase, bodies_are_judged, 0, COUNT(bodies));
    tcase_add_test(tcase, errors_are_counted_up_to_the_limit);
    tcase_add_loop_test(tcase, media_types, 0, 7);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
