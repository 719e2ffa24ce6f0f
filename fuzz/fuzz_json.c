/* link: services/runtime/json/json.c */
/*
 * Fuzz target: JSON text, read for the services, for the gateway, and by json-c's tokener.
 *
 * The gateway takes what the services take, with the same tree, and refuses what they refuse at the
 * same place, unless there are several mistakes. What is taken json-c's lenient tokener must take
 * too, with the same tree; and writing the tree and reading it again must give the same tree. What
 * is refused has a place inside the input.
 */
#include "base/json_write.h"
#include "base/utf8.h"
#include "openapi/value.h"
#include "openapi_checks.h"
#include "runtime/json/json.h"

#include <json-c/json.h>

enum { ARENA_BYTES_MAX = 16 << 20, TOKENER_DEPTH = 2 * JSON_DEPTH_MAX, INT_DIGITS_SAFE = 18 };

static const struct json_scan_limits LIMITS = { .depth_max = JSON_DEPTH_MAX,
                                                .values_max = JSON_VALUES_MAX };

static const char *write_tree(struct json_object *tree) {
    return json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN);
}

/* json-c's tokener saturates integers with more digits than fit; then the trees differ. */
static bool has_long_digit_run(const char *text, size_t length) {
    size_t run = 0;
    for (size_t i = 0; i < length; i++) {
        run = text[i] >= '0' && text[i] <= '9' ? run + 1 : 0;
        if (run > INT_DIGITS_SAFE) {
            return true;
        }
    }
    return false;
}

static void compare_with_tokener(const char *text, size_t length, struct json_object *tree) {
    struct json_tokener *tokener = json_tokener_new_ex(TOKENER_DEPTH);
    REQUIRE(tokener != NULL);
    char *ended = malloc(length + 1); /* a number at the end needs something behind it */
    REQUIRE(ended != NULL);
    memcpy(ended, text, length);
    ended[length] = '\0';
    struct json_object *other = json_tokener_parse_ex(tokener, ended, (int)length + 1);
    REQUIRE(json_tokener_get_error(tokener) == json_tokener_success);
    if (!has_long_digit_run(text, length)) {
        char *written = strdup(write_tree(tree));
        REQUIRE(written != NULL && strcmp(written, write_tree(other)) == 0);
        free(written);
    }
    json_object_put(other);
    free(ended);
    json_tokener_free(tokener);
}

static void compare_with_itself(struct arena *arena, struct json_object *tree) {
    struct json_object *again;
    char *written = strdup(write_tree(tree));
    REQUIRE(written != NULL);
    enum err err = json_parse(arena, written, strlen(written), &again, NULL);
    REQUIRE(err == ERR_OK && strcmp(written, write_tree(again)) == 0);
    free(written);
}

static void compare_strings(const struct value *ours, struct json_object *theirs) {
    struct str text = { json_object_get_string(theirs),
                        (size_t)json_object_get_string_len(theirs) };
    REQUIRE(str_equal(ours->text, text) && utf8_count(text.data, text.len) == ours->count);
}

/* The gateway's value and that of the services. */
static void compare_trees(const struct value *ours, struct json_object *theirs) {
    const struct value *item;
    switch (json_object_get_type(theirs)) {
    case json_type_null: REQUIRE(ours->type == VALUE_NULL); return;
    case json_type_boolean:
        REQUIRE(ours->type == (json_object_get_boolean(theirs) ? VALUE_TRUE : VALUE_FALSE));
        return;
    case json_type_int:
        REQUIRE(ours->type == VALUE_NUMBER && ours->count == 1);
        REQUIRE(ours->integer == json_object_get_int64(theirs));
        return;
    case json_type_double:
        REQUIRE(ours->type == VALUE_NUMBER && ours->count == 0);
        REQUIRE(str_is(ours->raw, json_object_get_userdata(theirs)));
        return;
    case json_type_string:
        REQUIRE(ours->type == VALUE_STRING);
        compare_strings(ours, theirs);
        return;
    case json_type_array:
        REQUIRE(ours->type == VALUE_ARRAY && ours->count == json_object_array_length(theirs));
        item = ours->child;
        for (size_t i = 0; i < ours->count; i++, item = item->next) {
            compare_trees(item, json_object_array_get_idx(theirs, i));
        }
        return;
    case json_type_object:
        REQUIRE(ours->type == VALUE_OBJECT &&
                ours->count == (size_t)json_object_object_length(theirs));
        json_object_object_foreach(theirs, name, member) {
            item = value_get(ours, name);
            REQUIRE(item != NULL);
            compare_trees(item, member);
        }
        return;
    }
}

/* Name and value of an object come before what is wrong behind them: two mistakes, two places. */
static void compare_with_gateway(const char *text, size_t length, enum err err,
                                 struct json_object *tree, const struct json_scan_error *error) {
    struct arena *arena = arena_open(ARENA_BYTES_MAX);
    struct json_scan_error other;
    REQUIRE(arena != NULL);
    const struct value *value = value_parse_limited(arena, text, length, &LIMITS, &other);
    REQUIRE((value != NULL) == (err == ERR_OK));
    if (value != NULL) {
        compare_trees(value, tree);
    } else if (strncmp(error->reason, "duplicate", 9) != 0) {
        bool is_same = other.offset == error->offset && strcmp(other.reason, error->reason) == 0;
        REQUIRE(is_same || strncmp(other.reason, "duplicate", 9) == 0);
    }
    arena_close(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct json_object *tree = NULL;
    struct json_scan_error error;
    const char *text = (const char *)data;
    arena_init(&arena, ARENA_BYTES_MAX);
    enum err err = json_parse(&arena, text, size, &tree, &error);
    compare_with_gateway(text, size, err, tree, &error);
    if (err == ERR_OK) {
        compare_with_tokener(text, size, tree);
        compare_with_itself(&arena, tree);
    } else {
        REQUIRE(err == ERR_INVALID && error.offset <= size && error.line >= 1 && error.column >= 1);
        REQUIRE(fuzz_is_utf8((struct piece){ error.reason, strlen(error.reason) }));
    }
    arena_done(&arena);

    struct buf out; /* the writer makes valid JSON of any bytes */
    buf_init(&out, 0);
    arena_init(&arena, ARENA_BYTES_MAX);
    json_write_quoted(&out, text, size);
    REQUIRE(json_parse(&arena, buf_bytes(&out), buf_length(&out), &tree, NULL) == ERR_OK);
    arena_done(&arena);
    buf_free(&out);
    return 0;
}
