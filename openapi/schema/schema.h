/*
 * JSON Schema, draft 2020-12: every keyword of its core, applicator, unevaluated, validation and
 * format-assertion vocabularies. Compiled once, run often.
 *
 * Compiling goes in steps: schema_index.c finds all schemas of a document with their identifiers,
 * schema_reference.c resolves references (RFC 3986, RFC 6901) within the document, keyword_*.c turn
 * each schema into a list of operations. Running first asks only whether a value is valid, which
 * writes nothing; only for an invalid one it runs again to say what is wrong.
 *
 * Source: draft-bhutton-json-schema-01, draft-bhutton-json-schema-validation-01. A schema is
 * read-only once it is compiled: any number of threads may run it, each with an oa_run of its own.
 */
#ifndef OPENAPI_SCHEMA_SCHEMA_H
#define OPENAPI_SCHEMA_SCHEMA_H

#include "openapi/json.h"
#include "openapi/report.h"

#include <stdbool.h>
#include <stdint.h>

/* Beside enum oa_json_type, for "type": a number without a fraction. */
enum { OA_INTEGER = 128, OA_ANY = 127 };

enum {
    /* Schemas applied inside of each other while one value is judged, references included. */
    OA_SCHEMA_DEPTH_MAX = 2048,
    /* The same, at the same value: more in a document is a mistake of it. */
    OA_SCHEMA_IN_PLACE_MAX = 256,
    /* Default of oa_schema_limits.steps_max. */
    OA_SCHEMA_STEPS_MAX = 2000000
};

/*
 * What the judgement of one request may take: of all values whose errors go to one report. Finding
 * the errors of what is invalid may take the same once more.
 */
struct oa_schema_limits {
    struct json_scan_limits json;
    /*
     * A schema applied to a value is a step; branches of anyOf can make it many for one value. So
     * is what its keywords read beyond that: 64 bytes of a text, of a number, of a value compared
     * with "const" or "enum", 8 members of an object, an item of "uniqueItems".
     */
    uint32_t steps_max;
    /* all comparisons with regular expressions together; see PATTERN_WORK_MAX */
    uint64_t pattern_work_max;
};

extern const struct oa_schema_limits oa_schema_limits_default;

struct oa_loader;
struct oa_schema;
struct oa_schemas; /* all schemas of a document */
struct oa_scope;
struct oa_probe;

/* One judgement. The caller sets `report`, and `limits` if it likes; the rest is zero. */
struct oa_run {
    struct oa_report *report;
    const struct oa_schema_limits *limits; /* NULL: oa_schema_limits_default */

    /* of schema_run.c */
    uint32_t steps_left;
    uint32_t steps_unused; /* what was left when the judgement was given up */
    uint32_t depth_left;
    uint64_t pattern_work;
    struct str pattern; /* that took too long */
    uint8_t mode;
    uint8_t stop;
    struct oa_probe *probe;
    const struct oa_scope *scope;
};

/*
 * The schema at `node`, compiled; NULL after loader_fail(). The first call compiles all schemas of
 * the document, so that mistakes are reported in those, too, that nothing refers to.
 */
struct oa_schema *oa_schema_compile(struct oa_loader *loader, const struct oa_json *node,
                                    const struct oa_place *place);

/*
 * The last step: refuse schemas that refer to themselves without descending into the value. Also
 * compiles the document's schemas when oa_schema_compile() was never called.
 */
bool oa_schema_check_loops(struct oa_loader *loader);

/*
 * Whether a schema can be run: it and all that it may apply have no mistakes. For a document with
 * mistakes elsewhere, after oa_schema_check_loops().
 */
bool oa_schema_is_sound(struct oa_loader *loader, const struct oa_schema *schema);

/*
 * What the $ref of the schema at `node` leads to; NULL: it has none, or `node` is no good schema.
 */
const struct oa_json *oa_schema_target(struct oa_loader *loader, const struct oa_json *node);

/* Visit all schemas of a document that has no mistakes so far. */
void oa_schema_each(struct oa_loader *loader,
                    void (*visit)(struct oa_loader *loader, void *user,
                                  const struct oa_schema *schema, const struct oa_json *source),
                    void *user);

/* Judge one value that stands at `place`; errors go to run->report. Whether it is valid. */
bool oa_schema_run(struct oa_run *run, const struct oa_schema *schema, const struct oa_json *value,
                   const struct oa_place *place);

/*
 * Parse `text` and judge it; `schema` may be NULL: anything is valid. Malformed JSON and too much
 * of it are one error with keyword "json". `limits` may be NULL: oa_schema_limits_default. A small
 * text takes no memory but the stack.
 */
bool oa_schema_check_text(const struct oa_schema *schema, const char *text, size_t len,
                          const struct oa_schema_limits *limits, struct oa_report *report);

/* Frees what lies outside of the arena (compiled patterns); NULL is allowed. */
void oa_schema_free_all(struct oa_schemas *schemas);

/*
 * Text for printf's "%.*s"; when it is long, cut between two characters and then ended by "…". The
 * text of a cut one lives until the thread has shown OA_STR_SHOWN others.
 */
enum { OA_STR_SHOWN = 4, OA_STR_SHOWN_BYTES_MAX = 200 };
#define OA_STR(s) oa_str_shown_len(s), oa_str_shown_text(s)
int oa_str_shown_len(struct str s);
const char *oa_str_shown_text(struct str s);

#endif
