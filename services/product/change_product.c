/*
 * PATCH /products/{id}, POST /products/{id}/restock and …/adjust: parse → change (in a batch) →
 * reply.
 *
 * A product that another transaction has locked would hold up its batch, and all behind it. So its
 * changes are set aside, into batches of their own, where they wait only for each other; they are
 * answered 503 when it is still locked there. Which products that are is found out when a batch
 * fails, and holds until one of their own batches has the lock.
 */
#include "metrics.h"
#include "parts.h"
#include "product_keys.h"
#include "product_set.h"
#include "statements.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/flow/http_flow.h"
#include "runtime/json/json.h"
#include "runtime/telemetry/log.h"

#include <string.h>

static enum flow_rc parse(struct flow *flow);
static enum flow_rc find_earlier(struct flow *flow);
static enum flow_rc change(struct flow *flow);
static enum flow_rc reply_product(struct flow *flow);

static const struct flow_step STEPS[] = {
    { "parse", parse },
    { "find_earlier", find_earlier },
    { "change", change },
    { "reply_product", reply_product },
};

/* What is to be changed. */
struct change {
    int64_t id;
    bool has_name, has_price;
    struct str name; /* in the exchange's arena; the batch item has its own copy */
    int64_t price_cents;
    int64_t delta;     /* of the stock; 0: none */
    struct str reason; /* of an adjustment, likewise; .data NULL: none */
    bool has_if_match;
};

struct change_product {
    struct http_flow http;
    struct change change;
    struct product product; /* afterwards */
    bool is_refused;        /* there is less than is to be taken away */
    struct keyed_request request;
    struct earlier_answer earlier;
};

enum { IF_MATCH_BYTES_MAX = 512 };

/* One change waiting for the batch; owns its strings, because it outlives the flow. */
struct change_item {
    struct flow_wait wait;
    struct change change;
    enum err outcome;
    bool is_aside, is_locked;
    enum err key_err; /* what has become of its key; ERR_OK: it is stored with the change */
    char name[PRODUCT_NAME_BYTES_MAX];
    char reason[ADJUST_REASON_BYTES_MAX];
    char if_match[IF_MATCH_BYTES_MAX + 1];
    struct trace_copy trace;
    struct keyed_request request; /* its claim is the batch's now */
};

enum { CHANGE_QUEUE_MAX = 1024, CHANGE_BATCH_MAX = 128, ASIDE_PRODUCTS_MAX = 64 };

static void fail(struct flow *flow);

static struct flow_kind KIND =
    FLOW_KIND("change_product", STEPS, struct change_product, fail, "There is no such product");

static struct flow_pool flows;
static struct batcher changes, changes_aside;

/* The products whose changes are set aside, 0: none; used in turn, whatever is in a place. */
static int64_t aside_ids[ASIDE_PRODUCTS_MAX];
static size_t next_aside;

