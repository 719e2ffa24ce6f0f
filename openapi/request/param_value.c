/* From a parameter's text to a JSON value, as its style and its schema's types say. */
#include "base/percent.h"
#include "base/utf8.h"
#include "param.h"

#include <stdlib.h>
#include <string.h>

bool oa_param_decode(struct oa_report *report, struct str text, bool plus, struct str *ret) {
    char *out = arena_alloc(report->arena, text.len + 1);
    size_t n = 0;

    if (out == NULL) {
        report->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < text.len;) {
        bool is_space = plus && text.data[i] == '+';
        int byte = percent_next(text, &i);

        if (byte < 0) {
            return false;
        }
        out[n++] = is_space ? ' ' : (char)byte;
    }
    *ret = (struct str){ out, n };
    return true;
}

struct oa_json *oa_param_node(struct oa_report *report, enum oa_json_type type) {
    struct oa_json *node = arena_zalloc(report->arena, sizeof(*node));

    if (node == NULL) {
        report->out_of_memory = true;
        return NULL;
    }
    node->type = type;
    node->raw = (struct str){ "", 0 };
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

bool oa_param_is_utf8(struct str text) {
    return count_points(text) >= 0;
}

struct oa_json *oa_param_string(struct oa_report *report, struct str text) {
    int64_t points = count_points(text);
    struct oa_json *node = points >= 0 ? oa_param_node(report, OA_STRING) : NULL;

