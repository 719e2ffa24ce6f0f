/* Which keywords there are, and what was most likely meant by one that there is not. */
#include "compile.h"

#include <string.h>

static bool compile_text(struct compiler *c, const struct value *value, const struct place *place) {
    return value->type == VALUE_STRING || loader_fail(c->loader, place, "must be a string");
}

static bool compile_flag(struct compiler *c, const struct value *value, const struct place *place) {
    return value->type == VALUE_TRUE || value->type == VALUE_FALSE ||
           loader_fail(c->loader, place, "must be true or false");
}

static bool compile_examples(struct compiler *c, const struct value *value,
                             const struct place *place) {
    return value->type == VALUE_ARRAY || loader_fail(c->loader, place, "must be an array");
}

static bool compile_definitions(struct compiler *c, const struct value *value,
                                const struct place *place) {
    return value->type == VALUE_OBJECT ||
           loader_fail(c->loader, place, "must be an object of schemas");
}

static bool compile_dialect(struct compiler *c, const struct value *value,
                            const struct place *place) {
    static const char *const known[] = { METASCHEMA_URI, METASCHEMA_URI "#",
                                         "https://spec.openapis.org/oas/3.1/dialect/base" };

    for (size_t i = 0; value->type == VALUE_STRING && i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_is(value->text, known[i])) {
            return true;
        }
    }
    return loader_fail(c->loader, place,
                       "%.*s is not supported: schemas are of draft 2020-12, \"" METASCHEMA_URI
                       "\"",
                       SHOWN(value->raw));
}

static const struct keyword core[] = {
    { .name = "$schema", .compile = compile_dialect },
    { .name = "$id" },
    { .name = "$anchor" },
    { .name = "$dynamicAnchor" },
    { .name = "$vocabulary" },
    { .name = "$comment", .compile = compile_text },
    { .name = "$defs", .holds = HOLDS_MAP, .compile = compile_definitions },
    { .name = "title", .compile = compile_text },
    { .name = "description", .compile = compile_text },
    { .name = "default" },
    { .name = "examples", .compile = compile_examples },
    { .name = "deprecated", .compile = compile_flag },
    { .name = "readOnly", .compile = compile_flag },
    { .name = "writeOnly", .compile = compile_flag },
    { .name = "contentMediaType", .compile = compile_text },
    { .name = "contentEncoding", .compile = compile_text },
    { .name = "contentSchema", .holds = HOLDS_SCHEMA },
    /* of OpenAPI */
    { .name = "discriminator" },
    { .name = "example" },
    { .name = "externalDocs" },
    { .name = "xml" },
    /* of earlier drafts: known only where unknown keywords are accepted */
    { .name = "definitions", .holds = HOLDS_MAP, .compile = compile_definitions },
    { .name = NULL },
};

static const struct keyword *const tables[] = { core, keyword_value, keyword_logic, keyword_array,
                                                keyword_object };

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

const struct keyword *vocabulary_find(const struct schemas *schemas, struct str name) {
    if (schemas->options.is_strict && find_former(name) != NULL) {
        return NULL;
    }
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct keyword *keyword = tables[i]; keyword->name != NULL; keyword++) {
            if (str_is(name, keyword->name)) {
                return keyword;
            }
        }
    }
    return NULL;
}

bool vocabulary_refuse(struct loader *loader, struct str name, const struct place *place) {
    const char *instead = find_former(name);
    struct loader_nearest nearest = { .name = name };

    if (name.len >= 2 && memcmp(name.data, "x-", 2) == 0) {
        return true;
    }
    if (instead != NULL) {
        return loader_fail(loader, place, "\"%.*s\" is not a keyword of draft 2020-12; %s",
                           SHOWN(name), instead);
    }
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct keyword *keyword = tables[i]; keyword->name != NULL; keyword++) {
            if (find_former(str_of(keyword->name)) == NULL) {
                loader_offer(&nearest, keyword->name);
            }
        }
    }
    return loader_fail_nearest(loader, place, "a schema", &nearest);
}
