/* Events gather in a draft; a message leaves; its fate is that of each of its events. */
#include "teller.h"

#include "base/clock.h"
#include "runtime/telemetry/log.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES_MAX = 8 * 1024 * 1024 };

/* Events with the broker module, in one message. */
struct sent {
    struct list node;
    struct teller *teller;
    size_t count;
    int64_t ids[];
};

void teller_event_finish(struct teller_event *event, struct arena *arena, const char *id,
                         struct buf *body) {
    event->message_id = arena_copy(arena, id, strlen(id));
    if (event->message_id != NULL && !body->failed) {
        event->body.len = buf_length(body);
        event->body.data = arena_copy(arena, buf_bytes(body), event->body.len);
    }
    buf_free(body);
}

void teller_init(struct teller *teller, struct broker *broker,
                 const struct teller_options *options) {
    *teller = (struct teller){ .broker = broker, .options = *options };
    buf_init(&teller->draft, 0);
    list_init(&teller->sent);
}

void teller_done(struct teller *teller) {
    struct list *node;
    if (teller->broker == NULL) { /* never opened */
        return;
    }
    buf_free(&teller->draft);
    while ((node = list_take_first(&teller->sent)) != NULL) { /* the broker said nothing of it */
        free(CONTAINER_OF(node, struct sent, node));
    }
}

/* ---- out ---- */

/* The draft as it leaves. In the bare format it is of one event, and needs memory. */
static enum err finish_draft(struct teller *teller, struct broker_message *ret_message) {
    const struct teller_event *first = teller->events[0];
    enum err err = ERR_OK;
    *ret_message = (struct broker_message){ .routing_key = first->routing_key,
                                            .content_type = EVENT_CONTENT_TYPE,
                                            .message_id = first->message_id,
                                            .trace = { "", "", "" } };
    if (teller->options.bare) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        buf_clear(&teller->draft);
        err = event_write_bare(&arena, first->body, clock_unix_ms(), &teller->draft);
        arena_done(&arena);
        ret_message->content_type = "application/json";
        ret_message->trace = first->trace;
    } else {
        event_batch_end(&teller->draft);
    }
    ret_message->body = buf_bytes(&teller->draft);
    ret_message->body_length = buf_length(&teller->draft);
    return teller->draft.failed ? ERR_NO_MEMORY : err;
}

static enum err publish(struct teller *teller) {
    struct broker_message message;
    struct sent *sent = malloc(sizeof(*sent) + teller->count * sizeof(sent->ids[0]));
    enum err err = finish_draft(teller, &message);
    if (err == ERR_OK && sent == NULL) {
        err = ERR_NO_MEMORY;
    }
    if (err == ERR_OK) {
        sent->teller = teller;
        sent->count = teller->count;
        for (size_t i = 0; i < teller->count; i++) {
            sent->ids[i] = teller->events[i]->id;
        }
        err = broker_publish(teller->broker, &message, (uint64_t)(uintptr_t)sent);
    }
    if (err != ERR_OK) {
        free(sent);
        return err;
    }
    list_append(&teller->sent, &sent->node);
    teller->inflight += teller->count;
    return ERR_OK;
}

void teller_flush(struct teller *teller) {
    if (teller->count == 0) {
        return;
    }
    enum err err = publish(teller);
    if (err == ERR_TOO_LARGE) {
        log_error("event is too large for the broker",
                  LOG_STR("messageId", teller->events[0]->message_id),
                  LOG_INT("bytes", buf_length(&teller->draft)));
    }
    size_t count = teller->count;
    teller->count = 0;
    buf_clear(&teller->draft);
    for (size_t i = 0; i < count; i++) {
        teller->options.on_sent(teller->options.ctx, teller->events[i], err);
    }
}

static bool fits(const struct teller *teller, const struct teller_event *event) {
    size_t count_max = teller->options.bare ? 1 : teller->options.events_per_message_max;
    return teller->count == 0 || (teller->count < count_max &&
                                  strcmp(teller->events[0]->routing_key, event->routing_key) == 0 &&
                                  event_batch_bytes(buf_length(&teller->draft), event->body.len) <=
                                      teller->options.event_message_bytes_max);
}

void teller_add(struct teller *teller, const struct teller_event *event) {
    if (!fits(teller, event)) {
        teller_flush(teller);
    }
    teller->events[teller->count++] = event;
    event_batch_add(&teller->draft, event->body);
}

/* ---- their fates ---- */

void teller_on_published(const uint64_t *cookies, size_t count, bool confirmed) {
    for (size_t i = 0; i < count; i++) {
        struct sent *sent = (struct sent *)(uintptr_t)cookies[i];
        struct teller *teller = sent->teller;
        list_remove(&sent->node);
        teller->inflight -= sent->count;
        for (size_t e = 0; e < sent->count; e++) {
            teller->options.on_told(teller->options.ctx, sent->ids[e], confirmed);
        }
        free(sent);
    }
}
