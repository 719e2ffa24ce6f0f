/*
 * URI references, resolved against a base (RFC 3986, 5.2).
 */
#ifndef OA_SCHEMA_URI_H
#define OA_SCHEMA_URI_H

#include "openapi/arena.h"
#include "openapi/json/json.h"

/* What stands before and behind the first '#'; `fragment.data` is NULL when there is none. */
void oa_uri_split(struct oa_str reference, struct oa_str *ret_uri, struct oa_str *ret_fragment);

/*
 * `reference` (without fragment) as seen from `base`, in the arena; data NULL: no memory. With the
 * empty base, or another that is relative, the result is relative, too.
 */
struct oa_str oa_uri_resolve(struct oa_arena *arena, struct oa_str base, struct oa_str reference);

#endif
