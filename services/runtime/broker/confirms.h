/*
 * Messages sent on a channel in confirm mode and not yet settled, by delivery tag.
 *
 * RabbitMQ numbers the messages of such a channel from 1, and settles them with basic.ack or
 * basic.nack, singly or up to a tag, in any order. A mandatory message that no queue takes comes
 * back with basic.return, which carries no tag, before its basic.ack; it is recognised by its
 * routing key and message id. Publisher thread only.
 */
#ifndef RUNTIME_BROKER_CONFIRMS_H
#define RUNTIME_BROKER_CONFIRMS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct confirm_entry {
    uint64_t cookie;
    uint64_t queued_us;
    uint64_t sent_ms;
    uint64_t fingerprint; /* confirms_fingerprint() of the message */
    uint8_t park_queue;
    bool settled;
    bool returned;
};

typedef void confirm_fn(void *ctx, const struct confirm_entry *entry, bool confirmed);

struct confirms {
    struct confirm_entry *ring;
    size_t capacity;
    uint64_t first_tag; /* the oldest not settled; next_tag when there is none */
    uint64_t next_tag;
    size_t open; /* not settled */
    confirm_fn *fn;
    void *ctx;
};

/* `fn` learns each entry's fate, once. */
MUST_CHECK enum err confirms_init(struct confirms *confirms, size_t capacity, confirm_fn *fn,
                                  void *ctx);
void confirms_done(struct confirms *confirms);

/* The window from the oldest open entry is full: send nothing more. */
bool confirms_full(const struct confirms *confirms);
/* When the oldest that is open was sent; UINT64_MAX: none is. */
uint64_t confirms_oldest_sent_ms(const struct confirms *confirms);
/* The next message sent, in order. Not when full. */
void confirms_add(struct confirms *confirms, const struct confirm_entry *entry);

/*
 * basic.ack (`ack`) or basic.nack; tag 0 with `multiple` means all so far. ERR_BAD_REPLY when the
 * tag was never sent; one already settled is ignored.
 */
MUST_CHECK enum err confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple,
                                    bool ack);
/* basic.return of a message with this fingerprint: its ack will count as not confirmed. */
MUST_CHECK enum err confirms_return(struct confirms *confirms, uint64_t fingerprint);
/* The connection ended: nothing open is confirmed, and tags start from 1 again. */
void confirms_fail_all(struct confirms *confirms);

/* FNV-1a (64 bits) over both texts. */
uint64_t confirms_fingerprint(const char *routing_key, size_t routing_key_length,
                              const char *message_id, size_t message_id_length);

#endif
