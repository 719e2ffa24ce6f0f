/* Parameters: every style that has one meaning, types, limits. */
#include "openapi_fixture.h"
#include "unit.h"

#include <strings.h>
#include <time.h>

#define Q(name, schema) "{\"name\":\"" name "\",\"in\":\"query\",\"schema\":" schema "}"
#define QX(name, more, schema)                                                                     \
    "{\"name\":\"" name "\",\"in\":\"query\"," more ",\"schema\":" schema "}"
#define H(name, schema) "{\"name\":\"" name "\",\"in\":\"header\",\"schema\":" schema "}"
#define HX(name, more, schema)                                                                     \
    "{\"name\":\"" name "\",\"in\":\"header\"," more ",\"schema\":" schema "}"
#define C(name, more, schema)                                                                      \
    "{\"name\":\"" name "\",\"in\":\"cookie\"" more ",\"schema\":" schema "}"
#define P(more, schema)                                                                            \
    "{\"name\":\"p\",\"in\":\"path\",\"required\":true" more ",\"schema\":" schema "}"
#define INTEGERS "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"
#define STRINGS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define COLOR                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"R\":{\"type\":\"integer\"},\"G\":{\"type\":"           \
    "\"integer\",\"maximum\":255},\"name\":{\"type\":\"string\"}},\"required\":[\"R\"],"           \
    "\"additionalProperties\":false}"
#define JSON(name)                                                                                 \
    "{\"name\":\"" name "\",\"in\":\"query\",\"content\":{\"application/json\":{\"schema\":"       \
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}}}}"

/* A request and what is said to it. */
struct sample {
    const char *params;
    const char *query;
    const char *headers; /* "Name: value" lines, or NULL */
    const char *errors;
};

