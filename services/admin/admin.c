/* What all commands of prodorder-admin need. */
#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 8, VALUE_BYTES = 2048, NAME_BYTES = 64, COMPLAINT_BYTES = 1024 };

static char last[COMPLAINT_BYTES];

const char *admin_last_complaint(void) {
    return last;
}

void admin_complain(const char *format, ...) {
    char line[COMPLAINT_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    for (size_t length = strlen(line); length > 0 && line[length - 1] == '\n'; length--) {
        line[length - 1] = '\0'; /* libpq's lines have one */
    }
    if (strcmp(line, last) != 0) {
        fprintf(stderr, "prodorder-admin: %s\n", line);
        memcpy(last, line, sizeof(last));
    }
}

/* What files have said, as long as the process lives. */
static struct {
    char name[NAME_BYTES];
    char value[VALUE_BYTES];
} files[FILES_MAX];
static size_t file_count;

/*
 * The first line of the file that NAME_FILE names; NULL: there is none, or it cannot be read (said
 * why).
 */
static const char *read_file(const char *name) {
    char variable[NAME_BYTES];
    snprintf(variable, sizeof(variable), "%s_FILE", name);
    const char *path = getenv(variable);
    for (size_t i = 0; i < file_count; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return files[i].value;
        }
    }
    if (path == NULL || *path == '\0' || file_count == FILES_MAX) {
        return NULL;
    }
    FILE *in = fopen(path, "r");
    char *value = files[file_count].value;
    bool good = in != NULL && fgets(value, VALUE_BYTES, in) != NULL;
    if (in != NULL) {
        fclose(in);
    }
    if (!good) {
        admin_complain("%s: %s cannot be read", variable, path);
        return NULL;
    }
    value[strcspn(value, "\r\n")] = '\0';
    snprintf(files[file_count].name, NAME_BYTES, "%s", name);
    file_count++;
    return value;
}

const char *admin_variable(const char *name) {
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        value = read_file(name);
    }
    if (value == NULL || *value == '\0') {
        admin_complain("%s is not set", name);
        return NULL;
    }
    return value;
}