void change_product_patch(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

void change_product_restock(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

void change_product_adjust(struct http_exchange *exchange, void *ctx) {
    (void)ctx;
    http_flow_start(&flows, exchange);
}

static void fail(struct flow *flow) {
    struct change_product *self = (struct change_product *)flow;
    product_keys_release(&self->request);
    http_flow_fail(flow);
}

/* ---- set aside ---- */

/* NULL: it is not. */
static int64_t *find_aside(int64_t product_id) {
    for (size_t i = 0; i < ASIDE_PRODUCTS_MAX; i++) {
        if (aside_ids[i] == product_id) {
            return &aside_ids[i];
        }
    }
    return NULL;
}

static void set_aside(int64_t product_id) {
    if (find_aside(product_id) == NULL) {
        aside_ids[next_aside] = product_id;
        next_aside = (next_aside + 1) % ASIDE_PRODUCTS_MAX;
    }
}

static void take_back(int64_t product_id) {
    int64_t *id = find_aside(product_id);
    if (id != NULL) {
        *id = 0;
    }
}

static enum err add_item(struct change_item *item) {
    item->is_aside = find_aside(item->change.id) != NULL;
    item->is_locked = false;
    return batcher_add(item->is_aside ? &changes_aside : &changes, item);
}

/* ---- the steps ---- */

static enum flow_rc parse_patch(struct flow *flow, struct change *change) {
    static const char *const MEMBERS[] = { "name", "price", NULL };
    struct json_object *body = NULL;
    if (http_flow_body(flow, MEMBERS, &body) != FLOW_NEXT) {
        return FLOW_FAILED;
    }
    change->has_name = product_read_name(flow, body, false, &change->name);
    change->has_price = product_read_price(flow, body, false, &change->price_cents);
    if (!json_has_member(body, "name") && !json_has_member(body, "price")) {
        http_flow_problem(flow, "", "minProperties", "must have name or price");
    }
    return FLOW_NEXT;
}

static enum flow_rc parse_restock(struct flow *flow, struct change *change) {
    static const char *const MEMBERS[] = { "quantity", NULL };
    struct json_object *body = NULL;
    if (http_flow_body(flow, MEMBERS, &body) != FLOW_NEXT) {
        return FLOW_FAILED;
    }
    (void)product_read_quantity(flow, body, &change->delta);
    return FLOW_NEXT;
}

static enum flow_rc parse_adjust(struct flow *flow, struct change *change) {
    static const char *const MEMBERS[] = { "delta", "reason", NULL };
    struct json_object *body = NULL;
    if (http_flow_body(flow, MEMBERS, &body) != FLOW_NEXT) {
        return FLOW_FAILED;
    }
    (void)product_read_delta(flow, body, &change->delta);
    (void)product_read_reason(flow, body, &change->reason);
    return FLOW_NEXT;
}

static enum flow_rc parse(struct flow *flow) {
    struct change_product *self = (struct change_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    const char *route = http_route_name(exchange);
    if (http_path_id(exchange, 0, &self->change.id) != ERR_OK) {
        http_flow_problem(flow, "path/id", "type", "must be a positive integer");
    }
    enum flow_rc rc = strcmp(route, "patch_product") == 0    ? parse_patch(flow, &self->change)
                      : strcmp(route, "adjust_product") == 0 ? parse_adjust(flow, &self->change)
                                                             : parse_restock(flow, &self->change);
    if (rc != FLOW_NEXT) {
        return rc;
    }
    if (strcmp(route, "patch_product") != 0) {
        bool is_adjust = self->change.reason.data != NULL;
        contract_read_key(flow, self->request.key);
        product_keys_describe(&self->request, is_adjust ? "adjust" : "restock", self->change.id,
                              self->change.delta, self->change.reason);
    }
    if (http_header(exchange, "If-Match").len > IF_MATCH_BYTES_MAX) {
        http_flow_problem(flow, "header/If-Match", "maxLength", "must have at most 512 bytes");
    }
    return http_flow_check(flow);
}

static enum flow_rc find_earlier(struct flow *flow) {
    struct change_product *self = (struct change_product *)flow;
    return product_keys_find(flow, &self->request, &self->earlier);
}

static enum flow_rc change(struct flow *flow) {
    struct change_product *self = (struct change_product *)flow;
    struct http_exchange *exchange = http_flow_exchange(flow);
    struct str if_match = http_header(exchange, "If-Match");
    if (self->earlier.is_found) {
        return self->earlier.is_same
                   ? FLOW_NEXT
                   : flow_fail(flow, ERR_UNPROCESSABLE,
                               "This Idempotency-Key was used with another payload");
    }
    struct change_item item = { .wait = flow_wait(flow),
                                .change = self->change,
                                .request = self->request };
    if (self->change.has_name) {
        memcpy(item.name, self->change.name.data, self->change.name.len);
    }
    if (self->change.reason.data != NULL) {
        memcpy(item.reason, self->change.reason.data, self->change.reason.len);
    }
    if (if_match.data != NULL) {
        item.change.has_if_match = true;
        memcpy(item.if_match, if_match.data, if_match.len);
    }
    trace_copy(&item.trace, http_trace(exchange));
    enum err err = add_item(&item);
    if (err != ERR_OK) {
        return flow_fail(flow, err, NULL);
    }
    self->request.has_claim = false; /* the batch's now: a change may outlive its flow */
    return FLOW_WAIT;
}

static enum flow_rc reply_product(struct flow *flow) {
    struct change_product *self = (struct change_product *)flow;
    const struct earlier_answer *earlier = &self->earlier;
    char etag[PRODUCT_ETAG_BYTES];
    struct buf body;
    product_keys_release(&self->request);
    if (self->is_refused) {
        return flow_fail(flow, ERR_CONFLICT, "The stock would fall below zero");
    }
    product_etag(earlier->is_found ? earlier->version : self->product.version, etag);
    buf_init(&body, 0);
    if (earlier->is_found) {
        buf_append(&body, earlier->body.data, earlier->body.len);
    } else {
        product_encode(&self->product, &body);
    }
    return http_flow_reply(flow, &(struct http_reply){ .status = 200, .etag = etag }, &body);
}

/* ---- the batch: lock (→ find who is locked → again) → apply (→ keys) → write → cache ---- */

struct change_state {
    struct pg_session *session;
    struct product_set set;
    struct teller_event *events;
    size_t event_count;
    int64_t now_ms;
    unsigned repeated;
};

enum { REPEATED_MAX = 3 };

static void run_changes(void *ctx, struct batch *batch);
static void find_locked(struct batch *batch);
static void apply_all(struct batch *batch);

/* Each change answers with the product as the batch leaves it: one version for all of them. */
static void wake_all(struct batch *batch, enum err err) {
    const struct change_state *state = batch->state;
    for (size_t i = 0; i < batch->count; i++) {
        struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        enum err outcome = err != ERR_OK ? err : item->outcome;
        bool is_live = flow_wait_is_live(item->wait);
        struct change_product *self = is_live ? (struct change_product *)item->wait.flow : NULL;
        if (is_live && outcome == ERR_OK) {
            self->product = product_set_find(&state->set, item->change.id)->product;
        }
        if (is_live && outcome == ERR_INVALID) {
            http_flow_problem(item->wait.flow,
                              item->change.reason.data == NULL ? "/quantity" : "/delta", "maximum",
                              "would raise the stock above 2147483647");
        }
        if (is_live && err == ERR_OK && outcome == ERR_UNPROCESSABLE) {
            self->is_refused = true;
            outcome = ERR_OK;
        }
        product_keys_release(&item->request);
        flow_wake(item->wait, outcome);
    }
    batcher_end(batch);
}

/*
 * The transaction failed, and nothing of it is stored. What is nobody's fault is repeated from its
 * beginning: a deadlock, a connection that was stale, ids that were taken, a lock, without those
 * that it keeps out.
 */
static void failed(struct batch *batch, enum err err) {
    struct change_state *state = batch->state;
    if (err == ERR_TAKEN_ID) {
        id_block_drop(&outbox_ids);
    }
    bool may_pass = err == ERR_TAKEN_ID || err == ERR_CONFLICT || err == ERR_LOCKED;
    if (!may_pass || state->repeated == REPEATED_MAX) {
        wake_all(batch, err == ERR_CONFLICT ? ERR_UNAVAILABLE : err);
        return;
    }
    state->repeated++;
    if (err == ERR_LOCKED) {
        find_locked(batch);
    } else {
        run_changes(NULL, batch);
    }
}

static void locked_found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        wake_all(batch, err);
        return;
    }
    for (size_t r = 0; r < rows[0].count; r++) {
        int64_t id = pg_rows_get_int8(&rows[0], r, 0);
        set_aside(id);
        for (size_t i = 0; i < batch->count; i++) {
            struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
            item->is_locked = item->is_locked || item->change.id == id;
        }
    }
    run_changes(NULL, batch);
}

static void find_locked(struct batch *batch) {
    int64_t ids[CHANGE_BATCH_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        ids[i] = BATCH_ITEM(batch, struct change_item, i)->change.id;
    }
    struct pg_call call = pg_rows_ids_call(&batch->arena, &SQL_PRODUCT_LOCKED, ids, batch->count);
    pg_run(backends.pg, &call, 1, locked_found, batch);
}

static void cached(void *ctx, enum err err) {
    (void)err; /* Redis down costs speed, never an answer */
    wake_all(ctx, ERR_OK);
}

static const char *change_name(const struct change *change) {
    return change->delta == 0            ? "product changed"
           : change->reason.data == NULL ? "product restocked"
                                         : "product adjusted";
}

static void committed(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct change_state *state = batch->state;
    (void)rows;
    if (err != ERR_OK) {
        failed(batch, err);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        if (item->outcome == ERR_OK) {
            log_info(change_name(&item->change), LOG_TRACE(trace_of(&item->trace)),
                     LOG_INT("productId", item->change.id),
                     LOG_INT("quantity", item->change.delta));
            metrics_add(&product_metrics[M_PRODUCTS_CHANGED], 1);
        }
    }
    outbox_publish(&backends.outbox, state->events, state->event_count);
    product_set_cache(&batch->arena, &state->set, cached, batch);
}

/* One change on the locked row; what it sees is the row with the changes before it. */
static enum err apply_one(struct change_item *item, struct changed_product *row) {
    const struct change *change = &item->change;
    if (row == NULL) {
        return ERR_NOT_FOUND;
    }
    /* one version step a batch: an earlier change in it is not yet visible to anybody's If-Match */
    if (change->has_if_match &&
        (row->changed || !product_etag_matches(str_of(item->if_match), row->product.version))) {
        return ERR_PRECONDITION;
    }
    int64_t qty = row->product.qty + change->delta;
    if (qty > STOCK_QTY_MAX) {
        return ERR_INVALID;
    }
    if (qty < 0) {
        return ERR_UNPROCESSABLE;
    }
    row->product.qty = qty;
    if (change->has_price) {
        row->product.price_cents = change->price_cents;
    }
    if (change->has_name) {
        memcpy(row->product.name, item->name, change->name.len);
        row->product.name_length = change->name.len;
    }
    row->changed = true;
    row->trace = trace_of(&item->trace);
    return ERR_OK;
}

static bool is_of_stock(const struct change_item *item) {
    return item->outcome == ERR_OK && item->change.delta != 0;
}

static struct pg_call restock_call(struct batch *batch, int64_t now_ms, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &batch->arena, &SQL_RESTOCK_INSERT, "iiTtt", count);
    for (size_t i = 0; i < batch->count; i++) {
        const struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        if (is_of_stock(item)) {
            pg_rows_put_int8(&rows, item->change.id);
            pg_rows_put_int8(&rows, item->change.delta);
            pg_rows_put_time(&rows, now_ms);
            pg_rows_put_text(&rows, str_of(item->trace.request_id));
            bool has_reason = item->change.reason.data != NULL;
            pg_rows_put_text(
                &rows, (struct str){ has_reason ? item->reason : NULL, item->change.reason.len });
        }
    }
    return pg_rows_call(&rows);
}

