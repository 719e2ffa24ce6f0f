/*
 * Many ask for ids, everybody is answered once: the cache first, then the source.
 *
 *   asked     lookup_ask() queues a copy of the question. At the end of the tick a batch of them
 *             (batcher.h) becomes one round over its distinct ids.
 *   cache     one cache_get() for the round; `read_cached` answers what it finds in a value. A
 *             cache that is down is a miss for all. Without `cache_key` there is no cache.
 *   source    what is missing goes to one of two kinds of source:
 *             `read`   one query for all ids of the round, which it ends with lookup_end(). A
 *                      round never joins a query that was sent before it, so a reader sees what
 *                      was answered before it asked.
 *             `fetch`  one request for each id, ended with lookup_fetched(). Whoever asks for the
 *                      id meanwhile waits for the same one; the round is over at once, so a slow
 *                      source holds up nobody whose id is in the cache.
 *   answered  `give` copies the answer into the memory of each asker that still waits (it may have
 *             met its deadline, or its client be gone), then its flow wakes.
 *
 * So nobody is answered twice, and nobody is forgotten: whoever still waits when the round or fetch
 * ends gets its error, or ERR_NOT_FOUND. Loop thread only.
 */
#ifndef RUNTIME_FLOW_LOOKUP_H
#define RUNTIME_FLOW_LOOKUP_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "batcher.h"
#include "flow.h"
#include "runtime/cache/cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOOKUP_IDS_MAX = 256 }; /* of a round */

/* Every question begins with this; what else `give` and `fetch` need comes behind. */
struct lookup_question {
    struct flow_wait wait;
    int64_t id; /* positive */
};

/* What the source is asked for at once. */
struct lookup_round {
    struct lookup *lookup;
    struct batch *batch;
    struct arena *arena; /* until the round ends */
    uint64_t epoch;      /* of the cache, from before the source was asked */
    size_t count;
    int64_t ids[LOOKUP_IDS_MAX];      /* distinct, in the order in which they were asked for */
    int64_t versions[LOOKUP_IDS_MAX]; /* as the cache had them; -1: it did not say */
};

/* One id on its way, and everyone who waits for it. */
struct lookup_fetch {
    struct lookup *lookup;
    int64_t id;
    uint64_t epoch; /* of the cache, from before the source was asked */
    uint64_t started_us;
    char *waiters; /* questions, see LOOKUP_WAITER */
    size_t waiter_count, waiters_max;
    size_t source, tries; /* for `fetch` to note whom it asks; 0 at first */
    struct list node;
};

/* The i-th question that waits for a fetch, as a `type *`; its flow may be gone. */
#define LOOKUP_WAITER(fetch, type, i) (&((type *)(void *)(fetch)->waiters)[i])

struct lookup_options {
    size_t question_bytes; /* of the struct that starts with a struct lookup_question */
    size_t queue_max;      /* questions; more is ERR_BUSY */
    size_t batch_max;      /* at most LOOKUP_IDS_MAX */
    size_t inflight_max;   /* rounds at once */
    size_t fetches_max;    /* ids fetched at once; more is ERR_BUSY */
    struct cache *cache;
    void (*cache_key)(int64_t id, char out[CACHE_KEY_BYTES_MAX + 1]);
    /* lookup_answer() and true when the value is sound, else false: a miss. */
    bool (*read_cached)(struct lookup_round *round, int64_t id, const struct cache_value *value);
    void (*read)(struct lookup_round *round);  /* this one … */
    void (*fetch)(struct lookup_fetch *fetch); /* … or this one */
    /* Copy the answer to who asked; an error instead is what its flow wakes with. */
    enum err (*give)(const struct lookup_question *question, const void *answer);
    struct metric *size_histogram, *hits, *misses; /* may be NULL */
};

struct lookup {
    struct lookup_options options;
    struct batcher batcher;
    struct list fetches; /* under way */
    size_t fetch_count;
};

MUST_CHECK enum err lookup_init(struct lookup *lookup, struct loop *loop,
                                const struct lookup_options *options);
void lookup_done(struct lookup *lookup); /* accepts one zeroed; nothing may be under way */

/* Queue a copy of `question`; its flow wakes when *it is answered. ERR_BUSY: too many wait. */
MUST_CHECK enum err lookup_ask(struct lookup *lookup, const void *question);

/* Answer everyone in the round who still waits for `id`. `answer` is read before this returns. */
void lookup_answer(struct lookup_round *round, int64_t id, enum err err, const void *answer);
/* The source has said all that it knows, or failed. */
void lookup_end(struct lookup_round *round, enum err err);

/* The same for a fetch, which is over with it: ERR_OK and the answer, or why there is none. */
void lookup_fetched(struct lookup_fetch *fetch, enum err err, const void *answer);

#endif
