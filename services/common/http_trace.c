#include "http_trace.h"

#include <string.h>

static bool is_id_byte(char byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '.' || byte == '_' || byte == ':' || byte == '-';
}

bool http_request_id_is_valid(struct str id) {
    if (id.length == 0 || id.length > HTTP_REQUEST_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.length; i++) {
        if (!is_id_byte(id.bytes[i])) {
            return false;
        }
    }
    return true;
}

/* Lower-case hexadecimal; `ret_any` is set when a digit is not 0. */
static bool is_hex(const char *bytes, size_t length, bool *ret_any) {
    *ret_any = false;
    for (size_t i = 0; i < length; i++) {
        char byte = bytes[i];
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'))) {
            return false;
        }
        *ret_any = *ret_any || byte != '0';
    }
    return true;
}

/* 00-<trace id, 32>-<parent id, 16>-<flags, 2> */
enum { VERSION_AT = 0, TRACE_ID_AT = 3, PARENT_ID_AT = 36, FLAGS_AT = 53 };

bool http_traceparent_read(struct str header,
                           char ret_traceparent[HTTP_TRACEPARENT_BYTES_MAX + 1]) {
    const char *bytes = header.bytes;
    bool any_version, any_trace_id, any_parent_id, any_flag;
    if (header.length < HTTP_TRACEPARENT_BYTES_MAX || bytes[TRACE_ID_AT - 1] != '-' ||
        bytes[PARENT_ID_AT - 1] != '-' || bytes[FLAGS_AT - 1] != '-') {
        return false;
    }
    if (!is_hex(bytes + VERSION_AT, 2, &any_version) || memcmp(bytes, "ff", 2) == 0 ||
        !is_hex(bytes + TRACE_ID_AT, 32, &any_trace_id) || !any_trace_id ||
        !is_hex(bytes + PARENT_ID_AT, 16, &any_parent_id) || !any_parent_id ||
        !is_hex(bytes + FLAGS_AT, 2, &any_flag)) {
        return false;
    }
    if (header.length > HTTP_TRACEPARENT_BYTES_MAX &&
        (!any_version || bytes[HTTP_TRACEPARENT_BYTES_MAX] != '-')) {
        return false;
    }
    char last = bytes[FLAGS_AT + 1];
    int flags = last <= '9' ? last - '0' : last - 'a' + 10;
    memcpy(ret_traceparent, bytes, HTTP_TRACEPARENT_BYTES_MAX);
    memcpy(ret_traceparent + VERSION_AT, "00", 2);
    memcpy(ret_traceparent + FLAGS_AT, (flags & 1) != 0 ? "01" : "00", 3);
    return true;
}
