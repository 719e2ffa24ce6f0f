/*
 * runtime/pg/pg.h faked at link time: requests wait in a list until the test answers them, oldest
 * first. Parameters and rows are the real ones (rows.c, libpq's PGresult), so that what a
 * statement is given can be read, and ASan sees memory that was given back too early.
 *
 * Link with fake_pg.c and services/runtime/pg/rows.c instead of pg.c and conn.c.
 */
#ifndef FAKE_PG_H
#define FAKE_PG_H

#include "runtime/pg/pg.h"

#include <libpq-fe.h>

enum fake_pg_kind { FAKE_PG_RUN, FAKE_PG_BEGIN, FAKE_PG_CONTINUE, FAKE_PG_COMMIT };

enum { FAKE_PG_REQUESTS_MAX = 64 };

struct fake_pg_request {
    enum fake_pg_kind kind;
    struct pg_call calls[PG_CALLS_MAX];
    size_t count;
    pg_fn *fn;
    void *ctx;
    struct pg_session *session; /* NULL for FAKE_PG_RUN */
};

/* The one connection that there is. */
struct pg {
    bool ready;
    bool has_gone; /* pg_go() */
    struct fake_pg_request requests[FAKE_PG_REQUESTS_MAX]; /* waiting, oldest first */
    size_t waiting;
    size_t asked;         /* requests ever made */
    size_t sessions_open; /* transactions begun and neither ended nor rolled back */
    size_t rollbacks;
};

extern struct pg fake_pg;

/* Ready, and nothing waits. */
void fake_pg_reset(void);

/*
 * The oldest request; the test fails unless its first statement is `statement` and its kind `kind`.
 */
const struct fake_pg_request *fake_pg_expect(enum fake_pg_kind kind,
                                             const struct pg_statement *statement);

/* Another connection is faster: the oldest request that begins with `statement` comes first. */
void fake_pg_prefer(const struct pg_statement *statement);

/* Rows, `columns` wide. One letter a column: i int8, t text (const char *, NULL is SQL NULL),
   T time (int64_t unix ms), b boolean (int). */
PGresult *fake_rows(int columns);
void fake_row(PGresult *rows, const char *types, ...);

/* Answer the oldest request: results of its calls, NULL for none of a kind. Takes them over. */
void fake_pg_answer(PGresult *first, PGresult *second, PGresult *third);
void fake_pg_fail(enum err err);
/* Answer the oldest request, which asks for ids, with a block that begins at `first`. */
void fake_pg_answer_ids(const struct pg_statement *statement, int64_t first);

/* What a call was given. */
int64_t fake_param_int8(const struct pg_call *call, size_t param);
int64_t fake_param_time(const struct pg_call *call, size_t param);
size_t fake_param_count(const struct pg_call *call, size_t param);
int64_t fake_param_int8_at(const struct pg_call *call, size_t param, size_t index);
struct str fake_param_text_at(const struct pg_call *call, size_t param, size_t index);

#endif
