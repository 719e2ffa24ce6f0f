/* Parameters of a request: found, read as their style and types say, judged by their schema. */
#include "param.h"

#include <string.h>

/* One request. */
struct judge {
    const struct oa_match *match;
    struct oa_report *report;
    oa_header_fn header;
    void *user;
    struct oa_pairs query;
    struct oa_pairs cookies;
};

/* The values of one parameter in a query or cookie, still encoded. */
struct texts {
    struct str *items;
    size_t count;
};

static void refuse(const struct oa_given *given, const char *keyword, const char *message) {
    oa_report_add(given->report, &given->place, keyword, "%s", message);
}

/* ---- from text to value, and the verdict ---- */

static void check_value(const struct oa_given *given, const struct oa_json *value) {
    if (value != NULL && given->spec->schema != NULL) {
        oa_check_value(given->spec->schema, value, &given->place, given->report);
    }
}

static void check_object(const struct oa_given *given, struct oa_json *object) {
    if (object != NULL && oa_param_sort(given->report, object)) {
        check_value(given, object);
    }
}

/* Where a text may be both a string and something else, either will do. */
static bool is_valid_scalar(const struct oa_given *given, const struct oa_json *value) {
    struct oa_report quiet;
    bool is_valid;

    oa_report_init(&quiet, given->report->arena, 1);
    memcpy(quiet.spent, given->report->spent, sizeof(quiet.spent));
    is_valid = oa_check_value(given->spec->schema, value, &given->place, &quiet);
    memcpy(given->report->spent, quiet.spent, sizeof(quiet.spent));
    given->report->out_of_memory = given->report->out_of_memory || quiet.out_of_memory;
    return is_valid;
}

static void check_single(const struct oa_given *given, struct str text) {
    unsigned types = given->spec->types.own;
    struct oa_json *scalar = oa_param_scalar(given->report, text, types);
    struct oa_json *string;

    if (scalar != NULL && ((types & OA_STRING) == 0 || is_valid_scalar(given, scalar))) {
        if ((types & OA_STRING) == 0) {
            check_value(given, scalar);
        }
        return;
    }
    string = oa_param_string(given->report, text);
    if (string == NULL && !given->report->out_of_memory) {
        refuse(given, "encoding", "must be valid UTF-8");
    }
    check_value(given, string);
}

static void check_json(const struct oa_given *given, struct str text) {
    char message[JSON_SCAN_MESSAGE_BYTES];
    struct json_scan_error error;
    const struct oa_json *value =
        oa_json_parse(given->report->arena, text.data, text.len, OA_BODY_DEPTH_MAX, &error);

    if (value != NULL) {
        check_value(given, value);
    } else if (error.failure == JSON_SCAN_NO_MEMORY) {
        given->report->out_of_memory = true;
    } else {
        json_scan_message(&error, message);
        oa_report_add(given->report, &given->place, "json", "%s", message);
    }
}

/* One text, still encoded. */
static void check_text(const struct oa_given *given, struct str text) {
    const struct oa_param_spec *spec = given->spec;

    if (text.len == 0 && spec->allows_empty) {
        return;
    }
    if (spec->kind == OA_PARAM_ARRAY) {
        check_value(given, oa_param_list(given, text));
        return;
    }
    if (spec->kind == OA_PARAM_OBJECT) {
        check_object(given, oa_param_pairs(given, text));
        return;
    }
    if (spec->location != OA_IN_HEADER &&
        !oa_param_decode(given->report, text, spec->location == OA_IN_QUERY, &text)) {
        refuse(given, "encoding", "must be correctly percent-encoded");
    } else if (spec->kind == OA_PARAM_JSON) {
        check_json(given, text);
    } else {
        check_single(given, text);
    }
}

static void check_absent(const struct oa_given *given) {
    if (given->spec->is_required) {
        refuse(given, "required", "must be given");
    }
}

/* ---- query and cookies ---- */

static bool find_texts(const struct oa_given *given, const struct oa_pairs *pairs,
                       struct texts *ret) {
    ret->items = arena_array(given->report->arena, pairs->count + 1, sizeof(*ret->items));
    ret->count = 0;
    if (ret->items == NULL) {
        given->report->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        if (pairs->items[i].name.data != NULL &&
            str_equal(pairs->items[i].name, given->spec->name)) {
            ret->items[ret->count++] = pairs->items[i].text;
        }
    }
    return true;
}

/* "color[R]" for the parameter color: "R"; an error in the report when it is not quite that. */
static bool is_deep_name(struct str name, struct str param) {
    return name.data != NULL && name.len > param.len + 1 && name.data[param.len] == '[' &&
           memcmp(name.data, param.data, param.len) == 0;
}

static void check_deep(const struct oa_given *given, const struct oa_pairs *pairs) {
    struct oa_json *object = oa_param_node(given->report, OA_OBJECT);
    struct str param = given->spec->name;

    for (size_t i = 0; object != NULL && i < pairs->count; i++) {
        struct str name = pairs->items[i].name;

        if (!is_deep_name(name, param)) {
            continue;
        }
        name.data += param.len + 1;
        name.len -= param.len + 1;
        if (memchr(name.data, ']', name.len) != name.data + name.len - 1) {
            refuse(given, "style", "must be written NAME[PROPERTY]=VALUE, one level deep");
            return;
        }
        name.len--;
        if (!oa_param_set(given, object, name, pairs->items[i].text)) {
            return;
        }
    }
    if (object != NULL && object->count == 0) {
        check_absent(given);
    } else {
        check_object(given, object);
    }
}

