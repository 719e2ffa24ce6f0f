/*
 * Page cursors for keyset pagination: a position (two integers) bound to the list it belongs to.
 *
 * Opaque to clients. A checksum over position and scope makes a cursor that we did not issue, or
 * issued for another list, an error instead of a surprising page. It is no secret and guards none.
 */
#ifndef RUNTIME_HTTP_CURSOR_H
#define RUNTIME_HTTP_CURSOR_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { CURSOR_BYTES = 49 }; /* 16 + 16 + 16 hexadecimal digits and a NUL */

struct cursor {
    int64_t major; /* e.g. creation time */
    int64_t minor; /* e.g. id */
};

void cursor_format(struct cursor cursor, const char *scope, char out[CURSOR_BYTES]);
/* ERR_INVALID: not a cursor of `scope`. */
MUST_CHECK enum err cursor_parse(struct str text, const char *scope, struct cursor *ret_cursor);

#endif