static const struct sample queries[] = {
    /* presence */
    { Q("q", "{}"), "", NULL, "" },
    { QX("q", "\"required\":true", "{}"), "", NULL, "query/q required: must be given" },
    { QX("q", "\"required\":true", "{}"), "x=1&q=", NULL, "" },
    { Q("q", "{}"), "q=1&q=2", NULL, "query/q maxItems: must be given only once" },
    { Q("q", "{\"type\":\"null\"}"), "Q=1", NULL, "" },
    { Q("q", "{\"type\":\"integer\"}"), "unknown=1&&=&=x&q=1&", NULL, "" },
    { Q("q", "{\"type\":\"integer\"}"), "q", NULL, "query/q type: must be integer" },
    { QX("q", "\"allowEmptyValue\":true", "{\"type\":\"integer\"}"), "q", NULL, "" },
    { QX("q", "\"allowEmptyValue\":true", "{\"type\":\"integer\"}"), "q=", NULL, "" },
    { QX("q", "\"allowEmptyValue\":true", INTEGERS), "q=", NULL, "" },
    { QX("q", "\"deprecated\":true,\"allowReserved\":true", "{\"const\":\"a/?:@b\"}"), "q=a/?:@b",
      NULL, "" },

    /* encoding */
    { Q("a b", "{\"const\":\"c d+e\"}"), "a+b=c+d%2Be", NULL, "" },
    { Q("q", "{\"const\":\"\xc3\xa9\"}"), "%71=%c3%A9", NULL, "" },
    { Q("q", "{}"), "q=%z1", NULL, "query/q encoding: must be correctly percent-encoded" },
    { Q("q", "{}"), "q=%ff", NULL, "query/q encoding: must be valid UTF-8" },
    { Q("q", "{\"maxLength\":1}"), "q=%F0%9F%98%80", NULL, "" },
    { Q("q", "{\"minLength\":3}"), "q=a%00", NULL,
      "query/q minLength: must have at least 3 characters" },
    { Q("q", "{}"), "%zz=1&%ff=2&q=3", NULL, "" },

    /* types */
    { Q("q", "{\"type\":\"integer\"}"), "q=-12", NULL, "" },
    { Q("q", "{\"type\":\"integer\"}"), "q=1.0", NULL, "query/q type: must be integer" },
    { Q("q", "{\"type\":\"integer\"}"), "q=1e2", NULL, "query/q type: must be integer" },
    { Q("q", "{\"type\":\"integer\"}"), "q=01", NULL, "query/q type: must be integer" },
    { Q("q", "{\"type\":\"integer\"}"), "q=+1", NULL, "query/q type: must be integer" },
    { Q("q", "{\"type\":\"integer\"}"), "q=%221%22", NULL, "query/q type: must be integer" },
    { Q("q", "{\"type\":\"integer\",\"maximum\":9007199254740993}"), "q=9007199254740994", NULL,
      "query/q maximum: must be <= 9007199254740993" },
    { Q("q", "{\"type\":\"number\",\"multipleOf\":0.01}"), "q=0.29", NULL, "" },
    { Q("q", "{\"type\":\"number\",\"multipleOf\":0.01}"), "q=0.291", NULL,
      "query/q multipleOf: must be a multiple of 0.01" },
    { Q("q", "{\"type\":\"number\"}"), "q=1e2", NULL, "" },
    { Q("q", "{\"type\":\"number\"}"), "q=.5", NULL, "query/q type: must be number" },
    { Q("q", "{\"type\":\"boolean\"}"), "q=true", NULL, "" },
    { Q("q", "{\"type\":\"boolean\"}"), "q=1", NULL, "query/q type: must be boolean" },
    { Q("q", "{\"type\":\"boolean\"}"), "q=True", NULL, "query/q type: must be boolean" },
    { Q("q", "{\"type\":[\"integer\",\"null\"]}"), "q=null", NULL, "" },
    { Q("q", "{\"type\":\"string\",\"maxLength\":3}"), "q=1234", NULL,
      "query/q maxLength: must have at most 3 characters" },
    { Q("q", "{\"type\":\"string\",\"const\":\"true\"}"), "q=true", NULL, "" },
    /* a text that may be both is what is valid */
    { Q("q", "{\"type\":[\"integer\",\"string\"],\"minimum\":5,\"minLength\":2}"), "q=7", NULL,
      "" },
    { Q("q", "{\"type\":[\"integer\",\"string\"],\"minimum\":5,\"minLength\":2}"), "q=12", NULL,
      "" },
    { Q("q", "{\"type\":[\"integer\",\"string\"],\"minimum\":5,\"minLength\":2}"), "q=3", NULL,
      "query/q minLength: must have at least 2 characters" },
    { Q("q", "{\"enum\":[1,\"2\",null]}"), "q=1", NULL, "" },
    { Q("q", "{\"enum\":[1,\"2\",null]}"), "q=2", NULL, "" },
    { Q("q", "{\"enum\":[1,\"2\",null]}"), "q=null", NULL, "" },
    { Q("q", "{\"const\":5}"), "q=5", NULL, "" },
    { Q("q", "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}]}"), "q=false", NULL, "" },
    { Q("q", "{\"allOf\":[{\"type\":[\"integer\",\"string\"]},{\"type\":\"number\"}]}"), "q=x",
      NULL, "query/q type: must be number" },
    { Q("q", "{\"$ref\":\"#/components/schemas/Id\"}"), "q=0", NULL,
      "query/q minimum: must be >= 1" },

    /* arrays */
    { Q("q", INTEGERS), "q=1", NULL, "" },
    { Q("q", INTEGERS), "q=1&x=&q=2&q=x", NULL, "query/q/2 type: must be integer" },
    { Q("q", INTEGERS), "q=1,2", NULL, "query/q/0 type: must be integer" },
    { Q("q", STRINGS), "q=1,2&q=", NULL, "" },
    { QX("q", "\"explode\":false", INTEGERS), "q=1,2,3", NULL, "" },
    { QX("q", "\"explode\":false", INTEGERS), "q=1,,3", NULL, "query/q/1 type: must be integer" },
    { QX("q", "\"explode\":false", INTEGERS), "q=1&q=2", NULL,
      "query/q maxItems: must be given only once" },
    { QX("q", "\"explode\":false", "{\"type\":\"array\",\"items\":{\"const\":\"a,b\"}}"),
      "q=a%2Cb,a%2cb", NULL, "" },
    { QX("q", "\"style\":\"spaceDelimited\"", INTEGERS), "q=1%202+3", NULL, "" },
    { QX("q", "\"style\":\"pipeDelimited\"", INTEGERS), "q=1|2%7C3%7cx", NULL,
      "query/q/3 type: must be integer" },
    { Q("q", "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],"
             "\"items\":{\"type\":\"boolean\"}}"),
      "q=1&q=1&q=true&q=1", NULL, "query/q/3 type: must be boolean" },
    { Q("q", "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"number\"}}"),
      "q=1&q=1.0", NULL, "query/q uniqueItems: must not have equal items (0 and 1 are equal)" },
    { Q("q", "{\"type\":\"array\",\"items\":{\"type\":[\"integer\",\"string\"]},\"contains\":"
             "{\"type\":\"integer\"}}"),
      "q=a&q=1", NULL, "" },

    /* objects */
    { Q("color", COLOR), "R=1&G=256", NULL, "query/G maximum: must be <= 255" },
    { Q("color", COLOR) "," Q("x", "{}"), "x=1&R=1", NULL, "" },
    { Q("color", COLOR), "", NULL, "" },
    { QX("color", "\"required\":true", COLOR), "", NULL, "query/color required: must be given" },
    { Q("color", COLOR), "G=1&B=2", NULL,
      "query/B additionalProperties: must NOT have additional property 'B'; query required: must "
      "have required property 'R'" },
    { Q("color", COLOR), "R=1&R=2", NULL, "query style: must give each property only once" },
    { QX("color", "\"explode\":false", COLOR), "color=R,1,name,2", NULL, "" },
    { QX("color", "\"explode\":false", COLOR), "color=R,x", NULL,
      "query/color/R type: must be integer" },
    { QX("color", "\"explode\":false", COLOR), "color=R,1,G", NULL,
      "query/color style: must be a list of names, each followed by its value" },
    { QX("color", "\"style\":\"deepObject\"", COLOR), "color[R]=1&color%5BG%5D=300", NULL,
      "query/color/G maximum: must be <= 255" },
    { QX("color", "\"style\":\"deepObject\"", COLOR), "color[R]=1&color[R]=1", NULL,
      "query/color style: must give each property only once" },
    { QX("color", "\"style\":\"deepObject\"", COLOR), "color[R][x]=1", NULL,
      "query/color style: must be written NAME[PROPERTY]=VALUE, one level deep" },
    { QX("color", "\"style\":\"deepObject\"", COLOR), "colors[R]=x&color=1&color[", NULL, "" },
    { QX("f", "\"style\":\"deepObject\"",
         "{\"type\":\"object\",\"properties\":{\"ids\":" INTEGERS "}}"),
      "f[ids]=1&f[ids]=x", NULL, "query/f/ids/1 type: must be integer" },
    { QX("f", "\"style\":\"deepObject\"",
         "{\"type\":\"object\",\"additionalProperties\":"
         "{\"type\":\"boolean\"}}"),
      "f[a]=true&f[b]=1", NULL, "query/f/b type: must be boolean" },
    { QX("f", "\"style\":\"pipeDelimited\"", COLOR), "f=R|1", NULL, "" },

    /* content */
    { JSON("q"), "q=%7B%22a%22:1%7D", NULL, "" },
    { JSON("q"), "q=%7B%22a%22:true%7D", NULL, "query/q/a type: must be integer" },
    { JSON("q"), "q=%7B", NULL,
      "query/q json: malformed JSON at line 1, column 2: unexpected end of text" },

    /* headers */
    { H("X-A", "{\"type\":\"integer\"}"), "", "x-a: 7\n", "" },
    { H("X-A", "{\"const\":\"%41+\"}"), "", "X-A: %41+\n", "" },
    { H("X-A", "{}"), "", "X-A: 1\nx-a: 2\n", "header/X-A maxItems: must be given only once" },
    { HX("X-A", "\"required\":true", "{}"), "", NULL, "header/X-A required: must be given" },
    { H("X-A", "{\"pattern\":\"\\\\S\"}"), "", "X-A:\n",
      "header/X-A pattern: must match the pattern \\S" },
    { H("X-A", INTEGERS), "", "X-A: 1 ,\t2\nX-A: 3,x\n", "header/X-A/3 type: must be integer" },
    { H("X-A", COLOR), "", "X-A: R,1, name,n\n", "" },
    { HX("X-A", "\"explode\":true", COLOR), "", "X-A: R=1, G=300\n",
      "header/X-A/G maximum: must be <= 255" },
    { HX("X-A", "\"explode\":true", COLOR), "", "X-A: R\n",
      "header/X-A style: must be a list of NAME=VALUE with commas between them" },
    { H("X-A", "{\"type\":\"string\"}"), "", "X-A: \xff\n",
      "header/X-A encoding: must be valid UTF-8" },

    /* cookies */
    { C("c", "", "{\"type\":\"integer\"}"), "c=x", "Cookie: a=b; c=7;d\n", "" },
    { C("c", "", "{\"type\":\"integer\"}"), "", "Cookie: c=1; c=2\n",
      "cookie/c maxItems: must be given only once" },
    { C("c", ",\"required\":true", "{}"), "", NULL, "cookie/c required: must be given" },
    { C("c", ",\"required\":true", "{\"const\":\"a b+\"}"), "", "Cookie: c=a%20b+\n", "" },
    { C("c", ",\"explode\":false", INTEGERS), "", "Cookie: c=1,x\n",
      "cookie/c/1 type: must be integer" },
    { C("c", "", "{}"), "", "Cookie: c=1\nCookie: d=1\n",
      "header/Cookie maxItems: must be given only once" },

    /* all that is wrong, in the order of the document */
    { Q("b", "{\"type\":\"integer\"}") "," H("A", "{\"type\":\"integer\"}"), "b=x", "a: x\n",
      "query/b type: must be integer; header/A type: must be integer" },
    { "{\"name\":\"X-Id\",\"in\":\"header\",\"required\":true,\"x-prodorder-unchecked\":true,"
      "\"schema\":{\"type\":\"integer\"}}",
      "", "X-Id: x\n", "" },
};

