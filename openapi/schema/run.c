#include "program.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Why a judgement was given up. */
enum { STOP_NONE, STOP_STEPS, STOP_DEPTH, STOP_PATTERN, STOP_MEMORY };

const struct oa_schema_limits oa_schema_limits_default = {
    .json = { .depth_max = JSON_SCAN_DEPTH_MAX, .values_max = OA_JSON_VALUES_MAX },
    .steps_max = OA_SCHEMA_STEPS_MAX,
    .pattern_work_max = PATTERN_WORK_MAX
};

/* Errors of one branch that are counted; more make no branch closer. */
enum { PROBE_COUNT_MAX = 64 };

static bool stop(struct oa_run *run, uint8_t why) {
    if (run->stop == STOP_NONE) {
        run->stop = why;
        run->steps_unused = why == STOP_STEPS ? 0 : run->steps_left;
    }
    run->steps_left = 0; /* nothing is applied any more */
    return false;
}

bool oa_stop_for_memory(struct oa_run *run) {
    return stop(run, STOP_MEMORY);
}

bool oa_run_work(struct oa_run *run, size_t steps) {
    if (steps > run->steps_left) {
        return stop(run, STOP_STEPS);
    }
    run->steps_left -= (uint32_t)steps;
    return true;
}

bool oa_run_is_over(const struct oa_run *run) {
    switch (run->mode) {
    case OA_QUIET: return true;
    case OA_COUNTING: return run->steps_left == 0 || run->probe->count >= PROBE_COUNT_MAX;
    default: return run->steps_left == 0 || oa_report_is_full(run->report);
    }
}

bool oa_fail(struct oa_run *run, const struct oa_place *place, const char *keyword,
             const char *format, ...) {
    char message[OA_ERROR_MESSAGE_BYTES_MAX + 8];
    va_list args;

    if (run->mode == OA_COUNTING) {
        run->probe->count++;
    }
    if (run->mode != OA_REPORTING || run->stop != STOP_NONE) {
        return false; /* what follows a stop is no judgement */
    }
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    oa_report_add(run->report, place, keyword, "%s", message);
    return false;
}

enum pattern_result oa_run_pattern(struct oa_run *run, const struct pattern *pattern,
                                      struct str source, struct str text,
                                      const struct oa_place *place) {
    enum pattern_result result = pattern_match_within(pattern, text, &run->pattern_work);

    if (result == PATTERN_LIMIT) {
        oa_fail(run, place, "pattern", "takes too long to compare with the pattern %.*s",
                OA_STR(source));
        run->pattern = source;
        stop(run, STOP_PATTERN);
    } else if (result == PATTERN_NO_MEMORY) {
        stop(run, STOP_MEMORY);
    }
    return result;
}

static bool has_type(const struct oa_schema *schema, const struct oa_json *value) {
    struct decimal d;

    if ((schema->types & (unsigned)value->type) != 0) {
        return true;
    }
    if (value->type != OA_NUMBER || (schema->types & OA_INTEGER) == 0) {
        return false;
    }
    if (value->count != 0) {
        return true;
    }
    d = decimal_parse(value->raw);
    return decimal_is_integer(&d);
}

static bool fail_type(struct oa_run *run, unsigned types, const struct oa_place *place) {
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = { { "null", OA_NULL },      { "boolean", OA_TRUE },  { "object", OA_OBJECT },
                  { "array", OA_ARRAY },    { "number", OA_NUMBER }, { "string", OA_STRING },
                  { "integer", OA_INTEGER } };
    char text[80];
    size_t len = 0;

    if (run->mode == OA_QUIET) {
        return false;
    }
    if (run->mode == OA_COUNTING && place == run->probe->place) {
        run->probe->is_other = true;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((types & names[i].bit) != 0) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " or " : "",
                                    names[i].name);
        }
    }
    return oa_fail(run, place, "type", "must be %s", text);
}

static bool run_ops(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                    const struct oa_place *place, struct oa_marks *marks) {
    const struct oa_op *end = schema->ops + schema->op_count;
    bool is_valid = true;

    if (schema->types != 0 && !has_type(schema, value)) {
        is_valid = fail_type(run, schema->types, place);
        if (oa_run_is_over(run)) {
            return false;
        }
    }
    for (const struct oa_op *op = schema->ops; op < end; op++) {
        if ((op->types & (unsigned)value->type) == 0 || op->check(run, op, value, place, marks)) {
            continue;
        }
        is_valid = false;
        if (oa_run_is_over(run)) {
            return false;
        }
    }
    return is_valid;
}

