#include "fake_pg.h"

#include "unit.h"

#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SESSIONS_MAX = 32 };

#define EPOCH_2000_MS INT64_C(946684800000)

struct pg_session {
    bool open;    /* between begin and end */
    bool waiting; /* for an answer */
};

struct pg fake_pg;
static struct pg_session sessions[SESSIONS_MAX];

void fake_pg_reset(void) {
    memset(&fake_pg, 0, sizeof(fake_pg));
    memset(sessions, 0, sizeof(sessions));
    fake_pg.ready = true;
}

/* ---- the interface ---- */

static bool is_whole(const struct pg_call *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < calls[i].param_count; p++) {
            if (calls[i].params[p].length < 0) {
                return false;
            }
        }
    }
    return true;
}

static void ask(enum fake_pg_kind kind, struct pg_session *session, const struct pg_call *calls,
                size_t count, pg_fn *fn, void *ctx) {
    ck_assert_uint_lt(fake_pg.waiting, FAKE_PG_REQUESTS_MAX);
    ck_assert_uint_le(count, PG_CALLS_MAX);
    ck_assert_msg(is_whole(calls, count), "a parameter could not be built");
    struct fake_pg_request *request = &fake_pg.requests[fake_pg.waiting++];
    *request = (struct fake_pg_request){
        .kind = kind, .count = count, .fn = fn, .ctx = ctx, .session = session
    };
    if (count > 0) {
        memcpy(request->calls, calls, count * sizeof(*calls));
    }
    fake_pg.asked++;
}

void pg_go(struct pg *pg) {
    pg->has_gone = true;
}

bool pg_is_ready(const struct pg *pg) {
    return pg->ready;
}

void pg_run(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn, void *ctx) {
    ck_assert_ptr_eq(pg, &fake_pg);
    ask(FAKE_PG_RUN, NULL, calls, count, fn, ctx);
}

struct pg_session *pg_begin(struct pg *pg, const struct pg_call *calls, size_t count, pg_fn *fn,
                            void *ctx) {
    size_t i = 0;
    ck_assert_ptr_eq(pg, &fake_pg);
    while (i < SESSIONS_MAX && sessions[i].open) {
        i++;
    }
    ck_assert_uint_lt(i, SESSIONS_MAX);
    sessions[i] = (struct pg_session){ .open = true, .waiting = true };
    fake_pg.sessions_open++;
    ask(FAKE_PG_BEGIN, &sessions[i], calls, count, fn, ctx);
    return &sessions[i];
}

static void go_on(enum fake_pg_kind kind, struct pg_session *session, const struct pg_call *calls,
                  size_t count, pg_fn *fn, void *ctx) {
    ck_assert(session->open && !session->waiting);
    session->waiting = true;
    ask(kind, session, calls, count, fn, ctx);
}

void pg_continue(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
                 void *ctx) {
    go_on(FAKE_PG_CONTINUE, session, calls, count, fn, ctx);
}

void pg_commit(struct pg_session *session, const struct pg_call *calls, size_t count, pg_fn *fn,
               void *ctx) {
    go_on(FAKE_PG_COMMIT, session, calls, count, fn, ctx);
}

static void end(struct pg_session *session) {
    session->open = false;
    fake_pg.sessions_open--;
}

void pg_rollback(struct pg_session *session) {
    ck_assert(session->open && !session->waiting);
    fake_pg.rollbacks++;
    end(session);
}

/* ---- answers ---- */

const struct fake_pg_request *fake_pg_expect(enum fake_pg_kind kind,
                                             const struct pg_statement *statement) {
    ck_assert_msg(fake_pg.waiting > 0, "no request waits for the database");
    const struct fake_pg_request *request = &fake_pg.requests[0];
    ck_assert_int_eq(request->kind, kind);
    ck_assert(request->count > 0);
    ck_assert_ptr_eq(request->calls[0].statement, statement);
    return request;
}

void fake_pg_prefer(const struct pg_statement *statement) {
    size_t i = 0;
    while (i < fake_pg.waiting && (fake_pg.requests[i].count == 0 ||
                                   fake_pg.requests[i].calls[0].statement != statement)) {
        i++;
    }
    ck_assert_msg(i < fake_pg.waiting, "no request begins with %s", statement->name);
    struct fake_pg_request preferred = fake_pg.requests[i];
    memmove(&fake_pg.requests[1], &fake_pg.requests[0], i * sizeof(preferred));
    fake_pg.requests[0] = preferred;
}

static struct fake_pg_request take(void) {
    ck_assert_uint_gt(fake_pg.waiting, 0);
    struct fake_pg_request request = fake_pg.requests[0];
    fake_pg.waiting--;
    memmove(&fake_pg.requests[0], &fake_pg.requests[1],
            fake_pg.waiting * sizeof(fake_pg.requests[0]));
    return request;
}

