/* Query parameters: name=value pairs between '&', percent-encoded (RFC 3986 §2.1). */
#include "base/percent.h"
#include "server.h"

#include <string.h>

/* -1 for %00 too, which no value of ours contains and C strings would hide. */
static int decode_byte(struct str text, size_t *position) {
    int byte = http_percent_decode(text, position);
    return byte == 0 ? -1 : byte;
}

static bool name_is(struct str encoded, const char *name) {
    size_t position = 0;
    for (; position < encoded.len; name++) {
        int byte = decode_byte(encoded, &position);
        if (*name == '\0' || byte != (unsigned char)*name) {
            return false;
        }
    }
    return *name == '\0';
}

static enum err decode(struct arena *arena, struct str encoded, struct str *ret_value) {
    char *bytes = arena_alloc(arena, encoded.len + 1);
    size_t length = 0;
    if (bytes == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t position = 0; position < encoded.len;) {
        int byte = decode_byte(encoded, &position);
        if (byte < 0) {
            return ERR_INVALID;
        }
        bytes[length++] = (char)byte;
    }
    bytes[length] = '\0';
    *ret_value = (struct str){ bytes, length };
    return ERR_OK;
}

enum err http_query_param(struct http_exchange *exchange, const char *name, struct str *ret_value) {
    struct str rest = http_query(exchange);
    struct str found = { NULL, 0 };
    while (rest.len > 0) {
        const char *ampersand = memchr(rest.data, '&', rest.len);
        size_t length = ampersand == NULL ? rest.len : (size_t)(ampersand - rest.data);
        const char *equals = memchr(rest.data, '=', length);
        size_t name_length = equals == NULL ? length : (size_t)(equals - rest.data);
        if (name_is((struct str){ rest.data, name_length }, name)) {
            if (found.data != NULL) {
                return ERR_INVALID;
            }
            size_t skipped = equals == NULL ? length : name_length + 1;
            found = (struct str){ rest.data + skipped, length - skipped };
        }
        length += ampersand != NULL;
        rest = (struct str){ rest.data + length, rest.len - length };
    }
    return found.data == NULL ? ERR_NOT_FOUND : decode(http_arena(exchange), found, ret_value);
}
