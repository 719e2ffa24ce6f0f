/* UTF-8 (RFC 3629), for the JSON reader and writer. Pure; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES_MAX = 4 };

/*
 * The length, 1 to 4, of the well-formed sequence that `bytes` starts with; 0 when there is none:
 * a lone continuation byte, an overlong form, a surrogate, above U+10FFFF, or cut off at `length`.
 */
size_t utf8_sequence(const char *bytes, size_t length);

/* Encode `code_point`, a Unicode scalar value; returns how many bytes of `out` were written. */
size_t utf8_encode(uint32_t code_point, char out[UTF8_BYTES_MAX]);

/*
 * How many bytes of `bytes` to keep so that at most `bytes_max` are and no sequence is cut:
 * for shortening text that is too long.
 */
size_t utf8_cut(const char *bytes, size_t length, size_t bytes_max);

#endif
