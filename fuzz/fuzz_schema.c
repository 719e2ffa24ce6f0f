/*
 * Fuzz target: JSON Schemas. The input's first line is a schema, each following line an instance.
 *
 * A schema compiles, or each of its mistakes is one line; in another spelling it is the same
 * schema. The report of an instance is well-formed and leads into the instance; with room for one
 * error the verdict is the same, and in another spelling the same errors are found. The schema
 * inside of "not" turns the verdict around, and inside of "allOf" and "anyOf" it does not change
 * it.
 */
#include "openapi/request/request.h"
#include "openapi/schema/schema.h"
#include "openapi_checks.h"

enum { INPUT_BYTES_MAX = 32 * 1024, ERRORS_MAX = 1000 };

static const struct schema_options with_formats = { .asserts_formats = true };

/* Less than the default, so that a slow input is refused before the fuzzer calls it slow. */
static struct schema_limits limits;

struct subject {
    struct schema_file *document;
    struct piece text;
    unsigned problems;
};

struct verdict {
    struct arena *arena;
    struct report report;
    bool valid;
};

static void note_problem(void *user, const char *line) {
    unsigned *problems = user;

    ++*problems;
    REQUIRE(*problems <= LOADER_PROBLEMS_MAX + 1);
    REQUIRE(strncmp(line, "fuzz", 4) == 0 && strchr(line, '\n') == NULL);
    REQUIRE(strlen(line) < LOADER_PROBLEM_BYTES_MAX);
    REQUIRE(fuzz_is_utf8((struct piece){ line, strlen(line) }));
    if (getenv("FUZZ_VERBOSE") != NULL) {
        fprintf(stderr, "%s\n", line);
    }
}

/* `text` is kept and freed by close_subject(). */
static struct subject open_subject(struct piece text) {
    struct subject schema = { .text = text };

    schema.document = schema_file_parse("fuzz", text.data, text.len, &with_formats, note_problem,
                                        &schema.problems);
    REQUIRE((schema.document == NULL) == (schema.problems > 0));
    return schema;
}

static void close_subject(struct subject *schema) {
    schema_file_free(schema->document);
    free((char *)schema->text.data);
}

static struct verdict judge(const struct subject *schema, struct piece instance,
                            unsigned errors_max) {
    struct verdict verdict = { .arena = arena_open(FUZZ_ARENA_BYTES_MAX) };

    REQUIRE(verdict.arena != NULL);
    report_init(&verdict.report, verdict.arena, errors_max);
    verdict.valid = schema_run_text(schema_file_root(schema->document), instance.data, instance.len,
                                    &limits, &verdict.report);
    REQUIRE(verdict.valid == (verdict.report.count == 0 && !verdict.report.out_of_memory));
    return verdict;
}

/* It was too much work, not right or wrong. */
static bool is_undecided(const struct verdict *verdict) {
    for (const struct report_error *error = verdict->report.first; error != NULL;
         error = error->next) {
        if (str_is(error->keyword, "steps") || str_is(error->keyword, "depth") ||
            (str_is(error->keyword, "pattern") &&
             strncmp(error->message.data, "takes too long", 14) == 0)) {
            return true;
        }
    }
    return verdict->report.out_of_memory;
}

/* BEFORE schema AFTER; a schema with identifiers of its own would mean something else there. */
static struct subject schema_wrap(const char *before, struct piece text, const char *after) {
    struct piece wrapped;
    FILE *out = open_memstream((char **)&wrapped.data, &wrapped.len);

    REQUIRE(out != NULL);
    fputs(before, out);
    fwrite(text.data, 1, text.len, out);
    fputs(after, out);
    REQUIRE(fclose(out) == 0);
    return open_subject(wrapped);
}

static void check_wrapped(const char *before, const struct subject *schema, const char *after,
                          struct piece instance, bool expected) {
    struct subject wrapped = schema_wrap(before, schema->text, after);

    if (wrapped.document != NULL) {
        struct verdict verdict = judge(&wrapped, instance, 1);

        REQUIRE(verdict.valid == expected || is_undecided(&verdict));
        arena_close(verdict.arena);
    }
    close_subject(&wrapped);
}

static void check_respelled(const struct subject *schema, const struct value *value,
                            const struct verdict *expected) {
    struct piece respelled;
    struct verdict verdict;

    respelled.data = fuzz_respell(value, &respelled.len);
    verdict = judge(schema, respelled, ERRORS_MAX);
    fuzz_check_same_reports(&expected->report, &verdict.report);
    arena_close(verdict.arena);
    free((char *)respelled.data);
}

/* "$" begins what could mean something else inside of another schema: references, identifiers. */
static bool can_be_wrapped(const struct subject *schema) {
    return memchr(schema->text.data, '$', schema->text.len) == NULL &&
           memmem(schema->text.data, schema->text.len, "\\u", 2) == NULL;
}

static void check_instance(const struct subject *schema, struct piece instance) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    struct json_scan_error error;
    const struct value *value;
    struct verdict all;
    struct verdict one;

    REQUIRE(arena != NULL);
    instance.data = fuzz_copy(instance);
    value = value_parse(arena, instance.data, instance.len, REQUEST_BODY_DEPTH_MAX, &error);
    all = judge(schema, instance, ERRORS_MAX);
    one = judge(schema, instance, 1);
    REQUIRE(all.valid == one.valid);
    if (value == NULL) {
        REQUIRE(all.report.count == 1 && str_is(all.report.first->keyword, "json"));
    } else {
        fuzz_check_report(&all.report, value);
        fuzz_check_report(&one.report, value);
        if (!is_undecided(&all)) {
            check_respelled(schema, value, &all);
        }
    }
    if (value != NULL && !is_undecided(&all) && can_be_wrapped(schema)) {
        check_wrapped("{\"not\":", schema, "}", instance, !all.valid);
        check_wrapped("{\"allOf\":[{},", schema, "]}", instance, all.valid);
        check_wrapped("{\"anyOf\":[false,", schema, "]}", instance, all.valid);
        check_wrapped("{\"if\":", schema, ",\"else\":false}", instance, all.valid);
        check_wrapped("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":", schema, "}}", instance,
                      all.valid);
    }
    arena_close(all.arena);
    arena_close(one.arena);
    arena_close(arena);
    free((char *)instance.data);
}

static void check_respelled_schema(const struct subject *schema) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    struct json_scan_error error;
    const struct value *value;

    REQUIRE(arena != NULL);
    value = value_parse(arena, schema->text.data, schema->text.len, JSON_SCAN_DEPTH_MAX, &error);
    if (value != NULL) {
        struct subject respelled;
        struct piece text;

        text.data = fuzz_respell(value, &text.len);
        respelled = open_subject(text);
        REQUIRE(respelled.problems == schema->problems);
        close_subject(&respelled);
    }
    arena_close(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece rest = { (const char *)data, size };
    struct piece text = fuzz_take(&rest, '\n');
    struct subject schema;

    if (size > INPUT_BYTES_MAX) {
        return -1;
    }
    limits = schema_run_defaults;
    limits.steps_max = 20000;
    limits.pattern_work_max = 200 * 1000;
    text.data = fuzz_copy(text);
    schema = open_subject(text);
    check_respelled_schema(&schema);
    while (schema.document != NULL && rest.len > 0) {
        check_instance(&schema, fuzz_take(&rest, '\n'));
    }
    close_subject(&schema);
    return 0;
}
