/* Times that leave the process, and times between. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLOCK_RFC3339_BYTES = 25 }; /* "2026-11-22T17:16:32.123Z" and a NUL */

int64_t clock_unix_ms(void); /* wall clock, milliseconds since 1970 */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);

/* A time that clock_format_rfc3339() can write: from the year 1970 to 9999. */
bool clock_is_printable(int64_t unix_ms);
/* RFC 3339, UTC, milliseconds. `unix_ms` from year 1970 to 9999. */
void clock_format_rfc3339(int64_t unix_ms, char out[CLOCK_RFC3339_BYTES]);
/*
 * The reverse, with zero to nine fractional digits (more than three are cut) and any offset; a leap
 * second is the second after it. ERR_INVALID for anything else: days that do not exist, a time that
 * is not printable.
 */
MUST_CHECK enum err clock_parse_rfc3339(const char *text, size_t length, int64_t *ret_unix_ms);

#endif
