/* Rows that must be told: from memory after the commit, from the backlog, by the sweep. */
#include "outbox.h"

#include "base/clock.h"
#include "base/trace.h"
#include "runtime/telemetry/log.h"
#include "runtime/telemetry/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    DELETE_QUEUE_MAX = 131072,
    DELETE_BATCH_MAX = 4000,
    BACKLOG_MAX = 262144,              /* ids; what does not even fit here is left to the sweep */
    ARENA_BYTES_MAX = 8 * 1024 * 1024, /* of what is read again */
    FRESH_LEASE_S = 10, /* as in SQL_OUTBOX_INSERT: how long the inserter has the row to itself */
};

enum {
    M_FROM_MEMORY,
    M_FROM_BACKLOG,
    M_FROM_SWEEP,
    M_UNSENT,
    M_UNDELETED,
    M_INFLIGHT,
    M_BACKLOG,
    METRIC_COUNT
};

static struct metric METRICS[METRIC_COUNT] = {
    [M_FROM_MEMORY] = { "prodorder_outbox_published_total", METRIC_COUNTER,
                        "Events handed to the broker", "source=\"memory\"" },
    [M_FROM_BACKLOG] = { "prodorder_outbox_published_total", METRIC_COUNTER,
                         "Events handed to the broker", "source=\"backlog\"" },
    [M_FROM_SWEEP] = { "prodorder_outbox_published_total", METRIC_COUNTER,
                       "Events handed to the broker", "source=\"sweep\"" },
    [M_UNSENT] = { "prodorder_outbox_left_total", METRIC_COUNTER,
                   "Events left to the sweep because the broker could not take them" },
    [M_UNDELETED] = { "prodorder_outbox_undeleted_total", METRIC_COUNTER,
                      "Confirmed events whose row could not be queued for deletion" },
    [M_INFLIGHT] = { "prodorder_outbox_inflight", METRIC_GAUGE,
                     "Events handed to the broker and not confirmed" },
    [M_BACKLOG] = { "prodorder_outbox_backlog", METRIC_GAUGE,
                    "Events that wait for room in the broker's queue" },
};

/* ---- the statements ---- */

#define INSERT                                                                                     \
    "INSERT INTO outbox (id, routing_key, message_id, correlation_id, traceparent,"                \
    " tracestate, body, available_at) SELECT *, clock_timestamp() + interval '10 s' FROM"          \
    " unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "           \
    "$7::text[])"

/* Of types of their own, whatever the table's are. */
#define COLUMNS                                                                                    \
    "id::bigint, routing_key::text, message_id::text, correlation_id::text, traceparent::text,"    \
    " tracestate::text, body::text"

/* clang-format off */
const struct pg_statement SQL_OUTBOX_INSERT = { "outbox_insert", INSERT };

const struct pg_statement SQL_OUTBOX_INSERT_MISSING = { "outbox_insert_missing",
    INSERT " ON CONFLICT (id) DO NOTHING" };

/*
 * The last column names the claim: when it ends, in microseconds. One that would end later than any
 * does is of a clock that has stepped back since: it has ended.
 */
const struct pg_statement SQL_OUTBOX_CLAIM = { "outbox_claim",
    "UPDATE outbox SET available_at = clock_timestamp() + interval '30 s' WHERE id IN"
    " (SELECT id FROM outbox WHERE available_at <="
    " clock_timestamp() + $1::bigint * interval '1 s'"
    " OR available_at > clock_timestamp() + interval '60 s'"
    " ORDER BY id LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"
    " RETURNING " COLUMNS ", (extract(epoch FROM available_at) * 1000000)::bigint" };

const struct pg_statement SQL_OUTBOX_READ = { "outbox_read",
    "SELECT " COLUMNS " FROM outbox WHERE id = ANY ($1::bigint[]) ORDER BY id" };

/*
 * Only while the claim is still the one that is given up. Claim 0 is the inserter's: it ends within
 * 10 s from now, which a sweep's claim does not before it is 20 s old.
 */
const struct pg_statement SQL_OUTBOX_RELEASE = { "outbox_release",
    "UPDATE outbox SET available_at = clock_timestamp()"
    " FROM unnest($1::bigint[], $2::bigint[]) AS held (id, claim)"
    " WHERE outbox.id = held.id AND CASE held.claim"
    " WHEN 0 THEN available_at <= clock_timestamp() + interval '10 s'"
    " ELSE (extract(epoch FROM available_at) * 1000000)::bigint = held.claim END" };

const struct pg_statement SQL_COMMIT_RELAX = { "commit_relax",
    "SELECT set_config('synchronous_commit', 'off', true)" };

