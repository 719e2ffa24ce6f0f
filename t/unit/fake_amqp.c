#include "fake_amqp.h"

#include <arpa/inet.h>
#include <check.h>
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 5000,
    FRAME_METHOD = 1,
    FRAME_HEADER = 2,
    FRAME_BODY = 3,
    FRAME_HEARTBEAT = 8
};
enum { CLASS_BASIC = 60 };

/* Class id << 16 | method id. */
enum {
    CONNECTION_START = 10 << 16 | 10,
    CONNECTION_START_OK = 10 << 16 | 11,
    CONNECTION_TUNE = 10 << 16 | 30,
    CONNECTION_TUNE_OK = 10 << 16 | 31,
    CONNECTION_OPEN = 10 << 16 | 40,
    CONNECTION_OPEN_OK = 10 << 16 | 41,
    CONNECTION_CLOSE = 10 << 16 | 50,
    CONNECTION_CLOSE_OK = 10 << 16 | 51,
    CONNECTION_BLOCKED = 10 << 16 | 60,
    CONNECTION_UNBLOCKED = 10 << 16 | 61,
    CHANNEL_OPEN = 20 << 16 | 10,
    CHANNEL_OPEN_OK = 20 << 16 | 11,
    CHANNEL_CLOSE = 20 << 16 | 40,
    CHANNEL_CLOSE_OK = 20 << 16 | 41,
    EXCHANGE_DECLARE = 40 << 16 | 10,
    EXCHANGE_DECLARE_OK = 40 << 16 | 11,
    QUEUE_DECLARE = 50 << 16 | 10,
    QUEUE_DECLARE_OK = 50 << 16 | 11,
    QUEUE_BIND = 50 << 16 | 20,
    QUEUE_BIND_OK = 50 << 16 | 21,
    BASIC_QOS = 60 << 16 | 10,
    BASIC_QOS_OK = 60 << 16 | 11,
    BASIC_CONSUME = 60 << 16 | 20,
    BASIC_CONSUME_OK = 60 << 16 | 21,
    BASIC_CANCEL = 60 << 16 | 30,
    BASIC_PUBLISH = 60 << 16 | 40,
    BASIC_RETURN = 60 << 16 | 50,
    BASIC_DELIVER = 60 << 16 | 60,
    BASIC_ACK = 60 << 16 | 80,
    BASIC_REJECT = 60 << 16 | 90,
    BASIC_NACK = 60 << 16 | 120,
    CONFIRM_SELECT = 85 << 16 | 10,
    CONFIRM_SELECT_OK = 85 << 16 | 11,
};

/* ---- writing ---- */

struct writer {
    size_t length;
    unsigned char bytes[4096];
};

static void put(struct writer *writer, const void *bytes, size_t length) {
    ck_assert_uint_le(writer->length + length, sizeof(writer->bytes));
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

static void put8(struct writer *writer, uint8_t value) {
    put(writer, &value, 1);
}

static void put16(struct writer *writer, uint16_t value) {
    value = htons(value);
    put(writer, &value, 2);
}

static void put32(struct writer *writer, uint32_t value) {
    value = htonl(value);
    put(writer, &value, 4);
}

static void put64(struct writer *writer, uint64_t value) {
    value = htobe64(value);
    put(writer, &value, 8);
}

static void put_short(struct writer *writer, const char *text) {
    put8(writer, (uint8_t)strlen(text));
    put(writer, text, strlen(text));
}

static void put_long(struct writer *writer, const char *text) {
    put32(writer, (uint32_t)strlen(text));
    put(writer, text, strlen(text));
}

static void send_bytes(struct fake_connection *connection, const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the client has gone: the next read says so */
        }
        bytes = (const char *)bytes + sent;
        length -= (size_t)sent;
    }
}

static void send_frame(struct fake_connection *connection, uint8_t type, uint16_t channel,
                       const void *payload, size_t length) {
    struct writer head = { 0 };
    put8(&head, type);
    put16(&head, channel);
    put32(&head, (uint32_t)length);
    send_bytes(connection, head.bytes, head.length);
    send_bytes(connection, payload, length);
    send_bytes(connection, "\xce", 1);
}

static struct writer method(uint32_t id) {
    struct writer writer = { 0 };
    put32(&writer, id);
    return writer;
}

static void send_method(struct fake_connection *connection, uint16_t channel,
                        const struct writer *writer) {
    send_frame(connection, FRAME_METHOD, channel, writer->bytes, writer->length);
}

static void send_plain(struct fake_connection *connection, uint16_t channel, uint32_t id) {
    struct writer writer = method(id);
    send_method(connection, channel, &writer);
}

