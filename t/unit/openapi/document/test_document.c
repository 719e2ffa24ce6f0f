/* OpenAPI documents: what is refused and why, what is accepted; bodies against schemas. */
#include "base/utf8.h"
#include "openapi_fixture.h"
#include "unit.h"

#include <unistd.h>

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
    { "{\"a\":1,\n\"a\":2}", "doc.json: line 2, column 1: duplicate member name \"a\"" },
    { "openapi: 3.1.0\n",
      "doc.json: line 1, column 1: expected a value; YAML must be converted to JSON" },
    { "{\"swagger\":\"2.0\"}",
      "doc.json: #: a document of Swagger 2.0 must be converted to OpenAPI 3.1" },
    { "{\"a\\u0000\":1}", "doc.json: line 1, column 4: a member name must not contain \\u0000" },
    { "[]", "doc.json: #: an OpenAPI document must be an object" },
    { "{\"paths\":{}}", "doc.json: #: an OpenAPI document must have the member \"openapi\"" },
    { "{\"openapi\":\"3.0.3\",\"paths\":{}}",
      "doc.json: #/openapi: must be a version 3.1, for example \"3.1.0\"" },
    { "{" INFO "}", "doc.json: #: an OpenAPI document must have the member \"paths\"" },
    { HEAD "{\"a\":{}}}", "doc.json: #/paths/a: a path must begin with '/'" },
    { HEAD "{\"a\\u0001\\n\\u007fb\":{}}}", "doc.json: #/paths/a???b: a path must begin with '/'" },
    { HEAD "{\"/a\\u0001\":{}}}", "doc.json: #/paths/~1a?: a path must not have control "
                                  "characters; they can be written as %XX" },
    { HEAD "{\"/{\\u001fa}\":{}}}", "doc.json: #/paths/~1{?a}: a path must not have control "
                                    "characters; they can be written as %XX" },
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
    message[0] = '\0';
    ck_assert_ptr_null(document_load("/nonexistent.json", note, NULL));
    ck_assert_str_eq(message, "/nonexistent.json: cannot be opened: No such file or directory");
}
END_TEST

START_TEST(a_file_that_is_none) {
    message[0] = '\0';
    ck_assert_ptr_null(document_load("/tmp", note, NULL));
    ck_assert_str_eq(message, "/tmp: cannot be read: Is a directory");
}
END_TEST

/* White space up to the limit, and one byte beyond. */
START_TEST(limit_of_a_file) {
    char file[] = "/tmp/openapi-document-XXXXXX";
    const char *text = HEAD "{}}";
    int fd = mkstemp(file);
    FILE *out = fdopen(fd, "w");
    char wanted[100];

    ck_assert_ptr_nonnull(out);
    fprintf(out, "%s%*s", text, (int)(LOADER_BYTES_MAX - strlen(text)), "");
    fflush(out);
    message[0] = '\0';
    document_free(document_load(file, note, NULL));
    ck_assert_str_eq(message, "");
    fputc(' ', out);
    fclose(out);
    ck_assert_ptr_null(document_load(file, note, NULL));
    snprintf(wanted, sizeof(wanted), "%s: larger than 4194304 bytes", file);
    ck_assert_str_eq(message, wanted);
    unlink(file);
}
END_TEST

/* A component's mistake is one mistake, however often it is referred to. */
START_TEST(a_mistake_is_reported_once) {
    ck_assert_ptr_null(
        load(HEAD "{\"/a/{id}\":{\"parameters\":[{\"$ref\":\"#/components/parameters/Id\"}],"
                  "\"get\":{" OK "},\"put\":{" OK "},\"post\":{\"parameters\":["
                  "{\"$ref\":\"#/components/parameters/Id\"}]," OK "}}},"
                  "\"components\":{\"parameters\":{\"Id\":{\"name\":\"id\",\"in\":\"path\","
                  "\"required\":1,\"schema\":{\"$ref\":\"#/components/schemas/I\"}}},"
                  "\"schemas\":{\"I\":{\"minimum\":\"1\"}}}}"));
    ck_assert_uint_eq(message_count, 2);
    ck_assert_ptr_nonnull(
        strstr(message, "doc.json: #/components/parameters/Id/required: must be true or false"));
    ck_assert_ptr_nonnull(strstr(message, "doc.json: #/components/schemas/I/minimum: "));
}
END_TEST

