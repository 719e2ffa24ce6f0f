/* What a request carries to be followed through the system: its id and its trace context. Pure. */
#ifndef COMMON_HTTP_TRACE_H
#define COMMON_HTTP_TRACE_H

#include "http_server.h"

#include <stdbool.h>

/* ^[A-Za-z0-9._:-]{1,128}$ */
bool http_request_id_is_valid(struct str id);

/*
 * Read a traceparent (W3C Trace Context §3.2, §4.3). True: `ret_traceparent` is it as version 00,
 * with the fields and the flag that version 00 knows, NUL-terminated. False: malformed, nothing is
 * written.
 */
bool http_traceparent_read(struct str header, char ret_traceparent[HTTP_TRACEPARENT_BYTES_MAX + 1]);

#endif