static struct str find_header(void *user, struct str name, unsigned *ret_count) {
    static char joined[4096];
    const char *line = user;
    size_t len = 0;

    *ret_count = 0;
    while (line != NULL && *line != '\0') {
        const char *end = strchr(line, '\n');
        const char *value = line + name.len + 1;

        if (strncasecmp(line, name.data, name.len) == 0 && line[name.len] == ':') {
            value += *value == ' ';
            len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s%.*s",
                                    (*ret_count)++ > 0 ? "," : "", (int)(end - value), value);
        }
        line = end + 1;
    }
    return (struct str){ joined, len };
}

/* A document with one operation, GET `path`, that has these parameters. */
static struct document *load_params(const char *path, const char *params) {
    static char text[128 * 1024];

    snprintf(text, sizeof(text),
             HEAD "{\"%s\":{\"get\":{\"parameters\":[%s]," OK "}}},"
                  "\"components\":{\"schemas\":{\"Id\":{\"allOf\":[{\"type\":\"integer\"},"
                  "{\"minimum\":1}]}}}}",
             path, params);
    return load(text);
}

static void check(const char *template, const char *params, const char *path, const char *query,
                  const char *headers, const char *wanted) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc = load_params(template, params);
    struct report report;
    struct match match;
    char errors[4096];

    ck_assert_str_eq(message, "");
    report_init(&report, arena, 32);
    request_match(doc, str("GET"), str(path), &match);
    ck_assert_int_eq(match.route, ROUTE_FOUND);
    ck_assert(request_params(&match, str(query), find_header, (void *)headers, &report) ==
              (wanted[0] == '\0'));
    render(&report, errors, sizeof(errors));
    ck_assert_str_eq(errors, wanted);
    ck_assert(!report.out_of_memory);
    document_free(doc);
    arena_close(arena);
}