static bool is_exploded_object(const struct oa_param_spec *spec) {
    return spec->kind == OA_PARAM_OBJECT && spec->style == OA_STYLE_FORM && spec->explodes;
}

/* Whether another query parameter of the operation has this name. */
static bool is_claimed(const struct judge *judge, struct str name) {
    for (const struct oa_param *p = judge->match->operation->params; p != NULL; p = p->next) {
        if (p->spec->location != OA_IN_QUERY || is_exploded_object(p->spec)) {
            continue;
        }
        if (str_equal(p->spec->name, name) ||
            (p->spec->style == OA_STYLE_DEEP && is_deep_name(name, p->spec->name))) {
            return true;
        }
    }
    return false;
}

/* "R=100&G=200": every name that no other parameter has; the errors' paths begin at the query. */
static void check_exploded(const struct judge *judge, struct oa_given *given) {
    struct oa_json *object = oa_param_node(given->report, OA_OBJECT);
    const struct oa_place own = given->place;

    given->place = *own.parent;
    for (size_t i = 0; object != NULL && i < judge->query.count; i++) {
        const struct oa_pair *pair = &judge->query.items[i];

        if (pair->name.data != NULL && !is_claimed(judge, pair->name) &&
            !oa_param_set(given, object, pair->name, pair->text)) {
            return;
        }
    }
    if (object != NULL && object->count == 0) {
        given->place = own;
        check_absent(given);
    } else {
        check_object(given, object);
    }
}

static void check_pairs(const struct judge *judge, struct oa_given *given,
                        const struct oa_pairs *pairs) {
    const struct oa_param_spec *spec = given->spec;
    struct texts texts;

    if (spec->style == OA_STYLE_DEEP) {
        check_deep(given, pairs);
        return;
    }
    if (is_exploded_object(spec)) {
        check_exploded(judge, given);
        return;
    }
    if (!find_texts(given, pairs, &texts)) {
        return;
    }
    if (texts.count == 0) {
        check_absent(given);
    } else if (spec->kind == OA_PARAM_ARRAY && spec->explodes &&
               !(spec->allows_empty && texts.count == 1 && texts.items[0].len == 0)) {
        check_value(given, oa_param_array(given, texts.items, texts.count));
    } else if (texts.count > 1) {
        refuse(given, "maxItems", "must be given only once");
    } else {
        check_text(given, texts.items[0]);
    }
}

/* ---- all ---- */

static void check_header(const struct judge *judge, const struct oa_given *given) {
    const struct oa_param_spec *spec = given->spec;
    unsigned count = 0;
    struct str text = judge->header(judge->user, spec->name, &count);

    if (count == 0) {
        check_absent(given);
    } else if (count > 1 && spec->kind != OA_PARAM_ARRAY) {
        refuse(given, "maxItems", "must be given only once");
    } else {
        check_text(given, text);
    }
}

static void check_param(const struct judge *judge, const struct oa_param *param) {
    const struct oa_param_spec *spec = param->spec;
    const char *location = oa_location_names[spec->location];
    const struct oa_place root = { .key = { location, strlen(location) } };
    struct oa_given given = {
        .spec = spec,
        .place = place_key(&root, spec->name.data, spec->name.len),
        .report = judge->report,
    };

    switch (spec->location) {
    case OA_IN_PATH: check_text(&given, judge->match->values[param->value_index]); break;
    case OA_IN_QUERY: check_pairs(judge, &given, &judge->query); break;
    case OA_IN_HEADER: check_header(judge, &given); break;
    case OA_IN_COOKIE: check_pairs(judge, &given, &judge->cookies); break;
    }
}

/* Read the query and the cookies once, when a parameter is in there. */
static bool load_pairs(struct judge *judge, struct str query) {
    bool has_query = false;
    bool has_cookies = false;
    const struct oa_place root = { .key = { "header", 6 } };
    const struct oa_place cookie_at = place_text(&root, "Cookie");
    struct str cookie;
    unsigned count = 0;

    for (const struct oa_param *p = judge->match->operation->params; p != NULL; p = p->next) {
        has_query = has_query || p->spec->location == OA_IN_QUERY;
        has_cookies = has_cookies || p->spec->location == OA_IN_COOKIE;
    }
    if (has_query && !oa_query_parse(judge->report, query, &judge->query)) {
        return false;
    }
    if (!has_cookies) {
        return true;
    }
    cookie = judge->header(judge->user, (struct str){ "Cookie", 6 }, &count);
    if (count > 1) {
        oa_report_add(judge->report, &cookie_at, "maxItems", "must be given only once");
        return false;
    }
    return count == 0 || oa_cookie_parse(judge->report, cookie, &judge->cookies);
}

bool oa_check_params(const struct oa_match *match, struct str query, oa_header_fn header,
                     void *user, struct oa_report *report) {
    struct judge judge = { .match = match, .report = report, .header = header, .user = user };
    unsigned before = report->count;

    if (load_pairs(&judge, query)) {
        const struct oa_param *param = match->operation->params;

        for (; param != NULL && !oa_report_is_full(report); param = param->next) {
            if (!param->spec->is_unchecked) {
                check_param(&judge, param);
            }
        }
    }
    return report->count == before && !report->out_of_memory;
}
