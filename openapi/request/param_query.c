/* The names and values of a query, and of a Cookie field. */
#include "param.h"

#include <string.h>

static size_t count_pairs(struct str text, char separator) {
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == separator;
    }
    return count;
}

/* Names are rarely encoded: only those that are get decoded. A malformed one is nobody's. */
static struct str decode_name(struct oa_report *report, struct str name, bool is_query) {
    struct str decoded;

    if (memchr(name.data, '%', name.len) == NULL &&
        (!is_query || memchr(name.data, '+', name.len) == NULL)) {
        decoded = name;
    } else if (!oa_param_decode(report, name, is_query, &decoded)) {
        return (struct str){ NULL, 0 };
    }
    return oa_param_is_utf8(decoded) ? decoded : (struct str){ NULL, 0 };
}

static bool parse(struct oa_report *report, struct str text, bool is_query, struct oa_pairs *ret) {
    const struct oa_place place = { .key = { is_query ? "query" : "cookie", is_query ? 5 : 6 } };
    const char separator = is_query ? '&' : ';';
    const char *end = text.data + text.len;
    size_t count = text.len > 0 ? count_pairs(text, separator) : 0;

    *ret = (struct oa_pairs){ .items = NULL };
    if (count > OA_QUERY_PAIRS_MAX) {
        oa_report_add(report, &place, "maxItems", "must have at most %d parameters",
                      OA_QUERY_PAIRS_MAX);
        return false;
    }
    ret->items = arena_array(report->arena, count + 1, sizeof(*ret->items));
    if (ret->items == NULL) {
        report->out_of_memory = true;
        return false;
    }
    for (const char *s = text.data; s < end;) {
        const char *next = memchr(s, separator, (size_t)(end - s));
        const char *stop = next != NULL ? next : end;
        const char *equals;

        while (!is_query && s < stop && (*s == ' ' || *s == '\t')) {
            s++;
        }
        equals = memchr(s, '=', (size_t)(stop - s));
        if (s < stop) {
            const char *name_end = equals != NULL ? equals : stop;
            const char *value = equals != NULL ? equals + 1 : stop;
            struct oa_pair *pair = &ret->items[ret->count++];

            pair->name = decode_name(report, (struct str){ s, (size_t)(name_end - s) }, is_query);
            pair->text = (struct str){ value, (size_t)(stop - value) };
        }
        s = stop + 1;
    }
    return !report->out_of_memory;
}

bool oa_query_parse(struct oa_report *report, struct str query, struct oa_pairs *ret) {
    return parse(report, query, true, ret);
}

bool oa_cookie_parse(struct oa_report *report, struct str cookie, struct oa_pairs *ret) {
    return parse(report, cookie, false, ret);
}
