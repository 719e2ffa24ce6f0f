/* What the tests of OpenAPI documents share: loading, the lines about mistakes, errors as text. */
#ifndef OPENAPI_FIXTURE_H
#define OPENAPI_FIXTURE_H

#include "openapi/request/request.h"

#include <stdio.h>
#include <string.h>

#define INFO "\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"}"
#define HEAD "{" INFO ",\"paths\":"
#define OK "\"responses\":{\"200\":{\"description\":\"d\"}}"

/* The lines of the last load, a newline between two; "" when the document was good. */
static char message[64 * 1024];
static unsigned message_count;

static void note(void *user, const char *line) {
    size_t len = strlen(message);

    (void)user;
    snprintf(message + len, sizeof(message) - len, "%s%s", len > 0 ? "\n" : "", line);
    message_count++;
}

static inline struct str str(const char *text) {
    return (struct str){ text, strlen(text) };
}

static inline struct document *load(const char *text) {
    message[0] = '\0';
    message_count = 0;
    return document_parse("doc.json", text, strlen(text), note, NULL);
}

/* Errors as "path keyword: message; ...", in order. */
static inline void render(const struct report *report, char *out, size_t bytes) {
    size_t len = 0;

    out[0] = '\0';
    for (const struct report_error *e = report->first; e != NULL; e = e->next) {
        len += (size_t)snprintf(out + len, bytes - len, "%s%.*s %.*s: %.*s", len > 0 ? "; " : "",
                                (int)e->path.len, e->path.data, (int)e->keyword.len,
                                e->keyword.data, (int)e->message.len, e->message.data);
    }
}

#endif
