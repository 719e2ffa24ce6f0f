/*
 * What is wrong with a value, and where: all of it, up to a limit.
 */
#ifndef OPENAPI_REPORT_H
#define OPENAPI_REPORT_H

#include "base/arena.h"
#include "openapi/value.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    REPORT_ERRORS_MAX_DEFAULT = 32,
    /*
     * Longer texts of an error are cut between two characters, never inside an escape ("~1") or a
     * UTF-8 sequence, and then end in "…", which counts.
     */
    REPORT_PATH_BYTES_MAX = 4096,
    REPORT_MESSAGE_BYTES_MAX = 1024
};

/* Where a value stands: a chain of frames on the stack, from the value up to its root. */
struct place {
    const struct place *parent;
    struct str key; /* data != NULL: a member's name; the root's is its prefix, "" for a body */
    size_t index;   /* else an array's index */
};

/* The texts end with a zero byte that is not counted. */
struct report_error {
    struct report_error *next;
    struct str path;    /* "/quantity", "path/id", "query/limit"; "" is the whole body */
    struct str keyword; /* "minimum" */
    struct str message; /* "must be >= 1" */
};

/* What the judgements of one request have cost so far. */
struct report_spent {
    uint32_t steps;
    uint64_t pattern_work;
};

struct report {
    struct arena *arena;
    struct report_error *first;
    struct report_error *last;
    unsigned count;
    unsigned count_max; /* further errors are not kept; less when memory is used up */
    bool out_of_memory; /* the verdict is unknown: answer with a server error */

    /* of schema/run.c, whose limits are for all values of the request together */
    struct report_spent spent[2]; /* to know whether they are valid, and to say why not */
};

void report_init(struct report *report, struct arena *arena, unsigned count_max);

/* Whether checking on is pointless. */
bool report_is_full(const struct report *report);

/* Add one error; the texts are copied. `format` and what follows are printf's. */
__attribute__((format(printf, 4, 5))) void report_add(struct report *report,
                                                      const struct place *place,
                                                      const char *keyword, const char *format, ...);
void report_add_args(struct report *report, const struct place *place, const char *keyword,
                     const char *format, va_list args);

/* One error with the keyword "json": what is no JSON, or too much of it. */
void report_json(struct report *report, const struct place *place,
                 const struct json_scan_error *error);

/* The whole value or document. */
extern const struct place report_root;

/*
 * Writes the JSON Pointer (RFC 6901) of a place; not terminated. Returns the length. What is longer
 * than `bytes_max` is cut as described above.
 */
size_t report_place(const struct place *place, char *buf, size_t bytes_max);

/*
 * Text for printf's "%.*s"; when it is long, cut between two characters and then ended by "…". The
 * text of a cut one lives until the thread has shown REPORT_SHOWN others.
 */
enum { REPORT_SHOWN = 4, REPORT_SHOWN_BYTES_MAX = 200 };
#define SHOWN(s) report_shown_len(s), report_shown_text(s)
int report_shown_len(struct str s);
const char *report_shown_text(struct str s);

/* Places one step below `parent`. */
static inline struct place place_key(const struct place *parent, struct str key) {
    return (struct place){ .parent = parent, .key = key };
}

static inline struct place place_member(const struct place *parent, const struct value *member) {
    return place_key(parent, member->key);
}

static inline struct place place_text(const struct place *parent, const char *name) {
    return place_key(parent, str_of(name));
}

static inline struct place place_index(const struct place *parent, size_t index) {
    return (struct place){ .parent = parent, .index = index };
}

/* A child of an object, or the item of an array that stands at `index`. */
static inline struct place place_child(const struct place *parent, const struct value *child,
                                       size_t index) {
    return child->key.data != NULL ? place_member(parent, child) : place_index(parent, index);
}

#endif
