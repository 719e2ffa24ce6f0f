/* Reading dead letters, and publishing copies of them. */
#include "letters.h"

#include "admin.h"

#include "base/arena.h"
#include "contract/contract.h"
#include "runtime/broker/broker.h"

#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNEL = 1, HEARTBEAT_S = 0, /* a person may think before an answer */ NAME_BYTES = 256 };

/* ---- the broker ---- */

static bool is_ok(amqp_rpc_reply_t reply, const char *what) {
    const char *why = "no answer";
    char text[LETTERS_TEXT_BYTES];
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        return true;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        why = amqp_error_string2(reply.library_error);
    } else if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *close = reply.reply.decoded;
        snprintf(text, sizeof(text), "%.*s", (int)close->reply_text.len,
                 (const char *)close->reply_text.bytes);
        why = text;
    } else if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        amqp_connection_close_t *close = reply.reply.decoded;
        snprintf(text, sizeof(text), "%.*s", (int)close->reply_text.len,
                 (const char *)close->reply_text.bytes);
        why = text;
    }
    admin_complain("%s: %s", what, why);
    return false;
}

/* `url` is cut into pieces. */
static amqp_connection_state_t connect_one(char *url) {
    static char SLASH[] = "/";
    struct amqp_connection_info target;
    struct timeval timeout = { LETTERS_TIMEOUT_S, 0 };
    if (amqp_parse_url(url, &target) != AMQP_STATUS_OK || target.ssl) {
        admin_complain("RABBITMQ_URL is not amqp://USER:PASSWORD@HOST:PORT/VHOST");
        return NULL;
    }
    if (*target.vhost == '\0') { /* a path of "/" */
        target.vhost = SLASH;
    }
    amqp_connection_state_t amqp = amqp_new_connection();
    amqp_socket_t *socket = amqp == NULL ? NULL : amqp_tcp_socket_new(amqp);
    int status = socket == NULL
                     ? AMQP_STATUS_NO_MEMORY
                     : amqp_socket_open_noblock(socket, target.host, target.port, &timeout);
    bool good = status == AMQP_STATUS_OK;
    if (!good) {
        admin_complain("RabbitMQ at %s:%d: %s", target.host, target.port,
                       amqp_error_string2(status));
    } else {
        amqp_set_rpc_timeout(amqp, &timeout);
        good = is_ok(amqp_login(amqp, target.vhost[0] == '\0' ? "/" : target.vhost, 0,
                                AMQP_DEFAULT_FRAME_SIZE, HEARTBEAT_S, AMQP_SASL_METHOD_PLAIN,
                                target.user, target.password),
                     "RabbitMQ does not let us in");
    }
    if (!good && amqp != NULL) {
        amqp_destroy_connection(amqp);
        amqp = NULL;
    }
    return amqp;
}

static amqp_connection_state_t connect_broker(void) {
    const char *given = admin_variable("RABBITMQ_URL");
    char *urls = given == NULL ? NULL : strdup(given), *rest = NULL;
    amqp_connection_state_t amqp = NULL;
    for (char *url = urls == NULL ? NULL : strtok_r(urls, ",", &rest); url != NULL && amqp == NULL;
         url = strtok_r(NULL, ",", &rest)) {
        amqp = connect_one(url);
    }
    free(urls);
    return amqp;
}

static bool open_channel(amqp_connection_state_t amqp) {
    amqp_channel_open(amqp, CHANNEL);
    return is_ok(amqp_get_rpc_reply(amqp), "channel.open");
}

amqp_connection_state_t letters_connect(void) {
    amqp_connection_state_t amqp = connect_broker();
    if (amqp != NULL && !open_channel(amqp)) {
        amqp_destroy_connection(amqp);
        amqp = NULL;
    }
    return amqp;
}

bool letters_give_back(amqp_connection_state_t amqp) {
    return is_ok(amqp_channel_close(amqp, CHANNEL, AMQP_REPLY_SUCCESS), "channel.close") &&
           open_channel(amqp);
}

/* ---- a letter ---- */

static const amqp_field_value_t *find_field(const amqp_table_t *table, const char *name) {
    for (int i = 0; i < table->num_entries; i++) {
        if (table->entries[i].key.len == strlen(name) &&
            memcmp(table->entries[i].key.bytes, name, strlen(name)) == 0) {
            return &table->entries[i].value;
        }
    }
    return NULL;
}

static bool copy_text(const amqp_field_value_t *value, char *out, size_t room) {
    if (value == NULL ||
        (value->kind != AMQP_FIELD_KIND_UTF8 && value->kind != AMQP_FIELD_KIND_BYTES)) {
        return false;
    }
    snprintf(out, room, "%.*s", (int)value->value.bytes.len,
             (const char *)value->value.bytes.bytes);
    return true;
}

/* What a quorum queue has counted; it writes it itself. */
static const char COUNT_HEADER[] = "x-delivery-count";

