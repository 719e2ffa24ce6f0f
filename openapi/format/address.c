/*
 * Names, addresses and URIs: hostname (RFC 1123, 2.1, with the lengths of RFC 1035, 2.3.4), ipv4
 * (the dotted-quad of RFC 2673, 3.2), ipv6 (RFC 4291, 2.2), email (Mailbox of RFC 5321, 4.1.2),
 * idn-email (RFC 6531, 3.3), uri, uri-reference (RFC 3986, appendix A), iri, iri-reference (RFC
 * 3987, 2.2) and uri-template (RFC 6570, 2, with its errata).
 *
 * The labels of an internationalized domain are not looked up in the tables of RFC 5892: any
 * character beyond ASCII is taken in an idn-email, and an A-label is only letters and digits. Of
 * URIs only the syntax is looked at: no scheme has rules of its own here.
 */
#include "address.h"
#include "base/ascii.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
    HOST_BYTES_MAX = 253, /* RFC 1035: 255 octets on the wire */
    LABEL_BYTES_MAX = 63,
    LOCAL_PART_BYTES_MAX = 64, /* RFC 5321, 4.5.3.1.1 */
    IPV6_GROUPS = 8
};

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

        if (!ascii_is_alnum(c) && c != '-' && !(wide && is_wide(c))) {
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

bool address_is_hostname(struct str text) {
    return is_domain(text, false);
}

bool address_is_ipv4(struct str text) {
    const char *s = text.data;
    const char *end = s + text.len;

    for (int part = 0; part < 4; part++) {
        const char *start;
        int n = 0;

        if (part > 0 && (s == end || *s++ != '.')) {
            return false;
        }
        for (start = s; s < end && ascii_is_digit(*s) && s - start < 3; s++) {
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

        while (s < end && ascii_is_hex(*s) && s - start < 4) {
            s++;
        }
        if (ipv4_allowed && s < end && *s == '.') {
            return address_is_ipv4((struct str){ start, (size_t)(end - start) }) ? groups + 2 : -1;
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

bool address_is_ipv6(struct str text) {
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
    return ascii_is_alnum(c) || (wide && is_wide(c)) ||
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
        return address_is_ipv6((struct str){ text.data + tag_len, text.len - tag_len });
    }
    return address_is_ipv4(text);
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

bool address_is_email(struct str text) {
    return is_mailbox(text, false);
}

bool address_is_idn_email(struct str text) {
    return is_mailbox(text, true);
}

/* ---- URIs ---- */

/* What a byte may be part of. */
enum {
    UNRESERVED = 1,
    SUB_DELIM = 2,
    COLON = 4,
    AT = 8,
    SLASH = 16,
    QUESTION = 32,
    WIDE = 64,    /* characters beyond ASCII: ucschar */
    PRIVATE = 128 /* iprivate, too */
};

enum {
    PCHAR = UNRESERVED | SUB_DELIM | COLON | AT,
    PATH = PCHAR | SLASH,
    QUERY = PATH | QUESTION,
    TEMPLATE_PREFIX_MAX_DIGITS = 4
};

static const uint8_t classes[128] = {
    ['0' ... '9'] = UNRESERVED,
    ['A' ... 'Z'] = UNRESERVED,
    ['a' ... 'z'] = UNRESERVED,
    ['-'] = UNRESERVED,
    ['.'] = UNRESERVED,
    ['_'] = UNRESERVED,
    ['~'] = UNRESERVED,
    ['!'] = SUB_DELIM,
    ['$'] = SUB_DELIM,
    ['&'] = SUB_DELIM,
    ['\''] = SUB_DELIM,
    ['('] = SUB_DELIM,
    [')'] = SUB_DELIM,
    ['*'] = SUB_DELIM,
    ['+'] = SUB_DELIM,
    [','] = SUB_DELIM,
    [';'] = SUB_DELIM,
    ['='] = SUB_DELIM,
    [':'] = COLON,
    ['@'] = AT,
    ['/'] = SLASH,
    ['?'] = QUESTION,
};

static bool is_percent_encoded(const char *s, const char *end) {
    return end - s >= 3 && s[0] == '%' && ascii_is_hex(s[1]) && ascii_is_hex(s[2]);
}

static bool is_private(uint32_t c) {
    return (c >= 0xe000 && c <= 0xf8ff) || c >= 0xf0000;
}

static bool is_ucschar(uint32_t c) {
    return (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xf900 && c <= 0xfdcf) ||
           (c >= 0xfdf0 && c <= 0xffef) ||
           (c >= 0x10000 && c < 0xf0000 && (c & 0xffff) <= 0xfffd && (c < 0xe0000 || c >= 0xe1000));
}

static bool is_wide_point(uint32_t c, unsigned allowed) {
    return ((allowed & WIDE) != 0 && is_ucschar(c)) ||
           ((allowed & PRIVATE) != 0 && is_private(c) && (c & 0xfffe) != 0xfffe);
}

/* Where the first character stands that is not of `allowed`, nor percent-encoded; else `end`. */
static const char *skip(const char *s, const char *end, unsigned allowed) {
    while (s < end) {
        const char *next = s;
        uint32_t c = utf8_take(&next);

        if (c == '%') {
            if (!is_percent_encoded(s, end)) {
                return s;
            }
            next = s + 3;
        } else if (c < 128 ? (classes[c] & allowed) == 0 : !is_wide_point(c, allowed)) {
            return s;
        }
        s = next;
    }
    return end;
}

static const char *find(const char *s, const char *end, char c) {
    const char *at = memchr(s, c, (size_t)(end - s));

    return at != NULL ? at : end;
}

static bool is_ip_literal(const char *s, const char *end) {
    const char *dot;

    if (s == end || (*s != 'v' && *s != 'V')) {
        return address_is_ipv6((struct str){ s, (size_t)(end - s) });
    }
    for (dot = s + 1; dot < end && ascii_is_hex(*dot); dot++) {
    }
    if (dot == s + 1 || dot == end || *dot != '.' || dot + 1 == end ||
        memchr(s, '%', (size_t)(end - s)) != NULL) {
        return false;
    }
    return skip(dot + 1, end, UNRESERVED | SUB_DELIM | COLON) == end;
}

static bool is_authority(const char *s, const char *end, unsigned wide) {
    const char *at = find(s, end, '@');
    const char *host_end;

    if (at != end) {
        if (skip(s, at, UNRESERVED | SUB_DELIM | COLON | wide) != at) {
            return false;
        }
        s = at + 1;
    }
    if (s < end && *s == '[') {
        host_end = find(s, end, ']');
        if (host_end == end || !is_ip_literal(s + 1, host_end)) {
            return false;
        }
        host_end++;
    } else {
        host_end = skip(s, end, UNRESERVED | SUB_DELIM | wide);
    }
    if (host_end < end && *host_end == ':') {
        for (host_end++; host_end < end && ascii_is_digit(*host_end); host_end++) {
        }
    }
    return host_end == end;
}

/* Where the scheme's ':' stands; NULL: there is no scheme. */
static const char *find_scheme_end(const char *s, const char *end) {
    if (s == end || !ascii_is_letter(*s)) {
        return NULL;
    }
    while (s < end && (ascii_is_alnum(*s) || *s == '+' || *s == '-' || *s == '.')) {
        s++;
    }
    return s < end && *s == ':' ? s : NULL;
}

/* What stands between the scheme and '?' or '#'. */
static bool is_hierarchy(const char *s, const char *end, bool has_scheme, unsigned wide) {
    if (end - s >= 2 && s[0] == '/' && s[1] == '/') {
        const char *path = find(s + 2, end, '/');

        if (!is_authority(s + 2, path, wide)) {
            return false;
        }
        s = path;
    } else if (!has_scheme && find(s, find(s, end, '/'), ':') != find(s, end, '/')) {
        return false; /* a colon in the first segment would make it a scheme */
    }
    return skip(s, end, PATH | wide) == end;
}

static bool is_uri(struct str text, bool scheme_required, unsigned wide) {
    const char *s = text.data;
    const char *end = s + text.len;
    const char *scheme_end = find_scheme_end(s, end);
    const char *fragment = find(s, end, '#');
    const char *query = find(s, fragment, '?');

    if (scheme_end == NULL && scheme_required) {
        return false;
    }
    if (fragment < end && skip(fragment + 1, end, QUERY | wide) != end) {
        return false;
    }
    if (query < fragment &&
        skip(query + 1, fragment, QUERY | wide | (wide != 0 ? PRIVATE : 0U)) != fragment) {
        return false;
    }
    return is_hierarchy(scheme_end != NULL ? scheme_end + 1 : s, query, scheme_end != NULL, wide);
}

bool address_is_uri(struct str text) {
    return is_uri(text, true, 0);
}

bool address_is_uri_reference(struct str text) {
    return is_uri(text, false, 0);
}

bool address_is_iri(struct str text) {
    return is_uri(text, true, WIDE);
}

bool address_is_iri_reference(struct str text) {
    return is_uri(text, false, WIDE);
}

/* varname: letters, digits, '_' and percent-encoded, with single dots between. */
static const char *skip_variable_name(const char *s, const char *end) {
    bool after_dot = true;

    for (; s < end; s++) {
        if (is_percent_encoded(s, end)) {
            s += 2;
        } else if (*s == '.' ? after_dot : !ascii_is_alnum(*s) && *s != '_') {
            break;
        }
        after_dot = *s == '.';
    }
    return after_dot ? NULL : s;
}

/* One "name", "name*" or "name:3" up to ',' or the end; NULL: it is none. */
static const char *skip_variable(const char *s, const char *end) {
    s = skip_variable_name(s, end);
    if (s == NULL || s == end) {
        return s;
    }
    if (*s == '*') {
        s++;
    } else if (*s == ':') {
        const char *digits = ++s;

        while (s < end && ascii_is_digit(*s)) {
            s++;
        }
        if (s == digits || *digits == '0' || s - digits > TEMPLATE_PREFIX_MAX_DIGITS) {
            return NULL;
        }
    }
    return s == end || *s == ',' ? s : NULL;
}

/* Between the braces. */
static bool is_expression(const char *s, const char *end) {
    if (s < end && *s != '\0' && strchr("+#./;?&=,!@|", *s) != NULL) {
        s++; /* the last five are reserved for extensions, and no more is known about them */
    }
    for (;;) {
        s = skip_variable(s, end);
        if (s == NULL || s == end) {
            return s != NULL;
        }
        s++;
    }
}

/* A character outside of braces; '%' and '{' are looked at elsewhere. */
static bool is_template_literal(uint32_t c) {
    if (c < 128) {
        return c > ' ' && c != 0x7f && strchr("\"<>\\^`{|}", (int)c) == NULL;
    }
    return is_ucschar(c) || (is_private(c) && (c & 0xfffe) != 0xfffe);
}

bool address_is_uri_template(struct str text) {
    const char *s = text.data;
    const char *end = s + text.len;

    while (s < end) {
        if (*s == '{') {
            const char *close = find(s, end, '}');

            if (close == end || !is_expression(s + 1, close)) {
                return false;
            }
            s = close + 1;
        } else if (*s == '%') {
            if (!is_percent_encoded(s, end)) {
                return false;
            }
            s += 3;
        } else if (!is_template_literal(utf8_take(&s))) {
            return false;
        }
    }
    return true;
}
