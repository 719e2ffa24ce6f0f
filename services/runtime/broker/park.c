/* Parking: a copy of a delivery that can never succeed, and the reason, for the dead letters. */
#include "private.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUR_HEADERS = 3,
    HEADERS_MAX = 64,         /* of the original, kept; the rest is left out */
    PROPERTIES_BYTES = 65536, /* encoded; less when the broker's frames are smaller */
    REASON_BYTES_MAX = 255,
    POOL_PAGE_BYTES = 4096,
};

/* Replaced by ours, or with a meaning to the broker that the copy must not have. */
static bool is_dropped_header(amqp_bytes_t key) {
    static const char *const names[] = { "x-prodorder-reason", "x-prodorder-queue",
                                         "x-prodorder-time", "CC", "BCC" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (key.len == strlen(names[i]) && memcmp(key.bytes, names[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

static void add_header(amqp_table_t *headers, const char *key, const char *value) {
    amqp_bytes_t bytes = { utf8_cut(value, strlen(value), REASON_BYTES_MAX),
                           (void *)(uintptr_t)value };
    headers->entries[headers->num_entries++] = (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes },
    };
}

static void copy_headers(amqp_table_t *to, const amqp_basic_properties_t *properties) {
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) == 0) {
        return;
    }
    for (int i = 0; i < properties->headers.num_entries; i++) {
        if (to->num_entries < HEADERS_MAX &&
            !is_dropped_header(properties->headers.entries[i].key)) {
            to->entries[to->num_entries++] = properties->headers.entries[i];
        }
    }
}

/* The original's properties for the copy: kept for ever (no expiration), from us (no user id). */
static int encode_copy(amqp_basic_properties_t *properties, amqp_table_t headers,
                       amqp_bytes_t out) {
    properties->_flags &= ~(amqp_flags_t)(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
    properties->_flags |= AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties->delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties->headers = headers;
    return amqp_encode_properties(AMQP_BASIC_CLASS, properties, out);
}

/*
 * The encoded property list in `out`; its length, or -1. What is too large loses headers of the
 * original, the last first: without them any message fits into AMQP's smallest frame, with at most
 * eight short strings of its own and our three headers.
 */
static int make_properties(amqp_pool_t *pool, const char *queue,
                           const struct delivery_origin *origin, const char *reason,
                           amqp_bytes_t out) {
    void *decoded = NULL;
    amqp_bytes_t raw = { origin->properties_length, (void *)(uintptr_t)origin->properties };
    if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, raw, &decoded) != AMQP_STATUS_OK) {
        return -1; /* decoded before, when it came: no memory */
    }
    char now[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(clock_unix_ms(), now);
    amqp_table_entry_t entries[HEADERS_MAX + OUR_HEADERS];
    amqp_table_t headers = { 0, entries };
    add_header(&headers, "x-prodorder-reason", reason);
    add_header(&headers, "x-prodorder-queue", queue);
    add_header(&headers, "x-prodorder-time", now);
    copy_headers(&headers, decoded);
    int length = encode_copy(decoded, headers, out);
    while (length < 0 && headers.num_entries > OUR_HEADERS) {
        headers.num_entries--;
        length = encode_copy(decoded, headers, out);
    }
    return length;
}

enum err park_send(struct broker *broker, size_t queue, const struct broker_message *message,
                   const struct delivery_origin *origin, const char *reason) {
    const char *name = broker->options.queues[queue].name;
    char dlq[BROKER_ROUTING_KEY_BYTES_MAX + 1];
    snprintf(dlq, sizeof(dlq), "%s.dlq", name);
    char *properties = malloc(PROPERTIES_BYTES);
    if (properties == NULL) {
        return ERR_NO_MEMORY;
    }
    amqp_pool_t pool;
    init_amqp_pool(&pool, POOL_PAGE_BYTES);
    size_t bytes_max = broker->publisher.properties_bytes_max;
    amqp_bytes_t room = { bytes_max < PROPERTIES_BYTES ? bytes_max : PROPERTIES_BYTES, properties };
    int length = make_properties(&pool, name, origin, reason, room);
    struct send_item item = {
        .message = *message,
        .properties = properties,
        .properties_length = length < 0 ? 0 : (size_t)length,
        .queued_us = clock_monotonic_us(),
        .park_queue = (uint8_t)queue,
    };
    item.message.routing_key = dlq;
    bool was_empty = false;
    enum err err =
        length < 0 ? ERR_NO_MEMORY : sendq_put(&broker->publisher.sendq, &item, &was_empty);
    empty_amqp_pool(&pool);
    free(properties);
    return err;
}
