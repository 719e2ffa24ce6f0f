/* link: services/runtime/json/json_read.c services/runtime/json/json_scan.c
 *       services/runtime/json/json_get.c services/runtime/json/json_write.c base/decimal.c
 *       base/utf8.c base/arena.c base/buf.c base/clock.c base/err.c */
/*
 * Fuzz target: the JSON reader, against json-c's tokener and against itself.
 *
 * What the reader takes, json-c's lenient tokener must take too, with the same tree; and writing
 * the tree and reading it again must give the same tree. What it refuses has a place inside the
 * input.
 */
#include "runtime/json/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

enum { ARENA_BYTES_MAX = 16 << 20, TOKENER_DEPTH = 2 * JSON_DEPTH_MAX, INT_DIGITS_SAFE = 18 };

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

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
    require(tokener != NULL);
    char *ended = malloc(length + 1); /* a number at the end needs something behind it */
    require(ended != NULL);
    memcpy(ended, text, length);
    ended[length] = '\0';
    struct json_object *other = json_tokener_parse_ex(tokener, ended, (int)length + 1);
    require(json_tokener_get_error(tokener) == json_tokener_success);
    if (!has_long_digit_run(text, length)) {
        char *written = strdup(write_tree(tree));
        require(written != NULL && strcmp(written, write_tree(other)) == 0);
        free(written);
    }
    json_object_put(other);
    free(ended);
    json_tokener_free(tokener);
}

static void compare_with_itself(struct arena *arena, struct json_object *tree) {
    struct json_object *again;
    char *written = strdup(write_tree(tree));
    require(written != NULL);
    enum err err = json_parse(arena, written, strlen(written), &again, NULL);
    require(err == ERR_OK && strcmp(written, write_tree(again)) == 0);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct json_object *tree;
    struct json_error error;
    const char *text = (const char *)data;
    arena_init(&arena, ARENA_BYTES_MAX);
    enum err err = json_parse(&arena, text, size, &tree, &error);
    if (err == ERR_OK) {
        compare_with_tokener(text, size, tree);
        compare_with_itself(&arena, tree);
    } else {
        require(err == ERR_INVALID && error.offset <= size && error.line >= 1 && error.column >= 1);
        require(strnlen(error.message, JSON_MESSAGE_BYTES) < JSON_MESSAGE_BYTES);
    }
    arena_done(&arena);

    struct buf out; /* the writer makes valid JSON of any bytes */
    buf_init(&out, 0);
    arena_init(&arena, ARENA_BYTES_MAX);
    json_write_quoted(&out, text, size);
    require(json_parse(&arena, buf_bytes(&out), buf_length(&out), &tree, NULL) == ERR_OK);
    arena_done(&arena);
    buf_free(&out);
    return 0;
}
