/*
 * Parameters of a request: found, read from text to JSON values as their style and types say,
 * judged by their schema.
 */
#include "base/ascii.h"
#include "base/percent.h"
#include "base/utf8.h"
#include "openapi/document/tables.h"
#include "request.h"

#include <string.h>

/* What one parameter was sent as, still encoded. */
struct given {
    const struct param_spec *spec;
    struct place place; /* for errors: "query/limit" */
    struct report *report;
};

struct pair {
    struct str name; /* decoded; data NULL: malformed, no parameter has it */
    struct str text; /* still encoded */
};

struct pairs {
    struct pair *items;
    size_t count;
};

/* Memory that is cleared, or NULL and the verdict is unknown. */
static void *allocate(struct report *report, size_t count, size_t bytes) {
    void *memory = arena_array(report->arena, count, bytes);

    report->out_of_memory = report->out_of_memory || memory == NULL;
    return memory;
}

/* Decode %XX (and '+' when `plus`); false: malformed, or no memory. */
static bool decode(struct report *report, struct str text, bool plus, struct str *ret) {
    char *out = allocate(report, text.len + 1, 1);
    size_t n = 0;

    for (size_t i = 0; out != NULL && i < text.len;) {
        bool is_space = plus && text.data[i] == '+';
        int byte = percent_next(text, &i);

        if (byte < 0) {
            return false;
        }
        out[n++] = is_space ? ' ' : (char)byte;
    }
    *ret = (struct str){ out, n };
    return out != NULL;
}

/* An empty array or object, or a string without content; NULL: no memory. */
static struct value *new_node(struct report *report, enum value_type type) {
    struct value *node = allocate(report, 1, sizeof(*node));

    if (node != NULL) {
        node->type = type;
        node->raw = STR("");
    }
    return node;
}

/* The number of code points, or -1 when it is not UTF-8. */
static int64_t count_points(struct str text) {
    int64_t count = 0;

    for (size_t at = 0; at < text.len; count++) {
        size_t len = utf8_sequence(text.data + at, text.len - at);

        if (len == 0) {
            return -1;
        }
        at += len;
    }
    return count;
}

/* A string; NULL: not UTF-8, or no memory. */
static struct value *new_string(struct report *report, struct str text) {
    int64_t points = count_points(text);
    struct value *node = points >= 0 ? new_node(report, VALUE_STRING) : NULL;

    if (node != NULL) {
        node->raw = text;
        node->text = text;
        node->count = (uint32_t)points;
    }
    return node;
}

/* Of a number: it has neither fraction nor exponent. */
static bool is_plain_integer(struct str number) {
    for (size_t i = 0; i < number.len; i++) {
        if (!ascii_is_digit(number.data[i]) && number.data[i] != '-') {
            return false;
        }
    }
    return true;
}

/* The number, boolean or null that `text` is and `types` allows, else NULL. */
static struct value *read_scalar(struct report *report, struct str text, unsigned types) {
    struct json_scan_error error;
    struct value *parsed;

    if (text.len == 0 || text.data[0] == '"') {
        return NULL;
    }
    parsed = value_parse(report->arena, text.data, text.len, 0, &error);
    if (parsed == NULL || parsed->raw.len != text.len) {
        return NULL;
    }
    if (parsed->type != VALUE_NUMBER) {
        return (types & (unsigned)parsed->type) != 0 ? parsed : NULL;
    }
    if ((types & VALUE_NUMBER) != 0 || ((types & SCHEMA_INTEGER) != 0 && is_plain_integer(text))) {
        return parsed;
    }
    return NULL;
}

/* ---- items and properties ---- */

static bool refuse(const struct given *given, const char *keyword, const char *message) {
    report_add(given->report, &given->place, keyword, "%s", message);
    return false;
}

/* As its location has it: a header is not encoded. */
static bool decode_value(const struct given *given, struct str *text) {
    enum location location = given->spec->location;

    return location == IN_HEADER || decode(given->report, *text, location == IN_QUERY, text) ||
           refuse(given, "encoding", "must be correctly percent-encoded");
}

static struct value *read_string(const struct given *given, struct str text) {
    struct value *node = new_string(given->report, text);

    if (node == NULL && !given->report->out_of_memory) {
        refuse(given, "encoding", "must be valid UTF-8");
    }
    return node;
}