    if (node != NULL) {
        node->raw = text;
        node->text = text;
        node->count = (uint32_t)points;
    }
    return node;
}

/* Digits, maybe behind a minus: no fraction, no exponent, no leading zero. */
static bool is_plain_integer(struct str text) {
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

struct oa_json *oa_param_scalar(struct oa_report *report, struct str text, unsigned types) {
    struct json_scan_error error;
    struct oa_json *parsed;

    if (text.len == 0 || text.data[0] == '"') {
        return NULL;
    }
    parsed = oa_json_parse(report->arena, text.data, text.len, 0, &error);
    if (parsed == NULL || parsed->raw.len != text.len) {
        return NULL;
    }
    if (parsed->type != OA_NUMBER) {
        return (types & (unsigned)parsed->type) != 0 ? parsed : NULL;
    }
    if ((types & OA_NUMBER) != 0 || ((types & OA_INTEGER) != 0 && is_plain_integer(text))) {
        return parsed;
    }
    return NULL;
}

/* ---- items and properties ---- */

static bool refuse(const struct oa_given *given, const char *keyword, const char *message) {
    oa_report_add(given->report, &given->place, keyword, "%s", message);
    return false;
}

/* One item or property value: decoded, then the scalar that fits, else a string. */
static struct oa_json *param_item(const struct oa_given *given, struct str text, unsigned types) {
    enum oa_location location = given->spec->location;
    struct oa_json *node = NULL;

    if (location != OA_IN_HEADER &&
        !oa_param_decode(given->report, text, location == OA_IN_QUERY, &text)) {
        refuse(given, "encoding", "must be correctly percent-encoded");
        return NULL;
    }
    /* where anything is allowed, a text is a text */
    if (types != (OA_TYPES_ANY & ~(unsigned)(OA_ARRAY | OA_OBJECT))) {
        node = oa_param_scalar(given->report, text, types);
    }
    if (node == NULL && !given->report->out_of_memory) {
        node = oa_param_string(given->report, text);
        if (node == NULL && !given->report->out_of_memory) {
            refuse(given, "encoding", "must be valid UTF-8");
        }
    }
    return node;
}

static bool append(const struct oa_given *given, struct oa_json *parent, struct oa_json ***link,
                   struct oa_json *item) {
    if (item == NULL) {
        return false;
    }
    if (parent->count >= OA_PARAM_ITEMS_MAX) {
        oa_report_add(given->report, &given->place, "maxItems", "must have at most %d items",
                      OA_PARAM_ITEMS_MAX);
        return false;
    }
    **link = item;
    *link = &item->next;
    parent->count++;
    return true;
}

static unsigned item_types(const struct oa_param_types *types, size_t index) {
    return index < types->prefix_count ? types->prefix[index] : types->items;
}

/* ---- one text with delimiters ---- */

static bool is_escape(const char *s, const char *end, char high, char low) {
    return end - s >= 3 && s[0] == '%' && s[1] == high && (s[2] | 0x20) == (low | 0x20);
}

/* The length of the delimiter at `s`, or 0. What is escaped in a list with commas is data. */
static size_t delimiter(enum oa_style style, const char *s, const char *end) {
    switch (style) {
    case OA_STYLE_SPACE: return *s == '+' ? 1 : is_escape(s, end, '2', '0') ? 3 : 0;
    case OA_STYLE_PIPE: return *s == '|' ? 1 : is_escape(s, end, '7', 'C') ? 3 : 0;
    default: return *s == ',';
    }
}

static struct str trim(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* The next piece of a list; those of a header may have white space around them. */
static struct str next_piece(const struct oa_given *given, struct str *rest, bool *ret_more) {
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
    return given->spec->location == OA_IN_HEADER ? trim(piece) : piece;
}

struct oa_json *oa_param_array(const struct oa_given *given, const struct str *texts,
                               size_t count) {
    struct oa_json *array = oa_param_node(given->report, OA_ARRAY);
    struct oa_json **link = array != NULL ? &array->child : NULL;

    for (size_t i = 0; array != NULL && i < count; i++) {
        unsigned types = item_types(&given->spec->types, i);

        if (!append(given, array, &link, param_item(given, texts[i], types))) {
            return NULL;
        }
    }
    return array;
}

struct oa_json *oa_param_list(const struct oa_given *given, struct str text) {
    struct oa_json *array = oa_param_node(given->report, OA_ARRAY);
    struct oa_json **link = array != NULL ? &array->child : NULL;
    bool more = true;

    while (array != NULL && more) {
        struct str piece = next_piece(given, &text, &more);
        unsigned types = item_types(&given->spec->types, array->count);

        if (!append(given, array, &link, param_item(given, piece, types))) {
            return NULL;
        }
    }
    return array;
}

/* ---- objects ---- */

static const struct oa_param_property *find_property(const struct oa_param_types *types,
                                                     struct str name) {
    for (size_t i = 0; i < types->property_count; i++) {
        if (str_equal(types->properties[i].name, name)) {
            return &types->properties[i];
        }
    }
    return NULL;
}

/* One more item for the array that a property is. */
static bool append_to_property(const struct oa_given *given, struct oa_json *array, struct str text,
                               unsigned types) {
    struct oa_json **link = &array->child;

    while (*link != NULL) {
        link = &(*link)->next;
    }
    return append(given, array, &link, param_item(given, text, types));
}

bool oa_param_set(const struct oa_given *given, struct oa_json *object, struct str name,
                  struct str text) {
    const struct oa_param_property *property = find_property(&given->spec->types, name);
    bool is_array = property != NULL && property->is_array;
    unsigned types = property != NULL ? property->types : given->spec->types.others;
    struct oa_json **link = &object->child;
    struct oa_json *value;

    while (*link != NULL && !str_equal((*link)->key, name)) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        return is_array ? append_to_property(given, *link, text, types)
                        : refuse(given, "style", "must give each property only once");
    }
    value = is_array ? oa_param_node(given->report, OA_ARRAY) : param_item(given, text, types);
    if (!append(given, object, &link, value)) {
        return false;
    }
    value->key = name;
    return !is_array || append_to_property(given, value, text, types);
}

/* The name is decoded as its value is. */
static bool set_encoded(const struct oa_given *given, struct oa_json *object, struct str name,
                        struct str text) {
    struct oa_json *key = param_item(given, name, OA_STRING);

    return key != NULL && oa_param_set(given, object, key->text, text);
}

/* "NAME=VALUE" when the parameter explodes, else the name, and its value is the next piece. */
static bool next_pair(const struct oa_given *given, struct str *rest, struct str *ret_name,
                      struct str *ret_value, bool *ret_more) {
    struct str piece = next_piece(given, rest, ret_more);
    const char *equals = memchr(piece.data, '=', piece.len);

    *ret_name = piece;
    if (!given->spec->explodes) {
        if (!*ret_more) {
            return refuse(given, "style", "must be a list of names, each followed by its value");
        }
        *ret_value = next_piece(given, rest, ret_more);
        return true;
    }
    if (equals == NULL) {
        return refuse(given, "style", "must be a list of NAME=VALUE with commas between them");
    }
    ret_name->len = (size_t)(equals - piece.data);
    *ret_value = (struct str){ equals + 1, piece.len - ret_name->len - 1 };
    return true;
}

struct oa_json *oa_param_pairs(const struct oa_given *given, struct str text) {
    struct oa_json *object = oa_param_node(given->report, OA_OBJECT);
    bool more = object != NULL;

    while (more) {
        struct str name;
        struct str value;

        if (!next_pair(given, &text, &name, &value, &more) ||
            !set_encoded(given, object, name, value)) {
            return NULL;
        }
    }
    return object;
}

static int compare_keys(const void *a, const void *b) {
    return str_compare((*(const struct oa_json *const *)a)->key,
                       (*(const struct oa_json *const *)b)->key);
}

bool oa_param_sort(struct oa_report *report, struct oa_json *object) {
    const struct oa_json **sorted;
    size_t count = 0;

    if (object->count <= OA_JSON_PAIRWISE_MAX) {
        return true;
    }
    sorted = arena_array(report->arena, object->count, sizeof(*sorted));
    if (sorted == NULL) {
        report->out_of_memory = true;
        return false;
    }
    for (const struct oa_json *member = object->child; member != NULL; member = member->next) {
        sorted[count++] = member;
    }
    qsort(sorted, count, sizeof(*sorted), compare_keys);
    object->members = sorted;
    return true;
}
