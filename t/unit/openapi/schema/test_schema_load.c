/*
 * Mistakes of a schema: all of them, each where it is; in OpenAPI documents also what is not known.
 */
#include "openapi/document/document.h"
#include "schema_fixture.h"

#include <time.h>

static const struct {
    const char *schema;
    const char *problems;
} mistakes[] = {
    { "{", "s: line 1, column 2: unexpected end of text" },
    { "1", "s: #: a schema must be an object, true or false" },
    { "{\"type\":\"int\"}", "s: #/type: \"int\" is not a type; types are null, boolean, object, "
                            "array, number, string and integer" },
    { "{\"type\":[\"null\",\"null\"]}", "s: #/type: \"null\" is given twice" },
    { "{\"type\":[]}", "s: #/type: must be a type's name or an array of them" },
    { "{\"enum\":1}", "s: #/enum: must be an array with at least one value" },
    { "{\"minimum\":\"1\"}", "s: #/minimum: must be a number" },
    { "{\"exclusiveMinimum\":true}", "s: #/exclusiveMinimum: must be a number" },
    { "{\"multipleOf\":0}", "s: #/multipleOf: must be greater than 0" },
    { "{\"multipleOf\":-1}", "s: #/multipleOf: must be greater than 0" },
    { "{\"multipleOf\":1.234567890123456789}",
      "s: #/multipleOf: must not have more than 18 significant digits" },
    { "{\"minLength\":-1}", "s: #/minLength: must be an integer from 0 to 999999999999999" },
    { "{\"maxLength\":1.5}", "s: #/maxLength: must be an integer from 0 to 999999999999999" },
    { "{\"maxItems\":1000000000000000}",
      "s: #/maxItems: must be an integer from 0 to 999999999999999" },
    { "{\"minContains\":\"1\"}", "s: #/minContains: must be an integer from 0" },
    { "{\"uniqueItems\":1}", "s: #/uniqueItems: must be true or false" },
    { "{\"items\":[{}]}", "s: #/items: must be one schema; a list of them is \"prefixItems\"" },
    { "{\"prefixItems\":{}}", "s: #/prefixItems: must be an array of at least one schema" },
    { "{\"allOf\":[]}", "s: #/allOf: must be an array of at least one schema" },
    { "{\"anyOf\":[1]}", "s: #/anyOf/0: a schema must be an object, true or false" },
    { "{\"not\":1}", "s: #/not: a schema must be an object, true or false" },
    { "{\"if\":true,\"else\":1}", "s: #/else: a schema must be an object, true or false" },
    { "{\"properties\":[]}", "s: #/properties: must be an object of schemas" },
    { "{\"properties\":{\"a\":1}}",
      "s: #/properties/a: a schema must be an object, true or false" },
    { "{\"required\":\"a\"}", "s: #/required: must be an array of names" },
    { "{\"required\":[1]}", "s: #/required: must be an array of names" },
    { "{\"required\":[\"a\",\"\\u0061\"]}", "s: #/required: \"\\u0061\" is given twice" },
    { "{\"dependentRequired\":{\"a\":1}}", "s: #/dependentRequired/a: must be an array of names" },
    { "{\"dependentSchemas\":{\"a\":[]}}",
      "s: #/dependentSchemas/a: a schema must be an object, true or false" },
    { "{\"$defs\":{\"a\":1}}", "s: #/$defs/a: a schema must be an object, true or false" },
    { "{\"format\":1}", "s: #/format: must be a format's name" },
    { "{\"title\":1}", "s: #/title: must be a string" },
    { "{\"deprecated\":1}", "s: #/deprecated: must be true or false" },
    { "{\"examples\":{}}", "s: #/examples: must be an array" },
    /* not only the first: siblings, children, what nothing refers to */
    { "{\"minimum\":\"a\",\"properties\":{\"x\":{\"maximum\":\"b\",\"minItems\":-1}},\"$defs\":{"
      "\"unused\":{\"type\":\"strin\"}},\"$ref\":\"#/nowhere\"}",
      "s: #/minimum: must be a number\n"
      "s: #/$ref: the reference \"#/nowhere\" leads nowhere\n"
      "s: #/properties/x/maximum: must be a number\n"
      "s: #/properties/x/minItems: must be an integer from 0 to 999999999999999\n"
      "s: #/$defs/unused/type: \"strin\" is not a type; types are null, boolean, object, array, "
      "number, string and integer" },
};

