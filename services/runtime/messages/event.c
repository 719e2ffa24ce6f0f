/* CloudEvents out, and in from every form in which others send them. */
#include "event.h"

#include "base/clock.h"
#include "base/json_scan.h"

#include <assert.h>
#include <string.h>

enum {
    DEPTH_MAX = 40,                      /* batch, event, and what data may have */
    VALUES_MAX = EVENT_COUNT_MAX * 4200, /* likewise, of each */
    EVENTS_INITIAL = 16,
};

/* ---- out ---- */

void event_begin(struct json_writer *writer, struct buf *out, const struct event_head *head) {
    static const struct str SCHEMAS = STR("\"/asyncapi.json#/components/schemas/");
    assert(strlen(head->id) <= EVENT_ID_BYTES_MAX);
    json_write_init(writer, out);
    json_write_begin_object(writer, NULL);
    json_write_str(writer, "specversion", "1.0");
    json_write_str(writer, "id", head->id);
    json_write_str(writer, "source", head->source);
    json_write_str(writer, "type", head->type);
    if (head->subject != NULL) {
        json_write_str(writer, "subject", head->subject);
    }
    json_write_time(writer, "time", head->time_ms);
    json_write_str(writer, "datacontenttype", "application/json");
    json_write_raw(writer, "dataschema", SCHEMAS.data, SCHEMAS.len);
    buf_append_str(out, head->type);
    buf_append_char(out, '"');
    if (head->trace.parent[0] != '\0') {
        json_write_str(writer, "traceparent", head->trace.parent);
    }
    if (head->trace.state[0] != '\0') {
        json_write_str(writer, "tracestate", head->trace.state);
    }
    if (head->trace.request_id[0] != '\0') {
        json_write_str(writer, "requestid", head->trace.request_id);
    }
}

void event_batch_add(struct buf *out, struct str event) {
    buf_append_char(out, buf_length(out) == 0 ? '[' : ',');
    buf_append(out, event.data, event.len);
}

void event_batch_end(struct buf *out) {
    buf_append_char(out, ']');
}

size_t event_batch_bytes(size_t bytes, size_t more) {
    return bytes + 1 + more + 1;
}

/* ---- in ---- */

struct reader {
    struct json_scan scan;
    struct json_scan_error error;
    struct arena *arena;
    bool no_memory, is_too_large;
};

/* Past the value whose first event was the last one. False: the text ends or is malformed. */
static bool skip(struct reader *reader, enum json_scan_event event) {
    if (event == JSON_SCAN_OBJECT || event == JSON_SCAN_ARRAY) {
        unsigned outside = reader->scan.depth - 1;
        while (reader->scan.depth > outside && event != JSON_SCAN_FAILED) {
            event = json_scan_next(&reader->scan);
        }
    }
    return event != JSON_SCAN_FAILED;
}

/* The string of the last event; NULL when it is none, or holds U+0000, or there is no memory. */
static const char *take_string(struct reader *reader, enum json_scan_event event) {
    const struct json_scan_string *string = &reader->scan.string;
    if (event != JSON_SCAN_STRING) {
        return NULL;
    }
    char *copy = arena_alloc(reader->arena, string->text.len + 1);
    if (copy == NULL) {
        reader->no_memory = true;
        return NULL;
    }
    size_t length = json_scan_decode(string, copy);
    copy[length] = '\0';
    return strlen(copy) == length ? copy : NULL;
}

/* A traceparent or tracestate that is malformed is absent, as in a request. */
static const char *take_parent(struct reader *reader, const char *text) {
    char parent[TRACE_PARENT_BYTES_MAX + 1];
    if (text == NULL || !trace_parent_read(str_of(text), parent)) {
        return "";
    }
    const char *copy = arena_copy(reader->arena, parent, TRACE_PARENT_BYTES_MAX);
    reader->no_memory = reader->no_memory || copy == NULL;
    return copy;
}

static const char *take_state(struct reader *reader, const char *text) {
    struct trace_state state = { 0 };
    if (text == NULL) {
        return "";
    }
    trace_state_add(&state, str_of(text));
    const char *copy = arena_copy(reader->arena, state.text, state.length);
    reader->no_memory = reader->no_memory || copy == NULL;
    return copy;
}

/* The attributes that are looked at. */
enum attribute {
    SPECVERSION,
    ID,
    SOURCE,
    TYPE,
    TRACEPARENT,
    TRACESTATE,
    REQUESTID,
    DATA,
    ATTRIBUTE_COUNT
};

