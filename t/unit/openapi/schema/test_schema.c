/* JSON Schema: what each keyword says of a value, where, and in which words. */
#include "schema_fixture.h"

static const struct {
    const char *schema;
    const char *instance;
    const char *errors;
} cases[] = {
    /* any type */
    { "{\"type\":\"integer\"}", "1.0", "" },
    { "{\"type\":\"integer\"}", "1.5", " type: must be integer" },
    { "{\"type\":[\"integer\",\"null\"]}", "\"1\"", " type: must be null or integer" },
    { "{\"type\":\"boolean\"}", "false", "" },
    { "{\"type\":\"number\"}", "true", " type: must be number" },
    { "{\"enum\":[1,\"a\",null]}", "1.0", "" },
    { "{\"enum\":[1,\"a\"]}", "2", " enum: must be one of [1,\"a\"]" },
    { "{\"enum\":[1,2,3,4,5,6,7,8,9,{\"a\":[1]}]}", "{\"a\":[1.0]}", "" },
    { "{\"enum\":[1,2,3,4,5,6,7,8,9,10]}", "9e0", "" },
    { "{\"enum\":[1,2,3,4,5,6,7,8,9,10]}", "11", " enum: must be one of [1,2,3,4,5,6,7,8,9,10]" },
    { "{\"const\":{\"a\":1}}", "{\"a\":1.0}", "" },
    { "{\"const\":0}", "false", " const: must be 0" },
    { "{\"format\":\"ipv4\"}", "\"1.2.3\"", " format: must be a valid ipv4" },
    { "{\"format\":\"ipv4\"}", "1", "" },
    { "{\"format\":\"no-such-format\"}", "\"x\"", "" },
    { "{\"propertyNames\":{\"allOf\":[false]}}", "{\"a\":1}",
      " propertyNames: the property name 'a' must not be present" },
    { "{\"minimum\":1e2800000000000000000}", "1e28000000000000000000", "" },
    { "false", "1", " false: no value is allowed" },
    { "true", "1", "" },
    /* numbers */
    { "{\"minimum\":1}", "1", "" },
    { "{\"minimum\":1}", "0.9999999999999999999", " minimum: must be >= 1" },
    { "{\"minimum\":-5}", "-6", " minimum: must be >= -5" },
    { "{\"maximum\":1e2}", "100.0", "" },
    { "{\"maximum\":1e2}", "101", " maximum: must be <= 1e2" },
    { "{\"exclusiveMinimum\":0}", "0", " exclusiveMinimum: must be > 0" },
    { "{\"exclusiveMaximum\":1}", "1.0", " exclusiveMaximum: must be < 1" },
    { "{\"multipleOf\":3}", "9", "" },
    { "{\"multipleOf\":3}", "-10", " multipleOf: must be a multiple of 3" },
    { "{\"multipleOf\":0.01}", "0.29", "" },
    { "{\"multipleOf\":0.01}", "0.295", " multipleOf: must be a multiple of 0.01" },
    { "{\"multipleOf\":7}", "700000000000000000000000000000000000000000000000000000000007", "" },
    /* strings */
    { "{\"minLength\":2}", "\"\xf0\x9f\x98\x80\"", " minLength: must have at least 2 characters" },
    { "{\"minLength\":1}", "\"\"", " minLength: must have at least 1 character" },
    { "{\"maxLength\":1}", "\"\\ud83d\\ude00\"", "" },
    { "{\"maxLength\":1}", "\"ab\"", " maxLength: must have at most 1 character" },
    { "{\"pattern\":\"^[a-z]+$\"}", "\"ab\\n\"", " pattern: must match the pattern ^[a-z]+$" },
    /* arrays */
    { "{\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":2}", "[\"a\",1,2]",
      "/1 type: must be string; /2 type: must be string;  maxItems: must have at most 2 items" },
    { "{\"minItems\":1}", "[]", " minItems: must have at least 1 item" },
    { "{\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"type\":\"string\"}}", "[1,2,\"a\"]",
      "/0 type: must be null; /1 type: must be string" },
    { "{\"prefixItems\":[true,true],\"items\":false}", "[1,2,3,4]",
      " items: must have at most 2 items" },
    { "{\"contains\":{\"type\":\"string\"}}", "[1]",
      " contains: must contain at least 1 matching item" },
    { "{\"contains\":{\"type\":\"string\"},\"minContains\":2}", "[\"a\",1]",
      " minContains: must contain at least 2 matching items" },
    { "{\"contains\":{\"type\":\"string\"},\"minContains\":0}", "[]", "" },
    { "{\"contains\":{\"type\":\"string\"},\"maxContains\":1}", "[\"a\",\"b\"]",
      " maxContains: must contain at most 1 matching item" },
    { "{\"minContains\":2}", "[]", "" },
    { "{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]",
      " uniqueItems: must not have equal items (1 and 2 are equal)" },
    { "{\"uniqueItems\":true}", "[0,1,2,3,4,5,6,7,8,\"1\",[1],1.0]",
      " uniqueItems: must not have equal items (1 and 11 are equal)" },
    { "{\"uniqueItems\":true}", "[0,1,2,3,4,5,6,7,8,9,false,true,null,[],{}]", "" },
    { "{\"uniqueItems\":false}", "[1,1]", "" },
    /* objects */
    { "{\"properties\":{\"a/b\":{\"properties\":{\"~\":{\"maximum\":1}}}}}", "{\"a/b\":{\"~\":2}}",
      "/a~1b/~0 maximum: must be <= 1" },
    { "{\"required\":[\"a\",\"b\"]}", "{\"b\":1}", " required: must have required property 'a'" },
    { "{\"additionalProperties\":{\"type\":\"null\"},\"properties\":{\"a\":true}}",
      "{\"a\":1,\"b\":null,\"c\":1}", "/c type: must be null" },
    { "{\"additionalProperties\":false,\"patternProperties\":{\"^x\":{\"minimum\":1}}}",
      "{\"x1\":0,\"y\":0}",
      "/x1 minimum: must be >= 1; /y additionalProperties: must NOT have additional property 'y'" },
    { "{\"properties\":{\"a\":{\"minimum\":2}},\"patternProperties\":{\"a\":{\"maximum\":0}}}",
      "{\"a\":1}", "/a minimum: must be >= 2; /a maximum: must be <= 0" },
    { "{\"propertyNames\":{\"maxLength\":2,\"pattern\":\"^a\"}}", "{\"ab\":1,\"abc\":1,\"\":1}",
      " propertyNames: the property name 'abc' must have at most 2 characters;  propertyNames: the "
      "property name '' must match the pattern ^a" },
    { "{\"propertyNames\":false}", "{\"a\":1}",
      " propertyNames: the property name 'a' is not allowed" },
    { "{\"minProperties\":1}", "{}", " minProperties: must have at least 1 property" },
    { "{\"maxProperties\":0}", "{\"a\":1}", " maxProperties: must have at most 0 properties" },
    { "{\"dependentRequired\":{\"a\":[\"b\",\"c\"]}}", "{\"a\":1,\"c\":1}",
      " dependentRequired: must have property 'b' when property 'a' is present" },
    { "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"c\":1}", "" },
    { "{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1}",
      " required: must have required property 'b'" },
    { "{\"dependencies\":{\"a\":[\"b\"],\"b\":{\"minProperties\":3}}}", "{\"a\":1,\"b\":2}",
      " minProperties: must have at least 3 properties" },
    /* combinations */
    { "{\"allOf\":[{\"minimum\":3},{\"multipleOf\":2}]}", "1",
      " minimum: must be >= 3;  multipleOf: must be a multiple of 2" },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":3}]}", "1",
      " anyOf: must match at least one of 2 schemas;  minimum: must be >= 3" },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1",
      " anyOf: must match at least one of 2 schemas" },
    { "{\"oneOf\":[{\"minimum\":1},{\"minimum\":2},{\"maximum\":0}]}", "3",
      " oneOf: must match exactly one of 3 schemas (matches numbers 1 and 2)" },
    { "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "3",
      " oneOf: must match exactly one of 2 schemas (matches none)" },
    { "{\"oneOf\":[{\"properties\":{\"kind\":{\"const\":\"a\"},\"n\":{\"type\":\"integer\"}}},"
      "{\"properties\":{\"kind\":{\"const\":\"b\"}},\"required\":[\"m\",\"o\",\"p\"]}]}",
      "{\"kind\":\"b\",\"n\":\"x\",\"m\":1,\"o\":2}",
      " oneOf: must match exactly one of 2 schemas (matches none);  required: must have required "
      "property 'p'" },
    { "{\"not\":{\"type\":\"string\"}}", "\"a\"",
      " not: must not match the schema {\"type\":\"string\"}" },
    { "{\"if\":{\"minimum\":10},\"then\":{\"multipleOf\":10},\"else\":{\"multipleOf\":2}}", "11",
      " multipleOf: must be a multiple of 10" },
    { "{\"if\":{\"minimum\":10},\"then\":{\"multipleOf\":10},\"else\":{\"multipleOf\":2}}", "3",
      " multipleOf: must be a multiple of 2" },
    { "{\"then\":false,\"else\":false}", "1", "" },
    /* what is left over */
    { "{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}",
      "{\"a\":1,\"b\":2}", "/b unevaluatedProperties: must NOT have unevaluated property 'b'" },
    { "{\"unevaluatedProperties\":{\"type\":\"null\"},\"properties\":{\"a\":true}}",
      "{\"a\":1,\"b\":2}", "/b type: must be null" },
    { "{\"anyOf\":[{\"required\":[\"x\"],\"properties\":{\"a\":true}},{\"properties\":{\"b\":true}}"
      "],"
      "\"unevaluatedProperties\":false}",
      "{\"a\":1,\"b\":2}", "/a unevaluatedProperties: must NOT have unevaluated property 'a'" },
    { "{\"prefixItems\":[true],\"contains\":{\"const\":2},\"unevaluatedItems\":false}", "[1,2,3]",
      "/2 unevaluatedItems: must NOT have unevaluated items" },
    { "{\"unevaluatedItems\":{\"type\":\"string\"}}", "[\"a\",1]", "/1 type: must be string" },
    /* not JSON */
    { "{}", "{\"a\":\n tru}", " json: malformed JSON at line 2, column 2: expected a value" },
    { "{}", "", " json: malformed JSON at line 1, column 1: unexpected end of text" },
    { "{\"title\":\"t\",\"x-y\":1,\"anything\":[],\"default\":1,\"examples\":[]}", "1", "" },
};

