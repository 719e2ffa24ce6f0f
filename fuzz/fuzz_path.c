/*
 * Fuzz target: routing. The input is path templates, one a line, an empty line, then request paths,
 * one a line.
 *
 * The templates become an OpenAPI document; for each request path the route is compared with what a
 * simple model says: split at '/', decode each segment, compare with each template, and take the
 * one that is literal where the other is a template, from the left. "." and ".." are no segments.
 */
#include "base/percent.h"
#include "openapi/request/request.h"
#include "openapi_checks.h"

enum { TEMPLATES_MAX = 12, SEGMENTS_MAX = 16, SEGMENT_BYTES_MAX = 200, INPUT_BYTES_MAX = 2000 };

struct model {
    struct piece templates[TEMPLATES_MAX];
    size_t count;
};

static bool is_template(struct piece segment) {
    return segment.len > 0 && segment.data[0] == '{';
}

static bool is_unreserved(int c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("-._~", c) != NULL);
}

/*
 * Whether a segment of a request says what the literal says. *ret_unclear: it depends on whether a
 * reserved character may be percent-encoded (RFC 3986, 2.2), which the model leaves open.
 */
static bool says(struct piece segment, struct piece literal, bool *ret_unclear) {
    size_t at = 0;

    for (size_t i = 0; i < segment.len; at++) {
        bool encoded = segment.data[i] == '%';
        int c = percent_next((struct str){ segment.data, segment.len }, &i);

        if (c < 0) {
            return false;
        }
        *ret_unclear = *ret_unclear || (encoded && !is_unreserved(c));
        if (at == literal.len || (unsigned char)literal.data[at] != c) {
            return false;
        }
    }
    return at == literal.len;
}

/* Fills `kinds` with 'a' for each literal segment and 'b' for each template; false: no match. */
static bool model_matches(struct piece path, struct piece template, char *kinds,
                          bool *ret_unclear) {
    size_t n = 0;

    if (path.len == 0 || path.data[0] != '/') {
        return false;
    }
    fuzz_take(&path, '/');
    fuzz_take(&template, '/');
    for (;; n++) {
        bool more = memchr(path.data, '/', path.len) != NULL;
        bool more_expected = memchr(template.data, '/', template.len) != NULL;
        struct piece segment = fuzz_take(&path, '/');
        struct piece expected = fuzz_take(&template, '/');

        REQUIRE(n < SEGMENTS_MAX);
        kinds[n] = is_template(expected) ? 'b' : 'a';
        kinds[n + 1] = '\0';
        if (is_template(expected) ? segment.len == 0 : !says(segment, expected, ret_unclear)) {
            return false;
        }
        if (!more || !more_expected) {
            return more == more_expected;
        }
    }
}

static bool has_dots(struct piece path) {
    bool unclear = false;

    while (path.len > 0) {
        struct piece segment = fuzz_take(&path, '/');

        if (says(segment, (struct piece){ ".", 1 }, &unclear) ||
            says(segment, (struct piece){ "..", 2 }, &unclear)) {
            return true;
        }
    }
    return false;
}

/* The number of the template that must answer, or -1; -2: the model does not know. */
static int model_route(const struct model *model, struct piece path) {
    char best_kinds[SEGMENTS_MAX + 2] = "c";
    int best = -1;
    bool unclear = false;

    if (has_dots(path)) {
        return -1;
    }
    for (size_t i = 0; i < model->count; i++) {
        char kinds[SEGMENTS_MAX + 2] = "";

        if (model_matches(path, model->templates[i], kinds, &unclear) &&
            strcmp(kinds, best_kinds) < 0) {
            memcpy(best_kinds, kinds, sizeof(kinds));
            best = (int)i;
        }
    }
    return unclear ? -2 : best;
}

/* Each template's value is the segment in its place, as received. */
static void check_values(const struct match *match, struct piece path, struct piece template) {
    size_t n = 0;

    fuzz_take(&path, '/');
    fuzz_take(&template, '/');
    while (template.len > 0) {
        struct piece value = fuzz_take(&path, '/');

        if (is_template(fuzz_take(&template, '/'))) {
            REQUIRE(match->values[n].len == value.len);
            REQUIRE(memcmp(match->values[n].data, value.data, value.len) == 0);
            n++;
        }
    }
}

