/*
 * Exponential backoff with full jitter: the n-th delay is random in [floor, min(cap, base·2ⁿ)].
 * One definition for every reconnect and retry in the services.
 */
#ifndef RUNTIME_LOOP_BACKOFF_H
#define RUNTIME_LOOP_BACKOFF_H

#include "base/random.h"

#include <stdint.h>

struct backoff {
    uint32_t base_ms;
    uint32_t cap_ms;
    uint32_t attempt;
};

static inline void backoff_reset(struct backoff *backoff) {
    backoff->attempt = 0;
}

static inline uint32_t backoff_next_ms(struct backoff *backoff) {
    uint64_t ceiling = (uint64_t)backoff->base_ms
                       << (backoff->attempt < 20 ? backoff->attempt : 20);
    if (ceiling > backoff->cap_ms) {
        ceiling = backoff->cap_ms;
    }
    backoff->attempt++;
    uint32_t floor_ms = backoff->base_ms / 2;
    return floor_ms + random_below((uint32_t)ceiling - floor_ms + 1);
}

#endif