static size_t frame_bytes_max(const struct fake_connection *connection) {
    uint32_t proposed = connection->server->frame_bytes_max;
    return proposed > 0 ? proposed : FAKE_FRAME_BYTES_MAX;
}

/* ---- reading ---- */

struct frame {
    uint8_t type;
    uint16_t channel;
    uint32_t length;
    unsigned char payload[FAKE_FRAME_BYTES_MAX + 1];
};

/* False: the client has gone. */
static bool read_bytes(struct fake_connection *connection, void *bytes, size_t length) {
    while (length > 0) {
        struct pollfd fd = { .fd = connection->fd, .events = POLLIN };
        ck_assert_msg(poll(&fd, 1, PATIENCE_MS) == 1, "fake: the client says nothing");
        ssize_t got = recv(connection->fd, bytes, length, 0);
        if (got <= 0) {
            return false;
        }
        bytes = (char *)bytes + got;
        length -= (size_t)got;
    }
    return true;
}

static uint16_t get16(const unsigned char *from) {
    return (uint16_t)(from[0] << 8 | from[1]);
}

static uint32_t get32(const unsigned char *from) {
    return (uint32_t)get16(from) << 16 | get16(from + 2);
}

static uint64_t get64(const unsigned char *from) {
    return (uint64_t)get32(from) << 32 | get32(from + 4);
}

/* A short string at `from` into `text` (256 bytes); what comes behind it. */
static const unsigned char *get_short(const unsigned char *from, char *text) {
    memcpy(text, from + 1, from[0]);
    text[from[0]] = '\0';
    return from + 1 + from[0];
}

static bool read_frame(struct fake_connection *connection, struct frame *frame) {
    unsigned char head[7];
    unsigned char end = 0;
    if (!read_bytes(connection, head, sizeof(head))) {
        return false;
    }
    frame->type = head[0];
    frame->channel = get16(head + 1);
    frame->length = get32(head + 3);
    ck_assert_uint_le(frame->length, frame_bytes_max(connection) - 8);
    if (!read_bytes(connection, frame->payload, frame->length) ||
        !read_bytes(connection, &end, 1)) {
        return false;
    }
    frame->payload[frame->length] = '\0';
    ck_assert_uint_eq(end, 0xce);
    return true;
}

/* ---- set-up ---- */

static void note_line(struct fake_server *server, const char *line) {
    size_t length = strlen(server->trace);
    snprintf(server->trace + length, sizeof(server->trace) - length, "%s\n", line);
}

static void note_number(struct fake_server *server, const char *what, int number) {
    char line[64];
    snprintf(line, sizeof(line), "%s %d", what, number);
    note_line(server, line);
}

static void note(struct fake_server *server, const char *what, const unsigned char *from,
                 size_t names) {
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", what);
    for (size_t i = 0; i < names; i++) {
        char text[256];
        from = get_short(from, text);
        used += (size_t)snprintf(line + used, sizeof(line) - used, " %s", text);
    }
    note_line(server, line);
}

static void start(struct fake_connection *connection) {
    char hello[8];
    ck_assert(read_bytes(connection, hello, sizeof(hello)));
    ck_assert_mem_eq(hello, "AMQP\0\0\x09\x01", sizeof(hello));
    struct writer writer = method(CONNECTION_START);
    put8(&writer, 0);
    put8(&writer, 9);
    put32(&writer, 0); /* no properties */
    put_long(&writer, "PLAIN");
    put_long(&writer, "en_US");
    send_method(connection, 0, &writer);
}

static void on_start_ok(struct fake_connection *connection, const struct frame *frame) {
    static const char *const promised[] = { "connection.blocked", "consumer_cancel_notify",
                                            "publisher_confirms" };
    for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++) {
        ck_assert_msg(memmem(frame->payload, frame->length, promised[i], strlen(promised[i])) !=
                          NULL,
                      "client does not declare %s", promised[i]);
    }
    bool consumer = memmem(frame->payload, frame->length, "unit consumer", 13) != NULL;
    snprintf(connection->name, sizeof(connection->name), "%s", consumer ? "consumer" : "publisher");
    struct writer writer = method(CONNECTION_TUNE);
    put16(&writer, 16);
    put32(&writer, (uint32_t)frame_bytes_max(connection));
    put16(&writer, connection->server->heartbeat_s);
    send_method(connection, 0, &writer);
}

