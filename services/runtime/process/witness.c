/* Redis first, then a beat of the database, then a note of it. */
#include "witness.h"

#include "base/json_write.h"
#include "runtime/json/json.h"
#include "runtime/telemetry/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    POLL_MS = 5, /* while the cache is not ready at start */
    NOTE_TTL_S = 30 * 86400,
    ARENA_BYTES_MAX = 65536,
};

/* How far a database has come. */
struct place {
    int64_t beats, at_ms;
    int64_t ids[WITNESS_SEQUENCES_MAX];
};

static struct {
    struct witness_options options;
    struct loop_timer timer;
    struct arena arena; /* of what is under way */
    size_t sequences;
    struct place known; /* read from Redis, or seen by this process: the greater one */
    uint64_t wait_until_ms;
    bool is_started; /* the database is */
    bool is_busy, is_closed;
} witness;

static void on_timer(void *ctx);
static void read_note(void);
static void note_read(void *ctx, enum err err, const struct cache_value *values);
static void beat(void);
static void beaten(void *ctx, enum err err, const struct pg_rows *rows);

static const struct pg_statement SQL_WITNESS_BEAT = {
    "witness_beat", "SELECT beats_before, beat_before, beats_after, id_before, id_after"
                    " FROM witness_beat($3::bigint, $1::text[], $2::bigint[], $4::bigint)"
};

const struct pg_statement *const WITNESS_STATEMENTS[] = { &SQL_WITNESS_BEAT, NULL };

static void wake_in(uint64_t ms) {
    if (!witness.is_closed) {
        loop_timer_start(witness.options.loop, &witness.timer, ms);
    }
}

static void end(void) {
    witness.is_busy = false;
    arena_reset(&witness.arena);
    wake_in(WITNESS_LOOK_MS);
}

/* ---- the note in Redis ---- */

static const char *const *note_key(void) {
    static char key[CACHE_KEY_BYTES_MAX + 1];
    static const char *keys[] = { key };
    snprintf(key, sizeof(key), "witness:%s", witness.options.service);
    return keys;
}

/* A member that is not there counts as 0. */
static int64_t read_number(struct json_object *note, const char *name) {
    int64_t value = 0;
    return json_get_decimal(note, name, 0, &value) == ERR_OK ? value : 0;
}

static void raise(int64_t *known, int64_t value) {
    *known = value > *known ? value : *known;
}

static void take_note(struct str text) {
    struct json_object *note = NULL;
    if (json_parse(&witness.arena, text.data, text.len, &note, NULL) != ERR_OK ||
        !json_is_object(note)) {
        return;
    }
    raise(&witness.known.beats, read_number(note, "beats"));
    raise(&witness.known.at_ms, read_number(note, "at"));
    for (size_t i = 0; i < witness.sequences; i++) {
        raise(&witness.known.ids[i], read_number(note, witness.options.sequences[i].sequence));
    }
}

static void write_note(void) {
    struct json_writer writer;
    struct buf text;
    buf_init(&text, 0);
    json_write_init(&writer, &text);
    json_write_begin_object(&writer, NULL);
    json_write_int(&writer, "beats", witness.known.beats);
    json_write_int(&writer, "at", witness.known.at_ms);
    for (size_t i = 0; i < witness.sequences; i++) {
        json_write_int(&writer, witness.options.sequences[i].sequence, witness.known.ids[i]);
    }
    json_write_end_object(&writer);
    struct cache_put put = { .key = note_key()[0],
                             .value = { buf_bytes(&text), buf_length(&text) },
                             .ttl_s = NOTE_TTL_S };
    if (!text.failed) { /* it has no version, so it never has another one */
        cache_put_unchanged(witness.options.cache, cache_epoch(witness.options.cache), &put, NULL,
                            NULL);
    }
    buf_free(&text);
}

/* ---- a look: the note → a beat → the note ---- */

static void read_note(void) {
    witness.is_busy = true;
    cache_get(witness.options.cache, note_key(), 1, note_read, NULL);
}

static void note_read(void *ctx, enum err err, const struct cache_value *values) {
    (void)ctx;
    if (err == ERR_OK && values[0].value.data != NULL) {
        take_note(values[0].value);
    }
    if (witness.is_closed) {
        end();
    } else if (!witness.is_started) {
        witness.is_started = true;
        end();
        pg_go(witness.options.pg);
    } else {
        beat();
    }
}

