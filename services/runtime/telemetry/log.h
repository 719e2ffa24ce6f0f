/*
 * JSON-lines logs on standard error: a constant message and typed fields.
 *
 *   log_info("order stored", LOG_STR("requestId", id), LOG_INT("orderId", 7));
 *   {"ts":"2026-11-22T17:16:32.123Z","level":"info","service":"order-service",
 *    "msg":"order stored","requestId":"…","orderId":7}            (in one line)
 *
 * A failure is logged once, where it is decided. Never log a secret or a request body.
 * Any thread may log; a line is never torn. The lines of the thread that called log_init() are
 * collected in a buffer that log_flush() writes (the service flushes at the end of each tick);
 * warnings, errors and the lines of other threads are written at once. When the descriptor takes
 * nothing (full pipe or socket, full disk), up to 256 KiB wait for it; then new lines are dropped,
 * and their number is logged later. No call but log_close() waits for the reader of a pipe or a
 * socket.
 */
#ifndef RUNTIME_TELEMETRY_LOG_H
#define RUNTIME_TELEMETRY_LOG_H

#include "base/trace.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };

extern const char *const log_level_names[]; /* "debug", "info", "warn", "error", NULL */

enum log_type { LOG_TYPE_END, LOG_TYPE_STR, LOG_TYPE_INT, LOG_TYPE_BOOL };

struct log_field {
    const char *name; /* a JSON member name that needs no escaping */
    enum log_type type;
    const char *str; /* escaped; at most LOG_STR_BYTES_MAX bytes are written; NULL: null */
    int64_t integer; /* of a string: write at most so many bytes; 0: LOG_STR_BYTES_MAX */
};

enum { LOG_STR_BYTES_MAX = 2048, LOG_LINE_BYTES_MAX = 16384 };

#define LOG_STR(n, v) ((struct log_field){ .name = (n), .type = LOG_TYPE_STR, .str = (v) })
#define LOG_INT(n, v)                                                                              \
    ((struct log_field){ .name = (n), .type = LOG_TYPE_INT, .integer = (int64_t)(v) })
#define LOG_BOOL(n, v)                                                                             \
    ((struct log_field){ .name = (n), .type = LOG_TYPE_BOOL, .integer = (v) ? 1 : 0 })

/* The first `bytes` of a string. */
#define LOG_PART(n, v, bytes)                                                                      \
    ((struct log_field){ .name = (n), .type = LOG_TYPE_STR, .str = (v), .integer = (bytes) })
/* Three fields: requestId, and the ids of the trace, null when there is none. */
#define LOG_TRACE(trace)                                                                           \
    LOG_STR("requestId", (trace).request_id),                                                      \
        LOG_PART("traceId", trace_id(trace), TRACE_ID_BYTES),                                      \
        LOG_PART("spanId", trace_span_id(trace), TRACE_SPAN_ID_BYTES)

/*
 * Before the first log call. `service` must stay; lines below `level` are not made. `fd`:
 * usually 2; it stays the caller's and as it is, also its O_NONBLOCK: a pipe is opened anew through
 * /proc (one more descriptor, until log_close()).
 */
void log_init(const char *service, enum log_level level, int fd);
bool log_enabled(enum log_level level);
/* Write what is collected, as far as the descriptor takes it without waiting. */
void log_flush(void);
/* The last call: like log_flush(), but waits up to a second, and frees the buffer. */
void log_close(void);

/*
 * Use the macros. `fields` ends with LOG_TYPE_END. In a line over LOG_LINE_BYTES_MAX the fields
 * that do not fit are left out and `"truncated":true` ends it; `msg` is limited like a string
 * field.
 */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define LOG_AT(level, msg, ...)                                                                    \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = { __VA_ARGS__ __VA_OPT__(, ){ 0 } };            \
            log_write(level, msg, log_fields_);                                                    \
        }                                                                                          \
    } while (0)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

#endif