/* "x-queue-type" with a long string (§4.2.5.5), and no other of its kind. */
static void check_queue_type(const struct fake_server *server, const struct frame *frame) {
    const char *type = server->queue_type == NULL ? "quorum" : server->queue_type;
    char expected[64];
    int length = snprintf(expected, sizeof(expected), "%cx-queue-typeS%c%c%c%c%s", 12, 0, 0, 0,
                          (int)strlen(type), type);
    ck_assert_msg(memmem(frame->payload, frame->length, expected, (size_t)length) != NULL,
                  "not declared as %s", type);
    ck_assert_ptr_null(memmem(frame->payload, frame->length, "x-delivery-limit", 16));
}

static bool refuses(struct fake_server *server, const char *name, bool passive) {
    if (passive || server->refuse_queue == NULL || strcmp(server->refuse_queue, name) != 0) {
        return false;
    }
    if (server->refusal == NULL) {
        server->refuse_queue = NULL;
    }
    return true;
}

static void on_queue_declare(struct fake_connection *connection, const struct frame *frame) {
    struct fake_server *server = connection->server;
    const unsigned char *arguments = frame->payload + 6;
    char name[256];
    const unsigned char *flags = get_short(arguments, name);
    bool passive = (*flags & 1) != 0;
    note(server, passive ? "queue.declare passive" : "queue.declare", arguments, 1);
    ck_assert_msg((*flags & 2) != 0, "%s is not durable", name);
    if (!passive) {
        check_queue_type(server, frame);
    }
    if (memmem(frame->payload, frame->length, "x-dead-letter-routing-key", 25) != NULL) {
        char dlq[300];
        const char *suffix = strstr(name, ".retry"); /* that queue's are the other's */
        size_t length = suffix == NULL ? strlen(name) : (size_t)(suffix - name);
        snprintf(dlq, sizeof(dlq), "%.*s.dlq", (int)length, name);
        ck_assert(memmem(frame->payload, frame->length, dlq, strlen(dlq)) != NULL);
        ck_assert(memmem(frame->payload, frame->length, "x-dead-letter-exchange", 22) != NULL);
        note(server, "dead-letters", arguments, 1);
    }
    struct writer writer = method(QUEUE_DECLARE_OK);
    if (refuses(server, name, passive)) {
        writer = method(CHANNEL_CLOSE);
        put16(&writer, 406);
        put_short(&writer, server->refusal != NULL ? server->refusal
                                                   : "PRECONDITION_FAILED - inequivalent arg");
        put32(&writer, QUEUE_DECLARE);
        connection->channel_closed = true;
    } else {
        put_short(&writer, name);
        put64(&writer, 0);
    }
    send_method(connection, frame->channel, &writer);
}

/* Answer a request of the set-up: true when it was one. */
static bool answer(struct fake_connection *connection, const struct frame *frame, uint32_t id) {
    struct writer writer;
    ck_assert_msg(!connection->channel_closed || id == CHANNEL_CLOSE_OK,
                  "fake: %u.%u on a channel that is closed", id >> 16, id & 0xffff);
    switch (id) {
    case CONNECTION_START_OK: on_start_ok(connection, frame); return true;
    case CONNECTION_TUNE_OK: return true;
    case CONNECTION_OPEN:
        writer = method(CONNECTION_OPEN_OK);
        put8(&writer, 0);
        break;
    case CHANNEL_OPEN:
        writer = method(CHANNEL_OPEN_OK);
        put32(&writer, 0);
        break;
    case EXCHANGE_DECLARE:
        note(connection->server, "exchange.declare", frame->payload + 6, 2);
        writer = method(EXCHANGE_DECLARE_OK);
        break;
    case CHANNEL_CLOSE_OK: connection->channel_closed = false; return true;
    case QUEUE_DECLARE: on_queue_declare(connection, frame); return true;
    case QUEUE_BIND:
        note(connection->server, "queue.bind", frame->payload + 6, 3);
        writer = method(QUEUE_BIND_OK);
        break;
    case BASIC_QOS:
        note_number(connection->server, "basic.qos", frame->payload[8] << 8 | frame->payload[9]);
        writer = method(BASIC_QOS_OK);
        break;
    case CONFIRM_SELECT: writer = method(CONFIRM_SELECT_OK); break;
    case BASIC_CONSUME:
        note(connection->server, "basic.consume", frame->payload + 6, 1);
        if (connection->server->is_mute) {
            return true;
        }
        writer = method(BASIC_CONSUME_OK);
        put_short(&writer, "ctag");
        break;
    case CONNECTION_CLOSE: writer = method(CONNECTION_CLOSE_OK); break;
    default: return false;
    }
    send_method(connection, frame->channel, &writer);
    return true;
}

