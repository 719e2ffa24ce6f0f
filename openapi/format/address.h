/*
 * Whether a text is a name, an address or a URI: the checks behind some rows of format.c's table.
 *
 * `text` is valid UTF-8 (the JSON parser has seen to that) and may hold any code point, zero too.
 */
#ifndef OPENAPI_FORMAT_ADDRESS_H
#define OPENAPI_FORMAT_ADDRESS_H

#include "base/str.h"

bool address_is_hostname(struct str text);
bool address_is_ipv4(struct str text);
bool address_is_ipv6(struct str text);
bool address_is_email(struct str text);
bool address_is_idn_email(struct str text);
bool address_is_uri(struct str text);
bool address_is_uri_reference(struct str text);
bool address_is_iri(struct str text);
bool address_is_iri_reference(struct str text);
bool address_is_uri_template(struct str text);

#endif
