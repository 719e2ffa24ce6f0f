/* One AMQP connection: connect, log in; then frames and heartbeats. */
#include "private.h"

#include "base/clock.h"

#include <amqp_tcp_socket.h>
#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_BYTES = 8, SHORT_TEXT_BYTES = 200 };

enum err link_init(struct link *link, struct link_owner *owner) {
    *link = (struct link){ .owner = owner, .fd = -1 };
    buf_init(&link->out, 0);
    link->in = malloc(LINK_READ_BYTES);
    return link->in == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void link_done(struct link *link) {
    link_close(link);
    buf_free(&link->out);
    free(link->in);
    link->in = NULL;
}

enum err link_fail(struct link *link, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(link->reason, sizeof(link->reason), format, args);
    va_end(args);
    return ERR_UNAVAILABLE;
}

void link_clear_wake(const struct link_owner *owner) {
    uint64_t count;
    ssize_t got = read(owner->wake_fd, &count, sizeof(count)); /* EAGAIN: nobody signalled */
    (void)got;
}

amqp_table_entry_t link_text_entry(const char *key, const char *value) {
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value) },
    };
}

/* ---- connecting ---- */

static void publish_socket_fd(struct link_owner *owner, int fd) {
    pthread_mutex_lock(&owner->lock);
    owner->socket_fd = fd;
    pthread_mutex_unlock(&owner->lock);
}

void link_interrupt(struct link_owner *owner) {
    pthread_mutex_lock(&owner->lock);
    if (owner->socket_fd >= 0) {
        shutdown(owner->socket_fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&owner->lock);
}

/* Wait for a connect() under way: 0, ETIMEDOUT, ECANCELED (closing), or what the socket says. */
static int wait_connected(const struct link_owner *owner, int fd) {
    uint64_t deadline_ms = clock_monotonic_ms() + owner->options->rpc_timeout_ms;
    struct pollfd fds[2] = { { .fd = fd, .events = POLLOUT },
                             { .fd = owner->wake_fd, .events = POLLIN } };
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        if (now_ms >= deadline_ms) {
            return ETIMEDOUT;
        }
        poll(fds, 2, (int)(deadline_ms - now_ms));
        if (owner->closing) {
            return ECANCELED;
        }
        if (fds[1].revents != 0) {
            link_clear_wake(owner);
        }
        if (fds[0].revents != 0) {
            int error = 0;
            socklen_t length = sizeof(error);
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
            return error;
        }
    }
}

/* A connected socket in *ret_fd and 0, or errno. */
static int connect_address(const struct link_owner *owner, const struct addrinfo *address,
                           int *ret_fd) {
    int one = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int error = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        error = errno == EINPROGRESS ? wait_connected(owner, fd) : errno;
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *ret_fd = fd;
    return 0;
}

static enum err connect_socket(struct link *link) {
    const struct amqp_connection_info *target = link->owner->target;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *addresses = NULL;
    char port[PORT_BYTES];
    snprintf(port, sizeof(port), "%d", target->port);
    int rc = getaddrinfo(target->host, port, &hints, &addresses);
    if (rc != 0) {
        return link_fail(link, "resolve %s: %s", target->host, gai_strerror(rc));
    }
    int error = EADDRNOTAVAIL;
    for (struct addrinfo *address = addresses;
         address != NULL && link->fd < 0 && error != ECANCELED; address = address->ai_next) {
        error = connect_address(link->owner, address, &link->fd);
    }
    freeaddrinfo(addresses);
    if (error == ECANCELED) {
        return ERR_DRAINING;
    }
    if (error != 0) {
        return link_fail(link, "connect to %s:%s: %s", target->host, port, strerror(error));
    }
    publish_socket_fd(link->owner, link->fd);
    return link->owner->closing ? ERR_DRAINING : ERR_OK; /* from here on, interruptible */
}

/* ---- login ---- */

static amqp_table_entry_t yes_entry(const char *key) {
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1 },
    };
}

