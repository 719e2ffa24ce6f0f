/* Which operation a request is for, and how the tree of paths finds it. */
#include "openapi_fixture.h"
#include "unit.h"

static const char *const document =
    "{" INFO ",\"servers\":[{\"url\":\"https://host/api\"}],\"paths\":{"
    "\"/o\":{\"post\":{" OK "}},"
    "\"/o/"
    "{id}\":{\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{}}],"
    "\"get\":{\"operationId\":\"one\"," OK "},\"delete\":{" OK "}},"
    "\"/o/top\":{\"get\":{\"operationId\":\"top\"," OK "},\"options\":{\"operationId\":\"how\"," OK
    "},"
    "\"head\":{\"operationId\":\"head\"," OK "}},"
    "\"/o/top/{x}/end\":{\"get\":{\"operationId\":\"literal\",\"parameters\":[{\"name\":\"x\","
    "\"in\":\"path\",\"required\":true,\"schema\":{}}]," OK "}},"
    "\"/o/{id}/mid/{y}\":{\"get\":{\"operationId\":\"template\",\"parameters\":[{\"name\":\"id\","
    "\"in\":\"path\",\"required\":true,\"schema\":{}},{\"name\":\"y\",\"in\":\"path\","
    "\"required\":true,\"schema\":{}}]," OK "}},"
    "\"/slash/\":{\"get\":{\"operationId\":\"slash\"," OK "}},"
    "\"/a%2Fb/caf%c3%A9:x\":{\"get\":{\"operationId\":\"escaped\"," OK "}},"
    "\"/\":{\"get\":{\"operationId\":\"root\"," OK "}}}}";

