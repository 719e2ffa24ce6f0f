/* References: URIs against their base (RFC 3986), identifiers, anchors, dynamic scope. */
#include "openapi/schema/index.h"
#include "schema_fixture.h"

/* The examples of RFC 3986, 5.4, and bases of other forms. */
static const struct {
    const char *base;
    const char *reference;
    const char *result;
} uris[] = {
#define BASE "http://a/b/c/d;p?q"
    { BASE, "g:h", "g:h" },
    { BASE, "g", "http://a/b/c/g" },
    { BASE, "./g", "http://a/b/c/g" },
    { BASE, "g/", "http://a/b/c/g/" },
    { BASE, "/g", "http://a/g" },
    { BASE, "//g", "http://g" },
    { BASE, "?y", "http://a/b/c/d;p?y" },
    { BASE, "g?y", "http://a/b/c/g?y" },
    { BASE, ";x", "http://a/b/c/;x" },
    { BASE, "g;x", "http://a/b/c/g;x" },
    { BASE, "", "http://a/b/c/d;p?q" },
    { BASE, ".", "http://a/b/c/" },
    { BASE, "./", "http://a/b/c/" },
    { BASE, "..", "http://a/b/" },
    { BASE, "../", "http://a/b/" },
    { BASE, "../g", "http://a/b/g" },
    { BASE, "../..", "http://a/" },
    { BASE, "../../g", "http://a/g" },
    { BASE, "../../../g", "http://a/g" },
    { BASE, "/./g", "http://a/g" },
    { BASE, "/../g", "http://a/g" },
    { BASE, "g.", "http://a/b/c/g." },
    { BASE, "..g", "http://a/b/c/..g" },
    { BASE, "./../g", "http://a/b/g" },
    { BASE, "./g/.", "http://a/b/c/g/" },
    { BASE, "g/./h", "http://a/b/c/g/h" },
    { BASE, "g/../h", "http://a/b/c/h" },
    { BASE, "g;x=1/../y", "http://a/b/c/y" },
    { BASE, "g?y/../x", "http://a/b/c/g?y/../x" },
    { "http://a", "b", "http://a/b" },
    { "", "a/b.json", "a/b.json" },
    { "", "./b.json", "b.json" },
    { "", "../b.json", "b.json" },
    { "a/b.json", "c.json", "a/c.json" },
    { "urn:uuid:1", "urn:uuid:2", "urn:uuid:2" },
};

START_TEST(uris_are_resolved) {
    struct arena *arena = arena_open(1 << 16);
    struct str result =
        index_resolve(arena, (struct str){ uris[_i].base, strlen(uris[_i].base) },
                      (struct str){ uris[_i].reference, strlen(uris[_i].reference) });
    char text[128];

    snprintf(text, sizeof(text), "%.*s", (int)result.len, result.data);
    ck_assert_str_eq(text, uris[_i].result);
    arena_close(arena);
}
END_TEST

/* The target refuses everything but a string: an instance of 1 shows whether it was reached. */
#define TARGET "{\"type\":\"string\"}"

static const char *const found[] = {
    "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":" TARGET "}}",
    "{\"$ref\":\"#/$defs/a%25b~1c~0d\",\"$defs\":{\"a%b/c~d\":" TARGET "}}",
    "{\"$ref\":\"#/$defs%2Fa\",\"$defs\":{\"a\":" TARGET "}}",
    "{\"$ref\":\"#/prefixItems/1\",\"prefixItems\":[true," TARGET "]}",
    "{\"$ref\":\"#/anything/else\",\"anything\":{\"else\":" TARGET "}}",
    "{\"$ref\":\"#here\",\"$defs\":{\"a\":{\"$anchor\":\"here\",\"type\":\"string\"}}}",
    "{\"$ref\":\"#here\",\"$defs\":{\"a\":{\"$dynamicAnchor\":\"here\",\"type\":\"string\"}}}",
    "{\"$id\":\"http://x/y/z\",\"$ref\":\"a\",\"$defs\":{\"a\":{\"$id\":\"/y/"
    "a\",\"type\":\"string\"}}}",
    "{\"$ref\":\"a.json#/$defs/b\",\"$defs\":{\"a\":{\"$id\":\"a.json\",\"$defs\":{\"b\":" TARGET
    "}}}}",
    "{\"$ref\":\"urn:x:y#here\",\"$defs\":{\"a\":{\"$id\":\"urn:x:y\",\"$defs\":{\"b\":"
    "{\"$anchor\":\"here\",\"type\":\"string\"}}}}}",
    "{\"$id\":\"http://x/y#\",\"$ref\":\"http://x/y#/$defs/a\",\"$defs\":{\"a\":" TARGET "}}",
    "{\"$dynamicRef\":\"#here\",\"$defs\":{\"a\":{\"$anchor\":\"here\",\"type\":\"string\"}}}",
    /* the outermost resource with that dynamic anchor wins */
    "{\"$id\":\"http://x/outer\",\"$ref\":\"inner\",\"$defs\":{"
    "\"o\":{\"$dynamicAnchor\":\"node\",\"type\":\"string\"},"
    "\"inner\":{\"$id\":\"inner\",\"$dynamicRef\":\"#node\",\"$defs\":{"
    "\"i\":{\"$dynamicAnchor\":\"node\"}}}}}",
    "{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}",
};