/* Four levels of the document, and those of an example. */
START_TEST(limit_of_depth) {
    for (unsigned more = 0; more < 2; more++) {
        char opened[JSON_SCAN_DEPTH_MAX] = "";
        char closed[JSON_SCAN_DEPTH_MAX] = "";
        char text[1000];
        struct document *doc;

        memset(opened, '[', JSON_SCAN_DEPTH_MAX - 4 + more);
        memset(closed, ']', JSON_SCAN_DEPTH_MAX - 4 + more);
        snprintf(text, sizeof(text),
                 "{" INFO ",\"paths\":{},\"components\":{\"examples\":{\"e\":{\"value\":%s%s}}}}",
                 opened, closed);
        doc = load(text);
        ck_assert((doc != NULL) == (more == 0));
        document_free(doc);
    }
    ck_assert_ptr_nonnull(strstr(message, "nested too deeply"));
}
END_TEST

START_TEST(limit_of_tags) {
    for (unsigned more = 0; more < 2; more++) {
        static char text[64 * 1024];
        size_t len = (size_t)snprintf(text, sizeof(text), "{" INFO ",\"paths\":{},\"tags\":[");
        struct document *doc;

        for (unsigned i = 0; i < DOCUMENT_TAGS_MAX + more; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s{\"name\":\"t%u\"}",
                                    i > 0 ? "," : "", i);
        }
        snprintf(text + len, sizeof(text) - len, "]}");
        doc = load(text);
        ck_assert((doc != NULL) == (more == 0));
        document_free(doc);
    }
    ck_assert_str_eq(message, "doc.json: #/tags: there must be at most 1000 tags");
}
END_TEST

START_TEST(mistakes_are_counted_up_to_the_limit) {
    for (unsigned more = 0; more < 2; more++) {
        static char text[32 * 1024];
        size_t len = (size_t)snprintf(text, sizeof(text), "{" INFO ",\"paths\":{}");

        for (unsigned i = 0; i < LOADER_PROBLEMS_MAX + more; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"no-%u\":1", i);
        }
        snprintf(text + len, sizeof(text) - len, "}");
        ck_assert_ptr_null(load(text));
        ck_assert_uint_eq(message_count, LOADER_PROBLEMS_MAX + more);
        ck_assert(more == (strstr(message, "doc.json: there are more mistakes; these are the first "
                                           "100") != NULL));
    }
}
END_TEST

static size_t line_bytes;

static void measure(void *user, const char *line) {
    (void)user;
    line_bytes = strlen(line);
    ck_assert(utf8_sequence(line + line_bytes - 1, 1) == 1);
}

/* File, pointer and reason of any length: the line has a limit, and something of each part. */
START_TEST(a_long_line_is_cut) {
    static char name[2000];
    static char text[8000];

    for (size_t pad = 0; pad < 4; pad++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "{" INFO ",\"paths\":{},\"");

        memset(name, 'n', sizeof(name) - 1);
        memset(text + len, 'a', pad);
        len += pad;
        for (unsigned i = 0; i < 1000; i++, len += 3) {
            memcpy(text + len, "\xe2\x82\xac", 3);
        }
        snprintf(text + len, sizeof(text) - len, "\":1}");
        line_bytes = 0;
        ck_assert_ptr_null(document_parse(name, text, strlen(text), measure, NULL));
        ck_assert_uint_gt(line_bytes, 600);
        ck_assert_uint_lt(line_bytes, LOADER_PROBLEM_BYTES_MAX);
    }
}
END_TEST

/* ---- what is accepted ---- */

