/* Request ids, traceparent and tracestate: checked, written, cut. */
#include "trace.h"
#include "ascii.h"
#include "random.h"

#include <string.h>

static bool is_id_byte(char byte) {
    return ascii_is_alnum(byte) || byte == '.' || byte == '_' || byte == ':' || byte == '-';
}

bool trace_request_id_is_valid(struct str id) {
    if (id.len == 0 || id.len > TRACE_REQUEST_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (!is_id_byte(id.data[i])) {
            return false;
        }
    }
    return true;
}

static void copy_text(char *to, const char *text, size_t bytes_max) {
    size_t length = strlen(text);
    memcpy(to, text, length > bytes_max ? 0 : length);
    to[length > bytes_max ? 0 : length] = '\0';
}

void trace_copy(struct trace_copy *copy, struct trace trace) {
    copy_text(copy->request_id, trace.request_id, TRACE_REQUEST_ID_BYTES_MAX);
    copy_text(copy->parent, trace.parent, TRACE_PARENT_BYTES_MAX);
    copy_text(copy->state, copy->parent[0] == '\0' ? "" : trace.state, TRACE_STATE_BYTES_MAX);
}

struct trace trace_of(const struct trace_copy *copy) {
    return (struct trace){ copy->request_id, copy->parent, copy->state };
}

/* Lower-case hexadecimal; `ret_any` is set when a digit is not 0. */
static bool is_hex(const char *bytes, size_t length, bool *ret_any) {
    *ret_any = false;
    for (size_t i = 0; i < length; i++) {
        char byte = bytes[i];
        if (!ascii_is_digit(byte) && !(byte >= 'a' && byte <= 'f')) {
            return false;
        }
        *ret_any = *ret_any || byte != '0';
    }
    return true;
}

enum { FLAGS_AT = TRACE_SPAN_ID_AT + TRACE_SPAN_ID_BYTES + 1, FLAG_SAMPLED = 1 };

bool trace_parent_read(struct str header, char ret_parent[TRACE_PARENT_BYTES_MAX + 1]) {
    const char *bytes = header.data;
    bool any_version, any_trace_id, any_parent_id, any_flag;
    if (header.len < TRACE_PARENT_BYTES_MAX || bytes[TRACE_ID_AT - 1] != '-' ||
        bytes[TRACE_SPAN_ID_AT - 1] != '-' || bytes[FLAGS_AT - 1] != '-') {
        return false;
    }
    if (!is_hex(bytes, 2, &any_version) || memcmp(bytes, "ff", 2) == 0 ||
        !is_hex(bytes + TRACE_ID_AT, TRACE_ID_BYTES, &any_trace_id) || !any_trace_id ||
        !is_hex(bytes + TRACE_SPAN_ID_AT, TRACE_SPAN_ID_BYTES, &any_parent_id) || !any_parent_id ||
        !is_hex(bytes + FLAGS_AT, 2, &any_flag)) {
        return false;
    }
    if (header.len > TRACE_PARENT_BYTES_MAX &&
        (!any_version || bytes[TRACE_PARENT_BYTES_MAX] != '-')) {
        return false;
    }
    bool sampled = (ascii_hex_value(bytes[FLAGS_AT + 1]) & FLAG_SAMPLED) != 0;
    memcpy(ret_parent, bytes, TRACE_PARENT_BYTES_MAX);
    memcpy(ret_parent, "00", 2);
    memcpy(ret_parent + FLAGS_AT, sampled ? "01" : "00", 3);
    return true;
}

void trace_parent_start(bool sampled, char ret_parent[TRACE_PARENT_BYTES_MAX + 1]) {
    memcpy(ret_parent, "00-", TRACE_ID_AT);
    random_hex(ret_parent + TRACE_ID_AT, TRACE_ID_BYTES);
    ret_parent[TRACE_SPAN_ID_AT - 1] = '-';
    memcpy(ret_parent + FLAGS_AT - 1, sampled ? "-01" : "-00", 4);
    trace_parent_pass(ret_parent);
}

void trace_parent_pass(char parent[TRACE_PARENT_BYTES_MAX + 1]) {
    random_hex(parent + TRACE_SPAN_ID_AT, TRACE_SPAN_ID_BYTES);
}

static const char *part_of(const char *parent, size_t at) {
    return strlen(parent) == TRACE_PARENT_BYTES_MAX ? parent + at : NULL;
}

const char *trace_id(struct trace trace) {
    return part_of(trace.parent, TRACE_ID_AT);
}

