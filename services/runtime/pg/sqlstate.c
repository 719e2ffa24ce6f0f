/*
 * What each SQLSTATE means to whoever asked: whose fault it is, and so what is to be done.
 *
 * The codes are PostgreSQL's (manual, appendix A). The first row that a code begins with counts.
 * What is in no row is PG_FAULT_UNKNOWN: a RAISE of somebody's trigger (P0), an extension's own
 * code. It may be about one row, and it may pass: so it is ERR_INTERNAL, which a consumer repeats a
 * few times and then isolates and parks, where nothing is lost; a client is answered 500.
 */
#include "private.h"

#include "runtime/telemetry/metrics.h"

#include <string.h>

static const struct pg_sqlstate TABLE[] = {
    /* ---- stale: this connection has not what we think it has; another one has ---- */
    /* "cached plan must not change result type": a column has another type since it was prepared */
    { "0A000", PG_FAULT_STALE, ERR_UNAVAILABLE },
    /* "type of parameter 14 does not match that when preparing the plan": likewise in a function */
    { "42804", PG_FAULT_STALE, ERR_UNAVAILABLE },
    /* the prepared statement is gone: DEALLOCATE, DISCARD, a pooler in between */
    { "26000", PG_FAULT_STALE, ERR_UNAVAILABLE },
    /* it is there already: a pooler gave us a server connection that was somebody's */
    { "42P05", PG_FAULT_STALE, ERR_UNAVAILABLE },
    /* parameters that do not fit it: the statement of this name is another one */
    { "08P01", PG_FAULT_STALE, ERR_UNAVAILABLE },

    /* ---- of class 25, transaction state ---- */
    /* the server is no primary (any more): the next connection may find one */
    { PG_READ_ONLY, PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* idle in transaction for too long: the server ends connection and transaction */
    { "25P03", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* else: in a transaction where we know of none, or the reverse */
    { "25", PG_FAULT_STALE, ERR_UNAVAILABLE },

    /* ---- over in time: the same again may succeed ---- */
    /* canceled: statement_timeout, or an administrator */
    { "57014", PG_FAULT_TIMEOUT, ERR_TIMEOUT },
    /* lock_timeout: a row, or a whole table, that another transaction has locked */
    { "55P03", PG_FAULT_LOCKED, ERR_LOCKED },
    /* serialization failure, deadlock, and what else rolls back for the sake of others */
    { "40", PG_FAULT_CONFLICT, ERR_CONFLICT },

    /* ---- data: the same rows again would be refused again ---- */
    /* a unique key; of a primary key made from a sequence see is_taken_id() */
    { "23505", PG_FAULT_DUPLICATE, ERR_DUPLICATE },
    /* a value: out of range, malformed, division by zero */
    { "22", PG_FAULT_DATA, ERR_REJECTED_DATA },
    /* a constraint */
    { "23", PG_FAULT_DATA, ERR_REJECTED_DATA },
    /* two rows where one was expected: the same key twice in one statement */
    { "21", PG_FAULT_DATA, ERR_REJECTED_DATA },
    /* a view's WITH CHECK OPTION */
    { "44", PG_FAULT_DATA, ERR_REJECTED_DATA },

    /* ---- environment: no row is to blame, somebody has to mend something, or it passes ---- */
    /* the connection itself */
    { "08", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* who we are, and the database: not let in (any more) */
    { "28", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    { "3D", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    { "3F", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* tables, columns, functions, privileges: a migration by hand, half a restore */
    { "42", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* disk full, out of memory, too many connections */
    { "53", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* a limit of the program: stack depth, columns */
    { "54", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* an object that is in use or not ready */
    { "55", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* shutdown, start-up, a database that is dropped */
    { "57", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* I/O, files */
    { "58", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
    /* internal: a corrupted table or index */
    { "XX", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE },
};

static const struct pg_sqlstate UNKNOWN = { "", PG_FAULT_UNKNOWN, ERR_INTERNAL };
/* libpq's own: the server said nothing, the connection is lost */
static const struct pg_sqlstate LOST = { "", PG_FAULT_ENVIRONMENT, ERR_UNAVAILABLE };
static const struct pg_sqlstate TAKEN_ID = { "", PG_FAULT_TAKEN_ID, ERR_TAKEN_ID };

#define ERRORS "prodorder_database_errors_total", METRIC_COUNTER, "Errors that PostgreSQL answered"

static struct metric METRICS[PG_FAULT_COUNT] = {
    [PG_FAULT_STALE] = { ERRORS, "class=\"stale\"" },
    [PG_FAULT_ENVIRONMENT] = { ERRORS, "class=\"environment\"" },
    [PG_FAULT_TIMEOUT] = { ERRORS, "class=\"timeout\"" },
    [PG_FAULT_LOCKED] = { ERRORS, "class=\"locked\"" },
    [PG_FAULT_CONFLICT] = { ERRORS, "class=\"conflict\"" },
    [PG_FAULT_DUPLICATE] = { ERRORS, "class=\"duplicate\"" },
    [PG_FAULT_TAKEN_ID] = { ERRORS, "class=\"taken_id\"" },
    [PG_FAULT_DATA] = { ERRORS, "class=\"data\"" },
    [PG_FAULT_UNKNOWN] = { ERRORS, "class=\"unknown\"" },
};

void pg_sqlstate_register(void) {
    metrics_register(METRICS, PG_FAULT_COUNT);
}

/* A primary key of a table whose ids come from a sequence; PostgreSQL calls it <table>_pkey. */
static bool is_taken_id(const struct pg_sequence *sequences, const char *constraint) {
    static const char SUFFIX[] = "_pkey";
    for (; sequences != NULL && constraint != NULL && sequences->table != NULL; sequences++) {
        size_t length = strlen(sequences->table);
        if (strncmp(constraint, sequences->table, length) == 0 &&
            strcmp(constraint + length, SUFFIX) == 0) {
            return true;
        }
    }
    return false;
}

static const struct pg_sqlstate *look_up(const char *state) {
    for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++) {
        if (strncmp(state, TABLE[i].begin, strlen(TABLE[i].begin)) == 0) {
            return &TABLE[i];
        }
    }
    return &UNKNOWN;
}

const struct pg_sqlstate *pg_sqlstate(const PGresult *result, const struct pg_sequence *sequences) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const struct pg_sqlstate *found = state == NULL ? &LOST : look_up(state);
    if (found->fault == PG_FAULT_DUPLICATE &&
        is_taken_id(sequences, PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME))) {
        found = &TAKEN_ID;
    }
    metrics_add(&METRICS[found->fault], 1);
    return found;
}