START_TEST(parameters_are_judged) {
    check("/a", queries[_i].params, "/a", queries[_i].query, queries[_i].headers,
          queries[_i].errors);
}
END_TEST

static const struct {
    const char *param;
    const char *value;
    const char *errors;
} paths[] = {
    { P("", "{\"type\":\"integer\"}"), "7", "" },
    { P("", "{\"type\":\"integer\"}"), "%37", "" },
    { P("", "{\"type\":\"integer\"}"), "x", "path/p type: must be integer" },
    { P("", "{\"type\":\"string\",\"const\":\"a/b+c d\"}"), "a%2Fb+c%20d", "" },
    { P("", "{}"), "%", "path/p encoding: must be correctly percent-encoded" },
    { P("", "{}"), "%C3", "path/p encoding: must be valid UTF-8" },
    { P("", INTEGERS), "1,2,x", "path/p/2 type: must be integer" },
    { P(",\"explode\":true", INTEGERS), "1,2", "" },
    { P("", COLOR), "R,1,G,2", "" },
    { P(",\"style\":\"simple\",\"explode\":true", COLOR), "R=1,G=2,B=3",
      "path/p/B additionalProperties: must NOT have additional property 'B'" },
    { P("", COLOR), "R,1,R,1", "path/p style: must give each property only once" },
};