const struct pg_statement SQL_OUTBOX_DELETE = { "outbox_delete",
    "DELETE FROM outbox WHERE id = ANY ($1::bigint[])" };
/* clang-format on */

const struct pg_statement *const OUTBOX_STATEMENTS[] = {
    &SQL_OUTBOX_INSERT,  &SQL_OUTBOX_INSERT_MISSING, &SQL_OUTBOX_CLAIM,  &SQL_OUTBOX_READ,
    &SQL_OUTBOX_RELEASE, &SQL_COMMIT_RELAX,          &SQL_OUTBOX_DELETE, NULL,
};

/* ---- open and close ---- */

/* A row to be released, by the claim that was held. */
struct given_up {
    int64_t id, claim;
};

static void run_deletion(void *ctx, struct batch *batch);
static void run_release(void *ctx, struct batch *batch);
static void on_timer(void *ctx);
static void on_sent(void *ctx, const struct teller_event *event, enum err err);
static void on_told(void *ctx, int64_t id, bool confirmed);
static void sweep(struct outbox *outbox);
static void read_backlog(struct outbox *outbox);

enum err outbox_open(struct outbox *outbox, struct loop *loop, struct pg *pg, struct broker *broker,
                     const struct outbox_options *options) {
    struct batcher_options deletions = { .item_bytes = sizeof(int64_t),
                                         .queue_max = DELETE_QUEUE_MAX,
                                         .batch_max = DELETE_BATCH_MAX,
                                         .inflight_max = 1,
                                         .run = run_deletion,
                                         .ctx = outbox };
    struct batcher_options releases = deletions;
    releases.item_bytes = sizeof(struct given_up);
    releases.run = run_release;
    *outbox = (struct outbox){ .loop = loop, .pg = pg, .broker = broker, .options = *options };
    loop_timer_init(&outbox->timer, on_timer, outbox);
    arena_init(&outbox->backlog_arena, ARENA_BYTES_MAX);
    arena_init(&outbox->sweep_arena, ARENA_BYTES_MAX);
    struct teller_options telling = options->telling;
    telling.on_sent = on_sent;
    telling.on_told = on_told;
    telling.ctx = outbox;
    teller_init(&outbox->teller, broker, &telling);
    outbox->backlog = calloc(BACKLOG_MAX, sizeof(*outbox->backlog));
    outbox->reading = calloc(options->sweep_batch_max, sizeof(*outbox->reading));
    if (outbox->backlog == NULL || outbox->reading == NULL) {
        return ERR_NO_MEMORY; /* outbox_close() frees what there is */
    }
    metrics_register(METRICS, METRIC_COUNT);
    enum err err = batcher_init(&outbox->deletions, loop, &deletions);
    if (err == ERR_OK) {
        err = batcher_init(&outbox->releases, loop, &releases);
    }
    if (err == ERR_OK) {
        loop_timer_start(loop, &outbox->timer, options->sweep_interval_ms);
    }
    return err;
}

void outbox_stop(struct outbox *outbox) {
    outbox->closing = true;
    loop_timer_stop(outbox->loop, &outbox->timer);
}

void outbox_close(struct outbox *outbox) {
    if (outbox->loop == NULL) {
        return;
    }
    outbox_stop(outbox);
    batcher_done(&outbox->deletions);
    batcher_done(&outbox->releases);
    id_set_done(&outbox->held);
    id_set_done(&outbox->told);
    arena_done(&outbox->backlog_arena);
    arena_done(&outbox->sweep_arena);
    teller_done(&outbox->teller);
    free(outbox->backlog);
    free(outbox->reading);
    *outbox = (struct outbox){ 0 };
}

bool outbox_is_idle(const struct outbox *outbox) {
    return batcher_is_idle(&outbox->deletions) && batcher_is_idle(&outbox->releases) &&
           !outbox->sweeping && outbox->reading_count == 0;
}

/* ---- into the table ---- */

static struct pg_call insert_call(const struct pg_statement *statement, struct arena *arena,
                                  const struct teller_event *events, size_t count) {
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, arena, statement, "itttttt", count);
    for (size_t i = 0; i < count; i++) {
        const struct teller_event *event = &events[i];
        rows.failed = rows.failed || event->body.data == NULL;
        pg_rows_put_int8(&rows, event->id);
        pg_rows_put_text(&rows, str_of(event->routing_key));
        pg_rows_put_text(&rows, str_of(event->message_id));
        pg_rows_put_trace(&rows, event->trace);
        pg_rows_put_text(&rows, event->body);
    }
    return pg_rows_call(&rows);
}

