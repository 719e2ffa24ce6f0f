/*
 * URI references, resolved against a base (RFC 3986, 5.2).
 */
#ifndef OPENAPI_SCHEMA_URI_H
#define OPENAPI_SCHEMA_URI_H

#include "base/arena.h"
#include "openapi/json.h"

/* What stands before and behind the first '#'; `fragment.data` is NULL when there is none. */
void oa_uri_split(struct str reference, struct str *ret_uri, struct str *ret_fragment);

/*
 * `reference` (without fragment) as seen from `base`, in the arena; data NULL: no memory. With the
 * empty base, or another that is relative, the result is relative, too.
 */
struct str oa_uri_resolve(struct arena *arena, struct str base, struct str reference);

#endif