START_TEST(targets_are_found) {
    struct schema_file *document = load_schema(found[_i]);
    char errors[256];

    judge(document, "1", errors, sizeof(errors));
    ck_assert_str_eq(errors, strstr(found[_i], "draft") != NULL ? " type: must be boolean or object"
                                                                : " type: must be string");
    schema_file_free(document);
}
END_TEST

static const struct {
    const char *schema;
    const char *problem;
} mistakes[] = {
    { "{\"$ref\":\"#/a\"}", "s: #/$ref: the reference \"#/a\" leads nowhere" },
    { "{\"$ref\":\"#a\"}", "s: #/$ref: the reference \"#a\" leads nowhere" },
    { "{\"$ref\":\"#/%zz\"}", "s: #/$ref: the reference \"#/%zz\" leads nowhere" },
    { "{\"$ref\":\"#/allOf/01\",\"allOf\":[true,true]}",
      "s: #/$ref: the reference \"#/allOf/01\" leads nowhere" },
    { "{\"$ref\":\"#/title\",\"title\":\"x\"}",
      "s: #/$ref: the reference \"#/title\" does not lead to a schema" },
    { "{\"$ref\":1}", "s: #/$ref: must be a URI reference" },
    { "{\"$ref\":\"http://x/y.json#/a\"}",
      "s: #/$ref: \"http://x/y.json\" is remote; only references within the document are "
      "supported" },
    { "{\"$id\":\"http://x/y/\",\"$ref\":\"z.json\"}",
      "s: #/$ref: \"http://x/y/z.json\" is remote; only references within the document are "
      "supported" },
    { "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
      "s: #/$schema: \"http://json-schema.org/draft-07/schema#\" is not supported: schemas are of "
      "draft 2020-12, \"https://json-schema.org/draft/2020-12/schema\"" },
    { "{\"$ref\":\"#\"}", "s: #/$ref: the reference \"#\" leads back to itself" },
    { "{\"allOf\":[{\"$ref\":\"#\"}]}",
      "s: #/allOf/0/$ref: the reference \"#\" leads back to itself" },
    { "{\"$dynamicAnchor\":\"a\",\"anyOf\":[{\"$dynamicRef\":\"#a\"}]}",
      "s: #/anyOf/0/$ref: the reference \"#a\" leads back to itself" },
    { "{\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#/$defs/b\"}},\"b\":{\"if\":{\"$ref\":\"#/$defs/"
      "a\"}}}}",
      "s: #/$defs/b/if/$ref: the reference \"#/$defs/a\" leads back to itself" },
    { "{\"$id\":\"a#b\"}", "s: #/$id: must not have a fragment; a name within is an \"$anchor\"" },
    { "{\"$id\":\"\"}", "s: #/$id: must not be empty" },
    { "{\"$defs\":{\"a\":{\"$id\":\"x\"},\"b\":{\"$id\":\"./x\"}}}",
      "s: #/$defs/b/$id: the URI \"x\" is given twice" },
    { "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$dynamicAnchor\":\"x\"}}}",
      "s: #/$defs/b/$dynamicAnchor: the anchor \"x\" is given twice" },
    { "{\"$anchor\":\"1x\"}", "s: #/$anchor: must be a name of letters, digits, '_', '-' and '.' "
                              "that begins with a letter or '_'" },
};

START_TEST(a_mistake_is_named) {
    ck_assert_ptr_null(parse_schema(mistakes[_i].schema));
    ck_assert_str_eq(problems, mistakes[_i].problem);
}
END_TEST

/* What only looks like an identifier is none: in values, under unknown keywords. */
START_TEST(values_are_no_schemas) {
    ck_assert_ptr_null(parse_schema(
        "{\"$ref\":\"#x\",\"enum\":[{\"$anchor\":\"x\"}],\"const\":{\"$anchor\":\"x\"},"
        "\"odd\":{\"$anchor\":\"x\"},\"properties\":{\"$anchor\":{\"title\":\"x\"}}}"));
    ck_assert_str_eq(problems, "s: #/$ref: the reference \"#x\" leads nowhere");
}
END_TEST

/* Through itself, but one level deeper in the value each time. */
START_TEST(recursion_into_the_value_is_no_loop) {
    struct schema_file *document =
        load_schema("{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},"
                    "\"additionalProperties\":false}");
    char errors[256];

    judge(document, "{\"next\":{\"next\":{\"x\":1}}}", errors, sizeof(errors));
    ck_assert_str_eq(errors, "/next/next/x additionalProperties: must NOT have additional property "
                             "'x'");
    schema_file_free(document);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_reference");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, uris_are_resolved, 0, (int)UNIT_COUNT(uris));
    tcase_add_loop_test(tcase, targets_are_found, 0, (int)UNIT_COUNT(found));
    tcase_add_loop_test(tcase, a_mistake_is_named, 0, (int)UNIT_COUNT(mistakes));
    tcase_add_test(tcase, values_are_no_schemas);
    tcase_add_test(tcase, recursion_into_the_value_is_no_loop);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
