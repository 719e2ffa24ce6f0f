/*
 * A hash table of names, each within a scope: the URIs and anchors of a document's schemas.
 */
#ifndef OPENAPI_SCHEMA_NAMES_H
#define OPENAPI_SCHEMA_NAMES_H

#include "openapi/loader.h"

/* All zero: empty. Its memory is the document's. */
struct oa_names {
    struct oa_named_slot {
        const void *scope;
        struct str name; /* data NULL: the slot is free */
        void *value;
    } * slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
};

/* NULL: there is none. */
void *oa_names_find(const struct oa_names *names, const void *scope, struct str name);

/*
 * Add a value, or replace the one that is there; false after loader_fail(). The name is not copied.
 */
bool oa_names_set(struct oa_loader *loader, struct oa_names *names, const void *scope,
                  struct str name, void *value);

#endif
