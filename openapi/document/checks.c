/*
 * What the tables of document_objects.c cannot say: which members go together, which values exist.
 */
#include "base/ascii.h"
#include "shape.h"

#include <string.h>

static bool has_both(const struct oa_json *node, const char *a, const char *b) {
    return oa_json_get(node, a) != NULL && oa_json_get(node, b) != NULL;
}

/* Whether `text` is one of `words`, which end with NULL; `all` names them. */
static bool is_one_of(struct oa_loader *loader, struct str text, const struct oa_place *place,
                      const char *const *words, const char *all) {
    for (const char *const *word = words; *word != NULL; word++) {
        if (str_is(text, *word)) {
            return true;
        }
    }
    return loader_fail(loader, place, "must be %s", all);
}

void oa_check_license(struct oa_loader *loader, const struct oa_json *node,
                      const struct oa_place *place, struct oa_seen *seen) {
    (void)seen;
    if (has_both(node, "identifier", "url")) {
        loader_fail(loader, place, "a license has either \"identifier\" or \"url\", not both");
    }
}

void oa_check_example(struct oa_loader *loader, const struct oa_json *node,
                      const struct oa_place *place, struct oa_seen *seen) {
    (void)seen;
    if (has_both(node, "value", "externalValue")) {
        loader_fail(loader, place,
                    "an example has either \"value\" or \"externalValue\", not both");
    }
}

/* Names of components stand in references: [A-Za-z0-9._-]+ (4.8.7.1). */
static bool is_component_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!ascii_is_alnum(c) && c != '.' && c != '-' && c != '_') {
            return false;
        }
    }
    return name.len > 0;
}

void oa_check_components(struct oa_loader *loader, const struct oa_json *node,
                         const struct oa_place *place, struct oa_seen *seen) {
    (void)seen;
    for (const struct oa_json *map = node->child; map != NULL; map = map->next) {
        struct oa_place at = place_member(place, map);

        if (map->type != OA_OBJECT || oa_shape_is_extension(map->key)) {
            continue;
        }
        for (const struct oa_json *one = map->child; one != NULL; one = one->next) {
            struct oa_place one_at = place_member(&at, one);

            if (!is_component_name(one->key)) {
                loader_fail(loader, &one_at,
                            "a component's name is made of letters, digits, '.', '-' and '_'");
            }
        }
    }
}

/* ---- the document ---- */

/* Each with each: there are at most OA_TAGS_MAX. */
static void check_tags(struct oa_loader *loader, const struct oa_json *tags,
                       const struct oa_place *place) {
    size_t index = 0;

    for (const struct oa_json *tag = tags->child; tag != NULL; tag = tag->next, index++) {
        struct oa_place at = place_index(place, index);
        struct str name;
        struct str other_name;

        if (!oa_shape_text(tag, "name", &name)) {
            continue;
        }
        for (const struct oa_json *other = tags->child; other != tag; other = other->next) {
            if (oa_shape_text(other, "name", &other_name) && str_equal(name, other_name)) {
                loader_fail(loader, &at, "the tag \"%.*s\" is declared twice", OA_STR(name));
                break;
            }
        }
    }
}

static void check_dialect(struct oa_loader *loader, const struct oa_place *place,
                          struct str dialect) {
    struct oa_place at = place_text(place, "jsonSchemaDialect");

    if (!str_is(dialect, "https://spec.openapis.org/oas/3.1/dialect/base") &&
        !str_is(dialect, "https://json-schema.org/draft/2020-12/schema")) {
        loader_fail(loader, &at,
                    "only the dialects https://spec.openapis.org/oas/3.1/dialect/base and "
                    "https://json-schema.org/draft/2020-12/schema are supported");
    }
}

void oa_check_document(struct oa_loader *loader, const struct oa_json *node,
                       const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *tags = oa_json_get(node, "tags");
    struct oa_place tags_at = place_text(place, "tags");
    struct str dialect;

    (void)seen;
    if (oa_shape_text(node, "jsonSchemaDialect", &dialect)) {
        check_dialect(loader, place, dialect);
    }
    if (tags != NULL && tags->type == OA_ARRAY && tags->count > OA_TAGS_MAX) {
        loader_fail(loader, &tags_at, "there must be at most %d tags", OA_TAGS_MAX);
    } else if (tags != NULL && tags->type == OA_ARRAY) {
        check_tags(loader, tags, &tags_at);
    }
}

