/*
 * The checks behind format.c's table, one a format; each file names the documents it implements.
 *
 * `text` is valid UTF-8 (the JSON parser has seen to that) and may hold any code point, zero too.
 */
#ifndef OA_FORMAT_CHECKS_H
#define OA_FORMAT_CHECKS_H

#include "openapi/json/json.h"

#include <stdbool.h>

/* format_time.c */
bool oa_is_date(struct oa_str text);
bool oa_is_time(struct oa_str text);
bool oa_is_date_time(struct oa_str text);
bool oa_is_duration(struct oa_str text);

/* format_net.c */
bool oa_is_hostname(struct oa_str text);
bool oa_is_ipv4(struct oa_str text);
bool oa_is_ipv6(struct oa_str text);
bool oa_is_email(struct oa_str text);
bool oa_is_idn_email(struct oa_str text);

/* format_uri.c */
bool oa_is_uri(struct oa_str text);
bool oa_is_uri_reference(struct oa_str text);
bool oa_is_iri(struct oa_str text);
bool oa_is_iri_reference(struct oa_str text);
bool oa_is_uri_template(struct oa_str text);

/* format_text.c */
bool oa_is_uuid(struct oa_str text);
bool oa_is_json_pointer(struct oa_str text);
bool oa_is_relative_json_pointer(struct oa_str text);
bool oa_is_regex(struct oa_str text);

#endif