START_TEST(path_parameters_are_judged) {
    char path[200];

    snprintf(path, sizeof(path), "/a/%s", paths[_i].value);
    check("/a/{p}", paths[_i].param, path, "", NULL, paths[_i].errors);
}
END_TEST

/* ---- limits ---- */

/* "a=1&a=1...", `count` times. */
static char *repeat(const char *what, const char *separator, unsigned count) {
    size_t bytes = count * (strlen(what) + strlen(separator)) + 1;
    char *text = malloc(bytes);
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, bytes - len, "%s%s", i > 0 ? separator : "", what);
    }
    return text;
}

START_TEST(limit_of_a_query) {
    char *most = repeat("b=1", "&", REQUEST_QUERY_PAIRS_MAX);
    char *more = repeat("b=1", "&", REQUEST_QUERY_PAIRS_MAX + 1);

    check("/a", Q("q", "{}"), "/a", most, NULL, "");
    check("/a", Q("q", "{}"), "/a", more, NULL,
          "query maxItems: must have at most 1000 parameters");
    free(most);
    free(more);
}
END_TEST

START_TEST(limit_of_an_array) {
    char *most = repeat("1", ",", REQUEST_PARAM_ITEMS_MAX);
    char *more = repeat("1", ",", REQUEST_PARAM_ITEMS_MAX + 1);
    char query[4 * REQUEST_PARAM_ITEMS_MAX];

    snprintf(query, sizeof(query), "q=%s", most);
    check("/a", QX("q", "\"explode\":false", INTEGERS), "/a", query, NULL, "");
    snprintf(query, sizeof(query), "q=%s", more);
    check("/a", QX("q", "\"explode\":false", INTEGERS), "/a", query, NULL,
          "query/q maxItems: must have at most 1000 items");
    free(most);
    free(more);
}
END_TEST

