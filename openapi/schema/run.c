/* Running a compiled schema: what its operations share, the modes, the limits, texts. */
#include "program.h"

#include <stdio.h>

/* Why a judgement was given up. */
enum { STOP_NONE, STOP_STEPS, STOP_DEPTH, STOP_PATTERN, STOP_MEMORY };

const struct schema_limits schema_run_defaults = { .json = { .depth_max = JSON_SCAN_DEPTH_MAX,
                                                             .values_max = VALUE_COUNT_MAX },
                                                   .steps_max = SCHEMA_STEPS_MAX,
                                                   .pattern_work_max = PATTERN_WORK_MAX };

/* Errors of one branch that are counted; more make no branch closer. */
enum { PROBE_COUNT_MAX = 64 };

static bool stop(struct run *run, uint8_t why) {
    if (run->stop == STOP_NONE) {
        run->stop = why;
        run->steps_unused = why == STOP_STEPS ? 0 : run->steps_left;
    }
    run->steps_left = 0; /* nothing is applied any more */
    return false;
}

bool run_stop_for_memory(struct run *run) {
    return stop(run, STOP_MEMORY);
}

bool run_work(struct run *run, size_t steps) {
    if (steps > run->steps_left) {
        return stop(run, STOP_STEPS);
    }
    run->steps_left -= (uint32_t)steps;
    return true;
}

bool run_is_over(const struct run *run) {
    switch (run->mode) {
    case RUN_QUIET: return true;
    case RUN_COUNTING: return run->steps_left == 0 || run->probe->count >= PROBE_COUNT_MAX;
    default: return run->steps_left == 0 || report_is_full(run->report);
    }
}

bool run_fail(struct run *run, const struct place *place, const char *keyword, const char *format,
              ...) {
    va_list args;

    if (run->mode == RUN_COUNTING) {
        run->probe->count++;
    }
    if (run->mode != RUN_REPORTING || run->stop != STOP_NONE) {
        return false; /* what follows a stop is no judgement */
    }
    va_start(args, format);
    report_add_args(run->report, place, keyword, format, args);
    va_end(args);
    return false;
}

enum pattern_result run_pattern(struct run *run, const struct pattern *pattern, struct str source,
                                struct str text, const struct place *place) {
    enum pattern_result result = pattern_match_within(pattern, text, &run->pattern_work);

    if (result == PATTERN_LIMIT) {
        run_fail(run, place, "pattern", "takes too long to compare with the pattern %.*s",
                 SHOWN(source));
        run->pattern = source;
        stop(run, STOP_PATTERN);
    } else if (result == PATTERN_NO_MEMORY) {
        stop(run, STOP_MEMORY);
    }
    return result;
}

static const struct {
    const char *name;
    unsigned bits;
} types[] = {
    { "null", VALUE_NULL },        { "boolean", VALUE_TRUE | VALUE_FALSE },
    { "object", VALUE_OBJECT },    { "array", VALUE_ARRAY },
    { "number", VALUE_NUMBER },    { "string", VALUE_STRING },
    { "integer", SCHEMA_INTEGER },
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

unsigned schema_run_type(struct str name) {
    for (size_t i = 0; i < TYPES; i++) {
        if (str_is(name, types[i].name)) {
            return types[i].bits;
        }
    }
    return 0;
}

static bool has_type(const struct schema *schema, const struct value *value) {
    struct decimal d;

    if ((schema->types & (unsigned)value->type) != 0) {
        return true;
    }
    if (value->type != VALUE_NUMBER || (schema->types & SCHEMA_INTEGER) == 0) {
        return false;
    }
    if (value->count != 0) {
        return true;
    }
    d = decimal_parse(value->raw);
    return decimal_is_integer(&d);
}

static bool fail_type(struct run *run, unsigned allowed, const struct place *place) {
    char text[80];
    size_t len = 0;

    if (run->mode == RUN_QUIET) {
        return false;
    }
    if (run->mode == RUN_COUNTING && place == run->probe->place) {
        run->probe->is_other = true;
    }
    for (size_t i = 0; i < TYPES; i++) {
        if ((allowed & types[i].bits) != 0) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " or " : "",
                                    types[i].name);
        }
    }
    return run_fail(run, place, "type", "must be %s", text);
}

static bool run_ops(struct run *run, const struct schema *schema, const struct value *value,
                    const struct place *place, struct marks *marks) {
    const struct op *end = schema->ops + schema->op_count;
    bool is_valid = true;

    if (schema->types != 0 && !has_type(schema, value)) {
        is_valid = fail_type(run, schema->types, place);
        if (run_is_over(run)) {
            return false;
        }
    }
    for (const struct op *op = schema->ops; op < end; op++) {
        if ((op->types & (unsigned)value->type) == 0 || op->check(run, op, value, place, marks)) {
            continue;
        }
        is_valid = false;
        if (run_is_over(run)) {
            return false;
        }
    }
    return is_valid;
}