START_TEST(values_are_judged) {
    struct schema_file *document = load_schema(cases[_i].schema);
    char errors[2048];

    judge(document, cases[_i].instance, errors, sizeof(errors));
    ck_assert_str_eq(errors, cases[_i].errors);
    schema_file_free(document);
}
END_TEST

/* The same questions about many children, where marks do not fit into one word. */
START_TEST(leftovers_among_many) {
    static const char schema[] = "{\"patternProperties\":{\"^a\":true},\"anyOf\":["
                                 "{\"properties\":{\"b70\":true}},{\"required\":[\"none\"]}],"
                                 "\"unevaluatedProperties\":false}";
    struct schema_file *document = load_schema(schema);
    char text[4096] = "{\"b70\":0";
    char errors[256];

    for (int i = 0; i < 200; i++) {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, ",\"a%d\":%d", i, i);
    }
    strncat(text, "}", 2);
    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, "");
    text[strlen(text) - 1] = '\0';
    strncat(text, ",\"c\":1}", 8);
    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, "/c unevaluatedProperties: must NOT have unevaluated property 'c'");
    schema_file_free(document);
}
END_TEST

/* More names than one word has bits, and more than are searched one by one. */
START_TEST(required_among_many) {
    char schema[8192] = "{\"required\":[\"n0\"";
    char text[8192] = "{\"n0\":0";
    struct schema_file *document;
    char errors[256];

    for (int i = 1; i < 300; i++) {
        size_t len = strlen(schema);

        snprintf(schema + len, sizeof(schema) - len, ",\"n%d\"", i);
        len = strlen(text);
        if (i != 150) {
            snprintf(text + len, sizeof(text) - len, ",\"n%d\":0", i);
        }
    }
    strncat(schema, "]}", 3);
    strncat(text, "}", 2);
    document = load_schema(schema);
    judge(document, text, errors, sizeof(errors));
    ck_assert_str_eq(errors, " required: must have required property 'n150'");
    schema_file_free(document);
}
END_TEST

