#include "loader.h"
#include "pattern.h"

#include <string.h>

static const struct oa_keyword *const tables[] = { oa_keywords_any, oa_keywords_number,
                                                   oa_keywords_string, oa_keywords_array,
                                                   oa_keywords_object };

/* Keywords that say nothing about validity. $defs holds schemas that are compiled when used. */
static const char *const annotations[] = {
    "title",    "description", "default",  "example",      "examples", "format",  "deprecated",
    "readOnly", "writeOnly",   "$comment", "externalDocs", "xml",      "$schema", "$defs",
};

static const struct oa_keyword *find_keyword(struct oa_str name) {
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct oa_keyword *keyword = tables[i]; keyword->name != NULL; keyword++) {
            if (oa_str_is(name, keyword->name)) {
                return keyword;
            }
        }
    }
    return NULL;
}

static bool is_annotation(struct oa_str name) {
    if (name.len >= 2 && memcmp(name.data, "x-", 2) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(annotations) / sizeof(annotations[0]); i++) {
        if (oa_str_is(name, annotations[i])) {
            return true;
        }
    }
    return false;
}

static struct oa_op *compile_keyword(struct oa_loader *loader, const struct oa_json *schema,
                                     const struct oa_json *member, const struct oa_place *place) {
    const struct oa_keyword *keyword = find_keyword(member->key);
    struct oa_op *op;

    if (keyword == NULL) {
        loader_fail(loader, place, "the schema keyword \"%.*s\" is not supported",
                    OA_STR(member->key));
        return NULL;
    }
    op = loader_alloc(loader, 1, sizeof(*op));
    if (op == NULL) {
        return NULL;
    }
    op->keyword = keyword;
    op->text = member->type == OA_STRING ? member->text : member->raw;
    return keyword->compile(loader, schema, member, place, op) ? op : NULL;
}

/* Operations run in the document's order, but "additionalProperties" must find "properties". */
static bool compile_members(struct oa_loader *loader, struct oa_schema *schema,
                            const struct oa_place *place) {
    struct oa_op **link = &schema->ops;

    for (const struct oa_json *m = schema->source->child; m != NULL; m = m->next) {
        struct oa_place at = place_member(place, m);

        if (is_annotation(m->key)) {
            continue;
        }
        *link = compile_keyword(loader, schema->source, m, &at);
        if (*link == NULL) {
            return false;
        }
        if (oa_str_is(m->key, "type")) {
            schema->types = (*link)->u.types;
        }
        link = &(*link)->next;
    }
    for (struct oa_op *op = schema->ops; op != NULL; op = op->next) {
        if (strcmp(op->keyword->name, "additionalProperties") != 0) {
            continue;
        }
        for (const struct oa_op *other = schema->ops; other != NULL; other = other->next) {
            if (strcmp(other->keyword->name, "properties") == 0) {
                op->u.additional.known = &other->u.properties;
            }
        }
    }
    return true;
}

struct oa_schema *oa_schema_compile(struct oa_loader *loader, const struct oa_json *node,
                                    const struct oa_place *place) {
    struct oa_schema *schema;

    for (schema = loader->doc->schemas; schema != NULL; schema = schema->next) {
        if (schema->source == node) {
            return schema;
        }
    }
    if (node->type != OA_OBJECT && node->type != OA_TRUE && node->type != OA_FALSE) {
        loader_fail(loader, place, "a schema must be an object, true or false");
        return NULL;
    }
    schema = loader_alloc(loader, 1, sizeof(*schema));
    if (schema == NULL) {
        return NULL;
    }
    /* known before its members are compiled, so that it may refer to itself */
    schema->source = node;
    schema->is_false = node->type == OA_FALSE;
    schema->next = loader->doc->schemas;
    loader->doc->schemas = schema;
    if (node->type == OA_OBJECT && !compile_members(loader, schema, place)) {
        return NULL;
    }
    return schema;
}

bool oa_compile_size(struct oa_loader *loader, const struct oa_json *value,
                     const struct oa_place *place, struct oa_op *op) {
    struct oa_decimal d;
    uint64_t n = 0;

    if (value->type != OA_NUMBER) {
        return loader_fail(loader, place, "must be an integer from 0");
    }
    d = oa_decimal_parse(value->raw);
    if (d.negative || !oa_decimal_is_integer(&d) || (int64_t)d.digits + d.exponent > 15) {
        return loader_fail(loader, place, "must be an integer from 0 to 999999999999999");
    }
    for (size_t i = 0; i < d.text.len; i++) {
        if (d.text.data[i] != '.') {
            n = n * 10 + (uint64_t)(d.text.data[i] - '0');
        }
    }
    for (int64_t i = 0; i < d.exponent; i++) {
        n *= 10;
    }
    op->u.size = n;
    return true;
}

enum { NOT_VISITED, VISITING, VISITED };

/* Only $ref applies another schema to the same value; the path of such steps must end. */
static bool has_loop(struct oa_schema *schema) {
    if (schema->visit == VISITING) {
        return true;
    }
    if (schema->visit == VISITED) {
        return false;
    }
    schema->visit = VISITING;
    for (const struct oa_op *op = schema->ops; op != NULL; op = op->next) {
        if (strcmp(op->keyword->name, "$ref") == 0 && has_loop((struct oa_schema *)op->u.schema)) {
            return true;
        }
    }
    schema->visit = VISITED;
    return false;
}

bool oa_schema_check_loops(struct oa_loader *loader) {
    for (struct oa_schema *schema = loader->doc->schemas; schema != NULL; schema = schema->next) {
        if (has_loop(schema)) {
            const struct oa_json *ref = oa_json_get(schema->source, "$ref");
            const struct oa_place root = { .key = { "", 0 } };

            return loader_fail(loader, &root, "the reference \"%.*s\" leads back to itself",
                               ref != NULL ? (int)ref->text.len : 0,
                               ref != NULL ? ref->text.data : "");
        }
    }
    return true;
}

void oa_schema_free_all(struct oa_schema *first) {
    for (struct oa_schema *schema = first; schema != NULL; schema = schema->next) {
        for (const struct oa_op *op = schema->ops; op != NULL; op = op->next) {
            if (strcmp(op->keyword->name, "pattern") == 0) {
                oa_pattern_free(op->u.pattern.code);
            }
        }
    }
}
