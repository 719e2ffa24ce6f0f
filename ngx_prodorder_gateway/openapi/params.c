/* Path, query and header parameters: from text to a value, then to the schema. */
#include "loader.h"
#include "percent.h"

#include <string.h>

/* A parameter as it was sent. */
struct given {
    struct oa_str text;
    unsigned count;
};

/* Decode %XX (and '+' in a query) into the report's arena; false: malformed or no memory. */
static bool decode(struct oa_report *report, struct oa_str text, bool plus, struct oa_str *ret) {
    char *out = oa_alloc(report->arena, text.len + 1);
    size_t n = 0;

    if (out == NULL) {
        report->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%') {
            int byte = oa_percent_byte(text.data + i, text.data + text.len);

            if (byte < 0) {
                return false;
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    *ret = (struct oa_str){ out, n };
    return true;
}

/* The value of `name` in a query string; `text` is still encoded. */
static struct given find_query(struct oa_report *report, struct oa_str query, struct oa_str name) {
    struct given given = { .text = { "", 0 } };
    const char *end = query.data + query.len;
    const char *s = query.data;

    while (s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s));
        const char *stop = amp != NULL ? amp : end;
        const char *equals = memchr(s, '=', (size_t)(stop - s));
        struct oa_str key = { s, (size_t)((equals != NULL ? equals : stop) - s) };

        /* names are rarely encoded: decode only those that are */
        if ((memchr(key.data, '%', key.len) == NULL && memchr(key.data, '+', key.len) == NULL) ||
            decode(report, key, true, &key)) {
            if (oa_str_equal(key, name)) {
                const char *value = equals != NULL ? equals + 1 : stop;

                given.count++;
                given.text = (struct oa_str){ value, (size_t)(stop - value) };
            }
        }
        s = stop + 1;
    }
    return given;
}

/* An integer is written in digits only: no fraction, no exponent, no leading zero. */
static bool is_plain_integer(struct oa_str text) {
    size_t i = text.len > 0 && text.data[0] == '-';

    if (i == text.len || (text.data[i] == '0' && text.len > i + 1)) {
        return false;
    }
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return true;
}

/* What the text means where the schema allows `types`; a string when nothing else fits. */
static bool to_value(struct oa_report *report, struct oa_str text, unsigned types,
                     struct oa_json *ret_value) {
    const unsigned char *s = (const unsigned char *)text.data;
    const unsigned char *end = s + text.len;
    struct oa_json_error error;
    struct oa_json *parsed;

    *ret_value = (struct oa_json){ .type = OA_STRING, .raw = text, .text = text };
    while (s < end) {
        unsigned len = oa_utf8_sequence(s, end);

        if (len == 0) {
            return false;
        }
        s += len;
        ret_value->count++;
    }
    if (types == 0 || (types & OA_STRING) != 0) {
        return true;
    }
    if ((types & OA_NUMBER) == 0 && (types & OA_INTEGER) != 0 && !is_plain_integer(text)) {
        return true;
    }
    parsed = oa_json_parse(report->arena, text.data, text.len, 0, &error);
    if (parsed != NULL && parsed->raw.len == text.len && parsed->type != OA_STRING) {
        *ret_value = *parsed;
    }
    return true;
}

static const char *const location_names[] = {
    [OA_IN_PATH] = "path", [OA_IN_QUERY] = "query", [OA_IN_HEADER] = "header"
};

static void check_param(const struct oa_param *param, struct given given,
                        struct oa_report *report) {
    const struct oa_place root = { .key = { location_names[param->location],
                                            strlen(location_names[param->location]) } };
    const struct oa_place place = place_key(&root, param->name.data, param->name.len);
    struct oa_run run = { .report = report };
    struct oa_str text = given.text;
    struct oa_json value;

    if (given.count == 0) {
        if (param->required) {
            oa_report_add(report, &place, "required", "must be given");
        }
        return;
    }
    if (given.count > 1) {
        oa_report_add(report, &place, "maxItems", "must be given only once");
        return;
    }
    if (param->location != OA_IN_HEADER &&
        !decode(report, given.text, param->location == OA_IN_QUERY, &text)) {
        oa_report_add(report, &place, "encoding", "must be correctly percent-encoded");
        return;
    }
    if (!to_value(report, text, oa_schema_types(param->schema), &value)) {
        oa_report_add(report, &place, "encoding", "must be valid UTF-8");
        return;
    }
    oa_schema_run(&run, param->schema, &value, &place);
}

bool oa_check_params(const struct oa_match *match, struct oa_str query, oa_header_fn header,
                     void *user, struct oa_report *report) {
    unsigned before = report->count;

    for (const struct oa_param *p = match->operation->params; p != NULL; p = p->next) {
        struct given given = { .count = 1 };

        switch (p->location) {
        case OA_IN_PATH: given.text = match->values[p->value_index]; break;
        case OA_IN_QUERY: given = find_query(report, query, p->name); break;
        case OA_IN_HEADER: given.text = header(user, p->name, &given.count); break;
        }
        check_param(p, given, report);
    }
    return report->count == before && !report->out_of_memory;
}
