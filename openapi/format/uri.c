/*
 * uri, uri-reference (RFC 3986, appendix A), iri, iri-reference (RFC 3987, 2.2) and uri-template
 * (RFC 6570, 2, with its errata). Syntax only: no scheme has rules of its own here.
 */
#include "checks.h"
#include "openapi/ascii.h"
#include "openapi/utf8.h"

#include <string.h>

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
    return end - s >= 3 && s[0] == '%' && oa_is_hex(s[1]) && oa_is_hex(s[2]);
}

static bool is_private(uint32_t c) {
    return (c >= 0xe000 && c <= 0xf8ff) || c >= 0xf0000;
}

static bool is_ucschar(uint32_t c) {
    return (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xf900 && c <= 0xfdcf) ||
           (c >= 0xfdf0 && c <= 0xffef) ||
           (c >= 0x10000 && c < 0xf0000 && (c & 0xffff) <= 0xfffd && (c < 0xe0000 || c >= 0xe1000));
}

static bool is_wide(uint32_t c, unsigned allowed) {
    return ((allowed & WIDE) != 0 && is_ucschar(c)) ||
           ((allowed & PRIVATE) != 0 && is_private(c) && (c & 0xfffe) != 0xfffe);
}

/* Where the first character stands that is not of `allowed`, nor percent-encoded; else `end`. */
static const char *skip(const char *s, const char *end, unsigned allowed) {
    while (s < end) {
        const char *next = s;
        uint32_t c = oa_utf8_take(&next);

        if (c == '%') {
            if (!is_percent_encoded(s, end)) {
                return s;
            }
            next = s + 3;
        } else if (c < 128 ? (classes[c] & allowed) == 0 : !is_wide(c, allowed)) {
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
        return oa_is_ipv6((struct str){ s, (size_t)(end - s) });
    }
    for (dot = s + 1; dot < end && oa_is_hex(*dot); dot++) {
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
        for (host_end++; host_end < end && oa_is_digit(*host_end); host_end++) {
        }
    }
    return host_end == end;
}

/* Where the scheme's ':' stands; NULL: there is no scheme. */
static const char *find_scheme_end(const char *s, const char *end) {
    if (s == end || !oa_is_letter(*s)) {
        return NULL;
    }
    while (s < end &&
           (oa_is_letter(*s) || oa_is_digit(*s) || *s == '+' || *s == '-' || *s == '.')) {
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

bool oa_is_uri(struct str text) {
    return is_uri(text, true, 0);
}

bool oa_is_uri_reference(struct str text) {
    return is_uri(text, false, 0);
}

bool oa_is_iri(struct str text) {
    return is_uri(text, true, WIDE);
}

bool oa_is_iri_reference(struct str text) {
    return is_uri(text, false, WIDE);
}

/* varname: letters, digits, '_' and percent-encoded, with single dots between. */
static const char *skip_variable_name(const char *s, const char *end) {
    bool after_dot = true;

    for (; s < end; s++) {
        if (is_percent_encoded(s, end)) {
            s += 2;
        } else if (*s == '.' ? after_dot : !oa_is_letter(*s) && !oa_is_digit(*s) && *s != '_') {
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

        while (s < end && oa_is_digit(*s)) {
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

bool oa_is_uri_template(struct str text) {
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
        } else if (!is_template_literal(oa_utf8_take(&s))) {
            return false;
        }
    }
    return true;
}