/* One item or property value: decoded, then the scalar that fits, else a string. */
static struct value *read_item(const struct given *given, struct str text, unsigned types) {
    struct value *node = NULL;

    if (!decode_value(given, &text)) {
        return NULL;
    }
    /* where anything is allowed, a text is a text */
    if (types != (TYPES_ANY & ~(unsigned)(VALUE_ARRAY | VALUE_OBJECT))) {
        node = read_scalar(given->report, text, types);
    }
    return node != NULL || given->report->out_of_memory ? node : read_string(given, text);
}

static bool append(const struct given *given, struct value *parent, struct value ***link,
                   struct value *item) {
    if (item == NULL) {
        return false;
    }
    if (parent->count >= REQUEST_PARAM_ITEMS_MAX) {
        report_add(given->report, &given->place, "maxItems", "must have at most %d items",
                   REQUEST_PARAM_ITEMS_MAX);
        return false;
    }
    **link = item;
    *link = &item->next;
    parent->count++;
    return true;
}

static unsigned item_types(const struct param_types *types, size_t index) {
    return index < types->prefix_count ? types->prefix[index] : types->items;
}

/* ---- one text with delimiters ---- */

static bool is_escape(const char *s, const char *end, char high, char low) {
    return end - s >= 3 && s[0] == '%' && s[1] == high && (s[2] | 0x20) == (low | 0x20);
}

/* The length of the delimiter at `s`, or 0. What is escaped in a list with commas is data. */
static size_t delimiter(enum style style, const char *s, const char *end) {
    switch (style) {
    case STYLE_SPACE: return *s == '+' ? 1 : is_escape(s, end, '2', '0') ? 3 : 0;
    case STYLE_PIPE: return *s == '|' ? 1 : is_escape(s, end, '7', 'C') ? 3 : 0;
    default: return *s == ',';
    }
}

static struct str trim(struct str text) {
    for (; text.len > 0 && ascii_is_blank(text.data[0]); text.len--) {
        text.data++;
    }
    while (text.len > 0 && ascii_is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* The next piece of a list; those of a header may have white space around them. */
static struct str next_piece(const struct given *given, struct str *rest, bool *ret_more) {
    const char *end = rest->data + rest->len;
    const char *s = rest->data;
    struct str piece = { s, 0 };
    size_t skip = 0;

    while (s < end && (skip = delimiter(given->spec->style, s, end)) == 0) {
        s++;
    }
    piece.len = (size_t)(s - piece.data);
    *ret_more = s < end;
    s += s < end ? skip : 0;
    *rest = (struct str){ s, (size_t)(end - s) };
    return given->spec->location == IN_HEADER ? trim(piece) : piece;
}

/* "1,2,3" as an array; NULL after an error in the report. */
static struct value *read_list(const struct given *given, struct str text) {
    struct value *array = new_node(given->report, VALUE_ARRAY);
    struct value **link = array != NULL ? &array->child : NULL;
    bool more = true;

    while (array != NULL && more) {
        struct str piece = next_piece(given, &text, &more);
        unsigned types = item_types(&given->spec->types, array->count);

        if (!append(given, array, &link, read_item(given, piece, types))) {
            return NULL;
        }
    }
    return array;
}

/* ---- objects ---- */

static const struct param_property *find_property(const struct param_types *types,
                                                  struct str name) {
    for (size_t i = 0; i < types->property_count; i++) {
        if (str_equal(types->properties[i].name, name)) {
            return &types->properties[i];
        }
    }
    return NULL;
}

/* One more item for the array that a property is. */
static bool append_to_property(const struct given *given, struct value *array, struct str text,
                               unsigned types) {
    struct value **link = &array->child;

    while (*link != NULL) {
        link = &(*link)->next;
    }
    return append(given, array, &link, read_item(given, text, types));
}

/*
 * Set the property `name` (decoded). A second value is one item more when the schema has an array
 * there, else an error in the report.
 */
static bool set_property(const struct given *given, struct value *object, struct str name,
                         struct str text) {
    const struct param_property *property = find_property(&given->spec->types, name);
    bool is_array = property != NULL && property->is_array;
    unsigned types = property != NULL ? property->types : given->spec->types.others;
    struct value **link = &object->child;
    struct value *value;

    while (*link != NULL && !str_equal((*link)->key, name)) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        return is_array ? append_to_property(given, *link, text, types)
                        : refuse(given, "style", "must give each property only once");
    }
    value = is_array ? new_node(given->report, VALUE_ARRAY) : read_item(given, text, types);
    if (!append(given, object, &link, value)) {
        return false;
    }
    value->key = name;
    return !is_array || append_to_property(given, value, text, types);
}

/* "NAME=VALUE" when the parameter explodes, else the name, and its value is the next piece. */
static bool next_pair(const struct given *given, struct str *rest, struct pair *ret,
                      bool *ret_more) {
    struct str piece = next_piece(given, rest, ret_more);
    const char *equals = memchr(piece.data, '=', piece.len);

    ret->name = piece;
    if (!given->spec->explodes) {
        if (!*ret_more) {
            return refuse(given, "style", "must be a list of names, each followed by its value");
        }
        ret->text = next_piece(given, rest, ret_more);
        return true;
    }
    if (equals == NULL) {
        return refuse(given, "style", "must be a list of NAME=VALUE with commas between them");
    }
    ret->name.len = (size_t)(equals - piece.data);
    ret->text = (struct str){ equals + 1, piece.len - ret->name.len - 1 };
    return true;
}

/* "R,100,G,200" or "R=100,G=200" as an object; NULL after an error in the report. */
static struct value *read_pairs(const struct given *given, struct str text) {
    struct value *object = new_node(given->report, VALUE_OBJECT);
    bool more = object != NULL;