static void beat(void) {
    struct pg_rows_writer rows;
    witness.is_busy = true;
    pg_rows_begin(&rows, &witness.arena, &SQL_WITNESS_BEAT, "ti", witness.sequences);
    for (size_t i = 0; i < witness.sequences; i++) {
        pg_rows_put_text(&rows, str_of(witness.options.sequences[i].sequence));
        pg_rows_put_int8(&rows, witness.known.ids[i]);
    }
    struct pg_call call = pg_rows_call(&rows);
    call.params[call.param_count++] = pg_int8(witness.known.beats);
    call.params[call.param_count++] = pg_int8(WITNESS_MARGIN_IDS);
    pg_run(witness.options.pg, &call, 1, beaten, NULL);
}

/* The one line, with the cure. */
static void say_restored(const struct pg_rows *rows) {
    struct witness_loss loss = { .last_id = pg_rows_get_int8(rows, 0, 3),
                                 .noted_id = witness.known.ids[0] };
    struct buf cure;
    buf_init(&cure, 0);
    clock_format_rfc3339(pg_rows_get_time(rows, 0, 1), loss.from);
    clock_format_rfc3339(witness.known.at_ms, loss.until);
    witness.options.cure(&loss, &cure);
    buf_append_char(&cure, '\0');
    log_error("the database was restored to an earlier moment", LOG_STR("restoredTo", loss.from),
              LOG_STR("lostUntil", loss.until),
              LOG_STR("cure", cure.failed ? NULL : buf_bytes(&cure)));
    buf_free(&cure);
}

/* Set back by somebody, or restored. */
static void say_moved(const struct pg_rows *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        int64_t before = pg_rows_get_int8(rows, i, 3), after = pg_rows_get_int8(rows, i, 4);
        if (after != before) {
            log_warn("a sequence goes on above the ids that were given",
                     LOG_STR("sequence", witness.options.sequences[i].sequence),
                     LOG_INT("lastId", before), LOG_INT("givenId", witness.known.ids[i]),
                     LOG_INT("movedTo", after));
        }
    }
}

static void beaten(void *ctx, enum err err, const struct pg_rows *rows) {
    (void)ctx;
    if (err != ERR_OK || rows[0].count != witness.sequences) {
        end();
        return;
    }
    if (pg_rows_get_int8(&rows[0], 0, 0) < witness.known.beats) {
        say_restored(&rows[0]);
    }
    say_moved(&rows[0]);
    witness.known.beats = pg_rows_get_int8(&rows[0], 0, 2);
    witness.known.at_ms = clock_unix_ms();
    for (size_t i = 0; i < witness.sequences; i++) {
        witness.known.ids[i] = pg_rows_get_int8(&rows[0], i, 4);
    }
    if (!witness.is_closed) {
        write_note();
    }
    end();
}

static void on_timer(void *ctx) {
    bool is_over = loop_now_ms(witness.options.loop) >= witness.wait_until_ms;
    (void)ctx;
    if (witness.is_busy || witness.is_closed) {
        return;
    }
    if (!witness.is_started && !cache_is_ready(witness.options.cache) && !is_over) {
        wake_in(POLL_MS);
    } else if (!witness.is_started || pg_is_ready(witness.options.pg)) {
        read_note();
    } else {
        wake_in(WITNESS_LOOK_MS);
    }
}

/* What this process knows is enough: nobody's request has been taken since. */
void witness_on_database_ready(void) {
    if (!witness.is_busy && !witness.is_closed) {
        beat();
    }
}

void witness_open(const struct witness_options *options) {
    memset(&witness, 0, sizeof(witness));
    witness.options = *options;
    while (options->sequences[witness.sequences].table != NULL) {
        witness.sequences++;
    }
    assert(witness.sequences > 0 && witness.sequences <= WITNESS_SEQUENCES_MAX);
    arena_init(&witness.arena, ARENA_BYTES_MAX);
    loop_timer_init(&witness.timer, on_timer, NULL);
    witness.wait_until_ms = loop_now_ms(options->loop) + WITNESS_WAIT_MS;
    loop_timer_start(options->loop, &witness.timer, 0);
}

void witness_close(void) {
    if (!witness.is_closed && witness.sequences > 0) {
        loop_timer_stop(witness.options.loop, &witness.timer);
    }
    witness.is_closed = true;
}
