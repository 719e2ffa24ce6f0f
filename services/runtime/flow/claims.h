/*
 * Keys that requests of this process have under way, each at most once: a chained hash table. Loop
 * thread only.
 */
#ifndef RUNTIME_FLOW_CLAIMS_H
#define RUNTIME_FLOW_CLAIMS_H

#include "base/err.h"

#include <stddef.h>

enum { CLAIMS_BUCKETS = 4096 };

struct claims {
    struct claim *buckets[CLAIMS_BUCKETS]; /* zeroed: empty */
};

/* A copy of `key`. ERR_CONFLICT: it is there. ERR_NO_MEMORY. */
MUST_CHECK enum err claims_take(struct claims *claims, const char *key);
/* It must be there. */
void claims_release(struct claims *claims, const char *key);
/* All of them. */
void claims_done(struct claims *claims);

#endif