static void write_back(struct batch *batch) {
    struct change_state *state = batch->state;
    struct pg_call calls[3];
    size_t call_count = 0, restocks = 0;
    if (state->event_count > 0) {
        calls[call_count++] = product_set_update_call(&batch->arena, &state->set);
        calls[call_count++] = outbox_insert_call(&batch->arena, state->events, state->event_count);
    }
    for (size_t i = 0; i < batch->count; i++) {
        restocks += is_of_stock(BATCH_ITEM(batch, struct change_item, i));
    }
    if (restocks > 0) {
        calls[call_count++] = restock_call(batch, state->now_ms, restocks);
    }
    pg_commit(state->session, calls, call_count, committed, batch);
}

/* What was refused changed nothing, and may be asked for again: its key is not stored. */
static bool has_new_key(const struct change_item *item) {
    return item->outcome == ERR_OK && item->request.key[0] != '\0';
}

/* Whoever asks again is told what has become of it. */
static bool has_its_key(void *item_void) {
    struct change_item *item = item_void;
    if (item->key_err == ERR_OK) {
        return true;
    }
    product_keys_release(&item->request);
    flow_wake(item->wait, item->key_err);
    return false;
}

/* Those that are lost end; the others begin again. */
static void end_lost(struct batch *batch) {
    (void)batcher_filter(batch, has_its_key);
    failed(batch, ERR_CONFLICT);
}

