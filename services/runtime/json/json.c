/* json-c's trees from the scanner's events, and typed members of objects. */
#include "json.h"

#include "base/decimal.h"

#include <assert.h>
#include <stdlib.h>

#include <json-c/json.h>

/* ---- in: a tree from the scanner's events ---- */

/* A NUL-terminated copy of what the string stands for, in the arena; NULL without memory. */
static char *copy_string(struct arena *arena, const struct json_scan_string *string,
                         size_t *ret_length) {
    char *copy = arena_alloc(arena, string->text.len + 1);
    if (copy != NULL) {
        *ret_length = json_scan_decode(string, copy);
        copy[*ret_length] = '\0';
    }
    return copy;
}

static struct json_object *new_string(struct arena *arena, const struct json_scan_string *string) {
    const char *bytes = string->text.data;
    size_t length = string->text.len;
    if (string->is_escaped) {
        bytes = copy_string(arena, string, &length);
    }
    return bytes == NULL ? NULL : json_object_new_string_len(bytes, (int)length);
}

/* An integer that is surely small enough is json-c's; any other number a double with its text. */
static struct json_object *new_number(struct arena *arena, const struct json_scan *scan) {
    if (scan->is_integer) {
        return json_object_new_int64(scan->integer);
    }
    char *text = arena_copy(arena, scan->value, (size_t)(scan->pos - scan->value));
    return text == NULL ? NULL : json_object_new_double_s(strtod(text, NULL), text);
}

/* The value of an event that is not `null`; NULL without memory. */
static struct json_object *new_value(struct arena *arena, const struct json_scan *scan,
                                     enum json_scan_event event) {
    enum { ARRAY_ITEMS_INITIAL = 4 };
    switch (event) {
    case JSON_SCAN_OBJECT: return json_object_new_object();
    case JSON_SCAN_ARRAY: return json_object_new_array_ext(ARRAY_ITEMS_INITIAL);
    case JSON_SCAN_STRING: return new_string(arena, &scan->string);
    case JSON_SCAN_NUMBER: return new_number(arena, scan);
    default: return json_object_new_boolean(event == JSON_SCAN_TRUE);
    }
}

/* Give `value` to its object or array; false after a mistake, it is not given then. */
static bool add_value(struct arena *arena, struct json_scan *scan, struct json_object *parent,
                      struct json_object *value) {
    const unsigned options = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY;
    bool is_added;
    if (scan->name.text.data == NULL) {
        is_added = json_object_array_add(parent, value) == 0;
    } else {
        size_t length;
        const char *name = copy_string(arena, &scan->name, &length);
        if (name != NULL && json_object_object_get_ex(parent, name, NULL)) {
            json_scan_duplicate(scan, scan->value, (struct str){ name, length });
            return false;
        }
        is_added = name != NULL && json_object_object_add_ex(parent, name, value, options) == 0;
    }
    if (!is_added) {
        json_scan_no_memory(scan);
    }
    return is_added;
}

/* All of the text. Whatever the outcome, *root is what the caller must put. */
static bool build(struct arena *arena, struct json_scan *scan, struct json_object **root) {
    struct json_object *open[JSON_DEPTH_MAX]; /* which have begun and not ended */
    for (;;) {
        unsigned depth = scan->depth;
        enum json_scan_event event = json_scan_next(scan);
        struct json_object *value = NULL;
        if (event == JSON_SCAN_FAILED || event == JSON_SCAN_END) {
            return event == JSON_SCAN_END;
        }
        if (event == JSON_SCAN_CLOSE) {
            continue;
        }
        if (event != JSON_SCAN_NULL) {
            value = new_value(arena, scan, event);
            if (value == NULL) {
                json_scan_no_memory(scan);
                return false;
            }
        }
        if (depth == 0) {
            *root = value;
        } else if (!add_value(arena, scan, open[depth - 1], value)) {
            json_object_put(value);
            return false;
        }
        if (scan->depth > depth) {
            open[depth] = value;
        }
    }
}

static void put_value(void *value) {
    json_object_put(value);
}

enum err json_parse(struct arena *arena, const char *text, size_t length,
                    struct json_object **ret_value, struct json_scan_error *ret_error) {
    const struct json_scan_limits limits = { .depth_max = JSON_DEPTH_MAX,
                                             .values_max = JSON_VALUES_MAX };
    struct json_scan_error error;
    struct json_scan scan;
    struct json_object *root = NULL;
    ret_error = ret_error == NULL ? &error : ret_error;
    json_scan_init(&scan, (struct str){ text, length }, &limits, ret_error);
    if (!build(arena, &scan, &root)) {
        json_object_put(root);
        return ret_error->failure == JSON_SCAN_NO_MEMORY ? ERR_NO_MEMORY : ERR_INVALID;
    }
    if (root != NULL && arena_defer(arena, put_value, root) != ERR_OK) {
        json_scan_no_memory(&scan);
        return ERR_NO_MEMORY;
    }
    *ret_value = root;
    return ERR_OK;
}

/* ---- members ---- */

static enum err find_member(struct json_object *object, const char *name,
                            struct json_object **ret_value) {
    struct json_object *value;
    if (!json_object_object_get_ex(object, name, &value) || value == NULL) {
        return ERR_NOT_FOUND;
    }
    *ret_value = value;
    return ERR_OK;
}

static enum err scale_integer(int64_t integer, unsigned scale, int64_t *ret_value) {
    int64_t value = integer;
    for (unsigned i = 0; i < scale; i++) {
        if (__builtin_mul_overflow(value, 10, &value)) {
            return ERR_TOO_LARGE;
        }
    }
    *ret_value = value;
    return ERR_OK;
}

enum err json_get_decimal(struct json_object *object, const char *name, unsigned scale,
                          int64_t *ret_value) {
    struct json_object *value;
    assert(scale <= DECIMAL_SCALE_MAX);
    enum err err = find_member(object, name, &value);
    if (err != ERR_OK) {
        return err;
    }
    if (json_object_is_type(value, json_type_int)) {
        return scale_integer(json_object_get_int64(value), scale, ret_value);
    }
    if (!json_object_is_type(value, json_type_double)) {
        return ERR_INVALID;
    }
    const char *text = json_object_get_userdata(value); /* the source text: see new_number() */
    assert(text != NULL);
    return decimal_to_int(str_of(text), scale, ret_value);
}

enum err json_get_string(struct json_object *object, const char *name, const char **ret_str,
                         size_t *ret_length) {
    struct json_object *value;
    enum err err = find_member(object, name, &value);
    if (err != ERR_OK) {
        return err;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return ERR_INVALID;
    }
    *ret_str = json_object_get_string(value);
    *ret_length = (size_t)json_object_get_string_len(value);
    return ERR_OK;
}

bool json_is_object(struct json_object *value) {
    return json_object_is_type(value, json_type_object);
}

static bool is_among(const char *name, const char *const *names) {
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

const char *json_unknown_member(struct json_object *object, const char *const *names) {
    struct lh_table *members = json_object_get_object(object);
    struct lh_entry *member;
    if (members == NULL) {
        return NULL;
    }
    lh_foreach(members, member) {
        const char *name = lh_entry_k(member);
        if (!is_among(name, names)) {
            return name;
        }
    }
    return NULL;
}

bool json_has_member(struct json_object *object, const char *name) {
    return json_object_object_get_ex(object, name, NULL) != 0;
}
