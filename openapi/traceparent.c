#include "traceparent.h"
#include "ascii.h"

#include <string.h>

enum {
    VERSION_AT = 0,
    TRACE_ID_AT = 3,
    PARENT_ID_AT = 36,
    FLAGS_AT = 53,
    FLAG_SAMPLED = 1,
    KEY_BYTES_MAX = 256,
    TENANT_BYTES_MAX = 241,
    SYSTEM_BYTES_MAX = 14,
    VALUE_BYTES_MAX = 256
};

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

static struct str trim(struct str text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool is_hex(const char *s, size_t digits) {
    for (size_t i = 0; i < digits; i++) {
        if (!oa_is_digit(s[i]) && !(s[i] >= 'a' && s[i] <= 'f')) {
            return false;
        }
    }
    return true;
}

static bool is_zero(const char *s, size_t digits) {
    for (size_t i = 0; i < digits; i++) {
        if (s[i] != '0') {
            return false;
        }
    }
    return true;
}

/* The parts of the first 55 bytes. */
static bool has_form(const char *s) {
    return is_hex(s + VERSION_AT, 2) && s[TRACE_ID_AT - 1] == '-' &&
           is_hex(s + TRACE_ID_AT, OA_TRACE_ID_BYTES) && s[PARENT_ID_AT - 1] == '-' &&
           is_hex(s + PARENT_ID_AT, OA_PARENT_ID_BYTES) && s[FLAGS_AT - 1] == '-' &&
           is_hex(s + FLAGS_AT, 2);
}

static bool has_version(struct str value) {
    if (memcmp(value.data, "ff", 2) == 0) {
        return false;
    }
    return value.len == OA_TRACEPARENT_BYTES ||
           (memcmp(value.data, "00", 2) != 0 && value.data[OA_TRACEPARENT_BYTES] == '-');
}

bool oa_traceparent_parse(struct str value, struct oa_traceparent *ret_parent) {
    const char *s;
    char last;

    value = trim(value);
    s = value.data;
    if (value.len < OA_TRACEPARENT_BYTES || !has_form(s) || !has_version(value) ||
        is_zero(s + TRACE_ID_AT, OA_TRACE_ID_BYTES) ||
        is_zero(s + PARENT_ID_AT, OA_PARENT_ID_BYTES)) {
        return false;
    }
    memcpy(ret_parent->trace_id, s + TRACE_ID_AT, OA_TRACE_ID_BYTES);
    memcpy(ret_parent->parent_id, s + PARENT_ID_AT, OA_PARENT_ID_BYTES);
    last = s[FLAGS_AT + 1];
    ret_parent->sampled = ((oa_is_digit(last) ? last - '0' : last - 'a' + 10) & FLAG_SAMPLED) != 0;
    return true;
}

void oa_traceparent_write(const struct oa_traceparent *parent, char *buf) {
    memcpy(buf, "00-", TRACE_ID_AT);
    memcpy(buf + TRACE_ID_AT, parent->trace_id, OA_TRACE_ID_BYTES);
    buf[PARENT_ID_AT - 1] = '-';
    memcpy(buf + PARENT_ID_AT, parent->parent_id, OA_PARENT_ID_BYTES);
    memcpy(buf + FLAGS_AT - 1, parent->sampled ? "-01" : "-00", 3);
}

static bool is_key_rest(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (!is_lower(s[i]) && !oa_is_digit(s[i]) &&
            (s[i] == '\0' || strchr("_-*/", s[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

/* A simple key, or "tenant@system". */
static bool is_key(struct str key) {
    const char *at = memchr(key.data, '@', key.len);
    struct str tenant;
    struct str system;

    if (at == NULL) {
        return key.len >= 1 && key.len <= KEY_BYTES_MAX && is_lower(key.data[0]) &&
               is_key_rest(key.data, key.len);
    }
    tenant = (struct str){ key.data, (size_t)(at - key.data) };
    system = (struct str){ at + 1, key.len - tenant.len - 1 };
    return tenant.len >= 1 && tenant.len <= TENANT_BYTES_MAX &&
           (is_lower(tenant.data[0]) || oa_is_digit(tenant.data[0])) &&
           is_key_rest(tenant.data, tenant.len) && system.len >= 1 &&
           system.len <= SYSTEM_BYTES_MAX && is_lower(system.data[0]) &&
           is_key_rest(system.data, system.len);
}

/* Printable, without ',' and '='; the member was trimmed, so it does not end with a space. */
static bool is_value(struct str value) {
    if (value.len == 0 || value.len > VALUE_BYTES_MAX || value.data[value.len - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] > '~' || value.data[i] == '=') {
            return false;
        }
    }
    return true;
}

static bool is_member(struct str member) {
    const char *equals = memchr(member.data, '=', member.len);
    struct str key;

    if (equals == NULL) {
        return false;
    }
    key = (struct str){ member.data, (size_t)(equals - member.data) };
    return is_key(key) && is_value((struct str){ equals + 1, member.len - key.len - 1 });
}

bool oa_tracestate_is_valid(struct str value) {
    const char *end = value.data + value.len;
    unsigned members = 0;

    for (const char *s = value.data; s < end;) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma != NULL ? comma : end;
        struct str member = trim((struct str){ s, (size_t)(stop - s) });

        s = comma != NULL ? comma + 1 : end;
        if (member.len == 0) {
            continue;
        }
        if (!is_member(member) || ++members > OA_TRACESTATE_MEMBERS_MAX) {
            return false;
        }
    }
    return members > 0;
}