static amqp_rpc_reply_t log_in(struct link *link) {
    const struct amqp_connection_info *target = link->owner->target;
    char name[SHORT_TEXT_BYTES];
    snprintf(name, sizeof(name), "%s %s", link->owner->options->connection_name, link->owner->name);

    amqp_table_entry_t capabilities[] = { yes_entry("connection.blocked"),
                                          yes_entry("consumer_cancel_notify"),
                                          yes_entry("publisher_confirms"),
                                          yes_entry("basic.nack") };
    amqp_table_entry_t properties[] = {
        link_text_entry("connection_name", name),
        { .key = amqp_cstring_bytes("capabilities"),
          .value = { .kind = AMQP_FIELD_KIND_TABLE, .value.table = { 4, capabilities } } },
    };
    amqp_table_t table = { 2, properties };
    return amqp_login_with_properties(link->amqp, target->vhost, LINK_CHANNEL_MAX,
                                      LINK_FRAME_BYTES_MAX, (int)link->owner->options->heartbeat_s,
                                      &table, AMQP_SASL_METHOD_PLAIN, target->user,
                                      target->password);
}

/* rabbitmq-c gets a duplicate: it closes its descriptor when it likes, ours stays valid. */
static enum err give_socket(struct link *link) {
    uint32_t timeout_ms = link->owner->options->rpc_timeout_ms;
    struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    link->amqp = amqp_new_connection();
    amqp_socket_t *tcp = link->amqp == NULL ? NULL : amqp_tcp_socket_new(link->amqp);
    int fd = tcp == NULL ? -1 : fcntl(link->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return link_fail(link, "no memory or descriptor for a connection");
    }
    amqp_tcp_socket_set_sockfd(tcp, fd);
    if (amqp_set_handshake_timeout(link->amqp, &timeout) != AMQP_STATUS_OK ||
        amqp_set_rpc_timeout(link->amqp, &timeout) != AMQP_STATUS_OK) {
        return link_fail(link, "invalid timeout");
    }
    return ERR_OK;
}

/* ---- open and close ---- */

static enum err start_session(struct link *link) {
    enum err err = connect_socket(link);
    if (err == ERR_OK) {
        err = give_socket(link);
    }
    if (err == ERR_OK) {
        err = link_check(link, "login", log_in(link));
    }
    if (err != ERR_OK) {
        return err;
    }
    link->frame_bytes_max = (size_t)amqp_get_frame_max(link->amqp);
    if (link->frame_bytes_max < LINK_FRAME_BYTES_MIN) {
        return link_fail(link, "frame_max %zu is below AMQP's minimum of %d", link->frame_bytes_max,
                         LINK_FRAME_BYTES_MIN);
    }
    link->heartbeat_ms = (uint64_t)amqp_get_heartbeat(link->amqp) * 1000;
    amqp_channel_open(link->amqp, LINK_CHANNEL);
    return link_check(link, "channel.open", amqp_get_rpc_reply(link->amqp));
}

enum err link_open(struct link *link) {
    link->reason[0] = '\0';
    link->closed_by_us = false;
    buf_clear(&link->out);
    enum err err = start_session(link);
    if (err != ERR_OK) {
        link_close(link);
        return link->owner->closing ? ERR_DRAINING : err;
    }
    link->sent_ms = clock_monotonic_ms();
    link->received_ms = link->sent_ms;
    return ERR_OK;
}

void link_close(struct link *link) {
    if (link->amqp != NULL) {
        amqp_destroy_connection(link->amqp);
        link->amqp = NULL;
    }
    if (link->fd >= 0) {
        publish_socket_fd(link->owner, -1);
        close(link->fd);
        link->fd = -1;
    }
}

/* ---- answers ---- */

static enum err fail_closed(struct link *link, const char *what, const char *which, uint16_t code,
                            amqp_bytes_t text) {
    return link_fail(link, "%s: broker closed the %s: %u %.*s", what, which, code, (int)text.len,
                     (const char *)text.bytes);
}

