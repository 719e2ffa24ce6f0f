/* What all commands of prodorder-admin need. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

const char *admin_variable(const char *name) {
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') {
        fprintf(stderr, "prodorder-admin: %s is not set\n", name);
        return NULL;
    }
    return value;
}