/* Every object and member of OpenAPI 3.1 that says nothing about requests, or is understood. */
static const char *const everything =
    "{" INFO ",\"x-a\":1,\"jsonSchemaDialect\":\"https://spec.openapis.org/oas/3.1/dialect/base\","
    "\"servers\":[{\"url\":\"/v1\",\"description\":\"d\"}],\"security\":[{},{\"key\":[]}],"
    "\"tags\":[{\"name\":\"t\",\"description\":\"d\",\"externalDocs\":{\"url\":\"u\","
    "\"description\":"
    "\"d\",\"x-b\":1}}],\"externalDocs\":{\"url\":\"https://example.com/\"},"
    "\"webhooks\":{\"w\":{\"$ref\":\"#/components/pathItems/I\",\"summary\":\"s\"}},"
    "\"paths\":{\"x-c\":[],\"/a/"
    "{id}\":{\"summary\":\"s\",\"description\":\"d\",\"servers\":[{\"url\":"
    "\"http://h/v1\"}],\"parameters\":[{\"$ref\":\"#/components/parameters/"
    "Id\",\"description\":\"d\""
    "}],\"post\":{\"tags\":[\"t\",\"other\"],\"summary\":\"s\",\"description\":\"d\","
    "\"externalDocs\":"
    "{\"url\":\"u\"},\"operationId\":\"op\",\"deprecated\":true,\"security\":[],\"servers\":[{"
    "\"url\":"
    "\"/v1\"}],\"requestBody\":{\"description\":\"d\",\"content\":{\"multipart/form-data\":{"
    "\"schema\":{\"type\":\"object\"},\"example\":\"not "
    "JSON\",\"encoding\":{\"part\":{\"contentType\":"
    "\"image/png\",\"headers\":{\"H\":{\"$ref\":\"#/components/headers/H\"}},\"style\":\"form\","
    "\"explode\":true,\"allowReserved\":false}}},\"application/"
    "json\":{\"schema\":true,\"examples\":{"
    "\"one\":{\"summary\":\"s\",\"description\":\"d\",\"value\":{}},\"two\":{\"externalValue\":"
    "\"u\"},"
    "\"three\":{\"$ref\":\"#/components/examples/E\"}}}}},\"callbacks\":{\"c\":{\"$ref\":"
    "\"#/components/callbacks/"
    "C\"}},\"responses\":{\"200\":{\"description\":\"\",\"headers\":{\"H\":{"
    "\"$ref\":\"#/components/headers/H\"},\"x-name\":{\"content\":{\"application/json\":{}}}},"
    "\"content\":{\"application/json\":{\"schema\":{\"type\":\"string\"},\"example\":\"e\"}},"
    "\"links\":{\"l\":{\"operationId\":\"op\",\"parameters\":{\"id\":1},\"requestBody\":1,"
    "\"description\":\"d\",\"server\":{\"url\":\"http://elsewhere/v2\"}},\"m\":{\"operationRef\":"
    "\"#/paths/~1a~1{id}/post\"}}},\"4XX\":{\"$ref\":\"#/components/responses/R\"},\"default\":{"
    "\"description\":\"d\"},\"x-d\":1}},\"get\":{}}},"
    "\"components\":{\"schemas\":{\"S\":{\"type\":\"integer\",\"default\":1,\"examples\":[1,2]}},"
    "\"parameters\":{\"Id\":{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"deprecated\":true,"
    "\"style\":\"simple\",\"explode\":false,\"allowReserved\":false,\"allowEmptyValue\":false,"
    "\"description\":\"d\",\"schema\":{\"$ref\":\"#/components/schemas/S\"},\"example\":7}},"
    "\"responses\":{\"R\":{\"$ref\":\"#/components/responses/Q\"},\"Q\":{\"description\":\"d\"}},"
    "\"examples\":{\"E\":{\"value\":null}},\"requestBodies\":{},\"headers\":{\"H\":{"
    "\"description\":"
    "\"d\",\"required\":true,\"deprecated\":false,\"style\":\"simple\",\"explode\":true,\"schema\":"
    "{}}},"
    "\"securitySchemes\":{\"key\":{\"type\":\"apiKey\",\"name\":\"k\",\"in\":\"cookie\"},\"http\":{"
    "\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"},\"tls\":{\"type\":"
    "\"mutualTLS\"},\"id\":{\"type\":\"openIdConnect\",\"openIdConnectUrl\":\"u\"},\"oauth\":{"
    "\"type\":\"oauth2\",\"flows\":{\"implicit\":{\"authorizationUrl\":\"u\",\"scopes\":{}},"
    "\"password\":{\"tokenUrl\":\"u\",\"scopes\":{\"a\":\"d\"}},\"clientCredentials\":{"
    "\"tokenUrl\":"
    "\"u\",\"refreshUrl\":\"u\",\"scopes\":{}},\"authorizationCode\":{\"authorizationUrl\":\"u\","
    "\"tokenUrl\":\"u\",\"scopes\":{}}}}},\"links\":{\"L\":{\"operationId\":\"op\"}},"
    "\"callbacks\":{\"C\":{\"{$request.body#/url}\":{\"post\":{" OK "}}}},"
    "\"pathItems\":{\"I\":{\"post\":{" OK "}}},\"x-e\":1}}";

START_TEST(all_of_openapi_is_accepted) {
    struct document *doc = load(everything);
    struct document_counts counts;

    ck_assert_str_eq(message, "");
    counts = document_count(doc);
    ck_assert_uint_eq(counts.paths, 1);
    ck_assert_uint_eq(counts.operations, 2);
    ck_assert_uint_eq(counts.schemas, 1);
    document_free(doc);
}
END_TEST

/* Any member of it by another name is a mistake: nothing is passed over. */
START_TEST(no_name_is_passed_over) {
    size_t len = strlen(everything);
    char *text = malloc(len + 2);
    unsigned accepted = 0;

    for (const char *colon = strstr(everything, "\":"); colon != NULL;
         colon = strstr(colon + 1, "\":")) {
        const char *name = colon;

        while (name[-1] != '"') {
            name--;
        }
        if (strncmp(name, "x-", 2) == 0) {
            continue;
        }
        memcpy(text, everything, (size_t)(colon - everything));
        text[colon - everything] = '_';
        memcpy(text + (colon - everything) + 1, colon, len - (size_t)(colon - everything) + 1);
        document_free(load(text));
        accepted += message_count == 0;
    }
    /* the document's own names that nothing refers to: of headers, links, examples, media types */
    ck_assert_uint_eq(accepted, 21);
    free(text);
}
END_TEST

