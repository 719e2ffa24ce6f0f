/*
 * JSON Pointers in URI fragments (RFC 6901, 6).
 */
#ifndef OPENAPI_REFERENCE_H
#define OPENAPI_REFERENCE_H

#include "base/arena.h"
#include "openapi/json.h"

/*
 * Decode the %XX of a fragment; a copy in the arena. data NULL: no memory or, with *ret_malformed,
 * not correctly percent-encoded.
 */
struct str oa_fragment_decode(struct arena *arena, struct str fragment, bool *ret_malformed);

/*
 * Take the next token of a pointer that begins with '/': *pointer is shortened by it. The token's
 * ~0 and ~1 are decoded in the pointer's own memory.
 */
struct str oa_pointer_next(struct str *pointer);

/* The member or item that the token names, or NULL. */
const struct oa_json *oa_pointer_step(const struct oa_json *node, struct str token);

#endif
