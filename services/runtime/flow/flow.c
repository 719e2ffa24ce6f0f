/* Flows: pools of them, running their steps, and waits with a generation. */
#include "flow.h"

#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t under_way;

static void run(struct flow *flow);
static void on_ready(void *ctx);
static void on_deadline(void *ctx);

enum err flow_pool_init(struct flow_pool *pool, struct loop *loop, const struct flow_kind *kind,
                        size_t count) {
    assert(kind->flow_bytes >= sizeof(struct flow) && kind->step_count > 0 &&
           kind->deadline_ms > 0);
    size_t stride = (kind->flow_bytes + 15) & ~(size_t)15;
    *pool = (struct flow_pool){ .loop = loop, .kind = kind, .count = count };
    list_init(&pool->free);
    pool->memory = calloc(count, stride);
    if (pool->memory == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct flow *flow = (struct flow *)(void *)(pool->memory + i * stride);
        flow->kind = kind;
        flow->pool = pool;
        loop_timer_init(&flow->deadline, on_deadline, flow);
        loop_task_init(&flow->ready, on_ready, flow);
        list_init(&flow->free_node);
        list_append(&pool->free, &flow->free_node);
    }
    return ERR_OK;
}

void flow_pool_done(struct flow_pool *pool) {
    free(pool->memory);
    pool->memory = NULL;
}

size_t flow_count(void) {
    return under_way;
}

struct flow *flow_open(struct flow_pool *pool) {
    struct list *node = list_take_first(&pool->free);
    if (node == NULL) {
        return NULL;
    }
    struct flow *flow = CONTAINER_OF(node, struct flow, free_node);
    memset((char *)flow + sizeof(*flow), 0, pool->kind->flow_bytes - sizeof(*flow));
    flow->step = 0;
    flow->waiting = false;
    flow->err = ERR_OK;
    flow->message = NULL;
    under_way++;
    return flow;
}

static void close_flow(struct flow *flow) {
    flow->generation++;
    flow->waiting = false;
    loop_timer_stop(flow->pool->loop, &flow->deadline);
    loop_task_cancel(&flow->ready);
    under_way--;
    list_append(&flow->pool->free, &flow->free_node);
}

void flow_start(struct flow *flow) {
    loop_timer_start(flow->pool->loop, &flow->deadline, flow->kind->deadline_ms);
    run(flow);
}

static void fail(struct flow *flow) {
    log_debug("flow failed", LOG_STR("flow", flow->kind->name),
              LOG_STR("step", flow->kind->steps[flow->step].name),
              LOG_STR("error", err_name(flow->err)));
    flow->kind->fail(flow);
    close_flow(flow);
}

static void run(struct flow *flow) {
    for (;;) {
        assert(flow->step < flow->kind->step_count);
        switch (flow->kind->steps[flow->step].fn(flow)) {
        case FLOW_NEXT: flow->step++; break;
        case FLOW_WAIT:
            assert(flow->waiting || !list_is_empty(&flow->ready.node)); /* or woken already */
            return;
        case FLOW_END: close_flow(flow); return;
        case FLOW_FAILED: fail(flow); return;
        }
    }
}

static void on_ready(void *ctx) {
    struct flow *flow = ctx;
    if (flow->err != ERR_OK) {
        fail(flow);
        return;
    }
    flow->step++;
    run(flow);
}

static void on_deadline(void *ctx) {
    struct flow *flow = ctx;
    flow->generation++; /* what it waited for is dropped when it comes */
    flow->waiting = false;
    flow->err = ERR_TIMEOUT;
    fail(flow);
}

struct flow_wait flow_wait(struct flow *flow) {
    assert(!flow->waiting);
    flow->waiting = true;
    flow->generation++;
    return (struct flow_wait){ flow, flow->generation };
}

bool flow_wait_is_live(struct flow_wait wait) {
    return wait.flow->generation == wait.generation && wait.flow->waiting;
}

void flow_wake(struct flow_wait wait, enum err err) {
    if (!flow_wait_is_live(wait)) {
        return;
    }
    wait.flow->waiting = false;
    wait.flow->err = err;
    loop_task_queue(wait.flow->pool->loop, &wait.flow->ready, LOOP_TASK_READY);
}

void flow_extend(struct flow *flow, uint32_t ms) {
    struct loop *loop = flow->pool->loop;
    if (loop_now_ms(loop) + ms > flow->deadline.due_ms) {
        loop_timer_start(loop, &flow->deadline, ms);
    }
}

enum flow_rc flow_fail(struct flow *flow, enum err err, const char *message) {
    assert(err != ERR_OK);
    flow->err = err;
    flow->message = message;
    return FLOW_FAILED;
}