void fake_listen(struct fake_server *server) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)server->port) };
    socklen_t length = sizeof(address);
    int one = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    ck_assert_int_eq(bind(server->listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(server->listener, 16), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
}

void fake_unlisten(struct fake_server *server) {
    if (server->listener >= 0) {
        close(server->listener);
        server->listener = -1;
    }
}

bool fake_saw(const struct fake_server *server, const char *text) {
    return strstr(server->trace, text) != NULL;
}

struct fake_connection *fake_accept(struct fake_server *server) {
    struct fake_connection *connection = calloc(1, sizeof(*connection));
    struct frame *frame = malloc(sizeof(*frame));
    struct pollfd fd = { .fd = server->listener, .events = POLLIN };
    uint32_t id = 0;
    int one = 1;
    ck_assert_msg(poll(&fd, 1, PATIENCE_MS) == 1, "fake: nobody connects");
    connection->server = server;
    connection->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    start(connection);
    while (id != CONFIRM_SELECT && id != BASIC_CONSUME) {
        if (!read_frame(connection, frame)) {
            break; /* gave up, for instance after a refusal: fake_next() says FAKE_END */
        }
        if (frame->type == FRAME_METHOD) {
            id = get32(frame->payload);
            ck_assert_msg(answer(connection, frame, id), "fake: %u.%u in the set-up", id >> 16,
                          id & 0xffff);
        }
    }
    free(frame);
    return connection;
}

void fake_close(struct fake_connection *connection) {
    close(connection->fd);
    free(connection);
}

/* ---- events ---- */

static void read_content(struct fake_connection *connection, struct frame *frame) {
    struct fake_event *event = &connection->event;
    ck_assert(read_frame(connection, frame));
    ck_assert_uint_eq(frame->type, FRAME_HEADER);
    uint64_t expected = get64(frame->payload + 4);
    ck_assert_uint_le(expected, FAKE_BODY_BYTES_MAX - 1);
    event->properties_length = frame->length - 12;
    memcpy(event->properties, frame->payload + 12, event->properties_length);
    for (event->body_length = 0; event->body_length < expected;) {
        ck_assert(read_frame(connection, frame));
        ck_assert_uint_eq(frame->type, FRAME_BODY);
        memcpy(event->body + event->body_length, frame->payload, frame->length);
        event->body_length += frame->length;
    }
    event->body[event->body_length] = '\0';
}

static void read_method(struct fake_connection *connection, struct frame *frame, uint32_t id) {
    struct fake_event *event = &connection->event;
    const unsigned char *from = frame->payload + 4;
    event->channel = frame->channel;
    switch (id) {
    case BASIC_PUBLISH:
        event->kind = FAKE_PUBLISH;
        event->tag = ++connection->published;
        from = get_short(from + 2, event->exchange);
        from = get_short(from, event->routing_key);
        ck_assert_uint_eq(*from & 1, 1); /* mandatory */
        read_content(connection, frame);
        return;
    case BASIC_ACK:
        event->kind = FAKE_ACK;
        event->tag = get64(from);
        event->multiple = from[8] == 1;
        return;
    case BASIC_REJECT:
        event->kind = FAKE_REJECT;
        event->tag = get64(from);
        ck_assert_uint_eq(from[8], 0); /* not requeued */
        return;
    default: ck_abort_msg("fake: unexpected method %u.%u", id >> 16, id & 0xffff);
    }
}

const struct fake_event *fake_next(struct fake_connection *connection) {
    struct frame *frame = malloc(sizeof(*frame));
    struct fake_event *event = &connection->event;
    event->kind = FAKE_END;
    while (read_frame(connection, frame)) {
        if (frame->type == FRAME_HEARTBEAT) {
            event->kind = FAKE_HEARTBEAT;
            break;
        }
        ck_assert_uint_eq(frame->type, FRAME_METHOD);
        uint32_t id = get32(frame->payload);
        if (!answer(connection, frame, id)) {
            read_method(connection, frame, id);
            break;
        }
    }
    free(frame);
    return event;
}

const struct fake_event *fake_expect(struct fake_connection *connection, enum fake_kind kind) {
    const struct fake_event *event = fake_next(connection);
    while (event->kind == FAKE_HEARTBEAT && kind != FAKE_HEARTBEAT) {
        event = fake_next(connection);
    }
    ck_assert_int_eq(event->kind, kind);
    return event;
}

bool fake_is_silent(struct fake_connection *connection, int wait_ms) {
    struct pollfd fd = { .fd = connection->fd, .events = POLLIN };
    return poll(&fd, 1, wait_ms) == 0;
}

bool fake_has_property(const struct fake_event *event, const char *text) {
    return memmem(event->properties, event->properties_length, text, strlen(text)) != NULL;
}

/* ---- what a broker says ---- */

void fake_confirm(struct fake_connection *connection, uint64_t tag, bool multiple, bool ack) {
    struct writer writer = method(ack ? BASIC_ACK : BASIC_NACK);
    put64(&writer, tag);
    put8(&writer, multiple ? 1 : 0);
    send_method(connection, 1, &writer);
}

static struct writer content_header(size_t body_length, uint16_t flags) {
    struct writer header = { 0 };
    put16(&header, CLASS_BASIC);
    put16(&header, 0);
    put64(&header, body_length);
    put16(&header, flags);
    return header;
}

static void send_content(struct fake_connection *connection, uint16_t channel,
                         const char *message_id, const char *body, size_t body_length) {
    enum { FLAG_MESSAGE_ID = 1 << 7 };
    struct writer header = content_header(body_length, message_id != NULL ? FLAG_MESSAGE_ID : 0);
    size_t piece_max = frame_bytes_max(connection) - 8;
    if (message_id != NULL) {
        put_short(&header, message_id);
    }
    send_frame(connection, FRAME_HEADER, channel, header.bytes, header.length);
    for (size_t at = 0; at < body_length;) {
        size_t piece = body_length - at < piece_max ? body_length - at : piece_max;
        send_frame(connection, FRAME_BODY, channel, body + at, piece);
        at += piece;
    }
}

void fake_return(struct fake_connection *connection, const char *routing_key,
                 const char *message_id) {
    struct writer writer = method(BASIC_RETURN);
    put16(&writer, 312);
    put_short(&writer, "NO_ROUTE");
    put_short(&writer, "events");
    put_short(&writer, routing_key);
    send_method(connection, 1, &writer);
    send_content(connection, 1, message_id, "{}", 2);
}

void fake_block(struct fake_connection *connection, const char *reason) {
    struct writer writer = method(CONNECTION_BLOCKED);
    put_short(&writer, reason);
    send_method(connection, 0, &writer);
}

void fake_unblock(struct fake_connection *connection) {
    send_plain(connection, 0, CONNECTION_UNBLOCKED);
}

void fake_cancel(struct fake_connection *connection, uint16_t channel) {
    struct writer writer = method(BASIC_CANCEL);
    put_short(&writer, "ctag");
    put8(&writer, 1);
    send_method(connection, channel, &writer);
}

void fake_consume_ok(struct fake_connection *connection, uint16_t channel) {
    struct writer writer = method(BASIC_CONSUME_OK);
    put_short(&writer, "ctag");
    send_method(connection, channel, &writer);
}

void fake_heartbeat(struct fake_connection *connection) {
    send_frame(connection, FRAME_HEARTBEAT, 0, "", 0);
}

static void send_deliver(struct fake_connection *connection, uint16_t channel, uint64_t tag) {
    struct writer writer = method(BASIC_DELIVER);
    put_short(&writer, "ctag");
    put64(&writer, tag);
    put8(&writer, 0);
    put_short(&writer, "events");
    put_short(&writer, "order.created");
    send_method(connection, channel, &writer);
}

void fake_deliver(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                  const char *message_id, const char *body, size_t body_length) {
    send_deliver(connection, channel, tag);
    send_content(connection, channel, message_id, body, body_length);
}

static void put_header(struct writer *table, const char *name, const char *value) {
    put_short(table, name);
    put8(table, 'S');
    put_long(table, value);
}

static void deliver_with(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                         const struct writer *table) {
    enum { FLAG_HEADERS = 1 << 13 };
    struct writer header = content_header(2, FLAG_HEADERS);
    put32(&header, (uint32_t)table->length);
    put(&header, table->bytes, table->length);
    ck_assert_uint_le(header.length, frame_bytes_max(connection) - 8);
    send_deliver(connection, channel, tag);
    send_frame(connection, FRAME_HEADER, channel, header.bytes, header.length);
    send_frame(connection, FRAME_BODY, channel, "{}", 2);
}

void fake_deliver_headers(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                          unsigned headers, size_t header_bytes) {
    struct writer table = { 0 };
    char value[4096] = "";
    memset(value, 'v', header_bytes);
    for (unsigned i = 0; i < headers; i++) {
        char name[16];
        snprintf(name, sizeof(name), "h%u", i);
        put_header(&table, name, value);
    }
    deliver_with(connection, channel, tag, &table);
}

void fake_deliver_trace(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                        const char *traceparent, const char *tracestate) {
    struct writer table = { 0 };
    if (tracestate != NULL) {
        put_header(&table, "tracestate", tracestate);
    }
    if (traceparent != NULL) {
        put_header(&table, "traceparent", traceparent);
    }
    deliver_with(connection, channel, tag, &table);
}