/* Objects with many members are looked up by a sorted table. */
START_TEST(an_object_of_many) {
    char query[2000];
    size_t len = 0;

    for (unsigned i = 0; i < 100; i++) {
        len += (size_t)snprintf(query + len, sizeof(query) - len, "q[n%u]=%u&", i, i);
    }
    snprintf(query + len, sizeof(query) - len, "q[z]=x");
    check("/a",
          QX("q", "\"style\":\"deepObject\"",
             "{\"type\":\"object\",\"required\":[\"n50\",\"no\"],\"properties\":{\"z\":{\"type\":"
             "\"integer\"}}}"),
          "/a", query, NULL,
          "query/q/z type: must be integer; query/q required: must have required property 'no'");
}
END_TEST

/* `count` pieces by `format`, each with its number, with commas between them. */
static void number(char *out, size_t bytes, unsigned count, const char *before, const char *after) {
    size_t len = 0;

    for (unsigned i = 0; i < count; i++) {
        len += (size_t)snprintf(out + len, bytes - len, "%s%s%u%s", i > 0 ? "," : "", before, i,
                                after);
    }
}

START_TEST(limit_of_parameters) {
    static char params[64 * 1024];
    const char *before = "{\"name\":\"q";
    const char *after = "\",\"in\":\"query\",\"schema\":{}}";

    number(params, sizeof(params), DOCUMENT_PARAMS_MAX, before, after);
    check("/a", params, "/a", "", NULL, "");
    number(params, sizeof(params), DOCUMENT_PARAMS_MAX + 1, before, after);
    ck_assert_ptr_null(load_params("/a", params));
    ck_assert_str_eq(message, "doc.json: #/paths/~1a/get/parameters: there must be at most 32 "
                              "parameters");
}
END_TEST

/* Parameters of the path item count, too. */
START_TEST(limit_of_inherited_parameters) {
    static char params[32 * 1024];
    static char text[64 * 1024];

    number(params, sizeof(params), DOCUMENT_PARAMS_MAX, "{\"name\":\"q",
           "\",\"in\":\"query\",\"schema\":{}}");
    snprintf(text, sizeof(text),
             HEAD "{\"/a\":{\"parameters\":[" Q("more", "{}") "],\"get\":{\"parameters\":[%s]," OK
                                                              "}}}}",
             params);
    ck_assert_ptr_null(load(text));
    ck_assert_str_eq(message, "doc.json: #/paths/~1a/get: there must be at most 32 parameters");
}
END_TEST

START_TEST(limit_of_properties) {
    static char list[32 * 1024];
    static char param[64 * 1024];

    for (unsigned more = 0; more < 2; more++) {
        struct document *doc;

        number(list, sizeof(list), DOCUMENT_PARAM_PROPERTIES_MAX + more, "\"p", "\":{}");
        snprintf(param, sizeof(param), Q("q", "{\"type\":\"object\",\"properties\":{%s}}"), list);
        doc = load_params("/a", param);
        ck_assert((doc != NULL) == (more == 0));
        document_free(doc);
    }
    ck_assert_str_eq(message, "doc.json: #/paths/~1a/get/parameters/0/schema: a parameter must not "
                              "have more than 64 properties");
}
END_TEST

/* The operation's own parameter stands for the path item's of the same name and place. */
START_TEST(an_operation_overrides_its_path_item) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc =
        load(HEAD "{\"/a\":{\"parameters\":[" Q("q", "{\"type\":\"integer\"}") "," H(
            "X-A", "{\"type\":\"integer\"}") "],"
                                             "\"get\":{\"parameters\":[" H(
                                                 "x-a", "{\"type\":\"boolean\"}") "]," OK "}}}}");
    struct report report;
    struct match match;
    char errors[1000];

    ck_assert_str_eq(message, "");
    report_init(&report, arena, 32);
    request_match(doc, str("GET"), str("/a"), &match);
    ck_assert(!request_params(&match, str("q=x"), find_header, (void *)"X-A: 1\n", &report));
    render(&report, errors, sizeof(errors));
    ck_assert_str_eq(errors, "header/x-a type: must be boolean; query/q type: must be integer");
    document_free(doc);
    arena_close(arena);
}
END_TEST

