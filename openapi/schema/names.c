#include "names.h"

/* FNV-1a; a document's author gains nothing from names that collide. */
static uint64_t hash(const void *scope, struct str name) {
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ ((uint64_t)(uintptr_t)scope >> 3);

    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 29;
}

/* Where the name is, or would be. */
static struct oa_named_slot *find_slot(struct oa_named_slot *slots, size_t count, const void *scope,
                                       struct str name) {
    size_t i = (size_t)hash(scope, name) & (count - 1);

    while (slots[i].name.data != NULL &&
           (slots[i].scope != scope || !str_equal(slots[i].name, name))) {
        i = (i + 1) & (count - 1);
    }
    return &slots[i];
}

void *oa_names_find(const struct oa_names *names, const void *scope, struct str name) {
    return names->slot_count == 0 ? NULL
                                  : find_slot(names->slots, names->slot_count, scope, name)->value;
}

/* At most half of the slots are taken. */
static bool grow(struct oa_loader *loader, struct oa_names *names) {
    size_t count = names->slot_count == 0 ? 64 : names->slot_count * 2;
    struct oa_named_slot *slots;

    if (names->count * 2 < names->slot_count) {
        return true;
    }
    slots = loader_alloc(loader, count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < names->slot_count; i++) {
        const struct oa_named_slot *old = &names->slots[i];

        if (old->name.data != NULL) {
            *find_slot(slots, count, old->scope, old->name) = *old;
        }
    }
    names->slots = slots;
    names->slot_count = count;
    return true;
}

bool oa_names_set(struct oa_loader *loader, struct oa_names *names, const void *scope,
                  struct str name, void *value) {
    struct oa_named_slot *slot;

    if (!grow(loader, names)) {
        return false;
    }
    slot = find_slot(names->slots, names->slot_count, scope, name);
    names->count += slot->name.data == NULL;
    *slot = (struct oa_named_slot){ .scope = scope, .name = name, .value = value };
    return true;
}
