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
int percent_next(struct str text, size_t *position);

/*
 * All of `text`, decoded. `out` has room for text.len bytes and may be the text itself; the result
 * is not NUL-terminated. False: a malformed encoding.
 */
bool percent_decode(struct str text, char *out, size_t *ret_length);

/*
 * The same for a path, but only its unreserved characters are decoded (§6.2.2.2: they mean the same
 * either way) and all else is left as it is, so that an encoded '/' or NUL stays part of its
 * segment.
 */
bool percent_normalize(struct str path, char *out, size_t *ret_length);

#endif