static enum err fail_method(struct link *link, const char *what, amqp_method_t method) {
    if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
        amqp_connection_close_t *close_method = method.decoded;
        return fail_closed(link, what, "connection", close_method->reply_code,
                           close_method->reply_text);
    }
    if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *close_method = method.decoded;
        return fail_closed(link, what, "channel", close_method->reply_code,
                           close_method->reply_text);
    }
    return link_fail(link, "%s: unexpected %s", what, amqp_method_name(method.id));
}

enum err link_check(struct link *link, const char *what, amqp_rpc_reply_t reply) {
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL: return ERR_OK;
    case AMQP_RESPONSE_SERVER_EXCEPTION: return fail_method(link, what, reply.reply);
    default: return link_fail(link, "%s: %s", what, amqp_error_string2(reply.library_error));
    }
}

/* Pass one frame on, and give its memory back. */
static enum err take_frame(struct link *link, const amqp_frame_t *frame, link_frame_fn *fn,
                           void *ctx) {
    enum err err = ERR_OK;
    if (frame->frame_type != AMQP_FRAME_METHOD) {
        err = frame->frame_type == AMQP_FRAME_HEARTBEAT ? ERR_OK : fn(ctx, frame);
    } else if (frame->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD ||
               frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        err = fail_method(link, "session", frame->payload.method);
    } else if (frame->payload.method.id == AMQP_CONNECTION_CLOSE_OK_METHOD) {
        link->closed_by_us = true;
    } else {
        err = fn(ctx, frame);
    }
    amqp_maybe_release_buffers_on_channel(link->amqp, frame->channel);
    return err;
}

