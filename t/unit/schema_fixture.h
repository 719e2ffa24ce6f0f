/* Schemas in text form, and errors as text: "PATH KEYWORD: MESSAGE" with "; " between them. */
#ifndef SCHEMA_FIXTURE_H
#define SCHEMA_FIXTURE_H

#include "openapi/schema/schema.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static char problems[16384];

static inline void note_problem(void *user, const char *line) {
    size_t len = strlen(problems);

    (void)user;
    snprintf(problems + len, sizeof(problems) - len, "%s%s", len > 0 ? "\n" : "", line);
}

/* NULL: the mistakes are in `problems`, each on its line. */
static inline struct schema_file *parse_schema(const char *text) {
    static const struct schema_options options = { .asserts_formats = true };

    problems[0] = '\0';
    return schema_file_parse("s", text, strlen(text), &options, note_problem, NULL);
}

static inline struct schema_file *load_schema(const char *text) {
    struct schema_file *document = parse_schema(text);

    ck_assert_str_eq(problems, "");
    ck_assert_ptr_nonnull(document);
    return document;
}

static inline void render(const struct report *report, char *buf, size_t size) {
    size_t len = 0;

    buf[0] = '\0';
    for (const struct report_error *e = report->first; e != NULL; e = e->next) {
        len += (size_t)snprintf(buf + len, size - len, "%s%s %s: %s", len > 0 ? "; " : "",
                                e->path.data, e->keyword.data, e->message.data);
    }
}

/* What is wrong with the instance; "" when it is valid. */
static inline void judge_text(const struct schema_file *document, const char *instance, size_t len,
                              const struct schema_limits *limits, char *errors, size_t size) {
    struct arena *arena = arena_open(1 << 20);
    struct report report;
    bool is_valid;

    report_init(&report, arena, 32);
    is_valid = schema_run_text(schema_file_root(document), instance, len, limits, &report);
    ck_assert(!report.out_of_memory);
    ck_assert(is_valid == (report.count == 0));
    render(&report, errors, size);
    arena_close(arena);
}

static inline void judge(const struct schema_file *document, const char *instance, char *errors,
                         size_t size) {
    judge_text(document, instance, strlen(instance), NULL, errors, size);
}

#endif