    while (more) {
        struct value *key = NULL;
        struct pair pair;

        if (next_pair(given, &text, &pair, &more)) {
            key = read_item(given, pair.name, VALUE_STRING); /* decoded as its value is */
        }
        if (key == NULL || !set_property(given, object, key->text, pair.text)) {
            return NULL;
        }
    }
    return object;
}

/* ---- the names and values of a query, and of a Cookie field ---- */

/* Names are rarely encoded: only those that are get decoded. A malformed one is nobody's. */
static struct str decode_name(struct report *report, struct str name, bool is_query) {
    bool is_encoded = memchr(name.data, '%', name.len) != NULL ||
                      (is_query && memchr(name.data, '+', name.len) != NULL);
    struct str nobody = { NULL, 0 };

    return (!is_encoded || decode(report, name, is_query, &name)) && count_points(name) >= 0
               ? name
               : nobody;
}

/* "a=1&b=2", or "a=1; b=2"; false after an error in the report. */
static bool parse_pairs(struct report *report, struct str text, bool is_query, struct pairs *ret) {
    const struct place place = { .key = is_query ? STR("query") : STR("cookie") };
    const char separator = is_query ? '&' : ';';
    const char *end = text.data + text.len;
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == separator;
    }
    if (count > REQUEST_QUERY_PAIRS_MAX) {
        report_add(report, &place, "maxItems", "must have at most %d parameters",
                   REQUEST_QUERY_PAIRS_MAX);
        return false;
    }
    *ret = (struct pairs){ .items = allocate(report, count, sizeof(*ret->items)) };
    for (const char *s = text.data; ret->items != NULL && s < end;) {
        const char *next = memchr(s, separator, (size_t)(end - s));
        const char *stop = next != NULL ? next : end;
        const char *equals;

        while (!is_query && s < stop && ascii_is_blank(*s)) {
            s++;
        }
        equals = memchr(s, '=', (size_t)(stop - s));
        if (s < stop) {
            const char *name_end = equals != NULL ? equals : stop;
            const char *value = equals != NULL ? equals + 1 : stop;
            struct pair *pair = &ret->items[ret->count++];

            pair->name = decode_name(report, (struct str){ s, (size_t)(name_end - s) }, is_query);
            pair->text = (struct str){ value, (size_t)(stop - value) };
        }
        s = stop + 1;
    }
    return !report->out_of_memory;
}

/* ---- the verdict ---- */

/* One request. */
struct judge {
    const struct match *match;
    struct report *report;
    request_header_fn *header;
    void *user;
    struct pairs query;
    struct pairs cookies;
};

static void check_value(const struct given *given, const struct value *value) {
    if (value != NULL && given->spec->schema != NULL) {
        schema_run(given->spec->schema, value, &given->place, NULL, given->report);
    }
}