struct pg_call outbox_insert_call(struct arena *arena, const struct teller_event *events,
                                  size_t count) {
    return insert_call(&SQL_OUTBOX_INSERT, arena, events, count);
}

struct pg_call outbox_insert_missing_call(struct arena *arena, const struct teller_event *events,
                                          size_t count) {
    return insert_call(&SQL_OUTBOX_INSERT_MISSING, arena, events, count);
}

/* ---- out to the broker ---- */

/*
 * Whoever sweeps next may have it. If that fails, or finds no room here, the claim ends by itself.
 */
static void release(struct outbox *outbox, int64_t id, int64_t claim) {
    struct given_up item = { id, claim };
    enum err err = batcher_add(&outbox->releases, &item);
    (void)err;
}

/* What befalls an event off its usual way: memory, broker, deleted. */
static void log_event(const char *msg, const struct teller_event *event) {
    log_info(msg, LOG_TRACE(event->trace), LOG_STR("messageId", event->message_id),
             LOG_INT("outboxId", event->id));
}

static void show_levels(const struct outbox *outbox) {
    metrics_set(&METRICS[M_INFLIGHT], (int64_t)outbox->teller.inflight);
    metrics_set(&METRICS[M_BACKLOG], (int64_t)outbox->backlog_count);
}

/* An event that this process holds and cannot send: into the backlog, else to the sweep. */
static void leave(struct outbox *outbox, const struct teller_event *event, enum err err,
                  int metric) {
    if (err == ERR_BUSY && outbox->backlog_count < BACKLOG_MAX) {
        size_t slot = (outbox->backlog_head + outbox->backlog_count) % BACKLOG_MAX;
        outbox->backlog[slot] = event->id;
        outbox->backlog_count++;
        return;
    }
    id_set_remove(&outbox->held, event->id);
    if (err == ERR_UNAVAILABLE && metric == M_FROM_SWEEP) {
        release(outbox, event->id, event->claim);
    }
    metrics_add(&METRICS[M_UNSENT], 1);
    log_event("event waits for the broker", event);
}

static void on_sent(void *ctx, const struct teller_event *event, enum err err) {
    struct outbox *outbox = ctx;
    if (err != ERR_OK) {
        leave(outbox, event, err, outbox->source);
        return;
    }
    metrics_add(&METRICS[outbox->source], 1);
    if (outbox->source == M_FROM_SWEEP) {
        log_event("event sent by the sweep", event);
    }
}

/* Events that this process holds, and that stay until it returns. */
static void send_held(struct outbox *outbox, const struct teller_event *event, int metric) {
    outbox->source = metric;
    if (outbox->backlog_count > 0 && metric != M_FROM_BACKLOG) { /* nobody overtakes the backlog */
        leave(outbox, event, ERR_BUSY, metric);
        return;
    }
    teller_add(&outbox->teller, event);
}

static void publish_all(struct outbox *outbox, const struct teller_event *events, size_t count,
                        int metric) {
    for (size_t i = 0; i < count; i++) {
        if (!id_set_has(&outbox->held, events[i].id) &&
            id_set_add(&outbox->held, events[i].id, events[i].claim) == ERR_OK) {
            send_held(outbox, &events[i], metric);
        }
    }
    teller_flush(&outbox->teller);
    show_levels(outbox);
}

void outbox_publish(struct outbox *outbox, const struct teller_event *events, size_t count) {
    publish_all(outbox, events, count, M_FROM_MEMORY);
}

/* ---- confirmed: delete; lost: release ---- */

static void on_told(void *ctx, int64_t id, bool confirmed) {
    struct outbox *outbox = ctx;
    log_debug("event settled", LOG_INT("outboxId", id), LOG_BOOL("confirmed", confirmed));
    if (outbox->lost > 0) {
        outbox->lost--;
        if (!confirmed) {
            release(outbox, id, id_set_mark(&outbox->held, id));
        }
    }
    id_set_remove(&outbox->held, id);
    if (confirmed && outbox->sweeping) {
        enum err err = id_set_add(&outbox->told, id, 0);
        (void)err; /* no memory: it may be sent twice */
    }
    if (confirmed && batcher_add(&outbox->deletions, &id) != ERR_OK) {
        metrics_add(&METRICS[M_UNDELETED], 1); /* the sweep sends it again and deletes it then */
    }
}

void outbox_look(struct outbox *outbox) {
    show_levels(outbox);
    read_backlog(outbox);
}

