/*
 * The one reader of JSON text (RFC 8259), of the gateway and of the services: it decides what is
 * JSON, and builds nothing. Who wants a tree asks for one event after the other and builds it.
 *
 * Refused beyond the grammar: text that is not UTF-8, a byte order mark, unpaired surrogates,
 * U+0000 in a member name, more levels or values than the limits allow. A name that occurs twice in
 * an object is refused, too: who builds the tree finds it, for it has the names, and calls
 * json_scan_duplicate(). The text must outlive the scan; no memory is taken. Any thread.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_SCAN_DEPTH_MAX = 128, /* the highest depth_max */
    JSON_SCAN_BYTES_MAX = 1 << 30,
    JSON_SCAN_INTEGER_DIGITS_MAX = 18, /* of json_scan.integer; longer ones are only text */
    JSON_SCAN_REASON_BYTES = 128,
    JSON_SCAN_MESSAGE_BYTES = 256,
};

/* One bit each, so that a set of types is a mask. */
enum json_scan_event {
    JSON_SCAN_FAILED = 0, /* the error is filled */
    JSON_SCAN_NULL = 1,
    JSON_SCAN_FALSE = 2,
    JSON_SCAN_TRUE = 4,
    JSON_SCAN_NUMBER = 8,
    JSON_SCAN_STRING = 16,
    JSON_SCAN_ARRAY = 32, /* begins: its values follow, then JSON_SCAN_CLOSE */
    JSON_SCAN_OBJECT = 64,
    JSON_SCAN_CLOSE = 128, /* of what began last and has not ended */
    JSON_SCAN_END = 256,   /* of the text: it was JSON */
};

enum json_scan_failure {
    JSON_SCAN_MALFORMED,
    JSON_SCAN_TOO_DEEP,
    JSON_SCAN_TOO_MANY, /* values */
    JSON_SCAN_NO_MEMORY /* of who builds the tree */
};

struct json_scan_limits {
    unsigned depth_max;  /* levels of arrays and objects, at most JSON_SCAN_DEPTH_MAX */
    uint32_t values_max; /* of the whole text, arrays and objects included */
};

struct json_scan_error {
    enum json_scan_failure failure;
    struct json_scan_limits limits;
    size_t offset;                       /* of the first byte that does not fit */
    size_t line;                         /* from 1 */
    size_t column;                       /* from 1, in code points */
    char reason[JSON_SCAN_REASON_BYTES]; /* "expected ':' after a member name" */
};

struct json_scan_string {
    struct str text; /* between the quotes; with escapes, see json_scan_decode() */
    uint32_t points; /* code points that it stands for */
    bool is_escaped; /* there are escapes in it */
};

struct json_scan {
    /* of the last event: */
    const char *value;              /* where the value begins in the text; it ends at `pos` */
    struct json_scan_string name;   /* of a member; else its text.data is NULL */
    struct json_scan_string string; /* JSON_SCAN_STRING */
    int64_t integer;                /* JSON_SCAN_NUMBER of 1 to 18 digits and nothing else: */
    bool is_integer;                /* whether it is one */

    const char *pos; /* the next byte */
    unsigned depth;  /* arrays and objects that have begun and not ended */

    const char *text; /* the rest is the scanner's own */
    const char *end;
    uint32_t values_left;
    struct json_scan_limits limits;
    struct json_scan_error *error;
    bool expects_value; /* at the beginning of the text, an array or an object */
    bool is_object[JSON_SCAN_DEPTH_MAX];
};

void json_scan_init(struct json_scan *scan, struct str text, const struct json_scan_limits *limits,
                    struct json_scan_error *ret_error);

/* The next event; not to be called after JSON_SCAN_END or JSON_SCAN_FAILED. */
enum json_scan_event json_scan_next(struct json_scan *scan);

/* Write what a string stands for to `out`, which has room for text.len bytes; returns how many. */
size_t json_scan_decode(const struct json_scan_string *string, char *out);

/* The member whose value begins at `value` has the same name as one before it. */
void json_scan_duplicate(struct json_scan *scan, const char *value, struct str name);

/* The builder has no memory for the last value. */
void json_scan_no_memory(struct json_scan *scan);

/* "malformed JSON at line 1, column 14: …": one sentence for clients. */
void json_scan_message(const struct json_scan_error *error, char out[JSON_SCAN_MESSAGE_BYTES]);

/* Whether all of `text` is a number as JSON spells it. */
bool json_scan_is_number(struct str text);

/* The first byte from `s` that is no ASCII character standing for itself in a string, or `end`. */
const char *json_scan_plain(const char *s, const char *end);

#endif
