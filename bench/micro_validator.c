/*
 * What the gateway's validator costs by itself: nanoseconds for one body, with and without parsing.
 *
 * Usage: micro_validator SCHEMA BODY [MILLISECONDS]      (called by bench/validator.sh)
 *
 * SCHEMA is a JSON Schema or, when its name ends in "openapi.json", an OpenAPI document whose
 * POST /orders is used. Prints "TEXT_NS VALUE_NS VALID": text to verdict, parsed value to verdict.
 */
#include "openapi/request/request.h"
#include "openapi/schema/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BODY_BYTES_MAX = 16 * 1024 * 1024,
    ARENA_BYTES_MAX = 512 * 1024 * 1024,
    MILLISECONDS_DEFAULT = 300,
    WARM_UP_ROUNDS = 100
};

struct subject {
    struct schema_file *schema;
    struct document *document;
    const struct operation *operation;
    char *body;
    size_t len;
    const struct value *value;
};

static void print_problem(void *user, const char *line) {
    (void)user;
    fprintf(stderr, "%s\n", line);
}

static void *require(const void *pointer, const char *what) {
    if (pointer == NULL) {
        fprintf(stderr, "micro_validator: %s\n", what);
        exit(EXIT_FAILURE);
    }
    return (void *)pointer;
}

static void load_body(struct subject *subject, const char *name) {
    FILE *file = require(fopen(name, "rb"), "cannot open the body");

    subject->body = require(malloc(BODY_BYTES_MAX), "no memory");
    subject->len = fread(subject->body, 1, BODY_BYTES_MAX, file);
    fclose(file);
}

static void load_schema(struct subject *subject, const char *name) {
    static const struct schema_options options = { .asserts_formats = true };
    static const char suffix[] = "openapi.json";
    size_t len = strlen(name);
    struct match match;

    if (len < sizeof(suffix) - 1 || strcmp(name + len - (sizeof(suffix) - 1), suffix) != 0) {
        subject->schema = require(schema_file_load(name, &options, print_problem, NULL),
                                  "the schema has mistakes");
        return;
    }
    subject->document =
        require(document_load(name, print_problem, NULL), "the document has mistakes");
    request_match(subject->document, STR("POST"), STR("/orders"), &match);
    subject->operation = require(match.operation, "the document has no POST /orders");
}

static bool judge_text(const struct subject *subject, struct report *report) {
    static const struct str media = { "application/json", 16 };

    return subject->operation != NULL
               ? request_body(subject->operation, media, subject->body, subject->len, NULL, report)
               : schema_run_text(schema_file_root(subject->schema), subject->body, subject->len,
                                 NULL, report);
}

static bool judge_value(const struct subject *subject, struct report *report) {
    return schema_run(schema_file_root(subject->schema), subject->value, &report_root, NULL,
                      report);
}

static double now_ns(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* A report is one request's: the work that it allows is used up by many. */
static bool judge_one(const struct subject *subject, struct arena *arena,
                      bool (*judge)(const struct subject *subject, struct report *report)) {
    struct report report;

    report_init(&report, arena, REPORT_ERRORS_MAX_DEFAULT);
    return judge(subject, &report);
}

/* The mean of as many calls as fit into the time, in rounds that double. */
static double measure(const struct subject *subject, double time_ns, bool *ret_valid,
                      bool (*judge)(const struct subject *subject, struct report *report)) {
    struct arena *arena = require(arena_open(ARENA_BYTES_MAX), "no memory");
    double begin;
    double spent = 0;
    unsigned long calls = 0;

    *ret_valid = true;
    for (int i = 0; i < WARM_UP_ROUNDS; i++) {
        *ret_valid &= judge_one(subject, arena, judge);
    }
    begin = now_ns();
    for (unsigned long round = 1; spent < time_ns; round *= 2) {
        for (unsigned long i = 0; i < round; i++) {
            *ret_valid &= judge_one(subject, arena, judge);
        }
        calls += round;
        spent = now_ns() - begin;
    }
    arena_close(arena);
    return spent / (double)calls;
}

int main(int argc, char **argv) {
    struct subject subject = { .len = 0 };
    struct arena *arena = arena_open(ARENA_BYTES_MAX);
    struct json_scan_error error;
    double time_ns = 1e6 * (argc > 3 ? strtod(argv[3], NULL) : MILLISECONDS_DEFAULT);
    double value_ns = 0;
    double text_ns;
    bool valid;
    bool value_valid = true;

    if (argc < 3 || arena == NULL) {
        fprintf(stderr, "usage: micro_validator SCHEMA BODY [MILLISECONDS]\n");
        return EXIT_FAILURE;
    }
    load_schema(&subject, argv[1]);
    load_body(&subject, argv[2]);
    subject.value = value_parse(arena, subject.body, subject.len, REQUEST_BODY_DEPTH_MAX, &error);
    require(subject.value, "the body is not JSON");
    text_ns = measure(&subject, time_ns, &valid, judge_text);
    if (subject.schema != NULL) {
        value_ns = measure(&subject, time_ns, &value_valid, judge_value);
    }
    printf("%.1f %.1f %s\n", text_ns, value_ns, valid && value_valid ? "valid" : "invalid");
    schema_file_free(subject.schema);
    document_free(subject.document);
    arena_close(arena);
    free(subject.body);
    return EXIT_SUCCESS;
}
