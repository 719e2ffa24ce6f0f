/*
 * A regular expression of ECMA-262 (22.2.1, with the flag u), translated into one of PCRE2.
 */
#ifndef OPENAPI_PATTERN_TRANSLATE_H
#define OPENAPI_PATTERN_TRANSLATE_H

#include "atom.h"

enum { PATTERN_SOURCE_BYTES_MAX = 4096, PATTERN_GROUPS_DEPTH_MAX = 100 };

/*
 * Translate all of parser->source; set that and maybe is_compact, the rest is zero. The caller
 * frees parser->out.
 */
bool pattern_translate(struct parser *parser);

#endif
