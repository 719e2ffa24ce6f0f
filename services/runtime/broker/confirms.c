/* Messages sent and not yet settled, by delivery tag: a ring. */
#include "private.h"

#include <assert.h>
#include <stdlib.h>

enum err confirms_init(struct confirms *confirms, size_t capacity, confirm_fn *fn, void *ctx) {
    assert(capacity > 0 && fn != NULL);
    *confirms = (struct confirms){
        .capacity = capacity, .first_tag = 1, .next_tag = 1, .fn = fn, .ctx = ctx
    };
    confirms->ring = calloc(capacity, sizeof(*confirms->ring));
    return confirms->ring == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void confirms_done(struct confirms *confirms) {
    free(confirms->ring);
    confirms->ring = NULL;
}

static struct confirm_entry *entry_at(const struct confirms *confirms, uint64_t tag) {
    return &confirms->ring[tag % confirms->capacity];
}

bool confirms_full(const struct confirms *confirms) {
    return confirms->next_tag - confirms->first_tag == confirms->capacity;
}

uint64_t confirms_oldest_sent_ms(const struct confirms *confirms) {
    return confirms->open == 0 ? UINT64_MAX : entry_at(confirms, confirms->first_tag)->sent_ms;
}

void confirms_add(struct confirms *confirms, const struct confirm_entry *entry) {
    assert(!confirms_full(confirms));
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

enum err confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple, bool ack) {
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

enum err confirms_return(struct confirms *confirms, uint64_t fingerprint) {
    for (uint64_t tag = confirms->first_tag; tag < confirms->next_tag; tag++) {
        struct confirm_entry *entry = entry_at(confirms, tag);
        if (!entry->settled && !entry->returned && entry->fingerprint == fingerprint) {
            entry->returned = true;
            return ERR_OK;
        }
    }
    return ERR_BAD_REPLY;
}

void confirms_fail_all(struct confirms *confirms) {
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

uint64_t confirms_fingerprint(const char *routing_key, size_t routing_key_length,
                              const char *message_id, size_t message_id_length) {
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), routing_key, routing_key_length);
    hash = fnv1a(hash, "", 1); /* the NUL keeps ("a", "bc") and ("ab", "c") apart */
    return fnv1a(hash, message_id, message_id_length);
}
