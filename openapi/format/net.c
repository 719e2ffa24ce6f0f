/*
 * Names and addresses: hostname (RFC 1123, 2.1, with the lengths of RFC 1035, 2.3.4), ipv4 (the
 * dotted-quad of RFC 2673, 3.2), ipv6 (RFC 4291, 2.2), email (Mailbox of RFC 5321, 4.1.2) and
 * idn-email (RFC 6531, 3.3).
 *
 * The labels of an internationalized domain are not looked up in the tables of RFC 5892: any
 * character beyond ASCII is taken in an idn-email, and an A-label is only letters and digits.
 */
#include "checks.h"
#include "openapi/ascii.h"

#include <string.h>
#include <strings.h>

enum {
    HOST_BYTES_MAX = 253, /* RFC 1035: 255 octets on the wire */
    LABEL_BYTES_MAX = 63,
    LOCAL_PART_BYTES_MAX = 64, /* RFC 5321, 4.5.3.1.1 */
    IPV6_GROUPS = 8
};

static bool is_letter_or_digit(char c) {
    return oa_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_wide(char c) {
    return (c & 0x80) != 0;
}

/* `wide`: bytes of characters beyond ASCII are letters. */
static bool is_label(struct str label, bool wide) {
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.data[0] == '-' ||
        label.data[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        char c = label.data[i];

        if (!is_letter_or_digit(c) && c != '-' && !(wide && is_wide(c))) {
            return false;
        }
    }
    return true;
}

static bool is_domain(struct str text, bool wide) {
    if (text.len > HOST_BYTES_MAX) {
        return false;
    }
    for (;;) {
        const char *dot = memchr(text.data, '.', text.len);
        size_t len = dot != NULL ? (size_t)(dot - text.data) : text.len;

        if (!is_label((struct str){ text.data, len }, wide)) {
            return false;
        }
        if (dot == NULL) {
            return true;
        }
        text.data += len + 1;
        text.len -= len + 1;
    }
}

bool oa_is_hostname(struct str text) {
    return is_domain(text, false);
}

bool oa_is_ipv4(struct str text) {
    const char *s = text.data;
    const char *end = s + text.len;

    for (int part = 0; part < 4; part++) {
        const char *start;
        int n = 0;

        if (part > 0 && (s == end || *s++ != '.')) {
            return false;
        }
        for (start = s; s < end && oa_is_digit(*s) && s - start < 3; s++) {
            n = n * 10 + (*s - '0');
        }
        /* a leading zero would be read as octal by some */
        if (s == start || n > 255 || (*start == '0' && s - start > 1)) {
            return false;
        }
    }
    return s == end;
}

/* The groups of "1:2:3", an IPv4 address at the end counting as two; -1: something else. */
static int count_groups(struct str text, bool ipv4_allowed) {
    const char *s = text.data;
    const char *end = s + text.len;
    int groups = 0;

    while (s < end) {
        const char *start = s;

        while (s < end && oa_is_hex(*s) && s - start < 4) {
            s++;
        }
        if (ipv4_allowed && s < end && *s == '.') {
            return oa_is_ipv4((struct str){ start, (size_t)(end - start) }) ? groups + 2 : -1;
        }
        if (s == start) {
            return -1;
        }
        groups++;
        if (s == end) {
            return groups;
        }
        if (*s++ != ':' || s == end) {
            return -1;
        }
    }
    return groups;
}

bool oa_is_ipv6(struct str text) {
    const char *gap = memmem(text.data, text.len, "::", 2);
    struct str tail;
    int before;
    int after;

    if (gap == NULL) {
        return count_groups(text, true) == IPV6_GROUPS;
    }
    tail = (struct str){ gap + 2, text.len - (size_t)(gap + 2 - text.data) };
    before = count_groups((struct str){ text.data, (size_t)(gap - text.data) }, false);
    after = count_groups(tail, true);
    return before >= 0 && after >= 0 && before + after < IPV6_GROUPS;
}

static bool is_atom_char(char c, bool wide) {
    return is_letter_or_digit(c) || (wide && is_wide(c)) ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_dot_string(struct str text, bool wide) {
    bool after_dot = true;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.' ? after_dot : !is_atom_char(text.data[i], wide)) {
            return false;
        }
        after_dot = text.data[i] == '.';
    }
    return !after_dot;
}

/* The length of a quoted string with its quotes; 0: there is none. */
static size_t quoted_length(struct str text, bool wide) {
    if (text.len == 0 || text.data[0] != '"') {
        return 0;
    }
    for (size_t i = 1; i < text.len; i++) {
        unsigned char c;

        if (text.data[i] == '"') {
            return i + 1;
        }
        if (text.data[i] == '\\' && (++i == text.len || is_wide(text.data[i]))) {
            return 0;
        }
        c = (unsigned char)text.data[i];
        if (c < ' ' || c == 0x7f || (c >= 0x80 && !wide)) {
            return 0;
        }
    }
    return 0;
}

static bool is_mail_host(struct str text, bool wide) {
    static const char tag[] = "IPv6:";
    const size_t tag_len = sizeof(tag) - 1;

    if (text.len < 2 || text.data[0] != '[') {
        return is_domain(text, wide);
    }
    if (text.data[text.len - 1] != ']') {
        return false;
    }
    text = (struct str){ text.data + 1, text.len - 2 };
    if (text.len > tag_len && strncasecmp(text.data, tag, tag_len) == 0) {
        return oa_is_ipv6((struct str){ text.data + tag_len, text.len - tag_len });
    }
    return oa_is_ipv4(text);
}

static bool is_mailbox(struct str text, bool wide) {
    size_t local = quoted_length(text, wide);

    if (local == 0) {
        const char *at = memchr(text.data, '@', text.len);

        local = at != NULL ? (size_t)(at - text.data) : text.len;
        if (!is_dot_string((struct str){ text.data, local }, wide)) {
            return false;
        }
    }
    return local <= LOCAL_PART_BYTES_MAX && local < text.len && text.data[local] == '@' &&
           is_mail_host((struct str){ text.data + local + 1, text.len - local - 1 }, wide);
}

bool oa_is_email(struct str text) {
    return is_mailbox(text, false);
}

bool oa_is_idn_email(struct str text) {
    return is_mailbox(text, true);
}
