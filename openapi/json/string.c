/* Strings: UTF-8, escapes, code points. */
#include "parser.h"

#include <endian.h>
#include <string.h>

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
unsigned oa_utf8_sequence(const unsigned char *s, const unsigned char *end) {
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    unsigned len;

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if ((size_t)(end - s) < len) {
        return 0;
    }
    if (s[0] == 0xe0) {
        low = 0xa0;
    } else if (s[0] == 0xed) {
        high = 0x9f;
    } else if (s[0] == 0xf0) {
        low = 0x90;
    } else if (s[0] == 0xf4) {
        high = 0x8f;
    }
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (unsigned i = 2; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static bool is_hex4(const char *s, const char *end) {
    if (end - s < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        char c = s[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return true;
}

static uint32_t hex4(const char *s) {
    uint32_t n = 0;

    for (int i = 0; i < 4; i++) {
        char c = s[i];
        char base = c <= '9' ? '0' : (char)((c <= 'F' ? 'A' : 'a') - 10);

        n = n * 16 + (uint32_t)(c - base);
    }
    return n;
}

/* Take the escape at p->pos (a backslash); the code point, or UINT32_MAX after parser_fail(). */
static uint32_t take_escape(struct parser *p) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meaning[] = "\"\\/\b\f\n\r\t";
    const char *at = p->pos;
    const char *letter;
    uint32_t point;

    if (p->end - at < 2) {
        parser_fail(p, p->end, "unexpected end of text");
        return UINT32_MAX;
    }
    letter = at[1] != '\0' ? strchr(letters, at[1]) : NULL;
    if (letter != NULL) {
        p->pos += 2;
        return (unsigned char)meaning[letter - letters];
    }
    if (at[1] != 'u' || !is_hex4(at + 2, p->end)) {
        parser_fail(p, at, "invalid escape in a string");
        return UINT32_MAX;
    }
    point = hex4(at + 2);
    p->pos += 6;
    if (point < 0xd800 || point > 0xdfff) {
        return point;
    }
    if (point < 0xdc00 && p->end - p->pos >= 6 && p->pos[0] == '\\' && p->pos[1] == 'u' &&
        is_hex4(p->pos + 2, p->end)) {
        uint32_t low = hex4(p->pos + 2);

        if (low >= 0xdc00 && low <= 0xdfff) {
            p->pos += 6;
            return 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    parser_fail(p, at, "unpaired surrogate in a string");
    return UINT32_MAX;
}

static char *put_utf8(char *out, uint32_t point) {
    if (point < 0x80) {
        *out++ = (char)point;
        return out;
    }
    if (point < 0x800) {
        *out++ = (char)(0xc0 | (point >> 6));
    } else {
        if (point < 0x10000) {
            *out++ = (char)(0xe0 | (point >> 12));
        } else {
            *out++ = (char)(0xf0 | (point >> 18));
            *out++ = (char)(0x80 | ((point >> 12) & 0x3f));
        }
        *out++ = (char)(0x80 | ((point >> 6) & 0x3f));
    }
    *out++ = (char)(0x80 | (point & 0x3f));
    return out;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The first byte from `s` that is not an ASCII character standing for itself, or `end`; eight at a
 * time. In each step the bytes of `odd` that are not 0 begin with one that was looked for: a borrow
 * can only come from there.
 */
static const unsigned char *skip_plain(const unsigned char *s, const unsigned char *end) {
    uint64_t word;

    for (; end - s >= (ptrdiff_t)sizeof(word); s += sizeof(word)) {
        uint64_t quote;
        uint64_t backslash;
        uint64_t odd;

        memcpy(&word, s, sizeof(word));
        word = le64toh(word);
        quote = word ^ EACH_BYTE('"');
        backslash = word ^ EACH_BYTE('\\');
        odd = ((quote - EACH_BYTE(1)) & ~quote) | ((backslash - EACH_BYTE(1)) & ~backslash) |
              ((word - EACH_BYTE(0x20)) & ~word) | word;
        odd &= EACH_BYTE(0x80);
        if (odd != 0) {
            return s + __builtin_ctzll(odd) / 8;
        }
    }
    while (s < end && *s >= 0x20 && *s < 0x80 && *s != '"' && *s != '\\') {
        s++;
    }
    return s;
}

/* Move over characters that stand for themselves; false after parser_fail(). */
static bool take_plain(struct parser *p, uint32_t *points) {
    const unsigned char *s = (const unsigned char *)p->pos;
    const unsigned char *end = (const unsigned char *)p->end;

    for (;;) {
        const unsigned char *run = s;
        unsigned len;

        s = skip_plain(s, end);
        *points += (uint32_t)(s - run);
        if (s == end || *s == '"' || *s == '\\') {
            break;
        }
        len = *s >= 0x80 ? oa_utf8_sequence(s, end) : 0;
        if (len == 0) {
            parser_fail(p, (const char *)s,
                        *s < 0x20 ? "control character in a string" : "text is not valid UTF-8");
            return false;
        }
        s += len;
        (*points)++;
    }
    p->pos = (const char *)s;
    if (s == end) {
        parser_fail(p, p->end, "unexpected end of text");
        return false;
    }
    return true;
}

/* A string with an escape: what was read so far is copied, the rest decoded behind it. */
static bool decode(struct parser *p, const char *start, struct str *ret_text, uint32_t *points) {
    const char *close = p->pos;
    char *out;
    char *text;

    /* decoding never makes longer: the room up to the closing quote is enough */
    while (close < p->end && *close != '"') {
        close += *close == '\\' ? 2 : 1;
    }
    if (close >= p->end) {
        parser_fail(p, p->end, "unexpected end of text");
        return false;
    }
    text = arena_alloc(p->arena, (size_t)(close - start));
    if (text == NULL) {
        parser_stop(p, start, OA_JSON_NO_MEMORY);
        return false;
    }
    memcpy(text, start, (size_t)(p->pos - start));
    out = text + (p->pos - start);
    while (*p->pos != '"') {
        const char *run = p->pos;
        uint32_t point;

        if (*p->pos == '\\') {
            point = take_escape(p);
            if (point == UINT32_MAX) {
                return false;
            }
            out = put_utf8(out, point);
            (*points)++;
            continue;
        }
        if (!take_plain(p, points)) {
            return false;
        }
        memcpy(out, run, (size_t)(p->pos - run));
        out += p->pos - run;
    }
    *ret_text = (struct str){ text, (size_t)(out - text) };
    return true;
}

bool parser_string(struct parser *p, struct str *ret_text, uint32_t *ret_points) {
    const char *start = ++p->pos;

    *ret_points = 0;
    if (!take_plain(p, ret_points)) {
        return false;
    }
    if (*p->pos == '"') {
        *ret_text = (struct str){ start, (size_t)(p->pos - start) };
    } else if (!decode(p, start, ret_text, ret_points)) {
        return false;
    }
    p->pos++;
    return true;
}