static void locked_keys_found(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    if (err != ERR_OK) {
        wake_all(batch, err);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        if (has_new_key(item) && product_keys_is_among(&rows[0], &item->request)) {
            item->key_err = ERR_LOCKED;
        }
    }
    end_lost(batch);
}

static size_t new_keys(const struct batch *batch, struct new_key *keys) {
    const struct change_state *state = batch->state;
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        if (has_new_key(item)) {
            keys[count++] =
                (struct new_key){ &item->request,
                                  &product_set_find(&state->set, item->change.id)->product };
        }
    }
    return count;
}

/* Another process has some of the keys (ERR_LOCKED: it does not end; which are they?). */
static void keys_stored(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct change_state *state = batch->state;
    struct new_key keys[CHANGE_BATCH_MAX];
    size_t lost = 0;
    if (err == ERR_LOCKED) { /* the session is gone */
        struct pg_call call = product_keys_locked_call(&batch->arena, keys, new_keys(batch, keys));
        pg_run(backends.pg, &call, 1, locked_keys_found, batch);
        return;
    }
    if (err != ERR_OK) {
        failed(batch, err);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        if (has_new_key(item) && !product_keys_is_among(&rows[0], &item->request)) {
            item->key_err = ERR_CONFLICT;
            lost++;
        }
    }
    if (lost == 0) {
        write_back(batch);
        return;
    }
    pg_rollback(state->session);
    end_lost(batch);
}

