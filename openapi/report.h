/*
 * What is wrong with a request: all of it, up to a limit.
 */
#ifndef OPENAPI_REPORT_H
#define OPENAPI_REPORT_H

#include "base/arena.h"
#include "openapi/json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    OA_ERRORS_MAX_DEFAULT = 32,
    /*
     * Longer texts of an error are cut between two characters, never inside an escape ("~1") or a
     * UTF-8 sequence, and then end in "…", which counts.
     */
    OA_ERROR_PATH_BYTES_MAX = 4096,
    OA_ERROR_MESSAGE_BYTES_MAX = 1024
};

/* Where a value stands: a chain of frames on the stack, from the value up to its root. */
struct oa_place {
    const struct oa_place *parent;
    struct str key; /* data != NULL: a member's name; the root's is its prefix, "" for a body */
    size_t index;   /* else an array's index */
};

/* The texts end with a zero byte that is not counted. */
struct oa_error {
    struct oa_error *next;
    struct str path;    /* "/quantity", "path/id", "query/limit"; "" is the whole body */
    struct str keyword; /* "minimum" */
    struct str message; /* "must be >= 1" */
};

/* What the judgements of one request have cost so far. */
struct oa_spent {
    uint32_t steps;
    uint64_t pattern_work;
};

struct oa_report {
    struct arena *arena;
    struct oa_error *first;
    struct oa_error *last;
    unsigned count;
    unsigned count_max; /* further errors are not kept; less when memory is used up */
    bool out_of_memory; /* the verdict is unknown: answer with a server error */

    /* of schema_run.c, whose limits are for all values of the request together */
    struct oa_spent spent[2]; /* to know whether they are valid, and to say why not */
};

void oa_report_init(struct oa_report *report, struct arena *arena, unsigned count_max);

/* Whether checking on is pointless. */
bool oa_report_is_full(const struct oa_report *report);

/* Add one error; the texts are copied. `format` and what follows are printf's. */
__attribute__((format(printf, 4, 5))) void oa_report_add(struct oa_report *report,
                                                         const struct oa_place *place,
                                                         const char *keyword, const char *format,
                                                         ...);

/*
 * Writes the JSON Pointer (RFC 6901) of a place; not terminated. Returns the length. What is longer
 * than `bytes_max` is cut as described above.
 */
size_t oa_place_write(const struct oa_place *place, char *buf, size_t bytes_max);

#endif
