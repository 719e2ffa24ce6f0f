/* A view of bytes that somebody else owns; not NUL-terminated. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *data; /* NULL: absent */
    size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *text) {
    return (struct str){ text, text == NULL ? 0 : strlen(text) };
}

static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Whether it is the text of a C string. */
static inline bool str_is(struct str a, const char *text) {
    return str_equal(a, str_of(text));
}

/* Without the spaces and tabs around it. */
static inline struct str str_trimmed(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* < 0, 0, > 0: the shorter one first, then by bytes. For sorting and searching, not for people. */
static inline int str_compare(struct str a, struct str b) {
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return a.len == 0 ? 0 : memcmp(a.data, b.data, a.len);
}

#endif