/* ---- security: names and kinds only; the services behind the gateway enforce it ---- */

static void require(struct oa_loader *loader, const struct oa_json *node,
                    const struct oa_place *place, const char *type, const char *member) {
    if (oa_json_get(node, member) == NULL) {
        loader_fail(loader, place, "a security scheme of type %s must have the member \"%s\"", type,
                    member);
    }
}

static void check_flow(struct oa_loader *loader, const struct oa_json *flows,
                       const struct oa_place *place, const char *name, const char *const *urls) {
    const struct oa_json *flow = oa_json_get(flows, name);
    struct oa_place at = place_key(place, name, strlen(name));

    for (; flow != NULL && flow->type == OA_OBJECT && *urls != NULL; urls++) {
        if (oa_json_get(flow, *urls) == NULL) {
            loader_fail(loader, &at, "the flow %s must have the member \"%s\"", name, *urls);
        }
    }
}

static void check_oauth2(struct oa_loader *loader, const struct oa_json *node,
                         const struct oa_place *place) {
    static const char *const authorization[] = { "authorizationUrl", NULL };
    static const char *const token[] = { "tokenUrl", NULL };
    static const char *const both[] = { "authorizationUrl", "tokenUrl", NULL };
    const struct oa_json *flows = oa_json_get(node, "flows");
    struct oa_place at = place_text(place, "flows");

    require(loader, node, place, "oauth2", "flows");
    if (flows != NULL && flows->type == OA_OBJECT) {
        check_flow(loader, flows, &at, "implicit", authorization);
        check_flow(loader, flows, &at, "password", token);
        check_flow(loader, flows, &at, "clientCredentials", token);
        check_flow(loader, flows, &at, "authorizationCode", both);
    }
}

void oa_check_security_scheme(struct oa_loader *loader, const struct oa_json *node,
                              const struct oa_place *place, struct oa_seen *seen) {
    static const char *const types[] = { "apiKey", "http",          "mutualTLS",
                                         "oauth2", "openIdConnect", NULL };
    static const char *const places[] = { "query", "header", "cookie", NULL };
    struct oa_place type_at = place_text(place, "type");
    struct oa_place in_at = place_text(place, "in");
    struct str type;
    struct str in;

    (void)seen;
    if (!oa_shape_text(node, "type", &type) ||
        !is_one_of(loader, type, &type_at, types,
                   "\"apiKey\", \"http\", \"mutualTLS\", \"oauth2\" or \"openIdConnect\"")) {
        return;
    }
    if (str_is(type, "apiKey")) {
        require(loader, node, place, "apiKey", "name");
        require(loader, node, place, "apiKey", "in");
        if (oa_shape_text(node, "in", &in)) {
            is_one_of(loader, in, &in_at, places, "\"query\", \"header\" or \"cookie\"");
        }
    } else if (str_is(type, "http")) {
        require(loader, node, place, "http", "scheme");
    } else if (str_is(type, "openIdConnect")) {
        require(loader, node, place, "openIdConnect", "openIdConnectUrl");
    } else if (str_is(type, "oauth2")) {
        check_oauth2(loader, node, place);
    }
}

void oa_check_security_requirement(struct oa_loader *loader, const struct oa_json *node,
                                   const struct oa_place *place, struct oa_seen *seen) {
    const struct oa_json *components = oa_json_get(loader->doc->root, "components");
    const struct oa_json *schemes =
        components != NULL ? oa_json_get(components, "securitySchemes") : NULL;

    (void)seen;
    for (const struct oa_json *one = node->child; one != NULL; one = one->next) {
        struct oa_place at = place_member(place, one);

        if (schemes == NULL || oa_json_member(schemes, one->key) == NULL) {
            loader_fail(loader, &at, "there is no security scheme \"%.*s\" in the components",
                        OA_STR(one->key));
        }
    }
}
