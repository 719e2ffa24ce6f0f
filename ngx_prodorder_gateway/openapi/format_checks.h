/*
 * The checks behind format.c's table, one a format; each file names the documents it implements.
 *
 * `text` is valid UTF-8 (the JSON parser has seen to that) and may hold any code point, zero too.
 */
#ifndef OA_FORMAT_CHECKS_H
#define OA_FORMAT_CHECKS_H

#include "json.h"

#include <stdbool.h>

/* format_time.c */
bool oa_is_date(struct oa_str text);
bool oa_is_time(struct oa_str text);
bool oa_is_date_time(struct oa_str text);
bool oa_is_duration(struct oa_str text);

#endif
