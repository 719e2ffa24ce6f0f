/* Media types: read, compared, ranked. */
#include "media.h"

#include "base/ascii.h"

#include <string.h>
#include <strings.h>

static bool is_token_char(char c) {
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_space(const char **s, const char *end) {
    while (*s < end && ascii_is_blank(**s)) {
        (*s)++;
    }
}

static bool take_token(const char **s, const char *end, struct str *ret) {
    const char *start = *s;

    while (*s < end && is_token_char(**s)) {
        (*s)++;
    }
    *ret = (struct str){ start, (size_t)(*s - start) };
    return ret->len > 0;
}

bool media_is_token(struct str text) {
    const char *s = text.data;
    struct str token;

    return take_token(&s, text.data + text.len, &token) && token.len == text.len;
}

static bool take_quoted(const char **s, const char *end, struct str *ret) {
    const char *start = ++*s;

    while (*s < end && **s != '"') {
        *s += **s == '\\' ? 2 : 1;
    }
    if (*s >= end) {
        return false;
    }
    *ret = (struct str){ start, (size_t)(*s - start) };
    (*s)++;
    return true;
}

/* ; name=value, or nothing between two semicolons */
static bool take_param(const char **s, const char *end, struct media *media) {
    struct media_param *param = &media->params[media->param_count];

    (*s)++;
    skip_space(s, end);
    if (*s == end || **s == ';') {
        return true;
    }
    if (media->param_count == MEDIA_PARAMS_MAX || !take_token(s, end, &param->name) || *s == end ||
        **s != '=') {
        return false;
    }
    (*s)++;
    media->param_count++;
    return *s < end && **s == '"' ? take_quoted(s, end, &param->value)
                                  : take_token(s, end, &param->value);
}

bool media_parse(struct str text, struct media *ret) {
    const char *s = text.data;
    const char *end = s + text.len;

    ret->param_count = 0;
    skip_space(&s, end);
    if (!take_token(&s, end, &ret->type) || s == end || *s != '/') {
        return false;
    }
    s++;
    if (!take_token(&s, end, &ret->subtype)) {
        return false;
    }
    for (skip_space(&s, end); s < end; skip_space(&s, end)) {
        if (*s != ';' || !take_param(&s, end, ret)) {
            return false;
        }
    }
    return true;
}

static bool same_word(struct str a, struct str b) {
    return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static bool is_word(struct str a, const char *b) {
    return same_word(a, (struct str){ b, strlen(b) });
}

/* "\"" in a quoted value says the same as the character alone. */
static bool same_value(struct str a, struct str b) {
    size_t j = 0;

    for (size_t i = 0; i < a.len; i++, j++) {
        i += a.data[i] == '\\' && i + 1 < a.len;
        j += j + 1 < b.len && b.data[j] == '\\';
        if (j >= b.len || a.data[i] != b.data[j]) {
            return false;
        }
    }
    return j == b.len;
}

static bool has_param(const struct media *media, const struct media_param *wanted) {
    for (unsigned i = 0; i < media->param_count; i++) {
        const struct media_param *param = &media->params[i];

        if (same_word(param->name, wanted->name)) {
            return is_word(param->name, "charset") ? same_word(param->value, wanted->value)
                                                   : same_value(param->value, wanted->value);
        }
    }
    return false;
}

/* "*+json": the suffix without the star; else empty. */
static struct str suffix_of(struct str subtype) {
    if (subtype.len > 2 && subtype.data[0] == '*' && subtype.data[1] == '+') {
        return (struct str){ subtype.data + 1, subtype.len - 1 };
    }
    return (struct str){ "", 0 };
}

static bool same_subtype(struct str range, struct str subtype) {
    struct str suffix = suffix_of(range);

    if (is_word(range, "*")) {
        return true;
    }
    if (suffix.len > 0 && subtype.len > suffix.len) {
        subtype.data += subtype.len - suffix.len;
        subtype.len = suffix.len;
        return same_word(suffix, subtype);
    }
    return same_word(range, subtype);
}

bool media_matches(const struct media *range, const struct media *media) {
    if ((!is_word(range->type, "*") && !same_word(range->type, media->type)) ||
        !same_subtype(range->subtype, media->subtype)) {
        return false;
    }
    for (unsigned i = 0; i < range->param_count; i++) {
        if (!has_param(media, &range->params[i])) {
            return false;
        }
    }
    return true;
}

unsigned media_rank(const struct media *range) {
    unsigned level = 3;

    if (is_word(range->type, "*")) {
        level = 0;
    } else if (is_word(range->subtype, "*")) {
        level = 1;
    } else if (suffix_of(range->subtype).len > 0) {
        level = 2;
    }
    return level * (MEDIA_PARAMS_MAX + 1) + range->param_count;
}

bool media_is_json(const struct media *media) {
    struct str subtype = media->subtype;

    return is_word(subtype, "json") ||
           (subtype.len > 5 && strncasecmp(subtype.data + subtype.len - 5, "+json", 5) == 0);
}

bool media_has_other_charset(const struct media *media) {
    for (unsigned i = 0; i < media->param_count; i++) {
        if (is_word(media->params[i].name, "charset") &&
            !is_word(media->params[i].value, "utf-8") &&
            !is_word(media->params[i].value, "us-ascii")) {
            return true;
        }
    }
    return false;
}