static void batch_settled(void *ctx, enum err err, const struct pg_rows *rows) {
    struct batch *batch = ctx;
    (void)err; /* rows that stay are swept, sent again and deleted then; claims end by themselves */
    (void)rows;
    batcher_end(batch);
}

static void run_deletion(void *ctx, struct batch *batch) {
    struct outbox *outbox = ctx;
    struct pg_call calls[2] = {
        { .statement = &SQL_COMMIT_RELAX },
        pg_rows_ids_call(&batch->arena, &SQL_OUTBOX_DELETE, batch->items, batch->count),
    };
    pg_run(outbox->pg, calls, 2, batch_settled, batch);
}

static void run_release(void *ctx, struct batch *batch) {
    struct outbox *outbox = ctx;
    const struct given_up *items = batch->items;
    struct pg_rows_writer rows;
    pg_rows_begin(&rows, &batch->arena, &SQL_OUTBOX_RELEASE, "ii", batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        pg_rows_put_int8(&rows, items[i].id);
        pg_rows_put_int8(&rows, items[i].claim);
    }
    struct pg_call call = pg_rows_call(&rows);
    pg_run(outbox->pg, &call, 1, batch_settled, batch);
}

/* ---- rows that are read again ---- */

/* When it was told first: `timestamp` was the last member. */
static int64_t bare_time_ms(struct str data) {
    enum { TIME_BYTES = CLOCK_RFC3339_BYTES - 1, AFTER_BYTES = 2 };
    int64_t unix_ms = 0;
    bool has_time = data.len > TIME_BYTES + AFTER_BYTES &&
                    clock_parse_rfc3339(data.data + data.len - AFTER_BYTES - TIME_BYTES, TIME_BYTES,
                                        &unix_ms) == ERR_OK;
    return has_time ? unix_ms : clock_unix_ms();
}

/* A row of a version before has only the data. */
static struct str whole_event(const struct outbox *outbox, struct arena *arena,
                              const struct teller_event *event) {
    static const struct str BEGIN = STR("{\"specversion\":");
    if (event->body.len >= BEGIN.len && memcmp(event->body.data, BEGIN.data, BEGIN.len) == 0) {
        return event->body;
    }
    struct event_head head = { .type = event->routing_key,
                               .source = outbox->options.source,
                               .id = event->message_id,
                               .time_ms = bare_time_ms(event->body),
                               .trace = event->trace };
    struct json_writer writer;
    struct buf whole;
    buf_init(&whole, 0);
    event_begin(&writer, &whole, &head);
    json_write_raw(&writer, "data", event->body.data, event->body.len);
    json_write_end_object(&writer);
    struct str copy = { NULL, buf_length(&whole) };
    if (!whole.failed) {
        copy.data = arena_copy(arena, buf_bytes(&whole), copy.len);
    }
    buf_free(&whole);
    return copy;
}

/* Rows as events, in the arena; their strings are the rows'. Fewer when there is no memory. */
static size_t events_from_rows(struct outbox *outbox, struct arena *arena,
                               const struct pg_rows *rows, bool are_claimed,
                               struct teller_event **ret_events) {
    struct teller_event *events = arena_array(arena, rows->count + 1, sizeof(*events));
    size_t count = 0;
    for (size_t row = 0; events != NULL && row < rows->count; row++) {
        struct teller_event *event = &events[count];
        *event = (struct teller_event){
            .id = pg_rows_get_int8(rows, row, 0),
            .routing_key = pg_rows_get_string(rows, row, 1),
            .message_id = pg_rows_get_string(rows, row, 2),
            .trace = pg_rows_get_trace(rows, row, 3),
            .body = pg_rows_get_text(rows, row, 6),
            .claim = are_claimed ? pg_rows_get_int8(rows, row, 7) : 0,
        };
        event->body = whole_event(outbox, arena, event);
        count += event->body.data != NULL;
    }
    *ret_events = events;
    return count;
}

/*
 * What did not come back with the rows is gone (another replica sent it), or cannot be read now:
 * let go of it.
 */
static void release_unread(struct outbox *outbox, const struct teller_event *events, size_t count) {
    size_t next = 0;
    for (size_t i = 0; i < outbox->reading_count; i++) { /* both in the order of ids */
        while (next < count && events[next].id < outbox->reading[i]) {
            next++;
        }
        if (next == count || events[next].id != outbox->reading[i]) {
            id_set_remove(&outbox->held, outbox->reading[i]);
        }
    }
}

