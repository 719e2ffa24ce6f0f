/*
 * A scripted RabbitMQ for unit tests: the server's side of AMQP 0-9-1 on a loopback socket.
 *
 * It answers the set-up (login, declarations, channels, confirm mode, consumers) by itself and
 * notes it in `trace`; what matters to a test comes out of fake_next() as an event, and the test
 * says what the broker answers. It runs in a thread of its own. Anything unexpected fails the test.
 */
#ifndef FAKE_AMQP_H
#define FAKE_AMQP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_TRACE_BYTES = 8192, FAKE_BODY_BYTES_MAX = 2200000, FAKE_FRAME_BYTES_MAX = 131072 };

struct fake_server {
    int listener;
    int port;
    uint16_t heartbeat_s;         /* proposed by us */
    uint32_t frame_bytes_max;     /* likewise; 0: FAKE_FRAME_BYTES_MAX */
    const char *refuse_queue;     /* queue.declare of it is answered with 406, unless passive … */
    const char *refusal;          /* … with this text; NULL: one that nobody understands, once */
    _Atomic bool is_mute;         /* basic.consume is not answered */
    const char *queue_type;       /* that queues are declared with; NULL: "quorum" */
    char trace[FAKE_TRACE_BYTES]; /* "exchange.declare events\nqueue.declare …\n" */
};

enum fake_kind { FAKE_PUBLISH, FAKE_ACK, FAKE_REJECT, FAKE_HEARTBEAT, FAKE_END };

struct fake_event {
    enum fake_kind kind;
    uint16_t channel;
    uint64_t tag;  /* publish: counted by us from 1 */
    bool multiple; /* ack */
    char exchange[256];
    char routing_key[256];
    size_t properties_length;
    unsigned char properties[FAKE_FRAME_BYTES_MAX];
    size_t body_length;
    char body[FAKE_BODY_BYTES_MAX];
};

struct fake_connection {
    struct fake_server *server;
    int fd;
    char name[128];      /* connection_name of the client */
    bool channel_closed; /* by us, and the client has not said channel.close-ok */
    uint64_t published;
    struct fake_event event; /* of the last fake_next() */
};

void fake_listen(struct fake_server *server);
void fake_unlisten(struct fake_server *server); /* harmless to repeat */
/* Is `text` in the trace? */
bool fake_saw(const struct fake_server *server, const char *text);

/* Wait for a client and answer its set-up: up to confirm.select or the first basic.consume. */
struct fake_connection *fake_accept(struct fake_server *server);
void fake_close(struct fake_connection *connection);

/* The next event; at most five seconds away, or the test fails. FAKE_END: the client has gone. */
const struct fake_event *fake_next(struct fake_connection *connection);
/* The next one that is no heartbeat; fails unless it is of `kind`. */
const struct fake_event *fake_expect(struct fake_connection *connection, enum fake_kind kind);
bool fake_is_silent(struct fake_connection *connection, int wait_ms); /* nothing to read */
/* Does the property list of `event` contain these bytes? */
bool fake_has_property(const struct fake_event *event, const char *text);

/* What a broker says. */
void fake_confirm(struct fake_connection *connection, uint64_t tag, bool multiple, bool ack);
void fake_return(struct fake_connection *connection, const char *routing_key,
                 const char *message_id);
void fake_block(struct fake_connection *connection, const char *reason);
void fake_unblock(struct fake_connection *connection);
void fake_cancel(struct fake_connection *connection, uint16_t channel);
/* basic.consume-ok, for one that was not answered. */
void fake_consume_ok(struct fake_connection *connection, uint16_t channel);
void fake_heartbeat(struct fake_connection *connection);
/* `message_id` NULL: none. */
void fake_deliver(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                  const char *message_id, const char *body, size_t body_length);
/* The same with headers "h0", "h1", … of `header_bytes` each, and without an id. */
void fake_deliver_headers(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                          unsigned headers, size_t header_bytes);
/* The same with the headers traceparent and tracestate; NULL: without. */
void fake_deliver_trace(struct fake_connection *connection, uint16_t channel, uint64_t tag,
                        const char *traceparent, const char *tracestate);

#endif