/* What it evaluates is first its own, for its unevaluated..., then also that of who asked. */
static bool run_tracked(struct oa_run *run, const struct oa_schema *schema,
                        const struct oa_json *value, const struct oa_place *place,
                        struct oa_marks *marks) {
    struct oa_marks own;
    bool is_valid;

    if ((schema->tracked & (unsigned)value->type) == 0) {
        return run_ops(run, schema, value, place, marks);
    }
    if (!oa_marks_open(&own, value->count)) {
        return oa_stop_for_memory(run);
    }
    is_valid = oa_run_work(run, value->count / 64) && run_ops(run, schema, value, place, &own);
    if (marks != NULL) {
        oa_marks_merge(marks, &own);
    }
    oa_marks_close(&own);
    return is_valid;
}

static bool run_scoped(struct oa_run *run, const struct oa_schema *schema,
                       const struct oa_json *value, const struct oa_place *place,
                       struct oa_marks *marks) {
    const struct oa_scope *outer = run->scope;
    const struct oa_scope scope = { .outer = outer, .resource = schema->resource };
    bool is_valid;

    if (outer == NULL || outer->resource != schema->resource) {
        run->scope = &scope;
    }
    is_valid = run_tracked(run, schema, value, place, marks);
    run->scope = outer;
    return is_valid;
}

bool oa_apply(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
              const struct oa_place *place, struct oa_marks *marks) {
    uint32_t steps = 1 + (value->child == NULL ? (uint32_t)(value->raw.len / 64) : 0);
    bool is_valid;

    if (run->steps_left < steps) {
        return stop(run, STOP_STEPS);
    }
    if (run->depth_left == 0) {
        return stop(run, STOP_DEPTH);
    }
    run->steps_left -= steps;
    run->depth_left--;
    if (schema->is_scoped) {
        is_valid = run_scoped(run, schema, value, place, marks);
    } else if (schema->tracked != 0) {
        is_valid = run_tracked(run, schema, value, place, marks);
    } else {
        is_valid = run_ops(run, schema, value, place, marks);
    }
    run->depth_left++;
    return is_valid;
}

bool oa_is_valid(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                 struct oa_marks *marks) {
    uint8_t mode = run->mode;
    bool is_valid;

    run->mode = OA_QUIET;
    is_valid = oa_apply(run, schema, value, NULL, marks);
    run->mode = mode;
    return is_valid;
}

static bool start(struct oa_run *run, uint8_t mode, const struct oa_schema *schema,
                  const struct oa_json *value, const struct oa_place *place) {
    const struct oa_schema_limits *limits =
        run->limits != NULL ? run->limits : &oa_schema_limits_default;

    struct oa_spent *spent = &run->report->spent[mode == OA_REPORTING];
    bool is_valid;

    run->mode = mode;
    run->stop = STOP_NONE;
    run->steps_left = limits->steps_max > spent->steps ? limits->steps_max - spent->steps : 0;
    run->pattern_work = limits->pattern_work_max > spent->pattern_work
                            ? limits->pattern_work_max - spent->pattern_work
                            : 0;
    run->depth_left = OA_SCHEMA_DEPTH_MAX;
    run->scope = NULL;
    run->probe = NULL;
    is_valid = oa_apply(run, schema, value, place, NULL) && run->stop == STOP_NONE;
    spent->steps =
        limits->steps_max - (run->stop != STOP_NONE ? run->steps_unused : run->steps_left);
    spent->pattern_work = limits->pattern_work_max - run->pattern_work;
    return is_valid;
}

/* The value is invalid, and no schema has said why: the judgement was given up. */
static void report_stop(struct oa_run *run, const struct oa_place *place) {
    switch (run->stop) {
    case STOP_PATTERN:
        oa_report_add(run->report, place, "pattern",
                      "takes too long to compare with the pattern %.*s", OA_STR(run->pattern));
        break;
    case STOP_DEPTH:
        oa_report_add(run->report, place, "depth",
                      "leads through more than %d schemas inside of each other",
                      OA_SCHEMA_DEPTH_MAX);
        break;
    default:
        oa_report_add(run->report, place, "steps",
                      "takes too many steps to compare with its schema");
        break;
    }
}

bool oa_schema_run(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                   const struct oa_place *place) {
    struct oa_report *report = run->report;
    unsigned before = report->count;

    if (start(run, OA_QUIET, schema, value, NULL)) {
        return true;
    }
    if (run->stop != STOP_MEMORY && run->stop != STOP_PATTERN) {
        start(run, OA_REPORTING, schema, value, place);
    }
    if (run->stop == STOP_MEMORY) {
        report->out_of_memory = true;
    } else if (report->count == before) {
        report_stop(run, place);
    }
    return false;
}
