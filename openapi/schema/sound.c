/*
 * Which schemas of a document with mistakes can be run: those that lead to none of the mistakes.
 *
 * What a schema may apply are the schemas within it and the targets of references; they are
 * followed by a queue, so that the stack stays small whatever the document.
 */
#include "compile.h"

/* Values that are looked at for one document; beyond, nothing more is called sound. */
enum { STEPS_MAX = 5000000 };

struct look {
    struct oa_schemas *schemas;
    size_t count; /* of the queue */
    bool is_sound;
};

static void put(struct look *look, const struct oa_json *node) {
    struct oa_schema *schema = oa_index_find(look->schemas, node);

    if (schema == NULL || schema->state != OA_COMPILED) {
        look->is_sound = false;
    } else if (schema->mark != look->schemas->sound_mark) {
        schema->mark = look->schemas->sound_mark;
        look->schemas->sound_queue[look->count++] = schema;
    }
}

/* Put the schemas right below `node`. The depth is that of the document's JSON. */
static void scan(struct look *look, const struct oa_json *node) {
    for (const struct oa_json *one = node->child; one != NULL && look->is_sound; one = one->next) {
        if (look->schemas->sound_steps++ >= STEPS_MAX ||
            (one->key.data != NULL && str_is(one->key, "$dynamicRef"))) {
            look->is_sound = false;
        } else if (oa_index_find(look->schemas, one) != NULL) {
            put(look, one);
        } else if (one->type == OA_OBJECT || one->type == OA_ARRAY) {
            scan(look, one);
        }
    }
}

bool oa_schema_is_sound(struct oa_loader *loader, const struct oa_schema *schema) {
    struct oa_schemas *schemas = loader->doc->schemas;
    struct look look = { .schemas = schemas, .is_sound = true };

    if (schemas->soundness != OA_SOUND_SOME) {
        return schemas->soundness == OA_SOUND_ALL;
    }
    if (schemas->sound_queue == NULL) {
        schemas->sound_queue =
            loader_alloc(loader, schemas->schema_count + 1, sizeof(*schemas->sound_queue));
        if (schemas->sound_queue == NULL) {
            return false;
        }
    }
    schemas->sound_mark++;
    put(&look, schema->source);
    for (size_t i = 0; i < look.count && look.is_sound; i++) {
        const struct oa_json *source = schemas->sound_queue[i]->source;
        const struct oa_json *target = oa_schema_target(loader, source);

        scan(&look, source);
        if (target != NULL) {
            put(&look, target);
        }
    }
    return look.is_sound;
}
