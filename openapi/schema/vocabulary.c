/* Which keywords there are, and what was most likely meant by one that there is not. */
#include "compile.h"

#include <string.h>

static bool compile_text(struct oa_compiler *c, const struct oa_json *value,
                         const struct oa_place *place) {
    return value->type == OA_STRING || loader_fail(c->loader, place, "must be a string");
}

static bool compile_flag(struct oa_compiler *c, const struct oa_json *value,
                         const struct oa_place *place) {
    return value->type == OA_TRUE || value->type == OA_FALSE ||
           loader_fail(c->loader, place, "must be true or false");
}

static bool compile_examples(struct oa_compiler *c, const struct oa_json *value,
                             const struct oa_place *place) {
    return value->type == OA_ARRAY || loader_fail(c->loader, place, "must be an array");
}

static bool compile_definitions(struct oa_compiler *c, const struct oa_json *value,
                                const struct oa_place *place) {
    return value->type == OA_OBJECT ||
           loader_fail(c->loader, place, "must be an object of schemas");
}

static bool compile_dialect(struct oa_compiler *c, const struct oa_json *value,
                            const struct oa_place *place) {
    static const char *const known[] = { OA_METASCHEMA_URI, OA_METASCHEMA_URI "#",
                                         "https://spec.openapis.org/oas/3.1/dialect/base" };

    for (size_t i = 0; value->type == OA_STRING && i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_is(value->text, known[i])) {
            return true;
        }
    }
    return loader_fail(c->loader, place,
                       "%.*s is not supported: schemas are of draft 2020-12, \"" OA_METASCHEMA_URI
                       "\"",
                       OA_STR(value->raw));
}

const struct oa_keyword oa_keywords_core[] = {
    { "$schema", OA_HOLDS_NONE, compile_dialect },
    { "$id", OA_HOLDS_NONE, NULL },
    { "$anchor", OA_HOLDS_NONE, NULL },
    { "$dynamicAnchor", OA_HOLDS_NONE, NULL },
    { "$vocabulary", OA_HOLDS_NONE, NULL },
    { "$comment", OA_HOLDS_NONE, compile_text },
    { "$defs", OA_HOLDS_MAP, compile_definitions },
    { "title", OA_HOLDS_NONE, compile_text },
    { "description", OA_HOLDS_NONE, compile_text },
    { "default", OA_HOLDS_NONE, NULL },
    { "examples", OA_HOLDS_NONE, compile_examples },
    { "deprecated", OA_HOLDS_NONE, compile_flag },
    { "readOnly", OA_HOLDS_NONE, compile_flag },
    { "writeOnly", OA_HOLDS_NONE, compile_flag },
    { "contentMediaType", OA_HOLDS_NONE, compile_text },
    { "contentEncoding", OA_HOLDS_NONE, compile_text },
    { "contentSchema", OA_HOLDS_SCHEMA, NULL },
    /* of OpenAPI */
    { "discriminator", OA_HOLDS_NONE, NULL },
    { "example", OA_HOLDS_NONE, NULL },
    { "externalDocs", OA_HOLDS_NONE, NULL },
    { "xml", OA_HOLDS_NONE, NULL },
    /* of earlier drafts: known only where unknown keywords are accepted */
    { "definitions", OA_HOLDS_MAP, compile_definitions },
    { NULL, OA_HOLDS_NONE, NULL },
};

static const struct oa_keyword *const tables[] = {
    oa_keywords_core,   oa_keywords_any,   oa_keywords_logic,  oa_keywords_number,
    oa_keywords_string, oa_keywords_array, oa_keywords_object,
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

/* Keywords that other drafts and OpenAPI 3.0 have, and what says the same today. */
static const struct {
    const char *name;
    const char *instead;
} former[] = {
    { "definitions", "use \"$defs\"" },
    { "dependencies", "use \"dependentRequired\" or \"dependentSchemas\"" },
    { "additionalItems", "use \"items\" beside \"prefixItems\"" },
    { "nullable", "add \"null\" to \"type\"" },
    { "id", "use \"$id\"" },
    { "$recursiveRef", "use \"$dynamicRef\"" },
    { "$recursiveAnchor", "use \"$dynamicAnchor\"" },
    { "divisibleBy", "use \"multipleOf\"" },
    { "extends", "use \"allOf\"" },
    { "disallow", "use \"not\"" },
};

enum { FORMER = sizeof(former) / sizeof(former[0]) };

static const char *find_former(struct str name) {
    for (size_t i = 0; i < FORMER; i++) {
        if (str_is(name, former[i].name)) {
            return former[i].instead;
        }
    }
    return NULL;
}

const struct oa_keyword *oa_keyword_find(const struct oa_schemas *schemas, struct str name) {
    if (schemas->is_strict && find_former(name) != NULL) {
        return NULL;
    }
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct oa_keyword *keyword = tables[i]; keyword->name != NULL; keyword++) {
            if (str_is(name, keyword->name)) {
                return keyword;
            }
        }
    }
    return NULL;
}

bool oa_keyword_refuse_unknown(struct oa_loader *loader, struct str name,
                               const struct oa_place *place) {
    const char *instead = find_former(name);
    struct oa_nearest nearest = { .name = name };

    if (name.len >= 2 && memcmp(name.data, "x-", 2) == 0) {
        return true;
    }
    if (instead != NULL) {
        return loader_fail(loader, place, "\"%.*s\" is not a keyword of draft 2020-12; %s",
                           OA_STR(name), instead);
    }
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct oa_keyword *keyword = tables[i]; keyword->name != NULL; keyword++) {
            if (find_former((struct str){ keyword->name, strlen(keyword->name) }) == NULL) {
                oa_nearest_offer(&nearest, keyword->name);
            }
        }
    }
    return oa_nearest_fail(loader, place, "a schema", &nearest);
}
