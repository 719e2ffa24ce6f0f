/*
 * PostgreSQL for an operator's questions: one connection, read-only, one question after the other.
 * What goes wrong is said on standard error, without passwords. One thread, blocking.
 */
#ifndef ADMIN_DATABASE_H
#define ADMIN_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum { DATABASE_PARAMS_MAX = 8, DATABASE_STATEMENT_S = 120 };

/* By a URL or a connection string from this variable. NULL: said why. */
PGconn *database_connect(const char *variable);

/*
 * Rows as text; parameters as text, NULL ends them. NULL: said why. To be freed with PQclear().
 */
PGresult *database_ask(PGconn *connection, const char *sql, ...) __attribute__((sentinel));

int64_t database_int(const PGresult *rows, int row, int column); /* SQL NULL: 0 */

#endif