static const struct {
    struct str name;
    const char *missing;   /* NULL: it may be */
    const char *no_string; /* a string without U+0000, that is */
} ATTRIBUTES[ATTRIBUTE_COUNT] = {
    [SPECVERSION] = { STR("specversion"), "specversion is missing", "specversion is not \"1.0\"" },
    [ID] = { STR("id"), "id is missing", "id is not a string" },
    [SOURCE] = { STR("source"), "source is missing", "source is not a string" },
    [TYPE] = { STR("type"), "type is missing", "type is not a string" },
    [TRACEPARENT] = { STR("traceparent"), NULL, "traceparent is not a string" },
    [TRACESTATE] = { STR("tracestate"), NULL, "tracestate is not a string" },
    [REQUESTID] = { STR("requestid"), NULL, "requestid is not a string" },
    [DATA] = { STR("data"), "data is missing", NULL },
};

static enum attribute find_attribute(struct str name) {
    enum attribute at = 0;
    while (at < ATTRIBUTE_COUNT && !str_equal(name, ATTRIBUTES[at].name)) {
        at++;
    }
    return at;
}

static void check(struct event *event, bool wrong, const char *why) {
    if (wrong && event->why == NULL) {
        event->why = why;
    }
}

static void finish(struct reader *reader, struct event *event,
                   const char *const strings[ATTRIBUTE_COUNT]) {
    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
        bool there = i == DATA ? event->data.data != NULL : strings[i] != NULL;
        check(event, !there && ATTRIBUTES[i].missing != NULL, ATTRIBUTES[i].missing);
    }
    check(event, strings[SPECVERSION] != NULL && strcmp(strings[SPECVERSION], "1.0") != 0,
          ATTRIBUTES[SPECVERSION].no_string);
    check(event, strings[ID] != NULL && strings[ID][0] == '\0', "id is empty");
    check(event, strings[ID] != NULL && strlen(strings[ID]) > EVENT_ID_BYTES_MAX,
          "id is longer than 128 bytes");
    const char *request_id = strings[REQUESTID] == NULL ? "" : strings[REQUESTID];
    check(event, strlen(request_id) > TRACE_REQUEST_ID_BYTES_MAX,
          "requestid is longer than 128 bytes");
    event->type = strings[TYPE] == NULL ? "" : strings[TYPE];
    event->id = strings[ID] == NULL ? "" : strings[ID];
    event->trace.request_id = request_id;
    event->trace.parent = take_parent(reader, strings[TRACEPARENT]);
    event->trace.state = event->trace.parent == NULL || event->trace.parent[0] == '\0'
                             ? ""
                             : take_state(reader, strings[TRACESTATE]);
}

/*
 * The object that has just begun, up to its end. *ret_is_event: it has a member specversion. False:
 * malformed.
 */
static bool read_object(struct reader *reader, struct event *event, bool *ret_is_event) {
    struct json_scan *scan = &reader->scan;
    const char *strings[ATTRIBUTE_COUNT] = { NULL };
    unsigned seen = 0, outside = scan->depth - 1;
    const char *begin = scan->value;
    *event = (struct event){ 0 };
    for (;;) {
        enum json_scan_event value = json_scan_next(scan);
        if (value == JSON_SCAN_FAILED) {
            return false;
        }
        if (value == JSON_SCAN_CLOSE && scan->depth == outside) {
            break;
        }
        enum attribute at = find_attribute(scan->name.text);
        const char *value_begin = scan->value;
        if (at < ATTRIBUTE_COUNT && at != DATA && value != JSON_SCAN_NULL) {
            strings[at] = take_string(reader, value);
            check(event, strings[at] == NULL, ATTRIBUTES[at].no_string);
        }
        if (!skip(reader, value)) {
            return false;
        }
        if (at == DATA) {
            event->data = (struct str){ value_begin, (size_t)(scan->pos - value_begin) };
        }
        if (at < ATTRIBUTE_COUNT) {
            check(event, (seen & 1u << at) != 0, "an attribute occurs twice");
            seen |= 1u << at;
        }
    }
    event->whole = (struct str){ begin, (size_t)(scan->pos - begin) };
    *ret_is_event = (seen & 1u << SPECVERSION) != 0;
    finish(reader, event, strings);
    return true;
}

static struct event *grow(struct reader *reader, struct event *events, size_t count) {
    bool full = count == 0 || (count >= EVENTS_INITIAL && (count & (count - 1)) == 0);
    if (!full) {
        return events;
    }
    struct event *more =
        arena_array(reader->arena, count == 0 ? EVENTS_INITIAL : 2 * count, sizeof(*more));
    if (more == NULL) {
        reader->no_memory = true;
    } else if (count > 0) {
        memcpy(more, events, count * sizeof(*more));
    }
    return more;
}

