/*
 * What leads through the system: a request's id and its W3C trace context (Trace Context, level 1).
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "str.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TRACE_REQUEST_ID_BYTES_MAX = 128,
    TRACE_PARENT_BYTES_MAX = 55,
    TRACE_STATE_BYTES_MAX = 512,  /* a longer tracestate is cut (§3.3.1.5) */
    TRACE_STATE_LONG_BYTES = 128, /* longer members go first then */
    TRACE_STATE_MEMBERS_MAX = 32,
    TRACE_ID_BYTES = 32,
    TRACE_SPAN_ID_BYTES = 16,
};

/* Carried from hop to hop. NUL-terminated; "" when absent; without a parent there is no state. */
struct trace {
    const char *request_id;
    const char *parent; /* traceparent, version 00 */
    const char *state;  /* tracestate, as trace_state_add() writes it */
};

/* The same by value, for what outlives a request. */
struct trace_copy {
    char request_id[TRACE_REQUEST_ID_BYTES_MAX + 1];
    char parent[TRACE_PARENT_BYTES_MAX + 1];
    char state[TRACE_STATE_BYTES_MAX + 1];
};
/* A text over its limit is absent in the copy, and so is the state of an absent parent. */
void trace_copy(struct trace_copy *copy, struct trace trace);
/* Valid as long as `copy`. */
struct trace trace_of(const struct trace_copy *copy);

/* ^[A-Za-z0-9._:-]{1,128}$ */
bool trace_request_id_is_valid(struct str id);

/* Where a traceparent has them: "00-", the trace, "-", the span, "-", two digits of flags. */
enum { TRACE_ID_AT = 3, TRACE_SPAN_ID_AT = 36 };

/*
 * Read a traceparent (§3.2, §4.3), without white space around it. True: `ret_parent` is it as
 * version 00, with the fields and the flag that version 00 knows, NUL-terminated. False: malformed,
 * nothing is written.
 */
bool trace_parent_read(struct str header, char ret_parent[TRACE_PARENT_BYTES_MAX + 1]);

/* A trace of our own, with random ids. */
void trace_parent_start(bool sampled, char ret_parent[TRACE_PARENT_BYTES_MAX + 1]);

/* The same trace for who comes next: a random span takes the place of the one that is there. */
void trace_parent_pass(char parent[TRACE_PARENT_BYTES_MAX + 1]);

/* A tracestate being put together from its fields; begin with { 0 }. */
struct trace_state {
    char text[TRACE_STATE_BYTES_MAX + 1]; /* NUL-terminated */
    size_t length;
    unsigned members; /* read, whether kept or not */
    bool long_cut;    /* a long member is gone already: no other is taken any more */
    bool full;        /* the end of the list is being cut off */
    bool invalid;
};

/*
 * Append the members of one field (§3.3.1), without the white space around them and without empty
 * ones. A malformed member, or more than TRACE_STATE_MEMBERS_MAX of them, makes the whole list
 * void, now and for the fields to come. What is longer than TRACE_STATE_BYTES_MAX characters in all
 * loses whole members until it fits: first those longer than TRACE_STATE_LONG_BYTES, then any, each
 * time the last one.
 */
void trace_state_add(struct trace_state *state, struct str field);

/* For logs: the ids of its parent, TRACE_ID_BYTES and TRACE_SPAN_ID_BYTES of it; NULL without. */
const char *trace_id(struct trace trace);
const char *trace_span_id(struct trace trace);

#endif
