/*
 * What the command-line tools share: JSON on standard output, and whether it arrived.
 */
#ifndef OPENAPI_TOOLS_TOOL_H
#define OPENAPI_TOOLS_TOOL_H

#include "openapi/report.h"

#include <stdbool.h>
#include <stdio.h>

/* The texts are valid UTF-8: only quotes, backslashes and control characters need an escape. */
static inline void tool_print_text(struct str text) {
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

/* An array of all errors. */
static inline void tool_print_errors(const struct report *report) {
    putchar('[');
    for (const struct report_error *error = report->first; error != NULL; error = error->next) {
        fputs(error == report->first ? "{\"path\":" : ",{\"path\":", stdout);
        tool_print_text(error->path);
        fputs(",\"keyword\":", stdout);
        tool_print_text(error->keyword);
        fputs(",\"message\":", stdout);
        tool_print_text(error->message);
        putchar('}');
    }
    putchar(']');
}

/* Whether all of the output was written; says so on standard error when it was not. */
static inline bool tool_flush(const char *tool) {
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return true;
    }
    fprintf(stderr, "%s: the answer cannot be written\n", tool);
    return false;
}

#endif