static void check_object(const struct given *given, struct value *object) {
    if (object != NULL && !value_sort(given->report->arena, object)) {
        given->report->out_of_memory = true;
        return;
    }
    check_value(given, object);
}

/* Where a text may be both a string and something else, either will do. */
static bool is_valid_scalar(const struct given *given, const struct value *value) {
    struct report quiet;
    bool is_valid;

    report_init(&quiet, given->report->arena, 1);
    memcpy(quiet.spent, given->report->spent, sizeof(quiet.spent));
    is_valid = schema_run(given->spec->schema, value, &given->place, NULL, &quiet);
    memcpy(given->report->spent, quiet.spent, sizeof(quiet.spent));
    given->report->out_of_memory = given->report->out_of_memory || quiet.out_of_memory;
    return is_valid;
}

static void check_single(const struct given *given, struct str text) {
    unsigned types = given->spec->types.own;
    struct value *scalar = read_scalar(given->report, text, types);

    if (scalar == NULL || ((types & VALUE_STRING) != 0 && !is_valid_scalar(given, scalar))) {
        check_value(given, read_string(given, text));
    } else if ((types & VALUE_STRING) == 0) {
        check_value(given, scalar);
    }
}

static void check_json(const struct given *given, struct str text) {
    struct json_scan_error error;
    const struct value *value =
        value_parse(given->report->arena, text.data, text.len, REQUEST_BODY_DEPTH_MAX, &error);

    if (value == NULL) {
        report_json(given->report, &given->place, &error);
    }
    check_value(given, value);
}

/* One text, still encoded. */
static void check_text(const struct given *given, struct str text) {
    const struct param_spec *spec = given->spec;

    if (text.len == 0 && spec->allows_empty) {
        return;
    }
    if (spec->kind == PARAM_ARRAY) {
        check_value(given, read_list(given, text));
    } else if (spec->kind == PARAM_OBJECT) {
        check_object(given, read_pairs(given, text));
    } else if (decode_value(given, &text)) {
        if (spec->kind == PARAM_JSON) {
            check_json(given, text);
        } else {
            check_single(given, text);
        }
    }
}

static void check_absent(const struct given *given) {
    if (given->spec->is_required) {
        refuse(given, "required", "must be given");
    }
}

/* ---- query and cookies ---- */

/* Whether it is one of the parameter's values. */
static bool is_its_own(const struct given *given, const struct pair *pair) {
    return pair->name.data != NULL && str_equal(pair->name, given->spec->name);
}

/* Each value as an item ("id=1&id=2"); NULL after an error in the report. */
static struct value *read_each(const struct given *given, const struct pairs *pairs) {
    struct value *array = new_node(given->report, VALUE_ARRAY);
    struct value **link = array != NULL ? &array->child : NULL;

    for (size_t i = 0; array != NULL && i < pairs->count; i++) {
        unsigned types = item_types(&given->spec->types, array->count);

        if (is_its_own(given, &pairs->items[i]) &&
            !append(given, array, &link, read_item(given, pairs->items[i].text, types))) {
            return NULL;
        }
    }
    return array;
}

/* "color[R]" for the parameter color: "R"; an error in the report when it is not quite that. */
static bool is_deep_name(struct str name, struct str param) {
    return name.data != NULL && name.len > param.len + 1 && name.data[param.len] == '[' &&
           memcmp(name.data, param.data, param.len) == 0;
}

static void check_deep(const struct given *given, const struct pairs *pairs) {
    struct value *object = new_node(given->report, VALUE_OBJECT);
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
        if (!set_property(given, object, name, pairs->items[i].text)) {
            return;
        }
    }
    if (object != NULL && object->count == 0) {
        check_absent(given);
    } else {
        check_object(given, object);
    }
}

static bool is_exploded_object(const struct param_spec *spec) {
    return spec->kind == PARAM_OBJECT && spec->style == STYLE_FORM && spec->explodes;
}

/* Whether another query parameter of the operation has this name. */
static bool is_claimed(const struct judge *judge, struct str name) {
    for (const struct param *p = judge->match->operation->params; p != NULL; p = p->next) {
        if (p->spec->location != IN_QUERY || is_exploded_object(p->spec)) {
            continue;
        }
        if (str_equal(p->spec->name, name) ||
            (p->spec->style == STYLE_DEEP && is_deep_name(name, p->spec->name))) {
            return true;
        }
    }
    return false;
}

