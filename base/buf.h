/*
 * A growable byte buffer with a sticky failure: append freely, check `failed` once at the end.
 * Consumed bytes are dropped from the front. Not thread-safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data;   /* NULL until the first append; not NUL-terminated */
    size_t start; /* first byte not yet consumed */
    size_t end;   /* one past the last byte */
    size_t capacity;
    size_t bytes_max; /* cap on capacity; 0 = BUF_BYTES_MAX_DEFAULT */
    bool failed;      /* an append did not fit or malloc failed; cleared by buf_clear() */
};

#define BUF_BYTES_MAX_DEFAULT (64u * 1024 * 1024)

void buf_init(struct buf *buf, size_t bytes_max);
void buf_free(struct buf *buf); /* accepts one never used */
void buf_clear(struct buf *buf);

static inline size_t buf_length(const struct buf *buf) {
    return buf->end - buf->start;
}
static inline char *buf_bytes(const struct buf *buf) {
    return buf->data == NULL ? NULL : buf->data + buf->start;
}

/* The slow way of buf_reserve(): moves or grows. */
char *buf_make_room(struct buf *buf, size_t length);
/*
 * Room for `length` more bytes at the end: where to write, NULL on failure. Follow with
 * buf_commit().
 */
static inline char *buf_reserve(struct buf *buf, size_t length) {
    bool fits = buf->data != NULL && !buf->failed && length <= buf->capacity - buf->end;
    return fits ? buf->data + buf->end : buf_make_room(buf, length);
}
void buf_commit(struct buf *buf, size_t length);
void buf_consume(struct buf *buf, size_t length);

static inline void buf_append(struct buf *buf, const void *bytes, size_t length) {
    char *out = length == 0 ? NULL : buf_reserve(buf, length);
    if (out != NULL) {
        memcpy(out, bytes, length);
        buf->end += length;
    }
}
static inline void buf_append_char(struct buf *buf, char c) {
    char *out = buf_reserve(buf, 1);
    if (out != NULL) {
        *out = c;
        buf->end++;
    }
}
static inline void buf_append_str(struct buf *buf, const char *str) {
    buf_append(buf, str, strlen(str));
}
void buf_append_int(struct buf *buf, int64_t value);
void buf_appendf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