START_TEST(errors_are_counted_up_to_the_limit) {
    struct schema_file *document = load_schema("{\"items\":{\"type\":\"null\"}}");
    struct arena *arena = arena_open(1 << 20);
    struct report report;

    report_init(&report, arena, 3);
    ck_assert(!schema_run_text(schema_file_root(document), "[1,2,3,4,5]", 11, NULL, &report));
    ck_assert_uint_eq(report.count, 3);
    ck_assert(str_is(report.last->path, "/2"));
    arena_close(arena);
    schema_file_free(document);
}
END_TEST

/* A value that is valid takes no memory for a report. */
START_TEST(a_valid_value_reports_nothing) {
    struct schema_file *document = load_schema("{\"anyOf\":[{\"minimum\":5},{\"not\":false}]}");
    struct arena *arena = arena_open(1 << 20);
    struct report report;

    report_init(&report, arena, 3);
    ck_assert(schema_run_text(schema_file_root(document), "1", 1, NULL, &report));
    ck_assert_uint_eq(arena->total_bytes, 0);
    arena_close(arena);
    schema_file_free(document);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("openapi_schema");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, values_are_judged, 0, (int)UNIT_COUNT(cases));
    tcase_add_test(tcase, leftovers_among_many);
    tcase_add_test(tcase, required_among_many);
    tcase_add_test(tcase, errors_are_counted_up_to_the_limit);
    tcase_add_test(tcase, a_valid_value_reports_nothing);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
