#define PCRE2_CODE_UNIT_WIDTH 8

#include "pattern.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

/* The most steps of one match, and the most memory: far above what a sane pattern needs. */
enum { MATCH_LIMIT = 100000, HEAP_LIMIT_KIB = 1024, SOURCE_BYTES_MAX = 4096 };

/* ECMA-262's white space beyond ASCII, which \s of PCRE2 does not know without UCP. */
#define WIDE_SPACE "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

struct translation {
    char data[SOURCE_BYTES_MAX * 2];
    size_t len;
    bool in_class;
};

static bool put(struct translation *t, const char *data, size_t len) {
    if (len > sizeof(t->data) - t->len) {
        return false;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    return true;
}

#define PUT(t, text) put(t, text, sizeof(text) - 1)

/* \s and \S mean more in ECMA-262; every other escape means the same, or is refused by PCRE2. */
static const char *put_escape(struct translation *t, const char *s, const char *end) {
    bool room = true;

    if (end - s >= 2 && s[1] == 's') {
        room = t->in_class ? PUT(t, "\\s" WIDE_SPACE) : PUT(t, "[\\s" WIDE_SPACE "]");
    } else if (end - s >= 2 && s[1] == 'S') {
        if (t->in_class) {
            return NULL;
        }
        room = PUT(t, "[^\\s" WIDE_SPACE "]");
    } else {
        room = put(t, s, end - s >= 2 ? 2 : 1);
    }
    return room ? s + (end - s >= 2 ? 2 : 1) : NULL;
}

static bool translate(struct translation *t, struct oa_str source) {
    const char *s = source.data;
    const char *end = s + source.len;

    while (s < end) {
        if (*s == '\\') {
            s = put_escape(t, s, end);
            if (s == NULL) {
                return false;
            }
            continue;
        }
        if (*s == '[' && !t->in_class) {
            t->in_class = true;
        } else if (*s == ']') {
            t->in_class = false;
        } else if (*s == '[' && !PUT(t, "\\")) {
            return false;
        }
        if (!put(t, s++, 1)) {
            return false;
        }
    }
    return true;
}

const void *oa_pattern_compile(struct oa_str source, char *reason, size_t reason_bytes) {
    struct translation t = { .len = 0 };
    pcre2_code *code;
    PCRE2_SIZE offset;
    int error;

    if (source.len > SOURCE_BYTES_MAX) {
        snprintf(reason, reason_bytes, "the pattern is longer than %d bytes", SOURCE_BYTES_MAX);
        return NULL;
    }
    if (!translate(&t, source)) {
        snprintf(reason, reason_bytes,
                 "the pattern is too long, or has \\S inside of [...], "
                 "which is not supported");
        return NULL;
    }
    code = pcre2_compile((PCRE2_SPTR)t.data, t.len,
                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                             PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C,
                         &error, &offset, NULL);
    if (code == NULL) {
        char text[120];

        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof(text));
        snprintf(reason, reason_bytes, "the pattern is not a regular expression: %s", text);
        return NULL;
    }
    /* without JIT support matching is slower, not different */
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

bool oa_pattern_is_valid(struct oa_str source) {
    char reason[1];
    const void *code = oa_pattern_compile(source, reason, sizeof(reason));

    oa_pattern_free(code);
    return code != NULL;
}

void oa_pattern_free(const void *code) {
    pcre2_code_free((pcre2_code *)code);
}

enum oa_pattern_result oa_pattern_match(const void *code, struct oa_str text) {
    enum oa_pattern_result result = OA_PATTERN_NO_MEMORY;
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc;

    if (context != NULL && data != NULL) {
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
        rc = pcre2_match(code, (PCRE2_SPTR)text.data, text.len, 0, PCRE2_NO_UTF_CHECK, data,
                         context);
        result = rc >= 0                      ? OA_PATTERN_MATCH
                 : rc == PCRE2_ERROR_NOMATCH  ? OA_PATTERN_NO_MATCH
                 : rc == PCRE2_ERROR_NOMEMORY ? OA_PATTERN_NO_MEMORY
                                              : OA_PATTERN_LIMIT;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return result;
}
