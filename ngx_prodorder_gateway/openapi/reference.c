/* Local references: "#/components/schemas/Order" (RFC 6901, in a URI fragment). */
#include "loader.h"
#include "percent.h"

#include <string.h>

/* References from one to the next; a longer chain is taken for an endless one. */
enum { FOLLOW_MAX = 16 };

/* One token of a pointer, decoded in place of `out`: %XX, then ~1 and ~0. */
static size_t decode_token(const char *s, size_t len, char *out) {
    size_t n = 0;
    size_t plain = 0;

    for (size_t i = 0; i < len; i++) {
        int byte = oa_percent_byte(s + i, s + len);

        if (byte >= 0) {
            out[n++] = (char)byte;
            i += 2;
        } else {
            out[n++] = s[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i] == '~' && i + 1 < n && (out[i + 1] == '0' || out[i + 1] == '1')) {
            out[plain++] = out[++i] == '0' ? '~' : '/';
        } else {
            out[plain++] = out[i];
        }
    }
    return plain;
}

static const struct oa_json *step(const struct oa_json *node, struct oa_str token) {
    size_t index = 0;

    if (node->type == OA_ARRAY) {
        for (size_t i = 0; i < token.len; i++) {
            if (token.data[i] < '0' || token.data[i] > '9' || i > 8) {
                return NULL;
            }
            index = index * 10 + (size_t)(token.data[i] - '0');
        }
    } else if (node->type != OA_OBJECT) {
        return NULL;
    }
    for (node = node->child; node != NULL; node = node->next) {
        /* elements of an array have no key */
        if (node->key.data != NULL ? oa_str_equal(node->key, token) : index-- == 0) {
            return node;
        }
    }
    return NULL;
}

const struct oa_json *loader_resolve(struct oa_loader *loader, const struct oa_json *reference,
                                     const struct oa_place *place, struct oa_str *ret_pointer) {
    const struct oa_json *node = loader->doc->root;
    struct oa_str text = reference->text;
    const char *s;
    const char *end;
    char *buf;

    if (reference->type != OA_STRING || text.len == 0 || text.data[0] != '#' ||
        (text.len > 1 && text.data[1] != '/')) {
        loader_fail(loader, place, "only references within the document (\"#/...\") are supported");
        return NULL;
    }
    buf = loader_alloc(loader, text.len, 1);
    if (buf == NULL) {
        return NULL;
    }
    end = text.data + text.len;
    for (s = text.data + 1; s < end && node != NULL;) {
        const char *slash = memchr(s + 1, '/', (size_t)(end - s) - 1);
        size_t len = (size_t)((slash != NULL ? slash : end) - s) - 1;
        struct oa_str token = { buf, decode_token(s + 1, len, buf) };

        node = step(node, token);
        s += len + 1;
    }
    if (node == NULL) {
        loader_fail(loader, place, "the reference \"%.*s\" leads nowhere", OA_STR(text));
        return NULL;
    }
    *ret_pointer = (struct oa_str){ text.data + 1, text.len - 1 };
    return node;
}

bool loader_follow(struct oa_loader *loader, const struct oa_json **node,
                   const struct oa_place **place, struct oa_place *storage) {
    for (unsigned i = 0; i < FOLLOW_MAX; i++) {
        const struct oa_json *reference = oa_json_get(*node, "$ref");
        struct oa_str pointer;

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
