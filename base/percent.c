/* Percent-encoding: one byte, a text, a path. */
#include "percent.h"
#include "ascii.h"

#include <string.h>

int percent_next(struct str text, size_t *position) {
    char byte = text.data[(*position)++];
    if (byte != '%') {
        return (unsigned char)byte;
    }
    if (text.len - *position < 2) {
        return -1;
    }
    int high = ascii_hex_value(text.data[*position]);
    int low = ascii_hex_value(text.data[*position + 1]);
    *position += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* §2.3 */
static bool is_unreserved(int byte) {
    return ascii_is_alnum((char)byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static bool decode(struct str text, bool only_unreserved, char *out, size_t *ret_length) {
    size_t length = 0;
    for (size_t position = 0; position < text.len;) {
        size_t from = position;
        int byte = percent_next(text, &position);
        if (byte < 0) {
            return false;
        }
        if (!only_unreserved || is_unreserved(byte)) {
            out[length++] = (char)byte;
        } else {
            memmove(out + length, text.data + from, position - from);
            length += position - from;
        }
    }
    *ret_length = length;
    return true;
}

bool percent_decode(struct str text, char *out, size_t *ret_length) {
    return decode(text, false, out, ret_length);
}

bool percent_normalize(struct str path, char *out, size_t *ret_length) {
    return decode(path, true, out, ret_length);
}
