#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text, in memory for the longest one; NULL with `reason` set, which has room for 200 bytes. */
static char *read_stream(FILE *stream, size_t *ret_len, char *reason) {
    char *text = malloc(OA_DOCUMENT_BYTES_MAX + 1);
    size_t len;

    if (text == NULL) {
        snprintf(reason, 200, "out of memory");
        return NULL;
    }
    len = fread(text, 1, OA_DOCUMENT_BYTES_MAX + 1, stream);
    if (ferror(stream)) {
        snprintf(reason, 200, "cannot be read: %s", strerror(errno));
    } else if (len > OA_DOCUMENT_BYTES_MAX) {
        snprintf(reason, 200, "larger than %d bytes", OA_DOCUMENT_BYTES_MAX);
    } else {
        *ret_len = len;
        return text;
    }
    free(text);
    return NULL;
}

char *oa_file_read(const char *file, size_t *ret_len, oa_problem_fn problem, void *user) {
    char line[OA_PROBLEM_BYTES_MAX];
    char reason[200];
    FILE *stream = fopen(file, "rb");
    char *text = NULL;
    char *kept;

    if (stream == NULL) {
        snprintf(reason, sizeof(reason), "cannot be opened: %s", strerror(errno));
    } else {
        text = read_stream(stream, ret_len, reason);
        fclose(stream);
    }
    if (text == NULL) {
        snprintf(line, sizeof(line), "%s: %s", file, reason);
        problem(user, line);
        return NULL;
    }
    kept = realloc(text, *ret_len + 1);
    return kept != NULL ? kept : text;
}