/* What is no object is an event that can never succeed, like one without attributes. */
static bool read_batch(struct reader *reader, struct event **ret_events, size_t *ret_count,
                       const char **ret_why) {
    struct event *events = NULL;
    size_t count = 0;
    for (;;) {
        bool is_event;
        enum json_scan_event value = json_scan_next(&reader->scan);
        if (value == JSON_SCAN_CLOSE) {
            break;
        }
        if (value != JSON_SCAN_FAILED && count == EVENT_COUNT_MAX) {
            *ret_why = "more than 1000 events";
            reader->is_too_large = true;
            return false;
        }
        events = value == JSON_SCAN_FAILED ? events : grow(reader, events, count);
        if (value == JSON_SCAN_FAILED || events == NULL) {
            return false;
        }
        const char *begin = reader->scan.value;
        if (value == JSON_SCAN_OBJECT) {
            if (!read_object(reader, &events[count], &is_event)) {
                return false;
            }
        } else {
            if (!skip(reader, value)) {
                return false;
            }
            events[count] =
                (struct event){ .type = "",
                                .id = "",
                                .why = "an event is no object",
                                .trace = { "", "", "" },
                                .whole = { begin, (size_t)(reader->scan.pos - begin) } };
        }
        count++;
    }
    *ret_events = events;
    *ret_count = count;
    return json_scan_next(&reader->scan) == JSON_SCAN_END;
}

static struct event bare_event(const struct broker_message *message) {
    struct str body = { message->body, message->body_length };
    return (struct event){ .type = message->event_type,
                           .id = message->message_id,
                           .trace = message->trace,
                           .data = body,
                           .whole = body };
}

/* One structured event, else bare data, be it well-formed or not. */
static enum err read_lone(struct reader *reader, const struct broker_message *message,
                          struct event **ret_events, size_t *ret_count) {
    struct event *event = grow(reader, NULL, 0);
    bool is_event = false;
    if (event == NULL) {
        return ERR_NO_MEMORY;
    }
    bool is_object =
        message->event_type == NULL && json_scan_next(&reader->scan) == JSON_SCAN_OBJECT;
    if (!is_object || !read_object(reader, event, &is_event) ||
        json_scan_next(&reader->scan) != JSON_SCAN_END || !is_event) {
        *event = bare_event(message);
    }
    *ret_events = event;
    *ret_count = 1;
    return reader->no_memory ? ERR_NO_MEMORY : ERR_OK;
}

enum err event_read(struct arena *arena, const struct broker_message *message,
                    struct event **ret_events, size_t *ret_count, const char **ret_why) {
    static const struct json_scan_limits LIMITS = { .depth_max = DEPTH_MAX,
                                                    .values_max = VALUES_MAX };
    struct reader reader = { .arena = arena };
    struct str body = { message->body, message->body_length };
    json_scan_init(&reader.scan, body, &LIMITS, &reader.error);
    size_t blank = strspn(message->body, " \t\r\n");
    if (message->event_type != NULL || message->body[blank] != '[') {
        return read_lone(&reader, message, ret_events, ret_count);
    }
    (void)json_scan_next(&reader.scan); /* the array */
    *ret_why = "the batch is not JSON";
    bool is_batch = read_batch(&reader, ret_events, ret_count, ret_why);
    if (reader.no_memory) {
        return ERR_NO_MEMORY;
    }
    if (reader.is_too_large) {
        return ERR_TOO_LARGE;
    }
    return is_batch ? ERR_OK : ERR_INVALID;
}

/* ---- out as it was ---- */

/* Data that a version before has stored for sending, as it sends it. */
static bool is_bare_already(struct str data) {
    static const struct str LAST = STR(",\"timestamp\":\"");
    size_t value_and_end = CLOCK_RFC3339_BYTES - 1 + strlen("\"}");
    return data.len > LAST.len + value_and_end &&
           memcmp(data.data + data.len - value_and_end - LAST.len, LAST.data, LAST.len) == 0;
}

enum err event_write_bare(struct arena *arena, struct str event, int64_t now_ms, struct buf *out) {
    static const struct json_scan_limits LIMITS = { .depth_max = DEPTH_MAX,
                                                    .values_max = VALUES_MAX };
    struct reader reader = { .arena = arena };
    struct event parts;
    char timestamp[CLOCK_RFC3339_BYTES];
    bool is_event = false;
    json_scan_init(&reader.scan, event, &LIMITS, &reader.error);
    if (json_scan_next(&reader.scan) != JSON_SCAN_OBJECT ||
        !read_object(&reader, &parts, &is_event) || !is_event || parts.why != NULL ||
        parts.data.len < 3) {
        return ERR_INVALID;
    }
    if (is_bare_already(parts.data)) {
        buf_append(out, parts.data.data, parts.data.len);
        return reader.no_memory ? ERR_NO_MEMORY : ERR_OK;
    }
    buf_append(out, parts.data.data, parts.data.len - 1);
    buf_append_str(out, ",\"requestId\":");
    json_write_quoted(out, parts.trace.request_id, strlen(parts.trace.request_id));
    clock_format_rfc3339(now_ms, timestamp);
    buf_appendf(out, ",\"timestamp\":\"%s\"}", timestamp);
    return reader.no_memory ? ERR_NO_MEMORY : ERR_OK;
}