START_TEST(mistakes_are_named) {
    ck_assert_ptr_null(parse_schema(mistakes[_i].schema));
    ck_assert_str_eq(problems, mistakes[_i].problems);
}
END_TEST

START_TEST(a_pattern_that_is_none) {
    ck_assert_ptr_null(parse_schema("{\"patternProperties\":{\"[\":{\"pattern\":\"(\"}}}"));
    ck_assert_ptr_nonnull(strstr(problems, "s: #/patternProperties/[: "));
    ck_assert_ptr_nonnull(strstr(problems, "\ns: #/patternProperties/[/pattern: "));
}
END_TEST

START_TEST(a_file_that_is_not_there) {
    problems[0] = '\0';
    ck_assert_ptr_null(schema_file_load("/no/such/file", NULL, note_problem, NULL));
    ck_assert_str_eq(problems, "/no/such/file: cannot be opened: No such file or directory");
}
END_TEST

/* In a schema file these are annotations, in an OpenAPI document they are mistakes. */
static const struct {
    const char *schema;
    const char *reason; /* after "doc: #/components/schemas/X" */
} strict[] = {
    { "{\"minimun\":1}",
      "/minimun: \"minimun\" is not a member of a schema; did you mean \"minimum\"?" },
    { "{\"maxlength\":1}",
      "/maxlength: \"maxlength\" is not a member of a schema; did you mean \"maxLength\"?" },
    { "{\"nonsense\":1}", "/nonsense: \"nonsense\" is not a member of a schema" },
    { "{\"nullable\":true}",
      "/nullable: \"nullable\" is not a keyword of draft 2020-12; add \"null\" to \"type\"" },
    { "{\"definitions\":{}}",
      "/definitions: \"definitions\" is not a keyword of draft 2020-12; use \"$defs\"" },
    { "{\"minimum\":2,\"maximum\":1}",
      "/minimum: no number is in the range of \"minimum\" and \"maximum\"" },
    { "{\"minimum\":1,\"exclusiveMaximum\":1}",
      "/minimum: no number is in the range of \"minimum\" and \"exclusiveMaximum\"" },
    { "{\"minLength\":2,\"maxLength\":1}",
      "/minLength: is greater than \"maxLength\": no string is valid" },
    { "{\"minItems\":2,\"maxItems\":1}",
      "/minItems: is greater than \"maxItems\": no array is valid" },
    { "{\"contains\":true,\"maxContains\":0}",
      "/maxContains: is less than \"minContains\": no array is valid" },
    { "{\"minProperties\":2,\"maxProperties\":1}",
      "/minProperties: is greater than \"maxProperties\": no object is valid" },
    { "{\"required\":[\"a\"],\"additionalProperties\":false}",
      "/required: \"a\" is required, but not in \"properties\", and \"additionalProperties\" is "
      "false: no object is valid" },
    { "{\"enum\":[]}", "/enum: must be an array with at least one value" },
    { "{\"format\":\"emial\"}",
      "/format: the format \"emial\" is not known; did you mean \"email\"?" },
    { "{\"format\":\"datetime\"}",
      "/format: the format \"datetime\" is not known; did you mean \"date-time\"?" },
};

static void parse_openapi(const char *schema) {
    char text[1024];

    problems[0] = '\0';
    snprintf(text, sizeof(text), "%s%s}}}",
             "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{},"
             "\"components\":{\"schemas\":{\"X\":",
             schema);
    document_free(document_parse("doc", text, strlen(text), note_problem, NULL));
}

START_TEST(openapi_documents_are_read_strictly) {
    char expected[512];

    schema_file_free(load_schema(strict[_i].schema));
    parse_openapi(strict[_i].schema);
    snprintf(expected, sizeof(expected), "doc: #/components/schemas/X%s", strict[_i].reason);
    ck_assert_str_eq(problems, expected);
}
END_TEST

