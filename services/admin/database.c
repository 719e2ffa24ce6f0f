/* Connecting, and asking. */
#include "database.h"

#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PGconn *database_connect(const char *variable) {
    const char *url = admin_variable(variable);
    char options[64];
    if (url == NULL) {
        return NULL;
    }
    snprintf(options, sizeof(options),
             "-c default_transaction_read_only=on -c statement_timeout=%ds", DATABASE_STATEMENT_S);
    const char *const names[] = { "dbname", "options", "application_name", "connect_timeout",
                                  NULL };
    const char *const values[] = { url, options, "prodorder-admin", "10", NULL };
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "prodorder-admin: %s: %s", variable, PQerrorMessage(connection));
        PQfinish(connection);
        return NULL;
    }
    return connection;
}

PGresult *database_ask(PGconn *connection, const char *sql, ...) {
    const char *params[DATABASE_PARAMS_MAX];
    int count = 0;
    va_list list;
    va_start(list, sql);
    for (const char *param;
         count < DATABASE_PARAMS_MAX && (param = va_arg(list, const char *)) != NULL;) {
        params[count++] = param;
    }
    va_end(list);
    PGresult *rows = PQexecParams(connection, sql, count, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
        fprintf(stderr, "prodorder-admin: %s: %s", PQdb(connection), PQresultErrorMessage(rows));
        PQclear(rows);
        return NULL;
    }
    return rows;
}

int64_t database_int(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? 0 : strtoll(PQgetvalue(rows, row, column), NULL, 10);
}