/* "R=100&G=200": every name that no other parameter has; the errors' paths begin at the query. */
static void check_exploded(const struct judge *judge, struct given *given) {
    struct value *object = new_node(given->report, VALUE_OBJECT);
    const struct place own = given->place;

    given->place = *own.parent;
    for (size_t i = 0; object != NULL && i < judge->query.count; i++) {
        const struct pair *pair = &judge->query.items[i];

        if (pair->name.data != NULL && !is_claimed(judge, pair->name) &&
            !set_property(given, object, pair->name, pair->text)) {
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

static void check_pairs(const struct judge *judge, struct given *given, const struct pairs *pairs) {
    const struct param_spec *spec = given->spec;
    struct str first = { NULL, 0 };
    size_t count = 0;

    if (spec->style == STYLE_DEEP) {
        check_deep(given, pairs);
        return;
    }
    if (is_exploded_object(spec)) {
        check_exploded(judge, given);
        return;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        if (is_its_own(given, &pairs->items[i])) {
            first = count++ == 0 ? pairs->items[i].text : first;
        }
    }
    if (count == 0) {
        check_absent(given);
    } else if (spec->kind == PARAM_ARRAY && spec->explodes &&
               !(spec->allows_empty && count == 1 && first.len == 0)) {
        check_value(given, read_each(given, pairs));
    } else if (count > 1) {
        refuse(given, "maxItems", "must be given only once");
    } else {
        check_text(given, first);
    }
}

/* ---- all ---- */

static void check_header(const struct judge *judge, const struct given *given) {
    const struct param_spec *spec = given->spec;
    unsigned count = 0;
    struct str text = judge->header(judge->user, spec->name, &count);

    if (count == 0) {
        check_absent(given);
    } else if (count > 1 && spec->kind != PARAM_ARRAY) {
        refuse(given, "maxItems", "must be given only once");
    } else {
        check_text(given, text);
    }
}

static void check_param(const struct judge *judge, const struct param *param) {
    const struct param_spec *spec = param->spec;
    const struct place root = { .key = str_of(parameter_locations[spec->location]) };
    struct given given = { .spec = spec,
                           .place = place_key(&root, spec->name),
                           .report = judge->report };

    switch (spec->location) {
    case IN_PATH: check_text(&given, judge->match->values[param->value_index]); break;
    case IN_QUERY: check_pairs(judge, &given, &judge->query); break;
    case IN_HEADER: check_header(judge, &given); break;
    case IN_COOKIE: check_pairs(judge, &given, &judge->cookies); break;
    }
}

static bool has_param_in(const struct judge *judge, enum location location) {
    const struct param *param = judge->match->operation->params;

    while (param != NULL && param->spec->location != location) {
        param = param->next;
    }
    return param != NULL;
}

/* Read the query and the cookies once, when a parameter is in there. */
static bool load_pairs(struct judge *judge, struct str query) {
    const struct place root = { .key = STR("header") };
    const struct place cookie_at = place_text(&root, "Cookie");
    struct str cookie;
    unsigned count = 0;

    if (has_param_in(judge, IN_QUERY) && !parse_pairs(judge->report, query, true, &judge->query)) {
        return false;
    }
    if (!has_param_in(judge, IN_COOKIE)) {
        return true;
    }
    cookie = judge->header(judge->user, STR("Cookie"), &count);
    if (count > 1) {
        report_add(judge->report, &cookie_at, "maxItems", "must be given only once");
        return false;
    }
    return count == 0 || parse_pairs(judge->report, cookie, false, &judge->cookies);
}

bool request_params(const struct match *match, struct str query, request_header_fn *header,
                    void *user, struct report *report) {
    struct judge judge = { .match = match, .report = report, .header = header, .user = user };
    unsigned before = report->count;

    if (load_pairs(&judge, query)) {
        const struct param *param = match->operation->params;

        for (; param != NULL && !report_is_full(report); param = param->next) {
            if (!param->spec->is_unchecked) {
                check_param(&judge, param);
            }
        }
    }
    return report->count == before && !report->out_of_memory;
}
