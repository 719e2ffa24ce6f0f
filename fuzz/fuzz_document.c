/*
 * Fuzz target: OpenAPI documents and requests to them. The input is a document and, each behind a
 * byte 0x1e, requests: a line "METHOD TARGET", header lines, an empty line, the body.
 *
 * A document loads, or each of its mistakes is one line, never more than the limit; with other
 * white space and escapes it is the same document. A request's report is well-formed and leads into
 * the body, a shorter report has the same verdict, and so has the body in another spelling.
 */
#include "openapi/request/request.h"
#include "openapi_checks.h"

#include <strings.h>

enum { SEPARATOR = 0x1e, HEADERS_MAX = 8, INPUT_BYTES_MAX = 64 * 1024 };

struct problems {
    unsigned count;
};

struct request {
    struct piece method;
    struct piece path;
    struct piece query;
    struct piece headers[HEADERS_MAX];
    size_t header_count;
    struct piece body;
};

static struct str to_str(struct piece piece) {
    return (struct str){ piece.data, piece.len };
}

static void note_problem(void *user, const char *line) {
    struct problems *problems = user;

    problems->count++;
    REQUIRE(problems->count <= LOADER_PROBLEMS_MAX + 1);
    REQUIRE(strncmp(line, "fuzz", 4) == 0 && strchr(line, '\n') == NULL);
    REQUIRE(strlen(line) < LOADER_PROBLEM_BYTES_MAX);
    REQUIRE(fuzz_is_utf8((struct piece){ line, strlen(line) }));
    if (getenv("FUZZ_VERBOSE") != NULL) {
        fprintf(stderr, "%s\n", line);
    }
}

static struct document *load(struct piece text, struct problems *problems) {
    struct document *doc = document_parse("fuzz", text.data, text.len, note_problem, problems);

    REQUIRE((doc == NULL) == (problems->count > 0));
    return doc;
}

static struct request read_request(struct piece text) {
    struct request request = { .header_count = 0 };
    struct piece line = fuzz_take(&text, '\n');

    request.method = fuzz_take(&line, ' ');
    request.path = fuzz_take(&line, '?');
    request.query = line;
    while (text.len > 0 && *text.data != '\n' && request.header_count < HEADERS_MAX) {
        request.headers[request.header_count++] = fuzz_take(&text, '\n');
    }
    fuzz_take(&text, '\n');
    request.body = text;
    return request;
}

static struct str find_header(void *user, struct str name, unsigned *ret_count) {
    const struct request *request = user;
    struct str found = { "", 0 };

    *ret_count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct piece value = request->headers[i];
        struct piece header_name = fuzz_take(&value, ':');

        if (header_name.len == name.len &&
            strncasecmp(header_name.data, name.data, name.len) == 0) {
            found = to_str(value);
            ++*ret_count;
        }
    }
    return found;
}

struct verdict {
    struct arena *arena;
    struct report report;
    bool good;
};

static void verdict_init(struct verdict *verdict, unsigned errors_max) {
    verdict->arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    REQUIRE(verdict->arena != NULL);
    report_init(&verdict->report, verdict->arena, errors_max);
}

/* What a report says and what was returned agree; then free it. */
static void verdict_done(struct verdict *verdict) {
    REQUIRE(verdict->good == (verdict->report.count == 0 && !verdict->report.out_of_memory));
    arena_close(verdict->arena);
}

static void check_params(const struct match *match, struct request *request) {
    struct verdict all;
    struct verdict one;

    verdict_init(&all, REPORT_ERRORS_MAX_DEFAULT);
    verdict_init(&one, 1);
    all.good = request_params(match, to_str(request->query), find_header, request, &all.report);
    one.good = request_params(match, to_str(request->query), find_header, request, &one.report);
    fuzz_check_report(&all.report, NULL);
    fuzz_check_report(&one.report, NULL);
    REQUIRE(all.good == one.good);
    verdict_done(&all);
    verdict_done(&one);
}

/* Content-Type, or JSON's when there is none. */
static struct str media_of(struct request *request) {
    unsigned count;
    struct str media = find_header(request, (struct str){ "Content-Type", 12 }, &count);

    return count > 0 ? media : (struct str){ "application/json", 16 };
}

static void check_respelled(const struct operation *operation, struct str media,
                            const struct value *value, const struct report *expected) {
    struct verdict respelled;
    size_t len;
    char *text = fuzz_respell(value, &len);

    verdict_init(&respelled, REPORT_ERRORS_MAX_DEFAULT);
    respelled.good = request_body(operation, media, text, len, NULL, &respelled.report);
    fuzz_check_same_reports(expected, &respelled.report);
    verdict_done(&respelled);
    free(text);
}

static void check_body(const struct operation *operation, struct str media, struct piece body) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    char *text = fuzz_copy(body);
    struct verdict all;
    struct verdict one;
    struct json_scan_error error;
    const struct value *value;

    REQUIRE(arena != NULL);
    value = value_parse(arena, text, body.len, REQUEST_BODY_DEPTH_MAX, &error);
    verdict_init(&all, REPORT_ERRORS_MAX_DEFAULT);
    verdict_init(&one, 1);
    all.good = request_body(operation, media, text, body.len, NULL, &all.report);
    one.good = request_body(operation, media, text, body.len, NULL, &one.report);
    REQUIRE(all.good == one.good);
    if (value != NULL) {
        fuzz_check_report(&all.report, value);
        fuzz_check_report(&one.report, value);
        check_respelled(operation, media, value, &all.report);
    } else if (!all.good) {
        REQUIRE(all.report.count == 1 && str_is(all.report.first->keyword, "json"));
    }
    verdict_done(&all);
    verdict_done(&one);
    free(text);
    arena_close(arena);
}

static void check_request(const struct document *doc, struct piece text) {
    struct request request = read_request(text);
    struct match match;

    request_match(doc, to_str(request.method), to_str(request.path), &match);
    REQUIRE((match.route == ROUTE_FOUND) == (match.operation != NULL));
    if (match.operation == NULL) {
        return;
    }
    check_params(&match, &request);
    if (request_takes_media(match.operation, media_of(&request))) {
        check_body(match.operation, media_of(&request), request.body);
    }
}

/* The same document with other white space has as many mistakes. */
static void check_respelled_document(struct piece text, unsigned problems) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    struct problems again = { 0 };
    struct json_scan_error error;
    const struct value *value;

    REQUIRE(arena != NULL);
    value = value_parse(arena, text.data, text.len, JSON_SCAN_DEPTH_MAX, &error);
    if (value != NULL) {
        struct piece respelled;

        respelled.data = fuzz_respell(value, &respelled.len);
        document_free(load(respelled, &again));
        REQUIRE(again.count == problems);
        free((char *)respelled.data);
    }
    arena_close(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece rest = { (const char *)data, size };
    struct piece text = fuzz_take(&rest, SEPARATOR);
    struct problems problems = { 0 };
    struct document *doc;

    if (size > INPUT_BYTES_MAX) {
        return -1;
    }
    text.data = fuzz_copy(text);
    doc = load(text, &problems);
    check_respelled_document(text, problems.count);
    while (doc != NULL && rest.len > 0) {
        check_request(doc, fuzz_take(&rest, SEPARATOR));
    }
    document_free(doc);
    free((char *)text.data);
    return 0;
}
