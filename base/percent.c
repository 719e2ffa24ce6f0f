#include "percent.h"

#include <string.h>

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int http_percent_decode(struct str text, size_t *position) {
    char byte = text.data[(*position)++];
    if (byte != '%') {
        return (unsigned char)byte;
    }
    if (text.len - *position < 2) {
        return -1;
    }
    int high = hex_digit(text.data[*position]);
    int low = hex_digit(text.data[*position + 1]);
    *position += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* §2.3 */
static bool is_unreserved(int byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

bool http_percent_normalize(struct str path, char *out, size_t *ret_length) {
    size_t length = 0;
    for (size_t position = 0; position < path.len;) {
        size_t from = position;
        int byte = http_percent_decode(path, &position);
        if (byte < 0) {
            return false;
        }
        if (is_unreserved(byte)) {
            out[length++] = (char)byte;
        } else {
            memcpy(out + length, path.data + from, position - from);
            length += position - from;
        }
    }
    *ret_length = length;
    return true;
}