START_TEST(errors_end_at_the_limit) {
    struct arena *arena = arena_open(1 << 20);
    struct document *doc = load_params("/a", Q("q", INTEGERS));
    struct report report;
    struct match match;

    report_init(&report, arena, 2);
    request_match(doc, str("GET"), str("/a"), &match);
    ck_assert(!request_params(&match, str("q=a&q=b&q=c"), find_header, NULL, &report));
    ck_assert_uint_eq(report.count, 2);
    document_free(doc);
    arena_close(arena);
}
END_TEST

/* Whatever the number of parameters: the work of their patterns is limited together. */
START_TEST(limit_of_the_work) {
    static char params[8192];
    static char query[8192];
    size_t params_len = 0;
    size_t query_len = 0;
    struct arena *arena = arena_open(1 << 20);
    struct report report;
    struct match match;
    struct document *doc;
    clock_t before;

    for (unsigned i = 0; i < DOCUMENT_PARAMS_MAX; i++) {
        params_len += (size_t)snprintf(
            params + params_len, sizeof(params) - params_len,
            "%s{\"name\":\"q%u\",\"in\":\"query\",\"schema\":{\"type\":[\"integer\","
            "\"string\"],\"pattern\":\"^(a+)+$\"}}",
            i > 0 ? "," : "", i);
        query_len += (size_t)snprintf(query + query_len, sizeof(query) - query_len,
                                      "%sq%u=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                                      i > 0 ? "&" : "", i);
    }
    doc = load_params("/a", params);
    before = clock();
    report_init(&report, arena, DOCUMENT_PARAMS_MAX);
    request_match(doc, str("GET"), str("/a"), &match);
    ck_assert(!request_params(&match, str(query), find_header, NULL, &report));
    ck_assert_uint_eq(report.count, DOCUMENT_PARAMS_MAX);
    ck_assert_str_eq(report.last->path.data, "query/q31");
    ck_assert_str_eq(report.last->message.data,
                     "takes too long to compare with the pattern ^(a+)+$");
    ck_assert_int_lt((clock() - before) / (CLOCKS_PER_SEC / 10), 8); /* 0.06 s here */
    arena_close(arena);
    document_free(doc);
}
END_TEST

/* Too little memory is no verdict. */
START_TEST(no_memory_is_said) {
    struct document *doc = load_params("/a", Q("q", STRINGS));
    unsigned counts[2] = { 0, 0 };

    for (size_t bytes = 0; bytes < 4096; bytes += 8) {
        struct arena *arena = arena_open(bytes);
        struct report report;
        struct match match;

        report_init(&report, arena, 2);
        request_match(doc, str("GET"), str("/a"), &match);
        ck_assert(request_params(&match, str("q=a&q=%61"), find_header, NULL, &report) ==
                  !report.out_of_memory);
        counts[report.out_of_memory]++;
        arena_close(arena);
    }
    ck_assert_uint_gt(counts[0], 0);
    ck_assert_uint_gt(counts[1], 10);
    document_free(doc);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_params");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, parameters_are_judged, 0, (int)UNIT_COUNT(queries));
    tcase_add_loop_test(tcase, path_parameters_are_judged, 0, (int)UNIT_COUNT(paths));
    tcase_add_test(tcase, limit_of_a_query);
    tcase_add_test(tcase, limit_of_an_array);
    tcase_add_test(tcase, an_object_of_many);
    tcase_add_test(tcase, limit_of_parameters);
    tcase_add_test(tcase, limit_of_inherited_parameters);
    tcase_add_test(tcase, limit_of_properties);
    tcase_add_test(tcase, an_operation_overrides_its_path_item);
    tcase_add_test(tcase, errors_end_at_the_limit);
    tcase_add_test(tcase, limit_of_the_work);
    tcase_add_test(tcase, no_memory_is_said);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
