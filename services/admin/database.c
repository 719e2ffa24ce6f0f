/* Connecting, and asking. */
#include "database.h"

#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One process of the server at a time works for us, however many it has. */
#define OPTIONS                                                                                    \
    "-c default_transaction_read_only=%s -c statement_timeout=%ds -c lock_timeout=%ds"             \
    " -c idle_in_transaction_session_timeout=10s"                                                  \
    " -c max_parallel_workers_per_gather=0 -c jit=off -c work_mem=64MB"                            \
    " -c timezone=UTC -c datestyle=ISO"

PGconn *database_connect(const char *variable, bool is_read_only) {
    const char *url = admin_variable(variable);
    char options[256], timeout_s[8];
    if (url == NULL) {
        return NULL;
    }
    snprintf(options, sizeof(options), OPTIONS, is_read_only ? "on" : "off", DATABASE_STATEMENT_S,
             DATABASE_LOCK_S);
    snprintf(timeout_s, sizeof(timeout_s), "%d", DATABASE_CONNECT_S);
    const char *const names[] = { "dbname", "options", "application_name", "connect_timeout",
                                  NULL };
    const char *const values[] = { url, options, "prodorder-admin", timeout_s, NULL };
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(connection) != CONNECTION_OK) {
        admin_complain("%s: %s", variable, PQerrorMessage(connection));
        PQfinish(connection);
        return NULL;
    }
    return connection;
}

bool database_again(PGconn *connection) {
    if (PQstatus(connection) != CONNECTION_OK) {
        PQreset(connection);
    }
    if (PQstatus(connection) != CONNECTION_OK) {
        admin_complain("%s: %s", PQdb(connection), PQerrorMessage(connection));
        return false;
    }
    return true;
}

static bool was_too_slow;

bool database_was_too_slow(void) {
    return was_too_slow;
}

static PGresult *run(PGconn *connection, const char *sql, va_list list) {
    const char *params[DATABASE_PARAMS_MAX];
    int count = 0;
    for (const char *param;
         count < DATABASE_PARAMS_MAX && (param = va_arg(list, const char *)) != NULL;) {
        params[count++] = param;
    }
    PGresult *rows = PQexecParams(connection, sql, count, NULL, params, NULL, NULL, 0);
    const char *state = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    was_too_slow = state != NULL && strcmp(state, "57014") == 0; /* query_canceled */
    if (PQresultStatus(rows) != PGRES_TUPLES_OK && PQresultStatus(rows) != PGRES_COMMAND_OK) {
        admin_complain("%s: %s", PQdb(connection), PQresultErrorMessage(rows));
        PQclear(rows);
        return NULL;
    }
    return rows;
}

PGresult *database_ask(PGconn *connection, const char *sql, ...) {
    va_list list;
    va_start(list, sql);
    PGresult *rows = run(connection, sql, list);
    va_end(list);
    return rows;
}

bool database_do(PGconn *connection, const char *sql, ...) {
    va_list list;
    va_start(list, sql);
    PGresult *rows = run(connection, sql, list);
    va_end(list);
    PQclear(rows);
    return rows != NULL;
}

int64_t database_int(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? 0 : strtoll(PQgetvalue(rows, row, column), NULL, 10);
}
