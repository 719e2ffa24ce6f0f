/*
 * Media types (RFC 9110, 8.3.1), and the ranges that a document may write for them: a star for the
 * subtype or for both, a star and a suffix ("*+json" as the subtype), parameters.
 */
#ifndef OPENAPI_DOCUMENT_MEDIA_H
#define OPENAPI_DOCUMENT_MEDIA_H

#include "base/str.h"

enum { MEDIA_PARAMS_MAX = 8 };

struct media {
    struct str type;
    struct str subtype;
    struct media_param {
        struct str name;
        struct str value; /* without the quotes, escapes as they are */
    } params[MEDIA_PARAMS_MAX];
    unsigned param_count;
};

/* false: not a media type, or more than MEDIA_PARAMS_MAX parameters. Points into `text`. */
bool media_parse(struct str text, struct media *ret);

/* Whether `media` is what `range` says; parameters that only `media` has do not matter. */
bool media_matches(const struct media *range, const struct media *media);

/* The more specific of two matching ranges has the higher rank. */
unsigned media_rank(const struct media *range);

/* One or more letters, digits and some signs (RFC 9110, 5.6.2). */
bool media_is_token(struct str text);

/* "application/json", "application/problem+json". */
bool media_is_json(const struct media *media);

/* A value of the parameter "charset" that is not UTF-8 or a part of it. */
bool media_has_other_charset(const struct media *media);

#endif
