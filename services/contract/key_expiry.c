/*
 * Idempotency keys end 24 hours after they were made; what has ended is deleted as fast as it
 * comes.
 *
 * A round begins every ROUND_INTERVAL_MS and deletes chunks, oldest first, until one is not full.
 * After each it pauses for PAUSE_FACTOR times what that took: after an outage, however long, no
 * more than a quarter of one connection's time goes into it. Keys that somebody has locked are
 * passed over: so replicas share the work, nobody waits for anybody here, and an order that takes
 * an expired key over waits for one chunk at most.
 *
 * A chunk begins where the one before ended, since what was deleted stays in the index until it is
 * vacuumed. After a round that found nothing, and every ROUNDS_FROM_START rounds, since at a steady
 * rate each finds something, it is at the very first, for what was passed over, or came from a
 * clock that was a day behind. Loop thread only.
 */
#include "key_expiry.h"

#include "base/clock.h"
#include "runtime/process/backends.h"
#include "runtime/telemetry/log.h"

#include <string.h>

enum {
    ROUND_INTERVAL_MS = 1000,
    CHUNK_KEYS = 1000,
    PAUSE_FACTOR = 3,
    ROUNDS_FROM_START = 600,
};

static struct {
    struct loop_timer timer;
    bool busy; /* a chunk is under way */
    bool stopped;
    int64_t from_ms;   /* what is older has been looked at */
    uint64_t begin_ms; /* of this chunk */
    int64_t deleted;   /* in this round */
    int rounds;        /* since from_ms was 0 */
} expiry;

static void chunk_deleted(void *ctx, enum err err, const struct pg_rows *rows);

static void wake_in(uint64_t ms) {
    if (!expiry.stopped) {
        loop_timer_start(backends.loop, &expiry.timer, ms);
    }
}

static void end_round(uint64_t pause_ms) {
    if (expiry.deleted > 0) {
        log_info("idempotency keys expired", LOG_INT("keys", expiry.deleted));
    }
    expiry.rounds++;
    if (expiry.deleted == 0 || expiry.rounds == ROUNDS_FROM_START) {
        expiry.from_ms = 0;
        expiry.rounds = 0;
    }
    expiry.deleted = 0;
    wake_in(pause_ms > ROUND_INTERVAL_MS ? pause_ms : ROUND_INTERVAL_MS);
}

/*
 * The commit does not wait for the disk: a key that comes back after a crash has ended all the
 * same, stands for nothing, and is deleted again.
 */
static void delete_chunk(void *ctx) {
    struct pg_call calls[] = {
        { .statement = &SQL_COMMIT_RELAX },
        { &SQL_KEY_EXPIRE, { pg_time(expiry.from_ms), pg_int8(CHUNK_KEYS) }, 2 },
    };
    (void)ctx;
    if (!pg_is_ready(backends.pg)) {
        end_round(0);
        return;
    }
    expiry.busy = true;
    expiry.begin_ms = clock_monotonic_ms();
    pg_run(backends.pg, calls, 2, chunk_deleted, NULL);
}

static void chunk_deleted(void *ctx, enum err err, const struct pg_rows *rows) {
    int64_t count = err == ERR_OK ? pg_rows_get_int8(&rows[1], 0, 0) : 0;
    uint64_t pause_ms = PAUSE_FACTOR * (clock_monotonic_ms() - expiry.begin_ms) + 1;
    (void)ctx;
    expiry.busy = false;
    if (count > 0) {
        expiry.deleted += count;
        expiry.from_ms = pg_rows_get_time(&rows[1], 0, 1);
    }
    if (count == CHUNK_KEYS) {
        wake_in(pause_ms);
    } else {
        end_round(pause_ms);
    }
}

/* ---- start and stop ---- */

enum err key_expiry_open(void) {
    memset(&expiry, 0, sizeof(expiry));
    loop_timer_init(&expiry.timer, delete_chunk, NULL);
    wake_in(ROUND_INTERVAL_MS);
    return ERR_OK;
}

void key_expiry_stop(void) {
    expiry.stopped = true;
    loop_timer_stop(backends.loop, &expiry.timer);
}

void key_expiry_close(void) {
    key_expiry_stop();
}

bool key_expiry_is_idle(void) {
    return !expiry.busy;
}