const char *trace_span_id(struct trace trace) {
    return part_of(trace.parent, TRACE_SPAN_ID_AT);
}

/* ---- tracestate ---- */

enum {
    KEY_BYTES_MAX = 256,    /* of a simple key */
    TENANT_BYTES_MAX = 241, /* of "tenant@system" */
    SYSTEM_BYTES_MAX = 14,
    VALUE_BYTES_MAX = 256,
};

/* A letter (a tenant: or a digit), then letters, digits, and "_-*" and "/". */
static bool is_key_part(const char *bytes, size_t length, size_t length_max, bool is_tenant) {
    if (length == 0 || length > length_max ||
        !(ascii_is_lower(bytes[0]) || (is_tenant && ascii_is_digit(bytes[0])))) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!ascii_is_lower(bytes[i]) && !ascii_is_digit(bytes[i]) && bytes[i] != '_' &&
            bytes[i] != '-' && bytes[i] != '*' && bytes[i] != '/') {
            return false;
        }
    }
    return true;
}

static bool is_key(const char *bytes, size_t length) {
    const char *at = memchr(bytes, '@', length);
    if (at == NULL) {
        return is_key_part(bytes, length, KEY_BYTES_MAX, false);
    }
    size_t tenant = (size_t)(at - bytes);
    return is_key_part(bytes, tenant, TENANT_BYTES_MAX, true) &&
           is_key_part(at + 1, length - tenant - 1, SYSTEM_BYTES_MAX, false);
}

/* Printable ASCII without comma and equals sign; the spaces at its end are gone already. */
static bool is_value(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] < ' ' || bytes[i] > '~' || bytes[i] == '=') {
            return false;
        }
    }
    return length > 0 && length <= VALUE_BYTES_MAX;
}

static bool is_member(struct str member) {
    const char *equals = memchr(member.data, '=', member.len);
    size_t key = equals == NULL ? 0 : (size_t)(equals - member.data);
    return equals != NULL && is_key(member.data, key) && is_value(equals + 1, member.len - key - 1);
}

/* Take out the last member of more than TRACE_STATE_LONG_BYTES characters; false: there is none. */
static bool drop_last_long(struct trace_state *state) {
    size_t from = 0, length = 0; /* of that member */
    for (size_t at = 0; at < state->length;) {
        const char *comma = memchr(state->text + at, ',', state->length - at);
        size_t end = comma == NULL ? state->length : (size_t)(comma - state->text);
        if (end - at > TRACE_STATE_LONG_BYTES) {
            from = at;
            length = end - at;
        }
        at = end + 1;
    }
    if (length == 0) {
        return false;
    }
    state->long_cut = true;
    if (length < state->length) { /* with the comma before it, else behind it */
        from -= from > 0;
        length++;
    }
    memmove(state->text + from, state->text + from + length, state->length - from - length + 1);
    state->length -= length;
    return true;
}

/* Room for a member behind what there is, at the cost of what may go first. */
static bool make_room(struct trace_state *state, size_t length) {
    bool fits;
    for (;;) {
        fits = state->length + (state->length > 0) + length <= TRACE_STATE_BYTES_MAX;
        if (fits || length > TRACE_STATE_LONG_BYTES || !drop_last_long(state)) {
            break;
        }
    }
    return fits;
}

/*
 * Cutting member by member gives what cutting the whole list would: after the first long one that
 * is cut no other is taken, and nothing after the first short one.
 */
static void add_member(struct trace_state *state, struct str member) {
    bool is_long = member.len > TRACE_STATE_LONG_BYTES;
    if (state->members == TRACE_STATE_MEMBERS_MAX || !is_member(member)) {
        *state = (struct trace_state){ .invalid = true };
        return;
    }
    state->members++;
    if (state->full || (is_long && state->long_cut)) {
        return;
    }
    if (!make_room(state, member.len)) {
        *(is_long ? &state->long_cut : &state->full) = true;
        return;
    }
    if (state->length > 0) {
        state->text[state->length++] = ',';
    }
    memcpy(state->text + state->length, member.data, member.len);
    state->length += member.len;
    state->text[state->length] = '\0';
}

void trace_state_add(struct trace_state *state, struct str field) {
    while (field.len > 0 && !state->invalid) {
        const char *comma = memchr(field.data, ',', field.len);
        size_t length = comma == NULL ? field.len : (size_t)(comma - field.data);
        struct str member = str_trimmed((struct str){ field.data, length });
        if (member.len > 0) {
            add_member(state, member);
        }
        length += comma != NULL;
        field = (struct str){ field.data + length, field.len - length };
    }
}