static const struct {
    const char *method;
    const char *path;
    enum route route;
    const char *what;   /* operation or Allow */
    const char *values; /* of the templates, with '|' between them */
} requests[] = {
    { "GET", "/api/o/7", ROUTE_FOUND, "one", "7" },
    { "HEAD", "/api/o/7", ROUTE_FOUND, "one", "7" },
    { "GET", "/api/o/top", ROUTE_FOUND, "top", "" },
    { "HEAD", "/api/o/top", ROUTE_FOUND, "head", "" },
    { "OPTIONS", "/api/o/top", ROUTE_FOUND, "how", "" },
    { "GET", "/api/o/to", ROUTE_FOUND, "one", "to" },
    { "GET", "/api/o/topp", ROUTE_FOUND, "one", "topp" },

    /* percent-encoding: in a literal it is the character, in a value it stays for the parameter */
    { "GET", "/api/o/%74%6Fp", ROUTE_FOUND, "top", "" },
    { "GET", "/%61pi/o/%37", ROUTE_FOUND, "one", "%37" },
    { "GET", "/api/o/a%2Fb", ROUTE_FOUND, "one", "a%2Fb" },
    { "GET", "/api/a%2fb/caf\xc3\xa9:x", ROUTE_FOUND, "escaped", "" },
    { "GET", "/api/a%2fb/caf%C3%a9%3Ax", ROUTE_FOUND, "escaped", "" },
    { "GET", "/api/a/b/caf%C3%a9:x", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/%zz", ROUTE_FOUND, "one", "%zz" },
    { "GET", "/api/%6", ROUTE_NO_PATH, NULL, NULL },

    /* the literal first, and back to the template when nothing fits below it */
    { "GET", "/api/o/top/1/end", ROUTE_FOUND, "literal", "1" },
    { "GET", "/api/o/top/mid/2", ROUTE_FOUND, "template", "top|2" },
    { "GET", "/api/o/top/mid/end", ROUTE_FOUND, "literal", "mid" },
    { "GET", "/api/o/1/mid/2", ROUTE_FOUND, "template", "1|2" },
    { "GET", "/api/o/1/mid", ROUTE_NO_PATH, NULL, NULL },

    /* methods */
    { "POST", "/api/o/7", ROUTE_NO_METHOD, "GET, HEAD, DELETE", NULL },
    { "get", "/api/o/7", ROUTE_NO_METHOD, "GET, HEAD, DELETE", NULL },
    { "DELETE", "/api/o/top", ROUTE_NO_METHOD, "GET, OPTIONS, HEAD", NULL },
    { "HEAD", "/api/o", ROUTE_NO_METHOD, "POST", NULL },
    { "POST", "/api/o", ROUTE_FOUND, "POST /o", "" },

    /* slashes and dots: a path is what is declared, and nothing near it */
    { "GET", "/api/", ROUTE_FOUND, "root", "" },
    { "GET", "/api", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/slash/", ROUTE_FOUND, "slash", "" },
    { "GET", "/api/slash", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/7/", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api//o/7", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "//api/o/7", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o//mid/2", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/.", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/..", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/%2e%2E", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/x/../o/7", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "/api/o/...", ROUTE_FOUND, "one", "..." },
    { "GET", "/o/7", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "*", ROUTE_NO_PATH, NULL, NULL },
    { "GET", "api/o/7", ROUTE_NO_PATH, NULL, NULL },
};

/* The values that the operation's path parameters stand for. */
static void render_values(const struct match *match, size_t count, char *out, size_t bytes) {
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(out + len, bytes - len, "%s%.*s", i > 0 ? "|" : "",
                                (int)match->values[i].len, match->values[i].data);
    }
}

static size_t count_values(const char *values) {
    size_t count = values[0] != '\0';

    for (; *values != '\0'; values++) {
        count += *values == '|';
    }
    return count;
}

START_TEST(routes_are_found) {
    struct document *doc = load(document);
    struct match match;
    char values[100];

    ck_assert_str_eq(message, "");
    request_match(doc, str(requests[_i].method), str(requests[_i].path), &match);
    ck_assert_int_eq(match.route, requests[_i].route);
    if (match.route == ROUTE_FOUND) {
        ck_assert(str_is(match.operation->id, requests[_i].what));
        render_values(&match, count_values(requests[_i].values), values, sizeof(values));
        ck_assert_str_eq(values, requests[_i].values);
    } else if (match.route == ROUTE_NO_METHOD) {
        ck_assert(str_is(match.allow, requests[_i].what));
    }
    document_free(doc);
}
END_TEST

START_TEST(a_document_without_paths_has_no_route) {
    struct document *doc = load(HEAD "{}}");
    struct match match;

    ck_assert_str_eq(message, "");
    request_match(doc, str("GET"), str("/"), &match);
    ck_assert_int_eq(match.route, ROUTE_NO_PATH);
    document_free(doc);
}
END_TEST

enum { MANY = 1000 };

/* "/s0/t0" to "/s31/t31", each with a template below. */
static char *many_paths(void) {
    size_t bytes = MANY * 300;
    char *text = malloc(bytes);
    size_t len = (size_t)snprintf(text, bytes, HEAD "{");

    for (unsigned i = 0; i < MANY; i++) {
        len += (size_t)snprintf(text + len, bytes - len,
                                "%s\"/s%u/t%u/{id}\":{\"get\":{\"operationId\":\"op%u\","
                                "\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":"
                                "true,\"schema\":{}}]," OK "}}",
                                i > 0 ? "," : "", i % 32, i, i);
    }
    snprintf(text + len, bytes - len, "}}");
    return text;
}

START_TEST(each_of_many_paths_is_found) {
    char *text = many_paths();
    struct document *doc = load(text);
    struct match match;

    ck_assert_str_eq(message, "");
    for (unsigned i = 0; i < MANY; i++) {
        char path[40];
        char id[20];

        snprintf(path, sizeof(path), "/s%u/t%u/%u", i % 32, i, i);
        snprintf(id, sizeof(id), "op%u", i);
        request_match(doc, str("GET"), str(path), &match);
        ck_assert_int_eq(match.route, ROUTE_FOUND);
        ck_assert(str_is(match.operation->id, id));
        snprintf(path, sizeof(path), "/s%u/t%u/1", (i + 1) % 32, i);
        request_match(doc, str("GET"), str(path), &match);
        ck_assert_int_eq(match.route, ROUTE_NO_PATH);
    }
    document_free(doc);
    free(text);
}
END_TEST

/* A path of `segments` segments of `bytes` letters, of which `templates` are templates. */
static struct document *load_path(unsigned segments, unsigned bytes, unsigned templates) {
    static char text[256 * 1024];
    char path[64 * 1024];
    char params[8 * 1024];
    size_t at = 0;
    size_t len = 0;

    params[0] = '\0';
    for (unsigned i = 0; i < segments; i++) {
        if (i < templates) {
            at += (size_t)snprintf(path + at, sizeof(path) - at, "/{p%u}", i);
            len += (size_t)snprintf(params + len, sizeof(params) - len,
                                    "%s{\"name\":\"p%u\",\"in\":\"path\",\"required\":true,"
                                    "\"schema\":{}}",
                                    i > 0 ? "," : "", i);
            continue;
        }
        path[at++] = '/';
        memset(path + at, 'a', bytes);
        at += bytes;
        path[at] = '\0';
    }
    snprintf(text, sizeof(text), HEAD "{\"%s\":{\"get\":{\"parameters\":[%s]," OK "}}}}", path,
             params);
    return load(text);
}

START_TEST(limits_of_a_path) {
    struct document *doc;

    doc = load_path(DOCUMENT_PATH_SEGMENTS_MAX, 1, 0);
    ck_assert_str_eq(message, "");
    document_free(doc);
    ck_assert_ptr_null(load_path(DOCUMENT_PATH_SEGMENTS_MAX + 1, 1, 0));
    ck_assert_ptr_nonnull(strstr(message, ": a path must not have more than 64 segments"));

    doc = load_path(1, DOCUMENT_LITERAL_BYTES_MAX, 0);
    ck_assert_str_eq(message, "");
    document_free(doc);
    ck_assert_ptr_null(load_path(1, DOCUMENT_LITERAL_BYTES_MAX + 1, 0));
    ck_assert_ptr_nonnull(strstr(message, ": a segment is longer than 256 bytes"));

    doc = load_path(DOCUMENT_PATH_PARAMS_MAX, 1, DOCUMENT_PATH_PARAMS_MAX);
    ck_assert_str_eq(message, "");
    document_free(doc);
    ck_assert_ptr_null(load_path(DOCUMENT_PATH_PARAMS_MAX + 1, 1, DOCUMENT_PATH_PARAMS_MAX + 1));
    ck_assert_ptr_nonnull(strstr(message, ": a path must not have more than 8 templates"));
}
END_TEST

/* The longest literal, all of it encoded, and one byte more. */
START_TEST(a_long_segment) {
    struct document *doc = load_path(1, DOCUMENT_LITERAL_BYTES_MAX, 0);
    char path[4 * DOCUMENT_LITERAL_BYTES_MAX];
    struct match match;
    size_t len = 1;

    path[0] = '/';
    for (unsigned i = 0; i < DOCUMENT_LITERAL_BYTES_MAX; i++, len += 3) {
        memcpy(path + len, "%61", 3);
    }
    request_match(doc, str("GET"), (struct str){ path, len }, &match);
    ck_assert_int_eq(match.route, ROUTE_FOUND);
    path[len++] = 'a';
    request_match(doc, str("GET"), (struct str){ path, len }, &match);
    ck_assert_int_eq(match.route, ROUTE_NO_PATH);
    document_free(doc);
}
END_TEST

/* Base paths: how servers[0].url begins every path. */
static const struct {
    const char *servers;
    const char *path; /* that leads to "/x" */
} bases[] = {
    { "[]", "/x" },
    { "[{\"url\":\"/\"}]", "/x" },
    { "[{\"url\":\"https://host\"}]", "/x" },
    { "[{\"url\":\"https://host/\"}]", "/x" },
    { "[{\"url\":\"https://host:8080/v1/\"}]", "/v1/x" },
    { "[{\"url\":\"/v1/v2\"},{\"url\":\"http://other/v1/v2\"}]", "/v1/v2/x" },
    { "[{\"url\":\"{scheme}://h/{v}/a\",\"variables\":{\"scheme\":{\"default\":\"https\",\"enum\":["
      "\"http\",\"https\"]},\"v\":{\"default\":\"v7\"}}}]",
      "/v7/a/x" },
};

START_TEST(servers_give_a_base_path) {
    char text[1000];
    struct document *doc;
    struct match match;

    snprintf(text, sizeof(text), "{" INFO ",\"servers\":%s,\"paths\":{\"/x\":{\"get\":{" OK "}}}}",
             bases[_i].servers);
    doc = load(text);
    ck_assert_str_eq(message, "");
    request_match(doc, str("GET"), str(bases[_i].path), &match);
    ck_assert_int_eq(match.route, ROUTE_FOUND);
    document_free(doc);
}
END_TEST

START_TEST(limit_of_a_base_path) {
    for (unsigned more = 0; more < 2; more++) {
        char base[DOCUMENT_BASE_BYTES_MAX + 2] = "/";
        char text[1000];
        struct document *doc;

        memset(base + 1, 'b', DOCUMENT_BASE_BYTES_MAX - 1 + more);
        snprintf(text, sizeof(text), "{" INFO ",\"servers\":[{\"url\":\"%s\"}],\"paths\":{}}",
                 base);
        doc = load(text);
        ck_assert((doc != NULL) == (more == 0));
        document_free(doc);
    }
    ck_assert_str_eq(message, "doc.json: #/servers/0/url: the path is longer than 256 bytes");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_route");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, routes_are_found, 0, (int)UNIT_COUNT(requests));
    tcase_add_test(tcase, a_document_without_paths_has_no_route);
    tcase_add_test(tcase, each_of_many_paths_is_found);
    tcase_add_test(tcase, limits_of_a_path);
    tcase_add_test(tcase, a_long_segment);
    tcase_add_test(tcase, limit_of_a_base_path);
    tcase_add_loop_test(tcase, servers_give_a_base_path, 0, (int)UNIT_COUNT(bases));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
