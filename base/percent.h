/* Percent-encoding (RFC 3986 §2.1). Pure. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "str.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The byte at *position, decoded; moves on behind it. -1: '%' without two hexadecimal digits.
 * *position must be within `text`.
 */
int http_percent_decode(struct str text, size_t *position);

/*
 * A path with its unreserved characters decoded (§6.2.2.2: they mean the same either way) and all
 * else left as it is, so that an encoded '/' or NUL stays part of its segment. `out` has room for
 * path.length bytes; the result is not NUL-terminated. False: a malformed encoding.
 */
bool http_percent_normalize(struct str path, char *out, size_t *ret_length);

#endif
