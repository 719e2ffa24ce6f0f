/*
 * Fuzz target: the headers traceparent (up to the first zero byte) and tracestate (the rest).
 *
 * What is taken and what is refused agrees with the grammar of the recommendation, written here as
 * regular expressions; what is taken can be written and read again, unchanged.
 */
#include "base/trace.h"
#include "openapi/pattern/pattern.h"
#include "openapi_checks.h"

#define IDS "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
#define KEY_REST "[a-z0-9_\\-*/]"
#define SIMPLE_KEY "[a-z]" KEY_REST "{0,255}"
#define TENANT_KEY "[a-z0-9]" KEY_REST "{0,240}@[a-z]" KEY_REST "{0,13}"
#define VALUE "[ -+\\--<>-~]{0,255}[!-+\\--<>-~]"

static const struct pattern *compile(const char *source) {
    char reason[200];
    const struct pattern *pattern =
        pattern_compile((struct str){ source, strlen(source) }, reason, sizeof(reason));

    REQUIRE(pattern != NULL);
    return pattern;
}

static bool matches(const struct pattern *pattern, struct piece text) {
    enum pattern_result result = pattern_match(pattern, (struct str){ text.data, text.len });

    REQUIRE(result == PATTERN_MATCH || result == PATTERN_NO_MATCH);
    return result == PATTERN_MATCH;
}

static void check_parent(struct piece text) {
    static const struct pattern *grammar;
    char parent[TRACE_PARENT_BYTES_MAX + 1];
    char again[TRACE_PARENT_BYTES_MAX + 1];
    bool good = trace_parent_read((struct str){ text.data, text.len }, parent);

    if (grammar == NULL) {
        grammar = compile("^(?:00" IDS "|(?!00|ff)[0-9a-f]{2}" IDS "(?:-[^]*)?)$");
    }
    if (fuzz_is_utf8(text)) {
        REQUIRE(good == matches(grammar, text));
    }
    if (!good) {
        return;
    }
    REQUIRE(strlen(parent) == TRACE_PARENT_BYTES_MAX);
    REQUIRE(trace_parent_read(str_of(parent), again));
    REQUIRE(strcmp(parent, again) == 0);
    trace_parent_pass(again);
    REQUIRE(memcmp(parent, again, TRACE_SPAN_ID_AT) == 0);
    REQUIRE(trace_parent_read(str_of(again), parent));
}

static void check_state(struct piece text) {
    static const struct pattern *empty;
    static const struct pattern *member;
    struct piece rest = text;
    struct trace_state state = { 0 };
    struct trace_state again = { 0 };
    unsigned members = 0;
    bool good = fuzz_is_utf8(text);

    if (empty == NULL) {
        empty = compile("^[ \\t]*$");
        member = compile("^[ \\t]*(?:" SIMPLE_KEY "|" TENANT_KEY ")=" VALUE "[ \\t]*$");
    }
    while (good && rest.len > 0) {
        struct piece part = fuzz_take(&rest, ',');

        if (!matches(empty, part)) {
            good = matches(member, part);
            members++;
        }
    }
    good = good && members <= TRACE_STATE_MEMBERS_MAX;
    trace_state_add(&state, (struct str){ text.data, text.len });
    REQUIRE(state.invalid == !good);
    REQUIRE(state.length <= TRACE_STATE_BYTES_MAX && strlen(state.text) == state.length);
    trace_state_add(&again, str_of(state.text));
    REQUIRE(strcmp(state.text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct piece rest = { (const char *)data, size };
    struct piece parent = fuzz_take(&rest, '\0');
    char *parent_copy = fuzz_copy(parent);
    char *state_copy = fuzz_copy(rest);

    check_parent((struct piece){ parent_copy, parent.len });
    check_state((struct piece){ state_copy, rest.len });
    free(parent_copy);
    free(state_copy);
    return 0;
}
