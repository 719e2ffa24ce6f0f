/*
 * What passes between the loop and the broker's threads: messages to the publisher and their fates
 * back, batches of deliveries from the consumer and back; and what is outstanding at the broker.
 */
#include "private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_ALIGN = 8, RECORDS_KEPT_BYTES = 1024 * 1024 };

enum {
    ROUTING_KEY,
    CONTENT_TYPE,
    MESSAGE_ID,
    REQUEST_ID,
    TRACE_PARENT,
    TRACE_STATE,
    BODY,
    RECORD_TEXTS
};

/* A record is this header, then the texts with a NUL each, then the properties. */
struct record {
    uint64_t cookie;
    uint64_t queued_us;
    uint32_t bytes; /* of the whole record, padded */
    uint32_t lengths[RECORD_TEXTS];
    uint32_t properties_length;
    struct delivery_batch *copied_from;
};

void queue_init(struct send_queue *sendq, size_t count_max) {
    *sendq = (struct send_queue){ .mode = QUEUE_SHUT, .count_max = count_max };
    pthread_mutex_init(&sendq->lock, NULL);
    buf_init(&sendq->records, BROKER_QUEUED_BYTES_MAX);
}

void queue_done(struct send_queue *sendq) {
    buf_free(&sendq->records);
    pthread_mutex_destroy(&sendq->lock);
}

