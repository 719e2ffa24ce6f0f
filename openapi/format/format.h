/*
 * The values of "format" that are asserted: what a string (or a number) must look like.
 *
 * A format applies to its own type only: "date" says nothing about a number. Every check is pure,
 * takes time linear in the text, and may run on any thread.
 */
#ifndef OPENAPI_FORMAT_FORMAT_H
#define OPENAPI_FORMAT_FORMAT_H

#include "openapi/value.h"

#include <stdbool.h>

struct format;

/* NULL: nothing is known about this name, it never asserts. */
const struct format *format_find(struct str name);

/* Whether it is a name that OpenAPI's registry has, and that asserts nothing here. */
bool format_is_annotation(struct str name);

/* The names that format_find() knows, one after the other; NULL: there are no more. */
const char *format_name(size_t index);

/* Whether `value` has the format; true for a value of a type that the format is not about. */
bool format_check(const struct format *format, const struct value *value);

#endif
