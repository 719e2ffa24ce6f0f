/*
 * Media types (RFC 9110, 8.3.1), and the ranges that a document may write for them: a star for the
 * subtype or for both, a star and a suffix ("*+json" as the subtype), parameters.
 */
#ifndef OPENAPI_REQUEST_BODY_MEDIA_H
#define OPENAPI_REQUEST_BODY_MEDIA_H

#include "openapi/json.h"

enum { OA_MEDIA_PARAMS_MAX = 8 };

struct oa_media {
    struct str type;
    struct str subtype;
    struct oa_media_param {
        struct str name;
        struct str value; /* without the quotes, escapes as they are */
    } params[OA_MEDIA_PARAMS_MAX];
    unsigned param_count;
};

/* false: not a media type, or more than OA_MEDIA_PARAMS_MAX parameters. Points into `text`. */
bool oa_media_parse(struct str text, struct oa_media *ret);

/* Whether `media` is what `range` says; parameters that only `media` has do not matter. */
bool oa_media_matches(const struct oa_media *range, const struct oa_media *media);

/* The more specific of two matching ranges has the higher rank. */
unsigned oa_media_rank(const struct oa_media *range);

/* One or more letters, digits and some signs (RFC 9110, 5.6.2). */
bool oa_media_is_token(struct str text);

/* "application/json", "application/problem+json". */
bool oa_media_is_json(const struct oa_media *media);

/* A value of the parameter "charset" that is not UTF-8 or a part of it. */
bool oa_media_has_other_charset(const struct oa_media *media);

#endif