/* What it evaluates is first its own, for its unevaluated..., then also that of who asked. */
static bool run_tracked(struct run *run, const struct schema *schema, const struct value *value,
                        const struct place *place, struct marks *marks) {
    struct marks own;
    bool is_valid;

    if ((schema->tracked & (unsigned)value->type) == 0) {
        return run_ops(run, schema, value, place, marks);
    }
    if (!marks_open(&own, value->count)) {
        return run_stop_for_memory(run);
    }
    is_valid = run_work(run, value->count / 64) && run_ops(run, schema, value, place, &own);
    if (marks != NULL) {
        marks_merge(marks, &own);
    }
    marks_close(&own);
    return is_valid;
}

static bool run_scoped(struct run *run, const struct schema *schema, const struct value *value,
                       const struct place *place, struct marks *marks) {
    const struct scope *outer = run->scope;
    const struct scope scope = { .outer = outer, .resource = schema->resource };
    bool is_valid;

    if (outer == NULL || outer->resource != schema->resource) {
        run->scope = &scope;
    }
    is_valid = run_tracked(run, schema, value, place, marks);
    run->scope = outer;
    return is_valid;
}

bool run_apply(struct run *run, const struct schema *schema, const struct value *value,
               const struct place *place, struct marks *marks) {
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

bool run_is_valid(struct run *run, const struct schema *schema, const struct value *value,
                  struct marks *marks) {
    uint8_t mode = run->mode;
    bool is_valid;

    run->mode = RUN_QUIET;
    is_valid = run_apply(run, schema, value, NULL, marks);
    run->mode = mode;
    return is_valid;
}

static bool start(struct run *run, uint8_t mode, const struct schema *schema,
                  const struct value *value, const struct place *place,
                  const struct schema_limits *limits) {
    struct report_spent *spent = &run->report->spent[mode == RUN_REPORTING];
    bool is_valid;

    run->mode = mode;
    run->stop = STOP_NONE;
    run->steps_left = limits->steps_max > spent->steps ? limits->steps_max - spent->steps : 0;
    run->pattern_work = limits->pattern_work_max > spent->pattern_work
                            ? limits->pattern_work_max - spent->pattern_work
                            : 0;
    run->depth_left = SCHEMA_DEPTH_MAX;
    run->scope = NULL;
    run->probe = NULL;
    is_valid = run_apply(run, schema, value, place, NULL) && run->stop == STOP_NONE;
    spent->steps =
        limits->steps_max - (run->stop != STOP_NONE ? run->steps_unused : run->steps_left);
    spent->pattern_work = limits->pattern_work_max - run->pattern_work;
    return is_valid;
}

/* The value is invalid, and no schema has said why: the judgement was given up. */
static void report_stop(struct run *run, const struct place *place) {
    switch (run->stop) {
    case STOP_PATTERN:
        report_add(run->report, place, "pattern", "takes too long to compare with the pattern %.*s",
                   SHOWN(run->pattern));
        break;
    case STOP_DEPTH:
        report_add(run->report, place, "depth",
                   "leads through more than %d schemas inside of each other", SCHEMA_DEPTH_MAX);
        break;
    default:
        report_add(run->report, place, "steps", "takes too many steps to compare with its schema");
        break;
    }
}

bool schema_run(const struct schema *schema, const struct value *value, const struct place *place,
                const struct schema_limits *limits, struct report *report) {
    struct run run = { .report = report };
    unsigned before = report->count;

    limits = limits != NULL ? limits : &schema_run_defaults;
    if (start(&run, RUN_QUIET, schema, value, NULL, limits)) {
        return true;
    }
    if (run.stop != STOP_MEMORY && run.stop != STOP_PATTERN) {
        start(&run, RUN_REPORTING, schema, value, place, limits);
    }
    if (run.stop == STOP_MEMORY) {
        report->out_of_memory = true;
    } else if (report->count == before) {
        report_stop(&run, place);
    }
    return false;
}

/* ---- from a text to a verdict ---- */

/* What fits here, as an order does, is judged without an allocation. */
enum { SCRATCH_BYTES = 4096 };

/* A node for each value, the decoded strings, sorted members, and room for an arena's waste. */
static size_t tree_bytes_max(size_t len, uint32_t values_max) {
    size_t values = values_max < len ? values_max : len;

    return values * (sizeof(struct value) + sizeof(void *)) + 2 * len + 256 * 1024;
}

bool schema_run_text(const struct schema *schema, const char *text, size_t len,
                     const struct schema_limits *limits, struct report *report) {
    _Alignas(8) char memory[SCRATCH_BYTES];
    struct arena scratch;
    struct json_scan_error error;
    const struct value *value;
    bool is_valid;

    limits = limits != NULL ? limits : &schema_run_defaults;
    arena_init_scratch(&scratch, memory, sizeof(memory),
                       tree_bytes_max(len, limits->json.values_max));
    value = value_parse_limited(&scratch, text, len, &limits->json, &error);
    if (value == NULL) {
        report_json(report, &report_root, &error);
    }
    is_valid = value != NULL &&
               (schema == NULL || schema_run(schema, value, &report_root, limits, report));
    arena_done(&scratch);
    return is_valid;
}