static struct record record_of(const struct send_item *item, const char *const *texts) {
    struct record record = {
        .cookie = item->cookie,
        .queued_us = item->queued_us,
        .properties_length = (uint32_t)item->properties_length,
        .copied_from = item->copied_from,
    };
    size_t bytes = sizeof(record) + item->properties_length;
    for (size_t i = 0; i < RECORD_TEXTS; i++) {
        size_t length = i == BODY ? item->message.body_length : strlen(texts[i]);
        record.lengths[i] = (uint32_t)length;
        bytes += length + 1;
    }
    record.bytes = (uint32_t)((bytes + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
    return record;
}

static enum err append_record(struct buf *records, const struct send_item *item) {
    const struct broker_message *message = &item->message;
    const char *const texts[RECORD_TEXTS] = {
        message->routing_key,  message->content_type,
        message->message_id,   message->trace.request_id,
        message->trace.parent, message->trace.state,
        message->body,
    };
    struct record record = record_of(item, texts);
    if (buf_length(records) + record.bytes > BROKER_QUEUED_BYTES_MAX) {
        return ERR_BUSY;
    }
    char *to = buf_reserve(records, record.bytes);
    if (to == NULL) {
        records->failed = false;
        return ERR_NO_MEMORY;
    }
    memcpy(to, &record, sizeof(record));
    to += sizeof(record);
    for (size_t i = 0; i < RECORD_TEXTS; i++) {
        memcpy(to, texts[i], record.lengths[i]);
        to[record.lengths[i]] = '\0';
        to += record.lengths[i] + 1;
    }
    if (record.properties_length > 0) {
        memcpy(to, item->properties, record.properties_length);
    }
    buf_commit(records, record.bytes);
    return ERR_OK;
}

enum err queue_put(struct send_queue *sendq, const struct send_item *item, bool *ret_was_empty) {
    bool is_copy = item->copied_from != NULL;
    enum err err;
    assert(strlen(item->message.routing_key) <= BROKER_ROUTING_KEY_BYTES_MAX);

    pthread_mutex_lock(&sendq->lock);
    if (sendq->mode == QUEUE_SHUT || (sendq->mode == QUEUE_BLOCKED && !is_copy)) {
        err = ERR_UNAVAILABLE;
    } else if (!is_copy && sendq->waiting >= sendq->count_max) {
        err = ERR_BUSY;
    } else {
        bool was_empty = buf_length(&sendq->records) == 0;
        err = append_record(&sendq->records, item);
        if (err == ERR_OK) {
            sendq->waiting++;
            *ret_was_empty = was_empty;
        }
    }
    pthread_mutex_unlock(&sendq->lock);
    return err;
}

size_t queue_waiting(struct send_queue *sendq) {
    pthread_mutex_lock(&sendq->lock);
    size_t waiting = sendq->waiting;
    pthread_mutex_unlock(&sendq->lock);
    return waiting;
}

void queue_set_mode(struct send_queue *sendq, enum queue_mode mode) {
    pthread_mutex_lock(&sendq->lock);
    sendq->mode = mode;
    pthread_mutex_unlock(&sendq->lock);
}

void queue_take(struct send_queue *sendq, struct buf *records) {
    assert(buf_length(records) == 0);
    if (records->capacity > RECORDS_KEPT_BYTES) {
        buf_free(records);
        buf_init(records, BROKER_QUEUED_BYTES_MAX);
    }
    buf_clear(records);
    pthread_mutex_lock(&sendq->lock);
    struct buf taken = sendq->records;
    sendq->records = *records;
    pthread_mutex_unlock(&sendq->lock);
    *records = taken;
}

void queue_sent(struct send_queue *sendq, size_t count) {
    pthread_mutex_lock(&sendq->lock);
    assert(sendq->waiting >= count);
    sendq->waiting -= count;
    pthread_mutex_unlock(&sendq->lock);
}

bool queue_next(struct buf *records, struct send_item *item) {
    if (buf_length(records) == 0) {
        return false;
    }
    const char *texts[RECORD_TEXTS];
    const char *from = buf_bytes(records);
    struct record record;
    memcpy(&record, from, sizeof(record));
    from += sizeof(record);
    for (size_t i = 0; i < RECORD_TEXTS; i++) {
        texts[i] = from;
        from += record.lengths[i] + 1;
    }
    item->message = (struct broker_message){
        .routing_key = texts[ROUTING_KEY],
        .content_type = texts[CONTENT_TYPE],
        .message_id = texts[MESSAGE_ID],
        .trace = { texts[REQUEST_ID], texts[TRACE_PARENT], texts[TRACE_STATE] },
        .body = texts[BODY],
        .body_length = record.lengths[BODY],
    };
    item->properties = record.properties_length > 0 ? from : NULL;
    item->properties_length = record.properties_length;
    item->cookie = record.cookie;
    item->queued_us = record.queued_us;
    item->copied_from = record.copied_from;
    buf_consume(records, record.bytes);
    return true;
}

/* ---- fates of messages ---- */

enum err queue_fate_set_init(struct fate_set *set, size_t capacity) {
    *set = (struct fate_set){ 0 };
    for (int confirmed = 0; confirmed < 2; confirmed++) {
        set->lists[confirmed].cookies = calloc(capacity, sizeof(uint64_t));
        if (set->lists[confirmed].cookies == NULL) {
            queue_fate_set_done(set);
            return ERR_NO_MEMORY;
        }
    }
    return ERR_OK;
}

void queue_fate_set_done(struct fate_set *set) {
    free(set->lists[0].cookies);
    free(set->lists[1].cookies);
    *set = (struct fate_set){ 0 };
}

enum err queue_fates_init(struct fates *fates, size_t capacity) {
    *fates = (struct fates){ .capacity = capacity };
    pthread_mutex_init(&fates->lock, NULL);
    return queue_fate_set_init(&fates->posted, capacity);
}

void queue_fates_done(struct fates *fates) {
    queue_fate_set_done(&fates->posted);
    pthread_mutex_destroy(&fates->lock);
}

void queue_fates_post(struct fates *fates, uint64_t cookie, struct delivery_batch *copied_from,
                      bool confirmed) {
    pthread_mutex_lock(&fates->lock);
    if (copied_from != NULL) {
        copied_from->copies[confirmed]++;
    } else {
        struct fate_list *list = &fates->posted.lists[confirmed];
        assert(list->count < fates->capacity);
        list->cookies[list->count++] = cookie;
    }
    pthread_mutex_unlock(&fates->lock);
}

void queue_fates_take(struct fates *fates, struct fate_set *set) {
    set->lists[0].count = 0;
    set->lists[1].count = 0;
    pthread_mutex_lock(&fates->lock);
    struct fate_set taken = fates->posted;
    fates->posted = *set;
    pthread_mutex_unlock(&fates->lock);
    *set = taken;
}

void queue_copies_take(struct fates *fates, struct delivery_batch *batch, size_t ret_count[2]) {
    pthread_mutex_lock(&fates->lock);
    memcpy(ret_count, batch->copies, sizeof(batch->copies));
    memset(batch->copies, 0, sizeof(batch->copies));
    pthread_mutex_unlock(&fates->lock);
}

/* ---- batches of deliveries ---- */

/* Per delivery: the body, and properties that together fit one frame. */
enum { DELIVERY_BYTES_MAX = BROKER_PARK_BODY_BYTES_MAX + 131072 + 4096 };

struct delivery_batch *queue_batch_create(size_t count_max) {
    struct delivery_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        return NULL;
    }
    list_init(&batch->node);
    list_init(&batch->oversized);
    arena_init(&batch->arena, (count_max + 1) * DELIVERY_BYTES_MAX);
    batch->count_max = count_max;
    batch->deliveries = calloc(count_max, sizeof(*batch->deliveries));
    batch->origins = calloc(count_max, sizeof(*batch->origins));
    if (batch->deliveries == NULL || batch->origins == NULL) {
        queue_batch_destroy(batch);
        return NULL;
    }
    return batch;
}

void queue_batch_destroy(struct delivery_batch *batch) {
    if (batch == NULL) {
        return;
    }
    list_remove(&batch->node);
    arena_done(&batch->arena);
    free(batch->deliveries);
    free(batch->origins);
    free(batch);
}

void queue_batches_destroy(struct list *batches) {
    struct list *node;
    while ((node = list_take_first(batches)) != NULL) {
        queue_batch_destroy(CONTAINER_OF(node, struct delivery_batch, node));
    }
}

void queue_batch_reset(struct delivery_batch *batch, uint64_t epoch) {
    arena_reset(&batch->arena);
    list_init(&batch->oversized);
    batch->count = batch->bytes = 0;
    batch->last_tag = 0;
    batch->epoch = epoch;
    batch->copies[false] = batch->copies[true] = batch->copies_pending = 0;
    batch->failed = batch->ended = false;
}

bool queue_batch_is_empty(const struct delivery_batch *batch) {
    return batch->count == 0 && list_is_empty(&batch->oversized);
}

/* One oversized delivery fills a batch, so that few of them are in memory at once. */
bool queue_batch_is_full(const struct delivery_batch *batch) {
    return batch->count == batch->count_max || !list_is_empty(&batch->oversized);
}

/* ---- a queue's batches to the loop and back ---- */

void queue_handover_init(struct handover *handover) {
    *handover = (struct handover){ .is_wanted = true };
    list_init(&handover->released);
    pthread_mutex_init(&handover->lock, NULL);
}

void queue_handover_done(struct handover *handover) {
    pthread_mutex_destroy(&handover->lock);
}

bool queue_batch_is_wanted(struct handover *handover) {
    pthread_mutex_lock(&handover->lock);
    bool is_wanted = handover->is_wanted;
    pthread_mutex_unlock(&handover->lock);
    return is_wanted;
}

void queue_batch_want(struct handover *handover) {
    pthread_mutex_lock(&handover->lock);
    handover->is_wanted = handover->offered == NULL;
    pthread_mutex_unlock(&handover->lock);
}

void queue_batch_offer(struct handover *handover, struct delivery_batch *batch) {
    pthread_mutex_lock(&handover->lock);
    assert(handover->is_wanted && handover->offered == NULL);
    handover->is_wanted = false;
    handover->offered = batch;
    pthread_mutex_unlock(&handover->lock);
}

static struct delivery_batch *take_offered(struct handover *handover, bool is_wanted) {
    pthread_mutex_lock(&handover->lock);
    struct delivery_batch *batch = handover->offered;
    handover->offered = NULL;
    handover->is_wanted = handover->is_wanted || (batch != NULL && is_wanted);
    pthread_mutex_unlock(&handover->lock);
    return batch;
}

struct delivery_batch *queue_batch_withdraw(struct handover *handover) {
    return take_offered(handover, true);
}

struct delivery_batch *queue_batch_take(struct handover *handover) {
    return take_offered(handover, false);
}

void queue_batch_release(struct handover *handover, struct delivery_batch *batch) {
    pthread_mutex_lock(&handover->lock);
    list_append(&handover->released, &batch->node);
    pthread_mutex_unlock(&handover->lock);
}

struct delivery_batch *queue_batch_collect(struct handover *handover) {
    pthread_mutex_lock(&handover->lock);
    struct list *node = list_take_first(&handover->released);
    pthread_mutex_unlock(&handover->lock);
    return node == NULL ? NULL : CONTAINER_OF(node, struct delivery_batch, node);
}

/* ---- sent and not yet settled, by delivery tag: a ring ---- */

enum err queue_confirms_init(struct confirms *confirms, size_t capacity, confirm_fn *fn,
                             void *ctx) {
    assert(capacity > 0 && fn != NULL);
    *confirms = (struct confirms){
        .capacity = capacity, .first_tag = 1, .next_tag = 1, .fn = fn, .ctx = ctx
    };
    confirms->ring = calloc(capacity, sizeof(*confirms->ring));
    return confirms->ring == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void queue_confirms_done(struct confirms *confirms) {
    free(confirms->ring);
    confirms->ring = NULL;
}

static struct confirm_entry *entry_at(const struct confirms *confirms, uint64_t tag) {
    return &confirms->ring[tag % confirms->capacity];
}

bool queue_confirms_full(const struct confirms *confirms) {
    return confirms->next_tag - confirms->first_tag == confirms->capacity;
}

uint64_t queue_confirms_oldest_sent_ms(const struct confirms *confirms) {
    return confirms->open == 0 ? UINT64_MAX : entry_at(confirms, confirms->first_tag)->sent_ms;
}

void queue_confirms_add(struct confirms *confirms, const struct confirm_entry *entry) {
    assert(!queue_confirms_full(confirms));
    struct confirm_entry *slot = entry_at(confirms, confirms->next_tag++);
    *slot = *entry;
    slot->settled = false;
    slot->returned = false;
    confirms->open++;
}

static void settle_one(struct confirms *confirms, uint64_t tag, bool ack) {
    struct confirm_entry *entry = entry_at(confirms, tag);
    if (!entry->settled) {
        entry->settled = true;
        confirms->open--;
        confirms->fn(confirms->ctx, entry, ack && !entry->returned);
    }
}

enum err queue_confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple, bool ack) {
    if (tag == 0 && multiple) {
        tag = confirms->next_tag - 1;
    } else if (tag == 0 || tag >= confirms->next_tag) {
        return ERR_BAD_REPLY;
    }
    if (tag < confirms->first_tag) {
        return ERR_OK;
    }
    for (uint64_t t = multiple ? confirms->first_tag : tag; t <= tag; t++) {
        settle_one(confirms, t, ack);
    }
    while (confirms->first_tag < confirms->next_tag &&
           entry_at(confirms, confirms->first_tag)->settled) {
        confirms->first_tag++;
    }
    return ERR_OK;
}

enum err queue_confirms_return(struct confirms *confirms, uint64_t fingerprint) {
    for (uint64_t tag = confirms->first_tag; tag < confirms->next_tag; tag++) {
        struct confirm_entry *entry = entry_at(confirms, tag);
        if (!entry->settled && !entry->returned && entry->fingerprint == fingerprint) {
            entry->returned = true;
            return ERR_OK;
        }
    }
    return ERR_BAD_REPLY;
}

void queue_confirms_fail_all(struct confirms *confirms) {
    for (uint64_t tag = confirms->first_tag; tag < confirms->next_tag; tag++) {
        settle_one(confirms, tag, false);
    }
    assert(confirms->open == 0);
    confirms->first_tag = 1;
    confirms->next_tag = 1;
}

static uint64_t fnv1a(uint64_t hash, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t queue_confirms_fingerprint(const char *routing_key, size_t routing_key_length,
                                    const char *message_id, size_t message_id_length) {
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), routing_key, routing_key_length);
    hash = fnv1a(hash, "", 1); /* the NUL keeps ("a", "bc") and ("ab", "c") apart */
    return fnv1a(hash, message_id, message_id_length);
}
