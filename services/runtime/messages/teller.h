/*
 * Events out: those of one type gather in messages, and each one's owner learns what became of it.
 *
 * No timer: what is added between two flushes shares messages, of at most `events_per_message_max`
 * events and `event_message_bytes_max` bytes; so one event goes alone and at once, and many go
 * together. Loop thread only.
 */
#ifndef RUNTIME_MESSAGES_TELLER_H
#define RUNTIME_MESSAGES_TELLER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/trace.h"
#include "event.h"
#include "runtime/broker/broker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event to be told; strings are NUL-terminated. */
struct teller_event {
    int64_t id; /* positive; its owner's, comes back with its fate */
    const char *routing_key;
    const char *message_id; /* the event's */
    struct trace trace;
    struct str body; /* all of it, event.h; .data NULL: there was no memory */
    int64_t claim;   /* the owner's */
};

/* The rest of an event: its id and `body`, which is freed. Memory from `arena`. */
void teller_event_finish(struct teller_event *event, struct arena *arena, const char *id,
                         struct buf *body);

struct teller_options {
    size_t events_per_message_max;  /* 1 to EVENT_COUNT_MAX */
    size_t event_message_bytes_max; /* a larger event goes alone */
    bool bare;                      /* events as versions before sent them, one a message */
    /* Handed to the broker (ERR_OK), or not: as broker_publish(), or ERR_NO_MEMORY. */
    void (*on_sent)(void *ctx, const struct teller_event *event, enum err err);
    /* What became of one that was handed over: as broker_callbacks.on_published. */
    void (*on_told)(void *ctx, int64_t id, bool confirmed);
    void *ctx;
};

struct teller {
    struct broker *broker;
    struct teller_options options;
    struct buf draft; /* the message under construction, of `events` */
    const struct teller_event *events[EVENT_COUNT_MAX];
    size_t count;
    struct list sent; /* messages with the broker module */
    size_t inflight;  /* events in them */
};

void teller_init(struct teller *teller, struct broker *broker,
                 const struct teller_options *options);
void teller_done(struct teller *teller);

/* The event stays until teller_flush(). on_sent() comes in one of these two. */
void teller_add(struct teller *teller, const struct teller_event *event);
void teller_flush(struct teller *teller);

/* From the broker's callback, for every teller. */
void teller_on_published(const uint64_t *cookies, size_t count, bool confirmed);

#endif