/* Bounds that just leave something, extensions, and annotations of OpenAPI. */
START_TEST(openapi_documents_without_mistakes) {
    static const char *const good[] = {
        "{\"minimum\":1,\"maximum\":1.0}",
        "{\"minLength\":1,\"maxLength\":1}",
        "{\"minItems\":1,\"maxItems\":1}",
        "{\"contains\":true,\"minContains\":1,\"maxContains\":1}",
        "{\"minContains\":2,\"maxContains\":1}",
        "{\"required\":[\"a\"],\"additionalProperties\":false,\"patternProperties\":{\"a\":{}}}",
        "{\"required\":[\"a\"],\"additionalProperties\":{}}",
        "{\"anyOf\":[{\"format\":\"int16\"},{\"format\":\"uint32\"},{\"format\":\"phone\"}]}",
        "{\"x-own\":1,\"xml\":{},\"externalDocs\":{},\"discriminator\":{},\"example\":1}",
    };

    parse_openapi(good[_i]);
    ck_assert_str_eq(problems, "");
}
END_TEST

/* Identifiers are known wherever the schema stands, before or behind the reference. */
START_TEST(identifiers_are_known_in_the_whole_document) {
    static const char text[] =
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{\"/a\":{"
        "\"get\":{\"parameters\":[{\"name\":\"q\",\"in\":\"query\",\"schema\":{\"$ref\":"
        "\"#/components/schemas/A\"}}],\"responses\":{\"200\":{\"description\":\"d\",\"content\":{"
        "\"application/json\":{\"schema\":{\"allOf\":[{\"$ref\":\"#/components/schemas/A\"},"
        "{\"$ref\":\"https://x/b\"},{\"$ref\":\"#c\"}]}}}}}}}},"
        "\"components\":{\"schemas\":{\"A\":{\"type\":\"string\"},\"B\":{\"$id\":\"https://x/b\"},"
        "\"C\":{\"$anchor\":\"c\"}}}}";

    problems[0] = '\0';
    document_free(document_parse("doc", text, strlen(text), note_problem, NULL));
    ck_assert_str_eq(problems, "");
}
END_TEST

/* 40,000 of each kind: half a minute when each is compared with each. */
START_TEST(many_identifiers_are_found_quickly) {
    static const struct {
        const char *definition;
        const char *reference;
    } kinds[] = {
        { "\"$anchor\":\"", "{\"$ref\":\"#" },
        { "\"$id\":\"", "{\"$ref\":\"" },
        { "\"$dynamicAnchor\":\"", "{\"$dynamicRef\":\"#" },
    };
    enum { COUNT = 40000, BYTES = 100 * COUNT };
    char *text = malloc(BYTES);
    size_t len = (size_t)snprintf(text, BYTES, "{\"$defs\":{\"_\":true");
    struct schema_file *document;
    clock_t before;

    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < COUNT; i++) {
        len += (size_t)snprintf(text + len, BYTES - len, ",\"%d\":{%sa%d\"}", i,
                                kinds[_i].definition, i);
    }
    len += (size_t)snprintf(text + len, BYTES - len, "},\"anyOf\":[true");
    for (int i = 0; i < COUNT; i++) {
        len += (size_t)snprintf(text + len, BYTES - len, ",%sa%d\"}", kinds[_i].reference, i);
    }
    snprintf(text + len, BYTES - len, "]}");
    before = clock();
    document = parse_schema(text);
    ck_assert_str_eq(problems, "");
    ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 2); /* 0.1 s here */
    schema_file_free(document);
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_schema_load");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, mistakes_are_named, 0, (int)UNIT_COUNT(mistakes));
    tcase_add_test(tcase, a_pattern_that_is_none);
    tcase_add_test(tcase, a_file_that_is_not_there);
    tcase_add_loop_test(tcase, openapi_documents_are_read_strictly, 0, (int)UNIT_COUNT(strict));
    tcase_add_loop_test(tcase, openapi_documents_without_mistakes, 0, 9);
    tcase_add_test(tcase, identifiers_are_known_in_the_whole_document);
    tcase_add_loop_test(tcase, many_identifiers_are_found_quickly, 0, 3);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
