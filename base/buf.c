/* The buffer: room, appending, consuming. */
#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most events and answers are smaller, and malloc() keeps blocks of up to 1032 bytes at hand. */
enum { CAPACITY_MIN = 1024, INT_DIGITS_MAX = 20 };

void buf_init(struct buf *buf, size_t bytes_max) {
    *buf = (struct buf){ .bytes_max = bytes_max };
}

void buf_free(struct buf *buf) {
    free(buf->data);
    buf_init(buf, buf->bytes_max);
}

void buf_clear(struct buf *buf) {
    buf->start = 0;
    buf->end = 0;
    buf->failed = false;
}

static char *fail(struct buf *buf) {
    buf->failed = true;
    return NULL;
}

static void move_to_front(struct buf *buf) {
    memmove(buf->data, buf->data + buf->start, buf_length(buf));
    buf->end -= buf->start;
    buf->start = 0;
}

static bool grow(struct buf *buf, size_t needed, size_t bytes_max) {
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < needed) {
        capacity = capacity > bytes_max / 2 ? bytes_max : capacity * 2;
    }
    capacity = capacity < bytes_max ? capacity : bytes_max;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

/* Make room behind `end`. Dead bytes at the front are reused once they are half of the buffer. */
char *buf_make_room(struct buf *buf, size_t length) {
    if (buf->failed) {
        return NULL;
    }
    size_t bytes_max = buf->bytes_max == 0 ? BUF_BYTES_MAX_DEFAULT : buf->bytes_max;
    size_t used = buf_length(buf);
    if (used > bytes_max || length > bytes_max - used) {
        return fail(buf);
    }
    if (buf->start > 0 && (buf->start >= buf->capacity / 2 || length > bytes_max - buf->end)) {
        move_to_front(buf);
    }
    if (length > buf->capacity - buf->end && !grow(buf, buf->end + length, bytes_max)) {
        return fail(buf);
    }
    return buf->data + buf->end;
}

void buf_commit(struct buf *buf, size_t length) {
    assert(length <= buf->capacity - buf->end);
    buf->end += length;
}

void buf_consume(struct buf *buf, size_t length) {
    assert(length <= buf_length(buf));
    buf->start += length;
    if (buf->start == buf->end) {
        buf->start = 0;
        buf->end = 0;
    }
}

void buf_append_int(struct buf *buf, int64_t value) {
    char digits[INT_DIGITS_MAX];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    buf_append(buf, digits + at, sizeof(digits) - at);
}

void buf_appendf(struct buf *buf, const char *format, ...) {
    va_list args;
    size_t room = buf_reserve(buf, 1) == NULL ? 0 : buf->capacity - buf->end;
    if (room == 0) {
        return;
    }
    va_start(args, format);
    int length = vsnprintf(buf->data + buf->end, room, format, args);
    va_end(args);
    if (length < 0) {
        fail(buf);
        return;
    }
    if ((size_t)length >= room) { /* vsnprintf() also wants room for its NUL */
        char *out = buf_reserve(buf, (size_t)length + 1);
        if (out == NULL) {
            return;
        }
        va_start(args, format);
        vsnprintf(out, (size_t)length + 1, format, args);
        va_end(args);
    }
    buf->end += (size_t)length;
}
