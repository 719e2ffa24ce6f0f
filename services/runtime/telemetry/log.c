/* The log: lines are made under a mutex, collected, and written without waiting. */
#include "log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Queued lines are never dropped and never cut: when the reader of the logs is too slow, new lines
 * are dropped instead and counted, and the count is logged as soon as there is room again.
 */
enum { PENDING_BYTES_MAX = 256 * 1024, CLOSE_WAIT_MS = 1000 };

/* The longest end of a line: what log_write() always keeps free. */
static const char LINE_END[] = ",\"truncated\":true}\n";

const char *const log_level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
    [LOG_ERROR] = "error", [LOG_LEVELS] = NULL,
};

/* How to write without waiting, by what the descriptor is. */
enum log_output {
    LOG_OUTPUT_PLAIN,  /* write() does not wait long: a file, or our own description of a pipe */
    LOG_OUTPUT_SOCKET, /* MSG_DONTWAIT */
    LOG_OUTPUT_POLLED, /* a pipe that could not be opened anew: little at a time, if it has room */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all below but the level */
static struct buf pending; /* whole lines, the first perhaps half written */
static int log_fd = STDERR_FILENO;
static int given_fd = STDERR_FILENO; /* what log_fd is a copy of when own_fd is open */
static int own_fd = -1;              /* log_fd when it is to be closed */
static enum log_output log_output;
static const char *log_service = "";
static pthread_t flushing_thread; /* the one that calls log_flush() */
static bool has_flushing_thread;
static int64_t dropped_lines;
static _Atomic int log_level = LOG_INFO;

/* ---- output; the caller holds the mutex ---- */

static void close_output(int fd) {
    if (own_fd >= 0) {
        close(own_fd);
        own_fd = -1;
    }
    log_fd = fd;
    log_output = LOG_OUTPUT_PLAIN;
}

/*
 * O_NONBLOCK belongs to the open file description, which other processes may share: a pipe is
 * opened anew rather than changed.
 */
static void open_output(int fd) {
    struct stat status;
    close_output(fd);
    if (fstat(fd, &status) != 0) {
        return;
    }
    if (S_ISSOCK(status.st_mode)) {
        log_output = LOG_OUTPUT_SOCKET;
    } else if (S_ISFIFO(status.st_mode)) {
        char path[32];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        log_fd = own_fd >= 0 ? own_fd : fd;
        log_output = own_fd >= 0 ? LOG_OUTPUT_PLAIN : LOG_OUTPUT_POLLED;
    }
}

static ssize_t write_some(const char *bytes, size_t length) {
    if (log_output == LOG_OUTPUT_SOCKET) {
        return send(log_fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (log_output == LOG_OUTPUT_POLLED) {
        struct pollfd writable = { .fd = log_fd, .events = POLLOUT };
        if (poll(&writable, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        length = length < PIPE_BUF ? length : PIPE_BUF; /* a writable pipe takes that much */
    }
    return write(log_fd, bytes, length);
}

/*
 * Write what the descriptor takes now. The rest stays for the next time, whatever the errno
 * returned.
 */
static int write_pending(void) {
    while (buf_length(&pending) > 0) {
        ssize_t written = write_some(buf_bytes(&pending), buf_length(&pending));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return errno;
        }
        buf_consume(&pending, (size_t)written);
    }
    return 0;
}

void log_init(const char *service, enum log_level level, int fd) {
    pthread_mutex_lock(&mutex);
    if (pending.data == NULL) {
        buf_init(&pending, PENDING_BYTES_MAX + 2 * LOG_LINE_BYTES_MAX);
    }
    log_service = service;
    given_fd = fd;
    open_output(fd);
    flushing_thread = pthread_self();
    has_flushing_thread = true;
    pthread_mutex_unlock(&mutex);
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* ---- a line; the caller holds the mutex ---- */

static void append_field(const struct log_field *field) {
    buf_append(&pending, ",\"", 2);
    buf_append_str(&pending, field->name);
    buf_append(&pending, "\":", 2);
    if (field->type == LOG_TYPE_INT) {
        buf_append_int(&pending, field->integer);
    } else if (field->type == LOG_TYPE_BOOL) {
        buf_append_str(&pending, field->integer != 0 ? "true" : "false");
    } else if (field->str == NULL) {
        buf_append_str(&pending, "null");
    } else {
        size_t bytes_max = field->integer == 0 ? LOG_STR_BYTES_MAX : (size_t)field->integer;
        size_t length = strnlen(field->str, bytes_max + 1);
        json_write_quoted(&pending, field->str, utf8_cut(field->str, length, bytes_max));
    }
}

static void append_head(enum log_level level, const char *msg) {
    char time[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(clock_unix_ms(), time);
    buf_append(&pending, "{\"ts\":\"", 7);
    buf_append(&pending, time, sizeof(time) - 1);
    buf_append(&pending, "\",\"level\":\"", 11);
    buf_append_str(&pending, log_level_names[level]);
    buf_append(&pending, "\",\"service\":", 12);
    json_write_quoted(&pending, log_service, strlen(log_service));
    buf_append(&pending, ",\"msg\":", 7);
    size_t length = strnlen(msg, LOG_STR_BYTES_MAX + 1);
    json_write_quoted(&pending, msg, utf8_cut(msg, length, LOG_STR_BYTES_MAX));
}

/* Append one line of at most LOG_LINE_BYTES_MAX bytes; fields that do not fit are left out. */
static void append_line(enum log_level level, const char *msg, const struct log_field *fields) {
    size_t before = buf_length(&pending);
    const char *line_end = "}\n";
    append_head(level, msg);
    for (; fields->type != LOG_TYPE_END; fields++) {
        size_t length = buf_length(&pending);
        append_field(fields);
        if (buf_length(&pending) - before > LOG_LINE_BYTES_MAX - (sizeof(LINE_END) - 1)) {
            pending.end = pending.start + length;
            line_end = LINE_END;
            break;
        }
    }
    buf_append_str(&pending, line_end);
    if (pending.failed) { /* no memory: as if there had been no room */
        pending.end = pending.start + before;
        pending.failed = false;
        dropped_lines++;
    }
}

static bool has_room(void) {
    if (buf_length(&pending) > PENDING_BYTES_MAX) {
        write_pending();
    }
    return buf_length(&pending) <= PENDING_BYTES_MAX;
}

static void append_dropped_count(void) {
    const struct log_field fields[] = { LOG_INT("lines", dropped_lines), { 0 } };
    dropped_lines = 0;
    append_line(LOG_WARN, "log lines dropped: their reader was too slow", fields);
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields) {
    pthread_mutex_lock(&mutex);
    if (!has_room()) {
        dropped_lines++;
        pthread_mutex_unlock(&mutex);
        return;
    }
    if (dropped_lines > 0) {
        append_dropped_count();
    }
    append_line(level, msg, fields);
    bool is_collected = has_flushing_thread && pthread_equal(flushing_thread, pthread_self());
    if (level >= LOG_WARN || !is_collected) {
        write_pending();
    }
    pthread_mutex_unlock(&mutex);
}

void log_flush(void) {
    pthread_mutex_lock(&mutex);
    write_pending();
    pthread_mutex_unlock(&mutex);
}

void log_close(void) {
    pthread_mutex_lock(&mutex);
    uint64_t deadline_ms = clock_monotonic_ms() + CLOSE_WAIT_MS;
    while (write_pending() == EAGAIN) {
        struct pollfd writable = { .fd = log_fd, .events = POLLOUT };
        uint64_t now_ms = clock_monotonic_ms();
        if (now_ms >= deadline_ms || poll(&writable, 1, (int)(deadline_ms - now_ms)) <= 0) {
            break;
        }
    }
    buf_free(&pending);
    close_output(given_fd);
    has_flushing_thread = false;
    pthread_mutex_unlock(&mutex);
}
