/* Patterns: compiled by PCRE2 from the translation, matched with bounded work. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "pattern.h"
#include "base/utf8.h"
#include "translate.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    START_COST = 64, /* of a comparison, in bytes looked at, as measured */
    STEP_COST = 16,  /* of a callout */
    SCAN_COST = 32,  /* bytes that cost one when PCRE2 looks for where a match can begin */
    JIT_STACK_BYTES_START = 64 * 1024,
    HEAP_PER_STACK = 8,
    ERROR_TOO_MUCH_WORK = -1000 /* ours: PCRE2's end at -70 */
};

struct pattern {
    pcre2_code *code;
    pcre2_match_context *context; /* read-only after compiling */
    unsigned step_cost;           /* a callout and what may follow it uncounted */
    unsigned reference_cost;      /* for each byte of the longest group; 0: no back-references */
};

/* What the running comparison may still cost. PCRE2 calls back before each item of a pattern. */
static _Thread_local struct meter {
    uint64_t left;
    size_t position; /* in the text, at the last call */
} meter;

/* What a back-reference may compare before it fails. */
static uint64_t longest_group(const pcre2_callout_block *block) {
    uint64_t longest = 0;

    for (uint32_t i = 1; i < block->capture_top; i++) {
        size_t start = block->offset_vector[2 * (size_t)i];
        size_t end = block->offset_vector[2 * (size_t)i + 1];

        if (start != PCRE2_UNSET && end != PCRE2_UNSET && end > start && end - start > longest) {
            longest = end - start;
        }
    }
    return longest;
}

static int count_work(pcre2_callout_block *block, void *user) {
    const struct pattern *pattern = user;
    size_t position = block->current_position;
    uint64_t cost = pattern->step_cost + (position > meter.position ? position - meter.position
                                                                    : meter.position - position);

    if (pattern->reference_cost > 0) {
        cost += block->capture_top + longest_group(block) * pattern->reference_cost;
    }
    meter.position = position;
    if (cost > meter.left) {
        meter.left = 0;
        return ERROR_TOO_MUCH_WORK;
    }
    meter.left -= cost;
    return 0;
}

/* Where the parser's mistake is, in characters from 1. */
static unsigned mistake_column(const struct parser *parser) {
    const char *source = parser->source.data;

    return 1 + (unsigned)utf8_count(source, (size_t)(parser->at - source));
}

bool pattern_is_valid(struct str source) {
    struct parser parser = { .source = source };
    bool valid = pattern_translate(&parser);

    free(parser.out);
    return valid;
}

static pcre2_code *compile(const struct parser *parser, int *ret_error) {
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                       PCRE2_AUTO_CALLOUT | (parser->has_references ? 0U : PCRE2_NO_AUTO_CAPTURE);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_code *code = NULL;
    PCRE2_SIZE offset;

    *ret_error = PCRE2_ERROR_NOMEMORY;
    if (context != NULL) {
        /* \ud800 alone is an expression that never matches */
        pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALLOW_SURROGATE_ESCAPES);
        code = pcre2_compile((PCRE2_SPTR)parser->out, parser->out_len, options, ret_error, &offset,
                             context);
    }
    pcre2_compile_context_free(context);
    return code;
}

/* With its repetitions in chunks; when PCRE2 refuses that, as it is. NULL: `reason` says why. */
static pcre2_code *translate_and_compile(struct parser *parser, char *reason, size_t reason_bytes) {
    struct str source = parser->source;
    PCRE2_UCHAR text[120];
    pcre2_code *code = NULL;
    int error = 0;

    for (int i = 0; i < 2 && code == NULL; i++) {
        free(parser->out);
        *parser = (struct parser){ .source = source, .is_compact = i == 1 };
        if (!pattern_translate(parser)) {
            snprintf(reason, reason_bytes, "not a regular expression, at character %u: %s",
                     mistake_column(parser), parser->reason);
            return NULL;
        }
        code = compile(parser, &error);
    }
    if (code == NULL) {
        pcre2_get_error_message(error, text, sizeof(text));
        snprintf(reason, reason_bytes, "this regular expression is not supported: %s",
                 (const char *)text);
    }
    return code;
}

const struct pattern *pattern_compile(struct str source, char *reason, size_t reason_bytes) {
    struct parser parser = { .source = source };
    struct pattern *pattern = NULL;
    pcre2_code *code;

    code = translate_and_compile(&parser, reason, reason_bytes);
    free(parser.out);
    if (code == NULL) {
        return NULL;
    }
    pattern = calloc(1, sizeof(*pattern));
    if (pattern == NULL || (pattern->context = pcre2_match_context_create(NULL)) == NULL) {
        snprintf(reason, reason_bytes, "out of memory");
        free(pattern);
        pcre2_code_free(code);
        return NULL;
    }
    pattern->code = code;
    pattern->step_cost = STEP_COST + parser.unseen_max;
    pattern->reference_cost = !parser.has_references             ? 0
                              : parser.unseen_references_max > 0 ? parser.unseen_references_max
                                                                 : 1;
    pcre2_set_callout(pattern->context, count_work, pattern);
    /* only without JIT: a step takes more there */
    pcre2_set_heap_limit(pattern->context, HEAP_PER_STACK * (PATTERN_STACK_BYTES_MAX / 1024));
    pcre2_set_match_limit(pattern->context, UINT32_MAX); /* count_work() is the limit */
    /* without JIT support matching is slower, not different */
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return pattern;
}

void pattern_free(const struct pattern *pattern) {
    if (pattern != NULL) {
        pcre2_match_context_free(pattern->context);
        pcre2_code_free(pattern->code);
        free((void *)pattern);
    }
}

static int match(const struct pattern *pattern, const pcre2_match_context *context,
                 struct str text) {
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (data != NULL) {
        meter.position = 0;
        rc = pcre2_match(pattern->code, (PCRE2_SPTR)text.data, text.len, 0, PCRE2_NO_UTF_CHECK,
                         data, (pcre2_match_context *)context);
    }
    pcre2_match_data_free(data);
    return rc;
}

/* The stack that a match has at first is small, and enough for nearly all. */
static int match_on_big_stack(const struct pattern *pattern, struct str text) {
    pcre2_match_context *context = pcre2_match_context_copy(pattern->context);
    pcre2_jit_stack *stack =
        pcre2_jit_stack_create(JIT_STACK_BYTES_START, PATTERN_STACK_BYTES_MAX, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (context != NULL && stack != NULL) {
        pcre2_jit_stack_assign(context, NULL, stack);
        rc = match(pattern, context, text);
    }
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    return rc;
}

enum pattern_result pattern_match_within(const struct pattern *pattern, struct str text,
                                         uint64_t *work) {
    uint64_t cost = START_COST + text.len / SCAN_COST;
    int rc;

    if (cost > *work) {
        *work = 0;
        return PATTERN_LIMIT;
    }
    meter.left = *work - cost;
    rc = match(pattern, pattern->context, text);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = match_on_big_stack(pattern, text);
    }
    *work = meter.left;
    return rc >= 0                      ? PATTERN_MATCH
           : rc == PCRE2_ERROR_NOMATCH  ? PATTERN_NO_MATCH
           : rc == PCRE2_ERROR_NOMEMORY ? PATTERN_NO_MEMORY
                                        : PATTERN_LIMIT;
}

enum pattern_result pattern_match(const struct pattern *pattern, struct str text) {
    uint64_t work = PATTERN_WORK_MAX;

    return pattern_match_within(pattern, text, &work);
}
