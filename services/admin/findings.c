/* Adding to a finding, and comparing two looks. */
#include "findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void findings_add(struct finding *finding, const char *name) {
    finding->broken++;
    if (finding->name_count < FINDINGS_NAMES_MAX) {
        snprintf(finding->names[finding->name_count++], FINDINGS_NAME_BYTES, "%s", name);
    }
}

void findings_add_id(struct finding *finding, int64_t id) {
    char name[24];
    snprintf(name, sizeof(name), "%" PRId64, id);
    findings_add(finding, name);
}

static bool has(const struct finding *finding, const char *name) {
    for (size_t i = 0; i < finding->name_count; i++) {
        if (strcmp(finding->names[i], name) == 0) {
            return true;
        }
    }
    return finding->broken > (int64_t)finding->name_count; /* it may be one that has no room */
}

void findings_keep(struct finding *finding, const struct finding *before) {
    size_t kept = 0;
    int64_t unnamed = finding->broken - (int64_t)finding->name_count;
    for (size_t i = 0; i < finding->name_count; i++) {
        if (has(before, finding->names[i])) {
            memmove(finding->names[kept++], finding->names[i], FINDINGS_NAME_BYTES);
        }
    }
    finding->name_count = kept;
    finding->broken = unnamed + (int64_t)kept;
}
