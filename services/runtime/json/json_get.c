#include "json.h"

#include "base/decimal.h"

#include <assert.h>
#include <string.h>

#include <json-c/json.h>

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
    const char *text = json_object_get_userdata(value); /* the source text: see read_number() */
    assert(text != NULL);
    return decimal_parse(text, strlen(text), scale, ret_value);
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
