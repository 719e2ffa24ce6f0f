/*
 * Under load few large batches are cheaper than many: a transaction, and a message, cost nearly the
 * same for few items as for many. A batch of `from` items or more means load; what comes after it
 * gathers for the time that it has taken, so that with the load the batches grow until they fill
 * half of the time, and nothing waits while there is none. One of GATHER_MUCH items means much
 * load: then it is twice that time. Loop thread only.
 */
#ifndef RUNTIME_FLOW_GATHER_H
#define RUNTIME_FLOW_GATHER_H

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

enum { GATHER_MUCH = 32 };

struct gather {
    size_t from;     /* 0: never */
    uint32_t ms_max; /* it gathers no longer */
    uint64_t until_us;
};

/* A batch of `count` items has taken so long; UINT64_MAX: it is under way. */
static inline void gather_after(struct gather *gather, size_t count, uint64_t took_us) {
    uint64_t most_us = gather->ms_max * UINT64_C(1000), factor = count >= GATHER_MUCH ? 2 : 1;
    uint64_t us = took_us < most_us / factor ? factor * took_us : most_us;
    bool is_load = gather->from > 0 && count >= gather->from;
    gather->until_us = is_load ? clock_monotonic_us() + us : 0;
}

/* 0: it has gathered. */
static inline uint64_t gather_left_ms(const struct gather *gather) {
    uint64_t now_us = gather->until_us == 0 ? 0 : clock_monotonic_us();
    return now_us < gather->until_us ? (gather->until_us - now_us + 999) / 1000 : 0;
}

#endif
