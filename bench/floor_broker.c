/*
 * What RabbitMQ alone takes: messages of N events published to a quorum queue with confirms on one
 * connection, consumed and acknowledged on another, at once, as fast as it goes. One line of JSON.
 *
 * An event has the bytes of a real order.created. As many messages are unconfirmed as have 256
 * events in all, but at least 4; acknowledged is all that has come together, as the services do.
 */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    UNCONFIRMED_EVENTS = 256,
    UNCONFIRMED_MIN = 4,
    PREFETCH = 100,
    ACK_MAX = 32,
    EVENTS_MAX = 1000,
    CONFIRM_S_MAX = 30,
};
static const char QUEUE[] = "bench.floor";
static const char EVENT[] =
    "{\"specversion\":\"1.0\",\"id\":\"order.created-1234567-1796049838774\","
    "\"source\":\"/"
    "order-service\",\"type\":\"order.created\",\"subject\":\"1234567\",\"time\":\"2026-11-30T14:"
    "43:58.774Z\","
    "\"datacontenttype\":\"application/json\","
    "\"dataschema\":\"/asyncapi.json#/components/schemas/order.created\","
    "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
    "\"requestid\":\"e6281ef9-cc2d-463f-be1f-f7373760024f\",\"data\":{\"orderId\":1234567,"
    "\"productId\":1,\"quantity\":1,\"status\":\"waiting\",\"createdAt\":\"2026-11-30T14:43:58."
    "774Z\"}}";

static char *url;
static char *message;
static uint64_t window, published,
    consumed;     /* the last: of the consumer's thread until it is joined */