static void store_keys(struct batch *batch) {
    const struct change_state *state = batch->state;
    struct new_key keys[CHANGE_BATCH_MAX];
    size_t count = new_keys(batch, keys);
    if (count == 0) {
        write_back(batch);
        return;
    }
    struct pg_call call = product_keys_call(&batch->arena, keys, count, state->now_ms);
    pg_continue(state->session, &call, 1, keys_stored, batch);
}

static void abandon(struct batch *batch, enum err err) {
    pg_rollback(((struct change_state *)batch->state)->session);
    wake_all(batch, err);
}

static void locked(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    struct change_state *state = batch->state;
    if (err != ERR_OK) {
        failed(batch, err);
        return;
    }
    if (product_set_read(&batch->arena, &rows[0], &state->set) != ERR_OK) {
        abandon(batch, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct change_item *item = BATCH_ITEM(batch, struct change_item, i);
        take_back(item->change.id); /* it is ours now */
        item->outcome = apply_one(item, product_set_find(&state->set, item->change.id));
    }
    state->event_count = product_set_changed_count(&state->set);
    state->events = arena_array(&batch->arena, state->event_count, sizeof(struct teller_event));
    if (state->events == NULL) {
        abandon(batch, ERR_NO_MEMORY);
        return;
    }
    apply_all(batch);
}

static void ids_arrived(void *ctx, enum err err) {
    if (err != ERR_OK) {
        abandon(ctx, err);
        return;
    }
    apply_all(ctx);
}

/* Number the events (the ids may have to be fetched first), then write. */
static void apply_all(struct batch *batch) {
    struct change_state *state = batch->state;
    int64_t first_outbox_id = 0;
    if (state->event_count > 0 &&
        id_block_take(&outbox_ids, state->event_count, &first_outbox_id) != ERR_OK) {
        id_block_wait(&outbox_ids, ids_arrived, batch);
        return;
    }
    product_set_finish(&state->set, state->now_ms);
    size_t count = product_set_events(&batch->arena, &state->set, state->events);
    for (size_t i = 0; i < count; i++) {
        state->events[i].id = first_outbox_id + (int64_t)i;
    }
    store_keys(batch);
}

/*
 * Not whom nobody waits for: whoever was answered at its deadline may have asked again. Nor whose
 * product is locked: it is set aside, or, when it is there already, answered.
 */
static bool goes_on(void *item_void) {
    struct change_item *item = item_void;
    if (!flow_wait_is_live(item->wait)) {
        product_keys_release(&item->request);
        return false;
    }
    if (item->is_aside ? !item->is_locked : find_aside(item->change.id) == NULL) {
        return true;
    }
    enum err err = item->is_aside ? ERR_LOCKED : add_item(item);
    if (err != ERR_OK) {
        product_keys_release(&item->request);
        flow_wake(item->wait, err);
    }
    return false;
}

static void run_changes(void *ctx, struct batch *batch) {
    if (batcher_filter(batch, goes_on) == 0) {
        batcher_end(batch);
        return;
    }
    const struct change_state *earlier = batch->state;
    struct change_state *state = arena_zalloc(&batch->arena, sizeof(*state));
    int64_t ids[CHANGE_BATCH_MAX];
    (void)ctx;
    batch->state = state;
    if (state == NULL) {
        wake_all(batch, ERR_NO_MEMORY);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        ids[i] = BATCH_ITEM(batch, struct change_item, i)->change.id;
    }
    state->now_ms = clock_unix_ms();
    state->repeated = earlier == NULL ? 0 : earlier->repeated;
    struct pg_call call = product_set_lock_call(&batch->arena, ids, batch->count);
    state->session = pg_begin(backends.pg, &call, 1, locked, batch);
}

enum err change_product_open(void) {
    struct batcher_options options = {
        .item_bytes = sizeof(struct change_item),
        .queue_max = CHANGE_QUEUE_MAX,
        .batch_max = CHANGE_BATCH_MAX,
        .inflight_max = 1,
        .run = run_changes,
    };
    enum err err = batcher_init(&changes, backends.loop, &options);
    if (err == ERR_OK) {
        err = batcher_init(&changes_aside, backends.loop, &options);
    }
    return err == ERR_OK ? backends_open_flows(&flows, &KIND, CHANGE_QUEUE_MAX) : err;
}

void change_product_close(void) {
    batcher_done(&changes);
    batcher_done(&changes_aside);
    flow_pool_done(&flows);
}
