/* The sending half of a link: frames into the buffer, the buffer into the socket, heartbeats. */
#include "connection.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

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