static int64_t read_count(const amqp_field_value_t *value) {
    switch (value == NULL ? 0 : value->kind) {
    case AMQP_FIELD_KIND_I8: return value->value.i8;
    case AMQP_FIELD_KIND_U8: return value->value.u8;
    case AMQP_FIELD_KIND_I16: return value->value.i16;
    case AMQP_FIELD_KIND_U16: return value->value.u16;
    case AMQP_FIELD_KIND_I32: return value->value.i32;
    case AMQP_FIELD_KIND_U32: return value->value.u32;
    case AMQP_FIELD_KIND_I64: return value->value.i64;
    default: return 0;
    }
}

/* Why and since when: our headers, else those of the broker (x-death, the newest first). */
static void read_headers(struct letter *letter) {
    static const amqp_table_t NONE = { 0, NULL };
    const amqp_basic_properties_t *properties = &letter->message.properties;
    const amqp_table_t *headers =
        (properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0 ? &properties->headers : &NONE;
    const amqp_field_value_t *deaths = find_field(headers, "x-death");
    const amqp_table_t *death = &NONE;
    if (deaths != NULL && deaths->kind == AMQP_FIELD_KIND_ARRAY &&
        deaths->value.array.num_entries > 0 &&
        deaths->value.array.entries[0].kind == AMQP_FIELD_KIND_TABLE) {
        death = &deaths->value.array.entries[0].value.table;
    }
    if (!copy_text(find_field(headers, "x-prodorder-reason"), letter->reason, LETTERS_TEXT_BYTES) &&
        !copy_text(find_field(death, "reason"), letter->reason, LETTERS_TEXT_BYTES)) {
        snprintf(letter->reason, LETTERS_TEXT_BYTES, "unknown");
    }
    if (!copy_text(find_field(headers, "x-prodorder-detail"), letter->detail, LETTERS_TEXT_BYTES)) {
        letter->detail[0] = '\0';
    }
    letter->looks = read_count(find_field(headers, COUNT_HEADER));
    const amqp_field_value_t *time = find_field(death, "time");
    letter->time[0] = '\0';
    if (!copy_text(find_field(headers, "x-prodorder-time"), letter->time, sizeof(letter->time)) &&
        time != NULL && time->kind == AMQP_FIELD_KIND_TIMESTAMP &&
        time->value.u64 < (uint64_t)INT64_C(253402300800)) {
        clock_format_rfc3339((int64_t)time->value.u64 * 1000, letter->time);
    }
}

/* The event's id, else the message's, else one of the body (FNV-1a). */
static void read_id(struct letter *letter) {
    struct arena arena;
    arena_init(&arena, BROKER_BODY_BYTES_MAX * 8);
    const amqp_basic_properties_t *properties = &letter->message.properties;
    struct broker_message message = { .routing_key = "",
                                      .message_id = "",
                                      .content_type = "",
                                      .trace = { "", "", "" },
                                      .body = letter->message.body.bytes,
                                      .body_length = letter->message.body.len };
    struct event *events = NULL;
    size_t count = 0;
    const char *why = NULL;
    letter->id[0] = '\0';
    message.body =
        arena_copy(&arena, message.body == NULL ? "" : message.body, message.body_length);
    if (message.body == NULL) {
        message.body = "";
        message.body_length = 0;
    }
    if (event_read(&arena, &message, &events, &count, &why) == ERR_OK && count == 1) {
        snprintf(letter->id, sizeof(letter->id), "%s", events[0].id);
    }
    if (letter->id[0] == '\0' && (properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0) {
        snprintf(letter->id, sizeof(letter->id), "%.*s", (int)properties->message_id.len,
                 (const char *)properties->message_id.bytes);
    }
    if (letter->id[0] == '\0') {
        uint64_t hash = UINT64_C(14695981039346656037);
        for (size_t i = 0; i < message.body_length; i++) {
            hash = (hash ^ ((const unsigned char *)message.body)[i]) * UINT64_C(1099511628211);
        }
        snprintf(letter->id, sizeof(letter->id), "body-%016llx", (unsigned long long)hash);
    }
    arena_done(&arena);
}

/* ---- reading a queue ---- */

bool letters_ask(amqp_connection_state_t amqp, const char *name, struct letters_queue *ret_queue) {
    amqp_queue_declare_ok_t *there =
        amqp_queue_declare(amqp, CHANNEL, amqp_cstring_bytes(name), 1, 0, 0, 0, amqp_empty_table);
    *ret_queue = (struct letters_queue){ 0, 0 };
    if (there != NULL) {
        *ret_queue = (struct letters_queue){ there->message_count, there->consumer_count };
        amqp_maybe_release_buffers_on_channel(amqp, CHANNEL);
        return true;
    }
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(amqp);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD &&
        ((amqp_channel_close_t *)reply.reply.decoded)->reply_code == AMQP_NOT_FOUND) {
        amqp_channel_close_ok_t closed = { 0 };
        amqp_send_method(amqp, CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
        return open_channel(amqp);
    }
    return is_ok(reply, name);
}

/* 1: a letter, to be destroyed; 0: the queue is empty; -1: said why. */
static int get_letter(amqp_connection_state_t amqp, const char *queue, const char *dlq,
                      struct letter *letter) {
    amqp_rpc_reply_t reply = amqp_basic_get(amqp, CHANNEL, amqp_cstring_bytes(dlq), 0);
    if (!is_ok(reply, dlq)) {
        return -1;
    }
    if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
        return 0;
    }
    letter->queue = queue;
    letter->tag = ((amqp_basic_get_ok_t *)reply.reply.decoded)->delivery_tag;
    if (!is_ok(amqp_read_message(amqp, CHANNEL, &letter->message, 0), dlq)) {
        return -1;
    }
    read_headers(letter);
    read_id(letter);
    return 1;
}

/* ---- publishing ---- */

/* After basic.publish: the broker's answer to it. */
static bool is_confirmed(amqp_connection_state_t amqp, const char *queue) {
    bool returned = false;
    for (;;) {
        amqp_frame_t frame;
        struct timeval timeout = { LETTERS_TIMEOUT_S, 0 };
        int status = amqp_simple_wait_frame_noblock(amqp, &frame, &timeout);
        if (status != AMQP_STATUS_OK) {
            admin_complain("%s: no confirm: %s", queue, amqp_error_string2(status));
            return false;
        }
        if (frame.frame_type != AMQP_FRAME_METHOD) {
            continue; /* of a returned message */
        }
        switch (frame.payload.method.id) {
        case AMQP_BASIC_RETURN_METHOD: returned = true; break;
        case AMQP_BASIC_ACK_METHOD:
            if (returned) {
                admin_complain("there is no queue %s: start the services first", queue);
            }
            return !returned;
        default:
            admin_complain("%s: RabbitMQ does not take it (%s)", queue,
                           amqp_method_name(frame.payload.method.id));
            return false;
        }
    }
}

bool letters_confirm(amqp_connection_state_t amqp) {
    amqp_confirm_select(amqp, CHANNEL);
    return is_ok(amqp_get_rpc_reply(amqp), "confirm.select");
}

bool letters_publish(amqp_connection_state_t amqp, const char *queue,
                     const amqp_basic_properties_t *properties, amqp_bytes_t body) {
    int status = amqp_basic_publish(amqp, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(queue), 1,
                                    0, properties, body);
    if (status != AMQP_STATUS_OK) {
        admin_complain("%s: %s", queue, amqp_error_string2(status));
        return false;
    }
    return is_confirmed(amqp, queue);
}

/* ---- all letters of a queue ---- */

/* Its copy is behind all that are there: whatever dies in between, it is there twice. */
static bool renew(amqp_connection_state_t amqp, const char *dlq, const struct letter *letter) {
    amqp_basic_properties_t properties = letter->message.properties;
    amqp_table_t *headers = &properties.headers;
    for (int i = 0; i < headers->num_entries; i++) {
        const amqp_bytes_t *key = &headers->entries[i].key;
        if (key->len == strlen(COUNT_HEADER) && memcmp(key->bytes, COUNT_HEADER, key->len) == 0) {
            headers->entries[i--] = headers->entries[--headers->num_entries];
        }
    }
    properties._flags &= ~(amqp_flags_t)(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
    return letters_confirm(amqp) && letters_publish(amqp, dlq, &properties, letter->message.body);
}

bool letters_for_each(amqp_connection_state_t amqp, const char *queue, letter_fn *fn, void *ctx) {
    char dlq[NAME_BYTES];
    snprintf(dlq, sizeof(dlq), "%s%s", queue, BROKER_DLQ_SUFFIX);
    struct letters_queue there;
    bool good = letters_ask(amqp, dlq, &there);
    int64_t left = there.ready;
    for (int got = 1; good && left > 0 && got == 1; left--) {
        struct letter letter;
        got = get_letter(amqp, queue, dlq, &letter);
        good = got >= 0;
        if (got == 1) {
            enum letter_fate fate = fn(amqp, &letter, ctx);
            good = fate != LETTER_FAIL;
            if (fate == LETTER_KEEP && letter.looks >= LETTERS_LOOKS_MAX) {
                good = renew(amqp, dlq, &letter);
                fate = good ? LETTER_DROP : LETTER_FAIL;
            }
            if (fate == LETTER_DROP &&
                amqp_basic_ack(amqp, CHANNEL, letter.tag, 0) != AMQP_STATUS_OK) {
                admin_complain("%s: the connection is lost", dlq);
                good = false;
            }
            amqp_destroy_message(&letter.message);
        }
        amqp_maybe_release_buffers_on_channel(amqp, CHANNEL);
    }
    return good;
}

void letters_disconnect(amqp_connection_state_t amqp) {
    amqp_channel_close(amqp, CHANNEL, AMQP_REPLY_SUCCESS);
    amqp_connection_close(amqp, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(amqp);
}
