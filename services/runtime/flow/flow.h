/*
 * A request is a flow: a small struct with a list of steps that reads like the story.
 *
 *   static enum flow_rc parse(struct flow *flow);
 *   static enum flow_rc find_product(struct flow *flow);
 *   …
 *   static const struct flow_step STEPS[] = { { "parse", parse }, … };
 *   static struct flow_kind KIND =
 *       FLOW_KIND("create_order", STEPS, struct create_order, fail, "There is no such product");
 *
 * A step returns FLOW_NEXT (run the next step now), FLOW_WAIT (something was joined with
 * flow_wait(); the next step runs when it wakes the flow), FLOW_END (answered; the flow goes back
 * to its pool), or flow_fail(). A wait that ends with an error, and the deadline, go to `fail`,
 * which answers and ends the flow.
 *
 * A flow has at most one outstanding wait, one deadline, one arena (of its HTTP exchange). What it
 * waits for holds a `struct flow_wait`: a reference with a generation, so that a reply that comes
 * too late finds the flow gone and is dropped. Waking never runs a step: it queues the flow for
 * this tick. Loop thread only.
 */
#ifndef RUNTIME_FLOW_FLOW_H
#define RUNTIME_FLOW_FLOW_H

#include "base/err.h"
#include "base/list.h"
#include "runtime/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;

enum flow_rc { FLOW_NEXT, FLOW_WAIT, FLOW_END, FLOW_FAILED };

typedef enum flow_rc flow_step_fn(struct flow *flow);

struct flow_step {
    const char *name;
    flow_step_fn *fn;
};

struct flow_kind {
    const char *name;
    const struct flow_step *steps;
    size_t step_count;
    /* Answer with flow->err (and flow->message when not NULL). Called once, ends the flow. */
    void (*fail)(struct flow *flow);
    const char *missing;  /* for the client: what ERR_NOT_FOUND means here; NULL: err_message() */
    size_t flow_bytes;    /* of the struct that starts with a struct flow */
    uint32_t deadline_ms; /* for the whole flow; set before the pool is made */
};

#define FLOW_KIND(NAME, STEPS, TYPE, FAIL, MISSING)                                                \
    { (NAME), (STEPS), sizeof(STEPS) / sizeof((STEPS)[0]), (FAIL), (MISSING), sizeof(TYPE), 0 }

struct flow {
    const struct flow_kind *kind;
    struct flow_pool *pool;
    size_t step;         /* the one that runs, or ran last */
    uint64_t generation; /* of the current wait; never repeats for this memory */
    bool waiting;
    enum err err;        /* why it fails */
    const char *message; /* for the client; NULL: err_message(err) */
    struct loop_timer deadline;
    struct loop_task ready;
    struct list free_node;
};

struct flow_wait {
    struct flow *flow;
    uint64_t generation;
};

/* Flows of one kind, allocated at start and reused; exhaustion is a 503, not a crash. */
struct flow_pool {
    struct loop *loop;
    const struct flow_kind *kind;
    char *memory;
    struct list free;
    size_t count;
};

MUST_CHECK enum err flow_pool_init(struct flow_pool *pool, struct loop *loop,
                                   const struct flow_kind *kind, size_t count);
void flow_pool_done(struct flow_pool *pool); /* accepts one zeroed */
/* Flows under way in this process, of all pools. */
size_t flow_count(void);

/* A flow whose own members (after struct flow) are zeroed; NULL when the pool is exhausted. */
struct flow *flow_open(struct flow_pool *pool);
/* Run the first step (and what follows) at once. Arms the deadline. */
void flow_start(struct flow *flow);

/* In a step: the reference for what is joined; then return FLOW_WAIT. */
struct flow_wait flow_wait(struct flow *flow);
/* The flow still waits for this: its memory may be written. */
bool flow_wait_is_live(struct flow_wait wait);
/* End the wait: ERR_OK runs the next step, anything else `fail`. Stale references are ignored. */
void flow_wake(struct flow_wait wait, enum err err);

/* In a step: the flow has so much time from now on, if that is more than it had. */
void flow_extend(struct flow *flow, uint32_t ms);

/*
 * In a step: `return flow_fail(flow, ERR_INVALID, "…")`. `message` must stay until the end of the
 * flow.
 */
enum flow_rc flow_fail(struct flow *flow, enum err err, const char *message);

#endif