static void check_request(const struct document *doc, const struct model *model,
                          struct piece path) {
    char *copy = fuzz_copy(path);
    struct str target = { copy, path.len };
    int expected = model_route(model, path);
    struct match get;
    struct match head;
    struct match post;
    char id[16];

    request_match(doc, (struct str){ "GET", 3 }, target, &get);
    request_match(doc, (struct str){ "HEAD", 4 }, target, &head);
    request_match(doc, (struct str){ "POST", 4 }, target, &post);
    REQUIRE(get.route == head.route && get.operation == head.operation);
    REQUIRE((get.route == ROUTE_NO_PATH) == (post.route == ROUTE_NO_PATH));
    REQUIRE((get.route == ROUTE_FOUND) == (post.route == ROUTE_NO_METHOD));
    if (get.route == ROUTE_FOUND) {
        REQUIRE(str_is(get.allow, "GET, HEAD") && str_is(post.allow, "GET, HEAD"));
    }
    if (expected >= 0) {
        int len = snprintf(id, sizeof(id), "op%d", expected);

        REQUIRE(get.route == ROUTE_FOUND);
        REQUIRE(get.operation->id.len == (size_t)len);
        REQUIRE(memcmp(get.operation->id.data, id, (size_t)len) == 0);
        check_values(&get, (struct piece){ copy, path.len }, model->templates[expected]);
    } else if (expected == -1) {
        REQUIRE(get.route == ROUTE_NO_PATH);
    }
    free(copy);
}

/* Segments are literals of plain characters, or one {name}; else the model says nothing. */
static bool is_plain(struct piece template) {
    struct piece rest = template;
    size_t segments = 0;

    if (template.len == 0 || template.data[0] != '/') {
        return false;
    }
    fuzz_take(&rest, '/');
    do {
        struct piece segment = fuzz_take(&rest, '/');

        if (++segments > SEGMENTS_MAX || segment.len > SEGMENT_BYTES_MAX) {
            return false;
        }
        for (size_t i = 0; i < segment.len; i++) {
            bool brace =
                is_template(segment) && segment.len > 2 &&
                (i == 0 ? segment.data[i] == '{' : i == segment.len - 1 && segment.data[i] == '}');

            if (!brace && !is_unreserved((unsigned char)segment.data[i])) {
                return false;
            }
        }
        if (is_template(segment) && segment.data[segment.len - 1] != '}') {
            return false;
        }
    } while (rest.len > 0);
    return true;
}

static void write_operation(FILE *out, struct piece template, size_t number) {
    const char *separator = "";

    fprintf(out, "%s\"%.*s\":{\"get\":{\"operationId\":\"op%zu\",\"parameters\":[",
            number > 0 ? "," : "", (int)template.len, template.data, number);
    fuzz_take(&template, '/');
    while (template.len > 0) {
        struct piece segment = fuzz_take(&template, '/');

        if (is_template(segment)) {
            fprintf(out, "%s{\"in\":\"path\",\"required\":true,\"schema\":{},\"name\":\"%.*s\"}",
                    separator, (int)segment.len - 2, segment.data + 1);
            separator = ",";
        }
    }
    fputs("],\"responses\":{\"200\":{\"description\":\"\"}}}}", out);
}

static char *write_document(const struct model *model, size_t *ret_len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    REQUIRE(out != NULL);
    fputs("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{", out);
    for (size_t i = 0; i < model->count; i++) {
        write_operation(out, model->templates[i], i);
    }
    fputs("}}", out);
    REQUIRE(fclose(out) == 0);
    return text;
}

/* The templates are plain: the document can only be wrong by what they are to each other. */
static void check_problem(void *user, const char *line) {
    static const char *const reasons[] = { "same requests",    "stands twice",
                                           "empty segments",   "no segments of a path",
                                           "duplicate member", "more than" };
    bool expected = false;

    (void)user;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        expected = expected || strstr(line, reasons[i]) != NULL;
    }
    if (!expected) {
        fprintf(stderr, "%s\n", line);
    }
    REQUIRE(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece rest = { (const char *)data, size };
    struct model model = { .count = 0 };
    struct document *doc;
    size_t len;
    char *text;

    if (size > INPUT_BYTES_MAX) {
        return -1;
    }
    while (rest.len > 0 && *rest.data != '\n') {
        if (model.count == TEMPLATES_MAX) {
            return -1;
        }
        model.templates[model.count] = fuzz_take(&rest, '\n');
        if (!is_plain(model.templates[model.count++])) {
            return -1;
        }
    }
    fuzz_take(&rest, '\n');
    text = write_document(&model, &len);
    doc = document_parse("fuzz", text, len, check_problem, NULL);
    while (doc != NULL && rest.len > 0) {
        check_request(doc, &model, fuzz_take(&rest, '\n'));
    }
    document_free(doc);
    free(text);
    return doc != NULL ? 0 : -1;
}
