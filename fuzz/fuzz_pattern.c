/*
 * Fuzz target: regular expressions. The input up to the first zero byte is the expression, the rest
 * is the text.
 *
 * What compiles is valid, and what does not is invalid or said to be not supported; the verdict is
 * the same again, in a group, as one of two alternatives, and turned around by a negative
 * lookahead; and the work is within what was allowed.
 */
#include "openapi/pattern/pattern.h"
#include "openapi_checks.h"

enum { SOURCE_BYTES_MAX = 512, TEXT_BYTES_MAX = 512, WORK = 200 * 1000 };

static enum pattern_result match(const struct pattern *pattern, struct piece text, uint64_t work) {
    uint64_t left = work;
    enum pattern_result result =
        pattern_match_within(pattern, (struct str){ text.data, text.len }, &left);

    REQUIRE(left <= work);
    REQUIRE(result != PATTERN_NO_MEMORY);
    return result;
}

/* The verdict of `before` SOURCE `after` is `expected`, or too expensive. */
static void check_wrapped(const char *before, struct piece source, const char *after,
                          struct piece text, enum pattern_result expected) {
    char wrapped[SOURCE_BYTES_MAX + 64];
    char reason[200];
    int len =
        snprintf(wrapped, sizeof(wrapped), "%s%.*s%s", before, (int)source.len, source.data, after);
    const struct pattern *pattern =
        pattern_compile((struct str){ wrapped, (size_t)len }, reason, sizeof(reason));
    enum pattern_result result;

    REQUIRE(len > 0 && (size_t)len < sizeof(wrapped));
    if (pattern == NULL) { /* the wrap can be too much for PCRE2, but is not wrong */
        REQUIRE(strstr(reason, "not supported") != NULL || strstr(reason, "too deeply") != NULL);
        return;
    }
    result = match(pattern, text, WORK);
    REQUIRE(result == expected || result == PATTERN_LIMIT);
    pattern_free(pattern);
}

static void check_meaning(const struct pattern *pattern, struct piece source, struct piece text) {
    enum pattern_result result = match(pattern, text, WORK);
    bool matches = result == PATTERN_MATCH;

    REQUIRE(match(pattern, text, WORK) == result);
    REQUIRE(match(pattern, text, 0) == result || match(pattern, text, 0) == PATTERN_LIMIT);
    if (result == PATTERN_LIMIT) {
        return;
    }
    check_wrapped("(?:", source, ")", text, result);
    check_wrapped("[]|", source, "|(?!)", text, result);
    check_wrapped("^(?=[^]*?(?:", source, "))", text, result);
    check_wrapped("^(?![^]*?(?:", source, "))", text, matches ? PATTERN_NO_MATCH : PATTERN_MATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece text = { (const char *)data, size };
    struct piece source = fuzz_take(&text, '\0');
    struct str expression = { source.data, source.len };
    const struct pattern *pattern;
    char reason[200] = "";
    bool valid;

    if (source.len > SOURCE_BYTES_MAX || text.len > TEXT_BYTES_MAX || !fuzz_is_utf8(source) ||
        !fuzz_is_utf8(text)) {
        return -1;
    }
    source.data = fuzz_copy(source);
    text.data = fuzz_copy(text);
    expression.data = source.data;
    valid = pattern_is_valid(expression);
    pattern = pattern_compile(expression, reason, sizeof(reason));
    REQUIRE(valid || pattern == NULL);
    REQUIRE(pattern != NULL || strlen(reason) > 0);
    REQUIRE(pattern != NULL || valid == (strstr(reason, "not supported") != NULL));
    if (pattern != NULL) {
        check_meaning(pattern, source, text);
    }
    pattern_free(pattern);
    free((char *)source.data);
    free((char *)text.data);
    return 0;
}