static bool done; /* nothing more is published */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void require(bool well, const char *what) {
    if (!well) {
        fprintf(stderr, "floor_broker: %s failed\n", what);
        exit(1);
    }
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void require_reply(amqp_connection_state_t link, const char *what) {
    require(amqp_get_rpc_reply(link).reply_type == AMQP_RESPONSE_NORMAL, what);
}

static amqp_connection_state_t open_link(void) {
    struct amqp_connection_info info;
    char *copy = strdup(url); /* what is parsed is changed, and pointed into until the login */
    require(copy != NULL && amqp_parse_url(copy, &info) == AMQP_STATUS_OK, "reading the URL");
    const char *vhost = info.vhost[0] == '\0' ? "/" : info.vhost;
    amqp_connection_state_t link = amqp_new_connection();
    amqp_socket_t *socket = link == NULL ? NULL : amqp_tcp_socket_new(link);
    require(socket != NULL && amqp_socket_open(socket, info.host, info.port) == AMQP_STATUS_OK,
            "connecting");
    amqp_rpc_reply_t reply = amqp_login(link, vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0,
                                        AMQP_SASL_METHOD_PLAIN, info.user, info.password);
    require(reply.reply_type == AMQP_RESPONSE_NORMAL, "the login");
    amqp_channel_open(link, 1);
    require_reply(link, "opening a channel");
    free(copy);
    return link;
}

static void declare_queue(amqp_connection_state_t link) {
    amqp_table_entry_t entry = { .key = amqp_cstring_bytes("x-queue-type"),
                                 .value = { .kind = AMQP_FIELD_KIND_UTF8,
                                            .value.bytes = amqp_cstring_bytes("quorum") } };
    amqp_table_t arguments = { .num_entries = 1, .entries = &entry };
    amqp_queue_delete(link, 1, amqp_cstring_bytes(QUEUE), 0, 0);
    require_reply(link, "deleting the queue");
    amqp_queue_declare(link, 1, amqp_cstring_bytes(QUEUE), 0, 1, 0, 0, arguments);
    require_reply(link, "declaring the queue");
}

/* ---- consuming, in a thread of its own ---- */

static bool all_is_consumed(void) {
    pthread_mutex_lock(&mutex);
    bool all = done && consumed >= published;
    pthread_mutex_unlock(&mutex);
    return all;
}

static void *consume(void *unused) {
    amqp_connection_state_t link = open_link();
    amqp_basic_qos(link, 1, 0, PREFETCH, 0);
    amqp_basic_consume(link, 1, amqp_cstring_bytes(QUEUE), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    require_reply(link, "consuming");
    uint64_t unacknowledged = 0;
    while (!all_is_consumed()) {
        amqp_envelope_t envelope;
        struct timeval wait = { .tv_usec = 20000 };
        amqp_maybe_release_buffers(link);
        amqp_rpc_reply_t reply = amqp_consume_message(link, &envelope, &wait, 0);
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
            reply.library_error == AMQP_STATUS_TIMEOUT) {
            continue;
        }
        require(reply.reply_type == AMQP_RESPONSE_NORMAL, "a delivery");
        consumed++;
        unacknowledged++;
        bool more = amqp_data_in_buffer(link) || amqp_frames_enqueued(link);
        if (!more || unacknowledged == ACK_MAX) {
            require(amqp_basic_ack(link, 1, envelope.delivery_tag, 1) == 0, "acknowledging");
            unacknowledged = 0;
        }
        amqp_destroy_envelope(&envelope);
    }
    amqp_connection_close(link, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(link);
    return unused;
}

/* ---- publishing ---- */

static uint64_t wait_for_confirm(amqp_connection_state_t link, uint64_t confirmed) {
    amqp_frame_t frame;
    struct timeval wait = { .tv_sec = CONFIRM_S_MAX };
    amqp_maybe_release_buffers(link);
    require(amqp_simple_wait_frame_noblock(link, &frame, &wait) == AMQP_STATUS_OK,
            "waiting for a confirm");
    require(frame.frame_type == AMQP_FRAME_METHOD &&
                frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
            "a confirm");
    const amqp_basic_ack_t *ack = frame.payload.method.decoded;
    return ack->multiple ? ack->delivery_tag : confirmed + 1;
}

/* One queue confirms in the order in which it was published to. */
static void publish(amqp_connection_state_t link, double seconds) {
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = amqp_cstring_bytes("application/cloudevents-batch+json"),
        .delivery_mode = 2,
        .type = amqp_cstring_bytes("order.created"),
        .app_id = amqp_cstring_bytes("order-service"),
    };
    amqp_bytes_t body = amqp_cstring_bytes(message);
    uint64_t confirmed = 0, sent = 0;
    double end_s = now_s() + seconds;
    while (now_s() < end_s) {
        while (sent - confirmed < window) {
            require(amqp_basic_publish(link, 1, amqp_empty_bytes, amqp_cstring_bytes(QUEUE), 0, 0,
                                       &properties, body) == AMQP_STATUS_OK,
                    "publishing");
            sent++;
        }
        confirmed = wait_for_confirm(link, confirmed);
    }
    while (confirmed < sent) {
        confirmed = wait_for_confirm(link, confirmed);
    }
    pthread_mutex_lock(&mutex);
    published = sent;
    done = true;
    pthread_mutex_unlock(&mutex);
}

static void build_message(unsigned long events) {
    size_t bytes = events * sizeof(EVENT) + 2, at = 0;
    message = malloc(bytes);
    require(message != NULL, "memory");
    for (unsigned long i = 0; i < events; i++) {
        at += (size_t)snprintf(message + at, bytes - at, "%c%s", i == 0 ? '[' : ',', EVENT);
    }
    snprintf(message + at, bytes - at, "]");
}

int main(int argc, char **argv) {
    unsigned long events = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    if (events < 1 || events > EVENTS_MAX || !(seconds > 0)) {
        fputs("Usage: floor_broker amqp://USER:PASSWORD@HOST:PORT/ EVENTS SECONDS\n\n"
              "Publishes and consumes messages of so many events (1 to 1000) on a quorum queue of "
              "its\n"
              "own, which is deleted afterwards.\n",
              stderr);
        return 2;
    }
    url = argv[1];
    build_message(events);
    window = events * UNCONFIRMED_MIN < UNCONFIRMED_EVENTS ? UNCONFIRMED_EVENTS / events
                                                           : UNCONFIRMED_MIN;
    amqp_connection_state_t link = open_link();
    declare_queue(link);
    amqp_confirm_select(link, 1);
    require_reply(link, "asking for confirms");
    pthread_t consumer;
    require(pthread_create(&consumer, NULL, consume, NULL) == 0, "starting a thread");
    double begin_s = now_s();
    publish(link, seconds);
    pthread_join(consumer, NULL);
    double took_s = now_s() - begin_s;
    amqp_queue_delete(link, 1, amqp_cstring_bytes(QUEUE), 0, 0);
    amqp_connection_close(link, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(link);
    printf("{\"events_per_message\":%lu,\"message_bytes\":%zu,\"messages\":%" PRIu64
           ",\"messages_per_s\":%.1f,\"events_per_s\":%.1f}\n",
           events, strlen(message), consumed, (double)consumed / took_s,
           (double)(consumed * events) / took_s);
    free(message);
    return 0;
}
