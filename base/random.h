/*
 * Random bytes from the kernel, drawn many at a time, and what is made of them: ids and jitter. Any
 * thread. A process that forks calls this only in its children: they would share what is drawn.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_UUID_BYTES = 37 }; /* RFC 9562 text form and a NUL */

/* At most RANDOM_FILL_BYTES_MAX bytes. */
enum { RANDOM_FILL_BYTES_MAX = 64 };
void random_fill(void *out, size_t bytes);

/* A random UUID, version 4 (RFC 9562 §5.4). */
void random_uuid(char out[RANDOM_UUID_BYTES]);

/* `digits` (even, at most 64) lower-case hexadecimal digits, not all 0; not NUL-terminated. */
void random_hex(char *out, size_t digits);

/* A random number below `below` (> 0), for jitter; not for secrets. */
uint32_t random_below(uint32_t below);

/*
 * The error for which the kernel gave none to this thread: no getrandom() in it, or in a sandbox;
 * bytes are made of the clock since. 0: all is well.
 */
int random_error(void);

#endif
