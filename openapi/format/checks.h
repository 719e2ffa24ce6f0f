/*
 * The checks behind format.c's table, one a format; each file names the documents it implements.
 *
 * `text` is valid UTF-8 (the JSON parser has seen to that) and may hold any code point, zero too.
 */
#ifndef OPENAPI_FORMAT_CHECKS_H
#define OPENAPI_FORMAT_CHECKS_H

#include "openapi/json/json.h"

#include <stdbool.h>

/* format_time.c */
bool oa_is_date(struct str text);
bool oa_is_time(struct str text);
bool oa_is_date_time(struct str text);
bool oa_is_duration(struct str text);

/* format_net.c */
bool oa_is_hostname(struct str text);
bool oa_is_ipv4(struct str text);
bool oa_is_ipv6(struct str text);
bool oa_is_email(struct str text);
bool oa_is_idn_email(struct str text);

/* format_uri.c */
bool oa_is_uri(struct str text);
bool oa_is_uri_reference(struct str text);
bool oa_is_iri(struct str text);
bool oa_is_iri_reference(struct str text);
bool oa_is_uri_template(struct str text);

/* format_text.c */
bool oa_is_uuid(struct str text);
bool oa_is_json_pointer(struct str text);
bool oa_is_relative_json_pointer(struct str text);
bool oa_is_regex(struct str text);

#endif
