/*
 * Fuzz target: JSON Schemas. The input's first line is a schema, each following line an instance.
 *
 * A schema compiles, or each of its mistakes is one line; in another spelling it is the same
 * schema. The report of an instance is well-formed and leads into the instance; with room for one
 * error the verdict is the same, and in another spelling the same errors are found. The schema
 * inside of "not" turns the verdict around, and inside of "allOf" and "anyOf" it does not change
 * it.
 */
#include "openapi/schema/document.h"
#include "openapi_checks.h"

enum { INPUT_BYTES_MAX = 32 * 1024, ERRORS_MAX = 1000 };

static const struct oa_schema_options with_formats = { .asserts_formats = true };

/* Less than the default, so that a slow input is refused before the fuzzer calls it slow. */
static struct oa_schema_limits limits;

struct schema {
    struct oa_schema_document *document;
    struct piece text;
    unsigned problems;
};

struct verdict {
    struct arena *arena;
    struct oa_report report;
    bool valid;
};

static void note_problem(void *user, const char *line) {
    unsigned *problems = user;

    ++*problems;
    REQUIRE(*problems <= OA_PROBLEMS_MAX + 1);
    REQUIRE(strncmp(line, "fuzz", 4) == 0 && strchr(line, '\n') == NULL);
    REQUIRE(strlen(line) < OA_PROBLEM_BYTES_MAX);
    REQUIRE(fuzz_is_utf8((struct piece){ line, strlen(line) }));
    if (getenv("FUZZ_VERBOSE") != NULL) {
        fprintf(stderr, "%s\n", line);
    }
}

/* `text` is kept and freed by schema_close(). */
static struct schema schema_open(struct piece text) {
    struct schema schema = { .text = text };

    schema.document = oa_schema_document_parse("fuzz", text.data, text.len, &with_formats,
                                               note_problem, &schema.problems);
    REQUIRE((schema.document == NULL) == (schema.problems > 0));
    return schema;
}

static void schema_close(struct schema *schema) {
    oa_schema_document_free(schema->document);
    free((char *)schema->text.data);
}

static struct verdict judge(const struct schema *schema, struct piece instance,
                            unsigned errors_max) {
    struct verdict verdict = { .arena = arena_open(FUZZ_ARENA_BYTES_MAX) };

    REQUIRE(verdict.arena != NULL);
    oa_report_init(&verdict.report, verdict.arena, errors_max);
    verdict.valid = oa_schema_check_text(oa_schema_document_root(schema->document), instance.data,
                                         instance.len, &limits, &verdict.report);
    REQUIRE(verdict.valid == (verdict.report.count == 0 && !verdict.report.out_of_memory));
    return verdict;
}

/* It was too much work, not right or wrong. */
static bool is_undecided(const struct verdict *verdict) {
    for (const struct oa_error *error = verdict->report.first; error != NULL; error = error->next) {
        if (str_is(error->keyword, "steps") || str_is(error->keyword, "depth") ||
            (str_is(error->keyword, "pattern") &&
             strncmp(error->message.data, "takes too long", 14) == 0)) {
            return true;
        }
    }
    return verdict->report.out_of_memory;
}

/* BEFORE schema AFTER; a schema with identifiers of its own would mean something else there. */
static struct schema schema_wrap(const char *before, struct piece text, const char *after) {
    struct piece wrapped;
    FILE *out = open_memstream((char **)&wrapped.data, &wrapped.len);

    REQUIRE(out != NULL);
    fputs(before, out);
    fwrite(text.data, 1, text.len, out);
    fputs(after, out);
    REQUIRE(fclose(out) == 0);
    return schema_open(wrapped);
}

static void check_wrapped(const char *before, const struct schema *schema, const char *after,
                          struct piece instance, bool expected) {
    struct schema wrapped = schema_wrap(before, schema->text, after);

    if (wrapped.document != NULL) {
        struct verdict verdict = judge(&wrapped, instance, 1);

        REQUIRE(verdict.valid == expected || is_undecided(&verdict));
        arena_close(verdict.arena);
    }
    schema_close(&wrapped);
}

static void check_respelled(const struct schema *schema, const struct oa_json *value,
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
static bool can_be_wrapped(const struct schema *schema) {
    return memchr(schema->text.data, '$', schema->text.len) == NULL &&
           memmem(schema->text.data, schema->text.len, "\\u", 2) == NULL;
}

static void check_instance(const struct schema *schema, struct piece instance) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    struct json_scan_error error;
    const struct oa_json *value;
    struct verdict all;
    struct verdict one;

    REQUIRE(arena != NULL);
    instance.data = fuzz_copy(instance);
    value = oa_json_parse(arena, instance.data, instance.len, OA_BODY_DEPTH_MAX, &error);
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

static void check_respelled_schema(const struct schema *schema) {
    struct arena *arena = arena_open(FUZZ_ARENA_BYTES_MAX);
    struct json_scan_error error;
    const struct oa_json *value;

    REQUIRE(arena != NULL);
    value = oa_json_parse(arena, schema->text.data, schema->text.len, JSON_SCAN_DEPTH_MAX, &error);
    if (value != NULL) {
        struct schema respelled;
        struct piece text;

        text.data = fuzz_respell(value, &text.len);
        respelled = schema_open(text);
        REQUIRE(respelled.problems == schema->problems);
        schema_close(&respelled);
    }
    arena_close(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece rest = { (const char *)data, size };
    struct piece text = fuzz_take(&rest, '\n');
    struct schema schema;

    if (size > INPUT_BYTES_MAX) {
        return -1;
    }
    limits = oa_schema_limits_default;
    limits.steps_max = 20000;
    limits.pattern_work_max = 200 * 1000;
    text.data = fuzz_copy(text);
    schema = schema_open(text);
    check_respelled_schema(&schema);
    while (schema.document != NULL && rest.len > 0) {
        check_instance(&schema, fuzz_take(&rest, '\n'));
    }
    schema_close(&schema);
    return 0;
}