static void count_operation(void *user, struct operation *operation) {
    operation->number = ++*(unsigned *)user;
}

START_TEST(operations_are_visited_once) {
    struct document *doc = load(everything);
    struct match match;
    unsigned count = 0;

    document_visit(doc, count_operation, &count);
    ck_assert_uint_eq(count, 2);
    request_match(doc, str("GET"), str("/v1/a/7"), &match);
    ck_assert(match.operation->number == 1 || match.operation->number == 2);
    document_free(doc);
}
END_TEST

START_TEST(declared_statuses) {
    struct document *doc =
        load(HEAD "{\"/a\":{\"get\":{\"responses\":{"
                  "\"404\":{\"description\":\"\"},\"201\":{\"description\":\"\"},"
                  "\"5XX\":{\"description\":\"\"},\"default\":{\"description\":\"\"}"
                  "}}}}}");
    struct match match;

    ck_assert_ptr_nonnull(doc);
    request_match(doc, str("GET"), str("/a"), &match);
    ck_assert_uint_eq(match.operation->success_status, 201);
    ck_assert(operation_declares(match.operation, 404));
    ck_assert(operation_declares(match.operation, 599));
    ck_assert(!operation_declares(match.operation, 200));
    ck_assert(!operation_declares(match.operation, 600));
    document_free(doc);
}
END_TEST

static const struct {
    const char *schema;
    const char *body;
    const char *errors;
} bodies[] = {
    { "true", "1", "" },
    { "false", "1", " false: no value is allowed" },
    { "{\"properties\":{\"a\":false}}", "{\"a\":1}", "/a false: must not be present" },
    { "{\"type\":\"integer\",\"format\":\"int32\"}", "2.5", " type: must be integer" },
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
    struct arena *arena = arena_open(1 << 20);
    struct document *doc;
    struct report report;
    struct match match;

    snprintf(text, sizeof(text), "%s%s%s",
             HEAD
             "{\"/a\":{\"post\":{\"requestBody\":{\"content\":{\"application/json\":{\"schema\":",
             bodies[_i].schema, "}}}," OK "}}}}");
    doc = load(text);
    ck_assert_str_eq(message, "");
    request_match(doc, str("POST"), str("/a"), &match);
    report_init(&report, arena, 32);
    ck_assert(request_body(match.operation, str("application/json"), bodies[_i].body,
                           strlen(bodies[_i].body), NULL,
                           &report) == (bodies[_i].errors[0] == '\0'));
    render(&report, errors, sizeof(errors));
    ck_assert_str_eq(errors, bodies[_i].errors);
    document_free(doc);
    arena_close(arena);
}
END_TEST

START_TEST(errors_are_counted_up_to_the_limit) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc = load(BODY("{\"items\":{\"type\":\"null\"}}"));
    struct report report;
    struct match match;

    request_match(doc, str("POST"), str("/a"), &match);
    report_init(&report, arena, 3);
    ck_assert(
        !request_body(match.operation, str("application/json"), "[1,2,3,4,5]", 11, NULL, &report));
    ck_assert_uint_eq(report.count, 3);
    ck_assert(str_is(report.last->path, "/2"));
    document_free(doc);
    arena_close(arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_document");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, a_mistake_is_named, 0, (int)UNIT_COUNT(mistakes));
    tcase_add_test(tcase, a_pattern_that_is_none);
    tcase_add_test(tcase, a_file_that_is_not_there);
    tcase_add_test(tcase, a_file_that_is_none);
    tcase_add_test(tcase, limit_of_a_file);
    tcase_add_test(tcase, a_mistake_is_reported_once);
    tcase_add_test(tcase, limit_of_depth);
    tcase_add_test(tcase, limit_of_tags);
    tcase_add_test(tcase, mistakes_are_counted_up_to_the_limit);
    tcase_add_test(tcase, a_long_line_is_cut);
    tcase_add_test(tcase, all_of_openapi_is_accepted);
    tcase_add_test(tcase, no_name_is_passed_over);
    tcase_add_test(tcase, operations_are_visited_once);
    tcase_add_test(tcase, declared_statuses);
    tcase_add_loop_test(tcase, bodies_are_judged, 0, (int)UNIT_COUNT(bodies));
    tcase_add_test(tcase, errors_are_counted_up_to_the_limit);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