static void backlog_arrived(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outbox *outbox = ctx;
    struct teller_event *events = NULL;
    size_t count = 0;
    if (err == ERR_OK) {
        count = events_from_rows(outbox, &outbox->backlog_arena, &rows[0], false, &events);
    }
    release_unread(outbox, events, count);
    outbox->reading_count = 0;
    for (size_t i = 0; i < count; i++) {
        send_held(outbox, &events[i], M_FROM_BACKLOG);
    }
    teller_flush(&outbox->teller);
    arena_reset(&outbox->backlog_arena);
    show_levels(outbox);
    if (err == ERR_OK) {
        read_backlog(outbox);
    }
}

static int compare_ids(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int64_t take_backlog(struct outbox *outbox) {
    int64_t id = outbox->backlog[outbox->backlog_head];
    outbox->backlog_head = (outbox->backlog_head + 1) % BACKLOG_MAX;
    outbox->backlog_count--;
    return id;
}

static void read_backlog(struct outbox *outbox) {
    if (outbox->backlog_count == 0 || outbox->reading_count > 0 || outbox->closing ||
        outbox->teller.inflight >= outbox->options.backlog_below) {
        return;
    }
    while (outbox->backlog_count > 0 && outbox->reading_count < outbox->options.sweep_batch_max) {
        outbox->reading[outbox->reading_count++] = take_backlog(outbox);
    }
    qsort(outbox->reading, outbox->reading_count, sizeof(*outbox->reading), compare_ids);
    struct pg_call call = pg_rows_ids_call(&outbox->backlog_arena, &SQL_OUTBOX_READ,
                                           outbox->reading, outbox->reading_count);
    pg_run(outbox->pg, &call, 1, backlog_arrived, outbox);
}

/* ---- the sweep ---- */

static void send_swept(struct outbox *outbox, const struct pg_rows *rows) {
    struct teller_event *events;
    size_t count = events_from_rows(outbox, &outbox->sweep_arena, rows, true, &events), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!id_set_has(&outbox->told, events[i].id)) {
            events[kept++] = events[i];
        }
    }
    publish_all(outbox, events, kept, M_FROM_SWEEP);
    arena_reset(&outbox->sweep_arena);
}

static void swept(void *ctx, enum err err, const struct pg_rows *rows) {
    struct outbox *outbox = ctx;
    size_t count = err == ERR_OK ? rows[0].count : 0;
    outbox->sweeping = false;
    if (err == ERR_OK && !outbox->closing) {
        send_swept(outbox, &rows[0]);
    }
    id_set_done(&outbox->told);
    if (count > 0) {
        log_info("outbox swept", LOG_INT("events", count));
    }
    if (!outbox->closing) {
        bool more = count == outbox->options.sweep_batch_max;
        if (!more) {
            outbox->sweep_all = false;
        }
        /* a full batch: there is more; a short pause lets the publisher drain */
        loop_timer_start(outbox->loop, &outbox->timer,
                         more ? 20 : outbox->options.sweep_interval_ms);
    }
}

static void sweep(struct outbox *outbox) {
    struct pg_call call = { &SQL_OUTBOX_CLAIM,
                            { pg_int8(outbox->sweep_all ? FRESH_LEASE_S : 0),
                              pg_int8((int64_t)outbox->options.sweep_batch_max) },
                            2 };
    outbox->sweeping = true;
    pg_run(outbox->pg, &call, 1, swept, outbox);
}

static void on_timer(void *ctx) {
    struct outbox *outbox = ctx;
    if (outbox->sweeping) {
        return; /* its end arms the timer */
    }
    read_backlog(outbox);                  /* if a read failed, nothing else would go on with it */
    bool full = outbox->backlog_count > 0; /* more would only join the backlog */
    if (full || broker_publish_state(outbox->broker) != BROKER_UP || !pg_is_ready(outbox->pg)) {
        loop_timer_start(outbox->loop, &outbox->timer, outbox->options.sweep_interval_ms);
        return;
    }
    sweep(outbox);
}

/* The broker is away: the sweep finds what waits here, for this process or for another. */
static void drop_backlog(struct outbox *outbox) {
    while (outbox->backlog_count > 0) {
        id_set_remove(&outbox->held, take_backlog(outbox));
    }
    show_levels(outbox);
}

void outbox_on_broker_state(struct outbox *outbox, enum broker_state state) {
    if (state == BROKER_DOWN) {
        drop_backlog(outbox);
        outbox->lost = outbox->teller.inflight;
    }
    if (state != BROKER_UP || outbox->closing) {
        return;
    }
    read_backlog(outbox);
    outbox->sweep_all = true;
    if (!outbox->sweeping) {
        loop_timer_start(outbox->loop, &outbox->timer, 0);
    }
}
