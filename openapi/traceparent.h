/*
 * The headers traceparent and tracestate: which of them may be continued.
 *
 * Source: W3C Trace Context, level 1 (Recommendation of 23 November 2021), 3.2 and 3.3. Pure: any
 * thread, no allocation.
 */
#ifndef OPENAPI_TRACEPARENT_H
#define OPENAPI_TRACEPARENT_H

#include "openapi/json/json.h"

#include <stdbool.h>

enum {
    OA_TRACE_ID_BYTES = 32, /* lower-case hexadecimal digits, as the header has them */
    OA_PARENT_ID_BYTES = 16,
    OA_TRACEPARENT_BYTES = 55,     /* "00-" trace-id "-" parent-id "-" flags */
    OA_TRACESTATE_MEMBERS_MAX = 32 /* empty ones not counted */
};

/* Neither id is all zeros. */
struct oa_traceparent {
    char trace_id[OA_TRACE_ID_BYTES]; /* not terminated */
    char parent_id[OA_PARENT_ID_BYTES];
    bool sampled; /* the only flag that level 1 knows; others are not passed on */
};

/*
 * Read the field's value; spaces and tabs around it are ignored. Version 00 is exactly 55 bytes; a
 * later version may go on behind another dash, and is read as if it were 00; ff is invalid. false:
 * start a new trace, and do not look at tracestate.
 */
bool oa_traceparent_parse(struct str value, struct oa_traceparent *ret_parent);

/* Write version 00, OA_TRACEPARENT_BYTES bytes, not terminated. */
void oa_traceparent_write(const struct oa_traceparent *parent, char *buf);

/*
 * Whether a tracestate (several fields joined with ",") can be passed on: each member well-formed,
 * and 1 to OA_TRACESTATE_MEMBERS_MAX of them. A key that comes twice is the vendor's business.
 */
bool oa_tracestate_is_valid(struct str value);

#endif