void fake_pg_answer(PGresult *first, PGresult *second, PGresult *third) {
    struct fake_pg_request request = take();
    PGresult *results[PG_CALLS_MAX] = { first, second, third };
    struct pg_rows rows[PG_CALLS_MAX];
    for (size_t i = 0; i < PG_CALLS_MAX; i++) {
        rows[i] =
            (struct pg_rows){ .handle = results[i],
                              .count = results[i] == NULL ? 0 : (size_t)PQntuples(results[i]) };
    }
    if (request.session != NULL) {
        request.session->waiting = false;
        if (request.kind == FAKE_PG_COMMIT) {
            end(request.session);
        }
    }
    request.fn(request.ctx, ERR_OK, rows);
    for (size_t i = 0; i < 3; i++) {
        PQclear(results[i]);
    }
}

void fake_pg_fail(enum err err) {
    struct fake_pg_request request = take();
    if (request.session != NULL) {
        end(request.session);
    }
    request.fn(request.ctx, err, NULL);
}

void fake_pg_answer_ids(const struct pg_statement *statement, int64_t first) {
    PGresult *rows = fake_rows(1);
    (void)fake_pg_expect(FAKE_PG_RUN, statement);
    fake_row(rows, "i", first);
    fake_pg_answer(rows, NULL, NULL);
}

PGresult *fake_rows(int columns) {
    PGresAttDesc attributes[24];
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    memset(attributes, 0, sizeof(attributes));
    for (int i = 0; i < columns; i++) {
        attributes[i].name = (char *)(uintptr_t) "column";
        attributes[i].format = 1;
    }
    ck_assert_ptr_nonnull(rows);
    ck_assert_int_eq(PQsetResultAttrs(rows, columns, attributes), 1);
    return rows;
}

static void set(PGresult *rows, int row, int column, const void *bytes, int length) {
    char copy[4096];
    ck_assert_int_lt(length, (int)sizeof(copy));
    if (bytes == NULL) {
        ck_assert_int_eq(PQsetvalue(rows, row, column, NULL, -1), 1);
        return;
    }
    memcpy(copy, bytes, (size_t)length);
    ck_assert_int_eq(PQsetvalue(rows, row, column, copy, length), 1);
}

void fake_row(PGresult *rows, const char *types, ...) {
    int row = PQntuples(rows);
    va_list values;
    va_start(values, types);
    ck_assert_int_eq((int)strlen(types), PQnfields(rows));
    for (int column = 0; types[column] != '\0'; column++) {
        if (types[column] == 't') {
            const char *text = va_arg(values, const char *);
            set(rows, row, column, text, text == NULL ? 0 : (int)strlen(text));
        } else if (types[column] == 'b') {
            char byte = va_arg(values, int) != 0;
            set(rows, row, column, &byte, 1);
        } else {
            int64_t value = va_arg(values, int64_t);
            ck_assert(types[column] == 'i' || types[column] == 'T');
            value = types[column] == 'T' ? (value - EPOCH_2000_MS) * 1000 : value;
            uint64_t wire = htobe64((uint64_t)value);
            set(rows, row, column, &wire, sizeof(wire));
        }
    }
    va_end(values);
}

/* ---- parameters ---- */

static uint32_t read_int4(const char *bytes) {
    uint32_t wire;
    memcpy(&wire, bytes, sizeof(wire));
    return be32toh(wire);
}

static int64_t read_int8(const char *bytes) {
    uint64_t wire;
    memcpy(&wire, bytes, sizeof(wire));
    return (int64_t)be64toh(wire);
}

int64_t fake_param_int8(const struct pg_call *call, size_t param) {
    ck_assert_uint_lt(param, call->param_count);
    ck_assert_int_eq(call->params[param].length, sizeof(int64_t));
    ck_assert_ptr_null(call->params[param].bytes);
    return (int64_t)be64toh(call->params[param].scalar);
}

int64_t fake_param_time(const struct pg_call *call, size_t param) {
    return fake_param_int8(call, param) / 1000 + EPOCH_2000_MS;
}

size_t fake_param_count(const struct pg_call *call, size_t param) {
    ck_assert_uint_lt(param, call->param_count);
    ck_assert_int_ge(call->params[param].length, 12);
    return read_int4(call->params[param].bytes) == 0 ? 0
                                                     : read_int4(call->params[param].bytes + 12);
}

struct str fake_param_text_at(const struct pg_call *call, size_t param, size_t index) {
    const char *at = call->params[param].bytes + 20;
    ck_assert_uint_lt(index, fake_param_count(call, param));
    for (;; index--) {
        int32_t length = (int32_t)read_int4(at);
        at += sizeof(uint32_t);
        if (index == 0) {
            return length < 0 ? (struct str){ NULL, 0 } : (struct str){ at, (size_t)length };
        }
        at += length < 0 ? 0 : length;
    }
}

int64_t fake_param_int8_at(const struct pg_call *call, size_t param, size_t index) {
    struct str value = fake_param_text_at(call, param, index);
    ck_assert_uint_eq(value.len, sizeof(int64_t));
    return read_int8(value.data);
}
