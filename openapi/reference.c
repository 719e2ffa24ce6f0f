/* Local references of anything but schemas: "#/components/parameters/Id". */
#include "reference.h"
#include "base/ascii.h"
#include "base/percent.h"
#include "loader.h"

#include <string.h>

/* References from one to the next; a longer chain is taken for an endless one. */
enum { FOLLOW_MAX = 16 };

struct str oa_fragment_decode(struct arena *arena, struct str fragment, bool *ret_malformed) {
    char *out = arena_alloc(arena, fragment.len + 1);
    size_t len = 0;

    *ret_malformed = out != NULL && !percent_decode(fragment, out, &len);
    return *ret_malformed ? (struct str){ NULL, 0 } : (struct str){ out, len };
}

struct str oa_pointer_next(struct str *pointer) {
    char *s = (char *)pointer->data + 1;
    const char *end = pointer->data + pointer->len;
    char *out = s;
    struct str token = { s, 0 };

    for (; s < end && *s != '/'; s++) {
        char c = *s;

        if (c == '~' && s + 1 < end && (s[1] == '0' || s[1] == '1')) {
            c = *++s == '0' ? '~' : '/';
        }
        *out++ = c;
    }
    token.len = (size_t)(out - token.data);
    *pointer = (struct str){ s, (size_t)(end - s) };
    return token;
}

const struct oa_json *oa_pointer_step(const struct oa_json *node, struct str token) {
    size_t index = 0;

    if (node->type != OA_ARRAY) {
        return oa_json_member(node, token);
    }
    if (token.len == 0 || token.len > 9 || (token.data[0] == '0' && token.len > 1)) {
        return NULL;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (!ascii_is_digit(token.data[i])) {
            return NULL;
        }
        index = index * 10 + (size_t)(token.data[i] - '0');
    }
    node = node->child;
    while (node != NULL && index-- > 0) {
        node = node->next;
    }
    return node;
}

const struct oa_json *loader_resolve(struct oa_loader *loader, const struct oa_json *reference,
                                     const struct oa_place *place, struct str *ret_pointer) {
    const struct oa_json *node = loader->doc->root;
    struct str text = reference->text;
    struct str pointer;
    bool is_malformed;

    if (reference->type != OA_STRING || text.len == 0 || text.data[0] != '#' ||
        (text.len > 1 && text.data[1] != '/')) {
        loader_fail(loader, place, "only references within the document (\"#/...\") are supported");
        return NULL;
    }
    pointer = oa_fragment_decode(loader->doc->arena, (struct str){ text.data + 1, text.len - 1 },
                                 &is_malformed);
    if (pointer.data == NULL) {
        if (is_malformed) {
            loader_fail(loader, place, "the reference \"%.*s\" is not correctly percent-encoded",
                        OA_STR(text));
        } else {
            loader_fail(loader, place, "out of memory");
        }
        return NULL;
    }
    while (node != NULL && pointer.len > 0) {
        node = oa_pointer_step(node, oa_pointer_next(&pointer));
    }
    if (node == NULL) {
        loader_fail(loader, place, "the reference \"%.*s\" leads nowhere", OA_STR(text));
        return NULL;
    }
    *ret_pointer = (struct str){ text.data + 1, text.len - 1 };
    return node;
}

bool loader_follow(struct oa_loader *loader, const struct oa_json **node,
                   const struct oa_place **place, struct oa_place *storage) {
    for (unsigned i = 0; i < FOLLOW_MAX; i++) {
        const struct oa_json *reference = oa_json_get(*node, "$ref");
        struct str pointer;

        if (reference == NULL) {
            return true;
        }
        *node = loader_resolve(loader, reference, *place, &pointer);
        if (*node == NULL) {
            return false;
        }
        *storage = (struct oa_place){ .key = pointer };
        *place = storage;
    }
    return loader_fail(loader, *place, "references lead from one to the next without end");
}