enum err link_drain_setup(struct link *link, link_frame_fn *fn, void *ctx) {
    struct timeval now = { 0, 0 };
    while (amqp_frames_enqueued(link->amqp) || amqp_data_in_buffer(link->amqp)) {
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(link->amqp, &frame, &now);
        if (status == AMQP_STATUS_TIMEOUT) {
            return ERR_OK; /* half a frame: the decoder keeps it */
        }
        if (status != AMQP_STATUS_OK) {
            return link_fail(link, "read: %s", amqp_error_string2(status));
        }
        enum err err = take_frame(link, &frame, fn, ctx);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err decode(struct link *link, size_t length, link_frame_fn *fn, void *ctx) {
    amqp_bytes_t rest = { .len = length, .bytes = link->in };
    while (rest.len > 0) {
        amqp_frame_t frame;
        int used = amqp_handle_input(link->amqp, rest, &frame);
        if (used < 0) {
            return link_fail(link, "decode: %s", amqp_error_string2(used));
        }
        rest.bytes = (char *)rest.bytes + used;
        rest.len -= (size_t)used;
        enum err err = frame.frame_type == 0 ? ERR_OK : take_frame(link, &frame, fn, ctx);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err link_read(struct link *link, link_frame_fn *fn, void *ctx) {
    enum { READS_MAX = 4 };
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t got = recv(link->fd, link->in, LINK_READ_BYTES, MSG_DONTWAIT);
        if (got == 0) {
            return link_fail(link, "broker closed the connection");
        }
        if (got < 0) {
            return errno == EAGAIN || errno == EINTR ? ERR_OK
                                                     : link_fail(link, "read: %s", strerror(errno));
        }
        link->received_ms = clock_monotonic_ms();
        enum err err = decode(link, (size_t)got, fn, ctx);
        if (err != ERR_OK || got < LINK_READ_BYTES) {
            return err;
        }
    }
    return ERR_OK;
}

/* ---- sending: frames into the buffer, the buffer into the socket ---- */

/* AMQP 0-9-1 §4.2.3: type, channel, size; payload; end octet. §4.2.6.1: content header. */
enum {
    FRAME_HEADER_BYTES = 7,
    FRAME_END_BYTES = 1,
    METHOD_ID_BYTES = 4,
    CONTENT_HEADER_BYTES = 12
};
enum { OUT_KEPT_BYTES = 1024 * 1024 };

static enum err no_room(struct link *link) {
    link->out.failed = false;
    enum err err = link_fail(link, "no memory for %zu bytes to send", buf_length(&link->out));
    (void)err;
    return ERR_NO_MEMORY;
}

static void frame_finish(struct link *link, char *frame, uint8_t type, amqp_channel_t channel,
                         size_t payload_bytes) {
    uint16_t channel_be = htons(channel);
    uint32_t size_be = htonl((uint32_t)payload_bytes);
    frame[0] = (char)type;
    memcpy(frame + 1, &channel_be, sizeof(channel_be));
    memcpy(frame + 3, &size_be, sizeof(size_be));
    frame[FRAME_HEADER_BYTES + payload_bytes] = (char)AMQP_FRAME_END;
    buf_commit(&link->out, FRAME_HEADER_BYTES + payload_bytes + FRAME_END_BYTES);
}

enum err link_put_method(struct link *link, amqp_channel_t channel, amqp_method_number_t id,
                         void *method) {
    char *frame = buf_reserve(&link->out, link->frame_bytes_max);
    if (frame == NULL) {
        return no_room(link);
    }
    char *payload = frame + FRAME_HEADER_BYTES;
    uint32_t id_be = htonl(id);
    memcpy(payload, &id_be, sizeof(id_be));
    amqp_bytes_t room = {
        .len = link->frame_bytes_max - FRAME_HEADER_BYTES - METHOD_ID_BYTES - FRAME_END_BYTES,
        .bytes = payload + METHOD_ID_BYTES,
    };
    int length = amqp_encode_method(id, method, room);
    assert(length >= 0); /* our methods are far smaller than any frame */
    frame_finish(link, frame, AMQP_FRAME_METHOD, channel, METHOD_ID_BYTES + (size_t)length);
    return ERR_OK;
}

static void put_content_header(struct link *link, char *frame, amqp_bytes_t properties,
                               uint64_t body_length) {
    char *payload = frame + FRAME_HEADER_BYTES;
    uint16_t class_be = htons(AMQP_BASIC_CLASS);
    uint16_t weight = 0;
    uint64_t length_be = htobe64(body_length);
    memcpy(payload, &class_be, sizeof(class_be));
    memcpy(payload + 2, &weight, sizeof(weight));
    memcpy(payload + 4, &length_be, sizeof(length_be));
    memcpy(payload + CONTENT_HEADER_BYTES, properties.bytes, properties.len);
    frame_finish(link, frame, AMQP_FRAME_HEADER, LINK_CHANNEL,
                 CONTENT_HEADER_BYTES + properties.len);
}

static enum err put_body(struct link *link, amqp_bytes_t body) {
    size_t piece_max = link->frame_bytes_max - FRAME_HEADER_BYTES - FRAME_END_BYTES;
    for (size_t at = 0; at < body.len;) {
        size_t piece = body.len - at < piece_max ? body.len - at : piece_max;
        char *frame = buf_reserve(&link->out, FRAME_HEADER_BYTES + piece + FRAME_END_BYTES);
        if (frame == NULL) {
            return no_room(link);
        }
        memcpy(frame + FRAME_HEADER_BYTES, (const char *)body.bytes + at, piece);
        frame_finish(link, frame, AMQP_FRAME_BODY, LINK_CHANNEL, piece);
        at += piece;
    }
    return ERR_OK;
}

size_t link_properties_bytes_max(const struct link *link) {
    return link->frame_bytes_max - FRAME_HEADER_BYTES - CONTENT_HEADER_BYTES - FRAME_END_BYTES;
}

enum err link_put_publish(struct link *link, amqp_basic_publish_t *publish, amqp_bytes_t properties,
                          amqp_bytes_t body) {
    size_t header_bytes =
        FRAME_HEADER_BYTES + CONTENT_HEADER_BYTES + properties.len + FRAME_END_BYTES;
    assert(properties.len <= link_properties_bytes_max(link));
    enum err err = link_put_method(link, LINK_CHANNEL, AMQP_BASIC_PUBLISH_METHOD, publish);
    if (err != ERR_OK) {
        return err;
    }
    char *frame = buf_reserve(&link->out, header_bytes);
    if (frame == NULL) {
        return no_room(link);
    }
    put_content_header(link, frame, properties, body.len);
    return put_body(link, body);
}

enum err link_flush(struct link *link) {
    while (buf_length(&link->out) > 0) {
        ssize_t sent = send(link->fd, buf_bytes(&link->out), buf_length(&link->out),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN ? ERR_OK : link_fail(link, "write: %s", strerror(errno));
        }
        buf_consume(&link->out, (size_t)sent);
        link->sent_ms = clock_monotonic_ms();
    }
    if (link->out.capacity > OUT_KEPT_BYTES) {
        buf_free(&link->out);
    }
    return ERR_OK;
}

/* ---- heartbeats (AMQP 0-9-1 §4.2.7): one each half interval; two missed end it ---- */

static enum err keep_alive(struct link *link, uint64_t now_ms, bool readable) {
    if (link->heartbeat_ms == 0) {
        return ERR_OK;
    }
    /* Bytes that wait to be read are a sign of life, however late this thread comes to them. */
    if (!readable && now_ms - link->received_ms >= 2 * link->heartbeat_ms) {
        return link_fail(link, "no heartbeat for %llu ms",
                         (unsigned long long)(now_ms - link->received_ms));
    }
    if (now_ms - link->sent_ms >= link->heartbeat_ms / 2 && buf_length(&link->out) == 0) {
        char *frame = buf_reserve(&link->out, FRAME_HEADER_BYTES + FRAME_END_BYTES);
        if (frame == NULL) {
            return no_room(link);
        }
        frame_finish(link, frame, AMQP_FRAME_HEARTBEAT, 0, 0);
        return link_flush(link);
    }
    return ERR_OK;
}

static int wait_time(const struct link *link, uint64_t now_ms, uint64_t until_ms) {
    uint64_t due_ms = until_ms;
    if (link->heartbeat_ms > 0) {
        uint64_t lost_ms = link->received_ms + 2 * link->heartbeat_ms;
        uint64_t beat_ms = link->sent_ms + link->heartbeat_ms / 2;
        due_ms = lost_ms < due_ms ? lost_ms : due_ms;
        if (buf_length(&link->out) == 0 && beat_ms < due_ms) {
            due_ms = beat_ms;
        }
    }
    if (due_ms <= now_ms) {
        return 0;
    }
    return due_ms - now_ms > 60000 ? 60000 : (int)(due_ms - now_ms);
}

enum err link_wait(struct link *link, uint64_t until_ms, bool *ret_readable) {
    bool pending = buf_length(&link->out) > 0;
    struct pollfd fds[2] = {
        { .fd = link->fd, .events = (short)(pending ? POLLIN | POLLOUT : POLLIN) },
        { .fd = link->owner->wake_fd, .events = POLLIN },
    };
    int ready = poll(fds, 2, wait_time(link, clock_monotonic_ms(), until_ms));
    if (ready < 0) {
        fds[0].revents = 0;
        fds[1].revents = 0;
    }
    if (fds[1].revents != 0) {
        link_clear_wake(link->owner);
    }
    if ((fds[0].revents & POLLOUT) != 0) {
        enum err err = link_flush(link);
        if (err != ERR_OK) {
            return err;
        }
    }
    *ret_readable = (fds[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
    return keep_alive(link, clock_monotonic_ms(), *ret_readable);
}

static enum err drop_frame(void *ctx, const amqp_frame_t *frame) {
    (void)ctx;
    (void)frame;
    return ERR_OK;
}

void link_say_goodbye(struct link *link, uint64_t deadline_ms) {
    amqp_connection_close_t close_method = {
        .reply_code = AMQP_REPLY_SUCCESS,
        .reply_text = amqp_cstring_bytes("closing"),
    };
    enum err err = link_put_method(link, 0, AMQP_CONNECTION_CLOSE_METHOD, &close_method);
    if (err == ERR_OK) {
        err = link_flush(link);
    }
    while (err == ERR_OK && !link->closed_by_us && clock_monotonic_ms() < deadline_ms) {
        bool readable = false;
        err = link_wait(link, deadline_ms, &readable);
        if (err == ERR_OK && readable) {
            err = link_read(link, drop_frame, NULL);
        }
    }
}
