/* From a text to a verdict. */
#include "schema.h"

/* What fits here, as an order does, is judged without an allocation. */
enum { SCRATCH_BYTES = 4096 };

/* A node for each value, the decoded strings, sorted members, and room for an arena's waste. */
static size_t tree_bytes_max(size_t len, uint32_t values_max) {
    size_t values = values_max < len ? values_max : len;

    return values * (sizeof(struct oa_json) + sizeof(void *)) + 2 * len + 256 * 1024;
}

static void report_failure(struct oa_report *report, const struct json_scan_error *error) {
    static const struct oa_place root = { .key = { "", 0 } };
    char message[JSON_SCAN_MESSAGE_BYTES];

    if (error->failure == JSON_SCAN_NO_MEMORY) {
        report->out_of_memory = true;
        return;
    }
    json_scan_message(error, message);
    oa_report_add(report, &root, "json", "%s", message);
}

bool oa_schema_check_text(const struct oa_schema *schema, const char *text, size_t len,
                          const struct oa_schema_limits *limits, struct oa_report *report) {
    static const struct oa_place root = { .key = { "", 0 } };
    _Alignas(8) char memory[SCRATCH_BYTES];
    struct oa_run run = { .report = report };
    struct arena scratch;
    struct json_scan_error error;
    const struct oa_json *value;
    bool is_valid;

    limits = limits != NULL ? limits : &oa_schema_limits_default;
    run.limits = limits;
    arena_init_scratch(&scratch, memory, sizeof(memory),
                       tree_bytes_max(len, limits->json.values_max));
    value = oa_json_parse_limited(&scratch, text, len, &limits->json, &error);
    if (value == NULL) {
        report_failure(report, &error);
    }
    is_valid = value != NULL && (schema == NULL || oa_schema_run(&run, schema, value, &root));
    arena_done(&scratch);
    return is_valid;
}
